//! URLs of entries, resolved and joined as Go's `net/url` does, because other tools compare the
//! text. Requests parse the result again, strictly.

use crate::{Error, Result, quote};

/// Returns the URL of an archive: `reference` itself if it is absolute, with any scheme, else its
/// path within the folder `base`. The query is that of `base`.
///
/// # Errors
/// Helm's text, if one of them is not a URL.
pub fn resolve(base: &str, reference: &str) -> Result<String> {
    let refuse = |text: &str, cause: &str| {
        let quoted = quote::go(text);
        Error::invalid(format!("failed to parse {text} as URL: parse {quoted}: {cause}"))
    };
    let parsed = Parsed::read(reference).map_err(|cause| refuse(reference, &cause))?;
    if !parsed.scheme.is_empty() {
        return Ok(reference.to_owned());
    }
    let base = Parsed::read(base).map_err(|cause| refuse(base, &cause))?;
    let folder = format!("{}/", base.path.strip_suffix('/').unwrap_or(&base.path));
    let mut resolved = Parsed { scheme: base.scheme, query: base.query, ..parsed };
    if resolved.authority.is_some_and(|authority| !authority.is_empty()) {
        resolved.path = merge(&resolved.path, "");
    } else {
        if resolved.path.is_empty() && parsed.query.is_none() && resolved.fragment.is_empty() {
            resolved.fragment = base.fragment;
        }
        if resolved.path.is_empty() && base.opaque.is_some() {
            resolved.opaque = base.opaque;
        } else {
            resolved.authority = base.authority;
            resolved.path = merge(&folder, &resolved.path);
        }
    }
    Ok(resolved.text())
}

/// Joins `parts` below `base` as paths: without `..` and doubled slashes, with the query of `base`.
/// A base that is not a URL is joined as a path.
pub fn join(base: &str, parts: &[&str]) -> String {
    match Parsed::read(base) {
        Ok(mut url) => {
            // Go's record of the original escapes no longer applies to a longer path.
            let mut all = vec![unescape(&url.path).unwrap_or_default()];
            all.extend(parts.iter().map(|part| part.as_bytes().to_vec()));
            let joined = join_path(&all);
            url.path = if escape(&joined, Mode::Path) != url.path
                && unescape(&url.path).is_some_and(|path| path == joined)
            {
                url.path
            } else {
                escape(&joined, Mode::Path)
            };
            url.text()
        }
        Err(_) => {
            let mut all = vec![base.as_bytes().to_vec()];
            all.extend(parts.iter().map(|part| part.as_bytes().to_vec()));
            String::from_utf8_lossy(&join_path(&all)).into_owned()
        }
    }
}

/// The parts of a URL that Go finds, escaped as it would write them.
struct Parsed<'t> {
    scheme: String,
    opaque: Option<&'t str>,
    authority: Option<&'t str>,
    path: String,
    query: Option<&'t str>,
    fragment: String,
}

impl<'t> Parsed<'t> {
    fn read(text: &'t str) -> Result<Self, String> {
        let (address, fragment) = text.split_once('#').unwrap_or((text, ""));
        if address.bytes().any(|byte| byte < b' ' || byte == 0x7f) {
            return Err("net/url: invalid control character in URL".to_owned());
        }
        let fragment = escaped(fragment, Mode::Fragment)?;
        let mut parsed = Self {
            scheme: String::new(),
            opaque: None,
            authority: None,
            path: String::new(),
            query: None,
            fragment,
        };
        if address == "*" {
            address.clone_into(&mut parsed.path);
            return Ok(parsed);
        }
        let (scheme, rest) = split_scheme(address)?;
        parsed.scheme = scheme.to_ascii_lowercase();
        let (mut rest, query) =
            rest.split_once('?').map_or((rest, None), |(rest, query)| (rest, Some(query)));
        parsed.query = query;
        if !rest.starts_with('/') {
            if !scheme.is_empty() {
                parsed.opaque = Some(rest);
                return Ok(parsed);
            }
            if rest.split('/').next().is_some_and(|segment| segment.contains(':')) {
                return Err("first path segment in URL cannot contain colon".to_owned());
            }
        }
        if let Some(after) = rest.strip_prefix("//")
            && (!scheme.is_empty() || !rest.starts_with("///"))
        {
            let (authority, path) = after.split_at(after.find('/').unwrap_or(after.len()));
            parsed.authority = Some(authority);
            rest = path;
        }
        parsed.path = escaped(rest, Mode::Path)?;
        Ok(parsed)
    }

