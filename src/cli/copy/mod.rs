//! The commands `copy` and `promote`.

mod all;
mod images;

use crate::cli::{
    Run,
    artifact::place::Place,
    shell::{
        exit::Exit,
        journal::JournalArgs,
        output::{self, Format},
        remote::RemoteArgs,
        side_flags::SideArgs,
    },
};
use crate::{
    Error, ErrorKind, Result,
    oci::{Digest, Platform, Tag, TagOrDigest},
    ops::{
        copy::{self as op, Attached, Existing, Replaces, Report, Side},
        images::targets::Locked,
        registry_check::profile::Profile,
    },
};
use all::Many;
use clap::Args;
use images::Choice;
use regex::Regex;
use serde_json::json;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(in crate::cli) struct CopyArgs {
    /// Copy `host/ns/name:tag`, `host/ns/name@digest`, `oci://…` or `layout:DIR:tag`; `host/ns/**` is
    /// every repository below a namespace, with all tags
    #[arg(value_name = "SRC")]
    source: String,
    /// To `host/ns/name[:tag,…]`, `oci://…` or `layout:DIR[:tag,…]`; without a tag, that of SRC
    #[arg(value_name = "DST")]
    destination: String,
    /// Copy no referrers: signatures, SBOMs and the like that name the artifact as their subject
    #[arg(long)]
    no_referrers: bool,
    /// Copy no tags made of digests, such as cosign's `sha256-….sig`
    #[arg(long)]
    no_digest_tags: bool,
    /// Copy only referrers of this type
    #[arg(long, value_name = "TYPE")]
    artifact_type: Option<String>,
    /// Copy only these platforms of an image, `os/arch[/variant]`
    #[arg(long, value_name = "PLATFORM", value_delimiter = ',')]
    platform: Vec<Platform>,
    /// Take the container images of a chart along: those that it `declared`, `all` with those that
    /// its values suggest, or those in a file; `-` is stdin
    #[arg(
        long,
        value_name = "declared|all|FILE",
        requires = "images_to",
        conflicts_with = "all_tags"
    )]
    images: Option<Choice>,
    /// Copy the images to `oci://host[/ns]`, each with its path and without its host
    #[arg(long, value_name = "LOCATION", requires = "images")]
    images_to: Option<String>,
    /// Copy all tags of the repository SRC
    #[arg(long, short = 'a')]
    all_tags: bool,
    /// Of all tags, copy only those that match this regular expression
    #[arg(long = "match", value_name = "REGEX", allow_hyphen_values = true)]
    matching: Vec<Regex>,
    /// Of all tags, copy none that match this regular expression
    #[arg(long, value_name = "REGEX", allow_hyphen_values = true)]
    exclude: Vec<Regex>,
    /// Of all tags, look for new referrers of tags that are there
    #[arg(long)]
    look: bool,
    /// Leave a tag at the destination that refers to something else
    #[arg(long)]
    no_clobber: bool,
    /// Use what `registry check -o json` found out about the destination's registry
    #[arg(long, value_name = "FILE")]
    registry_profile: Option<PathBuf>,
    /// Transfer this many blobs at once
    #[arg(long, value_name = "N", default_value_t = 8)]
    concurrency: usize,
    /// Change nothing, and say what would be copied
    #[arg(long)]
    dry_run: bool,
    /// Write the result in this format
    #[arg(long, short = 'o', value_enum, default_value_t)]
    output: Format,
    #[command(flatten)]
    journal: JournalArgs,
    #[command(flatten)]
    sides: SideArgs,
    #[command(flatten)]
    remote: RemoteArgs,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct PromoteArgs {
    /// Promote `host/ns/name:tag`, `host/ns/name@digest`, `oci://…` or `layout:DIR:tag`
    #[arg(value_name = "SRC")]
    source: String,
    /// To `host/ns/name:tag[,…]`, `oci://…`, `layout:DIR:tag`, or `:TAG` in the same repository
    #[arg(value_name = "DST")]
    destination: String,
    /// Require that the source is this manifest
    #[arg(long, value_name = "DIGEST")]
    expect: Option<Digest>,
    /// Require that the destination's tag is this manifest, or that there is `none`
    #[arg(long, value_name = "DIGEST|none")]
    replaces: Option<String>,
    /// Leave a tag at the destination that refers to something else
    #[arg(long)]
    no_clobber: bool,
    /// Write the result in this format
    #[arg(long, short = 'o', value_enum, default_value_t)]
    output: Format,
    #[command(flatten)]
    journal: JournalArgs,
    #[command(flatten)]
    sides: SideArgs,
    #[command(flatten)]
    remote: RemoteArgs,
}

