//! Chart lists of the API: all charts by pages, the versions of one chart, one version by a range,
//! its templates and values.

use super::{
    ChartMuseum,
    answer::{Denial, typed},
    held::{PIECE, Room, Slot},
};
use crate::{
    Error,
    archive::{self, File, Keep},
    constraint::Constraint,
    limits::Limits,
    ops::chart_archive,
    server::index_view::{Found, Item},
    store::{Catalog, Fetch, blocking},
    version::Version,
    yaml::{self, Duplicates},
};
use axum::{body::Body, response::Response};
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use futures_util::stream;
use http::header;
use serde_json::json;
use std::{borrow::Cow, convert::Infallible, sync::Arc, vec};
use tokio::sync::Semaphore;

const JSON: &str = "application/json; charset=utf-8";

impl<C: Catalog> ChartMuseum<C> {
    /// Handles `GET /api/:repo/charts`, with pages of names.
    pub(super) async fn charts(
        &self,
        namespace: &str,
        query: Option<&str>,
    ) -> Result<Response, Denial> {
        let query = query.unwrap_or_default();
        let value = |name: &str| {
            let mut pairs = url::form_urlencoded::parse(query.as_bytes());
            pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
        };
        let offset = match value("offset") {
            None => 0,
            Some(text) => number(&text, 0)
                .ok_or_else(|| Denial::bad_request("offset is not a valid non-negative integer"))?,
        };
        let limit = match value("limit") {
            None => None,
            Some(text) => Some(
                number(&text, 1)
                    .ok_or_else(|| Denial::bad_request("limit is not a valid positive integer"))?,
            ),
        };
        let view = self.shelf.view();
        let names = view.names(namespace);
        // With an offset, ChartMuseum no longer treats a missing limit as unlimited.
        let taken = match limit {
            Some(limit) => limit,
            None if offset == 0 => names.len(),
            None => 0,
        };
        let mut list = List::default();
        for (at, name) in names.iter().skip(offset).take(taken).enumerate() {
            let Some(versions) = view.versions(namespace, name) else { continue };
            let name = String::from_utf8_lossy(&crate::json::to_vec(&**name)).into_owned();
            let before = if at == 0 { "{" } else { "," };
            list.versions(format!("{before}{name}:["), versions);
        }
        let foot = if list.is_empty() { "{}" } else { "}" };
        Ok(list.answer(foot, &self.converters).await)
    }

    /// Handles `GET /api/:repo/charts/:name`.
    pub(super) async fn chart(&self, namespace: &str, name: &str) -> Result<Response, Denial> {
        let versions = self
            .shelf
            .view()
            .versions(namespace, name)
            .ok_or_else(|| Denial::not_found("chart not found"))?;
        let mut list = List::default();
        list.versions("[".to_owned(), versions);
        Ok(list.answer("", &self.converters).await)
    }

    /// Handles `GET /api/:repo/charts/:name/:version`.
    pub(super) async fn version(
        &self,
        namespace: &str,
        name: &str,
        version: &str,
    ) -> Result<Response, Denial> {
        let found = self.find(namespace, name, version)?;
        let json = self.converters.convert(move || found.item.json().map(Cow::into_owned)).await?;
        Ok(typed(JSON, json))
    }

    /// Handles `GET …/:version/templates`.
    pub(super) async fn templates(
        &self,
        namespace: &str,
        name: &str,
        version: &str,
    ) -> Result<Response, Denial> {
        let limits = self.limits.clone();
        let take = move |chart: archive::Chart| {
            let values = values_of(&chart, &limits);
            let mut files = chart.files;
            files.retain(|file| file.name.starts_with("templates/"));
            let bytes = files.iter().map(|file| file.data.len()).sum::<usize>() + values.len();
            ((files, values), bytes)
        };
        let ((files, values), slot) = self.open(namespace, name, version, take).await?;
        let length_of = |(at, file): (usize, &File)| {
            template_head(at, file).len() + file.data.len().div_ceil(3) * 4 + TEMPLATE_FOOT.len()
        };
        let length = files.iter().enumerate().map(length_of).sum::<usize>();
        let (start, middle) = match files.is_empty() {
            true => ("{\"templates\":null", ",\"values\":"),
            false => ("{\"templates\":[", "],\"values\":"),
        };
        let length = start.len() + length + middle.len() + values.len() + 1;
        let encoded = files.into_iter().enumerate().flat_map(|(at, file)| {
            let head = template_head(at, &file);
            let parts = file.data.len().div_ceil(PIECE);
            let data = (0..parts).map(move |at| {
                let end = file.data.len().min((at + 1) * PIECE);
                BASE64_STANDARD.encode(&file.data[at * PIECE..end])
            });
            std::iter::once(head).chain(data).chain([TEMPLATE_FOOT.to_owned()])
        });
        let pieces = std::iter::once(start.to_owned())
            .chain(encoded)
            .chain([middle.to_owned()])
            .map(Bytes::from)
            .chain([values, Bytes::from_static(b"}")]);
        let mut response = typed(JSON, Room::body(pieces, length, slot));
        response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
        Ok(response)
    }

