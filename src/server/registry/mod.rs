//! Registry API: the router, and the state that its handlers share.

pub(super) mod blobs;
mod condition;
pub(super) mod lists;
pub(super) mod manifests;
pub(super) mod route;
pub(super) mod uploads;

use super::{
    Config,
    access_log::{Ids, Line},
    auth::Access,
    body::{HeldBodies, drain},
    chartmuseum,
    index_view::{Cache, Follower, LookCost, View},
    net::{
        query::Query,
        refusal::{Code, Refusal},
        response::json_answer,
    },
    rules::Rules,
    upstream::Writes,
};
use crate::{
    Result,
    oci::{RepositoryName, TagOrDigest},
    store::disk::{Disk, repository::Repository},
};
use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    response::{IntoResponse, Response},
    routing::any,
};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, StatusCode, header, request::Parts};
use route::Route;
use serde_json::json;
use std::sync::Arc;

/// Registry over one store.
#[derive(Debug)]
pub(super) struct Registry {
    pub(super) disk: Disk,
    pub(super) config: Config,
    pub(super) charts: Follower<Disk>,
    pub(super) rules: Rules,
    /// Memory for manifests that are being received.
    manifests: HeldBodies,
    ids: Ids,
}

/// Builds the registry API over `disk`, for [`super::bind`] or for direct calls.
pub fn router(disk: Disk, config: Config) -> Router {
    let charts = charts(&disk, &config);
    router_with(disk, config, charts)
}

/// Creates the follower that updates the index of the charts in `disk`. This process holds the
/// store's lock, so no other process writes there.
pub(super) fn charts(disk: &Disk, config: &Config) -> Follower<Disk> {
    let settings = config.museum.settings();
    let cache = Cache::open(&disk.root().join(CHARTS_CACHE), &settings);
    Follower::new(disk.clone(), View::new(settings), LookCost::Near, config.limits.clone(), cache)
}

/// Builds the index of the charts at the root of `disk`, as the server would. The function writes
/// nothing.
///
/// # Errors
/// Returns the error of the store.
pub async fn root_index(disk: Disk, config: &Config) -> Result<Bytes> {
    let view = View::new(config.museum.settings());
    let limits = config.limits.clone();
    let charts = Follower::new(disk, view, LookCost::Near, limits, Cache::none());
    charts.ready().await?;
    Ok(charts.view().text("").await)
}

/// File in the store's folder that caches its charts for the next start.
const CHARTS_CACHE: &str = "charts.cache";

pub(super) fn router_with(disk: Disk, config: Config, charts: Follower<Disk>) -> Router {
    let tokens = match &config.access {
        Access::Tokens(tokens) => tokens.router(),
        _ => Router::new(),
    };
    let turns = Arc::new(chartmuseum::Turns::new(&config.museum));
    let rules = Rules::new(&config.museum, Arc::clone(&turns));
    let museum = chartmuseum::router(charts.clone(), Writes::AsServer, &config, turns);
    Router::new()
        .route("/v2", any(serve))
        .route("/v2/", any(serve))
        .route("/v2/{*rest}", any(serve))
        .with_state(Arc::new(Registry {
            disk,
            config,
            charts,
            rules,
            manifests: HeldBodies::default(),
            ids: Ids::new(),
        }))
        .merge(tokens)
        .merge(museum)
}

async fn serve(State(registry): State<Arc<Registry>>, request: Request) -> Response {
    let mut line = Line::begin(&request, &registry.ids);
    let (head, mut body) = request.into_parts();
    let mut response = match registry.answer(&head, &mut body, &mut line).await {
        Ok(response) => response,
        Err(refusal) => {
            drain(&head, body).await;
            refusal.into_response()
        }
    };
    // Without this header, Docker assumes another kind of registry.
    response.headers_mut().insert(
        HeaderName::from_static("docker-distribution-api-version"),
        HeaderValue::from_static("registry/2.0"),
    );
    // Clients may push any bytes, so a browser must not interpret them as a page.
    response
        .headers_mut()
        .insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    line.end(&mut response);
    response
}

