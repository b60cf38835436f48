//! Which proxy, if any, stands before a host: the rules of `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` as Go's tools
//! (Helm among them) read them.

use crate::{Error, Result};
use std::net::IpAddr;
use url::{Host, Url};

/// The proxies, as the variables of these names would say it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Proxies {
    /// For `https` addresses.
    pub https: Option<String>,
    /// For `http` addresses.
    pub http: Option<String>,
    /// Who is reached without: a comma-separated list of hosts (with all beneath them), `.suffix` or `*.suffix`
    /// (only what is beneath), addresses, CIDR blocks, each with or without a port; or `*`.
    pub except: Option<String>,
}

/// The same, parsed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Routes {
    https: Option<Url>,
    http: Option<Url>,
    except: Vec<Exception>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Exception {
    Everything,
    Block(ipnet::IpNet),
    Address(IpAddr, Option<u16>),
    /// The host and what is beneath it.
    Domain(String, Option<u16>),
    /// Only what is beneath it; begins with a dot.
    Beneath(String, Option<u16>),
}

impl Routes {
    pub(crate) fn new(proxies: &Proxies) -> Result<Self> {
        Ok(Self {
            https: proxies.https.as_deref().map(proxy_url).transpose()?.flatten(),
            http: proxies.http.as_deref().map(proxy_url).transpose()?.flatten(),
            except: proxies.except.as_deref().map(exceptions).unwrap_or_default(),
        })
    }

    /// Whether there is no proxy at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.https.is_none() && self.http.is_none()
    }

    /// The proxy before this address. This machine itself is never reached through one.
    pub(crate) fn proxy(&self, url: &Url) -> Option<&Url> {
        let proxy = match url.scheme() {
            "https" => self.https.as_ref(),
            "http" => self.http.as_ref(),
            _ => None,
        }?;
        let port = url.port_or_known_default();
        let (name, address) = match url.host()? {
            Host::Domain(name) => (name.trim_end_matches('.').to_ascii_lowercase(), None),
            Host::Ipv4(address) => (String::new(), Some(IpAddr::V4(address))),
            Host::Ipv6(address) => (String::new(), Some(IpAddr::V6(address))),
        };
        if name == "localhost" || address.is_some_and(|address| address.is_loopback()) {
            return None;
        }
        let direct = self.except.iter().any(|exception| match exception {
            Exception::Everything => true,
            Exception::Block(block) => address.is_some_and(|address| block.contains(&address)),
            Exception::Address(own, at) => address == Some(*own) && at.is_none_or(|_| *at == port),
            Exception::Domain(own, at) => {
                let beneath = name.strip_suffix(own.as_str()).is_some_and(|s| s.ends_with('.'));
                (name == *own || beneath) && at.is_none_or(|_| *at == port)
            }
            Exception::Beneath(suffix, at) => {
                name.ends_with(suffix.as_str()) && at.is_none_or(|_| *at == port)
            }
        });
        (!direct).then_some(proxy)
    }
}

/// A proxy's address; without a scheme it is plain HTTP, and an empty one is none.
fn proxy_url(text: &str) -> Result<Option<Url>> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let full = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let bad = || {
        // The address may hold a password, so it is not repeated.
        Error::usage("the proxy is no http:// or https:// address")
            .with_hint("check HTTPS_PROXY and HTTP_PROXY")
    };
    let url: Url = full.parse().map_err(|_| bad())?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(bad());
    }
    Ok(Some(url))
}

fn exceptions(text: &str) -> Vec<Exception> {
    text.split([',', ' ', '\t'])
        .map(|entry| entry.trim().to_ascii_lowercase())
        .filter(|entry| !entry.is_empty())
        .map(|entry| exception(&entry))
        .collect()
}

fn exception(entry: &str) -> Exception {
    if entry == "*" {
        return Exception::Everything;
    }
    if let Ok(block) = entry.parse() {
        return Exception::Block(block);
    }
    let (host, port) = split_port(entry);
    if let Ok(address) = host.parse() {
        return Exception::Address(address, port);
    }
    let host = host.trim_end_matches('.');
    match host.strip_prefix('*').unwrap_or(host) {
        suffix if suffix.starts_with('.') => Exception::Beneath(suffix.to_owned(), port),
        name => Exception::Domain(name.to_owned(), port),
    }
}

fn split_port(entry: &str) -> (&str, Option<u16>) {
    if let Some(rest) = entry.strip_prefix('[') {
        let (host, after) = rest.split_once(']').unwrap_or((rest, ""));
        return (host, after.strip_prefix(':').and_then(|port| port.parse().ok()));
    }
    match entry.rsplit_once(':') {
        // More than one colon is a bare IPv6 address.
        Some((host, port)) if !host.contains(':') => match port.parse() {
            Ok(port) => (host, Some(port)),
            Err(_) => (entry, None),
        },
        _ => (entry, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(except: &str) -> Routes {
        Routes::new(&Proxies {
            https: Some("http://s.proxy:3128".into()),
            http: Some("u:p@h.proxy".into()),
            except: Some(except.into()),
        })
        .expect("proxies")
    }

    #[test]
    fn each_scheme_has_its_proxy() {
        let routes = routes("");
        for (url, proxy) in [
            ("https://r.example/", Some("http://s.proxy:3128/")),
            ("http://r.example/", Some("http://u:p@h.proxy/")),
            ("https://localhost:5000/", None),
            ("http://127.0.0.9/", None),
            ("https://[::1]/", None),
        ] {
            let found = routes.proxy(&url.parse().expect(url)).map(Url::as_str);
            assert_eq!(found, proxy, "{url}");
        }
    }

    #[test]
    fn exceptions_are_read_as_go_reads_them() {
        for (except, url, direct) in [
            ("*", "https://r.example/", true),
            ("r.example", "https://r.example/", true),
            ("r.example", "https://a.b.r.example/", true),
            ("r.example", "https://xr.example/", false),
            (".r.example", "https://r.example/", false),
            (".r.example", "https://a.r.example/", true),
            ("*.r.example", "https://a.r.example/", true),
            ("*.r.example", "https://r.example/", false),
            ("R.EXAMPLE.", "https://r.example/", true),
            ("r.example:443", "https://r.example/", true),
            ("r.example:8443", "https://r.example/", false),
            ("a, r.example:8443 b", "https://r.example:8443/", true),
            ("10.0.0.0/8", "https://10.1.2.3/", true),
            ("10.0.0.0/8", "https://11.1.2.3/", false),
            ("10.1.2.3", "https://10.1.2.3:5000/", true),
            ("10.1.2.3:5000", "https://10.1.2.3:5001/", false),
            ("fd00::/8", "https://[fd00::5]/", true),
            ("fd00::5", "https://[fd00::5]:1/", true),
            ("[fd00::5]:2", "https://[fd00::5]:1/", false),
            ("10.0.0.0/8", "https://r10.example/", false),
            ("nonsense:port", "https://r.example/", false),
        ] {
            let found = routes(except).proxy(&url.parse().expect(url)).is_none();
            assert_eq!(found, direct, "{except} and {url}");
        }
    }

    #[test]
    fn a_proxy_that_is_no_address_is_refused_without_repeating_it() {
        for text in ["socks5://u:secret@h", "http://", "::"] {
            let error = Routes::new(&Proxies { https: Some(text.into()), ..Proxies::default() })
                .expect_err(text);
            assert!(!error.chain().contains("secret"));
        }
        assert!(
            Routes::new(&Proxies { https: Some(" ".into()), ..Proxies::default() })
                .is_ok_and(|r| r.is_empty())
        );
    }
}
