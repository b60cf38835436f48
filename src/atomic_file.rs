//! Files that are written whole or not at all: a temporary file beside the target, synced, then
//! renamed over it. A crash leaves the old file or the new one.

use crate::{Error, Result};
use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::Path,
    time::Duration,
};
use tempfile::NamedTempFile;

/// The users that may read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Readers {
    /// The owner alone (0600), for credentials.
    Owner,
    /// All users (0644), as with Helm, for a file that the user asked for.
    All,
}

/// The moment at which a file reaches the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sync {
    /// The moment before the file gets its name.
    Now,
    /// Some later moment. A crash may lose the file.
    Whenever,
}

/// Writes and flushes a file that all users may read.
///
/// # Errors
/// `Io`, with the path.
pub(crate) fn write_file(
    path: &Path,
    fill: impl FnOnce(&mut File) -> io::Result<()>,
) -> Result<()> {
    replace(path, Readers::All, Sync::Now, fill).map_err(|error| Error::io("write", path, error))
}

/// Replaces the file at `path`. The folder must exist.
///
/// # Errors
/// The first error of `fill` or of the system.
pub(crate) fn replace(
    path: &Path,
    readers: Readers,
    sync: Sync,
    fill: impl FnOnce(&mut File) -> io::Result<()>,
) -> io::Result<()> {
    let mut temporary = unfinished(folder_of(path), None)?;
    fill(temporary.as_file_mut())?;
    if readers == Readers::All {
        share(temporary.as_file())?;
    }
    if sync == Sync::Now {
        temporary.as_file().sync_all()?;
    }
    temporary.persist(path).map(drop).map_err(|error| error.error)
}

/// Passes a buffered writer to `fill`.
pub(crate) fn buffered(
    fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> impl FnOnce(&mut File) -> io::Result<()> {
    /// Bytes of one write to the system.
    const BUFFER: usize = 256 * 1024;
    move |file| {
        let mut out = BufWriter::with_capacity(BUFFER, file);
        fill(&mut out)?;
        out.flush()
    }
}

/// Returns the folder of a path: `.` for a bare name, whose parent is an empty path.
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The prefix of an unfinished file's name.
const UNFINISHED: &str = ".chartferry-new-";
/// The age below which an unfinished file may not be locked yet.
const TO_BE_LOCKED: Duration = Duration::from_secs(2);

/// Creates a file in `folder` that gets its name when it is complete. Its writer locks it, so that
/// [`sweep`] finds the files of killed runs. Without `permissions`, only the owner may read it.
///
/// # Errors
/// The system's error.
pub(crate) fn unfinished(
    folder: &Path,
    permissions: Option<fs::Permissions>,
) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(UNFINISHED);
    if let Some(permissions) = permissions {
        builder.permissions(permissions);
    }
    let temporary = builder.tempfile_in(folder)?;
    // On systems without locks, nothing is swept either.
    let _ = temporary.as_file().try_lock();
    Ok(temporary)
}

/// Removes the files of killed runs in `folder`: unfinished files without a writer.
pub(crate) fn sweep(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let named = |entry: &fs::DirEntry| {
        entry.file_name().as_encoded_bytes().starts_with(UNFINISHED.as_bytes())
            && entry.file_type().is_ok_and(|kind| kind.is_file())
    };
    for path in entries.filter_map(Result::ok).filter(named).map(|entry| entry.path()) {
        let Ok(file) = File::open(&path) else { continue };
        let modified = file.metadata().and_then(|found| found.modified());
        let rested = modified.ok().and_then(|time| time.elapsed().ok());
        if rested.is_some_and(|rested| rested > TO_BE_LOCKED) && file.try_lock().is_ok() {
            // The next sweep tries again.
            let _ = fs::remove_file(path);
        }
    }
}

/// Sets the mode 0644, as Helm does for a file that the user asked for. A temporary file is
/// private.
#[cfg(unix)]
fn share(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn share(_file: &File) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_written_whole_or_not_at_all() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("x");
        let fail = |file: &mut File| {
            file.write_all(b"half")?;
            Err(io::Error::other("cut"))
        };
        write_file(&path, fail).expect_err("cut");
        assert_eq!(fs::read_dir(folder.path()).expect("folder").count(), 0);
        write_file(&path, |file| file.write_all(b"whole")).expect("written");
        assert_eq!(fs::read(&path).expect("read"), b"whole");
    }

    #[test]
    fn only_what_nobody_writes_any_more_is_swept() {
        let folder = tempfile::tempdir().expect("folder");
        let made = |age: u64, held: bool| {
            let file = unfinished(folder.path(), None).expect("file");
            let modified = std::time::SystemTime::now() - Duration::from_secs(age);
            file.as_file().set_modified(modified).expect("time");
            let path = file.path().to_owned();
            (
                path,
                if held {
                    Some(file)
                } else {
                    drop(file.keep().expect("kept"));
                    None
                },
            )
        };
        let (left, held, young) = (made(60, false), made(60, true), made(0, false));
        let other = folder.path().join(".chartferry-index");
        fs::write(&other, "").expect("file");
        sweep(folder.path());
        let there = [&left.0, &held.0, &young.0, &other].map(|path| path.exists());
        assert_eq!(there, [false, true, true, true]);
    }
}
