//! The rule for archives that an index lists: which addresses a client follows, and whether the
//! bytes match the entry. `pull`, `show`, `push`, `dependency`, `resolve` and `mirror` share it.

use super::namespace;
use crate::{
    Error, Result,
    digest::{Algorithm, Digest},
    index::{self, ListedDigest},
    oci::{Reference, Tag},
    store::BlobBytes,
};
use std::io::Read as _;

/// The action if a version's bytes differ from its index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnMismatch {
    /// Refuse the version.
    #[default]
    Fail,
    /// Use the version, with a warning.
    Warn,
    /// Use the version.
    Accept,
}

/// A version of a chart as its index lists it.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// The name of the chart.
    pub chart: &'a str,
    /// The version, as written.
    pub version: &'a str,
}

/// Returns the absolute address of `reference`, one of an entry's URLs, in the index of the
/// repository at `base`.
///
/// # Errors
/// Helm's text if it is not a URL, and as [`follow`].
pub fn address(base: &str, reference: &str, entry: Entry<'_>) -> Result<String> {
    let url = index::url::resolve(base, reference)
        .map_err(|error| error.context("failed to make chart URL absolute"))?;
    follow(&url, entry)
}

/// Returns the address that a client follows for an entry's absolute URL. An `oci://` URL without
/// tag and digest gets the entry's version as tag. Quay's indexes list `oci://HOST/NAMESPACE/NAME`
/// for every version.
///
/// # Errors
/// `Invalid` for an address that no client can follow. That is the repository's fault, not the
/// user's.
pub fn follow(url: &str, entry: Entry<'_>) -> Result<String> {
    let Entry { chart, version } = entry;
    match url.split_once("://").map_or("", |(scheme, _)| scheme) {
        "http" | "https" | "cm" | namespace::SCHEME => Ok(url.to_owned()),
        "oci" => {
            let bare = url.trim_end_matches('/');
            let reference = bare.parse::<Reference>().map_err(|error| {
                Error::invalid(format!("the index lists `{url}` for {chart} {version}"))
                    .with_source(error)
            })?;
            if reference.tag.is_some() || reference.digest.is_some() {
                return Ok(url.to_owned());
            }
            let tag = Tag::from_version(version)?;
            if reference.repository.last_segment().ends_with(".tgz") {
                let folder = bare.rsplit_once('/').map_or(bare, |(folder, _)| folder);
                return Err(Error::invalid(format!(
                    "the index lists `{url}` for {chart} {version}, which names a file, but registries have tags"
                ))
                .with_hint(format!(
                    "the chart may be at `{folder}/{chart}:{tag}`; ask the repository's owner to list that address, \
                     without `.tgz`"
                )));
            }
            Ok(format!("{bare}:{tag}"))
        }
        _ => Err(Error::invalid(format!(
            "the index lists `{url}` for {chart} {version}, an address that cannot be downloaded from"
        ))
        .with_hint(
            "ask the repository's owner to list an http://, https:// or oci:// address, or a path beside index.yaml",
        )),
    }
}

/// The result of comparing an archive with its entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The archive or its manifest has the digest in the entry.
    Equal,
    /// The entry has no digest.
    Missing,
    /// The entry has a text that is neither SHA-256 nor SHA-512.
    Odd(String),
    /// The archive's digest differs from the entry's.
    Differs(Mismatch),
}

impl Verdict {
    /// Returns the warning for an archive that is used although it does not match.
    pub fn warning(&self, url: &str) -> Option<String> {
        match self {
            Self::Equal | Self::Missing => None,
            Self::Odd(text) => Some(format!(
                "the index lists the digest `{text}` for {url}, which is neither SHA-256 nor SHA-512: it was not compared"
            )),
            Self::Differs(Mismatch { listed, found }) => Some(format!(
                "{url} is not the archive that the index names: it has the digest `{found}`, the index has `{listed}`"
            )),
        }
    }
}

/// Two digests that should be equal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The digest in the entry.
    pub listed: Digest,
    /// The digest of the archive, by the same algorithm.
    pub found: Digest,
}

