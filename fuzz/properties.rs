//! What must hold of any bytes, one function a parser. The fuzz targets call one each;
//! `tests/it/fuzz.rs` calls all of them on the corpus. Beyond what is asserted, none may panic,
//! overflow the stack or take more memory than its limits say.

#![allow(dead_code, reason = "each target uses one of them")]

use axum::{Router, body::Body};
use chartferry::{
    archive::{Keep, read},
    client::{Challenge, fuzzing},
    constraint::Constraint,
    index::{Index, write},
    limits::{KIB, Limits, MIB},
    oci::Reference,
    server::{Access, Anonymous, Config, Issuer, router},
    store::{Durability, bundle::Bundle, disk::Disk},
    version::{ParseVersionError, Version},
    yaml::{self, Duplicates},
};
use http::{Request, StatusCode, header};
use std::{path::Path, sync::OnceLock};
use tempfile::TempDir;
use tower_service::Service;

/// A reference that can be read is shown as one that means the same.
pub(crate) fn reference(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let _ = Reference::parse_namespace(text);
    if let Ok(reference) = text.parse::<Reference>() {
        assert_eq!(reference.to_string().parse(), Ok(reference));
    }
}

/// A constraint, on the first line, is shown as one that takes the same versions, on the other
/// lines.
pub(crate) fn constraint(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let mut lines = text.lines();
    let constraint = Constraint::parse(lines.next().unwrap_or_default());
    let again = constraint
        .as_ref()
        .map(|own| Constraint::parse(&own.to_string()).expect("what is shown can be read"));
    for line in lines {
        let Ok(version) = Version::parse_loose(line) else {
            assert!(Version::parse_strict(line).is_err(), "{line:?} is strict and not loose");
            continue;
        };
        // As in Helm, the limit is on what is read: the zeros that a loose version lacks may lead
        // beyond it.
        match Version::parse_strict(&version.to_string()) {
            Err(ParseVersionError::TooLong) => assert!(line.len() > 256 - ".0.0".len(), "{line}"),
            strict => assert_eq!(strict.as_ref(), Ok(&version)),
        }
        if let (Ok(constraint), Ok(again)) = (&constraint, &again) {
            assert_eq!(
                constraint.matches(&version),
                again.matches(&version),
                "{constraint} {version}"
            );
        }
    }
}

/// What the strict reading takes, the loose one takes alike; what is written is read as what it
/// was.
pub(crate) fn yaml(bytes: &[u8]) {
    let mut limits = Limits::default();
    limits.yaml_nodes = 100_000;
    limits.yaml_alias_bytes = 1_000_000;
    let loose = yaml::parse(bytes, Duplicates::LastWins, &limits);
    let _ = yaml::parse_all(bytes, Duplicates::LastWins, &limits);
    if let Ok(strict) = yaml::parse(bytes, Duplicates::Error, &limits)
        && strict.require_json().is_ok()
    {
        assert_eq!(loose.as_ref(), Ok(&strict));
    }
    let Ok(value) = loose else { return };
    let text = yaml::emit(&value);
    // Line ends of YAML 1.1 take the blanks around them along; an infinity stays one, a NaN is not
    // even itself.
    if text.contains(['\u{2028}', '\u{2029}']) || value.require_json().is_err() {
        return;
    }
    let back = yaml::parse(text.as_bytes(), Duplicates::Error, &Limits::default())
        .expect("what is written can be read");
    assert_eq!(yaml::emit(&back), text);
}

/// An archive that can be read has a digest of its contents.
pub(crate) fn archive_read(bytes: &[u8]) {
    let mut limits = Limits::default();
    limits.chart_bytes = 4 * MIB;
    limits.chart_file_bytes = MIB;
    limits.nested_bytes = 8 * MIB;
    limits.archive_bytes = 512 * KIB;
    limits.chart_entries = 1000;
    if let Ok(chart) = read::read(bytes, Keep::Everything, &limits) {
        read::content_digest(bytes, &limits).expect("what can be read has a digest");
        let less = read::read(bytes, Keep::Nothing, &limits).expect("keeping less is no harder");
        assert_eq!(less.metadata, chart.metadata);
    }
}

/// Any header is a list of challenges, if an empty one.
pub(crate) fn challenge(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let whole = Challenge::parse([text]);
    assert!(whole.iter().all(|challenge| !challenge.scheme.is_empty()), "{whole:?}");
    let _ = Challenge::parse(text.lines());
}

