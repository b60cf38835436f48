//! A writer of a directory as a tar stream, byte for byte as ORAS writes it with Go's
//! `filepath.Walk` and `archive/tar`: each directory before its content, the names of a directory
//! in byte order, no slash after a directory's name, no owner, times rounded to the nearest second.
//! Symbolic links stay links, and each hard link becomes a file of its own.

use super::tar::header_write::{self, Member, MemberKind};
use crate::{Error, ErrorKind, Result, limits::ARTIFACT_ENTRIES};
use std::{
    fs::{self, File, Metadata},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

/// Bytes of one read of a file.
const BUFFER: usize = 256 * 1024;

/// A file, directory or link to write.
#[derive(Debug)]
struct Found {
    path: PathBuf,
    /// The name in the archive, with `/`.
    name: String,
    metadata: Metadata,
}

/// The content of a directory, listed and found writable. Nothing was read yet.
#[derive(Debug)]
pub(crate) struct DirectoryTar(Vec<Found>);

impl DirectoryTar {
    /// Lists the directory at `root`, whose name in the archive is `name`.
    ///
    /// # Errors
    /// `Invalid` for a fifo, a socket or a device, and for a name that is not UTF-8; `Limit` for
    /// more than [`ARTIFACT_ENTRIES`] entries; `Io`.
    pub(crate) fn list(root: &Path, name: &str) -> Result<Self> {
        let mut all = Vec::new();
        // The directory itself may be a link; its content may not lead anywhere.
        let metadata =
            fs::metadata(root).map_err(|error| Error::input("read directory", root, error))?;
        walk(Found { path: root.to_owned(), name: name.to_owned(), metadata }, &mut all)?;
        Ok(Self(all))
    }

    /// Writes the tar stream.
    ///
    /// # Errors
    /// `Invalid` for a file whose size changes meanwhile; `Io`.
    pub(crate) fn write(&self, mut out: impl Write) -> Result<()> {
        let mut header = Vec::new();
        let mut buffer = vec![0; BUFFER];
        let failed = |error| Error::new(ErrorKind::Io, "cannot write the tar").with_source(error);
        for found in &self.0 {
            header.clear();
            let target = link_target(found)?;
            let kind = match &target {
                Some(target) => MemberKind::Link(target),
                None if found.metadata.is_dir() => MemberKind::Directory,
                None => MemberKind::File,
            };
            let size = if kind == MemberKind::File { found.metadata.len() } else { 0 };
            header_write::write_member(
                &mut header,
                &Member {
                    name: &found.name,
                    kind,
                    mode: mode(&found.metadata),
                    size,
                    modified: modified(&found.metadata),
                },
            );
            out.write_all(&header).map_err(failed)?;
            if kind != MemberKind::File {
                continue;
            }
            copy(found, size, &mut out, &mut buffer)?;
            header.clear();
            header_write::pad(&mut header, size);
            out.write_all(&header).map_err(failed)?;
        }
        header.clear();
        header_write::end(&mut header);
        out.write_all(&header).map_err(failed)
    }
}

/// Adds an entry and, for a directory, everything below it.
fn walk(found: Found, all: &mut Vec<Found>) -> Result<()> {
    if all.len() >= ARTIFACT_ENTRIES {
        let message =
            format!("`{}` has more than {ARTIFACT_ENTRIES} entries", all[0].path.display());
        return Err(Error::new(ErrorKind::Limit, message));
    }
    let kind = found.metadata.file_type();
    if !(kind.is_file() || kind.is_dir() || kind.is_symlink()) {
        let message = format!("`{}` is {}", found.path.display(), special(kind));
        return Err(Error::invalid(message)
            .with_hint("an artifact holds files, directories and symbolic links"));
    }
    let (path, name) = (found.path.clone(), found.name.clone());
    all.push(found);
    if !kind.is_dir() {
        return Ok(());
    }
    let fail = |error| Error::io("list directory", &path, error);
    let mut names = Vec::new();
    for entry in fs::read_dir(&path).map_err(fail)? {
        let entry = entry.map_err(fail)?;
        let own = entry.file_name().into_string().map_err(|own| {
            let shown = path.join(own);
            Error::invalid(format!("the name of `{}` is not UTF-8", shown.display()))
        })?;
        names.push(own);
    }
    names.sort_unstable();
    for own in names {
        let path = path.join(&own);
        let metadata = fs::symlink_metadata(&path)
            .map_err(|error| Error::io("read the properties of", &path, error))?;
        walk(Found { path, name: format!("{name}/{own}"), metadata }, all)?;
    }
    Ok(())
}

#[cfg(unix)]
fn special(kind: fs::FileType) -> &'static str {
    use std::os::unix::fs::FileTypeExt as _;
    if kind.is_fifo() {
        "a fifo"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}

#[cfg(not(unix))]
fn special(_: fs::FileType) -> &'static str {
    "neither a file nor a directory"
}

