//! What may go wrong on the way to and from a registry, one row a fault, with a chart and with a
//! plain blob as the payload. `cargo test --test it faults -- --nocapture` prints the table. Waits
//! run on a clock of their own; only a stall is waited out, at a hundredth of a second's scale.

mod copied;
pub(crate) mod killed;
pub(crate) mod named;
mod redirect;
pub(crate) mod tls;
mod upload;
mod web;

use crate::support::{
    fault::{Act, Fault, FaultRegistry},
    fault_registry::{Answer, Auth, Setup},
};
use bytes::Bytes;
use chartferry::{
    Result,
    client::{
        Client, ClientEvent, Clock, Credential, EventSink, Given, Intent, Options, Repository,
        Scheme, Secret, VirtualClock,
    },
    oci::{Descriptor, Document, Manifest, TagOrDigest, media},
    store::{BlobSource, Fetch, Push},
};
use std::{
    future::Future,
    sync::{Arc, Mutex},
    time::Duration,
};

/// Runs a test's future; server and client share its one thread.
pub(crate) fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// A client with a clock of its own, an empty cache and everything it tells written down.
pub(crate) struct Bench {
    pub(crate) client: Client,
    pub(crate) clock: VirtualClock,
    pub(crate) cache: tempfile::TempDir,
    told: Arc<Mutex<Vec<ClientEvent>>>,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut Options)) -> Self {
        Self::in_cache(tempfile::tempdir().unwrap(), change)
    }

    pub(crate) fn in_cache(cache: tempfile::TempDir, change: impl FnOnce(&mut Options)) -> Self {
        let clock = VirtualClock::default();
        let told = Arc::new(Mutex::new(Vec::new()));
        let listener = Arc::clone(&told);
        let mut options = Options::default();
        options.scheme = Scheme::Plain;
        options.clock = Clock::Virtual(clock.clone());
        options.cache = Some(cache.path().to_path_buf());
        options.notify = EventSink::new(move |notice| {
            if !matches!(notice, ClientEvent::Asked { .. } | ClientEvent::Answered { .. }) {
                listener.lock().unwrap().push(notice);
            }
        });
        change(&mut options);
        Self { client: Client::new(options).unwrap(), clock, cache, told }
    }

    pub(crate) fn repository(&self, registry: &FaultRegistry) -> Repository {
        let host = registry.address().parse().unwrap();
        self.client.repository(&host, &"team/demo".parse().unwrap())
    }

    /// What was told, progress apart.
    pub(crate) fn told(&self) -> Vec<String> {
        let told = self.told.lock().unwrap();
        told.iter()
            .filter(|notice| !matches!(notice, ClientEvent::Moved { .. }))
            .map(ToString::to_string)
            .collect()
    }
}

pub(crate) fn user() -> Credential {
    Credential::Basic { username: "u".to_owned(), password: Secret::new("p") }
}

pub(crate) fn tag(text: &str) -> TagOrDigest {
    TagOrDigest::Tag(text.parse().unwrap())
}

/// Bytes of which no two blocks are alike.
pub(crate) fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let block: Vec<u8> = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    })
    .flatten()
    .take(32 * 1024)
    .collect();
    let mut bytes = Vec::with_capacity(length + block.len());
    while bytes.len() < length {
        let number = bytes.len() as u64;
        bytes.extend_from_slice(&number.to_le_bytes());
        bytes.extend_from_slice(&block);
    }
    bytes.truncate(length);
    bytes
}

/// What travels: a chart goes through memory, a plain blob through a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Chart,
    Blob,
}

struct Payload {
    kind: Kind,
    config: Bytes,
    layer: Bytes,
    manifest: Manifest,
}

impl Payload {
    fn new(kind: Kind) -> Self {
        let (config, layer, types) = match kind {
            Kind::Chart => {
                let config = br#"{"name":"demo","version":"1.0.0","apiVersion":"v2"}"#;
                (&config[..], noise(300_000), (media::CHART_CONFIG, media::CHART_CONTENT))
            }
            Kind::Blob => (&b"{}"[..], noise(5 << 20), (media::EMPTY, "application/x-anything")),
        };
        let (config, layer) = (Bytes::copy_from_slice(config), Bytes::from(layer));
        let mut config_of = Descriptor::of(types.0, &config);
        if kind == Kind::Blob {
            // A copy takes it from here, so that every fault meets the layer.
            config_of.data = Some("e30=".to_owned());
        }
        let document: Document = serde_json::from_value(serde_json::json!({
            "schemaVersion": 2,
            "config": config_of,
            "layers": [Descriptor::of(types.1, &layer)],
        }))
        .unwrap();
        let manifest = Manifest::compose(document, media::MANIFEST);
        Self { kind, config, layer, manifest }
    }

    fn config_of(&self) -> &Descriptor {
        self.manifest.document().config.as_ref().unwrap()
    }

    fn layer_of(&self) -> &Descriptor {
        &self.manifest.document().layers()[0]
    }

