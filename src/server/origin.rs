//! Protection against writes by web pages. A browser on the server's machine or network sends
//! requests for any page that it shows. Browsers name the page in `Origin` with every request other
//! than GET and HEAD. Other clients send no `Origin`, and these rules do not apply to them.
//!
//! A page of the server itself may write. On a loopback address the page must also have a loopback
//! name, since the owner of any other name can point it there (DNS rebinding). The pages in
//! `--cors-alloworigin` and `--chart-url` may write as well: a proxy before the server may have a
//! name of its own.

use super::Config;
use axum::{
    Router,
    extract::Request,
    middleware::{self, Next},
    response::Response,
};
use http::{HeaderMap, Method, StatusCode, Uri, header};
use std::{net::IpAddr, sync::Arc};

/// Web pages that may write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Origins {
    reach: Reach,
    /// Hosts of pages that may write. `None` allows all.
    allowed: Option<Vec<String>>,
}

/// Network from which clients reach the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    ThisMachine,
    Network,
}

impl Origins {
    /// Returns the pages that a configuration allows.
    pub(super) fn of(config: &Config) -> Self {
        let reach =
            if config.listen.ip().is_loopback() { Reach::ThisMachine } else { Reach::Network };
        let museum = &config.museum;
        let named = museum.allow_origin.as_deref();
        let allowed = (named != Some("*")).then(|| {
            let origins = named.into_iter().chain([museum.chart_url.as_str()]);
            origins.filter_map(host_of_origin).collect()
        });
        Self { reach, allowed }
    }

    /// Adds this protection to a router.
    pub(super) fn guard(self, router: Router) -> Router {
        let this = Arc::new(self);
        router.layer(middleware::from_fn(move |request: Request, next: Next| {
            let this = Arc::clone(&this);
            async move {
                match this.refuses(request.method(), request.headers(), request.uri()) {
                    Some(origin) => refusal(&origin),
                    None => next.run(request).await,
                }
            }
        }))
    }

    /// Returns the origin of a page that must not send this request.
    fn refuses(&self, method: &Method, headers: &HeaderMap, uri: &Uri) -> Option<String> {
        if [Method::GET, Method::HEAD, Method::OPTIONS].contains(method) {
            return None;
        }
        let allowed = self.allowed.as_ref()?;
        let origin = headers.get(header::ORIGIN)?;
        let origin = String::from_utf8_lossy(origin.as_bytes()).into_owned();
        // `null` is the origin of a sandboxed frame or a file, which no page owns.
        let Some(page) = host_of_origin(&origin) else { return Some(origin) };
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let host = uri.authority().map(|authority| authority.as_str()).or(host).map(normal);
        let own =
            host.as_deref() == Some(&page) && (self.reach == Reach::Network || is_loopback(&page));
        (!own && !allowed.contains(&page)).then_some(origin)
    }
}

fn refusal(origin: &str) -> Response {
    tracing::warn!(origin, "a web page tried to write");
    let message = "a web page of another origin is not allowed to write";
    let mut response = super::chartmuseum::error(message);
    *response.status_mut() = StatusCode::FORBIDDEN;
    response
}

/// Returns the host and port of an origin or URL, without the default port of its scheme.
fn host_of_origin(origin: &str) -> Option<String> {
    let (scheme, rest) = origin.split_once("://")?;
    let host = rest.split(['/', '?', '#']).next().filter(|host| !host.is_empty())?;
    matches!(scheme, "http" | "https").then(|| normal(host))
}

/// Returns a host in lower case, without the ports that browsers omit. The schemes do not count: a
/// proxy may use TLS for the server.
fn normal(host: &str) -> String {
    let host = host.to_ascii_lowercase();
    let bare = host.strip_suffix(":80").or_else(|| host.strip_suffix(":443"));
    bare.unwrap_or(&host).to_owned()
}

/// Returns true if a name, with or without a port, always resolves to this machine.
fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name == "localhost"
        || name.ends_with(".localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_the_server_itself_may_write_and_others_may_not() {
        let origins = |listen: &str, cors: Option<&str>, chart_url: &str| {
            let mut config =
                Config { listen: listen.parse().expect("address"), ..Config::default() };
            config.museum.allow_origin = cors.map(str::to_owned);
            config.museum.chart_url = chart_url.to_owned();
            Origins::of(&config)
        };
        let (near, far) = (origins("127.0.0.1:8080", None, ""), origins("0.0.0.0:80", None, ""));
        let public = origins("127.0.0.1:8080", None, "https://charts.example/below");
        let cors = origins("127.0.0.1:8080", Some("https://ui.example"), "");
        let all = origins("127.0.0.1:8080", Some("*"), "");
        for (origins, host, origin, passes) in [
            (&near, "127.0.0.1:8080", None, true),
            (&near, "charts.example", None, true),
            (&near, "127.0.0.1:8080", Some("http://127.0.0.1:8080"), true),
            (&near, "localhost:8080", Some("http://localhost:8080"), true),
            (&near, "[::1]:8080", Some("http://[::1]:8080"), true),
            (&near, "127.0.0.1:8080", Some("http://localhost:3000"), false),
            (&near, "127.0.0.1:8080", Some("http://evil.example"), false),
            (&near, "127.0.0.1:8080", Some("null"), false),
            (&near, "rebound.example:1", Some("http://rebound.example:1"), false),
            (&near, "127.0.0.1.evil.example", Some("http://127.0.0.1.evil.example"), false),
            (&far, "charts.example", Some("https://charts.example"), true),
            (&far, "charts.example:443", Some("https://Charts.example"), true),
            (&far, "charts.example", Some("https://evil.example"), false),
            (&public, "charts.example", Some("https://charts.example"), true),
            (&public, "127.0.0.1:8080", Some("https://charts.example"), true),
            (&public, "127.0.0.1:8080", Some("https://evil.example"), false),
            (&cors, "127.0.0.1:8080", Some("https://ui.example"), true),
            (&all, "127.0.0.1:8080", Some("http://evil.example"), true),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, host.parse().expect("host"));
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, origin.parse().expect("origin"));
            }
            let uri = Uri::from_static("/api/charts");
            let refused = origins.refuses(&Method::POST, &headers, &uri);
            assert_eq!(refused.is_none(), passes, "{host} {origin:?}");
            assert_eq!(origins.refuses(&Method::GET, &headers, &uri), None);
        }
    }
}
