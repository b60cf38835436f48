//! Errors for refused requests: the registry's own words, the kind of failure, and advice if a
//! remedy is known. The client recognises the type of a registry by its responses, never by its
//! name.

use super::{
    message::{Authorized, Response, is_html, text},
    redirect::{Credentials, host_of, may_see},
    retry::{Origin, is_transient},
};
use crate::{
    Error, ErrorKind,
    advice::{Advice, LogIn, Service},
    oci::Registry,
};
use serde::Deserialize;

/// Entry of an error document.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Entry {
    #[serde(default)]
    pub(crate) code: String,
    #[serde(default, deserialize_with = "text_or_nothing")]
    pub(crate) message: String,
    #[serde(default, deserialize_with = "text_or_nothing")]
    pub(crate) detail: String,
}

/// Parses `detail`, which may have any type. Only a text is worth showing.
fn text_or_nothing<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(match serde_json::Value::deserialize(deserializer)? {
        serde_json::Value::String(text) => text,
        _ => String::new(),
    })
}

/// Returns the entries of an error document. The list is empty for any other body.
pub(crate) fn entries(answer: &Response) -> Vec<Entry> {
    #[derive(Deserialize)]
    struct Document {
        #[serde(default)]
        errors: Vec<Entry>,
    }
    serde_json::from_slice::<Document>(&answer.body).map(|d| d.errors).unwrap_or_default()
}

/// Returns the codes of an error document, such as `MANIFEST_UNKNOWN`.
pub(crate) fn codes(answer: &Response) -> Vec<String> {
    let codes = entries(answer).into_iter().map(|entry| entry.code);
    codes.filter(|code| !code.is_empty()).collect()
}

/// Returns true if the body is a web page. Without a body the type proves nothing: some registries
/// label every response as HTML. JSON is no web page either, whatever its type.
pub(crate) fn is_page(answer: &Response) -> bool {
    let body = answer.body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&answer.body);
    let body = body.trim_ascii_start();
    let start: Vec<u8> = body.iter().take(14).map(u8::to_ascii_lowercase).collect();
    let typed = is_html(&answer.headers) && !body.is_empty() && !body.starts_with(b"{");
    typed || start.starts_with(b"<!doctype html") || start.starts_with(b"<html")
}

/// Returns true if the response to a HEAD, which has no body, is a web page.
pub(crate) fn is_page_head(answer: &Response) -> bool {
    is_html(&answer.headers)
}

/// Returns true if a response confirms a write: a success without a web page and without an error
/// document.
pub(crate) fn is_success(answer: &Response) -> bool {
    answer.status.is_success() && !is_page(answer) && entries(answer).is_empty()
}

/// Returns the error text of a response, in one line and safe for a terminal.
pub(crate) fn words(answer: &Response) -> Option<String> {
    let line = match entries(answer).first() {
        Some(entry) if !entry.message.is_empty() => entry.message.clone(),
        Some(entry) => entry.code.clone(),
        None if is_page(answer) => return Some("a web page".to_owned()),
        None => {
            let body = String::from_utf8_lossy(&answer.body);
            match serde_json::from_str::<serde_json::Value>(&body) {
                // Token services have several formats for errors.
                Ok(value) => ["error_description", "message", "details", "error"]
                    .iter()
                    .find_map(|name| value.get(name)?.as_str().map(str::to_owned))?,
                Err(_) => body.trim().lines().next()?.to_owned(),
            }
        }
    };
    let clean: String = line.chars().filter(|c| !c.is_control()).take(300).collect();
    (!clean.trim().is_empty()).then_some(clean)
}

/// Returns true if a 404 comes from the registry and concerns the requested object, and not from
/// another service at that address.
pub(crate) fn is_definite_not_found(answer: &Response) -> bool {
    if answer.status.as_u16() != 404 || answer.from == Origin::Elsewhere || is_page(answer) {
        return false;
    }
    let json = text(&answer.headers, "content-type").is_some_and(|kind| kind.contains("json"));
    let known = entries(answer).iter().any(|entry| !entry.code.is_empty());
    known
        || text(&answer.headers, "docker-distribution-api-version").is_some()
        // The response to a HEAD has no body.
        || (json && answer.body.is_empty())
}

