//! The commands `show all|chart|values|readme|crds LOCATION`.

use super::{
    Run,
    fetch::fetch,
    shell::{
        exit::Exit,
        links::LinkArgs,
        location::{self, Location},
        output,
        progress::Progress,
        remote::RemoteArgs,
        repository_flags::{self, Chart, RepositoryArgs},
    },
};
use crate::{
    Error, Result,
    archive::{self, Keep, dir::Outside},
    chart::{jsonpath::Template, values},
    limits::Limits,
    ops::{
        pull::Provenance,
        show::{Part, pieces},
        tags::{ChartRequest, Devel},
    },
    store::{BlobBytes, BlobFile},
};
use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(super) enum ShowCommand {
    /// Show Chart.yaml, values, README and CRDs
    All(ShowArgs),
    /// Show Chart.yaml
    Chart(ShowArgs),
    /// Show values.yaml
    Values(ValuesArgs),
    /// Show the README
    Readme(ShowArgs),
    /// Show the CRDs of the chart and its subcharts
    #[command(visible_alias = "crd")]
    Crds(ShowArgs),
}

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// Show a folder, a .tgz, a saved reference, `repo/chart`, `oci://…`, `https://….tgz` or
    /// `layout:DIR:tag`
    location: String,
    /// Use this version, range or tag
    #[arg(long)]
    version: Option<String>,
    /// Include prereleases if no version is given
    #[arg(long)]
    devel: bool,
    #[command(flatten)]
    links: LinkArgs,
    #[command(flatten)]
    chart_repository: RepositoryArgs,
    #[command(flatten)]
    remote: RemoteArgs,
}

#[derive(Debug, Args)]
pub(super) struct ValuesArgs {
    /// Print the values with this template, in kubectl's syntax: `{.image.tag}`
    #[arg(long, value_name = "TEMPLATE")]
    jsonpath: Option<String>,
    #[command(flatten)]
    show: ShowArgs,
}

pub(super) fn show(run: &Run, command: ShowCommand) -> Result<Exit> {
    let mut jsonpath = None;
    let (part, args) = match command {
        ShowCommand::All(args) => (Part::All, args),
        ShowCommand::Chart(args) => (Part::Chart, args),
        ShowCommand::Values(args) => {
            jsonpath = args.jsonpath.filter(|template| !template.is_empty());
            (Part::Values, args.show)
        }
        ShowCommand::Readme(args) => (Part::Readme, args),
        ShowCommand::Crds(args) => (Part::Crds, args),
    };
    let jsonpath = jsonpath.map(|template| Template::parse(&template)).transpose()?;
    let limits = Limits::default();
    args.chart_repository.check()?;
    let local = std::path::Path::new(&args.location);
    // A path needs no runtime.
    let chart = if local.exists() && args.chart_repository.repo.is_none() {
        load(run, local, args.links.leniently(), &limits)?
    } else {
        run.block_on(remote(run, &args, &limits))?
    };
    match (jsonpath, chart.file("values.yaml")) {
        (Some(template), Some(file)) => {
            output::print_content(template.render(&values::read(&file.data, &limits)?))
        }
        (Some(_), None) => Ok(()),
        (None, _) => output::print_pieces(&pieces(&chart, part)),
    }
    .map(|()| Exit::Ok)
}

/// Loads a chart's source or archive.
fn load(
    run: &Run,
    path: &std::path::Path,
    outside: Outside,
    limits: &Limits,
) -> Result<archive::Chart> {
    let loaded = if path.is_dir() {
        archive::dir::load_with(path, Keep::Documents, outside, limits)?
    } else {
        archive::read::open(path, Keep::Documents, limits)?
    };
    if path.is_dir() {
        loaded.followed.iter().for_each(|link| run.talk.info(link));
        loaded.warnings.iter().for_each(|warning| run.talk.warn(warning));
    }
    loaded.skipped.iter().for_each(|skipped| run.talk.warn(skipped));
    Ok(loaded)
}

async fn remote(run: &Run, args: &ShowArgs, limits: &Limits) -> Result<archive::Chart> {
    let _progress = Progress::start(run, "pulled", "charts", 1);
    let archive =
        archive_at(run, &args.location, args.version.as_deref(), args.devel, args.ways(), limits)
            .await?;
    let chart =
        archive::read::read(archive.reader()?, Keep::Documents, limits).map_err(|error| {
            error.context(format!("`{}` is not a valid chart archive", args.location))
        })?;
    chart.skipped.iter().for_each(|skipped| run.talk.warn(skipped));
    Ok(chart)
}

impl ShowArgs {
    fn ways(&self) -> Ways<'_> {
        Ways { chart_repository: &self.chart_repository, remote: &self.remote }
    }
}

/// The settings for reaching charts that are not on this machine.
#[derive(Clone, Copy)]
pub(super) struct Ways<'a> {
    pub(super) chart_repository: &'a RepositoryArgs,
    pub(super) remote: &'a RemoteArgs,
}

/// Returns the archive at any location but a folder.
pub(super) async fn archive_at(
    run: &Run,
    text: &str,
    version: Option<&str>,
    devel: bool,
    ways: Ways<'_>,
    limits: &Limits,
) -> Result<BlobBytes> {
    let Ways { chart_repository, remote } = ways;
    let wanted = |tag, digest| ChartRequest {
        tag,
        digest,
        version: version.map(str::to_owned),
        devel: if devel { Devel::Prereleases } else { Devel::Releases },
    };
    let chart = |chart| async move {
        let located = chart_repository.locate(run, remote, chart, version, devel).await?;
        let got = repository_flags::fetch(run, &located, Provenance::Leave).await?;
        Ok(got.archive)
    };
    if let Some(url) = &chart_repository.repo {
        return chart(Chart::In { url, chart: text }).await;
    }
    match location::resolve(run, text).await? {
        Location::Path(path) if path.is_dir() => {
            Err(Error::usage(format!("`{}` is a folder, not an archive", path.display())))
        }
        Location::Path(path) => Ok(BlobBytes::File(BlobFile::Stored(path))),
        Location::Url(url) => chart(Chart::Archive { url: &url }).await,
        Location::Chart { repository, chart: name } => {
            chart(Chart::Configured { repository: &repository, chart: &name }).await
        }
        location => {
            fetch(run, &location, remote, wanted, limits).await.map(|pulled| pulled.archive)
        }
    }
}
