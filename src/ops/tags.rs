//! The tag for a version or a range. The rules are those of helm.md 3.6.

use super::{
    tag_not_found,
    tag_order::{sort, strict, with_v},
};
use crate::{
    Advice, Error, ErrorKind, Result,
    constraint::Constraint,
    oci::{Digest, Tag, TagOrDigest},
    store::{Resolve, Tags},
    version::Version,
};

/// The choice for prereleases if no version is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Devel {
    /// Releases only.
    #[default]
    Releases,
    /// Prereleases too: Helm's `--devel`, the range `>0.0.0-0`.
    Prereleases,
}

/// The requested version of a chart.
#[derive(Clone, Debug, Default)]
pub struct ChartRequest {
    /// The reference's own tag.
    pub tag: Option<Tag>,
    /// The reference's own digest.
    pub digest: Option<Digest>,
    /// `--version`: a version, a range or a tag.
    pub version: Option<String>,
    /// The choice for prereleases, `--devel`.
    pub devel: Devel,
}

/// The tag or digest to download.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The tag or digest to request; the newest tag if a range was given.
    pub target: TagOrDigest,
    /// The tag that must refer to the digest, if the reference has both.
    pub agree: Option<Tag>,
    /// All tags within a range, newest first. Empty if no range was given. Tags may refer to
    /// images, so the first that refers to a chart is used
    /// ([`super::chart_manifest::first_chart`]).
    fitting: Vec<Tag>,
}

impl Choice {
    /// Returns all tags within a range, newest first. Empty if no range was given.
    pub fn fitting(&self) -> &[Tag] {
        &self.fitting
    }
}

/// Decides which tag to request. It requests the list of tags only if a range needs it.
///
/// # Errors
/// `Usage` if tag and version contradict each other; `Invalid` for a bad range; `NotFound` if
/// nothing matches.
pub async fn choose<R: Tags>(repository: &R, name: &str, wanted: &ChartRequest) -> Result<Choice> {
    let by_tag =
        |tag: Tag| Choice { target: TagOrDigest::Tag(tag), agree: None, fitting: Vec::new() };
    let version = wanted.version.as_deref().map(str::trim).filter(|version| !version.is_empty());
    if let (Some(version), Some(tag)) = (version, &wanted.tag)
        && Tag::from_version(version).ok().as_ref() != Some(tag)
    {
        return Err(Error::usage(format!(
            "chart reference and version mismatch: {version} is not {}",
            tag.to_version()
        )));
    }
    if let Some(digest) = &wanted.digest {
        let agree = match (&wanted.tag, version) {
            (Some(tag), _) => Some(tag.clone()),
            (None, Some(version)) => Some(Tag::from_version(version)?),
            (None, None) => None,
        };
        return Ok(Choice {
            target: TagOrDigest::Digest(digest.clone()),
            agree,
            fitting: Vec::new(),
        });
    }
    if let Some(tag) = &wanted.tag {
        return Ok(by_tag(tag.clone()));
    }
    let range = match (version, wanted.devel) {
        (Some(version), _) => version,
        (None, Devel::Prereleases) => ">0.0.0-0",
        (None, Devel::Releases) => "*",
    };
    if Version::parse_loose(range).is_ok() {
        return Ok(by_tag(Tag::from_version(range)?));
    }
    let constraint = match Constraint::parse(range) {
        Ok(constraint) => constraint,
        // `latest` and branch names are not ranges, but they are valid tags, which Helm can neither
        // push nor pull.
        Err(error) => match range.parse() {
            Ok(tag) => return Ok(by_tag(tag)),
            Err(_) => return Err(Error::invalid(error.to_string())),
        },
    };
    let listed = repository.tags().await?;
    if listed.is_empty() {
        return Err(Error::not_found(format!(
            "unable to locate any tags in provided repository: oci://{name}"
        )));
    }
    let fitting = fitting(&listed, range, &constraint);
    match fitting.first() {
        Some(tag) => Ok(Choice { target: TagOrDigest::Tag(tag.clone()), agree: None, fitting }),
        None => {
            let error = tag_not_found::no_version(name, range, version.is_some(), &listed);
            let prereleases = listed
                .iter()
                .any(|tag| tag.version().is_some_and(|version| version.is_prerelease()));
            Err(if prereleases && wanted.devel == Devel::Releases && version.is_none() {
                error.with_advice(Advice::AllowPrereleases)
            } else {
                let mut newest = listed;
                sort(&mut newest);
                error.with_hint(tag_not_found::newest_tags(&newest))
            })
        }
    }
}

/// Returns the tags that satisfy `constraint`, newest first. A tag equal to `exact` is the only
/// result. Helm considers strict versions only; here, tags with a leading `v` follow them.
pub fn fitting(tags: &[Tag], exact: &str, constraint: &Constraint) -> Vec<Tag> {
    if let Some(tag) = tags.iter().find(|tag| tag.to_version() == exact)
        && (strict(tag).is_some() || with_v(tag).is_some())
    {
        return vec![tag.clone()];
    }
    let of = |parse: fn(&Tag) -> Option<Version>| {
        let mut found: Vec<(Version, Tag)> = tags
            .iter()
            .filter_map(|tag| Some((parse(tag)?, tag.clone())))
            .filter(|(version, _)| constraint.matches(version))
            .collect();
        // The sort is stable, so that the order of equal ones does not change.
        found.sort_by(|a, b| b.0.cmp(&a.0));
        found.into_iter().map(|(_, tag)| tag)
    };
    of(strict).chain(of(with_v)).collect()
}

/// Requires that the tag and the digest of a reference with both refer to the same manifest.
///
/// # Errors
/// `Integrity` if they differ; `NotFound`, with similar tags, for a tag that does not exist.
pub async fn require_agreement<R: Tags + Resolve>(
    repository: &R,
    name: &str,
    choice: &Choice,
) -> Result<()> {
    let (Some(tag), TagOrDigest::Digest(digest)) = (&choice.agree, &choice.target) else {
        return Ok(());
    };
    match repository.resolve(&TagOrDigest::Tag(tag.clone())).await? {
        Some(found) if found.digest == *digest => Ok(()),
        Some(found) => Err(Error::new(
            ErrorKind::Integrity,
            format!("chart reference digest mismatch: {digest} is not {}", found.digest),
        )
        .with_hint(format!("the tag `{tag}` has moved; leave it out to pull by digest alone"))),
        None => Err(tag_not_found::error(repository, name, tag, None).await),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(all: &[&str]) -> Vec<Tag> {
        all.iter().map(|tag| tag.parse().expect(tag)).collect()
    }

    #[test]
    fn ranges_choose_strict_versions_before_those_with_a_v() {
        let all = tags(&["1.0.0_b1", "1.1.0", "v1.9.0", "v3.0.0", "2.0.0-rc.1", "latest"]);
        for (range, tag) in [
            ("*", Some("1.1.0")),
            ("^1", Some("1.1.0")),
            ("1.0.0+b1", Some("1.0.0_b1")),
            (">0.0.0-0", Some("2.0.0-rc.1")),
            ("^3", Some("v3.0.0")),
            ("^5", None),
        ] {
            let constraint = Constraint::parse(range).expect(range);
            let first = fitting(&all, range, &constraint).into_iter().next();
            assert_eq!(first.as_ref().map(Tag::as_str), tag, "{range}");
        }
    }
}
