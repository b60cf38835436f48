//! The command `tour`, which shows the main tasks on a temporary registry. Each step runs this
//! program as a user would.

pub(super) mod migration;
pub(super) mod samples;
pub(super) mod sandbox;

use super::{
    Run,
    shell::{exit::Exit, output},
};
use crate::{
    Error, ErrorKind, Result, archive,
    limits::Limits,
    oci::{Digest, Tag},
};
use clap::Args;
use sandbox::{Server, Stage};
use std::{
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

#[derive(Debug, Args)]
pub(super) struct TourArgs {
    /// Use the chart sources in this folder; default: `charts-fixtures` here, else a few small
    /// samples
    #[arg(long, value_name = "DIR")]
    charts: Option<PathBuf>,
}

/// A packaged chart of the tour.
#[derive(Debug)]
pub(super) struct Chart {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) archive: PathBuf,
    digest: String,
}

impl Chart {
    fn tag(&self) -> Result<String> {
        Ok(Tag::from_version(&self.version)?.to_string())
    }
}

pub(super) fn tour(_run: &Run, args: &TourArgs) -> Result<Exit> {
    let start = Instant::now();
    let stage = Stage::new()?;
    stage.say("chartferry moves charts from source to registry and back. Everything below happens in a temporary\nfolder, on a registry that this program runs itself.\n")?;
    let sources = sources(&stage, args)?;
    let registry = Server::start(&stage, &["--storage", "registry"])?;
    let address = registry.address().to_owned();

    stage.heading("Package every chart, in parallel")?;
    let mut command = vec!["package".to_owned()];
    command.extend(sources.iter().map(|source| format!("charts/{source}")));
    command.extend(["-d".into(), "packages".into()]);
    stage.run(&command)?;

    stage.heading("Push them, read the stored content back, and compare it")?;
    let mut charts = archives(&stage)?;
    let mut command = vec!["push".to_owned()];
    command.extend(charts.iter().map(|chart| shown(&stage, &chart.archive)));
    command.push(format!("oci://{address}/tour"));
    let pushed = stage.run(&command)?;
    let digests: Vec<&str> =
        pushed.lines().filter_map(|line| line.strip_prefix("Digest: ")).collect();
    stage.check(digests.len() == charts.len(), "every chart got a digest")?;
    for (chart, digest) in charts.iter_mut().zip(digests) {
        digest.clone_into(&mut chart.digest);
    }

    stage.heading("Push them again, which sends nothing")?;
    let again = stage.run(&command)?;
    stage.check(again == pushed, "the digests are the same")?;

    let first = charts.first().ok_or_else(|| Error::invalid("the tour found no charts"))?;
    stage.heading("List the content of the registry")?;
    let first_tag = first.tag()?;
    let tags = stage.run(&["tags".into(), format!("{address}/tour/{}", first.name)])?;
    stage.check(tags.lines().any(|tag| tag == first_tag), "the tag exists")?;
    stage.run(&[
        "search".into(),
        format!("oci://{address}/tour/{}", first.name),
        "--versions".into(),
        "--devel".into(),
    ])?;

    stage.heading("Pull every chart by digest")?;
    let mut command = vec!["pull".to_owned()];
    command.extend(
        charts.iter().map(|chart| format!("oci://{address}/tour/{}@{}", chart.name, chart.digest)),
    );
    command.extend(["-d".into(), "pulled".into()]);
    stage.run(&command)?;
    let mut bytes = 0;
    for chart in &charts {
        let file = format!("pulled/{}@{}.tgz", chart.name, chart.digest.replace(':', "-"));
        let (ours, theirs) = (stage.read(&chart.archive)?, stage.read(&stage.path(&file))?);
        bytes += ours.len();
        stage.check(
            ours == theirs,
            &format!("{} {} returned byte for byte", chart.name, chart.version),
        )?;
    }
    stage.say(&format!("compared {} archives, {bytes} bytes: all equal\n", charts.len()))?;

    stage.heading("Use the old verbs: pull into the store of saved charts, list, export")?;
    for chart in charts.iter().take(2) {
        let reference = format!("{address}/tour/{}:{}", chart.name, chart.tag()?);
        stage.run(&["chart".into(), "pull".into(), reference.clone()])?;
        stage.run(&["chart".into(), "export".into(), reference, "exported".into()])?;
        compare_export(&stage, chart)?;
    }
    stage.run(&["chart".into(), "list".into()])?;

    stage.heading("Show a chart without keeping it")?;
    let remote = stage.run(&[
        "show".into(),
        "chart".into(),
        format!("{address}/tour/{}:{first_tag}", first.name),
    ])?;
    let local = stage.run(&["show".into(), "chart".into(), shown(&stage, &first.archive)])?;
    stage.check(remote == local, "the registry and the archive have the same content")?;

    migration::move_house(&stage, &registry, &charts)?;

    registry.stop()?;
    let place = stage.root().to_owned();
    stage.leave()?;
    output::print(format!(
        "\nAll {} charts returned unchanged, in {:.1} s. Nothing is left behind.\n\nTry next:\n  \
         chartferry serve                                   a registry on 127.0.0.1:5000\n  \
         chartferry push ./mychart oci://127.0.0.1:5000/me  package and push in one step\n  \
         chartferry pull oci://127.0.0.1:5000/me/mychart    and back\n  \
         chartferry mirror https://HOST/charts oci://HOST   a whole repository, and again for nothing\n  \
         chartferry plugin install                          the same verbs as `helm chart …`\n  \
         chartferry --help\n",
        charts.len(),
        start.elapsed().as_secs_f64()
    ))?;
    if place.exists() {
        return Err(Error::new(ErrorKind::Io, format!("`{}` was left behind", place.display())));
    }
    Ok(Exit::Ok)
}

