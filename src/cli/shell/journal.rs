//! The flag for the journal of lost tags, and its default place.

use crate::{
    cli::Run,
    oci::Digest,
    ops::lost_tags::{Journal, LostTag},
};
use clap::Args;
use std::path::PathBuf;

/// The flag of commands that move tags.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct JournalArgs {
    /// Append the tags that were moved away from a manifest to this file; default:
    /// `chartferry/lost-tags.jsonl` in the user's state folder
    #[arg(long, value_name = "FILE")]
    pub(crate) journal: Option<PathBuf>,
}

impl JournalArgs {
    /// Notes the tags that `by` moved: the repository, the tag, and the digest that it had. A
    /// journal that cannot be written is a warning, since the tags are moved.
    pub(crate) fn note<'a>(
        &self,
        run: &Run,
        by: &str,
        lost: impl IntoIterator<Item = (&'a str, &'a str, &'a Digest)>,
    ) {
        let path = self.journal.clone().unwrap_or_else(|| run.env.state().join("lost-tags.jsonl"));
        let lost: Vec<LostTag> = lost
            .into_iter()
            .map(|(repo, tag, digest)| LostTag::now(repo, tag, digest, by))
            .collect();
        if let Err(error) = Journal::at(path).append(&lost) {
            run.talk.warn(&error.chain());
        }
    }
}
