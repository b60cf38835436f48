//! Names of files in the store on disk: for tags, which differ by case, and for digests.

use super::TagCase;
use crate::oci::{Digest, Tag};
use std::path::PathBuf;

pub(crate) fn in_directory(directory: PathBuf, digest: &Digest) -> PathBuf {
    directory.join(digest.algorithm().as_str()).join(digest.hex())
}

pub(crate) fn file_name(digest: &Digest) -> String {
    format!("{}-{}", digest.algorithm().as_str(), digest.hex())
}

/// Returns the digest for a name that [`file_name`] made.
pub(crate) fn digest_of_file(name: &str) -> Option<Digest> {
    name.replacen('-', ":", 1).parse().ok()
}

/// Returns a tag as a file name: unchanged, or with its capitals escaped if the file system ignores
/// case.
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

/// Returns the tag of a file name. No tag has a `%`, so this reads both spellings, whichever system
/// wrote the store.
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
