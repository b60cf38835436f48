//! A small registry in memory, as strict as a real one about uploads and ranges, with what a test
//! wants to vary: how it asks who is there, what it can do, what it holds. Its own token service is
//! part of it.

use super::fault::{Fault, Request};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use chartferry::oci::{Descriptor, Digest};
use std::collections::{BTreeMap, BTreeSet};

/// How it behaves.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) auth: Auth,
    pub(crate) single_post: bool,
    pub(crate) patch: bool,
    pub(crate) referrers: bool,
    pub(crate) head: bool,
    pub(crate) ranges: bool,
    /// The longest body of an upload; above it 413.
    pub(crate) body_cap: usize,
    /// Tags on one page.
    pub(crate) page: usize,
    /// What the token service says of a token's life, in seconds.
    pub(crate) lifetime: u64,
    /// Whether the token service knows POST.
    pub(crate) token_post: bool,
    pub(crate) faults: Vec<Fault>,
}

/// How it asks who is there. The user is `u` with password `p`, or the refresh token `refresh`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Auth {
    /// Not at all.
    Open,
    /// Basic, for everything.
    Basic,
    /// Basic to write; anybody reads, but a wrong password is refused.
    BasicToWrite,
    /// Tokens, for everything; anonymous ones may read.
    Bearer,
    /// Tokens, for everything; none for the unknown.
    BearerOnly,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            auth: Auth::Open,
            single_post: true,
            patch: true,
            referrers: true,
            head: true,
            ranges: true,
            body_cap: usize::MAX,
            page: usize::MAX,
            lifetime: 300,
            token_post: true,
            faults: Vec::new(),
        }
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn new(status: u16, body: impl Into<Bytes>) -> Self {
        Self { status, headers: Vec::new(), body: body.into() }
    }

    /// An error as registries write it.
    pub(crate) fn error(status: u16, code: &str) -> Self {
        let body = format!(r#"{{"errors":[{{"code":"{code}","message":"{code}"}}]}}"#);
        Self::new(status, body).with("content-type", "application/json")
    }

    /// With a header; an empty value takes it away.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(own, _)| own != name);
        if !value.is_empty() {
            self.headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    pub(crate) fn head(&self, length: usize) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} X\r\n", self.status);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !self.headers.iter().any(|(name, _)| name == "content-length") {
            head.push_str(&format!("content-length: {length}\r\n"));
        }
        head.push_str("\r\n");
        head.into_bytes()
    }
}

/// What it holds.
pub(crate) struct Registry {
    setup: Setup,
    base: String,
    storage: String,
    pub(crate) blobs: BTreeMap<String, Bytes>,
    pub(crate) manifests: BTreeMap<String, (String, Bytes)>,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) uploads: BTreeMap<String, Vec<u8>>,
    tokens: BTreeMap<String, Grants>,
    counter: usize,
    /// Whether the deletion of a tag takes its manifest along.
    pub(crate) tags_own_manifests: bool,
}

#[derive(Clone)]
struct Grants {
    scopes: BTreeSet<String>,
}

impl Registry {
    pub(crate) fn new(setup: Setup, base: String, storage: String) -> Self {
        Self {
            setup,
            base,
            storage,
            blobs: BTreeMap::new(),
            manifests: BTreeMap::new(),
            tags: BTreeMap::new(),
            tags_own_manifests: false,
            uploads: BTreeMap::new(),
            tokens: BTreeMap::new(),
            counter: 0,
        }
    }

    /// Puts a blob in.
    pub(crate) fn hold(&mut self, media_type: &str, bytes: impl Into<Bytes>) -> Descriptor {
        let bytes = bytes.into();
        let descriptor = Descriptor::of(media_type, &bytes);
        self.blobs.insert(descriptor.digest.to_string(), bytes);
        descriptor
    }

    /// Puts a file beneath `/files/`.
    pub(crate) fn hold_file(&mut self, name: &str, bytes: impl Into<Bytes>) {
        self.blobs.insert(name.to_owned(), bytes.into());
    }

    /// Puts a manifest in, under a tag.
    pub(crate) fn hold_manifest(&mut self, tag: &str, media_type: &str, bytes: impl Into<Bytes>) {
        let bytes = bytes.into();
        let digest = Digest::sha256(&bytes).to_string();
        self.manifests.insert(digest.clone(), (media_type.to_owned(), bytes));
        self.tags.insert(tag.to_owned(), digest);
    }

    /// The bytes under a tag or digest.
    pub(crate) fn manifest(&self, reference: &str) -> Option<Bytes> {
        let digest = self.tags.get(reference).map_or(reference, String::as_str);
        self.manifests.get(digest).map(|(_, bytes)| bytes.clone())
    }

