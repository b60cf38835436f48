//! The commands `tag` and `untag`.

use crate::{
    Error, Result,
    cli::{
        Run,
        artifact::place::{Place, Use},
        shell::{
            exit::Exit,
            journal::JournalArgs,
            output::{self, Format},
            remote::RemoteArgs,
        },
    },
    oci::{Tag, TagOrDigest},
    ops::{
        lost_tags,
        object::untag::{self as op, Means},
    },
    store::Push,
};
use clap::Args;
use serde_json::json;

#[derive(Debug, Args)]
pub(in crate::cli) struct TagArgs {
    /// Tag `host/ns/name:tag`, `host/ns/name@digest`, `oci://…` or `layout:DIR:tag`; `rm` removes
    /// the tag of the reference after it
    reference: String,
    /// Add these tags
    #[arg(required = true, value_name = "TAG")]
    tags: Vec<String>,
    #[command(flatten)]
    removal: RemovalArgs,
    /// Write the result in this format
    #[arg(long, short = 'o', value_enum, default_value_t)]
    output: Format,
    #[command(flatten)]
    journal: JournalArgs,
    #[command(flatten)]
    remote: RemoteArgs,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct UntagArgs {
    /// Remove the tag of `host/ns/name:tag`, `oci://…` or `layout:DIR:tag`
    reference: String,
    #[command(flatten)]
    removal: RemovalArgs,
    /// Write the result in this format
    #[arg(long, short = 'o', value_enum, default_value_t)]
    output: Format,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// Flags of the removal of a tag.
#[derive(Clone, Copy, Debug, Args)]
pub(in crate::cli) struct RemovalArgs {
    /// Remove the tag by a manifest of its own, where a registry deletes manifests only
    #[arg(long)]
    dummy: bool,
    /// Remove the tag although its repository has more than 1,000 tags
    #[arg(long)]
    force: bool,
}

pub(in crate::cli) fn tag(run: &Run, args: &TagArgs) -> Result<Exit> {
    if args.reference == "rm" {
        let [reference] = args.tags.as_slice() else {
            return Err(Error::usage("`tag rm` takes one reference"));
        };
        return remove(run, reference, args.removal, args.output, &args.remote);
    }
    let tags: Vec<Tag> = args.tags.iter().map(|tag| tag.parse()).collect::<Result<_, _>>()?;
    let place = Place::open(run, &args.reference, &args.remote, Use::Change)?;
    let (manifest, lost) = run.block_on(async {
        let manifest = place.manifest(run).await?;
        let lost = lost_tags::among(&place.repository, &manifest, &tags).await?;
        for tag in &tags {
            place.repository.push_manifest(&manifest, Some(tag)).await?;
        }
        place.finish().await?;
        Ok((manifest, lost))
    })?;
    let moved = lost.iter().map(|(tag, digest)| (place.name.as_str(), tag.as_str(), digest));
    args.journal.note(run, "tag", moved);
    let digest = manifest.digest();
    if args.output == Format::Text {
        let lines: String =
            tags.iter().map(|tag| format!("tagged {}:{tag}\n", place.name)).collect();
        output::print(format!("{lines}digest {digest}\n"))?;
    } else {
        let tags: Vec<String> = tags.iter().map(ToString::to_string).collect();
        let value = json!({ "name": place.name, "digest": digest, "tags": tags });
        output::print_value(args.output, &value)?;
    }
    Ok(Exit::Ok)
}

pub(in crate::cli) fn untag(run: &Run, args: &UntagArgs) -> Result<Exit> {
    remove(run, &args.reference, args.removal, args.output, &args.remote)
}

fn remove(
    run: &Run,
    reference: &str,
    removal: RemovalArgs,
    format: Format,
    remote: &RemoteArgs,
) -> Result<Exit> {
    let place = Place::open(run, reference, remote, Use::Read)?;
    let TagOrDigest::Tag(tag) = place.target()? else {
        return Err(Error::usage(format!("`{reference}` names a digest, not a tag"))
            .with_hint("`manifest delete` removes a manifest with all its tags"));
    };
    let means = if removal.dummy { Means::Dummy } else { Means::Tag };
    let options = op::Options { means, force: removal.force };
    let done = run.block_on(async {
        let done = op::untag(&place.repository, &place.name, &tag, options).await?;
        place.finish().await.map(|()| done)
    })?;
    if done.was_put_back {
        run.talk.warn(&format!(
            "the registry removed the manifest with its tag; it was put back with {} other tags",
            done.restored.len()
        ));
    }
    if done.was_put_back && done.is_unlooked {
        run.talk.warn("its other tags were not looked at, and those are gone now");
    }
    if format == Format::Text {
        output::print(format!("removed {}:{tag}\ndigest {}\n", place.name, done.digest))?;
    } else {
        let restored: Vec<String> = done.restored.iter().map(ToString::to_string).collect();
        let value = json!({
            "name": place.name, "tag": tag.as_str(), "digest": done.digest,
            "putBack": done.was_put_back, "restored": restored,
        });
        output::print_value(format, &value)?;
    }
    Ok(Exit::Ok)
}
