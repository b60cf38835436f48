//! The names of files in the store on disk: of tags, which differ by case, and of digests.

use super::TagCase;
use crate::oci::{Digest, Tag};
use std::path::PathBuf;

pub(crate) fn in_directory(directory: PathBuf, digest: &Digest) -> PathBuf {
    directory.join(digest.algorithm().as_str()).join(digest.hex())
}

pub(crate) fn file_name(digest: &Digest) -> String {
    format!("{}-{}", digest.algorithm().as_str(), digest.hex())
}

/// The digest that [`file_name`] made the name of.
pub(crate) fn digest_of_file(name: &str) -> Option<Digest> {
    name.replacen('-', ":", 1).parse().ok()
}

/// A tag as a file's name: as it is, or with its capitals escaped where the file system folds case.
pub(crate) fn encode_tag(tag: &Tag, case: TagCase) -> String {
    match case {
        TagCase::Kept => tag.as_str().to_owned(),
        TagCase::Folded => tag.as_str().chars().fold(String::new(), |mut name, c| {
            if c.is_ascii_uppercase() {
                name.push('%');
            }
            name.push(c.to_ascii_lowercase());
            name
        }),
    }
}

/// No tag has a `%`, so both spellings can be read wherever the store was written.
pub(crate) fn decode_tag(name: &str) -> Option<Tag> {
    let mut tag = String::with_capacity(name.len());
    let mut chars = name.chars();
    while let Some(c) = chars.next() {
        tag.push(if c == '%' { chars.next()?.to_ascii_uppercase() } else { c });
    }
    tag.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_survive_a_file_system_that_folds_case() {
        for text in ["latest", "v1.0.0", "V1.0.0-RC1_B2", "_A"] {
            let tag: Tag = text.parse().expect("tag");
            let folded = encode_tag(&tag, TagCase::Folded);
            assert_eq!(folded, folded.to_ascii_lowercase());
            assert_eq!(decode_tag(&folded).as_ref(), Some(&tag), "{folded}");
            assert_eq!(decode_tag(&encode_tag(&tag, TagCase::Kept)), Some(tag));
        }
        assert_eq!(decode_tag("trailing%"), None);
    }
}
