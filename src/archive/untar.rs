//! A reader of a tar stream into a new directory: the content of an artifact's directory layer. It
//! writes nothing outside of that directory, whatever the names and links in the stream. The
//! directory is new, so each link in it came from the stream.

use super::tar::reader::{Entry, Kind, Tape};
use crate::{
    Error, ErrorKind, Result,
    limits::{ARTIFACT_ENTRIES, ARTIFACT_RATIO, MIB},
};
use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, BufRead, Read, Write},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

/// Bytes outside of any file's content: headers of [`ARTIFACT_ENTRIES`] entries, with long names.
const OVERHEAD: u64 = 4096 * MIB;

/// The bounds of one stream.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Bytes of the compressed stream.
    pub(crate) packed: u64,
    /// Bytes of all files that may still be written.
    pub(crate) unpacked: u64,
}

/// Unpacks the stream below `root`, an empty directory. Every name must be `base` or below it, as
/// ORAS requires. Returns the bytes of all files.
///
/// # Errors
/// `Invalid` for a name outside of `base`, a link that leads out of it, and a special file; `Limit`
/// for more entries or bytes than the bounds allow; `Io`.
pub(crate) fn untar(input: impl BufRead, root: &Path, base: &str, bounds: Bounds) -> Result<u64> {
    let mut tape = Tape::with_overhead(input, OVERHEAD, |limit| {
        Error::new(ErrorKind::Limit, format!("the tar has more than {limit} bytes of headers"))
    });
    let mut writer = Writer {
        root,
        base: base.split('/').map(str::to_owned).collect(),
        left: bounds.unpacked.min(bounds.packed.max(MIB).saturating_mul(ARTIFACT_RATIO)),
        written: 0,
        modes: BTreeMap::new(),
    };
    let mut entries = 0;
    while let Some(entry) = tape.next()? {
        entries += 1;
        if entries > ARTIFACT_ENTRIES {
            let message = format!("the tar has more than {ARTIFACT_ENTRIES} entries");
            return Err(Error::new(ErrorKind::Limit, message));
        }
        writer.entry(&entry, &mut tape)?;
    }
    tape.finish()?;
    writer.finish()?;
    Ok(writer.written)
}

struct Writer<'a> {
    root: &'a Path,
    base: Vec<String>,
    left: u64,
    written: u64,
    /// The modes of directories, which are set at the end: a directory may refuse writing.
    modes: BTreeMap<PathBuf, u32>,
}

