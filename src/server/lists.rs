//! The lists of a registry, in pages: repositories, tags, referrers.

use super::{
    refusal::{Code, Refusal},
    registry::{Query, Registry, header_value, json_answer},
};
use crate::{
    oci::{Descriptor, Digest, RepositoryName, Tag, media},
    store::blocking,
};
use axum::{body::Body, response::Response};
use http::{HeaderName, HeaderValue, header};
use serde_json::json;

impl Registry {
    pub(super) async fn catalog(&self, query: &Query) -> Result<Response, Refusal> {
        let disk = self.disk.clone();
        let names = blocking(move || disk.repositories()).await?;
        let names = names.iter().map(RepositoryName::as_str);
        let page = Page::cut(names, query)?;
        let answer = json_answer(&json!({"repositories": page.items}));
        Ok(page.link(answer, "/v2/_catalog"))
    }

    pub(super) async fn tags(
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

    pub(super) async fn referrers(
        &self,
        name: &RepositoryName,
        subject: &Digest,
        query: &Query,
    ) -> Result<Response, Refusal> {
        let (repository, wanted) = (self.repository(name), subject.clone());
        let mut referrers = blocking(move || repository.list_referrers(&wanted)).await?;
        let filter = query.value("artifactType");
        if let Some(filter) = filter {
            referrers.retain(|referrer| referrer.artifact_type.as_deref() == Some(filter));
        }
        if let Some(last) = query.value("last") {
            referrers.retain(|referrer| referrer.digest.as_str() > last);
        }
        let (page, more) = cut_by_size(&referrers);
        let answer = json!({
            "schemaVersion": 2,
            "mediaType": media::INDEX,
            "manifests": page,
        });
        let mut response = Response::new(Body::from(crate::json::to_vec(&answer)));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media::INDEX));
        if filter.is_some() {
            headers.insert(
                HeaderName::from_static("oci-filters-applied"),
                HeaderValue::from_static("artifactType"),
            );
        }
        if let (true, Some(last)) = (more, page.last()) {
            let mut next = url::form_urlencoded::Serializer::new(String::new());
            if let Some(filter) = filter {
                next.append_pair("artifactType", filter);
            }
            next.append_pair("last", last.digest.as_str());
            let path = format!("/v2/{name}/referrers/{subject}?{}", next.finish());
            headers.insert(header::LINK, link(&path));
        }
        Ok(response)
    }
}

/// As many referrers as clients take in one answer: ORAS reads 4 MiB of one.
fn cut_by_size(referrers: &[Descriptor]) -> (&[Descriptor], bool) {
    let mut room: usize = 3 * 1024 * 1024;
    for (at, referrer) in referrers.iter().enumerate() {
        let size = crate::json::to_vec(referrer).len() + 1;
        if size > room && at > 0 {
            return (&referrers[..at], true);
        }
        room = room.saturating_sub(size);
    }
    (referrers, false)
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
                Refusal::bad_request(Code::Unsupported, format!("`n={text}` is no number"))
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
