//! The move of pulled files into their folder: all or none. Whatever fails, the folder has its old
//! files again.

use crate::{Error, ErrorKind, Result};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// The treatment of existing files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OldFiles {
    /// Replace them.
    #[default]
    Replace,
    /// Refuse the pull, and keep them.
    Keep,
}

/// A file or folder to move to its place below the target folder.
#[derive(Clone, Debug)]
pub(super) struct Move {
    pub(super) from: PathBuf,
    pub(super) segments: Vec<String>,
}

/// Moves everything to its place below `target`. `aside` is an empty folder of the same file
/// system, for the old files meanwhile.
///
/// # Errors
/// `Conflict` for a file that must be kept, and for a folder or link in the place of a file or of a
/// folder; `Io`. The target folder is as it was then.
pub(super) fn move_all(
    moves: &[Move],
    target: &Path,
    aside: &Path,
    old_files: OldFiles,
) -> Result<()> {
    let mut plan = Vec::new();
    for one in moves {
        expand(&one.from, &place(target, &one.segments), &mut plan)?;
    }
    if old_files == OldFiles::Keep
        && let Some((_, to)) = plan.iter().find(|(_, to)| fs::symlink_metadata(to).is_ok())
    {
        return Err(Error::new(
            ErrorKind::Conflict,
            format!("`{}` exists, and old files are to be kept", to.display()),
        ));
    }
    let mut undo = Undo { target, done: Vec::new(), is_kept: false };
    for (at, (from, to)) in plan.iter().enumerate() {
        undo.folders(to)?;
        if fs::symlink_metadata(to).is_ok() {
            let old = aside.join(at.to_string());
            fs::rename(to, &old).map_err(|error| Error::io("replace file", to, error))?;
            undo.done.push(Step::Replaced { old, place: to.clone() });
        }
        fs::rename(from, to).map_err(|error| Error::io("write file", to, error))?;
        undo.done.push(Step::Moved { place: to.clone(), from: from.clone() });
    }
    undo.is_kept = true;
    Ok(())
}

/// Returns the path of a title.
pub(super) fn place(target: &Path, segments: &[String]) -> PathBuf {
    segments.iter().fold(target.to_owned(), |path, segment| path.join(segment))
}

/// Adds the moves of a file, or of a folder: in one step where nothing is, else of each of its
/// files.
fn expand(from: &Path, to: &Path, plan: &mut Vec<(PathBuf, PathBuf)>) -> Result<()> {
    let fail = |error| Error::io("list folder", from, error);
    let is_folder = fs::symlink_metadata(from).map_err(fail)?.is_dir();
    match fs::symlink_metadata(to) {
        Err(_) => plan.push((from.to_owned(), to.to_owned())),
        Ok(there) if is_folder && there.is_dir() => {
            let mut entries: Vec<_> =
                fs::read_dir(from).map_err(fail)?.collect::<io::Result<_>>().map_err(fail)?;
            entries.sort_by_key(fs::DirEntry::file_name);
            for entry in entries {
                expand(&entry.path(), &to.join(entry.file_name()), plan)?;
            }
        }
        Ok(there) if is_folder || there.is_dir() => {
            let what = if is_folder { "is not a folder" } else { "is a folder" };
            return Err(Error::new(ErrorKind::Conflict, format!("`{}` {what}", to.display()))
                .with_hint("remove it, or pull into another folder"));
        }
        Ok(_) => plan.push((from.to_owned(), to.to_owned())),
    }
    Ok(())
}

/// A change of the target folder.
enum Step {
    /// A folder was made.
    Made(PathBuf),
    /// An old file was set aside.
    Replaced { old: PathBuf, place: PathBuf },
    /// A new file is in its place.
    Moved { place: PathBuf, from: PathBuf },
}

/// The changes so far, which are taken back unless they are kept.
struct Undo<'a> {
    target: &'a Path,
    done: Vec<Step>,
    is_kept: bool,
}

impl Undo<'_> {
    /// Makes the folders above a place. A link in place of a folder is refused, since an earlier
    /// artifact may have put it there.
    fn folders(&mut self, place: &Path) -> Result<()> {
        let parent = place.parent().unwrap_or(place);
        let below: PathBuf = parent.strip_prefix(self.target).unwrap_or(Path::new("")).into();
        let mut path = self.target.to_owned();
        for part in below.components() {
            path.push(part);
            if part.as_os_str() == ".." {
                continue;
            }
            match fs::symlink_metadata(&path) {
                Ok(found) if found.is_dir() => {}
                Ok(_) => {
                    let message = format!("`{}` is not a folder", path.display());
                    return Err(Error::new(ErrorKind::Conflict, message)
                        .with_hint("remove it, or pull into another folder"));
                }
                Err(_) => {
                    fs::create_dir(&path)
                        .map_err(|error| Error::io("create folder", &path, error))?;
                    self.done.push(Step::Made(path.clone()));
                }
            }
        }
        Ok(())
    }
}

