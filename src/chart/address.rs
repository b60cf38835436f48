//! The rules of Helm lint for an e-mail address, a page and a URL. None of the three follows an
//! RFC: the first two are patterns of the govalidator library, the third is Go's
//! `url.ParseRequestURI`. The rules exist so that our lint results equal Helm's; they contact no
//! host.

use std::net::Ipv6Addr;

/// Returns true for a URL with a scheme, for `icon` and `sources`. Go is lenient and accepts
/// `mailto:x` and `a:`.
pub(super) fn is_request_url(text: &str) -> bool {
    Parsed::read(text, Origin::Request).is_some_and(|parsed| !parsed.scheme.is_empty())
}

/// Returns true for a page, perhaps without its scheme, for `url` of a maintainer.
pub(super) fn is_page(text: &str) -> bool {
    let chars = text.chars().count();
    if chars >= 2083 || text.len() <= 3 || text.starts_with('.') {
        return false;
    }
    let with_scheme = if text.contains(':') && !text.contains("://") {
        format!("http://{text}")
    } else {
        text.to_owned()
    };
    let (address, fragment) = with_scheme.split_once('#').unwrap_or((&with_scheme, ""));
    let Some(parsed) = Parsed::read(address, Origin::Anywhere) else {
        return false;
    };
    let dotted = |path: &str| path.contains('.') || path.to_ascii_lowercase().contains("%2e");
    are_escapes_sound(fragment)
        && !parsed.host.starts_with('.')
        && (!parsed.host.is_empty() || parsed.path.is_empty() || dotted(parsed.path))
        && looks_like_page(text)
}

/// Returns true for an e-mail address. This does not implement two details of the pattern within a
/// quoted name: folded white space, and pairs after a bracket.
pub(super) fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else {
        return false;
    };
    is_email_local(local) && is_email_domain(domain)
}

fn is_email_local(local: &str) -> bool {
    let atom =
        |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c) || is_wide(c);
    local.strip_suffix('"').is_some_and(is_quoted)
        || local.split('.').all(|text| !text.is_empty() && text.chars().all(atom))
}

/// Checks a quoted name without its last quote. A bracket of the pattern is closed too late, so
/// that it requires a quote before every character: `"a"` passes and `"ab"` does not.
fn is_quoted(mut rest: &str) -> bool {
    let blank = [' ', '\t'];
    while let Some(tail) = rest.strip_prefix('"') {
        let mut chars = tail.trim_start_matches(blank).chars();
        match chars.next() {
            Some(
                '\u{1}'..='\u{8}'
                | '\u{b}'
                | '\u{c}'
                | '\u{e}'..='\u{1f}'
                | '!'
                | '#'..='['
                | ']'..='\u{7f}',
            ) => {}
            Some(c) if is_wide(c) => {}
            _ => return false,
        }
        rest = chars.as_str();
    }
    rest.trim_start_matches(blank).is_empty()
}

/// Checks a domain. The part before the last dot is one run that begins and ends like a word; the
/// part after it is a word without digits at its ends.
fn is_email_domain(domain: &str) -> bool {
    let domain = domain.strip_suffix('.').unwrap_or(domain);
    let Some((labels, top)) = domain.rsplit_once('.') else {
        return false;
    };
    let letter = |c: char| c.is_ascii_alphabetic() || is_wide(c);
    let word = |c: char| c.is_ascii_alphanumeric() || is_wide(c);
    let framed = |text: &str, end: &dyn Fn(char) -> bool, inner: &str| {
        text.starts_with(end)
            && text.ends_with(end)
            && text.chars().all(|c| word(c) || inner.contains(c))
    };
    framed(labels, &word, "-._~") && framed(top, &letter, "-_~")
}

/// Returns true for the characters beyond ASCII in the pattern for addresses.
fn is_wide(c: char) -> bool {
    matches!(c, '\u{a0}'..='\u{d7ff}' | '\u{f900}'..='\u{fdcf}' | '\u{fdf0}'..='\u{ffef}')
}

/// Position of a text that Go reads as a URL.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// The first line of a request. The URL is absolute, and `#` is like any other character.
    Request,
    Anywhere,
}

/// The parts of a text that Go's `net/url` finds.
struct Parsed<'t> {
    scheme: &'t str,
    host: &'t str,
    path: &'t str,
}

impl<'t> Parsed<'t> {
    fn read(text: &'t str, origin: Origin) -> Option<Self> {
        if text.bytes().any(|byte| byte < b' ' || byte == 0x7f) {
            return None;
        }
        if text == "*" {
            return Some(Self { scheme: "", host: "", path: text });
        }
        let (scheme, rest) = split_scheme(text)?;
        let rest = rest.split_once('?').map_or(rest, |(rest, _)| rest);
        if !rest.starts_with('/') {
            if !scheme.is_empty() {
                return Some(Self { scheme, host: "", path: "" });
            }
            let colon = rest.split('/').next().is_some_and(|segment| segment.contains(':'));
            if origin == Origin::Request || colon {
                return None;
            }
        }
        let authority = rest.strip_prefix("//").filter(|_| {
            !scheme.is_empty() || (origin == Origin::Anywhere && !rest.starts_with("///"))
        });
        let (host, path) = match authority {
            None => ("", rest),
            Some(authority) => {
                let (authority, path) =
                    authority.split_at(authority.find('/').unwrap_or(authority.len()));
                (host_of(authority, scheme)?, path)
            }
        };
        are_escapes_sound(path).then_some(Self { scheme, host, path })
    }
}