/// Copies the chart sources to the sandbox and returns their names.
fn sources(stage: &Stage, args: &TourArgs) -> Result<Vec<String>> {
    let given = args
        .charts
        .clone()
        .or_else(|| Some(PathBuf::from("charts-fixtures")).filter(|folder| has_charts(folder)));
    let Some(folder) = given else { return samples::write(&stage.path("charts")) };
    let mut names = Vec::new();
    let entries =
        fs::read_dir(&folder).map_err(|error| Error::io("list folder", &folder, error))?;
    for entry in entries {
        let path = entry.map_err(|error| Error::io("list folder", &folder, error))?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        if path.join("Chart.yaml").is_file() {
            names.push(name.to_owned());
        }
    }
    names.sort();
    stage.link(&folder, "charts")?;
    Ok(names)
}

/// Returns true if a folder has the source of a chart in it.
fn has_charts(folder: &Path) -> bool {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).any(|path| path.join("Chart.yaml").is_file())
}

/// Returns the archives from packaging, by name.
fn archives(stage: &Stage) -> Result<Vec<Chart>> {
    let folder = stage.path("packages");
    let mut all = Vec::new();
    for entry in fs::read_dir(&folder).map_err(|error| Error::io("list folder", &folder, error))? {
        let path = entry.map_err(|error| Error::io("list folder", &folder, error))?.path();
        let chart = archive::read::open(&path, archive::Keep::Nothing, &Limits::default())?;
        all.push(Chart {
            name: chart.metadata.name,
            version: chart.metadata.version,
            archive: path,
            digest: String::new(),
        });
    }
    // These are names that registries accept; `push` reports the others.
    all.retain(|chart| chart.name.parse::<crate::oci::RepositoryName>().is_ok());
    all.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
    Ok(all)
}

/// Checks that a chart that was exported and packaged again has the same files.
fn compare_export(stage: &Stage, chart: &Chart) -> Result<()> {
    stage.run(&[
        "package".into(),
        format!("exported/{}", chart.name),
        "-d".into(),
        "again".into(),
    ])?;
    let content = |path: &Path| -> Result<Digest> {
        let file = fs::File::open(path).map_err(|error| Error::io("open archive", path, error))?;
        archive::read::content_digest(file, &Limits::default())
    };
    let again = stage.path(&format!("again/{}-{}.tgz", chart.name, chart.version));
    stage.check(
        content(&chart.archive)? == content(&again)?,
        "the exported files are those of the chart",
    )
}

/// Returns a path as typed from the sandbox folder.
pub(super) fn shown(stage: &Stage, path: &Path) -> String {
    path.strip_prefix(stage.root()).unwrap_or(path).display().to_string()
}
