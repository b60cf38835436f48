//! Client of the ChartMuseum API: uploads archives and provenance files, and deletes versions. It
//! sends the archive's bytes unchanged. The server's own index gives the path of the API, unless
//! the caller gives it.

use super::{
    Client,
    http::{
        error_response,
        message::{Patience, Payload, Request, Response, Strangers},
    },
    repository::index::{self, Fetched},
};
use crate::{
    Advice, Error, ErrorKind, Result,
    advice::{Answered, Service},
    index::Index,
    limits::Limits,
    store::{BlobBytes, blocking, unique},
    yaml::{self, Step, Value},
};
use ::http::Method;
use bytes::Bytes;
use std::sync::Arc;
use tokio::sync::OnceCell;
use url::Url;

/// Advice if the server asks for credentials.
const LOG_IN: Advice = Advice::Authenticate(Service::ChartMuseum);

/// Policy for a version that already exists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Force {
    /// The server keeps the existing version.
    #[default]
    No,
    /// The client asks the server to replace the version.
    Yes,
}

/// Result of an upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Uploaded {
    /// The server saved the chart.
    Saved,
    /// The server already has this version, perhaps with other bytes, and keeps it.
    Exists,
}

/// Result of a deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deleted {
    /// The server deleted the version.
    Yes,
    /// The server did not have the version.
    WasAbsent,
}

/// Client of one ChartMuseum. A copy costs little.
#[derive(Clone, Debug)]
pub struct ChartMuseum {
    repository: index::HttpRepository,
    context_path: Arc<OnceCell<String>>,
}

impl Client {
    /// Makes a client for the ChartMuseum that serves this repository. Without a `context_path`,
    /// the client reads it from the server's index before the first upload.
    ///
    /// # Errors
    /// As [`Client::chart_repository`].
    pub fn museum(
        &self,
        options: index::Options,
        context_path: Option<&str>,
    ) -> Result<ChartMuseum> {
        let repository = self.chart_repository(options)?;
        let context_path = Arc::new(OnceCell::new_with(context_path.map(tidy)));
        Ok(ChartMuseum { repository, context_path })
    }
}

impl ChartMuseum {
    /// Returns the chart repository of this ChartMuseum.
    pub fn repository(&self) -> &index::HttpRepository {
        &self.repository
    }

    /// Uploads an archive and its provenance, in one request.
    ///
    /// # Errors
    /// Returns the error of the server or of the connection.
    pub async fn upload(
        &self,
        archive: &BlobBytes,
        provenance: Option<Bytes>,
        force: Force,
    ) -> Result<Uploaded> {
        let payload = payload(archive)?;
        let mut url = self.api("charts").await?;
        if force == Force::Yes {
            url.set_query(Some("force"));
        }
        let boundary = format!("chartferry-{}", unique());
        let head = |name: &str, file: &str| {
            Payload::Bytes(
                format!(
                    "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{file}\"\r\n\
                     Content-Type: application/octet-stream\r\n\r\n"
                )
                .into(),
            )
        };
        // Always a form, as the plugin sends it: GitLab and Harbor accept no other kind of body.
        let mut parts = vec![head("chart", "chart.tgz"), payload];
        if let Some(provenance) = provenance {
            parts.push(Payload::Bytes(Bytes::from_static(b"\r\n")));
            parts.push(head("prov", "chart.tgz.prov"));
            parts.push(Payload::Bytes(provenance));
        }
        parts.push(Payload::Bytes(format!("\r\n--{boundary}--\r\n").into()));
        let call = Request::new(Method::POST, url)
            .strangers(Strangers::Refuse)
            .patience(Patience::Commit)
            .header("content-type", &format!("multipart/form-data; boundary={boundary}"))
            .payload(Payload::Parts(parts.into()));
        self.send(&call).await
    }

    /// Uploads a provenance file alone.
    ///
    /// # Errors
    /// Returns the error of the server or of the connection.
    pub async fn upload_provenance(&self, provenance: Bytes, force: Force) -> Result<Uploaded> {
        let mut url = self.api("prov").await?;
        if force == Force::Yes {
            url.set_query(Some("force"));
        }
        let call = Request::new(Method::POST, url)
            .strangers(Strangers::Refuse)
            .header("content-type", "application/octet-stream")
            .payload(Payload::Bytes(provenance));
        self.send(&call).await
    }

    async fn send(&self, call: &Request) -> Result<Uploaded> {
        // A server that cannot read an upload answers 500 each time. A busy server answers 502 to
        // 504.
        let call = &call.clone().finals(&[500]);
        let cap = self.repository.client.options().limits.answer_bytes;
        let act = format!("upload to {}", call.url);
        let answer = self.repository.settle(&act, call, cap).await?;
        match answer.status.as_u16() {
            _ if says(&answer, "saved", &[201, 202]) => Ok(Uploaded::Saved),
            200..=299 => Err(no_museum(&act, &call.url, &answer)),
            409 => Ok(Uploaded::Exists),
            _ => Err(refused(&act, &call.url, &answer)),
        }
    }