/// Splits off the scheme, which may be empty. Returns `None` for a text that begins with a colon.
fn split_scheme(text: &str) -> Option<(&str, &str)> {
    let end = text.bytes().enumerate().find(|(at, byte)| {
        let within = *at > 0 && (byte.is_ascii_digit() || b"+-.".contains(byte));
        !byte.is_ascii_alphabetic() && !within
    });
    match end {
        Some((0, b':')) => None,
        Some((at, b':')) => Some((&text[..at], &text[at + 1..])),
        _ => Some(("", text)),
    }
}

fn host_of<'t>(authority: &'t str, scheme: &str) -> Option<&'t str> {
    let host = match authority.rsplit_once('@') {
        None => authority,
        Some((user, host)) => {
            let allowed =
                |byte: u8| byte.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(&byte);
            if !user.bytes().all(allowed) || !are_escapes_sound(user) {
                return None;
            }
            host
        }
    };
    match host.rfind('[') {
        Some(0) => {
            let (address, port) = host[1..].rsplit_once(']')?;
            let address = address.split_once("%25").map_or(address, |(address, _)| address);
            return (address.parse::<Ipv6Addr>().is_ok() && is_port(port)).then_some(host);
        }
        Some(_) => return None,
        None => {}
    }
    let strict = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
    let colon = if strict { host.find(':') } else { host.rfind(':') };
    if !colon.is_none_or(|colon| is_port(&host[colon..])) {
        return None;
    }
    let allowed = |byte: u8| {
        byte >= 0x80 || byte.is_ascii_alphanumeric() || b"!\"$&'()*+,-.:;<=>[]_~%".contains(&byte)
    };
    // Within a host, only bytes beyond ASCII and `%` itself may be escaped.
    let escapes = host.match_indices('%').all(|(at, _)| {
        let escape = host.as_bytes().get(at + 1..at + 3);
        escape.is_some_and(|hex| hex == b"25" || hex[0].to_ascii_lowercase() >= b'8')
    });
    (host.bytes().all(allowed) && are_escapes_sound(host) && escapes).then_some(host)
}

/// Returns true for an empty text, or a colon and any number of digits.
fn is_port(text: &str) -> bool {
    text.is_empty()
        || text.strip_prefix(':').is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
}

fn are_escapes_sound(text: &str) -> bool {
    text.match_indices('%').all(|(at, _)| {
        text.as_bytes().get(at + 1..at + 3).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit))
    })
}

/// Matches the library's pattern for a page, with every way to match at once: each step maps the
/// possible ends of one part to those of the next.
fn looks_like_page(text: &str) -> bool {
    let page = Page(text.chars().collect());
    let mut start = page.nowhere();
    start[0] = true;
    for scheme in ["ftp://", "tcp://", "udp://", "ws://", "wss://", "http://", "https://"] {
        if text.starts_with(scheme) {
            start[scheme.len()] = true;
        }
    }
    let user = page.one(&page.many(&start, |from| page.one(from, is_no_space)), |c| c == '@');
    let host = page.host(&union(start, &user));
    let host = union(page.one(&host, |c| c == '.'), &host);
    let port = page.times(&page.one(&host, |c| c == ':'), 1..=5, |c| c.is_ascii_digit());
    let end = union(port, &host);
    let path = page.one(&end, |c| matches!(c, '/' | '?' | '#'));
    let path = union(page.many(&path, |from| page.one(from, is_no_space)), &path);
    union(path, &end)[page.0.len()]
}

fn is_no_space(c: char) -> bool {
    !matches!(c, '\t' | '\n' | '\x0c' | '\r' | ' ')
}

/// The positions of a text, from before its first character to after its last, each true if it is a
/// possible end.
type Places = Vec<bool>;

fn union(mut a: Places, b: &Places) -> Places {
    a.iter_mut().zip(b).for_each(|(a, b)| *a |= b);
    a
}

struct Page(Vec<char>);

impl Page {
    fn nowhere(&self) -> Places {
        vec![false; self.0.len() + 1]
    }

    fn one(&self, from: &Places, is: impl Fn(char) -> bool) -> Places {
        let mut to = self.nowhere();
        for (at, c) in self.0.iter().enumerate() {
            to[at + 1] = from[at] && is(*c);
        }
        to
    }

