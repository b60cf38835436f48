//! Routes of paths below `/v2/`. Repository names contain slashes, so the parser reads a path from
//! its end.

use crate::{
    oci::{Digest, RepositoryName, TagOrDigest},
    server::net::refusal::{Code, Refusal},
};
use http::StatusCode;
use percent_encoding::percent_decode_str;

/// Object of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// Base, `/v2/`: clients check here for a registry and for access.
    Base,
    /// List of repositories, `/v2/_catalog`.
    Catalog,
    /// Blob, `/v2/<name>/blobs/<digest>`.
    Blob(RepositoryName, Digest),
    /// Start of an upload, `/v2/<name>/blobs/uploads/`.
    Uploads(RepositoryName),
    /// Session of an upload, `/v2/<name>/blobs/uploads/<session>`.
    Upload(RepositoryName, String),
    /// Manifest, `/v2/<name>/manifests/<tag or digest>`.
    Manifest(RepositoryName, TagOrDigest),
    /// List of tags, `/v2/<name>/tags/list`.
    Tags(RepositoryName),
    /// List of referrers, `/v2/<name>/referrers/<digest>`.
    Referrers(RepositoryName, Digest),
}

impl Route {
    /// Parses the path of a request.
    pub(crate) fn parse(path: &str) -> Result<Self, Refusal> {
        let unknown = || Refusal::new(StatusCode::NOT_FOUND, Code::Unsupported, "no such endpoint");
        let path = percent_decode_str(path).decode_utf8().map_err(|_| unknown())?;
        let rest = match path.strip_prefix("/v2") {
            Some("" | "/") => return Ok(Self::Base),
            Some("/_catalog") => return Ok(Self::Catalog),
            Some(rest) => rest.strip_prefix('/').ok_or_else(unknown)?,
            None => return Err(unknown()),
        };
        if let Some(name) = rest.strip_suffix("/tags/list") {
            return Ok(Self::Tags(repository(name)?));
        }
        let (rest, last) = rest.rsplit_once('/').ok_or_else(unknown)?;
        if let Some(name) = rest.strip_suffix("/blobs/uploads") {
            let name = repository(name)?;
            return Ok(if last.is_empty() {
                Self::Uploads(name)
            } else {
                Self::Upload(name, last.to_owned())
            });
        }
        if let (Some(name), "uploads") = (rest.strip_suffix("/blobs"), last) {
            return Ok(Self::Uploads(repository(name)?));
        }
        let (name, kind) = rest.rsplit_once('/').ok_or_else(unknown)?;
        match kind {
            "blobs" => Ok(Self::Blob(repository(name)?, digest(last)?)),
            "referrers" => Ok(Self::Referrers(repository(name)?, digest(last)?)),
            "manifests" => Ok(Self::Manifest(repository(name)?, target(last)?)),
            _ => Err(unknown()),
        }
    }
}

fn repository(text: &str) -> Result<RepositoryName, Refusal> {
    text.parse().map_err(|error| bad(Code::NameInvalid, &error))
}

fn digest(text: &str) -> Result<Digest, Refusal> {
    text.parse().map_err(|error| bad(Code::DigestInvalid, &error))
}

fn target(text: &str) -> Result<TagOrDigest, Refusal> {
    let code = if text.contains(':') { Code::DigestInvalid } else { Code::ManifestInvalid };
    text.parse().map_err(|error| bad(code, &error))
}

fn bad(code: Code, error: &dyn std::error::Error) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, code, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const D: &str = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

    #[test]
    fn paths_are_read_from_their_end() {
        let name = |text: &str| text.parse::<RepositoryName>().expect("name");
        let digest = || D.parse::<Digest>().expect("digest");
        for (path, route) in [
            ("/v2".to_owned(), Route::Base),
            ("/v2/".to_owned(), Route::Base),
            ("/v2/_catalog".to_owned(), Route::Catalog),
            ("/v2/a/tags/list".to_owned(), Route::Tags(name("a"))),
            ("/v2/tags/list/tags/list".to_owned(), Route::Tags(name("tags/list"))),
            (format!("/v2/a/b/blobs/{D}"), Route::Blob(name("a/b"), digest())),
            (format!("/v2/a/blobs/{}", D.replace(':', "%3A")), Route::Blob(name("a"), digest())),
            ("/v2/a/blobs/uploads/".to_owned(), Route::Uploads(name("a"))),
            ("/v2/a/blobs/uploads".to_owned(), Route::Uploads(name("a"))),
            ("/v2/a/blobs/uploads/x1".to_owned(), Route::Upload(name("a"), "x1".to_owned())),
            (format!("/v2/a/referrers/{D}"), Route::Referrers(name("a"), digest())),
            (
                "/v2/manifests/manifests/manifests".to_owned(),
                Route::Manifest(name("manifests"), "manifests".parse().expect("tag")),
            ),
        ] {
            assert_eq!(Route::parse(&path).expect(&path), route, "{path}");
        }
    }

    #[test]
    fn what_is_no_path_of_ours_says_why() {
        for (path, status, code) in [
            ("/", 404, Code::Unsupported),
            ("/v2x/", 404, Code::Unsupported),
            ("/v2/a", 404, Code::Unsupported),
            ("/v2/a/other/x", 404, Code::Unsupported),
            ("/v2/a/%ff/tags/list", 404, Code::Unsupported),
            ("/v2/A/tags/list", 400, Code::NameInvalid),
            ("/v2/a/../b/tags/list", 400, Code::NameInvalid),
            ("/v2//tags/list", 400, Code::NameInvalid),
            ("/v2/a/_r/tags/list", 400, Code::NameInvalid),
            ("/v2/a/blobs/sha256:abc", 400, Code::DigestInvalid),
            ("/v2/a/manifests/sha256:baddigeststring", 400, Code::DigestInvalid),
            ("/v2/a/manifests/-x", 400, Code::ManifestInvalid),
            ("/v2/a/referrers/latest", 400, Code::DigestInvalid),
        ] {
            let refusal = Route::parse(path).expect_err(path);
            assert_eq!((refusal.status().as_u16(), refusal.code()), (status, code), "{path}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_path_panics_or_leaves_its_repository(path in "(/v2)?(/[a-z0-9._%:-]{0,12}){0,6}") {
            if let Ok(Route::Blob(name, _) | Route::Manifest(name, _) | Route::Tags(name)) = Route::parse(&path) {
                proptest::prop_assert!(!name.as_str().split('/').any(|part| part.starts_with(['.', '_']) || part.is_empty()));
            }
        }
    }
}
