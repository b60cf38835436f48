//! The commands of ORAS.

use crate::{
    Error, ErrorKind, Result,
    cli::{
        Run,
        artifact::{
            attach::{self, SubjectArgs},
            dialect::{FormatArgs, Printing},
            discover,
            files::{CreatedAt, FilesArgs},
            place::{Place, Use},
            pull,
            push::{self, ImageSpecArg},
        },
        copy::Ends,
        shell::{
            exit::Exit, journal::JournalArgs, output, remote::RemoteArgs, side_flags::SideArgs,
        },
    },
    oci::{Platform, Tag, TagOrDigest},
    ops::{
        artifact::pull as op_pull,
        copy::{self as op_copy, Attached},
        lost_tags,
        object::manifest::of_platform,
    },
    store::{Push, Resolve},
};
use clap::Args;
use std::path::PathBuf;

/// Flags for a registry or a layout.
#[derive(Debug, Args)]
pub(in crate::cli) struct TargetArgs {
    /// Read the reference as a path of an image layout
    #[arg(long)]
    pub(super) oci_layout: bool,
    #[command(flatten)]
    pub(super) remote: RemoteArgs,
}

impl TargetArgs {
    /// Returns the reference in chartferry's form.
    pub(super) fn reference(&self, text: &str) -> String {
        if self.oci_layout { format!("layout:{text}") } else { text.to_owned() }
    }
}

#[derive(Debug, Args)]
pub(in crate::cli) struct PushArgs {
    /// Push to `registry/repository[:tag,…]`
    name: String,
    /// Push these files, each with the media type of its layer
    #[arg(value_name = "FILE[:TYPE]")]
    files: Vec<String>,
    #[command(flatten)]
    own: FilesArgs,
    /// Follow this version of the image specification
    #[arg(long, value_enum)]
    image_spec: Option<ImageSpecArg>,
    /// Set the platform
    #[arg(long, value_name = "OS/ARCH", conflicts_with = "config")]
    artifact_platform: Option<String>,
    #[command(flatten)]
    format: FormatArgs,
    #[command(flatten)]
    target: TargetArgs,
}

pub(super) fn push(run: &Run, args: PushArgs) -> Result<Exit> {
    push::run_job(
        run,
        push::Job {
            reference: &args.target.reference(&args.name),
            files: &args.files,
            own: &args.own,
            image_spec: args.image_spec,
            platform: args.artifact_platform.as_deref(),
            created: CreatedAt::Now,
            stdin: None,
            preserve_permissions: false,
            printing: Printing::of_oras(&args.format, "text")?,
            journal: &JournalArgs::default(),
            remote: &args.target.remote,
        },
    )
}

#[derive(Debug, Args)]
pub(in crate::cli) struct PullArgs {
    /// Pull `registry/repository:tag` or `registry/repository@digest`
    name: String,
    /// Write the files to this folder
    #[arg(long, short = 'o', value_name = "DIR", default_value = ".")]
    output: PathBuf,
    /// Allow titles that lead out of the folder
    #[arg(long, short = 'T')]
    allow_path_traversal: bool,
    /// Refuse to replace files
    #[arg(long, short = 'k')]
    keep_old_files: bool,
    /// Write the config to this file
    #[arg(long, value_name = "FILE[:TYPE]")]
    config: Option<String>,
    /// Pull the artifact's subject too
    #[arg(long)]
    include_subject: bool,
    /// Download this many layers at once
    #[arg(long, value_name = "N", default_value_t = 3)]
    concurrency: usize,
    #[command(flatten)]
    format: FormatArgs,
    #[command(flatten)]
    target: TargetArgs,
}

pub(super) fn pull(run: &Run, args: PullArgs) -> Result<Exit> {
    let mut options = op_pull::Options::new(args.output.clone());
    options.old_files = pull::old_files(args.keep_old_files);
    options.traversal = pull::traversal(args.allow_path_traversal);
    options.at_once = args.concurrency;
    pull::run_job(
        run,
        pull::Job {
            reference: &args.target.reference(&args.name),
            options,
            config: args.config.as_deref(),
            include_subject: args.include_subject,
            artifact_type: None,
            latest: false,
            printing: Printing::of_oras(&args.format, "text")?,
            remote: &args.target.remote,
        },
    )
}

