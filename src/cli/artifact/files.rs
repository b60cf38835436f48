//! The flags for the files of an artifact, which `push` and `attach` share.

use crate::{
    Error, Result,
    cli::Run,
    limits::{Limits, MIB},
    oci::media,
    ops::artifact::{
        compose::{Parts, UNKNOWN_CONFIG},
        file_argument::FileArgument,
        layer::{self, AbsolutePaths, Layer, Permissions},
    },
};
use clap::Args;
use std::{
    collections::BTreeMap,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

/// Bytes of a file of annotations.
const MAX_ANNOTATIONS: u64 = 4 * MIB;

#[derive(Debug, Args)]
pub(in crate::cli) struct FilesArgs {
    /// Add this annotation to the manifest
    #[arg(long, short = 'a', value_name = "KEY=VALUE")]
    pub(in crate::cli) annotation: Vec<String>,
    /// Read annotations from this JSON file: of `$manifest`, of `$config` and of files by their
    /// names
    #[arg(long, value_name = "FILE", conflicts_with = "annotation")]
    pub(in crate::cli) annotation_file: Option<PathBuf>,
    /// Use this file as the config
    #[arg(long, value_name = "FILE[:TYPE]")]
    pub(in crate::cli) config: Option<String>,
    /// Set the artifact's type
    #[arg(long, value_name = "TYPE")]
    pub(in crate::cli) artifact_type: Option<String>,
    /// Use absolute paths as titles as they are
    #[arg(long)]
    pub(in crate::cli) disable_path_validation: bool,
    /// Send this many blobs at once
    #[arg(long, value_name = "N", default_value_t = 16)]
    pub(in crate::cli) concurrency: usize,
    /// Write the manifest to this file too
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) export_manifest: Option<PathBuf>,
}

/// The time in the annotation `org.opencontainers.image.created`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) enum CreatedAt {
    /// None, unless `SOURCE_DATE_EPOCH` is set: equal files give equal digests.
    Epoch,
    /// Now, unless `SOURCE_DATE_EPOCH` is set.
    Now,
    /// This time.
    At(String),
}

impl std::str::FromStr for CreatedAt {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "now" {
            return Ok(Self::Now);
        }
        let time: jiff::Timestamp =
            text.parse().map_err(|_| "write `now`, or a time such as 2026-01-02T03:04:05Z")?;
        let time = time.round(jiff::Unit::Second).unwrap_or(time);
        Ok(Self::At(time.to_string()))
    }
}

/// The parts that the flags give, with the paths whose titles are shortened.
pub(in crate::cli) struct FileParts {
    pub(in crate::cli) parts: Parts,
    pub(in crate::cli) shortened: Vec<PathBuf>,
}

impl FilesArgs {
    /// Reads the files, the config and the annotations.
    pub(in crate::cli) fn read(
        &self,
        run: &Run,
        files: &[String],
        created: &CreatedAt,
        options: layer::Options,
    ) -> Result<FileParts> {
        let arguments: Vec<FileArgument> =
            files.iter().map(|text| FileArgument::parse(text)).collect::<Result<_>>()?;
        let mut annotations = self.annotations()?;
        let mut options = options;
        if self.disable_path_validation {
            options.absolute_paths = AbsolutePaths::Keep;
        }
        let mut read = layer::read(&arguments, &options)?;
        // As in ORAS, the names in the file are those of the command line.
        for (argument, layer) in arguments.iter().zip(&mut read.layers) {
            let own = argument.path.to_str().and_then(|path| annotations.remove(path));
            layer.descriptor.annotations.extend(own.unwrap_or_default());
        }
        let mut parts = Parts::default();
        parts.artifact_type.clone_from(&self.artifact_type);
        parts.config =
            self.config.as_deref().map(|text| config(text, &options.limits)).transpose()?;
        parts.config_annotations = annotations.remove("$config").unwrap_or_default();
        parts.annotations = annotations.remove("$manifest").unwrap_or_default();
        if let Some(time) = created_at(run, created)? {
            parts.annotations.entry(media::CREATED.to_owned()).or_insert(time);
        }
        parts.layers = read.layers;
        Ok(FileParts { parts, shortened: read.shortened })
    }

    /// Returns the annotations of the flags, by the names of a file of annotations.
    fn annotations(&self) -> Result<BTreeMap<String, BTreeMap<String, String>>> {
        if let Some(path) = &self.annotation_file {
            let mut bytes = Vec::new();
            let fail = |error| Error::input("read annotations", path, error);
            let file = File::open(path).map_err(fail)?;
            file.take(MAX_ANNOTATIONS).read_to_end(&mut bytes).map_err(fail)?;
            return serde_json::from_slice(&bytes).map_err(|error| {
                Error::invalid(format!("`{}` is not a file of annotations", path.display()))
                    .with_source(error)
                    .with_hint(r#"write `{"$manifest": {"key": "value"}, "file.txt": {…}}`"#)
            });
        }
        let mut own = BTreeMap::new();
        for pair in &self.annotation {
            let (key, value) =
                pair.split_once('=').filter(|(key, _)| !key.is_empty()).ok_or_else(|| {
                    Error::usage(format!("`--annotation {pair}` is not of the form KEY=VALUE"))
                })?;
            if own.insert(key.to_owned(), value.to_owned()).is_some() {
                return Err(Error::usage(format!("the annotation `{key}` is given twice")));
            }
        }
        Ok(BTreeMap::from([("$manifest".to_owned(), own)]))
    }
}

fn config(text: &str, limits: &Limits) -> Result<Layer> {
    let argument = FileArgument::parse(text)?;
    let media_type = argument.media_type.as_deref().unwrap_or(UNKNOWN_CONFIG);
    layer::config(&argument.path, media_type, limits)
}

fn created_at(run: &Run, created: &CreatedAt) -> Result<Option<String>> {
    if let CreatedAt::At(time) = created {
        return Ok(Some(time.clone()));
    }
    if let Some(epoch) = run.epoch()? {
        let time = jiff::Timestamp::from_second(epoch.unix()).unwrap_or_default();
        return Ok(Some(time.to_string()));
    }
    Ok((*created == CreatedAt::Now).then(crate::cli::shell::output::now))
}

/// Returns the options for reading files. `stdin` is `TITLE[:TYPE]`.
pub(in crate::cli) fn options(stdin: Option<&str>, permissions: bool) -> Result<layer::Options> {
    Ok(layer::Options {
        stdin: stdin.map(FileArgument::parse).transpose()?,
        permissions: if permissions { Permissions::Keep } else { Permissions::Leave },
        ..layer::Options::default()
    })
}

/// Tells the user that a push of pulled files makes a new artifact.
pub(in crate::cli) fn tell_shortened(run: &Run, shortened: &[PathBuf]) {
    for path in shortened {
        let title = path.file_name().unwrap_or_default();
        run.talk.info(&format!(
            "note: `{}` is an absolute path, so its title is `{}`. This makes a new artifact with a \
             new digest; to keep digest and signatures: chartferry promote SRC DST",
            path.display(),
            Path::new(title).display()
        ));
    }
}
