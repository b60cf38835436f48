//! The commands `copy` and `promote`.

use super::{
    Run,
    artifact::place::{Place, Use},
    shell::{
        exit::Exit,
        output::{self, Format},
        remote::RemoteArgs,
        side_flags::SideArgs,
    },
};
use crate::{
    Error, ErrorKind, Result,
    oci::{Digest, Platform, Tag, TagOrDigest},
    ops::copy::{self as op, Attached, Existing, Replaces, Report, Side},
};
use clap::Args;
use regex::Regex;
use serde_json::json;

#[derive(Debug, Args)]
pub(super) struct CopyArgs {
    /// Copy `host/ns/name:tag`, `host/ns/name@digest`, `oci://…` or `layout:DIR:tag`
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
    /// Copy all tags of the repository SRC
    #[arg(long, short = 'a')]
    all_tags: bool,
    /// With `--all-tags`, copy only tags that match this regular expression
    #[arg(long = "match", value_name = "REGEX", requires = "all_tags", allow_hyphen_values = true)]
    matching: Vec<Regex>,
    /// With `--all-tags`, copy no tags that match this regular expression
    #[arg(long, value_name = "REGEX", requires = "all_tags", allow_hyphen_values = true)]
    exclude: Vec<Regex>,
    /// With `--all-tags`, look for new referrers of tags that are there
    #[arg(long, requires = "all_tags")]
    look: bool,
    /// Leave a tag at the destination that refers to something else
    #[arg(long)]
    no_clobber: bool,
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
    sides: SideArgs,
    #[command(flatten)]
    remote: RemoteArgs,
}

#[derive(Debug, Args)]
pub(super) struct PromoteArgs {
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
    sides: SideArgs,
    #[command(flatten)]
    remote: RemoteArgs,
}

pub(super) fn copy(run: &Run, args: CopyArgs) -> Result<Exit> {
    let options = op::Options {
        referrers: attached(!args.no_referrers),
        digest_tags: attached(!args.no_digest_tags),
        artifact_type: args.artifact_type.clone(),
        platforms: args.platform.clone(),
        existing: existing(args.no_clobber),
        at_once: args.concurrency,
        dry_run: args.dry_run,
        ..op::Options::default()
    };
    if args.all_tags {
        return copy_all(run, &args, &options);
    }
    let ends = Ends::open(run, &args.source, &args.destination, &args.sides, &args.remote)?;
    let report = ends.copy(run, &options)?;
    conclude(run, &ends, &report, args.output, "copied", args.dry_run)
}

/// Copies the tags of a repository.
fn copy_all(run: &Run, args: &CopyArgs, options: &op::Options) -> Result<Exit> {
    let (source, target) = open(run, &args.source, &args.destination, &args.sides, &args.remote)?;
    for (place, text) in [(&source, &args.source), (&target, &args.destination)] {
        if !place.tags.is_empty() || place.digest.is_some() {
            return Err(Error::usage(format!("`{text}` names a tag or digest"))
                .with_hint("`--all-tags` takes repositories: `HOST/NS/NAME`"));
        }
    }
    let choice = op::TagChoice {
        include: args.matching.clone(),
        exclude: args.exclude.clone(),
        look: args.look,
    };
    let from = Side { repository: &source.repository, name: &source.name };
    let to = Side { repository: &target.repository, name: &target.name };
    let report = run.block_on(op::copy_tags(from, to, &choice, options, &|_| ()))?;
    let mut lost = 0;
    let mut text = String::new();
    let mut values = Vec::new();
    for (tag, copied) in &report.copied {
        copied.warnings.iter().for_each(|warning| run.talk.warn(&format!("{tag}: {warning}")));
        lost += copied.lost.len();
        text.push_str(&format!("{tag} {}\n", copied.digest));
        for what in &copied.lost {
            run.talk.warn(&format!("{tag}: the destination lacks {what}"));
        }
        let mut value = json!(copied);
        value["tag"] = tag.as_str().into();
        values.push(value);
    }
    for (tag, error) in &report.failed {
        run.talk.warn(&format!("{tag} was not copied: {}", error.chain()));
    }
    let (done, failed) = (report.copied.len(), report.failed.len());
    let verb = if args.dry_run { "to copy" } else { "copied" };
    text.push_str(&format!(
        "{done} tags {verb}, {} there by their digests, {failed} failed\n",
        report.there
    ));
    if args.output == Format::Text {
        output::print(text)?;
    } else {
        let value = json!({ "copied": values, "there": report.there, "failed": failed });
        output::print_value(args.output, &value)?;
    }
    match (failed + lost, done + report.there) {
        (0, _) => Ok(Exit::Ok),
        (_, 0) => Err(Error::invalid("no tag was copied")),
        _ => Err(Error::new(ErrorKind::Partial, "some tags were not copied whole")),
    }
}

pub(super) fn promote(run: &Run, args: PromoteArgs) -> Result<Exit> {
    let options = op::Options {
        expect: args.expect.clone(),
        existing: existing(args.no_clobber),
        replaces: args.replaces.as_deref().map(replaces).transpose()?,
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
    conclude(run, &ends, &report, args.output, "promoted", false)
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

/// Opens both repositories.
fn open(
    run: &Run,
    source: &str,
    destination: &str,
    sides: &SideArgs,
    remote: &RemoteArgs,
) -> Result<(Place, Place)> {
    let with_scheme = |text: &str| match text.contains("://") || text.starts_with("layout:") {
        true => text.to_owned(),
        false => format!("oci://{text}"),
    };
    remote.require_one_host(&[with_scheme(source), with_scheme(destination)])?;
    let (from_side, to_side) = sides.both(run, remote)?;
    let source = Place::open(&from_side.run, source, &from_side.remote, Use::Read)?;
    let target = Place::open(&to_side.run, destination, &to_side.remote, Use::Write)?;
    Ok((source, target))
}

/// Both ends of a copy.
pub(super) struct Ends {
    pub(super) source: Place,
    pub(super) target: Place,
    pub(super) from: TagOrDigest,
    pub(super) tags: Vec<Tag>,
}

impl Ends {
    /// Opens both repositories. Without a tag at the destination, the source's tag counts.
    pub(super) fn open(
        run: &Run,
        source: &str,
        destination: &str,
        sides: &SideArgs,
        remote: &RemoteArgs,
    ) -> Result<Self> {
        let (source, target) = open(run, source, destination, sides, remote)?;
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
    pub(super) fn copy(&self, run: &Run, options: &op::Options) -> Result<Report> {
        let source = Side { repository: &self.source.repository, name: &self.source.name };
        let target = Side { repository: &self.target.repository, name: &self.target.name };
        run.block_on(op::copy(source, target, &self.from, &self.tags, options, &|_| ()))
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

/// Prints the result and returns the exit code.
fn conclude(
    run: &Run,
    ends: &Ends,
    report: &Report,
    format: Format,
    verb: &str,
    dry_run: bool,
) -> Result<Exit> {
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
        output::print(text(report, &source, &destination, verb, dry_run))?;
    } else {
        let mut value = json!({ "source": source, "destination": destination });
        let fields = serde_json::to_value(report)
            .map_err(|error| Error::invalid("cannot write the result").with_source(error))?;
        if let (Some(value), serde_json::Value::Object(fields)) = (value.as_object_mut(), fields) {
            value.extend(fields);
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
