//! Credential files in Docker's format, as Docker, Helm and Podman write them. The module finds the
//! entry for a registry or repository. It adds and removes entries, and leaves unknown fields
//! unchanged.

use super::credential::{Credential, Secret, TOKEN_USER};
use crate::{
    Error, Result,
    oci::{Registry, RepositoryName},
};
use base64::{Engine, alphabet, engine};
use serde_json::{Map, Value};

/// Docker's own key for Docker Hub.
pub(crate) const HUB: &str = "https://index.docker.io/v1/";

/// Some files use padding and some do not.
const BASE64: engine::GeneralPurpose = engine::GeneralPurpose::new(
    &alphabet::STANDARD,
    engine::GeneralPurposeConfig::new()
        .with_decode_padding_mode(engine::DecodePaddingMode::Indifferent),
);

/// JSON document of a credential file.
#[derive(Clone, Debug, Default)]
pub(crate) struct AuthFile(Map<String, Value>);

/// Result of a lookup in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Hit {
    /// The file contains the credential.
    Stored(Credential),
    /// The file names a helper to ask.
    Helper(String),
}

impl AuthFile {
    /// Parses a document. An empty one has no entries.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self> {
        // Some editors put a byte order mark before a text.
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        if bytes.trim_ascii().is_empty() {
            return Ok(Self::default());
        }
        let value = serde_json::from_slice(bytes).map_err(|error| {
            // The messages of serde_json never repeat the text.
            Error::invalid("the credentials file is not a JSON object").with_source(error)
        })?;
        Ok(Self(value))
    }

    /// Parses the old form, whose entries are at the top level.
    pub(crate) fn parse_old(bytes: &[u8]) -> Result<Self> {
        let Self(entries) = Self::parse(bytes)?;
        Ok(Self(Map::from_iter([("auths".to_owned(), Value::Object(entries))])))
    }

    /// Returns true if the file has no setting for credentials at all.
    pub(crate) fn says_nothing(&self) -> bool {
        let empty = |name| self.0.get(name).and_then(Value::as_object).is_none_or(Map::is_empty);
        empty("auths") && empty("credHelpers") && self.store().is_none()
    }

    /// Looks up a repository, or a registry as a whole. The order is: an entry for the path, the
    /// host's helper, the helper for all hosts, the file's entry for the host. An empty entry only
    /// means that a helper has the credential.
    pub(crate) fn find(
        &self,
        registry: &Registry,
        repository: Option<&RepositoryName>,
    ) -> Option<Hit> {
        match self.entry(registry, repository) {
            Some((depth, credential)) if depth > 0 => Some(Hit::Stored(credential)),
            entry => match self.keeper(registry) {
                Some(name) => Some(Hit::Helper(name)),
                None => entry.map(|(_, credential)| Hit::Stored(credential)),
            },
        }
    }

    /// Returns the helper that must store a credential for this registry, if there is one.
    pub(crate) fn keeper(&self, registry: &Registry) -> Option<String> {
        self.helper(registry).or_else(|| self.store().map(str::to_owned))
    }

    /// Stores a credential under a key from [`key_of`] or [`key_beneath`].
    pub(crate) fn set(&mut self, key: &str, credential: &Credential) -> Result<()> {
        let entry = match credential {
            Credential::Basic { username, password } => {
                let pair = format!("{username}:{}", password.expose());
                ("auth", BASE64.encode(pair))
            }
            Credential::Identity(token) => ("identitytoken", token.expose().to_owned()),
            Credential::Bearer(token) => ("registrytoken", token.expose().to_owned()),
        };
        let auths = self.0.entry("auths").or_insert_with(|| Value::Object(Map::new()));
        if auths.is_null() {
            *auths = Value::Object(Map::new());
        }
        let auths = auths
            .as_object_mut()
            .ok_or_else(|| Error::invalid("`auths` in the credentials file is not an object"))?;
        let old = auths.remove(key);
        // Fields of other tools beside the secret, such as an e-mail address, remain.
        let mut fields = match old {
            Some(Value::Object(fields)) => fields,
            _ => Map::new(),
        };
        for name in ["auth", "identitytoken", "registrytoken", "username", "password"] {
            fields.remove(name);
        }
        fields.insert(entry.0.to_owned(), Value::String(entry.1));
        auths.insert(key.to_owned(), Value::Object(fields));
        Ok(())
    }

    /// Removes every entry of the registry as a whole, or of exactly one namespace. Returns true if
    /// there was one.
    pub(crate) fn remove(
        &mut self,
        registry: &Registry,
        namespace: Option<&RepositoryName>,
    ) -> bool {
        let depth = namespace.map_or(0, |name| name.as_str().split('/').count());
        let Some(auths) = self.0.get_mut("auths").and_then(Value::as_object_mut) else {
            return false;
        };
        let before = auths.len();
        auths.retain(|key, _| match_key(key, registry, namespace) != Some(depth));
        auths.len() != before
    }

    /// Serializes the document as Helm does: indented by tabs, without a final line feed.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let tabs = serde_json::ser::PrettyFormatter::with_indent(b"\t");
        let mut writer = serde_json::Serializer::with_formatter(&mut out, tabs);
        serde::Serialize::serialize(&self.0, &mut writer)
            .expect("a JSON value serialises to memory");
        out
    }

    fn store(&self) -> Option<&str> {
        self.0.get("credsStore").and_then(Value::as_str).filter(|name| !name.is_empty())
    }

    fn helper(&self, registry: &Registry) -> Option<String> {
        let helpers = self.0.get("credHelpers")?.as_object()?;
        helpers
            .iter()
            .find(|(key, _)| match_key(key, registry, None) == Some(0))
            .and_then(|(_, name)| name.as_str())
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
    }

    /// Finds the entry that fits best, with the number of segments of the repository's path in its
    /// key.
    fn entry(
        &self,
        registry: &Registry,
        repository: Option<&RepositoryName>,
    ) -> Option<(usize, Credential)> {
        let auths = self.0.get("auths")?.as_object()?;
        let mut best = None;
        for (key, value) in auths {
            let Some(depth) = match_key(key, registry, repository) else { continue };
            if best.as_ref().is_some_and(|(most, _)| *most > depth) {
                continue;
            }
            // Of two keys for one host, the one with the host's own spelling wins.
            if best.as_ref().is_some_and(|(most, _)| *most == depth) && key != key_of(registry) {
                continue;
            }
            if let Some(credential) = credential_of(value) {
                best = Some((depth, credential));
            }
        }
        best
    }
}

