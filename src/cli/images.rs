//! The command `images`.

use super::{
    Run,
    shell::{
        exit::Exit,
        links::LinkArgs,
        output::{self, Format},
        remote::RemoteArgs,
        repository_flags::RepositoryArgs,
        table::table,
    },
    show::{Ways, archive_at},
};
use crate::{
    Result,
    archive::{self, Keep},
    limits::Limits,
    ops::images::{self as op, Certainty, Image},
};
use clap::Args;
use serde_json::json;
use std::path::Path;

#[derive(Debug, Args)]
pub(super) struct ImagesArgs {
    /// List the images of charts: a folder, a .tgz, a saved reference, `repo/chart`, `oci://…`,
    /// `https://….tgz` or `layout:DIR:tag`
    #[arg(required = true)]
    locations: Vec<String>,
    /// Use this version, range or tag
    #[arg(long)]
    version: Option<String>,
    /// Include prereleases if no version is given
    #[arg(long)]
    devel: bool,
    /// List only images that the chart declares
    #[arg(long)]
    declared: bool,
    /// Print only the names, one in each line
    #[arg(long, conflicts_with = "output")]
    names: bool,
    /// Write the list in this format
    #[arg(long, short = 'o', value_enum, default_value_t)]
    output: Format,
    #[command(flatten)]
    links: LinkArgs,
    #[command(flatten)]
    chart_repository: RepositoryArgs,
    #[command(flatten)]
    remote: RemoteArgs,
}

pub(super) fn images(run: &Run, args: &ImagesArgs) -> Result<Exit> {
    let limits = Limits::default();
    args.chart_repository.check()?;
    let mut all: Vec<Image> = Vec::new();
    for location in &args.locations {
        let chart = load(run, args, location, &limits)?;
        let found = op::find(&chart, &limits);
        found.warnings.iter().for_each(|warning| run.talk.warn(warning));
        all.extend(found.images);
    }
    if args.declared {
        all.retain(|image| image.certainty == Certainty::Declared);
    }
    if all.is_empty() {
        run.talk.info("no images were found");
    }
    if args.names {
        let mut names: Vec<&str> = all.iter().map(|image| image.image.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        return output::print(names.iter().map(|name| format!("{name}\n")).collect::<String>())
            .map(|()| Exit::Ok);
    }
    match args.output {
        Format::Text => output::print(text(&all))?,
        format => output::print_value(format, &json!({ "images": all }))?,
    }
    Ok(Exit::Ok)
}

fn load(run: &Run, args: &ImagesArgs, location: &str, limits: &Limits) -> Result<archive::Chart> {
    let path = Path::new(location);
    if path.is_dir() && args.chart_repository.repo.is_none() {
        let outside = args.links.leniently();
        return archive::dir::load_with(path, Keep::Everything, outside, limits);
    }
    let ways = Ways { chart_repository: &args.chart_repository, remote: &args.remote };
    let version = args.version.as_deref();
    let archive = run.block_on(archive_at(run, location, version, args.devel, ways, limits))?;
    archive::read::read(archive.reader()?, Keep::Everything, limits)
        .map_err(|error| error.context(format!("`{location}` is not a valid chart archive")))
}

fn text(all: &[Image]) -> String {
    let rows: Vec<Vec<String>> = all
        .iter()
        .map(|image| {
            let how = match (image.certainty, image.by_app_version) {
                (Certainty::Declared, _) => "declared",
                (Certainty::Guessed, false) => "guessed",
                (Certainty::Guessed, true) => "guessed, tag by appVersion",
            };
            vec![image.image.clone(), how.to_owned(), image.chart.clone(), image.source.clone()]
        })
        .collect();
    if rows.is_empty() {
        String::new()
    } else {
        table(&["IMAGE", "HOW", "CHART", "SOURCE"], &rows, 0)
    }
}
