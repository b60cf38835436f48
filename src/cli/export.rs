//! The command `export LOCATION [DIR]`: it writes a chart's files to DIR/NAME.

use super::{
    Run,
    fetch::fetch,
    push::{destination::refuse_address, legacy},
    shell::{
        exit::Exit,
        location::{self, Location},
        output,
        progress::Progress,
        remote::RemoteArgs,
        repository_flags::RepositoryArgs,
    },
    show,
};
use crate::{
    Error, ErrorKind, Result,
    archive::{self, expand::Existing},
    limits::Limits,
    oci::TagOrDigest,
    ops::tags::ChartRequest,
};
use clap::Args;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    /// Export a saved reference, `repo/chart`, `oci://…`, a .tgz, `https://….tgz` or
    /// `layout:DIR:tag`
    location: String,
    /// Write to the folder DIR/NAME
    #[arg(value_name = "DIR", conflicts_with = "destination")]
    folder: Option<PathBuf>,
    /// Write to the folder DIR/NAME, as the argument does
    #[arg(long, short = 'd', value_name = "DIR")]
    destination: Option<PathBuf>,
    /// Replace DIR/NAME if it exists
    #[arg(long)]
    overwrite: bool,
    /// The handling of an existing DIR/NAME without `--overwrite`.
    #[arg(skip = Existing::Refuse)]
    existing: Existing,
    /// Use this version, range or tag
    #[arg(long)]
    version: Option<String>,
    #[command(flatten)]
    chart_repository: RepositoryArgs,
    #[command(flatten)]
    remote: RemoteArgs,
}

impl ExportArgs {
    /// Makes the command write over an existing folder, as `chart export` of the old Helm did.
    pub(super) fn expand_over_existing(&mut self) {
        self.existing = Existing::Merge;
    }

    fn ways(&self) -> show::Ways<'_> {
        show::Ways { chart_repository: &self.chart_repository, remote: &self.remote }
    }
}

pub(super) fn export(run: &Run, args: ExportArgs) -> Result<Exit> {
    let limits = Limits::default();
    let folder =
        args.folder.clone().or(args.destination.clone()).unwrap_or_else(|| PathBuf::from("."));
    refuse_address(Some(&folder))?;
    let existing = if args.overwrite { Existing::Replace } else { args.existing };
    let _progress = Progress::start(run, "pulled", "charts", 1);
    run.block_on(async {
        let (archive, block) = match self::location(run, &args).await? {
            Location::Path(path) if path.is_dir() => {
                return Err(Error::usage(format!("`{}` is a folder already", path.display())));
            }
            location @ (Location::Registry(_) | Location::Saved(_) | Location::Layout(_)) => {
                let wanted = |tag, digest| ChartRequest {
                    tag,
                    digest,
                    version: args.version.clone(),
                    ..ChartRequest::default()
                };
                let pulled = fetch(run, &location, &args.remote, wanted, &limits).await?;
                let shown = match &location {
                    Location::Registry(reference) => {
                        let repository = reference.repository_path();
                        match &pulled.target {
                            TagOrDigest::Tag(tag) => format!("{repository}:{tag}"),
                            TagOrDigest::Digest(digest) => format!("{repository}@{digest}"),
                        }
                    }
                    _ => args.location.clone(),
                };
                let block = legacy::summary(&shown, &pulled.manifest)?;
                (pulled.archive, block)
            }
            _ => (
                show::archive_at(
                    run,
                    &args.location,
                    args.version.as_deref(),
                    false,
                    args.ways(),
                    &limits,
                )
                .await?,
                String::new(),
            ),
        };
        std::fs::create_dir_all(&folder)
            .map_err(|error| Error::io("create folder", &folder, error))?;
        let written = archive::expand::expand(archive.reader()?, &folder, existing, &limits)
            .map_err(|error| hint(error, existing))?;
        for warning in &written.skipped {
            run.talk.warn(warning);
        }
        output::print(format!("{block}Exported chart to {}/\n", shown(&written.path)))
    })?;
    Ok(Exit::Ok)
}

/// Returns the location of the chart. With `--repo`, the argument is only a name.
async fn location(run: &Run, args: &ExportArgs) -> Result<Location> {
    args.chart_repository.check()?;
    match &args.chart_repository.repo {
        Some(url) => Ok(Location::Url(url.clone())),
        None => location::resolve(run, &args.location).await,
    }
}

fn hint(error: Error, existing: Existing) -> Error {
    match (error.kind(), existing) {
        (ErrorKind::Conflict, Existing::Refuse) => {
            error.with_hint("`--overwrite` replaces a chart's folder")
        }
        _ => error,
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
