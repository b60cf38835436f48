//! The error for a tag or a version that does not exist, with similar tags or the newest ones.

use super::tag_order::{sort, strict};
use crate::{Error, oci::Tag, store::Tags, version::Version};

/// Returns the error for a tag that does not exist. It lists similar tags: the same version in a
/// different spelling.
pub async fn error<R: Tags>(
    repository: &R,
    name: &str,
    tag: &Tag,
    listed: Option<Vec<Tag>>,
) -> Error {
    let error = Error::not_found(format!("{name}:{tag}: not found"));
    let tags = match listed {
        Some(tags) => tags,
        None => repository.tags().await.unwrap_or_default(),
    };
    let twins = twins(&tags, tag);
    if !twins.is_empty() {
        return error.with_hint(format!("there is {}", quoted(&twins)));
    }
    let mut newest = tags;
    sort(&mut newest);
    if newest.is_empty() {
        return error.with_hint(
            "the repository has no tags that we may see: check its name and your login",
        );
    }
    error.with_hint(newest_tags(&newest))
}

/// The number of tags named in a hint.
const NAMED_TAGS: usize = 5;

pub(super) fn newest_tags(sorted: &[Tag]) -> String {
    let newest: Vec<&str> = sorted.iter().take(NAMED_TAGS).map(Tag::as_str).collect();
    format!("the newest tags there are {}", quoted(&newest))
}

/// Returns the error for a list without a matching tag. If the user gave no version, it names none.
pub(super) fn no_version(name: &str, range: &str, given: bool, listed: &[Tag]) -> Error {
    if !given && !listed.iter().any(|tag| strict(tag).is_some()) {
        return Error::not_found(format!(
            "no tag of oci://{name} is a version with three numbers, such as 1.2.3"
        ));
    }
    Error::not_found(format!(
        "could not locate a version matching provided version string {range} in oci://{name}"
    ))
}

fn quoted(tags: &[&str]) -> String {
    tags.iter().map(|tag| format!("`{tag}`")).collect::<Vec<_>>().join(", ")
}

fn twins<'a>(tags: &'a [Tag], tag: &Tag) -> Vec<&'a str> {
    let plain = |tag: &Tag| {
        let text = tag.to_version().to_lowercase();
        let bare = text.strip_prefix('v').unwrap_or(&text);
        bare.split('+').next().unwrap_or(bare).to_owned()
    };
    let version = |text: &str| Version::parse_loose(text).ok();
    let wanted = plain(tag);
    let same = |other: &Tag| match (version(&wanted), version(&plain(other))) {
        (Some(a), Some(b)) => a == b,
        _ => plain(other) == wanted,
    };
    tags.iter().filter(|other| *other != tag && same(other)).map(Tag::as_str).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(all: &[&str]) -> Vec<Tag> {
        all.iter().map(|tag| tag.parse().expect(tag)).collect()
    }

    #[test]
    fn twins_are_the_same_version_in_another_spelling() {
        let all = tags(&["v1.0.0", "1.0.0_b1", "1.0", "1.0.1", "latest"]);
        assert_eq!(twins(&all, &"1.0.0".parse().expect("tag")), ["v1.0.0", "1.0.0_b1", "1.0"]);
        assert!(twins(&all, &"2.0.0".parse().expect("tag")).is_empty());
    }
}
