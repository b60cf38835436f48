//! ChartMuseum API over the store of the registry API: a chart that a client uploads here is an
//! artifact there, and the reverse. [`super::index_view`] builds the index, and [`super::Access`]
//! decides on access.

mod answer;
mod chart_store;
mod files;
mod form;
mod held;
mod intake;
mod leave;
mod lists;
mod locks;
mod metrics;
mod options;
mod pages;
mod provenance;
mod route;
mod upload;

pub(super) use answer::error;
pub use options::{Api, Compat, Depth, Metrics, Options, Overwrite};

use super::{
    Config,
    access_log::{Ids, Line},
    auth::Access,
    body::drain,
    index_view::Follower,
    net::response::unbroken,
    upstream::{Sent, Writes},
};
use crate::{limits::Limits, store::Catalog};
use answer::{Denial, json_answer, typed};
use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use chart_store::ChartStore;
use held::Room;
use http::{HeaderValue, Method, StatusCode, header, request::Parts};
use leave::Leave;
use lists::Converters;
pub(super) use locks::Turns;
use metrics::Served;
use route::{Kind, Need, Route, is_sound};
use serde_json::json;
use std::{
    ops::Deref,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::{OnceCell, Semaphore};

/// Charts of the API: a view, and access to its store with some client's credentials.
struct ChartMuseum<C> {
    shelf: ChartStore<C>,
    writes: Writes<C>,
    house: Arc<Shared>,
}

/// Options, and state that all requests share.
struct Shared {
    options: Options,
    access: Access,
    limits: Limits,
    stall: Duration,
    metrics: metrics::Metrics,
    /// Marker that the view contains all charts of the store.
    ready: OnceCell<()>,
    /// Memory for charts that the server reads whole.
    room: Room,
    /// Limit on entries that the server writes as JSON at once.
    converters: Converters,
    /// Push permissions that the store granted recently.
    leave: Leave,
    /// Limit on uploads that the server inflates at once.
    judges: Semaphore,
    /// Locks for adding and removing versions.
    turns: Arc<Turns>,
    ids: Ids,
}

/// Shared state of the handlers.
impl<C> Deref for ChartMuseum<C> {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.house
    }
}

/// Builds the router for all paths outside of the registry API, over a follower's charts.
pub(super) fn router<C: Catalog>(
    charts: Follower<C>,
    writes: Writes<C>,
    config: &Config,
    turns: Arc<Turns>,
) -> Router {
    let house = Shared {
        options: config.museum.clone(),
        access: config.access.clone(),
        limits: Limits {
            chart_metadata_bytes: config.limits.upload_metadata_bytes,
            ..config.limits.clone()
        },
        stall: config.stall,
        metrics: metrics::Metrics::default(),
        ready: OnceCell::new(),
        room: Room::new(),
        converters: Converters::new(judges()),
        leave: Leave::default(),
        judges: Semaphore::new(judges()),
        turns,
        ids: Ids::new(),
    };
    let museum = ChartMuseum { shelf: ChartStore::new(charts), writes, house: Arc::new(house) };
    Router::new().fallback(serve::<C>).with_state(Arc::new(museum))
}

/// Returns the number of processors. More uploads at once would only slow each other down, and
/// other requests need the runtime's threads.
fn judges() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from).max(2)
}

async fn serve<C: Catalog>(
    State(museum): State<Arc<ChartMuseum<C>>>,
    request: Request,
) -> Response {
    let begun = Instant::now();
    let mut line = Line::begin(&request, &museum.ids);
    let (head, mut body) = request.into_parts();
    let route = Route::find(&head.method, head.uri.path(), &museum.options);
    let mut response = if museum.options.metrics == Metrics::On
        && head.uri.path() == "/metrics"
        && head.method == Method::GET
    {
        // As in ChartMuseum, metrics need no credentials and precede the other paths.
        typed(METRICS, museum.metrics.text(museum.shelf.view()))
    } else {
        let answer = match &route {
            None if !is_sound(head.uri.path()) => Ok(malformed()),
            Some(route) => museum.answer(route, &head, &mut body, &mut line).await,
            None => Err(Denial::not_found("not found")),
        };
        match answer {
            Ok(response) => response,
            Err(denial) => {
                drain(&head, body).await;
                denial.into_response()
            }
        }
    };
    if let Some(route) = route {
        museum.count(&route, &head, &response, begun);
        if head.method == Method::HEAD {
            museum.without_body(&route, &mut response);
        }
    } else if head.method == Method::HEAD {
        hide(&mut response);
    }
    line.end(&mut response);
    response
}