    /// Returns the SHA-256, in hex digits, of the server's archive of a version. The result is
    /// `None` if the server has no archive or names no digest.
    ///
    /// # Errors
    /// Returns the error of the server or of the connection.
    pub async fn digest(&self, name: &str, version: &str) -> Result<Option<String>> {
        let url = self.version(name, version).await?;
        let call = Request::new(Method::GET, url);
        let cap = self.repository.client.options().limits.answer_bytes;
        let act = format!("ask {}", call.url);
        let answer = self.repository.settle(&act, &call, cap).await?;
        match answer.status.as_u16() {
            200 => {
                let entry: serde_json::Value =
                    serde_json::from_slice(&answer.body).unwrap_or_default();
                // The server reads a version as a range, so it may have found another.
                let same = entry.get("version").and_then(|text| text.as_str()) == Some(version);
                let digest = entry.get("digest").and_then(|text| text.as_str());
                Ok(digest.filter(|_| same).map(str::to_owned))
            }
            404 => Ok(None),
            _ => Err(refused(&act, &call.url, &answer)),
        }
    }

    /// Deletes a version.
    ///
    /// # Errors
    /// Returns the error of the server or of the connection.
    pub async fn delete(&self, name: &str, version: &str) -> Result<Deleted> {
        let url = self.version(name, version).await?;
        let call = Request::new(Method::DELETE, url).strangers(Strangers::Refuse);
        let cap = self.repository.client.options().limits.answer_bytes;
        let act = format!("delete at {}", call.url);
        let answer = self.repository.settle(&act, &call, cap).await?;
        match answer.status.as_u16() {
            _ if says(&answer, "deleted", &[202, 204]) => Ok(Deleted::Yes),
            200..=299 => Err(no_museum(&act, &call.url, &answer)),
            404 if !error_response::is_page(&answer) && says_object_missing(&answer.body) => {
                Ok(Deleted::WasAbsent)
            }
            _ => Err(refused(&act, &call.url, &answer)),
        }
    }

    async fn version(&self, name: &str, version: &str) -> Result<Url> {
        let mut url = self.api("charts").await?;
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.push(name).push(version);
        }
        Ok(url)
    }

    /// Returns the URL `SCHEME://HOST/CONTEXT/api/REPO/rest`: the repository's name follows `/api`.
    async fn api(&self, rest: &str) -> Result<Url> {
        let context = self.context_path.get_or_try_init(|| self.find_context_path()).await?;
        let mut url: Url = index::parse(self.repository.url())?;
        let path = url.path().trim_end_matches('/').to_owned();
        let beyond = path.strip_prefix(context.as_str());
        let inner = beyond.filter(|rest| rest.is_empty() || rest.starts_with('/')).unwrap_or(&path);
        url.set_path(&format!("{context}/api{inner}/{rest}"));
        url.set_query(None);
        Ok(url)
    }

    async fn find_context_path(&self) -> Result<String> {
        let index = self.repository.index(None).await.map_err(|error| match error.kind() {
            // After a redirect the hint differs: the user did give credentials.
            ErrorKind::Denied if error.advice() == Some(&error_response::READ_BY) => {
                error.with_advice(LOG_IN)
            }
            ErrorKind::NotFound => error.with_advice(Advice::CheckChartMuseum(Answered::NoIndex)),
            _ => error,
        });
        match index? {
            Fetched::NotModified => Ok(String::new()),
            Fetched::Index { bytes, .. } => {
                let limits = self.repository.client.options().limits.clone();
                // An index may have 46 MB.
                Ok(blocking(move || context_path_of(&bytes, &limits)).await)
            }
        }
    }
}

fn payload(archive: &BlobBytes) -> Result<Payload> {
    Ok(match archive {
        BlobBytes::Memory(bytes) => Payload::Bytes(bytes.clone()),
        BlobBytes::File(file) => {
            let path = file.path();
            let length = std::fs::metadata(path)
                .map_err(|error| Error::io("read archive", path, error))?
                .len();
            Payload::File { path: path.into(), start: 0, length }
        }
    })
}

/// Reads `serverInfo.contextPath` of an index. Helm may refuse the entries of an index that still
/// has a valid path.
fn context_path_of(index: &Bytes, limits: &Limits) -> String {
    if let Ok(index) = Index::read(index.clone(), "index.yaml", limits) {
        return tidy(index.context_path());
    }
    let nothing = &mut |step| matches!(step, Step::Item(_)).then_some(Value::Null);
    let document = yaml::parse_items(index, "entries", limits, nothing).unwrap_or(Value::Null);
    let path = document.get("serverInfo").and_then(|server| server.get("contextPath"));
    path.and_then(Value::to_go_string).map(|path| tidy(&path)).unwrap_or_default()
}

/// Adds a slash before the path and removes the one after it. An empty path remains empty.
fn tidy(path: &str) -> String {
    let inner = path.trim().trim_matches('/');
    if inner.is_empty() { String::new() } else { format!("/{inner}") }
}