#[derive(Debug, Args)]
pub(in crate::cli) struct AttachArgs {
    /// Attach to `registry/repository:tag` or `registry/repository@digest`
    name: String,
    /// Attach these files, each with the media type of its layer
    #[arg(value_name = "FILE[:TYPE]")]
    files: Vec<String>,
    #[command(flatten)]
    own: FilesArgs,
    #[command(flatten)]
    subject: SubjectArgs,
    #[command(flatten)]
    format: FormatArgs,
    #[command(flatten)]
    target: TargetArgs,
}

pub(super) fn attach(run: &Run, args: AttachArgs) -> Result<Exit> {
    attach::run_job(
        run,
        attach::Job {
            reference: &args.target.reference(&args.name),
            files: &args.files,
            own: &args.own,
            subject: &args.subject,
            created: CreatedAt::Now,
            stdin: None,
            printing: Printing::of_oras(&args.format, "text")?,
            remote: &args.target.remote,
        },
    )
}

#[derive(Debug, Args)]
pub(in crate::cli) struct DiscoverArgs {
    /// List what is attached to `registry/repository:tag` or `registry/repository@digest`
    name: String,
    /// List only artifacts of this type
    #[arg(long, value_name = "TYPE")]
    artifact_type: Option<String>,
    /// List attachments to this depth
    #[arg(long, value_name = "N")]
    depth: Option<usize>,
    /// List what is attached to the manifest of this platform of an index
    #[arg(long, value_name = "PLATFORM")]
    platform: Option<Platform>,
    #[command(flatten)]
    format: FormatArgs,
    #[command(flatten)]
    target: TargetArgs,
}

pub(super) fn discover(run: &Run, args: DiscoverArgs) -> Result<Exit> {
    discover::run_job(
        run,
        discover::Job {
            reference: &args.target.reference(&args.name),
            artifact_type: args.artifact_type.as_deref(),
            depth: args.depth,
            platform: args.platform.as_ref(),
            printing: Printing::of_oras(&args.format, "tree")?,
            remote: &args.target.remote,
        },
    )
}

#[derive(Debug, Args)]
pub(in crate::cli) struct CopyArgs {
    /// Copy `registry/repository:tag` or `registry/repository@digest`
    from: String,
    /// To `registry/repository[:tag,…]`
    to: String,
    /// Copy what is attached too, and signatures under tags of digests
    #[arg(long, short = 'r')]
    recursive: bool,
    /// Read FROM as a path of an image layout
    #[arg(long)]
    from_oci_layout: bool,
    /// Read TO as a path of an image layout
    #[arg(long)]
    to_oci_layout: bool,
    /// Copy only these platforms, `os/arch[/variant][:os-version]`
    #[arg(long, value_name = "PLATFORM", value_delimiter = ',')]
    platform: Vec<Platform>,
    /// Transfer this many blobs at once
    #[arg(long, value_name = "N", default_value_t = 3)]
    concurrency: usize,
    #[command(flatten)]
    sides: SideArgs,
}

