//! The check of titles before anything is written: where each file of a pull would go.

use crate::{Error, ErrorKind, Result, limits::TITLE_SEGMENT_BYTES};
use std::collections::{BTreeMap, HashSet};

/// The treatment of titles with `..`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Traversal {
    /// Refuse them.
    #[default]
    Refuse,
    /// Write outside of the folder where a title says so.
    Allow,
}

/// Returns the segments of each title, in their order.
///
/// # Errors
/// `Invalid`, with the title, for a title that is no relative path of usual names, for two equal
/// titles, and for a title that is a folder of another. Titles that differ only by case are equal
/// on many file systems, so these are refused too.
pub(super) fn check(titles: &[&str], traversal: Traversal) -> Result<Vec<Vec<String>>> {
    let mut all = Vec::with_capacity(titles.len());
    let mut files: BTreeMap<Vec<String>, &str> = BTreeMap::new();
    for title in titles {
        let segments = segments(title, traversal)?;
        let folded = segments.iter().map(|segment| segment.to_lowercase()).collect();
        if let Some(other) = files.insert(folded, title) {
            let message = format!("two layers have the titles `{other}` and `{title}`");
            return Err(Error::invalid(message).with_hint("one file would replace the other"));
        }
        all.push(segments);
    }
    let folders: HashSet<&[String]> =
        files.keys().flat_map(|file| (1..file.len()).map(move |length| &file[..length])).collect();
    match files.iter().find(|(file, _)| folders.contains(file.as_slice())) {
        None => Ok(all),
        Some((_, title)) => Err(Error::invalid(format!(
            "the title `{title}` is both a file and the folder of another title"
        ))),
    }
}

fn segments(title: &str, traversal: Traversal) -> Result<Vec<String>> {
    let refuse = |why: &str| {
        Error::invalid(format!("the title `{title}` {why}"))
            .with_hint("nothing was written; a single layer can be written to a file of any name")
    };
    let is_drive = || {
        let mut bytes = title.bytes();
        let is_letter = bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic());
        let is_colon = bytes.next() == Some(b':');
        is_letter && is_colon && (cfg!(windows) || matches!(bytes.next(), Some(b'/' | b'\\')))
    };
    if title.is_empty() {
        return Err(refuse("is empty"));
    }
    if title.starts_with(['/', '\\']) || is_drive() {
        return Err(refuse("is an absolute path"));
    }
    if title.contains(['\0', '\\']) || title.chars().any(char::is_control) {
        return Err(refuse("has characters that no file name has"));
    }
    let mut segments: Vec<String> = Vec::new();
    for segment in title.split('/') {
        match segment {
            "" | "." => {}
            ".." if traversal == Traversal::Refuse => {
                return Err(refuse("leads out of the folder"));
            }
            ".." => match segments.last() {
                Some(last) if last != ".." => drop(segments.pop()),
                _ => segments.push("..".to_owned()),
            },
            long if long.len() > TITLE_SEGMENT_BYTES => {
                let message = format!("the title `{title}` has a name of {} bytes", long.len());
                return Err(Error::new(ErrorKind::Invalid, message));
            }
            name => segments.push(name.to_owned()),
        }
    }
    match segments.last() {
        Some(last) if last != ".." => Ok(segments),
        _ => Err(refuse("names no file")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_that_could_write_elsewhere_are_refused_before_writing() {
        for bad in [
            &["/etc/passwd"][..],
            &["../x"],
            &["a/../../x"],
            &[".."],
            &["a/.."],
            &[""],
            &["."],
            &["a\0b"],
            &["a\\b"],
            &["C:/x"],
            &["C:\\x"],
            &["a\nb"],
            &["a", "a"],
            &["a", "A"],
            &["a", "a/b"],
            &["a/b/c", "a/b"],
            &["a/./b", "a/b"],
        ] {
            assert!(check(bad, Traversal::Refuse).is_err(), "{bad:?}");
        }
        let long = "x".repeat(TITLE_SEGMENT_BYTES + 1);
        assert!(check(&[&long], Traversal::Refuse).is_err());
        let good = ["a", "b/c", "b/d", "e..f", "g:h", "größe"];
        let found = check(&good, Traversal::Refuse).expect("titles");
        assert_eq!(found[1], ["b", "c"]);
    }

    #[test]
    fn only_traversal_is_allowed_by_its_flag() {
        let found = check(&["../x", "a/../y"], Traversal::Allow).expect("titles");
        assert_eq!(found, [vec!["..", "x"], vec!["y"]]);
        assert!(check(&["/x"], Traversal::Allow).is_err());
        assert!(check(&["a/.."], Traversal::Allow).is_err());
    }
}
