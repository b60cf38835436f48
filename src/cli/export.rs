//! `export LOCATION [DIR]`: a chart's files as DIR/NAME.

use super::{
    Run,
    exit::Exit,
    fetch::fetch,
    legacy,
    location::{self, Location},
    output,
    progress::Progress,
    remote::RemoteArgs,
    show,
};
use crate::{
    Error, Result,
    archive::{self, expand::Existing},
    limits::Limits,
    ops::tags::Wanted,
};
use clap::Args;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    /// A saved reference, `oci://…`, a .tgz, `https://….tgz` or `layout:DIR:tag`
    location: String,
    /// Folder to write DIR/NAME to
    #[arg(value_name = "DIR", conflicts_with = "destination")]
    folder: Option<PathBuf>,
    /// The same as a flag
    #[arg(long, short = 'd', value_name = "DIR")]
    destination: Option<PathBuf>,
    /// Replace DIR/NAME if it exists
    #[arg(long)]
    overwrite: bool,
    /// Version, range or tag
    #[arg(long)]
    version: Option<String>,
    #[command(flatten)]
    remote: RemoteArgs,
}

pub(super) fn export(run: &Run, args: ExportArgs) -> Result<Exit> {
    let limits = Limits::default();
    let folder =
        args.folder.clone().or(args.destination.clone()).unwrap_or_else(|| PathBuf::from("."));
    let existing = if args.overwrite { Existing::Replace } else { Existing::Refuse };
    let _progress = Progress::start(run, "pulled", "charts", 1);
    run.block_on(async {
        let location = location::resolve(&args.location, &run.saved()).await?;
        let (archive, block) = match location {
            Location::Path(path) if path.is_dir() => {
                return Err(Error::usage(format!("`{}` is a folder already", path.display())));
            }
            Location::Registry(_) | Location::Saved(_) | Location::Layout(_) => {
                let wanted = |tag, digest| Wanted {
                    tag,
                    digest,
                    version: args.version.clone(),
                    ..Wanted::default()
                };
                let pulled = fetch(run, &location, &args.remote, wanted, &limits).await?;
                let block =
                    legacy::summary(args.location.trim_start_matches("oci://"), &pulled.manifest)?;
                (pulled.archive, block)
            }
            _ => (
                show::archive_at(run, &args.location, None, false, &args.remote, &limits).await?,
                String::new(),
            ),
        };
        std::fs::create_dir_all(&folder)
            .map_err(|error| Error::io("create folder", &folder, error))?;
        let written = archive::expand::expand(archive.reader()?, &folder, existing, &limits)?;
        output::print(format!("{block}Exported chart to {}/\n", shown(&written)))
    })?;
    Ok(Exit::Ok)
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