pub(super) fn copy(run: &Run, args: CopyArgs) -> Result<Exit> {
    let prefixed = |is_layout: bool, text: &str| match is_layout {
        true => format!("layout:{text}"),
        false => text.to_owned(),
    };
    let source = prefixed(args.from_oci_layout, &args.from);
    let destination = prefixed(args.to_oci_layout, &args.to);
    let mut ends = Ends::open(run, &source, &destination, &args.sides, &RemoteArgs::default())?;
    // As in ORAS, a destination without a tag gets none.
    ends.tags.clone_from(&ends.target.tags);
    let attached = if args.recursive { Attached::All } else { Attached::None };
    let options = op_copy::Options {
        referrers: attached,
        digest_tags: attached,
        platforms: args.platform.clone(),
        attestations: Attached::None,
        at_once: args.concurrency,
        ..op_copy::Options::default()
    };
    let report = ends.copy(run, &options)?;
    ends.note(run, &JournalArgs::default(), "oras cp", &report);
    report.warnings.iter().for_each(|warning| run.talk.warn(warning));
    if report.left_behind > 0 {
        run.talk.info(&format!(
            "note: {} signatures and referrers stay behind; -r takes them",
            report.left_behind
        ));
    }
    let digest = &report.digest;
    let shown = |place: &Place, tag: Option<&Tag>| {
        let (kind, name) = (place.oras_kind(), place.oras_name());
        match tag {
            Some(tag) => format!("[{kind}] {name}:{tag}"),
            None => format!("[{kind}] {name}@{digest}"),
        }
    };
    let from = match &ends.from {
        TagOrDigest::Tag(tag) => shown(&ends.source, Some(tag)),
        TagOrDigest::Digest(_) => shown(&ends.source, None),
    };
    let to = shown(&ends.target, ends.tags.first());
    let tagged: String = ends.tags.iter().skip(1).map(|tag| format!("Tagged {tag}\n")).collect();
    output::print(format!("Copied {from} => {to}\n{tagged}Digest: {digest}\n"))?;
    if report.lost.is_empty() {
        return Ok(Exit::Ok);
    }
    let message = format!("`{}` lacks {} after the copy", args.to, report.lost.join(", "));
    Err(Error::new(ErrorKind::Partial, message))
}

#[derive(Debug, Args)]
pub(in crate::cli) struct TagArgs {
    /// Tag `registry/repository:tag` or `registry/repository@digest`
    name: String,
    /// Add these tags
    #[arg(required = true)]
    tags: Vec<String>,
    /// Set this many tags at once; they are set in their order
    #[arg(long, value_name = "N")]
    concurrency: Option<usize>,
    #[command(flatten)]
    target: TargetArgs,
}

pub(super) fn tag(run: &Run, args: TagArgs) -> Result<Exit> {
    let tags: Vec<Tag> = args.tags.iter().map(|tag| tag.parse()).collect::<Result<_, _>>()?;
    let text = args.target.reference(&args.name);
    let place = Place::open(run, &text, &args.target.remote, Use::Change)?;
    run.block_on(async {
        let manifest = place.manifest(run).await?;
        let (kind, name) = (place.oras_kind(), place.oras_name());
        output::println(format!("Tagging [{kind}] {name}@{}", manifest.digest()))?;
        let lost = lost_tags::among(&place.repository, &manifest, &tags).await?;
        let moved = lost.iter().map(|(tag, digest)| (name, tag.as_str(), digest));
        JournalArgs::default().note(run, "oras tag", moved);
        for tag in &tags {
            place.repository.push_manifest(&manifest, Some(tag)).await?;
            output::println(format!("Tagged {tag}"))?;
        }
        place.finish().await
    })?;
    Ok(Exit::Ok)
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ResolveArgs {
    /// Resolve `registry/repository:tag`
    name: String,
    /// Print the whole reference by digest
    #[arg(long, short = 'l')]
    full_reference: bool,
    /// Take the manifest of this platform of an index, `os/arch[/variant][:os-version]`
    #[arg(long, value_name = "PLATFORM")]
    platform: Option<Platform>,
    #[command(flatten)]
    target: TargetArgs,
}

pub(super) fn resolve(run: &Run, args: ResolveArgs) -> Result<Exit> {
    let text = args.target.reference(&args.name);
    let place = Place::open(run, &text, &args.target.remote, Use::Read)?;
    let digest = run.block_on(async {
        if let Some(platform) = &args.platform {
            let manifest = place.manifest(run).await?;
            let (found, _) = of_platform(&place.repository, manifest, platform).await?;
            return Ok(found.digest().clone());
        }
        match place.repository.resolve(&place.target()?).await? {
            Some(found) => Ok(found.digest),
            // The download has the error with similar tags.
            None => Ok(place.manifest(run).await?.digest().clone()),
        }
    })?;
    let shown = match args.full_reference {
        true => format!("{}@{digest}", place.oras_name()),
        false => digest.to_string(),
    };
    output::println(shown)?;
    Ok(Exit::Ok)
}
