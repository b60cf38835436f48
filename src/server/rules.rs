//! ChartMuseum's flags against changes, applied to the registry API. A chart that one API protects
//! could otherwise be changed through the other.

use super::{
    auth::parent,
    chartmuseum::{Api, Options, Overwrite, Turns},
    index_view::{Follower, Found, Item, Origin, View},
    net::refusal::{Code, Refusal},
};
use crate::{
    oci::{Digest, Manifest, Tag, TagOrDigest, chart},
    ops::chart_manifest::chart_of,
    store::{
        blocking,
        disk::{Disk, repository::Repository},
    },
};
use http::{HeaderValue, StatusCode, header};
use std::{num::NonZeroUsize, sync::Arc};

/// The rules against changes. Clones share their state.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    api: Api,
    overwrite: Overwrite,
    most: Option<NonZeroUsize>,
    /// Locks that both APIs share, so that of two clients with one version only one is first.
    pub(super) turns: Arc<Turns>,
}

impl Rules {
    pub(super) fn new(options: &Options, turns: Arc<Turns>) -> Self {
        let Options { api, overwrite, max_storage_objects: most, .. } = *options;
        Self { api, overwrite, most, turns }
    }

    /// Refuses a deletion with `--disable-delete`. The rule covers tags, manifests and blobs, since
    /// a chart needs its blob.
    pub(super) fn may_delete(&self, allowed: &'static str) -> Result<(), Refusal> {
        if self.api != Api::WithoutDelete {
            return Ok(());
        }
        let status = StatusCode::METHOD_NOT_ALLOWED;
        let message = "this registry does not allow deletion";
        Err(Refusal::new(status, Code::Unsupported, message)
            .with(header::ALLOW, HeaderValue::from_static(allowed)))
    }

    /// Returns true if the server must check a manifest before it tags it.
    pub(super) fn judge_tags(&self) -> bool {
        self.overwrite == Overwrite::Never || self.most.is_some()
    }

    /// Refuses to move a tag from a chart, with `--disable-force-overwrite`, and a further chart in
    /// a full namespace, with `--max-storage-objects`. The caller holds the lock to change these
    /// versions.
    pub(super) async fn may_tag(
        &self,
        charts: &Follower<Disk>,
        repository: &Repository,
        manifest: &Manifest,
        digest: &Digest,
        tags: &[Tag],
    ) -> Result<(), Refusal> {
        charts.ready_soon().await.map_err(|error| {
            tracing::warn!(error = error.chain(), "the charts of the store are not known yet");
            let message = "the charts of this registry are not known yet";
            Refusal::new(StatusCode::SERVICE_UNAVAILABLE, Code::Denied, message)
                .with(header::RETRY_AFTER, HeaderValue::from_static("5"))
        })?;
        let name = repository.name();
        let content = content(repository, manifest.clone()).await;
        let shows = self.shows(charts, repository, manifest).await?;
        for tag in tags {
            let (from, wanted) = (repository.clone(), TagOrDigest::Tag(tag.clone()));
            let there = blocking(move || from.manifest(&wanted)).await?;
            if there.as_ref().is_some_and(|there| there.descriptor.digest == *digest) {
                continue;
            }
            let version = tag.to_version();
            let shown = charts.view().find(parent(name), name.last_segment(), &version);
            let replaces = match &there {
                Some(there) => {
                    let kind = there.descriptor.media_type.as_str();
                    match Manifest::parse(there.bytes.clone(), Some(kind)) {
                        Ok(before) => self::content(repository, before).await.is_some(),
                        Err(_) => false,
                    }
                }
                // With another tag, for example, this chart would replace the visible one.
                None => shown.as_ref().is_some_and(|found| !is_archive(found, content.as_ref())),
            };
            // Any repository of the namespace may hold any chart of it.
            let outranks = shows.as_ref().and_then(|item| {
                let origin = Origin::Tag {
                    repository: name.clone(),
                    tag: tag.clone(),
                    manifest: digest.clone(),
                };
                let found = charts.view().find(parent(name), &item.name, &item.version)?;
                let first = origin.rank(item) < found.origin.rank(&found.item);
                (first && !is_archive(&found, Some(&item.archive.digest))).then_some(item)
            });
            if let Some(item) = outranks
                && self.overwrite == Overwrite::Never
            {
                let (name, version) = (&item.name, &item.version);
                let message = format!(
                    "the chart `{name}` already has the version {version}, and this registry replaces no chart"
                );
                return Err(Refusal::new(StatusCode::CONFLICT, Code::Denied, message));
            }
            if replaces && self.overwrite == Overwrite::Never {
                let message =
                    format!("`{name}:{tag}` is a chart, and this registry replaces no chart");
                return Err(Refusal::new(StatusCode::CONFLICT, Code::Denied, message));
            }
            // `a` in 1.0.0-2.0.0 and `a-1.0.0` in 2.0.0 have archives with one name. The server can
            // offer only one of them.
            let file = format!("{}-{version}.tgz", name.last_segment());
            let taken = shown.is_none() && charts.view().file(parent(name), &file).is_some();
            if taken && content.is_some() && self.overwrite == Overwrite::Never {
                let message = format!(
                    "another chart has the file `{file}`, and this registry replaces no chart"
                );
                return Err(Refusal::new(StatusCode::CONFLICT, Code::Denied, message));
            }
            if there.is_none() && shown.is_none() && content.is_some() {
                self.room_for_one(charts.view(), parent(name))?;
            }
        }
        Ok(())
    }

    /// Returns the version that the index would show for a manifest, if it holds a chart.
    pub(super) async fn shows(
        &self,
        charts: &Follower<Disk>,
        repository: &Repository,
        manifest: &Manifest,
    ) -> Result<Option<Item>, Refusal> {
        if self.overwrite != Overwrite::Never {
            return Ok(None);
        }
        let found = charts.chart(repository, repository.name(), manifest.clone()).await;
        Ok(found.ok().flatten().map(|(item, _)| item))
    }

    fn room_for_one(&self, view: &View, namespace: &str) -> Result<(), Refusal> {
        let Some(most) = self.most else { return Ok(()) };
        let versions = view.names(namespace);
        let versions = versions.iter().filter_map(|name| view.versions(namespace, name)).flatten();
        let files = versions.map(|found| 1 + usize::from(found.item.provenance.is_some()));
        if files.sum::<usize>() < most.get() {
            return Ok(());
        }
        let message =
            format!("`{namespace}` has {most} archives and provenance files, which is the limit");
        Err(Refusal::new(StatusCode::INSUFFICIENT_STORAGE, Code::Denied, message))
    }
}

/// Returns the archive of a manifest's chart, or of the chart in an index.
async fn content(repository: &Repository, manifest: Manifest) -> Option<Digest> {
    let manifest = chart_of(repository, manifest).await.ok()?;
    chart::find(&manifest).ok().map(|found| found.content.digest.clone())
}

/// Returns true if a version in the index has this archive.
fn is_archive(found: &Found, content: Option<&Digest>) -> bool {
    content == Some(&found.item.archive.digest)
}