fn link_target(found: &Found) -> Result<Option<String>> {
    if !found.metadata.is_symlink() {
        return Ok(None);
    }
    let target = fs::read_link(&found.path)
        .map_err(|error| Error::io("read the link", &found.path, error))?;
    match target.to_str() {
        Some(target) => Ok(Some(target.to_owned())),
        None => {
            let message = format!("the target of `{}` is not UTF-8", found.path.display());
            Err(Error::invalid(message))
        }
    }
}

/// Copies exactly the bytes that the header announced.
fn copy(found: &Found, size: u64, out: &mut impl Write, buffer: &mut [u8]) -> Result<()> {
    let path = &found.path;
    let fail = |error: io::Error| Error::io("read file", path, error);
    let mut file = File::open(path).map_err(fail)?;
    let mut left = size;
    loop {
        let read = file.read(buffer).map_err(fail)?;
        match left.checked_sub(read as u64) {
            Some(_) if read == 0 && left > 0 => return Err(changed(path)),
            Some(_) if read == 0 => return Ok(()),
            None => return Err(changed(path)),
            Some(rest) => left = rest,
        }
        out.write_all(&buffer[..read]).map_err(|error| {
            Error::new(ErrorKind::Io, "cannot write the tar").with_source(error)
        })?;
    }
}

fn changed(path: &Path) -> Error {
    Error::invalid(format!("the size of `{}` changed while it was read", path.display()))
}

#[cfg(unix)]
fn mode(metadata: &Metadata) -> u32 {
    use std::os::unix::fs::MetadataExt as _;
    metadata.mode() & 0o7777
}

#[cfg(not(unix))]
fn mode(metadata: &Metadata) -> u32 {
    if metadata.is_dir() { 0o755 } else { 0o644 }
}

/// Returns the modification time in Unix seconds, rounded to the nearest second as Go rounds it.
fn modified(metadata: &Metadata) -> i64 {
    const HALF: Duration = Duration::from_millis(500);
    let Ok(time) = metadata.modified() else { return 0 };
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => i64::try_from((since + HALF).as_secs()).unwrap_or(0),
        // Before 1970 a half rounds up too.
        Err(before) => {
            let before = before.duration();
            let whole = i64::try_from(before.as_secs()).unwrap_or(0);
            let more = Duration::from_nanos(before.subsec_nanos().into()) > HALF;
            -(whole + i64::from(more))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(root: &Path) -> Vec<String> {
        let tar = DirectoryTar::list(root, "d").expect("list");
        tar.0.iter().map(|found| found.name.clone()).collect()
    }

    #[test]
    fn a_directory_is_walked_as_go_walks_it() {
        let root = tempfile::tempdir().expect("folder");
        fs::create_dir_all(root.path().join("a/b")).expect("folder");
        for file in ["a.txt", "a/x", "a/b/y", "B"] {
            fs::write(root.path().join(file), file).expect("file");
        }
        let expected = ["d", "d/B", "d/a", "d/a/b", "d/a/b/y", "d/a/x", "d/a.txt"];
        assert_eq!(names(root.path()), expected);
    }

    #[cfg(unix)]
    #[test]
    fn a_fifo_is_refused_by_name_before_anything_is_written() {
        let root = tempfile::tempdir().expect("folder");
        let path = root.path().join("pipe");
        let made = rustix::fs::mknodat(
            rustix::fs::CWD,
            &path,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::from_raw_mode(0o600),
            0,
        );
        made.expect("fifo");
        let error = DirectoryTar::list(root.path(), "d").expect_err("a fifo");
        assert!(error.to_string().contains("pipe` is a fifo"), "{error}");
    }
}