/// Returns the response of Go's server if two hexadecimal digits do not follow a `%`. ChartMuseum
/// never sees such a request.
fn malformed() -> Response {
    (StatusCode::BAD_REQUEST, "400 Bad Request").into_response()
}

const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";

impl<C: Catalog> ChartMuseum<C> {
    async fn answer(
        self: &Arc<Self>,
        route: &Route,
        head: &Parts,
        body: &mut Body,
        line: &mut Line,
    ) -> Result<Response, Denial> {
        let namespace = route.namespace.as_str();
        let action = match route.kind.need() {
            Need::Nothing => None,
            Need::Pull => Some("pull"),
            Need::Push => Some("push"),
        };
        if let Some(action) = action
            && !(action == "push" && matches!(self.writes, Writes::AsSent(_)))
        {
            line.of(self.access.admit(head, namespace, Some(action)).await?);
        }
        let mut response = self.dispatch(route, head, body).await;
        // Clients send credentials after a challenge.
        if matches!(self.writes, Writes::AsSent(_))
            && Sent::of(&head.headers).is_none()
            && let Err(denial) = &response
            && denial.status == StatusCode::FORBIDDEN
        {
            response = Err(Denial::unauthorized("Basic realm=\"chartferry\"".to_owned()));
        }
        if route.api
            && let Some(origin) = &self.options.allow_origin
        {
            let mut allowed = response.unwrap_or_else(IntoResponse::into_response);
            if let Ok(origin) = HeaderValue::from_str(origin) {
                allowed.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            }
            response = Ok(allowed);
        }
        response
    }

    async fn dispatch(
        self: &Arc<Self>,
        route: &Route,
        head: &Parts,
        body: &mut Body,
    ) -> Result<Response, Denial> {
        let namespace = route.namespace.as_str();
        if !matches!(route.kind, Kind::Welcome | Kind::Info | Kind::Health | Kind::Static) {
            self.ready().await?;
        }
        let name = |at: usize| route.names.get(at).map_or("", String::as_str);
        match route.kind {
            Kind::Welcome => Ok(self.welcome().await),
            Kind::Info => Ok(self.info()),
            Kind::Health => Ok(json_answer(&json!({ "healthy": true }))),
            Kind::Static => self.static_file(&route.path).await,
            Kind::ArtifactHub => self.artifact_hub(namespace),
            Kind::Index => {
                self.must_exist(namespace)?;
                Ok(self.shelf.0.index(namespace, head).await)
            }
            Kind::File => self.file(namespace, name(0), head).await,
            Kind::Charts => {
                self.must_exist(namespace)?;
                self.charts(namespace, head.uri.query()).await
            }
            Kind::Chart => self.chart(namespace, name(0)).await,
            Kind::Version => self.version(namespace, name(0), name(1)).await,
            Kind::Templates => self.templates(namespace, name(0), name(1)).await,
            Kind::Values => self.values(namespace, name(0), name(1)).await,
            Kind::Upload => {
                let writer = self.writer(head)?;
                writer.ask_leave(namespace, head).await?;
                writer.upload(namespace, head, body).await
            }
            Kind::UploadProvenance => {
                let writer = self.writer(head)?;
                writer.ask_leave(namespace, head).await?;
                writer.upload_provenance(namespace, head, body).await
            }
            Kind::Delete => self.writer(head)?.delete(namespace, name(0), name(1)).await,
        }
    }