    /// Matches a step once or more.
    fn many(&self, from: &Places, step: impl Fn(&Places) -> Places) -> Places {
        let mut all = step(from);
        loop {
            let more = union(step(&all), &all);
            if more == all {
                return all;
            }
            all = more;
        }
    }

    fn times(
        &self,
        from: &Places,
        range: std::ops::RangeInclusive<usize>,
        is: impl Fn(char) -> bool,
    ) -> Places {
        let (mut at, mut to) = (from.clone(), self.nowhere());
        for count in 1..=*range.end() {
            at = self.one(&at, &is);
            if range.contains(&count) {
                to = union(to, &at);
            }
        }
        to
    }

    fn host(&self, from: &Places) -> Places {
        let alnum = |c: char| c.is_ascii_alphanumeric();
        let words = |from: &Places| self.many(from, |from| self.one(from, alnum));
        // Two or more word characters, then more of them after single dashes and dots.
        let inner = self.many(&self.one(from, alnum), |from| {
            self.one(from, |c| alnum(c) || c == '-' || c == '_')
        });
        let first = self.one(&union(inner, &self.one(from, alnum)), alnum);
        let labels = union(
            self.many(&first, |from| words(&self.one(from, |c| c == '-' || c == '.'))),
            &first,
        );
        // Alternatively `www.`, or a dotted pair whose dot follows two word characters.
        let www = "www.".chars().fold(from.clone(), |at, wanted| self.one(&at, |c| c == wanted));
        let joined =
            |from: &Places| self.one(&union(self.one(from, |c| "-_.".contains(c)), from), alnum);
        let head = words(from);
        let head = self.one(&union(self.many(&head, joined), &head), alnum);
        let pair = words(&self.one(&head, |c| c == '.'));
        let before = union(union(labels, &www), &union(pair, from));
        union(union(self.name(&before), &self.ipv4(from)), &self.ipv6(from))
    }

    /// Matches the last part of a host: word characters of any script with single or double dashes
    /// between them, and an ending of letters.
    fn name(&self, from: &Places) -> Places {
        let letter = |c: char| c.is_ascii_alphabetic() || matches!(c, '\u{a1}'..='\u{ffff}');
        let words = |from: &Places| {
            self.many(from, |from| self.one(from, |c| letter(c) || c.is_ascii_digit()))
        };
        let dash = |from: &Places| union(self.one(from, |c| c == '-'), from);
        let dashed = self.many(from, |from| dash(&dash(&words(from))));
        let name = words(&union(dashed, from));
        let ending = self.many(&self.one(&name, |c| c == '.'), |from| self.one(from, letter));
        union(ending, &name)
    }

    fn ipv4(&self, from: &Places) -> Places {
        let first = |n: u16| matches!(n, 1..=223 | 240..=255);
        let mut at = self.number(from, |text, n| !text.starts_with('0') && first(n));
        for _ in 0..3 {
            at = self.number(&self.one(&at, |c| c == '.'), |text, n| {
                text.len() < 3 || (100..=255).contains(&n)
            });
        }
        at
    }

    /// Matches one to three digits.
    fn number(&self, from: &Places, is: impl Fn(&str, u16) -> bool) -> Places {
        let mut to = self.nowhere();
        for start in (0..self.0.len()).filter(|at| from[*at]) {
            let mut digits = String::new();
            for (at, c) in self.0.iter().enumerate().skip(start).take(3) {
                if !c.is_ascii_digit() {
                    break;
                }
                digits.push(*c);
                to[at + 1] |= digits.parse().is_ok_and(|number| is(&digits, number));
            }
        }
        to
    }

    fn ipv6(&self, from: &Places) -> Places {
        let mut to = self.nowhere();
        for start in (0..self.0.len()).filter(|at| from[*at] && self.0[*at] == '[') {
            let Some(length) = self.0[start..].iter().position(|c| *c == ']') else {
                continue;
            };
            let address: String = self.0[start + 1..start + length].iter().collect();
            to[start + length + 1] |= match address.split_once('%') {
                None => address.parse::<Ipv6Addr>().is_ok(),
                Some((local, zone)) => {
                    let named = !zone.is_empty() && zone.bytes().all(|b| b.is_ascii_alphanumeric());
                    named && local.starts_with("fe80:") && local.parse::<Ipv6Addr>().is_ok()
                }
            };
        }
        to
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_verdict_of_helm_is_ours() {
        let verdicts: Vec<(String, bool, bool, bool)> =
            serde_json::from_str(include_str!("../../testdata/chart/addresses.json"))
                .expect("verdicts");
        assert_eq!(verdicts.len(), 179);
        for (text, email, page, url) in verdicts {
            assert_eq!(
                (is_email(&text), is_page(&text), is_request_url(&text)),
                (email, page, url),
                "{text:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_text_is_judged_without_panic(text in ".{0,40}", host in "[a-z0-9.:/@%_-]{0,60}") {
            for text in [text, host] {
                is_email(&text);
                is_page(&text);
                is_request_url(&text);
            }
        }
    }
}
