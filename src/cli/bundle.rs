//! `bundle save` and `bundle load`: charts in one file, for places without a network.

use super::{
    Run,
    push::destination::{Destination, no_folder},
    shell::{
        exit::Exit,
        location::LayoutReference,
        location_grammar::LocationText,
        output::{self, Format as Output},
        remote::RemoteArgs,
    },
};
use crate::{
    Error, ErrorKind, Result,
    chart::time::Time,
    digest::Digest,
    limits::Limits,
    mirror::{State, select::Rule},
    ops::{
        any_repository::AnyRepository,
        bundle::{
            self as op, Base, Chosen, LoadOptions, Only, SaveOptions, To,
            select::{self, Pattern},
        },
        push::Existing,
    },
    store::{
        bundle::{Bundle, Format},
        layout::Layout,
    },
    version::Version,
};
use clap::{Args, Subcommand};
use serde_json::json;
use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

#[derive(Debug, Subcommand)]
pub(super) enum BundleCommand {
    /// Save charts of registries and image layouts to one file
    Save(SaveArgs),
    /// Load a file's charts into a registry, an image layout or a folder
    Load(LoadArgs),
    /// List the content of a file
    List(ListArgs),
    /// Verify that a file has every byte of its charts
    Verify(VerifyArgs),
}

#[derive(Debug, Args)]
pub(super) struct SaveArgs {
    /// Write to this file: `.tar.zst`, or `.tar`
    file: PathBuf,
    /// Save `oci://HOST/NAME[:TAG|:RANGE][@DIGEST]`; NAME may be a glob. Or save `layout:DIR[:TAG]`
    #[arg(value_name = "REF", required_unless_present = "all")]
    references: Vec<String>,
    /// Save every version of every chart below a namespace, or of one chart
    #[arg(long, value_name = "oci://HOST/NAMESPACE")]
    all: Vec<String>,
    /// Leave out the receiver's content: that of an earlier bundle, or of a mirror's state file
    #[arg(long, value_name = "BASE")]
    delta: Option<PathBuf>,
    /// Write the result in this format
    #[arg(long, short = 'o', value_enum, default_value_t)]
    output: Output,
    #[command(flatten)]
    remote: RemoteArgs,
}

#[derive(Debug, Args)]
pub(super) struct LoadArgs {
    /// Read this file
    file: PathBuf,
    /// Load to `oci://HOST/NAMESPACE`, `layout:DIR` or a folder
    destination: String,
    /// Load only these charts: `NAME`, `GLOB` or `/REGEX/`, each with `@RANGE` if wanted
    #[arg(long, value_name = "PATTERN[@RANGE]")]
    chart: Vec<String>,
    /// Use the base bundle of a delta, if the destination does not have it yet
    #[arg(long, value_name = "FILE")]
    base: Vec<PathBuf>,
    /// Replace versions that are a different chart
    #[arg(long, visible_alias = "force")]
    overwrite: bool,
    /// Keep versions that are a different chart
    #[arg(long, conflicts_with = "overwrite")]
    skip_existing: bool,
    /// Write the result in this format
    #[arg(long, short = 'o', value_enum, default_value_t)]
    output: Output,
    #[command(flatten)]
    remote: RemoteArgs,
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Read this file
    file: PathBuf,
    /// Write the list in this format
    #[arg(long, short = 'o', value_enum, default_value_t)]
    output: Output,
}

#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    /// Read this file
    file: PathBuf,
    /// Use the base bundle of a delta
    #[arg(long, value_name = "FILE")]
    base: Vec<PathBuf>,
    /// Write the result in this format
    #[arg(long, short = 'o', value_enum, default_value_t)]
    output: Output,
}

pub(super) fn bundle(run: &Run, command: BundleCommand) -> Result<Exit> {
    match command {
        BundleCommand::Save(args) => save(run, &args),
        BundleCommand::Load(args) => load(run, &args),
        BundleCommand::List(args) => list(&args),
        BundleCommand::Verify(args) => verify(run, &args),
    }
}

fn save(run: &Run, args: &SaveArgs) -> Result<Exit> {
    args.remote.require_one_host(args.references.iter().chain(&args.all))?;
    let options = SaveOptions {
        format: Format::of(&args.file)?,
        base: args.delta.as_deref().map(base).transpose()?,
        limits: Limits::default(),
    };
    let saved = run.block_on(async {
        let mut chosen = Vec::new();
        for text in &args.references {
            chosen.extend(choose(run, text, Pattern::parse, &args.remote).await?);
        }
        for text in &args.all {
            chosen.extend(choose(run, text, Pattern::all, &args.remote).await?);
        }
        op::save(chosen, &args.file, &options).await
    })?;
    for what in &saved.skipped {
        run.talk.info(&format!("left out {what}"));
    }
    match args.output {
        Output::Text => output::print(format!(
            "Saved: {}\nCharts: {}\nBlobs: {}{}\nSize: {}\n",
            args.file.display(),
            saved.charts,
            saved.blobs,
            match options.base {
                Some(_) => format!(" ({} more in the base)", saved.left_out),
                None => String::new(),
            },
            super::size(saved.size)
        )),
        format => output::print_value(
            format,
            &json!({
                "file": args.file.display().to_string(),
                "charts": saved.charts,
                "blobs": saved.blobs,
                "leftOut": saved.left_out,
                "size": saved.size,
                "skipped": saved.skipped,
            }),
        ),
    }?;
    Ok(Exit::Ok)
}

