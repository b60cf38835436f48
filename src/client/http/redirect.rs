//! Targets of responses: redirects, upload sessions, next pages. These pure rules decide whether
//! the client follows a target and whether it sends credentials there.
//!
//! The rules close GHSA-vh4v-2xq2-g5cg and GHSA-jxpm-75mh-9fp7, in which clients sent credentials
//! to another scheme, host or port.

use url::Url;

/// Policy for credentials at the next address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Credentials {
    /// The client keeps the credentials: same scheme, host and port, or the same host from port 80
    /// to TLS at port 443.
    Keep,
    /// The client drops the credentials for any other address.
    Drop,
}

/// Policy for a redirect from HTTPS to plain HTTP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Downgrade {
    /// The client refuses the address.
    #[default]
    Refuse,
    /// The client refuses the address, and the error advises how to allow it: a digest protects the
    /// requested content.
    Offer,
    /// The client follows the address without credentials.
    Follow,
}

/// Reason why the client does not follow an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadLocation {
    #[error("the redirect has no Location header")]
    Missing,
    #[error("the redirect names `{0}`, which is not a URL")]
    NoUrl(String),
    #[error("the redirect names `{0}`, which is neither http nor https")]
    Scheme(String),
    #[error("the redirect goes from https to plain http at `{host}`")]
    Downgrade { host: String, to: Url },
}

/// Resolves `location`, which came in a response from `from`. The function removes a name and
/// password in it.
pub(crate) fn follow(
    from: &Url,
    location: Option<&str>,
) -> Result<(Url, Credentials), BadLocation> {
    follow_with(from, location, Downgrade::Refuse)
}

/// Resolves as [`follow`], with `downgrade` as the policy for an address without TLS.
pub(crate) fn follow_with(
    from: &Url,
    location: Option<&str>,
    downgrade: Downgrade,
) -> Result<(Url, Credentials), BadLocation> {
    let location = location.ok_or(BadLocation::Missing)?;
    let mut to = from.join(location).map_err(|_| BadLocation::NoUrl(location.to_owned()))?;
    if !matches!(to.scheme(), "http" | "https") || to.host_str().is_none() {
        return Err(BadLocation::Scheme(location.to_owned()));
    }
    let loses_tls = from.scheme() == "https" && to.scheme() == "http";
    if loses_tls && downgrade != Downgrade::Follow {
        return Err(BadLocation::Downgrade { host: host_of(&to), to });
    }
    // Neither call can fail on a URL with a host.
    let _ = to.set_username("");
    let _ = to.set_password(None);
    let credentials = may_see(from, &to);
    Ok((to, credentials))
}

/// Decides if credentials for `from` may go to `to`. Only one change of origin is harmless: the
/// same host over TLS, both at their usual ports, as web servers redirect `http://` addresses.
pub(crate) fn may_see(from: &Url, to: &Url) -> Credentials {
    let to_tls = (from.scheme(), to.scheme()) == ("http", "https")
        && from.host_str() == to.host_str()
        && from.port().is_none()
        && to.port().is_none();
    if to_tls || same_origin(from, to) { Credentials::Keep } else { Credentials::Drop }
}

/// Returns true for the same scheme, host and port.
pub(crate) fn same_origin(a: &Url, b: &Url) -> bool {
    a.scheme() == b.scheme()
        && a.host_str() == b.host_str()
        && a.port_or_known_default() == b.port_or_known_default()
}

/// Returns `host[:port]` of an address.
pub(crate) fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// Adds the digest that ends an upload to the session's address. The function keeps the query,
/// since sessions store their state there.
pub(crate) fn with_digest(session: &Url, digest: &crate::oci::Digest) -> Url {
    let mut url = session.clone();
    let pair = format!("digest={}%3A{}", digest.algorithm().as_str(), digest.hex());
    let query = match url.query() {
        None | Some("") => pair,
        Some(query) => format!("{query}&{pair}"),
    };
    url.set_query(Some(&query));
    url
}

/// Returns the next page in a `Link` header (RFC 8288, `rel="next"`) of a response from `from`, at
/// the origin of `from`. Only the query comes from the link. Behind some proxies the rest names an
/// inner host, or a path without the proxy's prefix, at which another repository may be. For a link
/// without a query, the path names the page. The caller checks that the page is new.
pub(crate) fn next_page<'a>(from: &Url, links: impl IntoIterator<Item = &'a str>) -> Option<Url> {
    let target = links.into_iter().find_map(next_target).filter(|target| !target.is_empty())?;
    let to = from.join(target).ok()?;
    let mut next = from.clone();
    if to.query().is_none() {
        next.set_path(to.path());
    }
    next.set_query(to.query());
    next.set_fragment(None);
    Some(next)
}

fn next_target(link: &str) -> Option<&str> {
    let mut rest = link;
    loop {
        let (_, after) = rest.split_once('<')?;
        let (target, after) = after.split_once('>')?;
        let end = end_of_link(after);
        let is_next = after[..end].split(';').any(|parameter| {
            parameter.split_once('=').is_some_and(|(name, value)| {
                name.trim().eq_ignore_ascii_case("rel")
                    && value
                        .trim()
                        .trim_matches('"')
                        .split_ascii_whitespace()
                        .any(|rel| rel.eq_ignore_ascii_case("next"))
            })
        });
        if is_next {
            return Some(target);
        }
        rest = &after[end..];
    }
}

