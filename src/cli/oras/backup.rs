//! The commands `oras backup` and `oras restore`: tags of a repository in an image layout, which is
//! a folder or one tar file.

use crate::{
    Error, ErrorKind, Result,
    cli::{
        Run,
        artifact::{
            dialect::short,
            place::{Place, Use},
        },
        shell::{exit::Exit, journal::JournalArgs, output, remote::RemoteArgs},
    },
    oci::{Descriptor, Digest, Tag, TagOrDigest, media},
    ops::copy::{self as op, Attached, Report, Side, Step, Way},
    store::Tags as _,
};
use clap::Args;
use std::{
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

#[derive(Debug, Args)]
pub(in crate::cli) struct BackupArgs {
    /// Save the tags of `registry/repository[:tag,…]`; without a tag, all of them
    name: String,
    /// Write to this folder, or to this file if it ends in `.tar`
    #[arg(long, short = 'o', value_name = "PATH")]
    output: PathBuf,
    /// Save what is attached too, and signatures under tags of digests
    #[arg(long)]
    include_referrers: bool,
    /// Transfer this many blobs at once
    #[arg(long, value_name = "N", default_value_t = 3)]
    concurrency: usize,
    #[command(flatten)]
    remote: RemoteArgs,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct RestoreArgs {
    /// Restore to `registry/repository[:tag,…]`; without a tag, all tags of the backup
    name: String,
    /// Read from this folder or tar file
    #[arg(long, short = 'i', value_name = "PATH")]
    input: PathBuf,
    /// Leave out what is attached
    #[arg(long)]
    exclude_referrers: bool,
    /// Change nothing, and say what would be pushed
    #[arg(long)]
    dry_run: bool,
    /// Transfer this many blobs at once
    #[arg(long, value_name = "N", default_value_t = 5)]
    concurrency: usize,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// The words of a transfer: of one that begins, and of one that has ended.
type Words = (&'static str, &'static str);

pub(super) fn backup(run: &Run, args: &BackupArgs) -> Result<Exit> {
    let started = Instant::now();
    let source = Place::open(run, &args.name, &args.remote, Use::Read)?;
    let tags = tags(run, &source)?;
    output::println(format!("Found {} tag(s) in {}: {}", tags.len(), source.name, list(&tags)))?;
    let layout = format!("layout:{}", args.output.display());
    let target = Place::open(run, &layout, &args.remote, Use::Write)?;
    let options = options(args.include_referrers, args.concurrency);
    for tag in &tags {
        let report = copy(run, &source, &target, tag, &options, ("Pulling", "Pulled"))?;
        output::println(format!("Pulled tag {tag} with {} referrer(s)", attached(&report)))?;
    }
    let is_tar = is_tar(&args.output);
    if is_tar {
        output::println(format!("Exporting to {}", args.output.display()))?;
    }
    run.block_on(target.finish())?;
    if is_tar {
        let size = size(&args.output)?;
        output::println(format!("Exported to {} ({size})", args.output.display()))?;
    }
    output::println(format!(
        "Successfully backed up {} tag(s) from \"{}\" to \"{}\" in {}ms.",
        tags.len(),
        source.name,
        args.output.display(),
        started.elapsed().as_millis()
    ))?;
    Ok(Exit::Ok)
}

pub(super) fn restore(run: &Run, args: &RestoreArgs) -> Result<Exit> {
    let started = Instant::now();
    if is_tar(&args.input) {
        let size = size(&args.input)?;
        output::println(format!("Loaded backup archive: {} ({size})", args.input.display()))?;
    }
    let layout = format!("layout:{}", args.input.display());
    let mut source = Place::open(run, &layout, &args.remote, Use::Read)?;
    let target = Place::open(run, &args.name, &args.remote, Use::Write)?;
    source.tags.clone_from(&target.tags);
    let tags = tags(run, &source)?;
    output::println(format!("Found {} tag(s) in the backup: {}", tags.len(), list(&tags)))?;
    let mut options = options(!args.exclude_referrers, args.concurrency);
    options.dry_run = args.dry_run;
    for tag in &tags {
        let report = copy(run, &source, &target, tag, &options, ("Pushing", "Pushed"))?;
        let what = if args.dry_run { "Dry run: would push" } else { "Pushed" };
        output::println(format!("{what} tag {tag} with {} referrer(s)", attached(&report)))?;
        let lost = report.moved.iter();
        let lost = lost.map(|moved| (target.name.as_str(), moved.tag.as_str(), &moved.from));
        JournalArgs::default().note(run, "oras restore", lost);
    }
    let (count, name) = (tags.len(), &target.name);
    output::println(match args.dry_run {
        true => format!(
            "Dry run complete: {count} tag(s) would be restored to \"{name}\" (no data pushed)"
        ),
        false => format!(
            "Successfully restored {count} tag(s) to \"{name}\" in {}ms",
            started.elapsed().as_millis()
        ),
    })?;
    Ok(Exit::Ok)
}

fn options(referrers: bool, concurrency: usize) -> op::Options {
    let attached = if referrers { Attached::All } else { Attached::None };
    op::Options {
        referrers: attached,
        digest_tags: attached,
        at_once: concurrency,
        ..op::Options::default()
    }
}

/// Returns the tags to transfer: the named ones, or all of the source.
fn tags(run: &Run, source: &Place) -> Result<Vec<Tag>> {
    if let Some(digest) = &source.digest {
        return Err(Error::usage(format!("`{}` names the digest {digest}", source.name))
            .with_hint("a backup holds tags; name some, or none for all"));
    }
    match source.tags.as_slice() {
        [] => run.block_on(source.repository.tags()),
        named => Ok(named.to_vec()),
    }
}

fn list(tags: &[Tag]) -> String {
    tags.iter().map(Tag::as_str).collect::<Vec<_>>().join(", ")
}

fn attached(report: &Report) -> usize {
    report.referrers + report.digest_tags
}

fn copy(
    run: &Run,
    source: &Place,
    target: &Place,
    tag: &Tag,
    options: &op::Options,
    words: Words,
) -> Result<Report> {
    let from = Side { repository: &source.repository, name: source.oras_name() };
    let to = Side { repository: &target.repository, name: target.oras_name() };
    let wanted = TagOrDigest::Tag(tag.clone());
    let tell = |step: Step<'_>| tell(step, words);
    let tags = [tag.clone()];
    let report = run.block_on(op::copy(from, to, &wanted, &tags, options, &tell))?;
    report.warnings.iter().for_each(|warning| run.talk.warn(warning));
    if report.lost.is_empty() {
        return Ok(report);
    }
    let message = format!("`{}:{tag}` lacks {}", target.name, report.lost.join(", "));
    Err(Error::new(ErrorKind::Partial, message))
}

/// Prints a step as ORAS does without a terminal.
fn tell(step: Step<'_>, (begun, ended): Words) {
    let lines = |digest: &Digest, name: &str, is_there: bool| {
        let brief = short(digest);
        match is_there {
            true => format!("{:10}{brief} {name}", "Exists"),
            false => format!("{begun:10}{brief} {name}\n{ended:10}{brief} {name}"),
        }
    };
    let text = match step {
        Step::Resolved(_) => return,
        Step::Blob(blob, way) => lines(&blob.digest, name(blob), way == Way::There),
        Step::Manifest(manifest) => lines(manifest.digest(), manifest.media_type(), false),
    };
    // A closed pipe ends the command at its next output.
    let _ = output::println(text);
}

/// Returns the title of a blob, or else its type.
fn name(blob: &Descriptor) -> &str {
    blob.annotations.get(media::TITLE).map_or(blob.media_type.as_str(), String::as_str)
}

fn is_tar(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "tar") && !path.is_dir()
}

/// Returns the size of a file as ORAS prints it.
fn size(path: &Path) -> Result<String> {
    let bytes = fs::metadata(path).map_err(|error| Error::input("read file", path, error))?.len();
    Ok(human(bytes))
}

fn human(bytes: u64) -> String {
    let mut size = bytes as f64;
    let mut units = ["B", "KB", "MB"].into_iter();
    let mut unit = units.next();
    while size >= 1024.0 && unit.is_some() {
        size /= 1024.0;
        unit = units.next();
    }
    let text = format!("{size:.1}");
    format!("{} {}", text.strip_suffix(".0").unwrap_or(&text), unit.unwrap_or("GB"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_those_of_oras() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (10_752, "10.5 KB"),
            (1 << 20, "1 MB"),
            (3 << 40, "3072 GB"),
        ] {
            assert_eq!(human(bytes), text);
        }
    }
}