    /// Returns the API for a client that changes charts. If the store decides on access, it uses
    /// the client's own credentials.
    fn writer(self: &Arc<Self>, head: &Parts) -> Result<Arc<Self>, Denial> {
        let Writes::AsSent(way) = &self.writes else { return Ok(Arc::clone(self)) };
        let shelf = self.shelf.by_way_of(way(Sent::of(&head.headers))?);
        let (writes, house) = (self.writes.clone(), Arc::clone(&self.house));
        Ok(Arc::new(Self { shelf, writes, house }))
    }

    /// Waits until the view contains all charts of the store.
    async fn ready(&self) -> Result<(), Denial> {
        if self.ready.initialized() {
            return Ok(());
        }
        self.shelf.0.ready_soon().await.map_err(|error| {
            tracing::warn!(error = error.chain(), "the charts of the store are not known yet");
            Denial::new(StatusCode::SERVICE_UNAVAILABLE, "the charts are not known yet")
        })?;
        let shown = self.ready.get_or_try_init(|| self.shelf.show_loose(&self.limits)).await;
        if let Err(error) = shown {
            // The rest is known, and the next request tries again.
            tracing::warn!(
                error = error.chain(),
                "charts that no registry can name are not shown yet"
            );
        }
        Ok(())
    }

    /// Handles `DELETE /api/:repo/charts/:name/:version`, by the exact text or the file's name.
    async fn delete(
        self: &Arc<Self>,
        namespace: &str,
        name: &str,
        version: &str,
    ) -> Result<Response, Denial> {
        let this = Arc::clone(self);
        let [namespace, name, version] = [namespace, name, version].map(str::to_owned);
        unbroken(async move {
            let (name, version) = match this.by_file_name(&namespace, &name, &version) {
                Some(found) => (found.item.name.to_string(), found.item.version.to_string()),
                None => (name, version),
            };
            let _turn = this.turns.take(&namespace, &[(&name, &version)]).await;
            if this.shelf.view().find(&namespace, &name, &version).is_none() {
                let slash = if namespace.is_empty() { "" } else { "/" };
                let file = format!("{namespace}{slash}{name}-{version}.tgz");
                let error = format!("remove {file}: no such file or directory");
                return Err(Denial::not_found(error));
            }
            this.shelf.remove(&namespace, &name, &version).await
        })
        .await?;
        Ok(json_answer(&json!({ "deleted": true })))
    }

    /// Requires that a namespace has charts, if only its charts create it.
    fn must_exist(&self, namespace: &str) -> Result<(), Denial> {
        let there = self.options.depth != Depth::Any
            || namespace.is_empty()
            || self.shelf.view().counts(namespace).versions > 0;
        if there { Ok(()) } else { Err(Denial::not_found("not found")) }
    }

    fn count(&self, route: &Route, head: &Parts, response: &Response, begun: Instant) {
        if self.options.metrics == Metrics::Off {
            return;
        }
        let length = |headers: &http::HeaderMap| {
            let value = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
            value.and_then(|text| text.parse().ok()).unwrap_or_default()
        };
        let host = head.headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let exact = http_body::Body::size_hint(response.body()).exact();
        self.metrics.count(Served {
            status: response.status().as_u16(),
            method: &head.method,
            pattern: route.pattern,
            host: host.unwrap_or_default(),
            took: begun.elapsed(),
            asked: length(&head.headers),
            answered: exact.unwrap_or_else(|| length(response.headers())),
        });
    }

    /// Removes the body from a response to `HEAD`.
    fn without_body(&self, route: &Route, response: &mut Response) {
        hide(response);
        if self.options.compat == Compat::Improved
            || !matches!(response.status().as_u16(), 200 | 404)
        {
            return;
        }
        // ChartMuseum's response for these shows only if they exist, and for an index always that
        // it exists.
        response.headers_mut().clear();
        if response.status() == StatusCode::NOT_FOUND && route.kind != Kind::Index {
            let text = HeaderValue::from_static("text/plain");
            response.headers_mut().insert(header::CONTENT_TYPE, text);
        }
    }
}

/// Removes the body and keeps its length.
fn hide(response: &mut Response) {
    let length = http_body::Body::size_hint(response.body()).exact().filter(|length| *length > 0);
    if let Some(length) = length {
        response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
    }
    *response.body_mut() = Body::empty();
}