    fn text(&self) -> String {
        let mut text = String::new();
        if !self.scheme.is_empty() {
            text.push_str(&self.scheme);
            text.push(':');
        }
        if let Some(opaque) = self.opaque.filter(|opaque| !opaque.is_empty()) {
            text.push_str(opaque);
        } else {
            if let Some(authority) = self.authority
                && !(authority.is_empty() && self.path.is_empty())
            {
                text.push_str("//");
                text.push_str(authority);
            }
            if !self.path.is_empty()
                && !self.path.starts_with('/')
                && self.authority.is_some_and(|authority| !authority.is_empty())
            {
                text.push('/');
            }
            if text.is_empty()
                && self.path.split('/').next().is_some_and(|segment| segment.contains(':'))
            {
                text.push_str("./");
            }
            text.push_str(&self.path);
        }
        if let Some(query) = self.query {
            text.push('?');
            text.push_str(query);
        }
        if !self.fragment.is_empty() {
            text.push('#');
            text.push_str(&self.fragment);
        }
        text
    }
}

/// Splits off the scheme, which may be empty.
fn split_scheme(text: &str) -> Result<(&str, &str), String> {
    let end = text.bytes().enumerate().find(|(at, byte)| {
        let within = *at > 0 && (byte.is_ascii_digit() || b"+-.".contains(byte));
        !byte.is_ascii_alphabetic() && !within
    });
    match end {
        Some((0, b':')) => Err("missing protocol scheme".to_owned()),
        Some((at, b':')) => Ok((&text[..at], &text[at + 1..])),
        _ => Ok(("", text)),
    }
}

/// Joins a path to another, without its dots.
fn merge(base: &str, reference: &str) -> String {
    let full = match reference.chars().next() {
        None => base.to_owned(),
        Some('/') => reference.to_owned(),
        Some(_) => format!("{}{reference}", &base[..base.rfind('/').map_or(0, |at| at + 1)]),
    };
    if full.is_empty() {
        return full;
    }
    let mut out = "/".to_owned();
    let (mut first, mut last) = (true, "");
    for part in full.split('/') {
        last = part;
        match part {
            "." => first = false,
            ".." => {
                out.truncate(out[1..].rfind('/').map_or(1, |at| at + 1));
                first = out.len() == 1;
            }
            part => {
                if !first {
                    out.push('/');
                }
                out.push_str(part);
                first = false;
            }
        }
    }
    if matches!(last, "." | "..") {
        out.push('/');
    }
    if out.starts_with("//") { out.split_off(1) } else { out }
}

/// Joins paths as Go's `path.Join`: without empty parts, dots and doubled slashes.
fn join_path(parts: &[Vec<u8>]) -> Vec<u8> {
    let parts: Vec<_> = parts.iter().filter(|part| !part.is_empty()).cloned().collect();
    if parts.is_empty() {
        return Vec::new();
    }
    let full = parts.join(&b'/');
    let rooted = full.starts_with(b"/");
    let mut kept: Vec<&[u8]> = Vec::new();
    for part in full.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." if kept.last().is_some_and(|last| *last != b"..") => drop(kept.pop()),
            b".." if rooted => {}
            part => kept.push(part),
        }
    }
    let joined = kept.join(&b'/');
    match (rooted, joined.is_empty()) {
        (true, _) => [b"/", joined.as_slice()].concat(),
        (false, true) => b".".to_vec(),
        (false, false) => joined,
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Path,
    Fragment,
}

