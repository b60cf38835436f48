//! A chart's archive on its way, in memory or in a file, and how a file is written whole or not at
//! all.

use crate::{
    Error, ErrorKind, Result,
    limits::Limits,
    oci::Descriptor,
    store::{BlobFile, Fetch},
};
use bytes::Bytes;
use std::{
    fs::{self, File},
    io::{self, Cursor, Read, Write},
    path::Path,
    time::{Duration, SystemTime},
};
use tempfile::NamedTempFile;

/// A chart's archive, verified.
#[derive(Clone, Debug)]
pub enum ChartBytes {
    /// Small enough for memory.
    Memory(Bytes),
    /// A file.
    File(BlobFile),
}

/// Refuses a blob that is too large to be a chart's archive. It checks every blob before a download
/// to a file, because a registry may claim and send any size.
///
/// # Errors
/// `Limit` if the blob is too large.
pub fn check_size(blob: &Descriptor, limits: &Limits) -> Result<()> {
    if blob.size <= limits.archive_bytes {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Limit,
        format!(
            "the chart's layer has {} bytes, more than the limit of {}",
            blob.size, limits.archive_bytes
        ),
    ))
}

impl ChartBytes {
    /// Downloads a chart's archive to memory, or to a file if it is large.
    ///
    /// # Errors
    /// `Limit` before the first request if it is too large; any error of the store.
    pub async fn fetch<R: Fetch>(
        repository: &R,
        blob: &Descriptor,
        limits: &Limits,
    ) -> Result<Self> {
        check_size(blob, limits)?;
        Ok(if blob.size <= limits.memory_blob {
            Self::Memory(repository.fetch_blob(blob, limits.memory_blob).await?)
        } else {
            Self::File(repository.fetch_blob_file(blob).await?)
        })
    }

    /// Reads it from the start.
    ///
    /// # Errors
    /// `Io` when its file cannot be opened.
    pub fn reader(&self) -> Result<Box<dyn Read + Send>> {
        match self {
            Self::Memory(bytes) => Ok(Box::new(Cursor::new(bytes.clone()))),
            Self::File(file) => {
                let path = file.path();
                Ok(Box::new(
                    File::open(path).map_err(|error| Error::io("open archive", path, error))?,
                ))
            }
        }
    }

    /// Writes it to `path`: a temporary file beside it, synced, then renamed over what was there.
    ///
    /// # Errors
    /// `Io`, naming the path.
    pub fn save(&self, path: &Path) -> Result<()> {
        self.save_dated(path, None)
    }

    /// Saves as [`ChartBytes::save`] does, and sets the file's modification time. `None` keeps the
    /// file system's time.
    ///
    /// # Errors
    /// As [`ChartBytes::save`].
    pub fn save_dated(&self, path: &Path, modified: Option<SystemTime>) -> Result<()> {
        write_file(path, |file| {
            match self {
                Self::Memory(bytes) => file.write_all(bytes)?,
                Self::File(blob) => io::copy(&mut File::open(blob.path())?, file).map(drop)?,
            }
            // Some network file systems refuse times; the bytes are what counts.
            let _ = modified.map(|time| file.set_modified(time));
            Ok(())
        })
    }
}

/// Writes a file whole or not at all, readable by all.
///
/// # Errors
/// `Io`, naming the path.
pub fn write_file(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> Result<()> {
    let folder =
        path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let fail = |error| Error::io("write", path, error);
    let mut temporary = unfinished(folder, None).map_err(fail)?;
    write(temporary.as_file_mut()).map_err(fail)?;
    share(temporary.as_file()).map_err(fail)?;
    temporary.as_file().sync_all().map_err(fail)?;
    temporary.persist(path).map_err(|error| Error::io("write", path, error.error))?;
    Ok(())
}

/// The prefix of an unfinished file's name.
const UNFINISHED: &str = ".chartferry-new-";
/// An unfinished file that is younger may not be locked yet.
const TO_BE_LOCKED: Duration = Duration::from_secs(2);

/// A file in `folder` that gets its name once it is complete. It is locked for as long as somebody
/// writes it, so that [`sweep`] knows what was left behind. Without `permissions` it is private.
///
/// # Errors
/// That of making it.
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
    // Where there are no locks nothing is swept either.
    let _ = temporary.as_file().try_lock();
    Ok(temporary)
}

/// Removes what killed runs left in `folder`: unfinished files that nobody writes.
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
            // What stays is swept by the next.
            let _ = fs::remove_file(path);
        }
    }
}

/// A temporary file is private; what a user asked for has mode 0644, as with Helm.
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