    fn hold(&self, registry: &FaultRegistry) {
        registry.with(|registry| {
            registry.hold("", self.config.clone());
            registry.hold("", self.layer.clone());
            registry.hold_manifest("1.0.0", media::MANIFEST, self.manifest.bytes().clone());
        });
    }

    async fn pull(&self, repository: &Repository) -> Result<()> {
        let manifest = repository.fetch_manifest(&tag("1.0.0")).await?;
        assert_eq!(manifest.bytes(), self.manifest.bytes());
        let layer = &manifest.document().layers()[0];
        let bytes = match self.kind {
            Kind::Chart => repository.fetch_blob(layer, 1 << 20).await?,
            Kind::Blob => {
                let file = repository.fetch_blob_file(layer).await?;
                std::fs::read(file.path()).unwrap().into()
            }
        };
        assert!(bytes == self.layer, "other bytes");
        Ok(())
    }

    async fn push(&self, repository: &Repository, registry: &FaultRegistry) -> Result<()> {
        let file = tempfile::NamedTempFile::new().unwrap();
        let layer = match self.kind {
            Kind::Chart => BlobSource::Bytes(self.layer.clone()),
            Kind::Blob => {
                std::fs::write(file.path(), &self.layer).unwrap();
                BlobSource::File(file.path().to_path_buf())
            }
        };
        repository.push_blob(self.config_of(), &BlobSource::Bytes(self.config.clone())).await?;
        repository.push_blob(self.layer_of(), &layer).await?;
        repository.push_manifest(&self.manifest, Some(&"1.0.0".parse().unwrap())).await?;
        registry.with(|registry| {
            assert_eq!(registry.blobs.get(self.layer_of().digest.as_str()), Some(&self.layer));
            assert_eq!(registry.manifest("1.0.0").as_ref(), Some(self.manifest.bytes()));
        });
        Ok(())
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Pull,
    Push,
}

/// A fault, how the registry is set up for it, and the least wait that getting over it takes.
struct Row {
    name: &'static str,
    way: Way,
    faults: Vec<Fault>,
    auth: Auth,
    stall: Duration,
    waits: Duration,
}

fn row(way: Way, name: &'static str, faults: impl IntoIterator<Item = Fault>) -> Row {
    let stall = Duration::from_secs(20);
    Row {
        name,
        way,
        faults: faults.into_iter().collect(),
        auth: Auth::Open,
        stall,
        waits: Duration::ZERO,
    }
}

impl Row {
    fn auth(self, auth: Auth) -> Self {
        Self { auth, ..self }
    }

    fn stall(self) -> Self {
        Self { stall: Duration::from_millis(150), ..self }
    }

    fn waits(self, seconds: u64) -> Self {
        Self { waits: Duration::from_secs(seconds), ..self }
    }