async fn choose(
    run: &Run,
    text: &str,
    parse: impl Fn(&str) -> Result<Pattern>,
    remote: &RemoteArgs,
) -> Result<Vec<Chosen<AnyRepository>>> {
    match LocationText::parse(text) {
        LocationText::Layout(rest) => {
            let layout = LayoutReference::parse(rest)?;
            select::of_layout(&layout.open()?, layout.tag.as_ref(), layout.digest.as_ref())
        }
        LocationText::Oci(text) => parse(text)?.choose(&remote.client(run)?).await,
        _ => Err(Error::usage(format!("`{text}` is neither `oci://…` nor `layout:DIR`"))
            .with_hint(other_way(text))),
    }
}

/// Returns the advice for adding a chart that is in no registry.
fn other_way(text: &str) -> String {
    if Path::new(text).is_file() {
        return format!(
            "for an archive: chartferry push {text} layout:DIR, then bundle save FILE.tar.zst layout:DIR"
        );
    }
    match text.split_once('/') {
        Some((repository, chart))
            if LocationText::parse(text).is_bare() && !Path::new(text).exists() =>
        {
            format!(
                "for a chart of a repository: chartferry mirror {repository} FILE.tar.zst --chart {chart}"
            )
        }
        _ => format!("for other sources: chartferry mirror {text} FILE.tar.zst"),
    }
}

/// Reads the base of a delta: a bundle, or the state file of a mirror.
fn base(path: &Path) -> Result<Base> {
    let limits = Limits::default();
    let broken = match Bundle::open(path, &limits) {
        Ok(bundle) => return Ok(Base::from(&bundle)),
        Err(error) if error.kind() == ErrorKind::Io => return Err(error),
        Err(error) => error,
    };
    let size = std::fs::metadata(path).map_or(u64::MAX, |metadata| metadata.len());
    if size > limits.state_bytes {
        return Err(broken);
    }
    let bytes = std::fs::read(path).map_err(|error| Error::io("read base", path, error))?;
    let Ok(state) = State::parse(&bytes).or_else(|_| State::unpack(&bytes, &limits)) else {
        return Err(broken);
    };
    let held = || state.records().filter(|record| record.outcome.is_in_step());
    Ok(Base {
        identity: Digest::sha256(&bytes),
        manifests: held().filter_map(|record| record.manifest.clone()).collect(),
        blobs: held().filter_map(|record| record.content.clone()).collect(),
    })
}

fn load(run: &Run, args: &LoadArgs) -> Result<Exit> {
    let limits = Limits::default();
    // The rules are parsed before the file is read, because it may have gigabytes.
    let rules: Vec<Rule> = args.chart.iter().map(|text| text.parse()).collect::<Result<_>>()?;
    refuse_hosts(&args.destination)?;
    let bundle = Bundle::open(&args.file, &limits)?;
    let only = only(&bundle, &rules, &args.chart)?;
    let bases = bases(&args.base, &limits)?;
    let to = destination(run, &args.destination, &args.remote)?;
    let options = LoadOptions {
        only,
        now: now(),
        existing: match (args.overwrite, args.skip_existing) {
            (true, _) => Existing::Overwrite,
            (false, true) => Existing::Skip,
            (false, false) => Existing::Refuse,
        },
        limits,
    };
    let loaded = run.block_on(op::load(&bundle, &bases, &to, &options))?;
    for other in &loaded.others {
        run.talk.warn(other);
    }
    for name in &loaded.skipped {
        run.talk.warn(&format!("{name} holds another chart; skipped"));
    }
    match args.output {
        Output::Text => {
            let mut text: String =
                loaded.loaded.iter().map(|name| format!("Loaded: {name}\n")).collect();
            text.push_str(&format!(
                "{} loaded, {} there already, ",
                loaded.loaded.len(),
                loaded.present
            ));
            if !loaded.skipped.is_empty() {
                text.push_str(&format!("{} skipped, ", loaded.skipped.len()));
            }
            let blobs = loaded.blobs;
            text.push_str(&format!("{blobs} blob{} sent\n", if blobs == 1 { "" } else { "s" }));
            output::print(text)
        }
        format => output::print_value(
            format,
            &json!({
                "loaded": loaded.loaded,
                "present": loaded.present,
                "skipped": loaded.skipped,
                "blobs": loaded.blobs,
            }),
        ),
    }?;
    Ok(Exit::Ok)
}