impl Registry {
    async fn answer(
        &self,
        head: &Parts,
        body: &mut Body,
        line: &mut Line,
    ) -> Result<Response, Refusal> {
        let route = Route::parse(head.uri.path())?;
        line.of(self.config.access.authorize(head, &route).await?);
        self.dispatch(&route, head, body).await
    }

    async fn dispatch(
        &self,
        route: &Route,
        head: &Parts,
        body: &mut Body,
    ) -> Result<Response, Refusal> {
        let query = Query::parse(head.uri.query());
        let read = head.method == Method::GET || head.method == Method::HEAD;
        match (route, &head.method) {
            (Route::Base, _) if read => Ok(json_answer(&json!({}))),
            (Route::Catalog, _) if read => self.catalog(&query, &head.headers).await,
            (Route::Tags(name), _) if read => self.tags(name, &query).await,
            (Route::Referrers(name, subject), _) if read => {
                self.referrers(name, subject, &query).await
            }
            (Route::Blob(name, digest), _) if read => {
                blobs::get(&self.repository(name), digest, head)
            }
            (Route::Blob(name, digest), &Method::DELETE) => {
                self.rules.may_delete("GET, HEAD")?;
                blobs::delete(self.repository(name), digest.clone()).await
            }
            (Route::Manifest(name, target), _) if read => {
                manifests::get(&self.repository(name), target, head)
            }
            (Route::Manifest(name, target), &Method::PUT) => {
                manifests::put(self, self.repository(name), target, &query, head, body).await
            }
            (Route::Manifest(name, target), &Method::DELETE) => {
                self.rules.may_delete("GET, HEAD, PUT")?;
                manifests::delete(self, self.repository(name), target).await
            }
            (Route::Uploads(name), &Method::POST) => {
                uploads::start(self, self.repository(name), &query, head, body).await
            }
            (Route::Upload(name, id), &Method::GET) => uploads::status(&self.repository(name), id),
            (Route::Upload(name, id), &Method::PATCH) => {
                uploads::append(self, self.repository(name), id, head, body).await
            }
            (Route::Upload(name, id), &Method::PUT) => {
                uploads::finish(self, self.repository(name), id, &query, head, body).await
            }
            (Route::Upload(name, id), &Method::DELETE) => {
                uploads::cancel(self.repository(name), id).await
            }
            (route, method) => Err(method_not_allowed(route, method)),
        }
    }

    pub(super) fn repository(&self, name: &RepositoryName) -> Repository {
        self.disk.repository(name)
    }
}

/// Updates the index after a change of a tag, or of all tags of a manifest. The request itself is
/// complete by then, so the server only logs a failure.
pub(super) async fn changed(
    charts: &Follower<Disk>,
    repository: &RepositoryName,
    target: &TagOrDigest,
) {
    let done = match target {
        TagOrDigest::Tag(tag) => charts.refresh(repository, tag).await,
        TagOrDigest::Digest(digest) => charts.refresh_manifest(repository, digest).await,
    };
    if let Err(error) = done {
        tracing::error!(error = error.chain(), "the index of charts is outdated");
    }
}

fn method_not_allowed(route: &Route, method: &Method) -> Refusal {
    let allowed = match route {
        Route::Base | Route::Catalog | Route::Tags(_) | Route::Referrers(..) => "GET, HEAD",
        Route::Blob(..) => "GET, HEAD, DELETE",
        Route::Manifest(..) => "GET, HEAD, PUT, DELETE",
        Route::Uploads(_) => "POST",
        Route::Upload(..) => "GET, PATCH, PUT, DELETE",
    };
    let message = format!("`{method}` is not supported here");
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, Code::Unsupported, message)
        .with(header::ALLOW, HeaderValue::from_static(allowed))
}
