//! Lists of a registry, in pages: repositories, tags, referrers.

use super::{Registry, blobs::body};
use crate::{
    Error,
    limits::REFERRERS_PAGE,
    oci::{Digest, RepositoryName, Tag, media},
    server::net::{
        query::Query,
        refusal::{Code, Refusal},
        response::{header_value, json_answer},
    },
    store::{blocking, disk::repository::StoredBlob},
};
use axum::{body::Body, response::Response};
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use serde_json::json;
use std::io;

impl Registry {
    /// Lists the repositories from which the client may pull.
    pub(crate) async fn catalog(
        &self,
        query: &Query,
        headers: &HeaderMap,
    ) -> Result<Response, Refusal> {
        let disk = self.disk.clone();
        let names = blocking(move || disk.repositories()).await?;
        let shown = self.config.access.catalog(headers);
        let names = names.iter().filter(|name| shown.may_pull(name)).map(RepositoryName::as_str);
        let page = Page::cut(names, query)?;
        let answer = json_answer(&json!({"repositories": page.items}));
        Ok(page.link(answer, "/v2/_catalog"))
    }

    pub(crate) async fn tags(
        &self,
        name: &RepositoryName,
        query: &Query,
    ) -> Result<Response, Refusal> {
        let repository = self.repository(name);
        let tags =
            blocking(
                move || {
                    if repository.exists() { repository.tag_names().map(Some) } else { Ok(None) }
                },
            );
        let tags = tags.await?.ok_or_else(|| {
            Refusal::not_found(Code::NameUnknown, format!("there is no repository `{name}`"))
        })?;
        let page = Page::cut(tags.iter().map(Tag::as_str), query)?;
        let answer = json_answer(&json!({"name": name.as_str(), "tags": page.items}));
        Ok(page.link(answer, &format!("/v2/{name}/tags/list")))
    }

    pub(crate) async fn referrers(
        &self,
        name: &RepositoryName,
        subject: &Digest,
        query: &Query,
    ) -> Result<Response, Refusal> {
        let filter = query.value("artifactType");
        let (repository, wanted) = (self.repository(name), subject.clone());
        let [kind, last] = [filter, query.value("last")].map(|text| text.map(str::to_owned));
        let (page, read) = blocking(move || {
            let (kind, last) = (kind.as_deref(), last.as_deref());
            let page = repository.page_of_referrers(&wanted, kind, last, REFERRERS_PAGE)?;
            let read = pieces(&page.files);
            Ok::<_, Error>((page, read))
        })
        .await?;
        let (length, body) = read?;
        let mut response = Response::new(body);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media::INDEX));
        headers.insert(header::CONTENT_LENGTH, length.into());
        if filter.is_some() {
            headers.insert(
                HeaderName::from_static("oci-filters-applied"),
                HeaderValue::from_static("artifactType"),
            );
        }
        if let (true, Some(last)) = (page.more, &page.last) {
            let mut next = url::form_urlencoded::Serializer::new(String::new());
            if let Some(filter) = filter {
                next.append_pair("artifactType", filter);
            }
            next.append_pair("last", last.as_str());
            let path = format!("/v2/{name}/referrers/{subject}?{}", next.finish());
            headers.insert(header::LINK, link(&path));
        }
        Ok(response)
    }
}

/// Streams an index of descriptors from files, and returns its length. The function reads a short
/// index at once. Of a long one, only a part is in memory at a time, however slow the client.
fn pieces(files: &[StoredBlob]) -> Result<(u64, Body), Refusal> {
    let start = format!(r#"{{"schemaVersion":2,"mediaType":"{}","manifests":["#, media::INDEX);
    let mut pieces = vec![Piece::Text(start.clone().into())];
    for (at, file) in files.iter().enumerate() {
        if at > 0 {
            pieces.push(Piece::Text(Bytes::from_static(b",")));
        }
        pieces.push(Piece::File(file.clone()));
    }
    pieces.push(Piece::Text(Bytes::from_static(b"]}")));
    let length = pieces.iter().map(Piece::length).sum();
    if length <= SHORT {
        return short(files, start);
    }
    let parts = stream::iter(pieces).map(|piece| match piece {
        Piece::Text(text) => Ok(Body::from(text).into_data_stream()),
        Piece::File(file) => match body(&file, 0, file.size) {
            Ok(body) => Ok(body.into_data_stream()),
            // The response's head has gone out, so an error breaks the connection.
            Err(_) => Err(axum::Error::new(io::Error::other("a referrer cannot be read"))),
        },
    });
    Ok((length, Body::from_stream(parts.try_flatten())))
}

/// Reads a short index at once. The function omits a referrer that was removed meanwhile.
fn short(files: &[StoredBlob], start: String) -> Result<(u64, Body), Refusal> {
    let mut whole = start.into_bytes();
    let empty = whole.len();
    for file in files {
        let bytes = match std::fs::read(&file.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(Error::io("read", &file.path, error).into()),
        };
        if whole.len() > empty {
            whole.push(b',');
        }
        whole.extend_from_slice(&bytes);
    }
    whole.extend_from_slice(b"]}");
    Ok((whole.len() as u64, Body::from(whole)))
}

/// Maximum bytes of an index of referrers that the server reads at once.
const SHORT: u64 = 256 * 1024;

/// Piece of an index.
enum Piece {
    Text(Bytes),
    File(StoredBlob),
}

impl Piece {
    fn length(&self) -> u64 {
        match self {
            Self::Text(text) => text.len() as u64,
            Self::File(file) => file.size,
        }
    }
}

/// One page of a sorted list, by the `n` and `last` of its request.
struct Page<'a> {
    items: Vec<&'a str>,
    size: Option<usize>,
    more: bool,
}

impl<'a> Page<'a> {
    fn cut(sorted: impl Iterator<Item = &'a str>, query: &Query) -> Result<Self, Refusal> {
        let size = match query.value("n") {
            None => None,
            Some(text) => Some(text.parse::<usize>().map_err(|_| {
                Refusal::bad_request(Code::Unsupported, format!("`n={text}` is not a number"))
            })?),
        };
        let last = query.value("last").unwrap_or_default();
        let mut rest = sorted.skip_while(|item| *item <= last).peekable();
        let items: Vec<_> = rest.by_ref().take(size.unwrap_or(usize::MAX)).collect();
        let more = size != Some(0) && rest.peek().is_some();
        Ok(Self { items, size, more })
    }

    fn link(&self, mut response: Response, path: &str) -> Response {
        if let (true, Some(size), Some(last)) = (self.more, self.size, self.items.last()) {
            let next = format!("{path}?n={size}&last={last}");
            response.headers_mut().insert(header::LINK, link(&next));
        }
        response
    }
}

fn link(path: &str) -> HeaderValue {
    header_value(&format!("<{path}>; rel=\"next\""))
}
