//! Tags made of a digest: `sha256-<hex>.<anything>` for cosign's signatures, attestations and SBOMs
//! of a manifest, and the bare `sha256-<hex>`, the list of referrers of a registry without their
//! API.

use crate::oci::{Digest, Tag};

/// Hexadecimal digits of a digest in such a tag. Those of a SHA-512 are cut, so that they fit.
const DIGITS: usize = 64;

/// Returns the tag's text for a digest, without any ending.
pub(super) fn stem(digest: &Digest) -> String {
    let hex = digest.hex();
    format!("{}-{}", digest.algorithm().as_str(), &hex[..hex.len().min(DIGITS)])
}

/// Returns the stem of a tag with an ending, if it is one: `sha256-<hex>` of `sha256-<hex>.sig`.
pub(super) fn stem_of(tag: &Tag) -> Option<&str> {
    let (stem, ending) = tag.as_str().split_once('.')?;
    let (algorithm, hex) = stem.split_once('-')?;
    let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let fits = matches!(algorithm, "sha256" | "sha512")
        && hex.len() == DIGITS
        && hex.bytes().all(is_hex)
        && !ending.is_empty();
    fits.then_some(stem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_of_a_digest_has_its_stem_and_an_ending() {
        let digest = Digest::sha256(b"x");
        let stem = stem(&digest);
        for (ending, found) in
            [(".sig", true), (".att", true), (".x.y", true), ("", false), (".", false)]
        {
            let tag: Tag = format!("{stem}{ending}").parse().expect("tag");
            assert_eq!(stem_of(&tag), found.then_some(stem.as_str()), "{ending}");
        }
        for other in ["1.0.0", "sha256-abc.sig", "latest"] {
            assert_eq!(stem_of(&other.parse().expect("tag")), None, "{other}");
        }
    }
}
