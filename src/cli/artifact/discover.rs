//! The command `artifact discover`.

use super::{
    dialect::Printing,
    place::{Place, Use},
    tree::Tree,
};
use crate::{
    Result,
    cli::{
        Run,
        shell::{exit::Exit, output::Format, remote::RemoteArgs},
    },
    oci::{Descriptor, Platform},
    ops::{
        artifact::discover::{self as op, MAX_DEPTH, Referrer},
        object::manifest::of_platform,
    },
};
use clap::Args;
use serde_json::{Map, Value, json};

#[derive(Debug, Args)]
pub(in crate::cli) struct DiscoverArgs {
    /// List what is attached to `host/ns/name:tag`, `host/ns/name@digest`, `oci://…` or
    /// `layout:DIR:tag`
    reference: String,
    /// List only artifacts of this type
    #[arg(long, value_name = "TYPE")]
    artifact_type: Option<String>,
    /// List what is attached to attachments to this depth
    #[arg(long, value_name = "N")]
    depth: Option<usize>,
    /// List what is attached to the manifest of this platform of an index
    #[arg(long, value_name = "PLATFORM")]
    platform: Option<Platform>,
    /// Write the result in this format
    #[arg(long, short = 'o', value_enum, default_value_t)]
    output: Format,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// A discovery, whatever the dialect.
pub(in crate::cli) struct Job<'a> {
    pub(in crate::cli) reference: &'a str,
    pub(in crate::cli) artifact_type: Option<&'a str>,
    pub(in crate::cli) depth: Option<usize>,
    pub(in crate::cli) platform: Option<&'a Platform>,
    pub(in crate::cli) printing: Printing,
    pub(in crate::cli) remote: &'a RemoteArgs,
}

pub(super) fn discover(run: &Run, args: DiscoverArgs) -> Result<Exit> {
    run_job(
        run,
        Job {
            reference: &args.reference,
            artifact_type: args.artifact_type.as_deref(),
            depth: args.depth,
            platform: args.platform.as_ref(),
            printing: Printing::Own(args.output),
            remote: &args.remote,
        },
    )
}

/// Finds the referrers and prints them.
pub(in crate::cli) fn run_job(run: &Run, job: Job<'_>) -> Result<Exit> {
    let place = Place::open(run, job.reference, job.remote, Use::Read)?;
    let depth = job.depth.unwrap_or(MAX_DEPTH).min(MAX_DEPTH);
    let (subject, referrers) = run.block_on(async {
        let mut subject = place.manifest(run).await?;
        if let Some(platform) = job.platform {
            subject = of_platform(&place.repository, subject, platform).await?.0;
        }
        let subject = subject.descriptor();
        let kind = job.artifact_type;
        let found = op::discover(&place.repository, &subject.digest, kind, depth).await?;
        Ok((subject, found))
    })?;
    let mut value = fields(&place, &subject);
    value.insert("referrers".into(), array(&place, &referrers));
    let text = || {
        let mut tree = Tree::new(place.by_digest(&subject.digest));
        grow(&mut tree, &referrers);
        tree.draw()
    };
    job.printing.print(text, &Value::Object(value))?;
    Ok(Exit::Ok)
}

/// Adds referrers to a tree, by their types.
pub(super) fn grow(tree: &mut Tree, referrers: &[Referrer]) {
    for referrer in referrers {
        let own = &referrer.descriptor;
        let kind = own.artifact_type.as_deref().unwrap_or("<unknown>");
        let branch = tree.branch(kind).branch(own.digest.as_str());
        if !own.annotations.is_empty() {
            let below = branch.branch("[annotations]");
            for (key, value) in &own.annotations {
                below.branch(&format!("{key}: {}", yaml_scalar(value)));
            }
        }
        grow(branch, &referrer.referrers);
    }
}

/// Returns a value as a scalar of YAML: ORAS prints annotations in that form.
fn yaml_scalar(value: &str) -> String {
    let text = crate::yaml::emit(&crate::yaml::Value::String(value.to_owned()));
    text.trim_end().to_owned()
}

fn fields(place: &Place, descriptor: &Descriptor) -> Map<String, Value> {
    let mut value = Map::new();
    value.insert("reference".into(), place.by_digest(&descriptor.digest).into());
    value.insert("mediaType".into(), descriptor.media_type.as_str().into());
    value.insert("digest".into(), descriptor.digest.as_str().into());
    value.insert("size".into(), descriptor.size.into());
    if !descriptor.annotations.is_empty() {
        value.insert("annotations".into(), json!(descriptor.annotations));
    }
    if let Some(kind) = &descriptor.artifact_type {
        value.insert("artifactType".into(), kind.as_str().into());
    }
    value
}

fn array(place: &Place, referrers: &[Referrer]) -> Value {
    let one = |referrer: &Referrer| {
        let mut value = fields(place, &referrer.descriptor);
        value.insert("referrers".into(), array(place, &referrer.referrers));
        Value::Object(value)
    };
    Value::Array(referrers.iter().map(one).collect())
}
