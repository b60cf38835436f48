//! The arguments `FILE[:TYPE]` of an artifact's files, split as ORAS splits them: at the last
//! colon.

use crate::{Error, Result, oci::media};
use std::path::{Component, Path, PathBuf};

/// A file or directory of this machine, with the media type of its layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileArgument {
    /// The path as written. `-` is standard input.
    pub path: PathBuf,
    /// The media type, if the argument has one.
    pub media_type: Option<String>,
}

impl FileArgument {
    /// Parses `FILE[:TYPE]`.
    ///
    /// # Errors
    /// `Usage` if there is no path, or if the text after the last colon is not a media type.
    pub fn parse(text: &str) -> Result<Self> {
        let (path, media_type) = match text.rsplit_once(':') {
            None => (text, None),
            Some((path, media_type)) => (path, Some(media_type)),
        };
        if path.is_empty() {
            return Err(Error::usage(format!("`{text}` names no file")));
        }
        if let Some(media_type) = media_type
            && !media::is_valid(media_type)
        {
            return Err(Error::usage(format!(
                "`{media_type}`, the text after the last colon of `{text}`, is not a media type"
            ))
            .with_hint(format!(
                "write `FILE:TYPE`, such as `{path}:application/json`; a file with a colon in its \
                 name needs a type after it"
            )));
        }
        Ok(Self { path: path.into(), media_type: media_type.map(str::to_owned) })
    }

    /// Returns true if the argument is standard input.
    pub fn is_stdin(&self) -> bool {
        self.path == Path::new("-")
    }
}

/// The title of a layer and the way in which it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Title {
    /// The title, with `/`.
    pub text: String,
    /// `true` if the path was absolute, so that the title is only its last part.
    pub is_shortened: bool,
}

/// Returns the title of a path: the path without `.` and inner `..`, as Go's `filepath.Clean`
/// returns it. An absolute path is no title, since a pull cannot write it: its last part is, unless
/// `keep_absolute` asks for the whole.
///
/// # Errors
/// `Invalid` for a path that is not UTF-8 or that ends in no name.
pub fn title(path: &Path, keep_absolute: bool) -> Result<Title> {
    let not_utf8 = || Error::invalid(format!("the path `{}` is not UTF-8", path.display()));
    if path.is_absolute() && !keep_absolute {
        let name = path.file_name().ok_or_else(|| {
            Error::invalid(format!("the path `{}` ends in no name", path.display()))
        })?;
        let text = name.to_str().ok_or_else(not_utf8)?.to_owned();
        return Ok(Title { text, is_shortened: true });
    }
    let mut parts: Vec<&str> = Vec::new();
    for component in path.components() {
        match component {
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
            Component::ParentDir => match parts.last() {
                Some(last) if *last != ".." => drop(parts.pop()),
                _ if path.is_absolute() => {}
                _ => parts.push(".."),
            },
            Component::Normal(name) => parts.push(name.to_str().ok_or_else(not_utf8)?),
        }
    }
    let text = match (parts.is_empty(), path.is_absolute()) {
        (true, false) => ".".to_owned(),
        (_, true) => format!("/{}", parts.join("/")),
        (false, false) => parts.join("/"),
    };
    Ok(Title { text, is_shortened: false })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_argument_is_split_at_its_last_colon() {
        for (text, path, media_type) in [
            ("./config.json:application/json", "./config.json", Some("application/json")),
            ("data.tar.gz", "data.tar.gz", None),
            ("image.tar:image/docker", "image.tar", Some("image/docker")),
            ("a:b:text/plain", "a:b", Some("text/plain")),
            ("-", "-", None),
            ("-:text/plain", "-", Some("text/plain")),
            ("dir/", "dir/", None),
        ] {
            let found = FileArgument::parse(text).expect(text);
            assert_eq!(
                (found.path.to_str(), found.media_type.as_deref()),
                (Some(path), media_type)
            );
        }
        for bad in ["", ":text/plain", "a:b", "a:", "a:b/c/d e", "a:/x", "a:b:c"] {
            assert!(FileArgument::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_title_is_a_clean_path() {
        for (path, expected) in [
            ("./a.txt", "a.txt"),
            ("a//b/./c", "a/b/c"),
            ("a/../b", "b"),
            ("../a", "../a"),
            ("a/../../b", "../b"),
            (".", "."),
            ("a/", "a"),
            ("a:b", "a:b"),
        ] {
            let title = title(Path::new(path), false).expect(path);
            assert_eq!((title.text.as_str(), title.is_shortened), (expected, false), "{path}");
        }
        let short = title(Path::new("/tmp/artifact"), false).expect("title");
        assert_eq!((short.text.as_str(), short.is_shortened), ("artifact", true));
        let long = title(Path::new("/tmp/../artifact"), true).expect("title");
        assert_eq!((long.text.as_str(), long.is_shortened), ("/artifact", false));
        assert!(title(Path::new("/"), false).is_err());
    }
}