fn bases(paths: &[PathBuf], limits: &Limits) -> Result<Vec<Bundle>> {
    paths.iter().map(|path| Bundle::open(path, limits)).collect()
}

fn now() -> Time {
    Time::from_unix(jiff::Timestamp::now().as_second(), 0).unwrap_or_default()
}

/// Returns the entries that match the patterns; each pattern must match one.
fn only(bundle: &Bundle, rules: &[Rule], texts: &[String]) -> Result<Only> {
    if rules.is_empty() {
        return Ok(Only::All);
    }
    let mut places = HashSet::new();
    let mut idle: HashSet<usize> = (0..rules.len()).collect();
    for (place, entry) in bundle.entries().iter().enumerate() {
        let Some(repository) = &entry.name.repository else { continue };
        let version = entry.name.tag.as_ref().map(|tag| tag.to_version());
        let version = version.and_then(|version| Version::parse_loose(&version).ok());
        for (at, rule) in rules.iter().enumerate() {
            let named =
                rule.name.takes(repository.as_str()) || rule.name.takes(repository.last_segment());
            let inside = rule
                .versions
                .as_ref()
                .is_none_or(|range| version.as_ref().is_some_and(|version| range.matches(version)));
            if named && inside {
                places.insert(place);
                idle.remove(&at);
            }
        }
    }
    match texts.iter().enumerate().find(|(at, _)| idle.contains(at)) {
        Some((_, text)) => Err(Error::not_found(format!(
            "`{}` has no chart that matches `--chart {text}`",
            bundle.path().display()
        ))
        .with_hint(format!("chartferry bundle list {}", bundle.path().display()))),
        None => Ok(Only::At(places)),
    }
}

/// Refuses a path that was probably meant as a registry.
fn refuse_hosts(text: &str) -> Result<()> {
    if !LocationText::parse(text).is_bare() {
        return Ok(());
    }
    if Format::of(Path::new(text)).is_ok() && !Path::new(text).is_dir() {
        return Err(Error::usage(format!("`{text}` is not a destination of a bundle"))
            .with_hint(format!("for a folder write `{text}/`; a bundle is copied like any file")));
    }
    no_folder(text, "of a bundle").map_or(Ok(()), Err)
}

fn verify(run: &Run, args: &VerifyArgs) -> Result<Exit> {
    let limits = Limits::default();
    let bundle = Bundle::open(&args.file, &limits)?;
    let bases = bases(&args.base, &limits)?;
    let verified = op::verify(&bundle, &bases, &limits)?;
    for other in &verified.others {
        run.talk.warn(other);
    }
    match args.output {
        Output::Text => {
            let left = match (verified.in_base, bundle.base()) {
                (0, _) | (_, None) => String::new(),
                (count, Some(base)) => format!(
                    "In the base: {count} charts in part or whole; `--base FILE` verifies them with {base}\n"
                ),
            };
            output::print(format!(
                "Verified: {}\nDigest: {}\nCharts: {}\nBlobs: {}\n{left}",
                args.file.display(),
                bundle.identity(),
                verified.charts,
                verified.blobs
            ))
        }
        format => output::print_value(
            format,
            &json!({
                "file": args.file.display().to_string(),
                "digest": bundle.identity(),
                "base": bundle.base(),
                "charts": verified.charts,
                "blobs": verified.blobs,
                "inBase": verified.in_base,
            }),
        ),
    }?;
    Ok(Exit::Ok)
}

fn destination(run: &Run, text: &str, remote: &RemoteArgs) -> Result<To> {
    if LocationText::parse(text).is_bare() {
        return Ok(To::Folder(PathBuf::from(text)));
    }
    Ok(match Destination::parse(text)? {
        Destination::Layout(folder) => To::Layout(Box::new(Layout::create(&folder)?)),
        Destination::Registry(registry, namespace) => {
            To::Registry { client: remote.client(run)?, registry, namespace }
        }
    })
}

fn list(args: &ListArgs) -> Result<Exit> {
    let bundle = Bundle::open(&args.file, &Limits::default())?;
    let entries = bundle.entries().iter().map(|entry| {
        let held = if bundle.holds(entry.digest()).is_some() { "bundle" } else { "base" };
        (entry.name.to_string(), entry.digest(), held)
    });
    match args.output {
        Output::Text => output::print(
            entries
                .map(|(name, digest, held)| match held {
                    "bundle" => format!("{name}\t{digest}\n"),
                    _ => format!("{name}\t{digest}\tin the base\n"),
                })
                .collect::<String>(),
        ),
        format => output::print_value(
            format,
            &json!({
                "digest": bundle.identity(),
                "base": bundle.base(),
                "charts": entries
                    .map(|(name, digest, held)| json!({ "name": name, "digest": digest, "in": held }))
                    .collect::<Vec<_>>(),
            }),
        ),
    }?;
    Ok(Exit::Ok)
}