/// Returns the error for a registry that refuses `act`, such as `push manifest x`.
pub(crate) fn from_registry(registry: &Registry, act: &str, answer: &Response) -> Error {
    let host = match answer.from {
        Origin::Registry => format!("`{registry}`"),
        Origin::Elsewhere => {
            format!("`{}`, to which `{registry}` redirects,", host_of(&answer.url))
        }
    };
    let status = status_text(answer);
    // A challenge comes from a registry, even if a proxy adds a web page as its body.
    let page = is_page(answer);
    let challenged =
        answer.status.as_u16() == 401 && answer.headers.contains_key("www-authenticate");
    if page && !challenged && !matches!(answer.status.as_u16(), 429 | 500..) {
        return web_page(registry, act, answer);
    }
    let words = words(answer).filter(|_| !(page && challenged));
    let said = words.as_ref().map(|words| format!(": {words}")).unwrap_or_default();
    let kind = match answer.status.as_u16() {
        401 | 403 => ErrorKind::Denied,
        404 if is_definite_not_found(answer) => ErrorKind::NotFound,
        status if is_transient(status) => ErrorKind::Network,
        413 => ErrorKind::Limit,
        _ => ErrorKind::Protocol,
    };
    let verb = match answer.status.as_u16() {
        401 if answer.authorized == Authorized::Yes && answer.from == Origin::Registry => {
            "refuses the credentials, which were sent:"
        }
        _ => "answers",
    };
    let error = Error::new(kind, format!("cannot {act}: {host} {verb} {status}{said}"));
    let error = error.with_registry_codes(codes(answer));
    match advice(registry, answer) {
        Some(advice) => error.with_advice(advice),
        None => error,
    }
}

/// Returns the error for a refusal of another service, such as a token service.
pub(crate) fn from_service(host: &str, act: &str, answer: &Response) -> Error {
    let kind = match answer.status.as_u16() {
        401 | 403 => ErrorKind::Denied,
        404 => ErrorKind::NotFound,
        status if is_transient(status) => ErrorKind::Network,
        _ => ErrorKind::Protocol,
    };
    let said = words(answer).map(|words| format!(": {words}")).unwrap_or_default();
    Error::new(kind, format!("cannot {act}: `{host}` answers {}{said}", status_text(answer)))
}

/// Advice if a chart repository asks for credentials.
pub(crate) const READ_BY: Advice = Advice::Authenticate(Service::Repository);

/// Returns the error for a file from the web, in Helm's words.
pub(crate) fn from_web(url: &url::Url, answer: &Response) -> Error {
    let kind = match answer.status.as_u16() {
        401 | 403 => ErrorKind::Denied,
        404 | 410 => ErrorKind::NotFound,
        status if is_transient(status) => ErrorKind::Network,
        _ => ErrorKind::Protocol,
    };
    let error = Error::new(kind, format!("failed to fetch {url} : {}", status_text(answer)));
    match kind {
        _ if redirected(url, answer).is_some() => behind_redirect(error, url, answer),
        ErrorKind::Denied => error.with_advice(READ_BY),
        _ => error,
    }
}

/// Returns the target of a redirect to another origin, without the file of the repository.
fn redirected(asked: &url::Url, answer: &Response) -> Option<String> {
    let elsewhere = may_see(asked, &answer.url) == Credentials::Drop;
    elsewhere.then(|| repository_of(&answer.url))
}

/// Returns the address of the repository that contains a URL.
pub(crate) fn repository_of(url: &url::Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    let text = url.as_str();
    let (folder, _) = text.split_once("/api/").unwrap_or((text, ""));
    folder.trim_end_matches("index.yaml").trim_end_matches('/').to_owned()
}

/// Adds a redirect to another origin to the error of its response. Credentials given for the first
/// origin do not go to the second, which may cause the refusal.
pub(crate) fn behind_redirect(error: Error, asked: &url::Url, answer: &Response) -> Error {
    let Some(there) = redirected(asked, answer) else { return error };
    let kind = error.kind();
    let error = Error::new(kind, format!("{}, after a redirect to {there}", error.message()));
    match kind {
        ErrorKind::Denied => error.with_hint(format!(
            "credentials do not follow a redirect to another scheme, host or port: if you trust it, use {there} as the address"
        )),
        _ => error,
    }
}

/// Returns the error for a web page in place of a registry's response.
pub(crate) fn web_page(registry: &Registry, act: &str, answer: &Response) -> Error {
    let status = status_text(answer);
    Error::new(
        ErrorKind::Protocol,
        format!("cannot {act}: `{registry}` answers {status} with a web page, not as a registry"),
    )
    .with_hint("a proxy, a login page or a firewall may have answered, or the registry has another host or port")
}

