//! `tags` and `resolve`: what a repository holds.

use super::{
    Run,
    exit::Exit,
    location::LayoutReference,
    output::{self, Format},
    remote::RemoteArgs,
};
use crate::{
    Error, Result,
    oci::{Reference, TagOrDigest},
    ops::{place::Place, tags as op},
    store::{Resolve, Tags},
};
use clap::Args;
use serde_json::json;

#[derive(Debug, Args)]
pub(super) struct TagsArgs {
    /// `host/ns/name`, `oci://host/ns/name` or `layout:DIR`
    reference: String,
    /// How to write the list
    #[arg(long, short = 'o', value_enum, default_value_t)]
    output: Format,
    #[command(flatten)]
    remote: RemoteArgs,
}

#[derive(Debug, Args)]
pub(super) struct ResolveArgs {
    /// `host/ns/name:tag`, `oci://…` or `layout:DIR:tag`
    reference: String,
    /// Print the whole reference by digest
    #[arg(long, short = 'l')]
    full_reference: bool,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// A repository to ask, its name, and what was asked of it.
pub(super) fn place(
    run: &Run,
    text: &str,
    remote: &RemoteArgs,
) -> Result<(Place, String, Option<TagOrDigest>)> {
    if let Some(rest) = text.strip_prefix("layout:") {
        let layout = LayoutReference::parse(rest)?;
        let target = layout
            .digest
            .clone()
            .map(TagOrDigest::Digest)
            .or(layout.tag.clone().map(TagOrDigest::Tag));
        return Ok((
            Place::Layout(Box::new(layout.open()?)),
            format!("layout:{}", layout.folder.display()),
            target,
        ));
    }
    let reference: Reference = text.parse()?;
    let repository = remote.client(run)?.repository(&reference.registry, &reference.repository);
    Ok((Place::Registry(repository), reference.repository_path(), reference.target()))
}

pub(super) fn tags(run: &Run, args: TagsArgs) -> Result<Exit> {
    run.block_on(async {
        let (place, _, _) = place(run, &args.reference, &args.remote)?;
        let mut tags = place.tags().await?;
        op::sort(&mut tags);
        match args.output {
            Format::Text => {
                output::print(tags.iter().map(|tag| format!("{tag}\n")).collect::<String>())
            }
            format => output::print_value(format, &json!({ "tags": tags })),
        }
    })?;
    Ok(Exit::Ok)
}

pub(super) fn resolve(run: &Run, args: ResolveArgs) -> Result<Exit> {
    run.block_on(async {
        let (place, name, target) = place(run, &args.reference, &args.remote)?;
        let target = target.ok_or_else(|| {
            Error::usage(format!("`{}` names no tag", args.reference))
                .with_hint("write `host/ns/name:tag`")
        })?;
        let Some(found) = place.resolve(&target).await? else {
            return Err(match target {
                TagOrDigest::Tag(tag) => op::missing(&place, &name, &tag, None).await,
                TagOrDigest::Digest(digest) => {
                    Error::not_found(format!("{name}@{digest}: not found"))
                }
            });
        };
        output::println(if args.full_reference {
            format!("{name}@{}", found.digest)
        } else {
            found.digest.to_string()
        })
    })?;
    Ok(Exit::Ok)
}