    /// Handles `GET …/:version/values`.
    pub(super) async fn values(
        &self,
        namespace: &str,
        name: &str,
        version: &str,
    ) -> Result<Response, Denial> {
        let take = |chart: archive::Chart| {
            // The copy lets the server free the chart's other files.
            let file = chart.file("values.yaml").map(|file| Bytes::copy_from_slice(&file.data));
            let bytes = file.as_ref().map_or(0, Bytes::len);
            (file, bytes)
        };
        let (file, slot) = self.open(namespace, name, version, take).await?;
        let file = file.ok_or_else(|| Denial::not_found("values.yaml not found"))?;
        let length = file.len();
        let pieces = (0..length.div_ceil(PIECE).max(1))
            .map(move |at| file.slice(at * PIECE..length.min((at + 1) * PIECE)));
        let mut response = typed("application/yaml", Room::body(pieces, length, slot));
        response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
        Ok(response)
    }

    /// Finds a version by its exact text, by a range, or as `latest`, as Helm does.
    fn find(&self, namespace: &str, name: &str, asked: &str) -> Result<Found, Denial> {
        let view = self.shelf.view();
        let Some(versions) = view.versions(namespace, name) else {
            return self
                .by_file_name(namespace, name, asked)
                .ok_or_else(|| Denial::not_found("no chart name found"));
        };
        let asked = if asked == "latest" { "" } else { asked };
        if !asked.is_empty()
            && let Some(found) = versions.iter().find(|found| &*found.item.version == asked)
        {
            return Ok(found.clone());
        }
        let range = if asked.is_empty() { "*" } else { asked };
        let range = Constraint::parse(range).map_err(|error| {
            // The version of Helm in ChartMuseum does not print these quotes yet.
            let text = error.to_string().replace(&crate::quote::go(range), range);
            Denial::not_found(text)
        })?;
        let fits = |found: &&Found| {
            Version::parse_loose(&found.item.version).is_ok_and(|version| range.matches(&version))
        };
        versions
            .iter()
            .find(fits)
            .cloned()
            .ok_or_else(|| Denial::not_found(format!("no chart version found for {name}-{asked}")))
    }

    /// Finds a version by its file's name, with any division into name and version, if no chart has
    /// that name. ChartMuseum's clients divide `mychart2-0.1.0-SNAPSHOT-1.tgz` at its last dash.
    pub(super) fn by_file_name(&self, namespace: &str, name: &str, version: &str) -> Option<Found> {
        let view = self.shelf.view();
        if view.versions(namespace, name).is_some() {
            return None;
        }
        view.file(namespace, &format!("{name}-{version}.tgz")).map(|stored| stored.found)
    }

    /// Reads a version's archive whole and returns the parts that `take` selects, with the permit
    /// to hold them. The server reads few at a time: each may need the memory of the largest chart.
    async fn open<T: Send + 'static>(
        &self,
        namespace: &str,
        name: &str,
        version: &str,
        take: impl FnOnce(archive::Chart) -> (T, usize) + Clone + Send + 'static,
    ) -> Result<(T, Slot), Denial> {
        let found = self.find(namespace, name, version)?;
        chart_archive::check_size(&found.item.archive, &self.limits)?;
        let store = self.shelf.repository(namespace, &found)?;
        let (store, archive) = (&store, &found.item.archive);
        let read = |slot: Slot| {
            let (take, limits) = (take.clone(), self.limits.clone());
            async move {
                let file = store.fetch_blob_file(archive).await?;
                let taken = blocking(move || {
                    let chart = archive::read::open(file.path(), Keep::Everything, &limits)?;
                    let (taken, bytes) = take(chart);
                    // The permit is freed after the read, not when the client disconnects.
                    Ok::<_, Error>((slot, taken, bytes))
                });
                Ok(taken.await?)
            }
        };
        self.room.hold(read).await
    }
}

/// Text before the content of a template.
fn template_head(at: usize, file: &File) -> String {
    let name = String::from_utf8_lossy(&crate::json::to_vec(&file.name)).into_owned();
    let comma = if at == 0 { "" } else { "," };
    format!("{comma}{{\"name\":{name},\"data\":\"")
}

/// Text after the content of a template.
const TEMPLATE_FOOT: &str = "\"}";