pub(in crate::cli) fn copy(run: &Run, args: CopyArgs) -> Result<Exit> {
    let options = op::Options {
        referrers: attached(!args.no_referrers),
        digest_tags: attached(!args.no_digest_tags),
        artifact_type: args.artifact_type.clone(),
        platforms: args.platform.clone(),
        existing: existing(args.no_clobber),
        at_once: args.concurrency,
        dry_run: args.dry_run,
        journal: Some(run.env.state()),
        ..op::Options::default()
    };
    let mut options = options;
    if let Some(path) = &args.registry_profile {
        options.anonymous_mount = Profile::read(path)?.does("anonymousMount");
    }
    if let Some(namespace) = args.source.strip_suffix("/**") {
        return many(&args, namespace, &options).namespace(run);
    }
    let narrows = !args.matching.is_empty() || !args.exclude.is_empty() || args.look;
    if narrows && !args.all_tags {
        return Err(Error::usage("`--match`, `--exclude` and `--look` need `--all-tags`"));
    }
    if args.all_tags {
        return many(&args, &args.source, &options).repository(run);
    }
    let ends = Ends::open(run, &args.source, &args.destination, &args.sides, &args.remote)?;
    let carried = match (&args.images, &args.images_to) {
        (Some(choice), Some(to)) if !args.dry_run => {
            let (source, from) = (&ends.source, &ends.from);
            let (sides, remote) = (&args.sides, &args.remote);
            let job = images::Job { choice, to, source, from, sides, remote };
            images::carry(run, &job, &options)?
        }
        _ => images::Carried::default(),
    };
    // The chart comes last, so that nobody sees it before its images.
    let report = ends.copy(run, &options)?;
    ends.note(run, &args.journal, "copy", &report);
    let told = Told { verb: "copied", dry_run: args.dry_run, images: &carried.images };
    let exit = conclude(run, &ends, &report, args.output, &told)?;
    if carried.failed > 0 {
        let message = format!("{} declared images were not copied", carried.failed);
        return Err(Error::new(ErrorKind::Partial, message));
    }
    Ok(exit)
}

fn many<'a>(args: &'a CopyArgs, source: &'a str, options: &'a op::Options) -> Many<'a> {
    Many {
        source,
        destination: &args.destination,
        choice: op::TagChoice {
            include: args.matching.clone(),
            exclude: args.exclude.clone(),
            look: args.look,
        },
        options,
        output: args.output,
        journal: &args.journal,
        sides: &args.sides,
        remote: &args.remote,
    }
}

pub(in crate::cli) fn promote(run: &Run, args: PromoteArgs) -> Result<Exit> {
    let options = op::Options {
        expect: args.expect.clone(),
        existing: existing(args.no_clobber),
        replaces: args.replaces.as_deref().map(replaces).transpose()?,
        signed_names: true,
        journal: Some(run.env.state()),
        ..op::Options::default()
    };
    let destination = match args.destination.strip_prefix(':') {
        Some(tags) => format!("{}:{tags}", without_target(&args.source)),
        None => args.destination.clone(),
    };
    let ends = Ends::open(run, &args.source, &destination, &args.sides, &args.remote)?;
    if ends.tags.is_empty() {
        return Err(Error::usage(format!("`{destination}` names no tag"))
            .with_hint("a promotion gives a tag to an artifact: write `HOST/NS/NAME:TAG`"));
    }
    let report = ends.copy(run, &options)?;
    ends.note(run, &args.journal, "promote", &report);
    let told = Told { verb: "promoted", dry_run: false, images: &[] };
    conclude(run, &ends, &report, args.output, &told)
}

fn attached(all: bool) -> Attached {
    if all { Attached::All } else { Attached::None }
}

fn existing(keep: bool) -> Existing {
    if keep { Existing::Keep } else { Existing::Move }
}

fn replaces(text: &str) -> Result<Replaces> {
    if text == "none" {
        return Ok(Replaces::Nothing);
    }
    let digest = text.parse().map_err(|error| {
        Error::usage(format!("`--replaces {text}` is neither `none` nor a digest"))
            .with_source(error)
    })?;
    Ok(Replaces::Digest(digest))
}

/// Returns a reference without its tag and digest.
fn without_target(text: &str) -> &str {
    let text = text.split('@').next().unwrap_or(text);
    let after_path = text.rfind('/').map_or(0, |at| at + 1);
    text[after_path..].rfind(':').map_or(text, |at| &text[..after_path + at])
}

/// Both ends of a copy.
pub(in crate::cli) struct Ends {
    pub(in crate::cli) source: Place,
    pub(in crate::cli) target: Place,
    pub(in crate::cli) from: TagOrDigest,
    pub(in crate::cli) tags: Vec<Tag>,
}

impl Ends {
    /// Opens both repositories. Without a tag at the destination, the source's tag counts.
    pub(in crate::cli) fn open(
        run: &Run,
        source: &str,
        destination: &str,
        sides: &SideArgs,
        remote: &RemoteArgs,
    ) -> Result<Self> {
        let (source, target) = Place::open_both(run, source, destination, sides, remote)?;
        if let Some(digest) = &target.digest {
            return Err(Error::usage(format!("`{destination}` names the digest {digest}"))
                .with_hint("the digest follows from the content; name a tag, or nothing"));
        }
        let from = source.target()?;
        let tags = match (target.tags.is_empty(), &from) {
            (false, _) => target.tags.clone(),
            (true, TagOrDigest::Tag(tag)) => vec![tag.clone()],
            (true, TagOrDigest::Digest(_)) => Vec::new(),
        };
        Ok(Self { source, target, from, tags })
    }