/// Returns the key of a registry's credential.
pub(crate) fn key_of(registry: &Registry) -> &str {
    if registry.is_docker_hub() { HUB } else { registry.as_str() }
}

/// Returns the key of a credential for one namespace of a registry, as in Podman.
pub(crate) fn key_beneath(registry: &Registry, namespace: &RepositoryName) -> String {
    format!("{registry}/{namespace}")
}

/// Returns the number of segments of the repository's path in a key, if the key fits: 0 for the
/// registry as a whole. Keys may be hosts, hosts with a namespace (Podman), or addresses (old
/// Docker).
fn match_key(key: &str, registry: &Registry, repository: Option<&RepositoryName>) -> Option<usize> {
    let bare = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    let (host, path) = bare.split_once('/').unwrap_or((bare, ""));
    let same = host.eq_ignore_ascii_case(registry.as_str())
        || (registry.is_docker_hub()
            && host.parse::<Registry>().is_ok_and(|host| host.is_docker_hub()));
    if !same {
        return None;
    }
    let path = path.trim_end_matches('/');
    // An address's path is an API version, not a namespace.
    if path.is_empty() || (bare != key && matches!(path, "v1" | "v2")) {
        return Some(0);
    }
    let name = repository?.as_str();
    let beneath = name.strip_prefix(path)?;
    (beneath.is_empty() || beneath.starts_with('/')).then(|| path.split('/').count())
}