/// Returns escaped text as Go keeps it: unchanged if its escapes are valid, else escaped again.
fn escaped(text: &str, mode: Mode) -> Result<String, String> {
    let plain = unescape(text).ok_or_else(|| {
        let at = text.match_indices('%').map(|(at, _)| &text[at..]).find(|rest| !is_escape(rest));
        let rest = at.unwrap_or_default();
        let end = rest.char_indices().nth(3).map_or(rest.len(), |(at, _)| at);
        format!("invalid URL escape {}", quote::go(&rest[..end]))
    })?;
    let sound = text.bytes().all(|byte| b"!'()*[]%".contains(&byte) || is_free(byte, mode));
    Ok(if sound { text.to_owned() } else { escape(&plain, mode) })
}

fn is_escape(text: &str) -> bool {
    text.as_bytes().get(1..3).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit))
}

/// Returns true if a byte needs no escape.
fn is_free(byte: u8, mode: Mode) -> bool {
    byte.is_ascii_alphanumeric()
        || b"-_.~$&+,/:;=@".contains(&byte)
        || mode == Mode::Fragment && b"?!()*".contains(&byte)
}

fn escape(plain: &[u8], mode: Mode) -> String {
    let mut text = String::with_capacity(plain.len());
    for byte in plain {
        if is_free(*byte, mode) {
            text.push(char::from(*byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

/// Removes the escapes. Returns `None` if two hex digits do not follow a `%`.
fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            plain.push(*first);
            continue;
        }
        let (hex, after) = after.split_at_checked(2)?;
        if !hex.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        plain.push(u8::from_str_radix(str::from_utf8(hex).ok()?, 16).ok()?);
        rest = after;
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_resolve_as_helm_resolves_them() {
        for (base, reference, resolved) in [
            ("https://h/charts", "a-1.tgz", "https://h/charts/a-1.tgz"),
            ("https://h/charts/", "a-1.tgz", "https://h/charts/a-1.tgz"),
            ("https://h/charts/index.yaml", "a.tgz", "https://h/charts/index.yaml/a.tgz"),
            ("https://h/charts?x=1", "a.tgz?y=2", "https://h/charts/a.tgz?x=1"),
            ("https://h/charts", "/a.tgz", "https://h/a.tgz"),
            ("https://h/charts", "../a.tgz", "https://h/a.tgz"),
            ("https://h/charts", "//evil/a.tgz", "https://evil/a.tgz"),
            ("https://h/charts", "http://o/a.tgz", "http://o/a.tgz"),
            ("https://h/a%2fb", "c.tgz", "https://h/a%2fb/c.tgz"),
            ("https://h/charts", "a+1.tgz", "https://h/charts/a+1.tgz"),
            ("https://h/c", "javascript:alert(1)", "javascript:alert(1)"),
            ("https://h/c", "file:///etc/passwd", "file:///etc/passwd"),
            ("https://h/c", "a:b/c.tgz", "a:b/c.tgz"),
            ("oci://h/c", "a.tgz", "oci://h/c/a.tgz"),
            ("https://h/charts", "", "https://h/charts/"),
        ] {
            assert_eq!(resolve(base, reference).expect(reference), resolved);
        }
    }

    #[test]
    fn parts_join_as_helm_joins_them() {
        for (base, parts, joined) in [
            ("https://h/c", vec!["a.tgz"], "https://h/c/a.tgz"),
            ("https://h/c/", vec!["d/", "a.tgz"], "https://h/c/d/a.tgz"),
            ("", vec!["a.tgz"], "a.tgz"),
            ("", vec!["sub"], "sub"),
            ("", vec![""], ""),
            ("charts", vec!["a.tgz"], "charts/a.tgz"),
            ("https://h", vec!["a.tgz"], "https://h/a.tgz"),
            ("https://h/c?x=1", vec!["a.tgz"], "https://h/c/a.tgz?x=1"),
        ] {
            assert_eq!(join(base, &parts), joined);
        }
    }
}
