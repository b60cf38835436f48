//! Choice of the proxy for a host, by the rules of Go's tools (Helm among them) for `HTTPS_PROXY`,
//! `HTTP_PROXY` and `NO_PROXY`.

use super::redirect::host_of;
use crate::Error;
use std::net::IpAddr;
use url::{Host, Url};

/// Proxies, in the form of the environment variables of these names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Proxies {
    /// Proxy for `https` addresses.
    pub https: Option<String>,
    /// Proxy for `http` addresses.
    pub http: Option<String>,
    /// Proxy for both schemes, if a scheme has none of its own. No Go tool reads this variable, so
    /// the client skips a value that cannot be used, with a warning.
    pub all: Option<String>,
    /// Hosts without a proxy, separated by commas: a host (with its subdomains), `.suffix` or
    /// `*.suffix` (subdomains only), an address, a CIDR block, each with or without a port; or `*`.
    pub except: Option<String>,
}

/// Parsed form of [`Proxies`].
#[derive(Clone, Debug, Default)]
pub(crate) struct Routes {
    https: Route,
    http: Route,
    except: Vec<Exception>,
}

/// Route to the addresses of one scheme.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Route {
    /// No proxy.
    #[default]
    Direct,
    /// Proxy at this address.
    Through(Url),
    /// Invalid value in the variable of this scheme.
    Unusable,
    /// No proxy, because the value for every scheme is invalid.
    Skipped,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Exception {
    Everything,
    Block(ipnet::IpNet),
    Address(IpAddr, Option<u16>),
    /// Host with its subdomains.
    Domain(String, Option<u16>),
    /// Subdomains only. The text begins with a dot.
    Beneath(String, Option<u16>),
}

impl Routes {
    /// Parses the variables. An invalid value matters only for addresses that need it.
    pub(crate) fn new(proxies: &Proxies) -> Self {
        let route = |own: &Option<String>| match own.as_deref().map(str::trim).unwrap_or_default() {
            "" => match proxies.all.as_deref().map(str::trim).unwrap_or_default() {
                "" => Route::Direct,
                all => proxy_url(all).map_or(Route::Skipped, Route::Through),
            },
            own => proxy_url(own).map_or(Route::Unusable, Route::Through),
        };
        Self {
            https: route(&proxies.https),
            http: route(&proxies.http),
            except: proxies.except.as_deref().map(exceptions).unwrap_or_default(),
        }
    }

    /// Returns true if there is no proxy at all.
    pub(crate) fn is_empty(&self) -> bool {
        !matches!(self.https, Route::Through(_)) && !matches!(self.http, Route::Through(_))
    }

    /// Returns the proxy for this address.
    pub(crate) fn proxy(&self, url: &Url) -> Option<&Url> {
        match self.route(url) {
            Route::Through(proxy) => Some(proxy),
            _ => None,
        }
    }

    /// Returns the route to this address. The client never uses a proxy for this machine itself.
    pub(crate) fn route(&self, url: &Url) -> &Route {
        let route = match url.scheme() {
            "https" => &self.https,
            "http" => &self.http,
            _ => return &Route::Direct,
        };
        let port = url.port_or_known_default();
        let Some(host) = url.host() else { return &Route::Direct };
        let (name, address) = match host {
            Host::Domain(name) => (name.trim_end_matches('.').to_ascii_lowercase(), None),
            Host::Ipv4(address) => (String::new(), Some(IpAddr::V4(address))),
            Host::Ipv6(address) => (String::new(), Some(IpAddr::V6(address))),
        };
        if name == "localhost" || address.is_some_and(|address| address.is_loopback()) {
            return &Route::Direct;
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
        if direct { &Route::Direct } else { route }
    }
}

/// Parses a proxy's address. Without a scheme it is plain HTTP.
fn proxy_url(text: &str) -> Option<Url> {
    let full = match text.split_once("://") {
        None => format!("http://{text}"),
        // In Go, the proxy resolves the names for both.
        Some(("socks5", rest)) => format!("socks5h://{rest}"),
        Some(_) => text.to_owned(),
    };
    let url: Url = full.parse().ok()?;
    let known = matches!(url.scheme(), "http" | "https" | "socks5h");
    (known && url.host_str().is_some_and(|host| !host.is_empty())).then_some(url)
}

/// Returns the error for an address whose proxy is invalid. A proxy's address may contain a
/// password, so the error does not repeat it.
pub(crate) fn unusable(url: &Url) -> Error {
    let variable = if url.scheme() == "http" { "HTTP_PROXY" } else { "HTTPS_PROXY" };
    Error::usage(format!(
        "the proxy for `{}` is not an http, https or socks5 address",
        host_of(url)
    ))
    .with_hint(format!("check {variable}, or add the host to NO_PROXY"))
}

/// Warning about an invalid proxy for every scheme.
pub(crate) const SKIPPED: &str = "ALL_PROXY is skipped: it is not an http, https or socks5 address; set HTTPS_PROXY or HTTP_PROXY";

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
            ..Proxies::default()
        })
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
    fn a_proxy_that_cannot_be_used_matters_where_it_is_needed() {
        use Route::{Direct, Skipped, Through, Unusable};
        let some = |text: &str| Some(text.to_owned());
        let through = |text: &str| Through(text.parse().expect(text));
        let outer = "https://r.example/";
        for (https, all, url, route) in [
            (some("socks5://u:p@h:1"), None, outer, through("socks5h://u:p@h:1")),
            (some("socks5h://h"), None, outer, through("socks5h://h")),
            (some("socks://u:secret@h"), None, outer, Unusable),
            (some("http://"), None, outer, Unusable),
            (some("::"), None, outer, Unusable),
            (some("socks://h"), None, "https://127.0.0.1:5000/", Direct),
            (some("socks://h"), None, "https://a.direct.example/", Direct),
            (some("socks://h"), None, "http://r.example/", Direct),
            (some(" "), None, outer, Direct),
            (None, some("socks://h"), outer, Skipped),
            (None, some("socks5://h"), outer, through("socks5h://h")),
            (some("http://own"), some("socks://h"), outer, through("http://own")),
            (some(" "), some("h:3128"), outer, through("http://h:3128")),
        ] {
            let proxies =
                Proxies { https, all, except: some("direct.example"), ..Proxies::default() };
            let routes = Routes::new(&proxies);
            assert_eq!(*routes.route(&url.parse().expect(url)), route, "{proxies:?} {url}");
        }
        let error = unusable(&outer.parse().expect(outer));
        assert!(error.chain().contains("r.example") && error.hint().is_some());
    }
}
