//! The journal of a layout's index: changes that `index.json` does not have yet, one in each line.
//! With it, a run that lists tens of thousands of manifests does not write the whole list for each.
//! Our own readers see both files as one list; other tools see the changes after the index is next
//! written. A file whose name begins with a dot is not part of a layout, so other tools ignore it.

use super::{
    index::{Index, Listing},
    links,
};
use crate::{
    Error, ErrorKind, Result,
    oci::{Descriptor, Digest, Manifest, RepositoryName, Tag},
    store::disk::{
        commit::{Removed, Writer},
        open_regular,
    },
};
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

const NAME: &str = ".chartferry-index";

/// A change of a layout's index.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::large_enum_variant, reason = "a change is written and forgotten")]
pub(crate) enum Change {
    /// An added manifest, with a tag or without one.
    #[serde(rename_all = "camelCase")]
    Put {
        manifest: Descriptor,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        children: Vec<Digest>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        repository: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tag: Option<String>,
    },
    /// A removed tag.
    #[serde(rename_all = "camelCase")]
    RemoveTag {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        repository: Option<String>,
        tag: String,
    },
    /// A removed manifest, with all its tags.
    #[serde(rename_all = "camelCase")]
    RemoveDigest { digest: Digest },
}

impl Change {
    /// Makes the change that lists a manifest.
    pub(crate) fn put(
        repository: Option<&RepositoryName>,
        manifest: &Manifest,
        tag: Option<&Tag>,
    ) -> Self {
        let Listing { descriptor, children } = Listing::from(manifest);
        Self::Put {
            manifest: descriptor,
            children,
            repository: repository.map(ToString::to_string),
            tag: tag.map(ToString::to_string),
        }
    }

    /// Applies the change to an index. Returns [`Removed::WasAbsent`] if the index had nothing to
    /// remove.
    pub(crate) fn apply(self, index: &mut Index) -> Result<Removed> {
        let scope = |repository: Option<String>| {
            repository.map(|name| name.parse::<RepositoryName>()).transpose()
        };
        let done = match self {
            Self::Put { manifest, children, repository, tag } => {
                let tag: Option<Tag> = tag.map(|tag| tag.parse()).transpose()?;
                let listing = Listing { descriptor: manifest, children };
                index.put(scope(repository)?.as_ref(), listing, tag.as_ref());
                true
            }
            Self::RemoveTag { repository, tag } => {
                index.remove_tag(scope(repository)?.as_ref(), &tag.parse()?)
            }
            Self::RemoveDigest { digest } => index.remove_digest(&digest),
        };
        Ok(if done { Removed::Yes } else { Removed::WasAbsent })
    }
}

/// Returns the journal's path in a layout.
pub(crate) fn path(root: &Path) -> PathBuf {
    root.join(NAME)
}

/// Returns true if the file name is the journal's.
pub(crate) fn is_journal(name: &std::ffi::OsStr) -> bool {
    name == NAME
}

/// Applies the journal to `index`. Returns the number of bytes in its whole lines.
///
/// # Errors
/// `Limit` if it has more than `most` bytes; `Io`.
pub(crate) fn replay(file: &File, path: &Path, most: u64, index: &mut Index) -> Result<u64> {
    let mut bytes = Vec::new();
    let mut file = file;
    file.seek(SeekFrom::Start(0))
        .and_then(|_| file.take(most + 1).read_to_end(&mut bytes))
        .map_err(|error| Error::io("read", path, error))?;
    if bytes.len() as u64 > most {
        let message = format!("`{}` has more than {most} bytes", path.display());
        return Err(Error::new(ErrorKind::Limit, message));
    }
    let mut whole = 0;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        // A writer that was killed leaves a part of its last line. Nothing after it was
        // acknowledged.
        let Some(text) = line.strip_suffix(b"\n") else { break };
        let Ok(change) = serde_json::from_slice::<Change>(text) else { break };
        if change.apply(index).is_err() {
            break;
        }
        whole += line.len() as u64;
    }
    Ok(whole)
}

/// Returns the manifests that the journal lists, if a journal exists.
///
/// # Errors
/// `Io`.
pub(crate) fn listed(root: &Path, most: u64) -> Result<Vec<Descriptor>> {
    let Some(file) = open(root)? else { return Ok(Vec::new()) };
    let mut index = Index::default();
    replay(&file, &path(root), most, &mut index)?;
    Ok(index.descriptors().cloned().collect())
}

/// Appends changes after the `whole` valid bytes, and flushes them to the disk. Returns the
/// journal's new length.
///
/// # Errors
/// `Io`.
pub(crate) fn append(root: &Path, writer: &Writer, whole: u64, changes: &[Change]) -> Result<u64> {
    links::refuse(root, [NAME])?;
    let path = path(root);
    let fail = |error| Error::io("write", &path, error);
    let is_new = !path.exists();
    let mut file =
        File::options().create(true).write(true).truncate(false).open(&path).map_err(fail)?;
    file.set_len(whole).and_then(|()| file.seek(SeekFrom::Start(whole))).map_err(fail)?;
    let mut lines = Vec::new();
    for change in changes {
        lines.extend(crate::json::to_vec(change));
        lines.push(b'\n');
    }
    writer.append(&mut file, &path, &lines)?;
    writer.sync_file(&file, &path)?;
    if is_new {
        writer.sync_parent(&path)?;
    }
    Ok(whole + lines.len() as u64)
}

/// Opens the journal for reading, if it exists.
pub(crate) fn open(root: &Path) -> Result<Option<File>> {
    let path = path(root);
    match open_regular(&path)? {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("open", &path, error)),
    }
}

/// Returns true if a journal exists.
pub(crate) fn exists(root: &Path) -> bool {
    fs::symlink_metadata(path(root)).is_ok()
}
