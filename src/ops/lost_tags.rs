//! The journal of lost tags: one JSON line for each tag that a push, a copy or a mirror moved away
//! from a manifest. No registry lists manifests without tags, so this is the only list of those
//! that the program itself left behind.

use crate::{
    Error, ErrorKind, Result,
    oci::{Digest, Manifest, Tag, TagOrDigest},
    store::Resolve,
};
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

/// A tag that was moved away from a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LostTag {
    /// The repository, such as `host/ns/name` or `layout:DIR`.
    pub repo: String,
    /// The digest of the manifest that had the tag.
    pub digest: Digest,
    /// The tag.
    pub tag: String,
    /// The time, as RFC 3339 in UTC.
    pub time: String,
    /// The command that moved it.
    pub by: String,
}

impl LostTag {
    /// Makes the line for a tag that was moved now.
    pub fn now(repo: &str, tag: &str, digest: &Digest, by: &str) -> Self {
        // Whole seconds are enough, and sort as text.
        let now = jiff::Timestamp::now();
        let time = jiff::Timestamp::from_second(now.as_second()).unwrap_or(now).to_string();
        let (repo, tag, by) = (repo.to_owned(), tag.to_owned(), by.to_owned());
        Self { repo, digest: digest.clone(), tag, time, by }
    }
}

/// A file of lost tags. Several programs may append to it at once.
#[derive(Clone, Debug)]
pub struct Journal(PathBuf);

impl Journal {
    /// Names the file. It and its folder are created with the first line.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Returns the path of the file.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Appends lines, and returns when they are on the disk.
    ///
    /// # Errors
    /// `Io`, with the path.
    pub fn append(&self, lost: &[LostTag]) -> Result<()> {
        if lost.is_empty() {
            return Ok(());
        }
        let mut lines = Vec::new();
        for line in lost {
            lines.extend(crate::json::to_vec(line));
            lines.push(b'\n');
        }
        let write = || -> io::Result<()> {
            if let Some(folder) = self.0.parent() {
                fs::create_dir_all(folder)?;
            }
            let mut file = OpenOptions::new().create(true).append(true).open(&self.0)?;
            // Long lines of two programs could otherwise mix.
            file.lock()?;
            file.write_all(&lines)?;
            file.sync_data()
        };
        write().map_err(|error| Error::io("write the journal", &self.0, error))
    }
}

/// Returns which of these tags another manifest has now, with its digest. A registry that does not
/// let the client read names none.
///
/// # Errors
/// Any other error of the repository.
pub async fn among<R: Resolve>(
    repository: &R,
    manifest: &Manifest,
    tags: &[Tag],
) -> Result<Vec<(Tag, Digest)>> {
    let mut lost = Vec::new();
    for tag in tags {
        match repository.resolve(&TagOrDigest::Tag(tag.clone())).await {
            Ok(Some(there)) if there.digest != *manifest.digest() => {
                lost.push((tag.clone(), there.digest));
            }
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Denied => {}
            Err(error) => return Err(error),
        }
    }
    Ok(lost)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_several_writers_do_not_mix() {
        let folder = tempfile::tempdir().expect("folder");
        let journal = Journal::at(folder.path().join("deep/lost-tags.jsonl"));
        std::thread::scope(|scope| {
            for writer in 0..8 {
                let journal = journal.clone();
                scope.spawn(move || {
                    for line in 0..20 {
                        let tag = format!("{writer}-{line}");
                        let digest = Digest::sha256(tag.as_bytes());
                        let lost = LostTag::now("host/ns/a", &tag, &digest, "push");
                        journal.append(&[lost]).expect("appended");
                    }
                });
            }
        });
        let text = fs::read_to_string(journal.path()).expect("journal");
        let mut tags: Vec<String> = text
            .lines()
            .map(|line| serde_json::from_str::<LostTag>(line).expect("a line").tag)
            .collect();
        tags.sort_unstable();
        tags.dedup();
        assert_eq!(tags.len(), 160);
        let first: LostTag =
            serde_json::from_str(text.lines().next().expect("line")).expect("line");
        assert!(first.time.ends_with('Z') && first.time.len() == 20, "{}", first.time);
    }

    #[test]
    fn nothing_lost_makes_no_file() {
        let folder = tempfile::tempdir().expect("folder");
        let journal = Journal::at(folder.path().join("lost-tags.jsonl"));
        journal.append(&[]).expect("nothing");
        assert!(!journal.path().exists());
    }
}