/// Returns true if a response confirms a write. ChartMuseum answers `{"saved":true}` or
/// `{"deleted":true}` with any success. Other servers answer one of `statuses`, without a web page
/// or an error. A web page with 200 comes from a host that does not know the path.
fn says(answer: &Response, done: &str, statuses: &[u16]) -> bool {
    if !answer.status.is_success() || error_response::is_page(answer) {
        return false;
    }
    let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    match body.get(done) {
        Some(said) => *said == serde_json::Value::Bool(true),
        None => statuses.contains(&answer.status.as_u16()) && body.get("error").is_none(),
    }
}

/// Returns the error for a success that does not come from a ChartMuseum.
fn no_museum(act: &str, url: &Url, answer: &Response) -> Error {
    let host = super::http::redirect::host_of(url);
    let words = error_response::words(answer).map(|words| format!(": {words}")).unwrap_or_default();
    let message = format!(
        "cannot {act}: `{host}` answers {}, but not as a ChartMuseum does{words}",
        error_response::status_text(answer)
    );
    Error::new(ErrorKind::Protocol, message)
        .with_advice(Advice::CheckChartMuseum(Answered::Otherwise))
}

/// Returns true if a 404 concerns the version, and not the route. For a missing route, the body is
/// exactly `not found`.
fn says_object_missing(body: &[u8]) -> bool {
    serde_json::from_slice::<serde_json::Value>(body)
        .ok()
        .and_then(|body| body.get("error")?.as_str().map(|text| text != "not found"))
        .unwrap_or(false)
}

fn refused(act: &str, url: &Url, answer: &Response) -> Error {
    let host = super::http::redirect::host_of(url);
    let error = error_response::from_service(&host, act, answer);
    match answer.status.as_u16() {
        401 | 403
            if super::http::redirect::may_see(url, &answer.url)
                == super::http::redirect::Credentials::Drop =>
        {
            error_response::behind_redirect(error, url, answer)
        }
        404 | 405 => error.with_advice(Advice::CheckChartMuseum(Answered::NoApi)),
        401 | 403 => error.with_advice(LOG_IN),
        413 => Error::new(ErrorKind::Limit, error.message())
            .with_hint("the server refuses archives of this size (--max-upload-size)"),
        507 => error.with_hint("the server's storage limit is reached"),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_context_path_is_found_however_the_index_is_written() {
        for (index, path) in [
            ("apiVersion: v1\nentries: {}\nserverInfo:\n  contextPath: /x/\n", "/x"),
            ("serverInfo:\n  contextPath: \"v1\"\nentries: {}\n", "/v1"),
            ("apiVersion: v1\nentries: {}\nserverInfo: {contextPath: /x}\n", "/x"),
            ("apiVersion: v1\nentries: {}\nserverInfo: # where\n  contextPath: /x # here\n", "/x"),
            ("apiVersion: v1\nentries: {}\n\"serverInfo\":\n  \"contextPath\": /x\n", "/x"),
            (
                "{\"apiVersion\":\"v1\",\"entries\":{},\"serverInfo\":{\"contextPath\":\"/x\"}}",
                "/x",
            ),
            ("\u{feff}serverInfo:\n  contextPath: /x\napiVersion: v1\nentries: {}\n", "/x"),
            ("\u{feff}{\"apiVersion\":\"v1\",\"serverInfo\":{\"contextPath\":\"/x\"}}", "/x"),
            ("odd: key\nentries:\n  a:\n  - odd\nserverInfo:\n  contextPath: /x\n", "/x"),
            ("apiVersion: v1\nentries:\n  serverInfo:\n    contextPath: /x\nserverInfo: {}\n", ""),
            ("entries: {}\n", ""),
            ("<html>", ""),
        ] {
            let found = context_path_of(&Bytes::from_static(index.as_bytes()), &Limits::default());
            assert_eq!(found, path, "{index}");
        }
    }

    #[test]
    fn the_api_lies_between_context_and_repository() {
        let client = Client::new(crate::client::Options::default()).expect("client");
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("runtime");
        for (url, context, api) in [
            ("http://h", "", "http://h/api/charts"),
            ("http://h/", "/", "http://h/api/charts"),
            ("http://h/org/repo", "", "http://h/api/org/repo/charts"),
            ("http://h/xy/repo", "/x", "http://h/x/api/xy/repo/charts"),
            ("http://h/x/org/repo", "x", "http://h/x/api/org/repo/charts"),
            ("http://u:p@h:1/x?q=1", "/x", "http://h:1/x/api/charts"),
        ] {
            let museum = client.museum(index::Options::new(url), Some(context)).expect("museum");
            let found = runtime.block_on(museum.api("charts")).expect("url");
            assert_eq!(found.as_str(), api);
        }
    }

    #[test]
    fn a_missing_version_is_not_a_missing_route() {
        assert!(says_object_missing(br#"{"error":"remove x: no such file"}"#));
        assert!(!says_object_missing(br#"{"error":"not found"}"#));
        assert!(!says_object_missing(b"<html>"));
    }
}
