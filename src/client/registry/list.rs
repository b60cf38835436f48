//! Lists of a registry, page by page: tags and repositories.

use super::host::Host;
use crate::{
    Error, ErrorKind, Result,
    client::{
        Client, Repository,
        auth::access::{Access, Action, Intent},
        event::ClientEvent,
        http::{
            error_response,
            message::{Request, Response},
            redirect::next_page,
        },
    },
    limits::MIB,
    oci::{Registry, RepositoryName, Tag, TagOrDigest},
    quote,
    store::Tags,
};
use ::http::Method;
use serde::{Deserialize as _, Deserializer, de::DeserializeOwned};
use std::{collections::HashSet, str::FromStr};
use url::Url;

/// Maximum number of characters of an invalid name in a message.
const SHOWN: usize = 64;

/// Maximum size in bytes of all pages of a list. A million tags are about 20 MiB.
const MAX_LIST: u64 = 128 * MIB;

impl Client {
    /// Lists every repository that a registry shows.
    ///
    /// # Errors
    /// Many registries do not support this list: `Denied`, `NotFound` or `Protocol`.
    pub async fn catalog(&self, registry: &Registry) -> Result<Vec<RepositoryName>> {
        #[derive(serde::Deserialize)]
        struct Page {
            #[serde(deserialize_with = "list_or_null")]
            repositories: Vec<String>,
        }
        let host = self.host(registry);
        let url = host.url("_catalog")?;
        let ticket = Access {
            host,
            repository: None,
            access: Action::Catalog,
            intent: Intent::AsNeeded,
            also: None,
        };
        let act = format!("list the repositories of `{registry}`");
        let pages: Vec<Page> = self.pages(&ticket, &act, url).await?;
        let listed = pages.into_iter().flat_map(|page| page.repositories);
        Ok(self.parse_all(&ticket.host, "repository", listed))
    }

    /// Parses the items of a list, such as names of repositories, and removes duplicates. It leaves
    /// out invalid items with one warning.
    fn parse_all<T: FromStr + Clone + Eq + std::hash::Hash>(
        &self,
        host: &Host,
        what: &str,
        listed: impl Iterator<Item = String>,
    ) -> Vec<T> {
        let (mut valid, mut rest) = (Vec::new(), Vec::new());
        let mut seen = HashSet::new();
        for name in listed {
            match name.parse::<T>() {
                Ok(item) if seen.insert(item.clone()) => valid.push(item),
                Ok(_) => {}
                Err(_) => rest.push(name),
            }
        }
        if let Some(first) = rest.first() {
            let (count, shown) = (rest.len(), first.chars().take(SHOWN).collect::<String>());
            let text = format!(
                "it lists {count} names that no {what} can have; they are skipped; the first is {}",
                quote::go(&shown)
            );
            if host.warns(&text) {
                let host = host.registry().to_string();
                self.options().notify.tell(ClientEvent::Warning { host, text });
            }
        }
        valid
    }

    /// Downloads and parses every page.
    pub(crate) async fn pages<T: DeserializeOwned>(
        &self,
        ticket: &Access,
        act: &str,
        first: Url,
    ) -> Result<Vec<T>> {
        self.pages_within(ticket, act, first, usize::MAX).await.map(|(pages, _)| pages)
    }

    /// Downloads and parses at most `most` pages. The second value is true if these are all.
    async fn pages_within<T: DeserializeOwned>(
        &self,
        ticket: &Access,
        act: &str,
        first: Url,
        most: usize,
    ) -> Result<(Vec<T>, bool)> {
        let limits = &self.options().limits;
        let registry = ticket.host.registry();
        let mut pages = Vec::new();
        let mut total = 0;
        let mut asked = Asked::default();
        let mut next = Some(first);
        while let Some(url) = next {
            let call = Request::new(Method::GET, url);
            let answer = self.settle(ticket, act, &call, limits.answer_bytes).await?;
            if answer.status.as_u16() != 200 || error_response::is_page(&answer) {
                return Err(error_response::from_registry(registry, act, &answer));
            }
            total += answer.body.len() as u64;
            if total > MAX_LIST || pages.len() >= limits.pages {
                return Err(Error::new(
                    ErrorKind::Limit,
                    format!(
                        "cannot {act}: the list does not end within {MAX_LIST} bytes or {} pages",
                        limits.pages
                    ),
                ));
            }
            pages.push(serde_json::from_slice(&answer.body).map_err(|error| {
                Error::new(ErrorKind::Protocol, format!("cannot {act}: the list is malformed"))
                    .with_source(error)
            })?);
            next = asked.next(act, &answer)?;
            if pages.len() == most {
                break;
            }
        }
        Ok((pages, next.is_none()))
    }
}

/// Pages of a list that the client has requested.
#[derive(Debug, Default)]
pub(super) struct Asked(HashSet<Url>);

impl Asked {
    /// Returns the page after that of `answer`, if there is one.
    ///
    /// # Errors
    /// `Protocol` for a page that the client already requested. The list does not advance, and the
    /// client cannot reach the rest of it.
    pub(super) fn next(&mut self, act: &str, answer: &Response) -> Result<Option<Url>> {
        let links = answer.headers.get_all("link");
        let links = links.iter().filter_map(|link| link.to_str().ok());
        self.0.insert((*answer.url).clone());
        match next_page(&answer.url, links) {
            Some(next) if !self.0.insert(next.clone()) => Err(Error::new(
                ErrorKind::Protocol,
                format!("cannot {act}: the pages of the list form a loop"),
            )),
            next => Ok(next),
        }
    }
}

/// Parses a list that may be `null`, as registries write an empty one. A missing list is an error:
/// an error document with 200 is not an empty repository.
fn list_or_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

impl Repository {
    /// Lists the tags on at most `most` pages, from a URL below the repository. The second value is
    /// true if these are all.
    async fn list(&self, from: Url, most: usize) -> Result<(Vec<Tag>, bool)> {
        #[derive(serde::Deserialize)]
        struct Page {
            #[serde(deserialize_with = "list_or_null")]
            tags: Vec<String>,
        }
        let act = format!("list the tags of `{}/{}`", self.registry(), self.name);
        let ticket = self.ticket(Action::Read);
        let pages = self.client.pages_within(&ticket, &act, from, most).await;
        let (pages, all): (Vec<Page>, bool) = pages.map_err(|error| match error.kind() {
            // A read does not need a repository to be created.
            ErrorKind::NotFound => error.with_hint(
                "check the repository's name; a namespace has no tags itself: name one of its charts, HOST/NAMESPACE/NAME",
            ),
            _ => error,
        })?;
        let listed = pages.into_iter().flat_map(|page| page.tags);
        Ok((self.client.parse_all(&self.host, "tag", listed), all))
    }
}

impl Tags for Repository {
    async fn tags(&self) -> Result<Vec<Tag>> {
        self.list(self.url("tags/list")?, usize::MAX).await.map(|(tags, _)| tags)
    }

    async fn tags_within(&self, pages: usize) -> Result<Option<Vec<Tag>>> {
        let (tags, all) = self.list(self.url("tags/list")?, pages).await?;
        Ok(all.then_some(tags))
    }

    async fn tags_after(&self, last: &str, count: usize) -> Result<Vec<Tag>> {
        let mut url = self.url("tags/list")?;
        url.query_pairs_mut().append_pair("n", &count.to_string()).append_pair("last", last);
        self.list(url, 1).await.map(|(tags, _)| tags)
    }

    async fn delete(&self, target: &TagOrDigest) -> Result<()> {
        self.delete_manifest(target).await
    }
}
