//! A ChartMuseum as destination, through its API. One upload has archive and provenance. Its index
//! lists the content. It cannot store states.

use super::{Held, Naming, Putting, Stored, Target};
use crate::lock::Locked as _;
use crate::{
    Error, ErrorKind, Result,
    client::{
        chartmuseum::{ChartMuseum as Client, Force, Uploaded},
        repository::index::Fetched,
    },
    digest::Digest,
    index::Index,
    limits::Limits,
    mirror::candidate::Payload,
    ops::push::Verify,
};
use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex},
};
use tokio::sync::OnceCell;

/// A ChartMuseum as destination.
#[derive(Clone, Debug)]
pub struct ChartMuseum {
    client: Client,
    identity: String,
    limits: Limits,
    /// The content of its index when the run began.
    listed: Arc<OnceCell<Names>>,
    /// The places that this run uploaded.
    uploaded: Arc<Mutex<HashSet<Target>>>,
}

/// Each chart's versions, with their archives' digests if the index has them.
type Names = HashMap<String, HashMap<String, Option<Digest>>>;

impl ChartMuseum {
    /// Creates a sink for a ChartMuseum.
    pub fn new(client: Client, limits: &Limits) -> Self {
        let identity = client.repository().url().trim_end_matches('/').to_owned();
        Self {
            client,
            identity,
            limits: limits.clone(),
            listed: Arc::default(),
            uploaded: Arc::default(),
        }
    }

    pub(super) fn identity(&self) -> &str {
        &self.identity
    }

    pub(super) fn place(&self, naming: &Naming<'_>) -> Result<Target> {
        let chart = naming.chart.rsplit('/').next().unwrap_or_default();
        let bad =
            |text: &str| text.is_empty() || text.starts_with('.') || text.contains(['/', '\\']);
        if bad(chart) || bad(naming.version) {
            return Err(Error::invalid(format!(
                "`{chart}-{}.tgz` can be no file of a ChartMuseum",
                naming.version
            )));
        }
        Ok(Target { group: chart.to_owned(), name: naming.version.to_owned() })
    }

    fn url(&self, place: &Target) -> String {
        format!("{}/charts/{}-{}.tgz", self.identity, place.group, place.name)
    }

    pub(super) fn show(&self, place: &Target) -> String {
        self.url(place)
    }

    async fn names(&self) -> Result<Names> {
        let bytes = match self.client.repository().index(None).await {
            Ok(Fetched::Index { bytes, .. }) => bytes,
            Ok(Fetched::NotModified) => return Ok(Names::new()),
            // A namespace without charts has no index.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Names::new()),
            Err(error) => return Err(error),
        };
        let index = Index::read(bytes, &self.identity, &self.limits).map_err(|error| {
            error
                .context(format!("`{}/index.yaml` of the destination is not an index", self.identity))
                .with_hint(
                    "no ChartMuseum answers there, or a login page does: check the destination's address",
                )
        })?;
        let charts = index.charts().map(|chart| {
            let versions = chart.versions().iter().map(|line| {
                let digest = line.digest().and_then(|text| {
                    let hex = text.strip_prefix("sha256:").unwrap_or(text);
                    format!("sha256:{hex}").parse().ok()
                });
                (line.version().to_owned(), digest)
            });
            (chart.name().to_owned(), versions.collect())
        });
        Ok(charts.collect())
    }

    pub(super) async fn present(&self, group: &str) -> Result<HashMap<String, Option<Digest>>> {
        let names = self.listed.get_or_try_init(|| self.names()).await?;
        Ok(names.get(group).cloned().unwrap_or_default())
    }

    /// Requests the archive itself, because an index may be out of date.
    pub(super) async fn look(&self, place: &Target) -> Result<Held> {
        let fetched =
            self.client.repository().archive(&self.url(place), self.limits.archive_bytes).await;
        match fetched {
            Ok(archive) => {
                let url = format!("{}.prov", self.url(place));
                let provenance = self.client.repository().provenance(&url).await?;
                let provenance = provenance.map(|bytes| Digest::sha256(&bytes));
                let content = archive.digest;
                Ok(Held::Chart { content, manifest: None, provenance: provenance.into() })
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Held::Nothing),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn put(
        &self,
        place: &Target,
        payload: &Payload,
        putting: Putting<'_>,
    ) -> Result<Stored> {
        let there = self.present(&place.group).await?.contains_key(&place.name)
            || self.uploaded.locked().contains(place);
        let force = if there { Force::Yes } else { Force::No };
        let shown = self.show(place);
        let provenance = payload.provenance.clone();
        if self.client.upload(&payload.archive, provenance, force).await? == Uploaded::Exists {
            // The index did not list it when the run began. It may be from a retry of this run,
            // another shard, or a user.
            let theirs = self.look(place).await?;
            if !matches!(&theirs, Held::Chart { content, .. } if *content == payload.content.digest)
            {
                return Err(Error::new(
                    ErrorKind::Conflict,
                    format!("{shown} is another chart, and the server does not allow to replace it"),
                )
                .with_hint("ChartMuseum replaces versions with `--allow-overwrite`, or if it allows forced uploads"));
            }
        }
        self.uploaded.locked().insert(place.clone());
        if putting.verify != Verify::None {
            self.compare(place, payload).await?;
        }
        Ok(Stored::default())
    }

    /// Reads the upload back.
    async fn compare(&self, place: &Target, payload: &Payload) -> Result<()> {
        let shown = self.show(place);
        let wrong = |found: &str, wanted: &Digest| {
            Error::new(
                ErrorKind::Integrity,
                format!("{shown} is {found} after the upload of {wanted}"),
            )
        };
        match self.look(place).await? {
            Held::Chart { content, .. } if content == payload.content.digest => {}
            Held::Chart { content, .. } => {
                return Err(wrong(content.as_str(), &payload.content.digest));
            }
            Held::Nothing | Held::Other(_) => {
                return Err(wrong("not there", &payload.content.digest));
            }
        }
        let Some(provenance) = &payload.provenance else { return Ok(()) };
        let theirs =
            self.client.repository().provenance(&format!("{}.prov", self.url(place))).await?;
        match theirs {
            Some(theirs) if theirs == *provenance => Ok(()),
            _ => Err(Error::new(
                ErrorKind::Integrity,
                format!("{shown}.prov differs from the uploaded file"),
            )),
        }
    }

    pub(super) async fn delete(&self, place: &Target) -> Result<()> {
        self.client.delete(&place.group, &place.name).await.map(drop)
    }
}