impl Writer<'_> {
    fn entry(&mut self, entry: &Entry, content: &mut impl Read) -> Result<()> {
        if entry.kind == Kind::Global {
            return Ok(());
        }
        let name = self.name(&entry.name)?;
        let path = self.place(&name)?;
        // The last three octal digits are the permissions.
        let mode = u32::try_from(entry.mode & 0o777).unwrap_or(0o644);
        match entry.kind {
            Kind::Directory => {
                self.directory(&path)?;
                self.modes.insert(path, mode);
                Ok(())
            }
            Kind::File => {
                clear(&path)?;
                self.file(&path, mode, entry, content)
            }
            Kind::SymbolicLink => {
                let target = text(&entry.target)?;
                self.check_target(&name, target)?;
                clear(&path)?;
                link(target, &path).map_err(|error| Error::io("create link", &path, error))
            }
            Kind::HardLink => {
                let target = self.place(&self.name(&entry.target)?)?;
                if !fs::symlink_metadata(&target).is_ok_and(|found| found.is_file()) {
                    return Err(Error::invalid(format!(
                        "`{}` is a hard link to `{}`, which is not a file of the same tar",
                        name.join("/"),
                        String::from_utf8_lossy(&entry.target)
                    )));
                }
                clear(&path)?;
                fs::hard_link(&target, &path)
                    .map_err(|error| Error::io("create link", &path, error))
            }
            Kind::Global | Kind::Other(_) => {
                let what = entry.kind.described().unwrap_or("special file");
                Err(Error::invalid(format!("`{}` is a {what}", name.join("/"))))
            }
        }
    }

    /// Returns the segments of an entry's name, all within the base.
    fn name(&self, name: &[u8]) -> Result<Vec<String>> {
        let name = text(name)?;
        let refuse = |why: &str| Error::invalid(format!("the tar has `{name}`, {why}"));
        if name.starts_with('/') {
            return Err(refuse("which is an absolute path"));
        }
        let segments: Vec<String> = name
            .split('/')
            .filter(|segment| !segment.is_empty() && *segment != ".")
            .map(str::to_owned)
            .collect();
        if segments.iter().any(|segment| segment == ".." || segment.contains(['\0', '\\'])) {
            return Err(refuse("which leads out of its directory"));
        }
        if !segments.starts_with(&self.base) {
            return Err(refuse("which is not in the directory of its title"));
        }
        Ok(segments)
    }

    /// Returns the path of an entry, whose parents become directories. A link in place of a parent
    /// is refused, since it could lead anywhere.
    fn place(&self, segments: &[String]) -> Result<PathBuf> {
        let mut path = self.root.to_owned();
        for (at, segment) in segments.iter().enumerate() {
            path.push(segment);
            if at + 1 < segments.len() {
                self.directory(&path)?;
            }
        }
        Ok(path)
    }

    /// Makes sure that a directory exists, which is not a link.
    fn directory(&self, path: &Path) -> Result<()> {
        match fs::symlink_metadata(path) {
            Ok(found) if found.is_dir() => Ok(()),
            Ok(_) => {
                let shown = path.strip_prefix(self.root).unwrap_or(path);
                Err(Error::invalid(format!(
                    "the tar has `{}` both as a directory and as something else",
                    shown.display()
                )))
            }
            Err(_) => {
                fs::create_dir(path).map_err(|error| Error::io("create directory", path, error))
            }
        }
    }

    fn file(
        &mut self,
        path: &Path,
        mode: u32,
        entry: &Entry,
        content: &mut impl Read,
    ) -> Result<()> {
        self.left = self.left.checked_sub(entry.size).ok_or_else(|| {
            Error::new(
                ErrorKind::Limit,
                "the directory unpacks to more bytes than a pull may write".to_owned(),
            )
        })?;
        self.written += entry.size;
        let fail = |error| Error::io("write file", path, error);
        let mut file = create(path, mode).map_err(fail)?;
        let copied = io::copy(content, &mut file).map_err(fail)?;
        if copied != entry.size {
            return Err(Error::invalid("the tar ends within a file"));
        }
        file.flush().map_err(fail)?;
        // Some network file systems refuse times; the bytes are what counts.
        let _ = file.set_modified(time(entry.modified));
        Ok(())
    }

    /// Refuses a symbolic link whose target is outside of the base.
    fn check_target(&self, name: &[String], target: &str) -> Result<()> {
        let refuse = || {
            Error::invalid(format!(
                "the tar has the link `{}` to `{target}`, which is outside of its directory",
                name.join("/")
            ))
        };
        if target.starts_with('/') || target.contains('\\') {
            return Err(refuse());
        }
        let mut at: Vec<&str> =
            name[..name.len().saturating_sub(1)].iter().map(String::as_str).collect();
        for segment in target.split('/') {
            match segment {
                "" | "." => {}
                ".." => {
                    at.pop().ok_or_else(refuse)?;
                }
                other => at.push(other),
            }
        }
        let within = at.len() >= self.base.len() && at.iter().zip(&self.base).all(|(a, b)| a == b);
        if within { Ok(()) } else { Err(refuse()) }
    }

    /// Sets the modes of the directories, the deepest first.
    fn finish(&self) -> Result<()> {
        for (path, mode) in self.modes.iter().rev() {
            set_mode(path, *mode).map_err(|error| Error::io("set the mode of", path, error))?;
        }
        Ok(())
    }
}

/// Removes an earlier entry of the same name: the last one counts, as in other readers.
fn clear(path: &Path) -> Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => Err(Error::invalid(format!(
            "the tar has `{}` both as a directory and as something else",
            path.file_name().unwrap_or_default().to_string_lossy()
        ))),
        Ok(_) => fs::remove_file(path).map_err(|error| Error::io("replace", path, error)),
        Err(_) => Ok(()),
    }
}

fn text(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|_| {
        Error::invalid(format!("the tar has the name {:?}", String::from_utf8_lossy(bytes)))
    })
}

fn time(seconds: i64) -> SystemTime {
    let distance = Duration::from_secs(seconds.unsigned_abs());
    let time = match seconds >= 0 {
        true => SystemTime::UNIX_EPOCH.checked_add(distance),
        false => SystemTime::UNIX_EPOCH.checked_sub(distance),
    };
    time.unwrap_or(SystemTime::UNIX_EPOCH)
}

#[cfg(unix)]
fn create(path: &Path, mode: u32) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    // The system applies the user's mask.
    OpenOptions::new().write(true).create_new(true).mode(mode).open(path)
}

#[cfg(not(unix))]
fn create(path: &Path, _: u32) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}

/// Sets a directory's mode. Its owner can always enter it and write in it, so that the pull can
/// move it into place.
#[cfg(unix)]
fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    // What the directory lacks now, the user's mask forbids.
    let allowed = fs::metadata(path)?.mode();
    fs::set_permissions(path, fs::Permissions::from_mode(mode & allowed | 0o700))
}