/// An index that can be read says what it says when it is written and read again, in YAML and in
/// JSON.
pub(crate) fn index(bytes: &[u8]) {
    let mut limits = Limits::default();
    limits.index_bytes = MIB;
    limits.index_entries = 1000;
    let Ok(index) = Index::read(bytes.to_vec().into(), "fuzz", &limits) else { return };
    let listings = |index: &Index| -> Vec<write::Listing> {
        let entries =
            |line: &chartferry::index::Line| line.decode().expect("what was read can be decoded");
        index
            .charts()
            .map(|chart| (chart.name().to_owned(), chart.versions().iter().map(entries).collect()))
            .collect()
    };
    let before = listings(&index);
    for (_, entry) in
        before.iter().flat_map(|(name, entries)| entries.iter().map(move |entry| (name, entry)))
    {
        // What Helm writes plain and cannot read again itself, and line ends of YAML 1.1.
        if format!("{entry:?}").contains("<<") || format!("{entry:?}").contains("\\u{") {
            return;
        }
    }
    for text in [write::yaml(&before, index.generated()), write::json(&before, index.generated())] {
        let again =
            Index::read(text.clone().into(), "fuzz", &limits).expect("what is written can be read");
        assert_eq!(listings(&again), before, "{text}");
    }
}

/// A token service's answer gives a token that a header can hold, or none.
pub(crate) fn token_answer(bytes: &[u8]) {
    if let Some((token, seconds)) = fuzzing::token_answer(bytes) {
        assert!(!token.is_empty());
        assert!(seconds <= 366 * 24 * 3600, "{seconds}");
    }
}

/// Any bytes are a file of credentials or none; a host's entry is read or refused.
pub(crate) fn credentials_file(bytes: &[u8]) {
    fuzzing::credentials_file(bytes);
}

/// Whatever a `Link` says, the next page is asked for at the origin of the page that named it.
pub(crate) fn link(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let from = "https://r.example/v2/a/tags/list?n=2";
    if let Some(next) = fuzzing::next_page(from, text) {
        assert!(next.starts_with("https://r.example/"), "{next}");
    }
}

/// Any bytes are certificates, a key, or neither.
pub(crate) fn pem(bytes: &[u8]) {
    let folder = folder();
    let path = folder.path().join("file.pem");
    std::fs::write(&path, bytes).expect("a file in a temporary folder");
    fuzzing::pem(&path);
    let _ = Issuer::open("https://issuer.example/token", "charts", &path, Anonymous::Refused);
}

/// A bundle that can be opened gives each blob that it names, and its digest is checked.
pub(crate) fn bundle(bytes: &[u8]) {
    let mut limits = Limits::default();
    limits.archive_bytes = 512 * KIB;
    limits.manifest_bytes = 64 * KIB;
    let folder = folder();
    let path = folder.path().join("bundle.tar.zst");
    std::fs::write(&path, bytes).expect("a file in a temporary folder");
    let Ok(bundle) = Bundle::open(&path, &limits) else { return };
    for entry in bundle.entries() {
        let _ = bundle.manifest(entry.digest());
    }
    let _ = bundle.blobs(|_| true, |_| Ok(()));
}

/// A form to a ChartMuseum is answered and never with a server's error. The first line is the
/// content type.
pub(crate) fn multipart_form(bytes: &[u8]) {
    static SERVER: OnceLock<(TempDir, Router)> = OnceLock::new();
    let (_, server) = SERVER.get_or_init(|| open(Access::Everyone));
    let (kind, form) = bytes.split_at(bytes.iter().position(|&b| b == b'\n').unwrap_or(0));
    let request = Request::post("/api/charts").header(header::CONTENT_TYPE, kind);
    let Ok(request) = request.body(Body::from(form.get(1..).unwrap_or_default().to_vec())) else {
        return;
    };
    let status = answer(server, request);
    assert!(!status.is_server_error(), "{status}");
}

/// Without the issuer's key nobody makes a token that opens anything.
pub(crate) fn bearer_token(bytes: &[u8]) {
    static SERVER: OnceLock<(TempDir, Router)> = OnceLock::new();
    let (_, server) = SERVER.get_or_init(|| {
        let key = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut key = key.ancestors().map(|folder| folder.join("testdata/attacks/issuer.pem"));
        let key = key.find(|path| path.exists()).expect("the issuer's key");
        let issuer =
            Issuer::open("https://issuer.example/token", "charts", &key, Anonymous::Refused);
        open(Access::Issuer(issuer.expect("an issuer")))
    });
    for start in ["", "Bearer "] {
        let value = [start.as_bytes(), bytes].concat();
        let request = Request::get("/api/charts").header(header::AUTHORIZATION, value);
        if let Ok(request) = request.body(Body::empty()) {
            assert_eq!(answer(server, request), StatusCode::UNAUTHORIZED);
        }
    }
}

/// A server over an empty store.
fn open(access: Access) -> (TempDir, Router) {
    let folder = folder();
    let disk = Disk::open(folder.path(), Durability::None).expect("a store");
    let mut config = Config::default();
    config.access = access;
    (folder, router(disk, config))
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn answer(server: &Router, request: Request<Body>) -> StatusCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let answer = runtime.expect("a runtime").block_on(server.clone().call(request));
    let Ok(answer) = answer;
    answer.status()
}
