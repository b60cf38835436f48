//! Names of registries: a host and a port.

use super::parse_error::ParseReferenceError;
use std::{fmt, str::FromStr};

/// The name of a registry: a host and perhaps a port, without a scheme or a path.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Registry(Box<str>);

impl Registry {
    /// Returns `host[:port]` as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the host without its port, and an IPv6 literal without its brackets.
    pub fn host(&self) -> &str {
        let text = self.as_str();
        if let Some(rest) = text.strip_prefix('[') {
            return rest.split(']').next().unwrap_or(rest);
        }
        text.rsplit_once(':').map_or(text, |(host, _)| host)
    }

    /// Returns the port, if one was written.
    pub fn port(&self) -> Option<u16> {
        let text = self.as_str();
        let after = text.rfind(']').map_or(text, |at| &text[at + 1..]);
        after.rsplit_once(':').and_then(|(_, port)| port.parse().ok())
    }

    /// Returns true if the host is this machine: `localhost`, 127.0.0.0/8 or `[::1]`.
    pub fn is_loopback(&self) -> bool {
        let host = self.host();
        host.eq_ignore_ascii_case("localhost")
            || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    /// Returns true for one of Docker Hub's names.
    pub fn is_docker_hub(&self) -> bool {
        matches!(self.as_str(), "docker.io" | "index.docker.io" | "registry-1.docker.io")
    }
}

impl FromStr for Registry {
    type Err = ParseReferenceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = |reason: &str| {
            ParseReferenceError::new(text, format!("invalid registry \"{text}\": {reason}"))
        };
        if text.is_empty() {
            return Err(bad("it is empty"));
        }
        if let Some(error) = ParseReferenceError::of_user(text) {
            return Err(error);
        }
        let (host, port) = if let Some(rest) = text.strip_prefix('[') {
            let (address, after) = rest.split_once(']').ok_or_else(|| bad("`[` without `]`"))?;
            address
                .parse::<std::net::Ipv6Addr>()
                .map_err(|_| bad("the text in brackets is not an IPv6 address"))?;
            match after.strip_prefix(':') {
                Some(port) => ("", Some(port)),
                None if after.is_empty() => ("", None),
                None => return Err(bad("text after `]`")),
            }
        } else {
            match text.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            }
        };
        if !text.starts_with('[') {
            let label = |l: &str| {
                !l.is_empty()
                    && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
                    && !l.starts_with('-')
                    && !l.ends_with('-')
            };
            if !host.split('.').all(label) {
                return Err(bad("expected host[:port]"));
            }
        }
        if port.is_some_and(|port| port.parse::<u16>().is_err()) {
            return Err(bad("the port is not a number up to 65535"));
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