fn credential_of(value: &Value) -> Option<Credential> {
    let field = |name| value.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    if let Some(token) = field("registrytoken") {
        return Some(Credential::Bearer(Secret::new(token)));
    }
    if let Some(token) = field("identitytoken") {
        return Some(Credential::Identity(Secret::new(token)));
    }
    let pair = field("auth").and_then(|text| {
        let decoded = String::from_utf8(BASE64.decode(text.trim()).ok()?).ok()?;
        let (username, password) = decoded.split_once(':')?;
        // Docker pads some passwords with zero bytes.
        Some((username.to_owned(), password.trim_end_matches('\0').to_owned()))
    });
    let (username, password) = match pair {
        Some(pair) => pair,
        None => (field("username")?.to_owned(), field("password")?.to_owned()),
    };
    if username == TOKEN_USER {
        return Some(Credential::Identity(Secret::new(password)));
    }
    Some(Credential::Basic { username, password: Secret::new(password) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registry(text: &str) -> Registry {
        text.parse().expect(text)
    }

    /// Returns `user:password`, `token:…`, `bearer:…` or `helper:…`.
    fn found(document: &str, host: &str, repository: Option<&str>) -> String {
        let file = AuthFile::parse(document.as_bytes()).expect(document);
        let name = repository.map(|name| name.parse().expect(name));
        match file.find(&registry(host), name.as_ref()) {
            None => "nothing".to_owned(),
            Some(Hit::Helper(name)) => format!("helper:{name}"),
            Some(Hit::Stored(Credential::Basic { username, password })) => {
                format!("{username}:{}", password.expose())
            }
            Some(Hit::Stored(Credential::Identity(token))) => format!("token:{}", token.expose()),
            Some(Hit::Stored(Credential::Bearer(token))) => format!("bearer:{}", token.expose()),
        }
    }

    #[test]
    fn the_entry_that_fits_best_is_found() {
        // dTpw is u:p, djpx is v:q, dTpwOnE= is u:p:q.
        for (document, host, repository, expected) in [
            ("", "r.example", None, "nothing"),
            ("{}", "r.example", None, "nothing"),
            (r#"{"auths":{"r.example":{"auth":"dTpw"}}}"#, "r.example", None, "u:p"),
            (r#"{"auths":{"r.example":{"auth":"dTpw"}}}"#, "r.example:5000", None, "nothing"),
            (r#"{"auths":{"r.example:5000":{"auth":"dTpw"}}}"#, "r.example:5000", Some("a"), "u:p"),
            (r#"{"auths":{"https://r.example/":{"auth":"dTpw"}}}"#, "r.example", Some("a"), "u:p"),
            (
                r#"{"auths":{"https://r.example/v1/":{"auth":"dTpw"}}}"#,
                "r.example",
                Some("a"),
                "u:p",
            ),
            (r#"{"auths":{"r.example":{"auth":"dTpwOnE="}}}"#, "r.example", None, "u:p:q"),
            (r#"{"auths":{"r.example":{"auth":"dTpwOnE"}}}"#, "r.example", None, "u:p:q"),
            (r#"{"auths":{"r.example":{"auth":"!!"}}}"#, "r.example", None, "nothing"),
            (
                r#"{"auths":{"r.example":{"username":"u","password":"p"}}}"#,
                "r.example",
                None,
                "u:p",
            ),
            (
                r#"{"auths":{"r.example":{"auth":"dTpw","identitytoken":"t"}}}"#,
                "r.example",
                None,
                "token:t",
            ),
            (r#"{"auths":{"r.example":{"registrytoken":"t"}}}"#, "r.example", None, "bearer:t"),
            (r#"{"auths":{"r.example":null,"x":1}}"#, "r.example", None, "nothing"),
            (
                r#"{"auths":{"r.example":{"auth":"dTpw"},"r.example/org":{"auth":"djpx"}}}"#,
                "r.example",
                Some("org/app"),
                "v:q",
            ),
            (
                r#"{"auths":{"r.example/org":{"auth":"djpx"},"r.example":{"auth":"dTpw"}}}"#,
                "r.example",
                Some("organic/app"),
                "u:p",
            ),
            (
                r#"{"auths":{"r.example/org/app":{"auth":"dTpw"},"r.example/org":{"auth":"djpx"}}}"#,
                "r.example",
                Some("org/app"),
                "u:p",
            ),
            (r#"{"auths":{"r.example/org":{"auth":"djpx"}}}"#, "r.example", None, "nothing"),
            (
                r#"{"auths":{"https://index.docker.io/v1/":{"auth":"dTpw"}}}"#,
                "docker.io",
                Some("library/x"),
                "u:p",
            ),
            (r#"{"auths":{"docker.io":{"auth":"dTpw"}}}"#, "registry-1.docker.io", None, "u:p"),
            (r#"{"auths":{"r.example":{}},"credsStore":"pass"}"#, "r.example", None, "helper:pass"),
            (
                r#"{"auths":{"r.example":{"auth":"dTpw"}},"credsStore":"pass","credHelpers":{"r.example":"ecr-login"}}"#,
                "r.example",
                None,
                "helper:ecr-login",
            ),
            (
                r#"{"auths":{"r.example":{"auth":"dTpw"}},"credHelpers":{"s.example":"x"}}"#,
                "r.example",
                None,
                "u:p",
            ),
            (
                r#"{"auths":{"r.example/org":{"auth":"djpx"}},"credHelpers":{"r.example":"x"}}"#,
                "r.example",
                Some("org/app"),
                "v:q",
            ),
            ("\u{feff}{\"auths\":{\"r.example\":{\"auth\":\"dTpw\"}}}", "r.example", None, "u:p"),
            (
                r#"{"auths":{"r.example/org":{"auth":"djpx"}},"credsStore":"pass"}"#,
                "r.example",
                Some("org/app"),
                "v:q",
            ),
        ] {
            assert_eq!(found(document, host, repository), expected, "{document} {host}");
        }
    }

    #[test]
    fn what_we_do_not_know_stays_when_we_write() {
        let mut file = AuthFile::parse(
            br#"{"HttpHeaders":{"X":"y"},"auths":{"s.example":{"auth":"djpx"},"r.example":{"auth":"old","email":"e"}},"n":1.50}"#,
        )
        .expect("document");
        let credential = Credential::Basic { username: "u".into(), password: Secret::new("p") };
        file.set(key_of(&registry("r.example")), &credential).expect("set");
        file.set(key_of(&registry("docker.io")), &credential).expect("set");
        assert_eq!(
            String::from_utf8(file.to_bytes()).expect("text"),
            "{\n\t\"HttpHeaders\": {\n\t\t\"X\": \"y\"\n\t},\n\t\"auths\": {\n\t\t\"s.example\": {\n\t\t\t\"auth\": \"djpx\"\n\t\t},\n\t\t\"r.example\": {\n\t\t\t\"email\": \"e\",\n\t\t\t\"auth\": \"dTpw\"\n\t\t},\n\t\t\"https://index.docker.io/v1/\": {\n\t\t\t\"auth\": \"dTpw\"\n\t\t}\n\t},\n\t\"n\": 1.5\n}"
        );
        assert!(file.remove(&registry("index.docker.io"), None));
        assert!(!file.remove(&registry("index.docker.io"), None));
    }

    #[test]
    fn helms_own_file_is_written_as_helm_writes_it() {
        let mut file = AuthFile::default();
        let credential = Credential::Basic { username: "u".into(), password: Secret::new("p") };
        file.set(key_of(&registry("127.0.0.1:42833")), &credential).expect("set");
        let expected = include_str!("../../../testdata/client/helm-registry-config.json");
        assert_eq!(String::from_utf8(file.to_bytes()).expect("text"), expected.trim_end());
    }
}