    pub(crate) fn revoke(&mut self) {
        self.tokens.clear();
    }

    pub(crate) fn forget_uploads(&mut self) {
        self.uploads.clear();
    }

    /// Sends the client to storage for a blob.
    pub(crate) fn to_storage(&self, request: &Request) -> Answer {
        let digest = request.path().rsplit('/').next().unwrap();
        Answer::new(307, "")
            .with("location", &format!("{}/storage/{digest}?signature=s", self.storage))
    }

    pub(crate) fn answer(&mut self, request: &Request) -> Answer {
        let path = request.path().to_owned();
        if let Some(name) = path.strip_prefix("/files/") {
            return match self.blobs.get(name) {
                Some(bytes) => {
                    Answer::new(200, bytes.clone()).with("content-type", "application/gzip")
                }
                None => Answer::new(404, "gone"),
            };
        }
        if path == "/token" {
            return self.token(request);
        }
        if let Some(digest) = path.strip_prefix("/storage/") {
            assert_eq!(request.header("authorization"), None, "no proof goes to storage");
            return self.blob(request, digest);
        }
        let Some(rest) = path.strip_prefix("/v2/") else {
            return Answer::new(404, "404 page not found\n").with("content-type", "text/plain");
        };
        let (name, kind, last) = split(rest);
        if let Some(refusal) = self.refuse(request, &name, kind) {
            return refusal;
        }
        let answer = match kind {
            Kind::Ping => Answer::new(200, "{}"),
            Kind::Catalog => {
                self.page(request, vec!["a".into(), "b/c".into(), "d".into()], "repositories")
            }
            Kind::Tags if self.tags.is_empty() => Answer::error(404, "NAME_UNKNOWN"),
            Kind::Tags => self.page(request, self.tags.keys().cloned().collect(), "tags"),
            Kind::Manifest => self.manifest_of(request, &last),
            Kind::Blob => self.blob(request, &last),
            Kind::Upload => self.upload(request, &name, &last),
            Kind::Referrers => self.referrers(&last),
        };
        answer.with("docker-distribution-api-version", "registry/2.0")
    }

    fn refuse(&self, request: &Request, name: &str, kind: Kind) -> Option<Answer> {
        let proof = request.header("authorization");
        let basic = format!("Basic {}", STANDARD.encode("u:p"));
        let writes = !matches!(request.method.as_str(), "GET" | "HEAD") || kind == Kind::Upload;
        let known = match self.setup.auth {
            Auth::Open => true,
            Auth::Basic => proof == Some(&basic),
            Auth::BasicToWrite => proof == Some(&basic) || (proof.is_none() && !writes),
            Auth::Bearer | Auth::BearerOnly => {
                let token = proof.and_then(|proof| proof.strip_prefix("Bearer "));
                let need = match (kind, request.method.as_str()) {
                    (Kind::Ping, _) => String::new(),
                    (Kind::Catalog, _) => "registry:catalog:*".to_owned(),
                    (_, "DELETE") => format!("repository:{name}:delete"),
                    _ if writes => format!("repository:{name}:push"),
                    _ => format!("repository:{name}:pull"),
                };
                token
                    .and_then(|token| self.tokens.get(token))
                    .is_some_and(|grants| need.is_empty() || grants.scopes.contains(&need))
            }
        };
        if known {
            return None;
        }
        let challenge = match self.setup.auth {
            Auth::Basic | Auth::BasicToWrite => "Basic realm=\"registry\"".to_owned(),
            _ => {
                let scope = match kind {
                    Kind::Ping => String::new(),
                    Kind::Catalog => ",scope=\"registry:catalog:*\"".to_owned(),
                    _ if writes => format!(",scope=\"repository:{name}:pull,push\""),
                    _ => format!(",scope=\"repository:{name}:pull\""),
                };
                format!("Bearer realm=\"{}/token\",service=\"registry\"{scope}", self.base)
            }
        };
        Some(Answer::error(401, "UNAUTHORIZED").with("www-authenticate", &challenge))
    }

