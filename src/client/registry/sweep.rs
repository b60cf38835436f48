//! Clean-up of the cache folder. It removes old partial downloads, files of killed runs, and
//! configs that no run has read for a long time. Files of other running processes are locked or
//! young, and remain.

use crate::spool::PREFIX;
use std::{
    fs::{self, DirEntry, File},
    path::Path,
    time::Duration,
};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Files to remove: the folder below the cache, the prefix of the name, and the minimum age.
const KINDS: [(&str, &str, Duration); 3] = [
    // The next run resumes a partial download within days or never.
    ("", "partial-", Duration::from_secs(7 * 24 * 3600)),
    // The file belongs to one run. The longest download and its use end within a day.
    ("", PREFIX, DAY),
    // The client can download a config again with one small request.
    ("configs", "", Duration::from_secs(90 * 24 * 3600)),
];

/// Maximum number of entries of one folder that one run checks, so that a folder of any size costs
/// a fraction of a second. Later runs check the rest.
const LOOKED_AT: usize = 10_000;

/// Removes old files of the cache folder. The function ignores errors.
pub(crate) fn sweep(cache: &Path) {
    for (folder, prefix, age) in KINDS {
        let Ok(entries) = fs::read_dir(cache.join(folder)) else { continue };
        for entry in entries.take(LOOKED_AT).filter_map(Result::ok) {
            let named = entry.file_name().as_encoded_bytes().starts_with(prefix.as_bytes());
            if named && is_old(&entry, age) && is_free(&entry.path()) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

fn is_old(entry: &DirEntry, age: Duration) -> bool {
    let Ok(found) = entry.metadata() else { return false };
    let rested = found.modified().ok().and_then(|time| time.elapsed().ok());
    found.is_file() && rested.is_some_and(|rested| rested > age)
}

fn is_free(path: &Path) -> bool {
    File::open(path).is_ok_and(|file| file.try_lock().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{path::PathBuf, time::SystemTime};

    #[test]
    fn what_is_old_and_free_goes_and_the_rest_stays() {
        let folder = tempfile::tempdir().expect("folder");
        fs::create_dir(folder.path().join("configs")).expect("folder");
        let made = |name: &str, days: u32| -> (PathBuf, File) {
            let path = folder.path().join(name);
            let file = File::create(&path).expect("file");
            file.set_modified(SystemTime::now() - days * DAY).expect("time");
            (path, file)
        };
        let held = made("partial-held", 30);
        held.1.try_lock().expect("lock");
        for (name, days, stays) in [
            ("partial-old", 8, false),
            ("partial-young", 6, true),
            ("blob-old", 2, false),
            ("blob-young", 0, true),
            ("configs/old", 91, false),
            ("configs/young", 89, true),
            ("other", 1000, true),
        ] {
            let (path, file) = made(name, days);
            drop(file);
            sweep(folder.path());
            assert_eq!(path.exists(), stays, "{name}");
        }
        assert!(held.0.exists(), "another process writes it");
    }
}
