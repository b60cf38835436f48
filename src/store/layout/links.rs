//! Symbolic links in a layout. A file that is written through a link is outside of the layout. No
//! tool that writes layouts makes links of their folders.

use crate::{Error, Result};
use std::{fs, path::Path};

/// Refuses paths of a layout that are symbolic links.
///
/// # Errors
/// `Invalid`.
pub(super) fn refuse<'p>(root: &Path, paths: impl IntoIterator<Item = &'p str>) -> Result<()> {
    for path in paths {
        let path = root.join(path);
        if fs::symlink_metadata(&path).is_ok_and(|found| found.is_symlink()) {
            let path = path.display();
            let message = format!("`{path}` is a symbolic link, which a write does not follow");
            return Err(Error::invalid(message).with_hint(
                "copy the layout with its links followed, such as by `cp -RL`, and use the copy",
            ));
        }
    }
    Ok(())
}