    async fn run(&self, kind: Kind) -> Result<Duration> {
        let payload = Payload::new(kind);
        let setup = Setup {
            auth: self.auth,
            single_post: false,
            faults: self.faults.clone(),
            ..Setup::default()
        };
        let registry = FaultRegistry::start(setup).await;
        let bench = Bench::with(|options| {
            options.stall = self.stall;
            options.headers = self.stall;
            options.commit = self.stall;
            options.keyring.given = Some(Given { credential: user(), registry: None });
        });
        let repository = bench.repository(&registry);
        match self.way {
            Way::Pull => {
                payload.hold(&registry);
                payload.pull(&repository).await?;
            }
            Way::Push => {
                payload.push(&repository.with_intent(Intent::Writing), &registry).await?;
            }
        }
        let idle = registry.idle();
        assert!(idle.is_empty(), "{}: never happened: {idle:?}", self.name);
        Ok(bench.clock.waited())
    }
}

fn limited(seconds: &str) -> Act {
    Act::Instead(Answer::error(429, "TOOMANYREQUESTS").with("retry-after", seconds))
}

fn busy(status: u16) -> Act {
    Act::Instead(Answer::new(status, "busy"))
}

fn headers(list: &[(&'static str, &str)]) -> Act {
    Act::Headers(list.iter().map(|(name, value)| (*name, (*value).to_owned())).collect())
}

/// The 21 faults of the measured matrix, then what was added.
fn rows() -> Vec<Row> {
    use Way::{Pull, Push};
    let on = Fault::new;
    // The first PUT of a push is the config's.
    let put = |act| on("PUT /blobs/uploads/", act).after(1);
    vec![
        row(Pull, "reset at 50 % of the blob", [on("GET /blobs/", Act::ResetAt(50))]),
        row(Pull, "the same three times", [on("GET /blobs/", Act::ResetAt(50)).times(3)]),
        row(Pull, "closed early", [on("GET /blobs/", Act::CloseAt(50))]),
        row(Pull, "length too long by 10", [on("GET /blobs/", Act::Longer(10))]),
        row(Pull, "stall, no bytes", [on("GET /blobs/", Act::StallAt(50))]).stall(),
        row(Pull, "502", [on("GET /blobs/", busy(502))]),
        row(Pull, "503 twice", [on("GET /blobs/", busy(503)).times(2)]),
        row(Pull, "429, Retry-After 5", [on("GET /blobs/", limited("5"))]).waits(5),
        row(Pull, "429, Retry-After 20", [on("GET /blobs/", limited("20"))]).waits(20),
        row(Pull, "500 on the manifest", [on("GET /manifests/", busy(500))]),
        row(Pull, "reset before the first answer", [on("GET /manifests/", Act::Reset)]),
        row(Pull, "token revoked before the blob", [on("GET /blobs/", Act::Revoke)])
            .auth(Auth::BearerOnly),
        row(Pull, "one flipped bit, once", [on("GET /blobs/", Act::Flip)]),
        row(Pull, "storage answers 403 once", [on("GET /blobs/", Act::Storage(1)).times(2)]),
        row(Push, "reset amid PUT", [put(Act::ResetRequest(150_000))]),
        row(Push, "503 after the body", [put(Act::Though(Answer::new(503, "busy")))]),
        row(Push, "503 on POST", [on("POST /blobs/uploads/", busy(503))]),
        row(Push, "429, Retry-After 5 on POST", [on("POST /blobs/uploads/", limited("5"))])
            .waits(5),
        row(Push, "session lost (404)", [put(Act::Forget)]),
        row(Push, "401 amid the upload", [put(Act::Revoke)]).auth(Auth::BearerOnly),
        row(Push, "500 on the manifest", [on("PUT /manifests/", busy(500))]),
        // Beyond the matrix.
        row(
            Pull,
            "Retry-After as a date",
            [on("GET /blobs/", limited("Thu, 01 Jan 2026 00:02:00 GMT"))],
        )
        .waits(120),
        row(
            Pull,
            "the whole for a part",
            [on("GET /blobs/", Act::ResetAt(50)), on("GET /blobs/", Act::WholeForPart)],
        ),
        row(
            Pull,
            "a part that begins too early",
            [on("GET /blobs/", Act::ResetAt(50)), on("GET /blobs/", Act::EarlierPart(7))],
        ),
        row(
            Pull,
            "another ETag for the rest",
            [on("GET /blobs/", Act::ResetAt(50)), on("GET /blobs/", Act::OtherForPart)],
        ),
        row(
            Pull,
            "a part of nothing left (416)",
            [
                on("GET /blobs/", Act::ResetAt(50)),
                on("GET /blobs/", Act::Instead(Answer::error(416, "RANGE_INVALID"))),
            ],
        ),
        row(
            Pull,
            "a length that is not the blob's",
            [on("GET /blobs/", Act::Instead(Answer::new(200, "short")))],
        ),
        row(
            Pull,
            "compressed by a proxy, once",
            [on("GET /blobs/", headers(&[("content-encoding", "gzip")]))],
        ),
        row(
            Pull,
            "a web page, once",
            [on(
                "GET /blobs/",
                Act::Instead(Answer::new(200, "<html>").with("content-type", "text/html")),
            )],
        ),
        row(
            Pull,
            "secondary rate limit (403)",
            [on(
                "GET /manifests/",
                Act::Instead(Answer::new(403, "You have exceeded a secondary rate limit.")),
            )],
        )
        .waits(60),
        row(Pull, "manifest with a flipped bit, once", [on("GET /manifests/", Act::Flip)]),
        row(
            Pull,
            "reset at every 10 % of what is left",
            [on("GET /blobs/", Act::ResetAt(10)).times(20)],
        ),
        row(Push, "stall amid PUT", [put(Act::StallRequest(1000))]).stall(),
        row(Push, "stall after the body", [put(Act::StallAt(0))]).stall(),
        row(Push, "reset amid PUT, four times", [put(Act::ResetRequest(150_000)).times(4)]),
        row(Push, "401 on POST", [on("POST /blobs/uploads/", Act::Revoke).after(2)])
            .auth(Auth::BearerOnly),
        row(Push, "503 thrice on the manifest", [on("PUT /manifests/", busy(503)).times(3)]),
        row(Push, "reset before the answer to the manifest", [on("PUT /manifests/", Act::Reset)]),
        row(
            Push,
            "other bytes arrive, once (400)",
            [put(Act::Instead(Answer::error(400, "DIGEST_INVALID")))],
        ),
    ]
}

#[test]
fn every_fault_is_survived() {
    println!("{:45} {:6} {:6} {:6}", "fault", "way", "chart", "blob");
    let mut failed = Vec::new();
    for row in rows() {
        let way = if row.way == Way::Pull { "pull" } else { "push" };
        let mut marks = Vec::new();
        for kind in [Kind::Chart, Kind::Blob] {
            let mark = match run(row.run(kind)) {
                Ok(waited) if waited >= row.waits => "pass",
                Ok(waited) => {
                    failed.push(format!("{} ({kind:?}): waited only {waited:?}", row.name));
                    "early"
                }
                Err(error) => {
                    failed.push(format!("{} ({kind:?}): {error:?}", row.name));
                    "FAIL"
                }
            };
            marks.push(mark);
        }
        println!("{:45} {way:6} {:6} {:6}", row.name, marks[0], marks[1]);
    }
    assert!(failed.is_empty(), "\n{}", failed.join("\n"));
}
