//! The stamps of a source folder's files. They show that a file was added, removed or replaced
//! since the last run, although index.yaml is the same.

use crate::{
    digest::{Algorithm, Digest},
    mirror::candidate::Fingerprint,
    ops::index::{AT_REST, Stamp},
};
use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read},
    num::NonZero,
    path::Path,
    thread,
};

/// The files of a folder by their paths below it. A file that does not exist has no stamp.
#[derive(Debug, Default)]
pub(super) struct FileStamps(BTreeMap<String, Option<Stamp>>);

impl FileStamps {
    /// Returns the stamps of these files. A file that has just changed could change again without
    /// another stamp, so this waits until it cannot.
    pub(super) fn of(root: &Path, files: impl IntoIterator<Item = String>) -> Self {
        let stamps = |files: Vec<String>| -> BTreeMap<_, _> {
            let stamp = |file: String| {
                let stamp = Stamp::of(&root.join(&file));
                (file, stamp)
            };
            files.into_iter().map(stamp).collect()
        };
        let found = stamps(files.into_iter().collect());
        if !found.values().flatten().any(Stamp::is_young) {
            return Self(found);
        }
        thread::sleep(AT_REST);
        Self(stamps(found.into_keys().collect()))
    }

    /// Returns the fingerprint of one file, if it exists.
    pub(super) fn fingerprint_of(&self, file: &str) -> Option<Fingerprint> {
        let stamp = self.0.get(file)?.as_ref()?;
        Some(Fingerprint::of(format!("{file} {stamp:?}").as_bytes()))
    }

    /// Returns the fingerprint of all files.
    pub(super) fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(format!("{:?}", self.0).as_bytes())
    }
}

/// Returns the digest of each file, in their order. `None` stands for a file that cannot be read;
/// its download gives the reason.
pub(super) fn digests(root: &Path, files: &[Option<String>]) -> Vec<Option<Digest>> {
    /// The number of files that justifies another thread, which takes 50 µs to start.
    const WORTH: usize = 64;
    let hash = |files: &[Option<String>]| -> Vec<Option<Digest>> {
        let digest = |file: &Option<String>| digest(&root.join(file.as_ref()?)).ok();
        files.iter().map(digest).collect()
    };
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let threads = threads.min(files.len() / WORTH).max(1);
    if threads == 1 {
        return hash(files);
    }
    thread::scope(|scope| {
        let parts: Vec<_> = files
            .chunks(files.len().div_ceil(threads))
            .map(|part| scope.spawn(move || hash(part)))
            .collect();
        parts.into_iter().flat_map(|part| part.join().expect("hashing does not panic")).collect()
    })
}

fn digest(path: &Path) -> io::Result<Digest> {
    // Opening a pipe would wait for its writer.
    if !path.metadata()?.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut file = File::open(path)?;
    let mut hasher = Algorithm::Sha256.hasher();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hasher.finish()),
            count => hasher.update(&buffer[..count]),
        }
    }
}
