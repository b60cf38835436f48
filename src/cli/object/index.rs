//! The commands `manifest index create|update`.

use super::{
    document,
    manifest::{as_given, say},
};
use crate::{
    Error, Result,
    cli::{
        Run,
        artifact::{
            dialect::{Printing, short},
            place::{Place, Use},
        },
        shell::{exit::Exit, journal::JournalArgs, output::Format, remote::RemoteArgs},
    },
    oci::{Descriptor, Digest, Manifest, Tag},
    ops::object::{index as op, manifest},
};
use clap::Args;
use serde_json::json;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

#[derive(Debug, Args)]
pub(in crate::cli) struct CreateArgs {
    /// Push the index to `host/ns/name[:tag,…]`, `oci://…` or `layout:DIR[:tag,…]`
    reference: String,
    /// Add these manifests of the repository: tags or digests
    #[arg(value_name = "TAG|DIGEST")]
    sources: Vec<String>,
    #[command(flatten)]
    own: IndexArgs,
    /// Write the index to this file and push nothing; `-` is stdout
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    /// Write the result in this format
    #[arg(long, short = 'o', value_enum, default_value_t)]
    output: Format,
    #[command(flatten)]
    journal: JournalArgs,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// Flags of an index in both dialects.
#[derive(Clone, Debug, Default, Args)]
pub(in crate::cli) struct IndexArgs {
    /// Annotate the index, `KEY=VALUE`
    #[arg(long, short = 'a', value_name = "KEY=VALUE")]
    annotation: Vec<String>,
    /// Give the index this artifact type
    #[arg(long, value_name = "TYPE")]
    artifact_type: Option<String>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct UpdateArgs {
    /// Change the index `host/ns/name:tag`, `host/ns/name@digest`, `oci://…` or `layout:DIR:tag`
    reference: String,
    #[command(flatten)]
    changes: ChangeArgs,
    /// Write the index to this file and push nothing; `-` is stdout
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    /// Write the result in this format
    #[arg(long, short = 'o', value_enum, default_value_t)]
    output: Format,
    #[command(flatten)]
    journal: JournalArgs,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// Changes of an index in both dialects.
#[derive(Clone, Debug, Default, Args)]
pub(in crate::cli) struct ChangeArgs {
    /// Add this manifest of the repository: a tag or digest
    #[arg(long, value_name = "TAG|DIGEST")]
    add: Vec<String>,
    /// Add the entries of this index of the repository: a tag or digest
    #[arg(long, value_name = "TAG|DIGEST")]
    merge: Vec<String>,
    /// Remove the entry with this digest
    #[arg(long, value_name = "DIGEST")]
    remove: Vec<String>,
    /// Give the changed index this tag too
    #[arg(long, value_name = "TAG")]
    tag: Vec<Tag>,
    /// Give the index this artifact type; an empty one removes it
    #[arg(long, value_name = "TYPE")]
    artifact_type: Option<String>,
}

/// The part of a job that both commands have.
pub(in crate::cli) struct Job<'a> {
    pub(in crate::cli) reference: &'a str,
    pub(in crate::cli) to: Option<&'a Path>,
    pub(in crate::cli) pretty: bool,
    pub(in crate::cli) printing: Printing,
    pub(in crate::cli) journal: &'a JournalArgs,
    pub(in crate::cli) remote: &'a RemoteArgs,
}

pub(super) fn create(run: &Run, args: &CreateArgs) -> Result<Exit> {
    let job = Job {
        reference: &args.reference,
        to: args.to.as_deref(),
        pretty: false,
        printing: Printing::Own(args.output),
        journal: &args.journal,
        remote: &args.remote,
    };
    create_job(run, &job, &args.sources, &args.own)
}

pub(super) fn update(run: &Run, args: &UpdateArgs) -> Result<Exit> {
    let job = Job {
        reference: &args.reference,
        to: args.to.as_deref(),
        pretty: false,
        printing: Printing::Own(args.output),
        journal: &args.journal,
        remote: &args.remote,
    };
    update_job(run, &job, &args.changes)
}

impl Job<'_> {
    /// Prints a line of ORAS, unless stdout gets the index itself.
    fn tell(&self, line: &str) -> Result<()> {
        match self.printing {
            Printing::OrasText if self.to != Some(Path::new("-")) => say(line),
            _ => Ok(()),
        }
    }

    /// Reads a manifest of the repository, with the lines of ORAS.
    async fn source(&self, place: &Place, text: &str) -> Result<Manifest> {
        self.tell(&format!("Fetching  {text}"))?;
        let manifest = op::source(&place.repository, text).await?;
        self.tell(&match text.contains(':') {
            true => format!("Fetched   {}", manifest.digest()),
            false => format!("Fetched   {} {text}", manifest.digest()),
        })?;
        Ok(manifest)
    }

    async fn entry(&self, place: &Place, text: &str) -> Result<Descriptor> {
        let manifest = self.source(place, text).await?;
        op::entry(&place.repository, &manifest).await
    }