    fn token(&mut self, request: &Request) -> Answer {
        let form: BTreeMap<String, String>;
        let (known, scopes): (Option<bool>, Vec<String>) = if request.method == "POST" {
            if !self.setup.token_post {
                return Answer::new(405, "");
            }
            form = url::form_urlencoded::parse(&request.body).into_owned().collect();
            let known = match form["grant_type"].as_str() {
                "password" => form["username"] == "u" && form["password"] == "p",
                "refresh_token" => form["refresh_token"] == "refresh",
                other => panic!("grant type {other}"),
            };
            let scopes = form.get("scope").map(String::as_str).unwrap_or_default();
            (Some(known), scopes.split(' ').map(str::to_owned).collect())
        } else {
            let scopes = request.target.split_once('?').map(|(_, query)| query).unwrap_or_default();
            let scopes = url::form_urlencoded::parse(scopes.as_bytes())
                .filter(|(name, _)| name == "scope")
                .map(|(_, value)| value.into_owned())
                .collect();
            let known = request.header("authorization").map(|proof| {
                [STANDARD.encode("u:p"), STANDARD.encode("<token>:refresh")]
                    .iter()
                    .any(|pair| proof == format!("Basic {pair}"))
            });
            (known, scopes)
        };
        match known {
            Some(false) => return Answer::error(401, "UNAUTHORIZED"),
            None if self.setup.auth == Auth::BearerOnly => {
                return Answer::error(401, "UNAUTHORIZED");
            }
            _ => {}
        }
        let mut granted = BTreeSet::new();
        for scope in scopes.iter().filter(|scope| !scope.is_empty()) {
            let (resource, actions) = scope.rsplit_once(':').unwrap();
            for action in actions.split(',') {
                if known == Some(true) || action == "pull" {
                    granted.insert(format!("{resource}:{action}"));
                }
            }
        }
        self.counter += 1;
        let token = format!("token-{}", self.counter);
        self.tokens.insert(token.clone(), Grants { scopes: granted });
        let lifetime = self.setup.lifetime;
        Answer::new(200, format!(r#"{{"token":"{token}","expires_in":{lifetime}}}"#))
            .with("content-type", "application/json")
    }

    fn page(&self, request: &Request, all: Vec<String>, field: &str) -> Answer {
        let last = request.query("last").unwrap_or_default();
        let rest: Vec<_> = all.into_iter().filter(|tag| *tag > last).collect();
        let page = &rest[..rest.len().min(self.setup.page)];
        let body = serde_json::json!({ "name": "x", field: page }).to_string();
        let answer = Answer::new(200, body).with("content-type", "application/json");
        if page.len() == rest.len() {
            return answer;
        }
        let next = format!("<{}?last={}>; rel=\"next\"", request.path(), page[page.len() - 1]);
        answer.with("link", &next)
    }

    fn manifest_of(&mut self, request: &Request, reference: &str) -> Answer {
        match request.method.as_str() {
            "PUT" => {
                let digest = Digest::sha256(&request.body).to_string();
                let media_type = request.header("content-type").unwrap().to_owned();
                self.manifests.insert(digest.clone(), (media_type, request.body.clone()));
                if !reference.contains(':') {
                    self.tags.insert(reference.to_owned(), digest.clone());
                }
                let document: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
                let subject = document["subject"]["digest"].as_str().unwrap_or_default();
                Answer::new(201, "")
                    .with("location", &format!("/v2/x/manifests/{digest}"))
                    .with("docker-content-digest", &digest)
                    .with("oci-subject", if self.setup.referrers { subject } else { "" })
            }
            "DELETE" => {
                let tagged = self.tags.remove(reference);
                if let (Some(digest), true) = (&tagged, self.tags_own_manifests) {
                    self.manifests.remove(digest);
                    self.tags.retain(|_, other| other != digest);
                }
                if tagged.is_none() {
                    if self.manifests.remove(reference).is_none() {
                        return Answer::error(404, "MANIFEST_UNKNOWN");
                    }
                    self.tags.retain(|_, digest| digest != reference);
                }
                Answer::new(202, "")
            }
            "HEAD" if !self.setup.head => Answer::new(405, ""),
            _ => {
                let digest = self.tags.get(reference).map_or(reference, String::as_str);
                match self.manifests.get(digest) {
                    None => Answer::error(404, "MANIFEST_UNKNOWN"),
                    Some((media_type, bytes)) => Answer::new(200, bytes.clone())
                        .with("content-type", media_type)
                        .with("docker-content-digest", digest),
                }
            }
        }
    }

    fn blob(&self, request: &Request, digest: &str) -> Answer {
        let Some(bytes) = self.blobs.get(digest) else { return Answer::error(404, "BLOB_UNKNOWN") };
        let whole = Answer::new(200, bytes.clone())
            .with("content-type", "application/octet-stream")
            .with("docker-content-digest", digest)
            .with("etag", &format!("\"{digest}\""));
        let range = request.header("range").filter(|_| self.setup.ranges);
        let Some(start) = range.and_then(|range| {
            range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok()
        }) else {
            return whole;
        };
        if request.header("if-range").is_some_and(|etag| etag != format!("\"{digest}\"")) {
            return whole;
        }
        if start >= bytes.len() {
            return Answer::error(416, "RANGE_INVALID");
        }
        let total = bytes.len();
        let mut part = whole.with("content-range", &format!("bytes {start}-{}/{total}", total - 1));
        part.status = 206;
        part.body = bytes.slice(start..);
        part
    }

    fn upload(&mut self, request: &Request, name: &str, id: &str) -> Answer {
        if request.body.len() > self.setup.body_cap {
            return Answer::new(413, "");
        }
        if request.method == "POST" {
            if let Some(digest) = request.query("digest").filter(|_| self.setup.single_post) {
                return self.commit(&digest, &request.body);
            }
            self.counter += 1;
            let id = format!("upload-{}", self.counter);
            self.uploads.insert(id.clone(), Vec::new());
            return Answer::new(202, "")
                .with("location", &format!("/v2/{name}/blobs/uploads/{id}?state=a%2Bb"))
                .with("range", "0-0");
        }
        let Some(held) = self.uploads.get_mut(id) else {
            return Answer::error(404, "BLOB_UPLOAD_UNKNOWN");
        };
        assert_eq!(request.query("state").as_deref(), Some("a+b"), "a session's query is kept");
        let location = format!("/v2/{name}/blobs/uploads/{id}?state=a%2Bb");
        let progress = |answer: Answer, held: &[u8]| {
            answer
                .with("location", &location)
                .with("range", &format!("0-{}", held.len().saturating_sub(1)))
        };
        if request.method == "DELETE" {
            self.uploads.remove(id);
            return Answer::new(204, "");
        }
        if request.method == "GET" {
            return progress(Answer::new(204, ""), held);
        }
        if request.method == "PATCH" && !self.setup.patch {
            return Answer::error(405, "UNSUPPORTED");
        }
        if let Some(range) = request.header("content-range") {
            let (start, end) = range.split_once('-').unwrap();
            let (start, end): (usize, usize) = (start.parse().unwrap(), end.parse().unwrap());
            if start != held.len() || end + 1 - start != request.body.len() {
                return progress(Answer::error(416, "RANGE_INVALID"), held);
            }
        }
        held.extend_from_slice(&request.body);
        if request.method == "PATCH" {
            return progress(Answer::new(202, ""), held);
        }
        let bytes = self.uploads.remove(id).unwrap();
        self.commit(&request.query("digest").unwrap(), &bytes)
    }

    fn commit(&mut self, digest: &str, bytes: &[u8]) -> Answer {
        if Digest::sha256(bytes).as_str() != digest {
            return Answer::error(400, "DIGEST_INVALID");
        }
        self.blobs.insert(digest.to_owned(), Bytes::copy_from_slice(bytes));
        Answer::new(201, "")
            .with("location", &format!("/v2/x/blobs/{digest}"))
            .with("docker-content-digest", digest)
    }

    fn referrers(&self, subject: &str) -> Answer {
        if !self.setup.referrers {
            return Answer::new(404, "404 page not found\n").with("content-type", "text/plain");
        }
        let mut list = Vec::new();
        for (digest, (media_type, bytes)) in &self.manifests {
            let document: serde_json::Value = serde_json::from_slice(bytes).unwrap();
            if document["subject"]["digest"] == subject {
                list.push(serde_json::json!({
                    "mediaType": media_type, "digest": digest, "size": bytes.len(),
                    "artifactType": document["artifactType"],
                }));
            }
        }
        let media_type = "application/vnd.oci.image.index.v1+json";
        let body =
            serde_json::json!({ "schemaVersion": 2, "mediaType": media_type, "manifests": list });
        Answer::new(200, body.to_string()).with("content-type", media_type)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Ping,
    Catalog,
    Tags,
    Manifest,
    Blob,
    Upload,
    Referrers,
}

/// The repository, what is asked of it, and the last segment.
fn split(rest: &str) -> (String, Kind, String) {
    for (part, kind) in [
        ("/blobs/uploads/", Kind::Upload),
        ("/blobs/", Kind::Blob),
        ("/manifests/", Kind::Manifest),
        ("/referrers/", Kind::Referrers),
        ("/tags/list", Kind::Tags),
    ] {
        if let Some((name, last)) = rest.split_once(part) {
            return (name.to_owned(), kind, last.to_owned());
        }
    }
    (String::new(), if rest == "_catalog" { Kind::Catalog } else { Kind::Ping }, String::new())
}
