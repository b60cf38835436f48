//! Removes secrets from text for people and logs: credentials and signatures in URLs.

/// Query parameters whose values are shown, because they only name something.
const NAMES: [&str; 10] =
    ["artifactType", "charts", "digest", "from", "last", "mount", "n", "scope", "service", "tag"];

/// Returns a text whose URLs contain no secrets. It removes credentials, and from queries all
/// values except those that only name something; signed URLs have their proof there. It also
/// removes the user from `user:password@host` without a scheme.
pub(crate) fn without_proof(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let ends_word = |c: char| c.is_whitespace() || matches!(c, '"' | '`' | '\'' | '<' | '>' | '\\');
    for part in text.split_inclusive(ends_word) {
        let word = part.trim_end_matches(ends_word);
        word_without_proof(word, &mut out);
        out.push_str(&part[word.len()..]);
    }
    out
}

/// Redacts one word: a URL, several URLs (`OLD=NEW`), or another text.
fn word_without_proof(word: &str, out: &mut String) {
    let Some(start) = word.find("://").map(|at| at + 3) else {
        let (user, bare) = word.split_at(user_end(word).unwrap_or(0));
        return out.push_str(if user.contains(':') { bare } else { word });
    };
    let (before, rest) = word.split_at(start);
    out.push_str(before);
    let scheme = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    let next = rest.find("://").map(|at| rest[..at].trim_end_matches(scheme).len());
    let (url, next) = rest.split_at(next.unwrap_or(rest.len()));
    without_secret_parts(&url[user_end(url).unwrap_or(0)..], out);
    if !next.is_empty() {
        word_without_proof(next, out);
    }
}

/// Writes a URL after its credentials, without its fragment and without the secret values of its
/// query.
fn without_secret_parts(url: &str, out: &mut String) {
    let whole = url.trim_end_matches([':', ',', ';', '.', ')']);
    let (address, _) = whole.split_once('#').unwrap_or((whole, ""));
    let (path, query) = address.split_once('?').unwrap_or((address, ""));
    out.push_str(path);
    for (at, pair) in query.split('&').filter(|_| !query.is_empty()).enumerate() {
        out.push(if at == 0 { '?' } else { '&' });
        match pair.split_once('=') {
            Some((name, _)) if !NAMES.contains(&name) => out.extend([name, "=..."]),
            _ => out.push_str(pair),
        }
    }
    out.push_str(&url[whole.len()..]);
}

/// Returns the end of `user:password@` before a host. The `@` of a digest does not count.
pub(crate) fn user_end(text: &str) -> Option<usize> {
    let end = |at: usize| {
        let rest = &text[at + 1..];
        (!rest.starts_with("sha256:") && !rest.starts_with("sha512:")).then_some(at + 1)
    };
    let authority = &text[..text.find(['/', '?', '#']).unwrap_or(text.len())];
    if let Some(at) = authority.rfind('@') {
        return end(at);
    }
    // For a password with a slash in it, the text after the colon is not a port.
    let (_, port) = authority.split_once(':').filter(|_| !authority.starts_with('['))?;
    if port.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.rfind('@').and_then(end)
}

#[cfg(test)]
mod tests {
    #[test]
    fn no_proof_is_shown() {
        let digest = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
        for (text, expected) in [
            ("http://h/x?sig=abc&n=5&force", "http://h/x?sig=...&n=5&force"),
            (
                "https://u:p@h.example:5000/v2/a/blobs/uploads/?digest=sha256:1&_state=x",
                "https://h.example:5000/v2/a/blobs/uploads/?digest=sha256:1&_state=...",
            ),
            ("http://[::1]/b?X-Amz-Signature=s&n=5&x", "http://[::1]/b?X-Amz-Signature=...&n=5&x"),
            ("https://h.example/#token", "https://h.example/"),
            (
                "failed to fetch https://u:p@h:1/x?sig=abc#y : 404",
                "failed to fetch https://h:1/x?sig=... : 404",
            ),
            (
                "`http://h?a=b`: no, \"http://h/?a=b\".",
                "`http://h?a=...`: no, \"http://h/?a=...\".",
            ),
            ("two\n  http://h?a=b,\nhttp://u@h", "two\n  http://h?a=...,\nhttp://h"),
            ("oci://ann:s3/cret@h:5000/ns", "oci://h:5000/ns"),
            ("`ann:s3cret@h:5000/ns` is none", "`h:5000/ns` is none"),
            ("mail ann@example.com: `h:5000/ns/a:1`", "mail ann@example.com: `h:5000/ns/a:1`"),
            ("http://[::1]:80/a", "http://[::1]:80/a"),
            ("ocirepo://h/ns?charts=a,b", "ocirepo://h/ns?charts=a,b"),
            ("http://h?a=b,oci://u:p@h/x=oci://u:p@i", "http://h?a=...,oci://h/x=oci://i"),
            ("file:///a/b ://x :// ://:// @ : a:@", "file:///a/b ://x :// ://:// @ : "),
        ] {
            assert_eq!(super::without_proof(text), expected);
        }
        let pinned = format!("oci://h:5000/ns/a:1@{digest} h/a@{digest} a:1@{digest}");
        assert_eq!(super::without_proof(&pinned), pinned);
    }
}