impl Drop for Undo<'_> {
    fn drop(&mut self) {
        if self.is_kept {
            return;
        }
        // A failure here leaves a file where it is; the error of the pull is what counts.
        for step in self.done.drain(..).rev() {
            let _ = match step {
                Step::Made(folder) => fs::remove_dir(folder),
                Step::Replaced { old, place } => fs::rename(old, place),
                Step::Moved { place, from } => fs::rename(place, from),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(root: &Path, name: &str, text: &str) {
        let path = root.join(name);
        fs::create_dir_all(path.parent().expect("parent")).expect("folder");
        fs::write(path, text).expect("file");
    }

    fn segments(path: &str) -> Vec<String> {
        path.split('/').map(str::to_owned).collect()
    }

    /// Every file below a folder with its text.
    fn content(root: &Path) -> Vec<String> {
        let mut all = Vec::new();
        let mut folders = vec![root.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).expect("folder") {
                let path = entry.expect("entry").path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let name = path.strip_prefix(root).expect("below").display().to_string();
                    all.push(format!("{name}={}", fs::read_to_string(&path).expect("text")));
                }
            }
        }
        all.sort();
        all
    }

    fn pulled(old_files: OldFiles, block: Option<&str>) -> (Result<()>, Vec<String>) {
        let root = tempfile::tempdir().expect("folder");
        let (new, target) = (root.path().join("new"), root.path().join("target"));
        let aside = root.path().join("aside");
        fs::create_dir(&aside).expect("folder");
        file(&new, "0", "new a");
        file(&new, "1/x", "new x");
        file(&new, "1/sub/y", "new y");
        file(&target, "a", "old a");
        file(&target, "d/x", "old x");
        file(&target, "d/other", "other");
        if let Some(block) = block {
            file(&target, block, "in the way");
        }
        let moves = [
            Move { from: new.join("0"), segments: segments("a") },
            Move { from: new.join("1"), segments: segments("d") },
        ];
        let result = move_all(&moves, &target, &aside, old_files);
        (result, content(&target))
    }

    #[test]
    fn folders_are_merged_and_files_replaced() {
        let (result, content) = pulled(OldFiles::Replace, None);
        result.expect("moved");
        assert_eq!(content, ["a=new a", "d/other=other", "d/sub/y=new y", "d/x=new x"]);
    }

    #[test]
    fn what_fails_leaves_every_old_file() {
        for (old_files, block) in [
            (OldFiles::Keep, None),
            // A folder in the place of a file, and a file in the place of a folder.
            (OldFiles::Replace, Some("d/sub")),
        ] {
            let (result, content) = pulled(old_files, block);
            assert_eq!(result.expect_err("refused").kind(), ErrorKind::Conflict);
            assert!(content.contains(&"a=old a".to_owned()), "{content:?}");
            assert!(content.contains(&"d/x=old x".to_owned()), "{content:?}");
            assert!(!content.iter().any(|file| file.contains("new")), "{content:?}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn what_was_done_before_a_failure_is_taken_back() {
        let root = tempfile::tempdir().expect("folder");
        let (new, target) = (root.path().join("new"), root.path().join("target"));
        let aside = root.path().join("aside");
        fs::create_dir(&aside).expect("folder");
        file(&new, "0", "new a");
        file(&new, "1", "new b");
        file(&target, "a", "old a");
        std::os::unix::fs::symlink("/nowhere", target.join("link")).expect("link");
        let moves = [
            Move { from: new.join("0"), segments: segments("a") },
            Move { from: new.join("1"), segments: segments("made/b") },
            Move { from: new.join("1"), segments: segments("link/b") },
        ];
        let error = move_all(&moves, &target, &aside, OldFiles::Replace).expect_err("a link");
        assert!(error.to_string().contains("link` is not a folder"), "{error}");
        assert_eq!(fs::read_to_string(target.join("a")).expect("old"), "old a");
        assert!(!target.join("made").exists());
    }
}
