//! The digest that an entry lists for its archive, in the spellings of servers: bare hex or with
//! its algorithm, in either case, SHA-256 or SHA-512.

use crate::digest::Digest;

/// The digest in an index's entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ListedDigest {
    /// The entry lists no digest.
    #[default]
    Missing,
    /// A SHA-256 or SHA-512. For an archive in a registry, it may be that of the manifest.
    Digest(Digest),
    /// Another text, such as an MD5.
    Odd(String),
}

impl ListedDigest {
    /// Parses the text of an entry's `digest`.
    pub fn read(text: &str) -> Self {
        let text = text.trim();
        if text.is_empty() {
            return Self::Missing;
        }
        let lower = text.to_ascii_lowercase();
        let whole = match lower.len() {
            64 => format!("sha256:{lower}"),
            128 => format!("sha512:{lower}"),
            _ => lower,
        };
        whole.parse().map_or_else(|_| Self::Odd(text.to_owned()), Self::Digest)
    }

    /// Returns the digest, if it is comparable.
    pub fn digest(&self) -> Option<&Digest> {
        match self {
            Self::Digest(digest) => Some(digest),
            Self::Missing | Self::Odd(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_read_as_servers_write_them() {
        let (hex, long) = ("ab".repeat(32), "cd".repeat(64));
        for (text, whole) in [
            (hex.clone(), Some(format!("sha256:{hex}"))),
            (hex.to_uppercase(), Some(format!("sha256:{hex}"))),
            (format!("sha256:{hex}"), Some(format!("sha256:{hex}"))),
            (format!(" SHA256:{hex} "), Some(format!("sha256:{hex}"))),
            (long.clone(), Some(format!("sha512:{long}"))),
            (format!("sha512:{long}"), Some(format!("sha512:{long}"))),
            ("d41d8cd98f00b204e9800998ecf8427e".to_owned(), None),
            ("sha1:da39a3ee5e6b4b0d3255bfef95601890afd80709".to_owned(), None),
            ("x".repeat(64), None),
        ] {
            let read = ListedDigest::read(&text);
            assert_eq!(read.digest().map(Digest::as_str), whole.as_deref(), "{text}");
            assert_eq!(matches!(read, ListedDigest::Odd(_)), whole.is_none(), "{text}");
        }
        assert_eq!(ListedDigest::read(" "), ListedDigest::Missing);
    }
}
