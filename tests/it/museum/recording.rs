//! Recorded exchanges with the real ChartMuseum, and the deviations from them, as they lie in
//! `testdata/chartmuseum`.

use serde::Deserialize;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// One run of the real server, from an empty store.
#[derive(Deserialize)]
pub(super) struct Recording {
    pub(super) flags: Vec<String>,
    pub(super) exchanges: Vec<Exchange>,
}

/// What was asked, and what the real server answered.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Exchange {
    pub(super) what: String,
    pub(super) method: String,
    pub(super) path: String,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, String>,
    body: Option<Body>,
    pub(super) status: u16,
    pub(super) answer_headers: BTreeMap<String, String>,
    answer: Content,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Body {
    Fixture(String),
    Text(String),
    Multipart(Vec<FormPart>),
}

#[derive(Clone, Debug, Deserialize)]
struct FormPart {
    field: String,
    fixture: String,
    filename: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Content {
    Fixture(String),
    Text(String),
}

/// How our answers differ, where they do, and why.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Deviation {
    /// By which `docs/museum.md` names it.
    pub(super) id: String,
    /// Recording and what the exchange is about; `*` for any.
    pub(super) exchanges: Vec<(String, String)>,
    /// Whether it is one under `--compat strict` too.
    pub(super) strict: bool,
    /// Our status, where it is another.
    pub(super) status: Option<u16>,
    /// Our headers, where they are others; null for one that is not there.
    #[serde(default)]
    pub(super) headers: BTreeMap<String, Option<String>>,
    /// Our body, where it is another; `*` for one that is not compared.
    pub(super) answer: Option<String>,
    pub(super) reason: String,
}

pub(super) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/chartmuseum")
}

pub(super) fn fixture(name: &str) -> Vec<u8> {
    let path = folder().join("fixtures").join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every recording by its name.
pub(super) fn recordings() -> Vec<(String, Recording)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if path.extension().is_some_and(|extension| extension == "json") && name != "deviations" {
            let text = fs::read_to_string(&path).unwrap();
            let recording =
                serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
            all.push((name, recording));
        }
    }
    all.sort_by(|(a, _), (b, _)| a.cmp(b));
    all
}

pub(super) fn deviations() -> Vec<Deviation> {
    let text = fs::read_to_string(folder().join("deviations.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

impl Recording {
    /// Its flags, with the folder of the fixtures in its place, without those about ChartMuseum's
    /// own storage.
    pub(super) fn flags(&self) -> Vec<String> {
        let fixtures = folder().join("fixtures");
        let own = ["--disable-statefiles", "--enforce-semver2"];
        self.flags
            .iter()
            .filter(|flag| !own.contains(&flag.as_str()))
            .map(|flag| flag.replace("FIXTURES", fixtures.to_str().unwrap()))
            .collect()
    }
}

impl Exchange {
    /// The body to send; `None` when nothing is to be said of one.
    pub(super) fn body(&self) -> Option<Vec<u8>> {
        Some(match self.body.as_ref()? {
            Body::Fixture(name) => fixture(name),
            Body::Text(text) => text.clone().into_bytes(),
            Body::Multipart(parts) => form(parts),
        })
    }

    /// The answer's bytes, where they are known.
    pub(super) fn answer(&self) -> Vec<u8> {
        match &self.answer {
            Content::Fixture(name) => fixture(name),
            Content::Text(text) => text.clone().into_bytes(),
        }
    }
}

const BOUNDARY: &str = "chartferry-recorded-boundary";

fn form(parts: &[FormPart]) -> Vec<u8> {
    let mut body = Vec::new();
    for part in parts {
        let field = &part.field;
        let mut head = format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{field}\"");
        if let Some(name) = &part.filename {
            head.push_str(&format!(
                "; filename=\"{name}\"\r\nContent-Type: application/octet-stream"
            ));
        }
        head.push_str("\r\n\r\n");
        body.extend(head.into_bytes());
        body.extend(fixture(&part.fixture));
        body.extend(b"\r\n");
    }
    body.extend(format!("--{BOUNDARY}--\r\n").into_bytes());
    body
}