#[cfg(not(unix))]
fn set_mode(_: &Path, _: u32) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn link(target: &str, path: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, path)
}

#[cfg(not(unix))]
fn link(_: &str, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tar::{EntryType, Header};

    /// An archive of entries: name, type, target or content.
    fn archive(entries: &[(&str, EntryType, &str)]) -> Vec<u8> {
        let mut out = Vec::new();
        for (name, kind, text) in entries {
            let mut header = Header::new_ustar();
            let fields = header.as_old_mut();
            fields.name[..name.len()].copy_from_slice(name.as_bytes());
            let is_file = *kind == EntryType::Regular;
            if !is_file {
                fields.linkname[..text.len()].copy_from_slice(text.as_bytes());
            }
            header.set_entry_type(*kind);
            header.set_mode(0o755);
            header.set_uid(0);
            header.set_gid(0);
            header.set_mtime(1);
            header.set_size(if is_file { text.len() as u64 } else { 0 });
            header.set_cksum();
            out.extend_from_slice(header.as_bytes());
            if is_file {
                let mut block = text.as_bytes().to_vec();
                block.resize(block.len().div_ceil(512) * 512, 0);
                out.extend_from_slice(&block);
            }
        }
        out.extend_from_slice(&[0; 1024]);
        out
    }

    fn unpack(entries: &[(&str, EntryType, &str)]) -> (tempfile::TempDir, Result<u64>) {
        let root = tempfile::tempdir().expect("folder");
        let bytes = archive(entries);
        let bounds = Bounds { packed: bytes.len() as u64, unpacked: MIB };
        fs::create_dir(root.path().join("new")).expect("folder");
        let result = untar(bytes.as_slice(), &root.path().join("new"), "d", bounds);
        (root, result)
    }

    #[test]
    fn files_directories_and_links_within_are_written() {
        let (root, result) = unpack(&[
            ("d", EntryType::Directory, ""),
            ("d/a", EntryType::Regular, "text"),
            ("d/sub", EntryType::Directory, ""),
            ("d/sub/up", EntryType::Symlink, "../a"),
            ("d/twin", EntryType::Link, "d/a"),
        ]);
        assert_eq!(result.expect("unpacked"), 4);
        for file in ["d/a", "d/sub/up", "d/twin"] {
            let text = fs::read_to_string(root.path().join("new").join(file)).expect(file);
            assert_eq!(text, "text", "{file}");
        }
    }

    #[test]
    fn nothing_leads_out_of_the_directory() {
        use EntryType::{Directory, Fifo, Link, Regular, Symlink};
        for (what, entries) in [
            ("a name with dots", vec![("d/../../x", Regular, "x")]),
            ("an absolute name", vec![("/x", Regular, "x")]),
            ("another directory", vec![("e/x", Regular, "x")]),
            ("a name like the base", vec![("dd", Regular, "x")]),
            ("a link to the parent", vec![("d/l", Symlink, "../../x")]),
            ("a link to the root", vec![("d/l", Symlink, "/etc")]),
            ("a link beside the base", vec![("d/l", Symlink, "../e")]),
            (
                "a file through a link",
                vec![("d/s", Directory, ""), ("d/l", Symlink, "s"), ("d/l/x", Regular, "x")],
            ),
            ("a hard link to nothing", vec![("d/l", Link, "d/none")]),
            ("a hard link out", vec![("d/l", Link, "../x")]),
            ("a hard link to a link", vec![("d/l", Symlink, "x"), ("d/h", Link, "d/l")]),
            (
                "a hard link through a link",
                vec![("d/s", Directory, ""), ("d/l", Symlink, "s"), ("d/h", Link, "d/l/x")],
            ),
            ("a fifo", vec![("d/p", Fifo, "")]),
            ("a file in place of a directory", vec![("d/a", Directory, ""), ("d/a", Regular, "x")]),
            (
                "a directory in place of a file",
                vec![("d/a", Regular, "x"), ("d/a/b", Regular, "x")],
            ),
        ] {
            let (root, result) = unpack(&entries);
            assert!(result.is_err(), "{what}");
            let others: Vec<_> = fs::read_dir(root.path()).expect("folder").collect();
            assert_eq!(others.len(), 1, "{what}");
        }
    }

    #[test]
    fn a_bomb_ends_at_the_bound() {
        let text = "x".repeat(1 << 20) + "y";
        let (_root, result) = unpack(&[("d/a", EntryType::Regular, &text)]);
        assert_eq!(result.expect_err("too much").kind(), ErrorKind::Limit);
    }
}
