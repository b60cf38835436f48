//! Mirrors from a repository on the web to a registry, each run a process of its own, every request
//! counted at both ends.

mod aliases;
mod belongings;
mod budget;
mod dead;
mod dependencies;
mod drift;
mod ends;
mod folder;
mod hints;
mod moved;
mod names;
mod others;
mod policies;
mod prune;
mod selection;
mod settings;
mod shape;
mod truth;

use crate::support::{
    Test,
    daemon::Daemon,
    proxy::Proxy,
    web::{File, Web},
};
use chartferry::digest::Digest;
use flate2::{Compression, write::GzEncoder};
use serde_json::Value;
use std::{
    cell::RefCell,
    sync::atomic::{AtomicUsize, Ordering},
};

/// A repository, a registry behind a counter, and a place to run in.
pub(super) struct Mirrored {
    pub(super) test: Test,
    pub(super) web: Web,
    pub(super) registry: Daemon,
    pub(super) proxy: Proxy,
    entries: RefCell<Vec<Entry>>,
}

/// A version in the repository's index.
#[derive(Clone)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) created: String,
    pub(super) digest: Option<String>,
    pub(super) more: String,
}

/// A chart's archive. `mark` makes it other bytes than another of the same version.
pub(super) fn archive(name: &str, version: &str, mark: &str) -> Vec<u8> {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (path, text) in [
        (
            "Chart.yaml",
            format!("apiVersion: v2\nname: {name}\nversion: {version}\ndescription: {mark}\n"),
        ),
        ("values.yaml", "a: 1\n".to_owned()),
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(1_600_000_000);
        let path = format!("{name}/{path}");
        tar.append_data(&mut header, path, text.as_bytes()).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}

impl Mirrored {
    pub(super) fn new() -> Self {
        let registry = Daemon::chartferry([]);
        let proxy = Proxy::to(&registry.address());
        let web = Web::start();
        let mut test = Test::new();
        test.call(web.url(), "[WEB]").call(proxy.address(), "[REGISTRY]");
        Self { test, web, registry, proxy, entries: RefCell::default() }
    }

    /// Puts a version in the repository, as it should be.
    pub(super) fn add(&self, name: &str, version: &str) -> Vec<u8> {
        let bytes = archive(name, version, "one");
        self.add_as(name, version, &bytes, Some(&bytes));
        bytes
    }

    /// Puts a version in the repository whose archive is `bytes`, and whose index speaks of
    /// `indexed`.
    pub(super) fn add_as(&self, name: &str, version: &str, bytes: &[u8], indexed: Option<&[u8]>) {
        self.web.file(&format!("/{name}-{version}.tgz"), bytes);
        self.entries.borrow_mut().push(Entry {
            name: name.to_owned(),
            version: version.to_owned(),
            created: "2024-05-06T07:08:09.5Z".to_owned(),
            digest: indexed.map(|bytes| Digest::sha256(bytes).hex().to_owned()),
            more: String::new(),
        });
    }

    /// Changes what the index says.
    pub(super) fn change(&self, mut change: impl FnMut(&mut Entry)) {
        self.entries.borrow_mut().iter_mut().for_each(&mut change);
    }

    /// Puts another archive in a version's place and publishes the index that says so.
    pub(super) fn republish(&self, name: &str, version: &str, mark: &str) {
        let bytes = archive(name, version, mark);
        self.web.file(&format!("/{name}-{version}.tgz"), bytes.clone());
        self.change(|entry| {
            if entry.name == name && entry.version == version {
                entry.digest = Some(Digest::sha256(&bytes).hex().to_owned());
            }
        });
        self.publish();
    }

    /// Takes versions out of the index.
    pub(super) fn retain(&self, mut keep: impl FnMut(&Entry) -> bool) {
        self.entries.borrow_mut().retain(|entry| keep(entry));
    }

    /// Publishes the index.
    pub(super) fn publish(&self) {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let mut text = "apiVersion: v1\nentries:\n".to_owned();
        let mut entries = self.entries.borrow().clone();
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        let mut last = String::new();
        for entry in entries {
            if entry.name != last {
                text.push_str(&format!("  {}:\n", entry.name));
                last.clone_from(&entry.name);
            }
            let Entry { name, version, created, digest, more } = entry;
            text.push_str(&format!(
                "  - apiVersion: v2\n    name: {name}\n    version: \"{version}\"\n    created: \"{created}\"\n    \
                 urls:\n    - {name}-{version}.tgz\n{more}"
            ));
            if let Some(digest) = digest {
                text.push_str(&format!("    digest: {digest}\n"));
            }
        }
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let tag: &'static str = Box::leak(format!("\"{number}\"").into_boxed_str());
        self.web.put("/index.yaml", File::Tagged(tag, text.into_bytes()));
    }

    /// The destination, as the counter's clients name it.
    pub(super) fn destination(&self) -> String {
        format!("oci://{}/charts", self.proxy.address())
    }

    /// Mirrors, with more flags, and gives the only run of the report.
    #[track_caller]
    pub(super) fn mirror(&self, code: i32, flags: &[&str]) -> Value {
        self.mirror_to(code, &self.destination(), flags)
    }

    #[track_caller]
    pub(super) fn mirror_to(&self, code: i32, destination: &str, flags: &[&str]) -> Value {
        let url = self.web.url();
        let mut args = vec!["mirror", url.as_str(), destination, "-o", "json"];
        args.extend(flags);
        let run = self.test.run(args).anything();
        let outcome = if code == 0 { run.succeeds() } else { run.fails(code) };
        let report: Value = serde_json::from_slice(&outcome.bytes).unwrap();
        report["runs"][0].clone()
    }

    /// What the registry was asked since the last call, without what differs from run to run.
    pub(super) fn asked_registry(&self) -> Vec<String> {
        self.proxy.take().iter().map(|request| shape(request)).collect()
    }

    /// What the repository was asked since the last call: methods and paths.
    pub(super) fn asked_web(&self) -> Vec<String> {
        self.web.take().iter().map(|seen| format!("{} {}", seen.method, seen.target)).collect()
    }

    /// Nothing of what was asked up to now is counted.
    pub(super) fn forget(&self) {
        drop((self.proxy.take(), self.web.take()));
    }

    /// The archive that the registry has for a version.
    #[track_caller]
    pub(super) fn pulled(&self, name: &str, version: &str) -> Vec<u8> {
        let reference = format!("oci://{}/charts/{name}", self.registry.address());
        let folder = format!("pulled-{name}-{version}");
        std::fs::create_dir_all(self.test.path(&folder)).unwrap();
        self.test
            .run(["pull", reference.as_str(), "--version", version, "-d", folder.as_str()])
            .anything()
            .succeeds();
        self.test.read(format!("{folder}/{name}-{version}.tgz"))
    }
}

/// Mirrors any sources to any destination and gives every run.
#[track_caller]
pub(super) fn runs(place: &Mirrored, code: i32, args: &[&str]) -> Vec<Value> {
    let mut all = vec!["mirror"];
    all.extend(args);
    all.extend(["-o", "json"]);
    let run = place.test.run(all).anything();
    let outcome = if code == 0 { run.succeeds() } else { run.fails(code) };
    let report: Value = serde_json::from_slice(&outcome.bytes).unwrap();
    report["runs"].as_array().unwrap().clone()
}

fn shape(request: &str) -> String {
    let (method, path) = request.split_once(' ').unwrap();
    let path = path.split('?').next().unwrap();
    let kind = ["/manifests/", "/blobs/uploads/", "/blobs/", "/tags/"]
        .into_iter()
        .find(|kind| path.contains(kind))
        .map_or(path, |kind| kind.trim_matches('/'));
    let state = if path.contains("/chartferry-state/") { "state " } else { "" };
    format!("{method} {state}{kind}")
}

/// How many requests have this shape.
pub(super) fn count(requests: &[String], shape: &str) -> usize {
    requests.iter().filter(|request| *request == shape).count()
}

/// What the report says of each version there is something to say of:
/// `status chart version: reason`.
pub(super) fn told(report: &Value) -> Vec<String> {
    report["versions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|told| {
            let text = |key: &str| told[key].as_str().unwrap_or_default().to_owned();
            let mut line = format!("{} {} {}", text("status"), text("chart"), text("version"));
            if !text("outcome").is_empty() {
                line.push_str(&format!(" ({})", text("outcome")));
            }
            line
        })
        .collect()
}