/// Returns the end of one link's parameters: a comma outside quotes.
fn end_of_link(text: &str) -> usize {
    let mut quoted = false;
    for (at, c) in text.char_indices() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => return at,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn url(text: &str) -> Url {
        text.parse().expect(text)
    }

    #[test]
    fn credentials_stay_with_their_origin() {
        use Credentials::{Drop, Keep};
        let from = url("https://r.example:5000/v2/a/blobs/uploads/");
        for (location, to, credentials) in [
            ("/v2/a/u?x=1", "https://r.example:5000/v2/a/u?x=1", Keep),
            ("u/1", "https://r.example:5000/v2/a/blobs/uploads/u/1", Keep),
            ("?state=a%2Bb", "https://r.example:5000/v2/a/blobs/uploads/?state=a%2Bb", Keep),
            ("//r.example:5000/x", "https://r.example:5000/x", Keep),
            ("https://r.example:5000/x", "https://r.example:5000/x", Keep),
            ("https://u:p@r.example:5000/x", "https://r.example:5000/x", Keep),
            ("https://r.example/x", "https://r.example/x", Drop),
            ("https://r.example:5001/x", "https://r.example:5001/x", Drop),
            ("https://s.example:5000/x", "https://s.example:5000/x", Drop),
        ] {
            assert_eq!(follow(&from, Some(location)), Ok((url(to), credentials)), "{location}");
        }
        // If plain HTTP is allowed, the client sends no credentials, not even to the same host.
        for location in ["http://r.example:5000/x", "http://u:p@s.example/x"] {
            let (to, credentials) =
                follow_with(&from, Some(location), Downgrade::Follow).expect(location);
            assert_eq!((credentials, to.username(), to.password()), (Drop, "", None));
            follow_with(&from, Some(location), Downgrade::Offer).expect_err(location);
        }
        for (from, to, credentials) in [
            ("http://r.example/", "https://r.example/", Keep),
            ("http://r.example/", "https://s.example/", Drop),
            ("http://r.example:8080/", "https://r.example/", Drop),
            ("http://r.example/", "https://r.example:8443/", Drop),
            ("http://r.example:5000/", "https://r.example:5000/", Drop),
        ] {
            assert_eq!(
                follow(&url(from), Some(to)).map(|(_, c)| c),
                Ok(credentials),
                "{from} {to}"
            );
        }
    }

    #[test]
    fn what_must_not_be_followed_says_why() {
        let from = url("https://r.example/v2/");
        for (location, error) in [
            (None, BadLocation::Missing),
            (
                Some("http://r.example/x"),
                BadLocation::Downgrade { host: "r.example".into(), to: url("http://r.example/x") },
            ),
            (Some("ftp://r.example/x"), BadLocation::Scheme("ftp://r.example/x".into())),
            (Some("file:///etc/passwd"), BadLocation::Scheme("file:///etc/passwd".into())),
            (Some("data:,x"), BadLocation::Scheme("data:,x".into())),
            (Some("https://[x/"), BadLocation::NoUrl("https://[x/".into())),
        ] {
            assert_eq!(follow(&from, location), Err(error));
        }
    }

    #[test]
    fn the_digest_joins_what_a_session_already_asks_for() {
        let digest = crate::oci::Digest::sha256(b"");
        let hex = digest.hex();
        for (session, query) in [
            ("http://r/u", format!("digest=sha256%3A{hex}")),
            ("http://r/u?", format!("digest=sha256%3A{hex}")),
            ("http://r/u?_state=a%2Bb%3D&x", format!("_state=a%2Bb%3D&x&digest=sha256%3A{hex}")),
        ] {
            assert_eq!(with_digest(&url(session), &digest).query(), Some(query.as_str()));
        }
    }

    #[test]
    fn next_pages_stay_on_the_registry() {
        let from = url("https://r.example/v2/a/tags/list?n=2");
        for (links, next) in [
            (vec![], None),
            (
                vec![r#"</v2/a/tags/list?n=2&last=b>; rel="next""#],
                Some("https://r.example/v2/a/tags/list?n=2&last=b"),
            ),
            (vec!["<list?last=b>;rel=next"], Some("https://r.example/v2/a/tags/list?last=b")),
            (
                vec!["</v2/b/tags/list?last=b>;rel=next"],
                Some("https://r.example/v2/a/tags/list?last=b"),
            ),
            (vec!["<list/2>;rel=next"], Some("https://r.example/v2/a/tags/list/2")),
            (
                vec![r#"<http://inner:8080/v2/a/tags/list?last=c>; title="a,b"; rel="next last""#],
                Some("https://r.example/v2/a/tags/list?last=c"),
            ),
            (
                vec![r#"</first>; rel="first", </v2/x?last=d>; rel="NEXT""#],
                Some("https://r.example/v2/a/tags/list?last=d"),
            ),
            (vec![r#"</first>; rel="first""#], None),
            (vec!["</open"], None),
            (vec!["<>; rel=next"], None),
            (vec!["</v2/a/tags/list?n=2>; rel=next"], Some("https://r.example/v2/a/tags/list?n=2")),
        ] {
            let found = next_page(&from, links.iter().copied());
            assert_eq!(found.as_ref().map(Url::as_str), next, "{links:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "\\PC{0,60}") {
            let from = url("https://r.example/v2/a?n=1");
            if let Ok((to, credentials)) = follow(&from, Some(&text)) {
                prop_assert_eq!(to.scheme(), "https");
                prop_assert_eq!(credentials == Credentials::Keep, to.host_str() == Some("r.example") && to.port().is_none());
            }
            if let Some(next) = next_page(&from, [text.as_str(), &format!("<{text}>; rel=next")]) {
                prop_assert!(same_origin(&from, &next));
            }
        }
    }
}
