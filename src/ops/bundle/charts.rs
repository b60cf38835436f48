//! Comparison of a bundle's archives with their manifests, configs and names. A blob's digest
//! proves that the manifest lists the blob. It does not prove that the blob is the chart which the
//! manifest describes.

use crate::lock::Locked as _;
use crate::{
    Error, Result,
    archive::{self, Keep},
    chart::Metadata,
    digest::Digest,
    limits::Limits,
    oci::{Manifest, chart, media},
    store::bundle::{Entry, Part},
    version::Version,
};
use serde::Deserialize;
use std::{
    collections::{HashMap, HashSet},
    sync::Mutex,
};

/// A chart of a bundle, as the bundle describes it.
struct Listed {
    shown: String,
    content: Digest,
    /// The config, if it is a chart's own.
    config: Option<Digest>,
    title: Option<String>,
    version: Option<String>,
    /// The repository's last segment and the tag. They may differ from the chart's name and version
    /// in a valid bundle.
    reference: (Option<String>, Option<String>),
    /// The chart's name and version in the name of its file in a folder.
    file: Option<Identity>,
}

/// A name and a version.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Identity {
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    pub(super) version: String,
}

/// A comparison of archives and configs with their descriptions. It accepts them in any order.
#[derive(Default)]
pub(crate) struct Charts {
    listed: Vec<Listed>,
    contents: HashSet<Digest>,
    configs: HashSet<Digest>,
    archives_read: Mutex<HashMap<Digest, Metadata>>,
    configs_read: Mutex<HashMap<Digest, Identity>>,
}

impl Charts {
    /// Adds a chart that a bundle lists.
    ///
    /// # Errors
    /// `Invalid` for a manifest without a chart.
    pub(crate) fn add(&mut self, entry: &Entry, manifest: &Manifest) -> Result<()> {
        let found = chart::find(manifest)?;
        let config = found.config.filter(|_| found.foreign.is_none());
        let annotation = |key| manifest.document().annotations.get(key).cloned();
        let repository = entry.name.repository.as_ref();
        let listed = Listed {
            shown: entry.name.to_string(),
            content: found.content.digest.clone(),
            config: config.map(|config| config.digest.clone()),
            title: annotation(media::TITLE),
            version: annotation(media::VERSION),
            reference: (
                repository.map(|name| name.last_segment().to_owned()),
                entry.name.tag.as_ref().map(|tag| tag.to_version()),
            ),
            file: None,
        };
        self.contents.insert(listed.content.clone());
        self.configs.extend(listed.config.clone());
        self.listed.push(listed);
        Ok(())
    }

    /// Adds a chart that becomes a file of a folder.
    ///
    /// # Errors
    /// As [`Charts::add`].
    pub(super) fn add_file(
        &mut self,
        entry: &Entry,
        manifest: &Manifest,
        file: Identity,
    ) -> Result<()> {
        self.add(entry, manifest)?;
        if let Some(listed) = self.listed.last_mut() {
            listed.file = Some(file);
        }
        Ok(())
    }

    /// Returns the configs that describe charts.
    pub(super) fn configs(&self) -> impl Iterator<Item = &Digest> {
        self.configs.iter()
    }

    /// Returns true if [`Charts::read`] compares this blob.
    pub(crate) fn wants(&self, digest: &Digest) -> bool {
        self.contents.contains(digest) || self.configs.contains(digest)
    }

    /// Reads an archive or a config. It compares an archive with its manifest, with the name of its
    /// file, and with its config if that was read before. It ignores other blobs. It blocks.
    ///
    /// # Errors
    /// `Invalid` or `Limit` for an invalid archive, or one that differs from these descriptions.
    pub(crate) fn read(&self, part: &Part, limits: &Limits) -> Result<()> {
        let digest = &part.digest;
        if self.configs.contains(digest) {
            // A config that is no JSON does not identify the chart.
            if let Ok(identity) = serde_json::from_reader(part.content.reader()?) {
                lock(&self.configs_read).insert(digest.clone(), identity);
            }
        }
        if !self.contents.contains(digest) {
            return Ok(());
        }
        let of_this = || self.listed.iter().filter(|listed| listed.content == *digest);
        let metadata = archive::read::read(part.content.reader()?, Keep::Nothing, limits)
            .map(|chart| chart.metadata)
            .map_err(|error| {
                let name = of_this().next().map_or("", |listed| &listed.shown);
                error.context(format!("the archive of {name} is not a valid chart"))
            })?;
        for listed in of_this() {
            let title = listed.title.as_deref().unwrap_or(&metadata.name);
            let version = listed.version.as_deref().unwrap_or_default();
            if let Some(other) = metadata.other_than(title, version) {
                return Err(another(listed, "manifest", &other));
            }
            self.compare_config(listed, &metadata)?;
            if let Some(file) = &listed.file
                && let Some(other) =
                    metadata.other_than(&file.name, whole(&file.version).unwrap_or_default())
            {
                return Err(another(listed, "file's name", &other));
            }
        }
        lock(&self.archives_read).insert(digest.clone(), metadata);
        Ok(())
    }

    /// Compares the configs with the archives that were read. Returns a sentence for each chart
    /// whose name differs from its repository or tag. Any registry may have such charts, so that is
    /// not an error.
    ///
    /// # Errors
    /// `Invalid` for a config that describes a different chart.
    pub(crate) fn finish(&self) -> Result<Vec<String>> {
        let archives = lock(&self.archives_read);
        let mut others = Vec::new();
        for listed in &self.listed {
            let Some(metadata) = archives.get(&listed.content) else { continue };
            self.compare_config(listed, metadata)?;
            let (name, tag) = &listed.reference;
            let name = name.as_deref().unwrap_or(&metadata.name);
            let version = tag.as_deref().and_then(whole);
            if let Some(other) = metadata.other_than(name, version.unwrap_or_default()) {
                others.push(format!(
                    "{} is not the chart that its reference names: {other}",
                    listed.shown
                ));
            }
        }
        Ok(others)
    }

    fn compare_config(&self, listed: &Listed, metadata: &Metadata) -> Result<()> {
        let configs = lock(&self.configs_read);
        let config = listed.config.as_ref().and_then(|config| configs.get(config));
        // Tools that push any file as a chart leave the config empty.
        match config.filter(|config| !config.name.is_empty()) {
            Some(config) => match metadata.other_than(&config.name, &config.version) {
                Some(other) => Err(another(listed, "config", &other)),
                None => Ok(()),
            },
            None => Ok(()),
        }
    }
}

/// Returns the version of a tag. A tag that is not a whole version, such as `latest` or `1`, does
/// not identify the chart's version.
fn whole(tag: &str) -> Option<&str> {
    Version::parse_strict(tag).is_ok().then_some(tag)
}

fn another(listed: &Listed, what: &str, other: &str) -> Error {
    let message =
        format!("the archive of {} is not the chart in its {what}: {other}", listed.shown);
    Error::invalid(message).with_hint("save the bundle again, from a registry that you trust")
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.locked()
}
