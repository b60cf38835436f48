//! A chart's archive on its way, in memory or in a file, and how a file is written whole or not at all.

use crate::{Error, Result, store::BlobFile};
use bytes::Bytes;
use std::{
    fs::File,
    io::{self, Cursor, Read, Write},
    path::Path,
};

/// A chart's archive, verified.
#[derive(Clone, Debug)]
pub enum Archive {
    /// Small enough for memory.
    Memory(Bytes),
    /// A file.
    File(BlobFile),
}

impl Archive {
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
        write_file(path, |file| match self {
            Self::Memory(bytes) => file.write_all(bytes),
            Self::File(blob) => io::copy(&mut File::open(blob.path())?, file).map(drop),
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
    let mut temporary =
        tempfile::Builder::new().prefix(".chartferry-").tempfile_in(folder).map_err(fail)?;
    write(temporary.as_file_mut()).map_err(fail)?;
    share(temporary.as_file()).map_err(fail)?;
    temporary.as_file().sync_all().map_err(fail)?;
    temporary.persist(path).map_err(|error| Error::io("write", path, error.error))?;
    Ok(())
}

/// A temporary file is private; what a user asked for has mode 0644, as with Helm.
#[cfg(unix)]
fn share(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(std::fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn share(_file: &File) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

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
}