/// Compares an archive with the digest in its entry. `content` is the archive's own digest.
/// `manifests` are the digests of its manifests in a registry; each pins the archive as well.
///
/// # Errors
/// `Io` if the archive must be read again for a SHA-512 and cannot be.
pub fn compare(
    listed: &ListedDigest,
    archive: &BlobBytes,
    content: &Digest,
    manifests: &[Digest],
) -> Result<Verdict> {
    let listed = match listed {
        ListedDigest::Missing => return Ok(Verdict::Missing),
        ListedDigest::Odd(text) => return Ok(Verdict::Odd(text.clone())),
        ListedDigest::Digest(digest) => digest,
    };
    if listed == content || manifests.contains(listed) {
        return Ok(Verdict::Equal);
    }
    let found = if listed.algorithm() == content.algorithm() {
        content.clone()
    } else {
        digest_of(archive, listed.algorithm())?
    };
    if found == *listed {
        return Ok(Verdict::Equal);
    }
    Ok(Verdict::Differs(Mismatch { listed: listed.clone(), found }))
}

/// The number of bytes hashed at once.
const CHUNK: usize = 64 * 1024;

fn digest_of(archive: &BlobBytes, algorithm: Algorithm) -> Result<Digest> {
    let mut reader = archive.reader()?;
    let mut hasher = algorithm.hasher();
    let mut buffer = vec![0; CHUNK];
    loop {
        let count = reader.read(&mut buffer).map_err(|error| {
            Error::new(crate::ErrorKind::Io, "cannot read the archive").with_source(error)
        })?;
        if count == 0 {
            return Ok(hasher.finish());
        }
        hasher.update(&buffer[..count]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTRY: Entry<'_> = Entry { chart: "demo", version: "1.0.0+b" };

    #[test]
    fn addresses_are_followed_or_refused_with_the_way_out() {
        for (reference, followed) in [
            ("a.tgz", "https://h/c/a.tgz"),
            ("/a.tgz?t=1", "https://h/a.tgz"),
            ("oci://r/ns/demo", "oci://r/ns/demo:1.0.0_b"),
            ("oci://r/ns/demo/", "oci://r/ns/demo:1.0.0_b"),
            ("oci://r:5000/ns/demo", "oci://r:5000/ns/demo:1.0.0_b"),
            ("oci://r/ns/demo:latest", "oci://r/ns/demo:latest"),
            ("cm://h/a.tgz", "cm://h/a.tgz"),
        ] {
            assert_eq!(address("https://h/c", reference, ENTRY).expect(reference), followed);
        }
        for (reference, hint) in [
            ("local://demo-1.0.0.tgz", "ask the repository's owner"),
            ("s3://bucket/demo-1.0.0.tgz", "ask the repository's owner"),
            ("data:x", "ask the repository's owner"),
            ("file:///etc/passwd", "ask the repository's owner"),
            ("oci://r/ns/demo-1.0.0.tgz", "`oci://r/ns/demo:1.0.0_b`"),
        ] {
            let error = address("https://h/c", reference, ENTRY).expect_err(reference);
            assert_eq!(error.kind(), crate::ErrorKind::Invalid, "{reference}");
            assert!(error.message().contains(reference), "{error:?}");
            assert!(error.hint().is_some_and(|text| text.contains(hint)), "{error:?}");
        }
        assert!(address("https://h/c", "oci://r/NS/demo", ENTRY).is_err());
    }

    #[test]
    fn an_archive_is_pinned_by_its_own_digest_or_its_manifests() {
        let bytes = b"archive";
        let archive = BlobBytes::Memory(bytes.as_slice().into());
        let (content, manifest) = (Digest::sha256(bytes), Digest::sha256(b"manifest"));
        let long = Digest::of(Algorithm::Sha512, bytes);
        let judge = |text: &str| {
            let listed = ListedDigest::read(text);
            compare(&listed, &archive, &content, std::slice::from_ref(&manifest)).expect("compared")
        };
        for text in [content.hex(), manifest.as_str(), manifest.hex(), long.hex(), long.as_str()] {
            assert_eq!(judge(text), Verdict::Equal, "{text}");
        }
        assert_eq!(judge(&content.hex().to_uppercase()), Verdict::Equal);
        assert_eq!(judge(""), Verdict::Missing);
        assert_eq!(judge("abc"), Verdict::Odd("abc".to_owned()));
        for other in [Digest::sha256(b"other"), Digest::of(Algorithm::Sha512, b"other")] {
            let Verdict::Differs(found) = judge(other.as_str()) else { panic!("{other}") };
            assert_eq!(found.listed, other);
            assert_eq!(found.found.algorithm(), other.algorithm());
        }
    }
}
