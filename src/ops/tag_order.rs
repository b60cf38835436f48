//! The order of tags by their versions.

use crate::{oci::Tag, version::Version};

/// Sorts tags newest version first. Tags that are not versions follow in alphabetical order.
pub fn sort(tags: &mut [Tag]) {
    tags.sort_by(|a, b| match (a.version(), b.version()) {
        (Some(left), Some(right)) => right.cmp(&left).then_with(|| a.cmp(b)),
        (Some(_), None) => std::cmp::Ordering::Less,
        (None, Some(_)) => std::cmp::Ordering::Greater,
        (None, None) => a.cmp(b),
    });
}

pub(super) fn strict(tag: &Tag) -> Option<Version> {
    Version::parse_strict(&tag.to_version()).ok()
}

pub(super) fn with_v(tag: &Tag) -> Option<Version> {
    Version::parse_strict(tag.to_version().strip_prefix('v')?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(all: &[&str]) -> Vec<Tag> {
        all.iter().map(|tag| tag.parse().expect(tag)).collect()
    }

    #[test]
    fn newest_version_first_then_the_rest_by_name() {
        let mut all =
            tags(&["latest", "0.9.0", "1.10.0", "1.2.0_b1", "v1.2.0", "1.2.0-rc.1", "abc"]);
        sort(&mut all);
        assert_eq!(all, ["1.10.0", "1.2.0_b1", "v1.2.0", "1.2.0-rc.1", "0.9.0", "abc", "latest"]);
    }
}
