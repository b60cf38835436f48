//! A folder of archives, which opens the files and has the common part of their URLs. With 40,000
//! archives, resolving each full path would be a large part of the work.

use super::sidecar::Stamp;
use crate::index::url;
use std::{ffi::OsStr, fs::File, io, path::PathBuf, sync::OnceLock};

/// A folder of archives.
#[derive(Debug)]
pub(super) struct Folder {
    place: PathBuf,
    /// The path below the indexed folder. It is empty for the indexed folder itself.
    pub(super) name: String,
    #[cfg(unix)]
    handle: Option<std::os::fd::OwnedFd>,
    joined: OnceLock<Joined>,
}

/// The number of archives from which it is worthwhile to keep the folder open.
#[cfg(unix)]
const WORTH: usize = 16;
/// The maximum number of open folders. A process may have 1024 files open, and often only 256.
#[cfg(unix)]
pub(super) const HELD: usize = 64;

impl Folder {
    /// Opens the folder at `place`, which has this many archives. It stays open if `left` allows
    /// one more open folder.
    pub(super) fn new(place: PathBuf, name: String, archives: usize, left: &mut usize) -> Self {
        #[cfg(unix)]
        let handle = if archives >= WORTH && *left > 0 {
            use rustix::fs::{Mode, OFlags};
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            *left -= 1;
            rustix::fs::open(&place, flags, Mode::empty()).ok()
        } else {
            None
        };
        #[cfg(not(unix))]
        let _ = (archives, left);
        Self {
            place,
            name,
            #[cfg(unix)]
            handle,
            joined: OnceLock::new(),
        }
    }

    /// Returns the path of a file.
    pub(super) fn path(&self, file: &OsStr) -> PathBuf {
        self.place.join(file)
    }

    /// Returns the stamp of a file in the folder, if it exists.
    pub(super) fn stamp(&self, file: &OsStr) -> Option<Stamp> {
        #[cfg(unix)]
        if let Some(handle) = &self.handle {
            let found = rustix::fs::statat(handle, file, rustix::fs::AtFlags::empty()).ok()?;
            return Some(Stamp::from_stat(&found));
        }
        Stamp::of(&self.path(file))
    }

    /// Opens a file in it.
    pub(super) fn open(&self, file: &OsStr) -> io::Result<File> {
        #[cfg(unix)]
        if let Some(handle) = &self.handle {
            use rustix::fs::{Mode, OFlags};
            let flags = OFlags::RDONLY | OFlags::CLOEXEC;
            return Ok(rustix::fs::openat(handle, file, flags, Mode::empty())?.into());
        }
        File::open(self.path(file))
    }

    /// Returns the URL of a file in the folder, for an index with this base.
    pub(super) fn url(&self, base: &str, file: &str) -> String {
        let joined = self.joined.get_or_init(|| Joined::new(base, &self.name));
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        match &joined.around {
            Some((before, after)) if joined.base == base && file.bytes().all(is_word) => {
                [before, file, after].concat()
            }
            _ => url_of(base, &self.name, file),
        }
    }
}

/// The prefix and suffix of a folder's file names in their URLs.
#[derive(Debug)]
struct Joined {
    base: String,
    around: Option<(String, String)>,
}

impl Joined {
    fn new(base: &str, folder: &str) -> Self {
        /// A placeholder for any file.
        const FILE: &str = "chartferry-0.0.0-name.tgz";
        let text = url_of(base, folder, FILE);
        let around = text.split_once(FILE).filter(|(_, after)| !after.contains(FILE));
        let around = around.map(|(before, after)| (before.to_owned(), after.to_owned()));
        Self { base: base.to_owned(), around }
    }
}

fn url_of(base: &str, folder: &str, file: &str) -> String {
    let folder = url::join(base, &[folder]);
    if folder.is_empty() { file.to_owned() } else { url::join(&folder, &[file]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_what_joining_each_by_itself_gives() {
        for base in [
            "",
            "charts",
            "./a//b/../c",
            "https://example.com",
            "https://example.com/a/?token=1#x",
            "http://example.com/a%2fb/ c",
            "http://chartferry-0.0.0-name.tgz/",
            "https://example.com/chartferry-0.0.0-name.tgz",
            ":bad",
            "a:b",
        ] {
            for name in ["", "sub", "a b", "..", "%41"] {
                let folder = Folder::new(PathBuf::new(), name.to_owned(), 0, &mut 0);
                folder.url(base, "first.tgz");
                for file in ["demo-1.0.0.tgz", "..tgz", "a+b.tgz", "a b.tgz", "%.tgz", "é.tgz"] {
                    let expected = url_of(base, name, file);
                    assert_eq!(folder.url(base, file), expected, "{base} {name} {file}");
                    assert_eq!(folder.url("other", file), url_of("other", name, file));
                }
            }
        }
    }
}
