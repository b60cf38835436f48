//! `copy --images`: the container images of a chart come along, each by the digest that its tag has
//! now.

use crate::cli::{
    Run,
    artifact::place::Place,
    shell::{remote::RemoteArgs, side_flags::SideArgs},
};
use crate::{
    Error, ErrorKind, Result,
    archive::{self, Keep},
    client::{Client, Intent},
    limits::Limits,
    oci::{Reference, RepositoryName, Tag, TagOrDigest},
    ops::{
        any_repository::AnyRepository,
        copy::{self as op, Side},
        images::{
            self, Certainty, ImageName,
            targets::{Locked, targets},
        },
        pull::chart_of,
        push::prepare,
    },
    store::{Fetch as _, Resolve as _},
};
use std::{
    fs,
    io::{self, Read as _},
    path::Path,
};

/// Bytes of a list of images.
const MAX_LIST: u64 = 16 << 20;

/// The choice of `--images`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// The images that the chart declares.
    Declared,
    /// Also the images that its values suggest.
    All,
    /// The images of this file, one in each line; `-` is stdin.
    File(String),
}

impl std::str::FromStr for Choice {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "declared" => Self::Declared,
            "all" => Self::All,
            file => Self::File(file.to_owned()),
        })
    }
}

/// An image to copy; a guess may be missing.
struct Wanted {
    image: ImageName,
    certainty: Certainty,
}

/// The copies of a chart's images.
#[derive(Default)]
pub(super) struct Carried {
    pub(super) images: Vec<Locked>,
    /// The declared images that were not copied.
    pub(super) failed: usize,
}

/// The settings of `--images`.
pub(super) struct Job<'a> {
    pub(super) choice: &'a Choice,
    /// The namespace for the images, `oci://host[/ns]`.
    pub(super) to: &'a str,
    pub(super) source: &'a Place,
    pub(super) from: &'a TagOrDigest,
    pub(super) sides: &'a SideArgs,
    pub(super) remote: &'a RemoteArgs,
}

/// Copies the images of a chart.
///
/// # Errors
/// `Usage` for two images of one place, before anything is sent. An image that cannot be copied is
/// a warning, and counts if it was declared.
pub(super) fn carry(run: &Run, job: &Job<'_>, options: &op::Options) -> Result<Carried> {
    let wanted = wanted(run, job)?;
    let bare = job.to.strip_prefix("oci://").unwrap_or(job.to);
    let (registry, namespace) = Reference::parse_namespace(bare)?;
    let names: Vec<ImageName> = wanted.iter().map(|wanted| wanted.image.clone()).collect();
    let places = targets(&names, namespace.as_ref())?;
    let (from, to) = job.sides.both(run, job.remote)?;
    let (reader, writer) = (from.remote.client(&from.run)?, to.remote.client(&to.run)?);
    let mut carried = Carried::default();
    for (one, name) in wanted.iter().zip(places) {
        let target = writer.repository(&registry, &name).with_intent(Intent::Writing);
        let target = AnyRepository::Registry(target);
        let shown = format!("{registry}/{name}");
        match run.block_on(copy_one(&reader, &one.image, &target, &shown, options)) {
            Ok(locked) => carried.images.push(locked),
            Err(error) => {
                run.talk.warn(&format!("`{}` was not copied: {}", one.image, error.chain()));
                carried.failed += usize::from(one.certainty == Certainty::Declared);
            }
        }
    }
    Ok(carried)
}

/// Copies one image by the digest that its tag has now.
async fn copy_one(
    reader: &Client,
    image: &ImageName,
    target: &AnyRepository,
    shown: &str,
    options: &op::Options,
) -> Result<Locked> {
    let name: RepositoryName = image.path.parse()?;
    let source = AnyRepository::Registry(reader.repository(&image.registry.parse()?, &name));
    let from = match (&image.digest, &image.tag) {
        (Some(digest), _) => TagOrDigest::Digest(digest.clone()),
        (None, Some(tag)) => TagOrDigest::Tag(tag.clone()),
        (None, None) => return Err(Error::usage(format!("`{image}` has no tag"))),
    };
    let found = source
        .resolve(&from)
        .await?
        .ok_or_else(|| Error::not_found(format!("`{image}` does not exist")))?;
    let by_digest = TagOrDigest::Digest(found.digest.clone());
    let origin = format!("{}/{}", image.registry, image.path);
    let tags: Vec<Tag> = image.tag.iter().cloned().collect();
    let from = Side { repository: &source, name: &origin };
    let to = Side { repository: target, name: shown };
    let report = op::copy(from, to, &by_digest, &tags, options, &|_| ()).await?;
    if !report.lost.is_empty() {
        let message = format!("the destination lacks {} after the copy", report.lost.join(", "));
        return Err(Error::new(ErrorKind::Partial, message));
    }
    Ok(Locked {
        image: image.to_string(),
        source: format!("{origin}@{}", found.digest),
        destination: match &image.tag {
            Some(tag) => format!("{shown}:{tag}@{}", report.digest),
            None => format!("{shown}@{}", report.digest),
        },
        digest: report.digest,
    })
}

fn wanted(run: &Run, job: &Job<'_>) -> Result<Vec<Wanted>> {
    let certainty = match job.choice {
        Choice::Declared => Certainty::Declared,
        Choice::All => Certainty::Guessed,
        Choice::File(path) => return listed(path),
    };
    let limits = Limits::default();
    let chart = run
        .block_on(async {
            let manifest = job.source.repository.fetch_manifest(job.from).await?;
            let manifest = chart_of(&job.source.repository, manifest).await?;
            let payload = prepare::from_manifest(&job.source.repository, manifest, &limits).await?;
            archive::read::read(payload.archive.reader()?, Keep::Everything, &limits)
        })
        .map_err(|error| error.context("only a chart has images to take along"))?;
    let found = images::find(&chart, &limits);
    found.warnings.iter().for_each(|warning| run.talk.warn(warning));
    let mut wanted = Vec::new();
    for image in found.images.iter().filter(|image| image.certainty <= certainty) {
        wanted.push(Wanted { image: image.image.parse()?, certainty: image.certainty });
    }
    Ok(wanted)
}

/// Reads a list of images, one in each line.
fn listed(path: &str) -> Result<Vec<Wanted>> {
    let mut text = String::new();
    let read = match path {
        "-" => io::stdin().lock().take(MAX_LIST).read_to_string(&mut text),
        path => fs::File::open(path)
            .map_err(|error| Error::input("read the images of", Path::new(path), error))?
            .take(MAX_LIST)
            .read_to_string(&mut text),
    };
    read.map_err(|error| Error::io("read the images of", Path::new(path), error))?;
    let lines = text.lines().map(str::trim);
    let names = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    names.map(|name| Ok(Wanted { image: name.parse()?, certainty: Certainty::Declared })).collect()
}