pub(crate) fn status_text(answer: &Response) -> String {
    let reason = answer.status.canonical_reason().unwrap_or_default();
    format!("{} {reason}", answer.status.as_u16()).trim_end().to_owned()
}

/// Returns advice, if the form of the response identifies the registry or the missing setting.
fn advice(registry: &Registry, answer: &Response) -> Option<Advice> {
    let entries = entries(answer);
    let code = |code: &str| entries.iter().any(|entry| entry.code.eq_ignore_ascii_case(code));
    let all = String::from_utf8_lossy(&answer.body).to_ascii_lowercase();
    let challenge = text(&answer.headers, "www-authenticate").unwrap_or_default();
    let harbor =
        challenge.contains("harbor") || all.contains("project ") && all.contains(" not found");
    let log_in = |reason| Some(Advice::LogIn { registry: registry.to_string(), reason });
    let text = match answer.status.as_u16() {
        401 | 403 if all.contains("aka.ms/acr") => return log_in(LogIn::Azure),
        401 | 403 if registry.is_docker_hub() => return log_in(LogIn::DockerHub),
        401 | 403 if code("DENIED") && all.contains("quota") => {
            "the registry's quota is used up; free space or ask for a higher quota"
        }
        401 if answer.from == Origin::Elsewhere => {
            "credentials do not follow a redirect to another scheme, host or port: \
             the target must allow access without them"
        }
        401 if answer.authorized == Authorized::Yes => return log_in(LogIn::Refused),
        401 => return log_in(LogIn::Needed),
        403 => return log_in(LogIn::Permission),
        404 if all.contains("does not exist in the registry with id") => {
            "this registry does not create repositories itself: create it first with `aws ecr create-repository`"
        }
        404 if harbor => "create the project in Harbor first",
        404 if code("NAME_UNKNOWN") => {
            "check the repository's name; in some registries you must create it first"
        }
        404 if !is_definite_not_found(answer) => {
            "this does not look like a registry's answer; check host, port and path"
        }
        405 | 501 if code("UNSUPPORTED") || answer.status.as_u16() == 405 => {
            "the registry does not support this, or its settings disable it"
        }
        400 | 415 | 422
            if code("MANIFEST_INVALID")
                || code("UNSUPPORTED")
                || code("UNSUPPORTED_MEDIA_TYPE") =>
        {
            "the registry refuses this kind of artifact: Harbor needs 2.0 and a project that is not a proxy cache, \
             Quay the artifact type in its allow-list, others an update"
        }
        413 => "the registry, or a proxy in front of it, refuses bodies of this size",
        429 => {
            "the registry limits the number of requests; log in for a higher limit, or try again later"
        }
        _ => return None,
    };
    Some(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::http::{HeaderMap, StatusCode};

    fn answer(status: u16, content_type: &str, body: &str) -> Response {
        let mut headers = HeaderMap::new();
        if !content_type.is_empty() {
            headers.insert("content-type", content_type.parse().expect("header"));
        }
        Response {
            status: StatusCode::from_u16(status).expect("status"),
            headers: Box::new(headers),
            url: Box::new("https://r.example/v2/a/manifests/1".parse().expect("url")),
            from: Origin::Registry,
            network: crate::client::http::network::Network::Unknown,
            body: bytes::Bytes::copy_from_slice(body.as_bytes()),
            authorized: Authorized::No,
        }
    }

    #[test]
    fn a_refusal_behind_a_redirect_names_the_address_to_use() {
        let asked: url::Url = "http://r.example:81/x/index.yaml".parse().expect("url");
        for (there, shown) in [
            ("https://r.example:444/x/index.yaml", Some("https://r.example:444/x")),
            ("https://s.example/x/index.yaml?a=b", Some("https://s.example/x")),
            ("http://r.example:81/y/index.yaml", None),
        ] {
            let mut answer = answer(401, "", "");
            *answer.url = there.parse().expect(there);
            let error = from_web(&asked, &answer);
            assert_eq!(error.kind(), ErrorKind::Denied);
            let hint = error.hint().unwrap_or_default();
            match shown {
                Some(shown) => {
                    let redirect = format!("401 Unauthorized, after a redirect to {shown}");
                    assert!(error.message().ends_with(&redirect), "{error:?}");
                    assert!(hint.contains(&format!("use {shown} as the address")), "{hint}");
                }
                None => assert_eq!(error.advice(), Some(&READ_BY), "{error:?}"),
            }
        }
    }

    #[test]
    fn a_success_is_one_by_its_body_not_by_its_type() {
        for (status, kind, body, done) in [
            (201, "text/html; charset=utf-8", "", true),
            (202, "text/html", "", true),
            (204, "", "", true),
            (200, "text/html", "{\"x\":1}", true),
            (201, "", "<!DOCTYPE html><p>log in", false),
            (201, "text/html", "<p>log in", false),
            (200, "application/json", r#"{"errors":[{"code":"DENIED"}]}"#, false),
            (302, "", "", false),
            (304, "", "", false),
        ] {
            assert_eq!(is_success(&answer(status, kind, body)), done, "{status} {kind} {body}");
        }
    }

    #[test]
    fn answers_are_named_with_their_remedy() {
        use ErrorKind::{Denied, Limit, Network, NotFound, Protocol};
        let json = "application/json";
        let registry: Registry = "r.example".parse().expect("registry");
        for (answer, kind, message, hint) in [
            (
                answer(
                    404,
                    json,
                    r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#,
                ),
                NotFound,
                "answers 404 Not Found: manifest unknown",
                "",
            ),
            (answer(404, json, ""), NotFound, "answers 404 Not Found", ""),
            (
                answer(404, "text/plain", "404 page not found\n"),
                Protocol,
                "404 page not found",
                "does not look like",
            ),
            (answer(404, "text/html", "<html>gone"), Protocol, "with a web page", "proxy"),
            (
                answer(200, "text/plain", "\n <!DOCTYPE html><p>log in"),
                Protocol,
                "with a web page",
                "proxy",
            ),
            (
                answer(
                    404,
                    json,
                    r#"{"errors":[{"code":"NAME_UNKNOWN","message":"The repository with name 'a' does not exist in the registry with id '1'"}]}"#,
                ),
                NotFound,
                "does not exist in the registry",
                "create-repository",
            ),
            (
                answer(
                    404,
                    json,
                    r#"{"errors":[{"code":"NOT_FOUND","message":"project a not found"}]}"#,
                ),
                NotFound,
                "project a not found",
                "create the project in Harbor",
            ),
            (
                answer(401, json, r#"{"errors":[{"code":"UNAUTHORIZED"}]}"#),
                Denied,
                "UNAUTHORIZED",
                "log in to `r.example`",
            ),
            (
                answer(
                    401,
                    json,
                    r#"{"errors":[{"code":"UNAUTHORIZED","message":"authentication required, visit https://aka.ms/acr/authorization"}]}"#,
                ),
                Denied,
                "authentication required",
                "token of the Azure registry",
            ),
            (
                answer(
                    400,
                    json,
                    r#"{"errors":[{"code":"MANIFEST_INVALID","message":"bad","detail":{"x":1}}]}"#,
                ),
                Protocol,
                "answers 400 Bad Request: bad",
                "Harbor needs",
            ),
            (
                answer(405, json, r#"{"errors":[{"code":"UNSUPPORTED"}]}"#),
                Protocol,
                "405",
                "its settings disable it",
            ),
            (answer(413, "text/html", "<html>too large"), Protocol, "web page", "proxy"),
            (answer(413, "", ""), Limit, "413", "bodies of this size"),
            (
                answer(429, "text/plain", "slow\ndown"),
                Network,
                "429 Too Many Requests: slow",
                "try again later",
            ),
            (
                answer(503, "text/html", "<html>busy"),
                Network,
                "503 Service Unavailable: a web page",
                "",
            ),
            (
                answer(500, "text/plain", "a\u{1b}[31mb"),
                Network,
                "500 Internal Server Error: a[31mb",
                "",
            ),
        ] {
            let error = from_registry(&registry, "fetch manifest `1`", &answer);
            assert_eq!(error.kind(), kind, "{error:?}");
            assert!(error.message().contains(message), "{error:?}");
            assert!(
                error.hint().unwrap_or_default().contains(hint),
                "{error:?}: {:?}",
                error.hint()
            );
            assert_eq!(error.hint().is_none(), hint.is_empty(), "{error:?}");
            let codes = error.registry_codes();
            let sent = String::from_utf8_lossy(&answer.body);
            assert_eq!(codes.is_empty(), !sent.contains("\"code\""), "{error:?}: {codes:?}");
            assert!(codes.iter().all(|code| sent.contains(&**code)), "{error:?}: {codes:?}");
        }
    }
}