    /// Pushes the index, or writes it to a file.
    async fn conclude(
        &self,
        run: &Run,
        place: &Place,
        index: &Manifest,
        tags: &[Tag],
    ) -> Result<()> {
        let digest = index.digest();
        if let Some(to) = self.to {
            document::write(index.bytes(), self.pretty, Some(to))?;
            return self.tell(&format!("Digest: {digest}"));
        }
        let pushed = manifest::push(&place.repository, &place.name, index, tags).await?;
        place.finish().await?;
        let moved = pushed.lost.iter();
        let moved = moved.map(|(tag, digest)| (place.name.as_str(), tag.as_str(), digest));
        self.journal.note(run, "manifest index", moved);
        // As in ORAS, an index that was named by its digest is shown without one.
        let shown = match place.tags.first() {
            Some(_) => as_given(place),
            None => place.oras_name().to_owned(),
        };
        self.tell(&format!("Pushed    [{}] {shown}", place.oras_kind()))?;
        let first = usize::from(!place.tags.is_empty());
        for tag in tags.iter().skip(first) {
            self.tell(&format!("Tagged {tag}"))?;
        }
        self.tell(&format!("Digest: {digest}"))?;
        if let Printing::Own(_) = self.printing {
            let text = || {
                let lines: String =
                    tags.iter().map(|tag| format!("pushed {}:{tag}\n", place.name)).collect();
                format!("{lines}digest {digest}\n")
            };
            let entries = index.document().manifests().len();
            let tags: Vec<String> = tags.iter().map(ToString::to_string).collect();
            let value = json!({
                "reference": place.by_digest(digest), "digest": digest, "tags": tags,
                "entries": entries,
            });
            self.printing.print(text, &value)?;
        }
        Ok(())
    }
}

/// Composes an index.
pub(in crate::cli) fn create_job(
    run: &Run,
    job: &Job<'_>,
    sources: &[String],
    own: &IndexArgs,
) -> Result<Exit> {
    let mut annotations = BTreeMap::new();
    for pair in &own.annotation {
        let (key, value) =
            pair.split_once('=').filter(|(key, _)| !key.is_empty()).ok_or_else(|| {
                Error::usage(format!("`--annotation {pair}` is not of the form KEY=VALUE"))
            })?;
        annotations.insert(key.to_owned(), value.to_owned());
    }
    let place = Place::open(run, job.reference, job.remote, Use::Write)?;
    if place.digest.is_some() {
        return Err(Error::usage(format!("`{}` names a digest; name tags", job.reference)));
    }
    run.block_on(async {
        let mut entries = Vec::new();
        for text in sources {
            entries.push(job.entry(&place, text).await?);
        }
        let index = op::compose(entries, own.artifact_type.clone(), annotations);
        job.tell(&format!("Packed    {} {}", short(index.digest()), index.media_type()))?;
        job.conclude(run, &place, &index, &place.tags).await
    })?;
    Ok(Exit::Ok)
}

/// Changes an index.
pub(in crate::cli) fn update_job(run: &Run, job: &Job<'_>, args: &ChangeArgs) -> Result<Exit> {
    let is_empty = args.add.is_empty()
        && args.merge.is_empty()
        && args.remove.is_empty()
        && args.artifact_type.is_none();
    if is_empty && args.tag.is_empty() {
        match job.printing {
            Printing::Own(_) => return Err(Error::usage("no change is requested")),
            _ => say("Nothing to update as no change is requested")?,
        }
        return Ok(Exit::Ok);
    }
    let mut removed: Vec<Digest> = Vec::new();
    for text in &args.remove {
        removed.push(text.parse().map_err(|error| {
            Error::usage(format!("remove: {text} is not a digest")).with_source(error)
        })?);
    }
    let place = Place::open(run, job.reference, job.remote, Use::Change)?;
    run.block_on(async {
        let named = match (place.tags.first(), &place.digest) {
            (Some(tag), _) => tag.to_string(),
            (None, Some(digest)) => digest.to_string(),
            (None, None) => return Err(place.target().err().unwrap_or_else(|| Error::usage(""))),
        };
        let index = job.source(&place, &named).await?;
        let mut changes = op::Changes {
            remove: removed.clone(),
            artifact_type: args.artifact_type.clone(),
            ..op::Changes::default()
        };
        for digest in &removed {
            if !index.document().manifests().iter().any(|entry| entry.digest == *digest) {
                let message = format!("{digest} does not exist in the index {named}");
                return Err(Error::usage(message));
            }
            job.tell(&format!("Removed   {digest}"))?;
        }
        for text in &args.add {
            let entry = job.entry(&place, text).await?;
            job.tell(&format!("Added     {} {text}", entry.digest))?;
            changes.add.push(entry);
        }
        for text in &args.merge {
            let other = job.source(&place, text).await?;
            job.tell(&format!("Merged    {} {text}", other.digest()))?;
            changes.merge.push(other);
        }
        let changed = op::update(&index, changes)?;
        job.tell(&format!("Updated   {}", changed.digest()))?;
        let tags: Vec<Tag> = place.tags.iter().chain(&args.tag).cloned().collect();
        job.conclude(run, &place, &changed, &tags).await
    })?;
    Ok(Exit::Ok)
}
