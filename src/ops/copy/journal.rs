//! The journal of a copy: what the destination has acknowledged, so that a copy that was killed
//! sends none of it again. It is removed when the copy is whole.

use crate::{Error, Result, lock::Locked as _, oci::Digest};
use std::{
    collections::HashSet,
    fs::{self, File, OpenOptions},
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    path::{Path, PathBuf},
    sync::Mutex,
    time::Duration,
};

/// The age after which a journal is not believed. Harbor removes blobs without a manifest after two
/// hours, and some registries accept a manifest whose blobs are gone.
const BELIEVED: Duration = Duration::from_secs(60 * 60);
/// Bytes of a journal that are read. A line has about 80, and more than this is another file.
const MAX_BYTES: u64 = 128 << 20;
/// Hexadecimal digits in the name of a journal.
const NAME_DIGITS: usize = 24;

/// A journal of one copy. It does nothing without a folder.
#[derive(Debug, Default)]
pub(super) struct Journal {
    known: HashSet<Digest>,
    /// True once the destination has denied what it had acknowledged.
    denied: bool,
    path: Option<PathBuf>,
    /// The file, from the first line on.
    out: Mutex<Option<File>>,
}

impl Journal {
    /// Opens the journal of a copy of `root` to the repository `target`.
    ///
    /// # Errors
    /// `Io`.
    pub(super) fn open(folder: Option<&Path>, target: &str, root: &Digest) -> Result<Self> {
        let Some(folder) = folder else { return Ok(Self::default()) };
        let key = Digest::sha256(format!("{target}\n{root}").as_bytes());
        let path = folder.join(format!("copy-{}.jsonl", &key.hex()[..NAME_DIGITS]));
        let known = match File::open(&path) {
            Ok(file) if is_fresh(&file) => known(file),
            Ok(_) => {
                let _ = fs::remove_file(&path);
                HashSet::new()
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => HashSet::new(),
            Err(error) => return Err(Error::io("open the journal", &path, error)),
        };
        Ok(Self { known, denied: false, path: Some(path), out: Mutex::default() })
    }

    /// Returns true if an earlier run of this copy brought the blob or manifest to the destination.
    pub(super) fn has(&self, digest: &Digest) -> bool {
        self.known.contains(digest)
    }

    /// Returns true if no earlier run left anything.
    pub(super) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Forgets the earlier run: the destination does not have what it acknowledged.
    pub(super) fn forget(&mut self) {
        self.known.clear();
        self.denied = true;
    }

    /// Returns true if the destination's manifests are no proof of their blobs.
    pub(super) fn is_denied(&self) -> bool {
        self.denied
    }

    /// Notes a blob or manifest that the destination has acknowledged. A line that cannot be
    /// written costs a repetition and nothing else.
    pub(super) fn note(&self, digest: &Digest) {
        let Some(path) = self.path.as_ref().filter(|_| !self.has(digest)) else { return };
        let mut out = self.out.locked();
        if out.is_none() {
            *out = open_to_append(path).ok();
        }
        if let Some(file) = out.as_mut() {
            let _ = writeln!(file, "\"{digest}\"");
        }
    }

    /// Removes the journal of a copy that is whole.
    pub(super) fn remove(self) {
        let is_there = !self.known.is_empty() || self.out.locked().is_some();
        if let Some(path) = self.path.filter(|_| is_there) {
            let _ = fs::remove_file(path);
        }
    }
}

fn open_to_append(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    OpenOptions::new().create(true).append(true).open(path)
}

fn is_fresh(file: &File) -> bool {
    let written = file.metadata().and_then(|metadata| metadata.modified());
    // A clock that went back makes it fresh.
    written.is_ok_and(|written| !written.elapsed().is_ok_and(|age| age > BELIEVED))
}

/// Reads the digests. The last line of a run that was killed may be cut.
fn known(file: File) -> HashSet<Digest> {
    let lines = BufReader::new(file.take(MAX_BYTES)).lines();
    let texts = lines.map_while(io::Result::ok);
    texts.filter_map(|line| serde_json::from_str(&line).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_line_is_passed_over() {
        let folder = tempfile::tempdir().expect("folder");
        let (root, blob) = (Digest::sha256(b"root"), Digest::sha256(b"blob"));
        let open = || Journal::open(Some(folder.path()), "host/a", &root).expect("journal");
        let first = open();
        assert!(first.is_empty());
        first.note(&blob);
        let path = first.path.expect("path");
        let text = fs::read_to_string(&path).expect("text");
        fs::write(&path, format!("{text}\"sha256:ab")).expect("cut");
        let second = open();
        assert!(second.has(&blob) && !second.has(&root));
        second.remove();
        assert!(!path.exists());
        // An old one is not believed.
        open().note(&blob);
        let old = std::time::SystemTime::now() - 2 * BELIEVED;
        File::options().append(true).open(&path).and_then(|f| f.set_modified(old)).expect("dated");
        assert!(open().is_empty() && !path.exists());
        assert!(Journal::open(Some(folder.path()), "host/b", &root).expect("other").is_empty());
    }

    #[test]
    fn a_copy_without_a_folder_has_no_journal() {
        let journal = Journal::open(None, "host/a", &Digest::sha256(b"x")).expect("none");
        journal.note(&Digest::sha256(b"y"));
        assert!(!journal.has(&Digest::sha256(b"y")));
        journal.remove();
    }
}