/// Returns the values of a chart as JSON, or `null` for a chart without values.
fn values_of(chart: &archive::Chart, limits: &Limits) -> Bytes {
    let Some(file) = chart.file("values.yaml") else { return Bytes::from_static(b"null") };
    let values = yaml::parse(&file.data, Duplicates::LastWins, limits);
    match values.as_ref().map(crate::json::to_vec) {
        Ok(text) if text == b"null" => Bytes::from_static(b"{}"),
        // The second parse keeps the order of the keys.
        Ok(text) => {
            let value: serde_json::Value = serde_json::from_slice(&text).unwrap_or_default();
            crate::json::to_vec(&value).into()
        }
        Err(_) => Bytes::from_static(b"null"),
    }
}

/// Size in bytes up to which the server builds a list at once, with a length. The server builds a
/// longer list as the client reads it.
const AT_ONCE: usize = 256 * 1024;
/// Approximate bytes of a longer list that the server builds at a time.
const AT_A_TIME: usize = 64 * 1024;

/// Versions for a response. Only the index's own entries are in memory.
#[derive(Default)]
struct List {
    parts: Vec<Part>,
    size: usize,
}

enum Part {
    Text(String),
    Entry(Arc<Item>),
}

impl List {
    fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Adds versions after `head`, which opens their list.
    fn versions(&mut self, head: String, versions: Vec<Found>) {
        self.parts.push(Part::Text(head));
        for (at, found) in versions.into_iter().enumerate() {
            if at > 0 {
                self.parts.push(Part::Text(",".to_owned()));
            }
            self.size += found.item.text.len();
            self.parts.push(Part::Entry(found.item));
        }
        self.parts.push(Part::Text("]".to_owned()));
    }

    /// Builds the response, with `foot` at its end.
    async fn answer(self, foot: &str, converters: &Converters) -> Response {
        let size = self.size;
        let mut parts = self.parts;
        parts.push(Part::Text(foot.to_owned()));
        let parts = parts.into_iter();
        if size <= AT_ONCE {
            return typed(JSON, converters.convert(move || piece(parts, usize::MAX).0).await);
        }
        let first = (parts, converters.clone());
        let pieces = stream::unfold(first, |(parts, converters)| async move {
            if parts.as_slice().is_empty() {
                return None;
            }
            let (text, rest) = converters.convert(move || piece(parts, AT_A_TIME)).await;
            Some((Ok::<_, Infallible>(text), (rest, converters)))
        });
        typed(JSON, Body::from_stream(pieces))
    }
}

/// Splits off about `size` bytes of a list. Returns them and the rest.
fn piece(mut parts: vec::IntoIter<Part>, size: usize) -> (String, vec::IntoIter<Part>) {
    let mut text = String::new();
    while text.len() < size {
        let Some(part) = parts.next() else { break };
        part.push_to(&mut text);
    }
    (text, parts)
}

/// Limit on threads that write entries as JSON. An entry takes some milliseconds of processor time,
/// so this work never runs on the threads that answer other requests.
#[derive(Clone, Debug)]
pub(super) struct Converters(Arc<Semaphore>);

impl Converters {
    /// Creates a limit of `count` threads.
    pub(super) fn new(count: usize) -> Self {
        Self(Arc::new(Semaphore::new(count)))
    }

    /// Waits for a free place, then runs the work on a blocking thread.
    async fn convert<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        // The semaphore is never closed.
        let turn = Arc::clone(&self.0).acquire_owned().await.ok();
        blocking(move || {
            let _turn = turn;
            work()
        })
        .await
    }
}

impl Part {
    fn push_to(self, text: &mut String) {
        let item = match self {
            Self::Text(part) => return text.push_str(&part),
            Self::Entry(item) => item,
        };
        match item.json() {
            Ok(json) => text.push_str(&json),
            Err(error) => {
                tracing::error!(chart = %item.name, version = %item.version, error = error.chain(), "an entry is damaged");
                let json = json!({ "name": item.name, "version": item.version });
                text.push_str(&json.to_string());
            }
        }
    }
}

/// Parses a whole number of at least `least`, as Go does.
fn number(text: &str, least: usize) -> Option<usize> {
    // Go accepts `+1`, and so does Rust.
    text.parse::<i64>().ok().and_then(|number| usize::try_from(number).ok()).filter(|n| *n >= least)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Before a fix, an endless conversion used a thread that answers requests.
    #[tokio::test]
    async fn a_conversion_keeps_no_other_request_waiting() {
        let converters = Converters::new(1);
        let (answered, asked) = std::sync::mpsc::channel();
        let first = tokio::spawn({
            let converters = converters.clone();
            async move { converters.convert(move || asked.recv()).await }
        });
        while converters.0.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let second = tokio::spawn(async move { converters.convert(|| "second").await });
        tokio::task::yield_now().await;
        assert!(!second.is_finished(), "one at a time");
        // This thread, the only one of its runtime, continues meanwhile.
        answered.send("first").expect("sent");
        assert_eq!(first.await.expect("first"), Ok("first"));
        assert_eq!(second.await.expect("second"), "second");
    }
}