    /// Runs the copy.
    pub(in crate::cli) fn copy(&self, run: &Run, options: &op::Options) -> Result<Report> {
        let source = Side { repository: &self.source.repository, name: &self.source.name };
        let target = Side { repository: &self.target.repository, name: &self.target.name };
        run.block_on(async {
            let report = op::copy(source, target, &self.from, &self.tags, options, &|_| ()).await?;
            if !options.dry_run {
                self.target.finish().await?;
            }
            Ok(report)
        })
    }

    /// Notes the tags that the copy moved.
    pub(in crate::cli) fn note(&self, run: &Run, journal: &JournalArgs, by: &str, report: &Report) {
        let name = self.target.name.as_str();
        let moved = report.moved.iter().map(|moved| (name, moved.tag.as_str(), &moved.from));
        journal.note(run, by, moved);
    }

    fn shown_source(&self) -> String {
        shown(&self.source.name, Some(&self.from))
    }

    fn shown_target(&self, digest: &Digest) -> String {
        match self.tags.first() {
            Some(tag) => format!("{}:{tag}", self.target.name),
            None => self.target.by_digest(digest),
        }
    }
}

fn shown(name: &str, target: Option<&TagOrDigest>) -> String {
    match target {
        Some(TagOrDigest::Tag(tag)) => format!("{name}:{tag}"),
        Some(TagOrDigest::Digest(digest)) => format!("{name}@{digest}"),
        None => name.to_owned(),
    }
}

/// The words of a result, beside its report.
struct Told<'a> {
    verb: &'a str,
    dry_run: bool,
    images: &'a [Locked],
}

/// Prints the result and returns the exit code.
fn conclude(
    run: &Run,
    ends: &Ends,
    report: &Report,
    format: Format,
    told: &Told<'_>,
) -> Result<Exit> {
    let (verb, dry_run) = (told.verb, told.dry_run);
    for warning in &report.warnings {
        run.talk.warn(warning);
    }
    if report.left_behind > 0 {
        run.talk.warn(&format!(
            "{} referrers and signatures stay behind, as requested",
            report.left_behind
        ));
    }
    let (source, destination) = (ends.shown_source(), ends.shown_target(&report.digest));
    if format == Format::Text {
        let mut text = text(report, &source, &destination, verb, dry_run);
        for image in told.images {
            text.push_str(&format!("image {} -> {}\n", image.source, image.destination));
        }
        output::print(text)?;
    } else {
        let mut value = json!({ "source": source, "destination": destination });
        let fields = serde_json::to_value(report)
            .map_err(|error| Error::invalid("cannot write the result").with_source(error))?;
        if let (Some(value), serde_json::Value::Object(fields)) = (value.as_object_mut(), fields) {
            value.extend(fields);
            if !told.images.is_empty() {
                value.insert("images".to_owned(), json!(told.images));
            }
        }
        output::print_value(format, &value)?;
    }
    if report.lost.is_empty() {
        return Ok(Exit::Ok);
    }
    Err(Error::new(
        ErrorKind::Partial,
        format!("`{destination}` lacks {} after the copy", report.lost.join(", ")),
    )
    .with_hint("run the command again; if it stays so, the registry does not keep it"))
}

fn text(report: &Report, source: &str, destination: &str, verb: &str, dry_run: bool) -> String {
    let digest = &report.digest;
    let blobs = &report.blobs;
    let mut text = match dry_run {
        true => format!("to copy {source} -> {destination}\ndigest {digest}\n"),
        false => format!("{verb} {source} -> {destination}\ndigest {digest}\n"),
    };
    let plural = |count: usize, one: &str| match count {
        1 => format!("1 {one}"),
        many => format!("{many} {one}s"),
    };
    text.push_str(&format!(
        "manifests {} ({}, {})",
        report.manifests,
        plural(report.referrers, "referrer"),
        plural(report.digest_tags, "signature tag"),
    ));
    if !dry_run {
        text.push_str(&format!(
            ", blobs {}: {} sent {} B, {} mounted, {} there",
            blobs.total, blobs.sent, blobs.bytes, blobs.mounted, blobs.there
        ));
    }
    text.push('\n');
    for moved in &report.moved {
        text.push_str(&format!("moved {} from {}\n", moved.tag, moved.from));
    }
    for kept in &report.kept {
        text.push_str(&format!("kept {kept}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_alone_means_the_same_repository() {
        for (text, expected) in [
            ("h:5000/ns/a:1", "h:5000/ns/a"),
            ("oci://h/a@sha256:00", "oci://h/a"),
            ("h:5000/a", "h:5000/a"),
            ("layout:dir:1", "layout:dir"),
        ] {
            assert_eq!(without_target(text), expected);
        }
    }
}
