//! The registry over real sockets, by raw requests: what the specification asks of it, who may do what, and what it
//! does when clients, disks and processes fail. How the real tools get on with it is in `peers`.

mod access;
mod conformance;
mod conformance_blobs;
mod faults;
pub(crate) mod wire;

use chartferry::{
    oci::{Digest, digest::Algorithm},
    server::{self, Config},
    store::{Durability, disk::Disk},
};
use std::{net::SocketAddr, path::Path, thread};
use wire::Answer;

/// A registry in this process, on a free port, over a store of its own; ended when dropped.
struct Server {
    address: SocketAddr,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
    root: tempfile::TempDir,
}

impl Server {
    fn new() -> Self {
        Self::with(Config::default())
    }

    fn with(config: Config) -> Self {
        let root = tempfile::tempdir().unwrap();
        let disk = Disk::open(&root.path().join("store"), Durability::None).unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let (tell, told) = std::sync::mpsc::channel();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let bound = server::bind(disk, config).await.unwrap();
                tell.send(bound.address()).unwrap();
                bound.run(async { drop(stopped.await) }).await;
            });
        });
        let address = told.recv().unwrap();
        Self { address, stop: Some(stop), thread: Some(thread), root }
    }

    fn store(&self) -> std::path::PathBuf {
        self.root.path().join("store")
    }

    fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], b"")
    }

    fn head(&self, path: &str) -> Answer {
        self.send("HEAD", path, &[], b"")
    }

    fn post(&self, path: &str, body: &[u8]) -> Answer {
        self.send("POST", path, &[], body)
    }

    fn put(&self, path: &str, body: &[u8]) -> Answer {
        self.send("PUT", path, &[], body)
    }

    fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, &[], b"")
    }

    fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        wire::send(self.address, method, path, headers, body)
    }

    /// Pushes a blob in one request.
    #[track_caller]
    fn push_blob(&self, name: &str, bytes: &[u8]) -> Digest {
        let digest = Digest::sha256(bytes);
        self.post(&format!("/v2/{name}/blobs/uploads/?digest={digest}"), bytes).expect(201);
        digest
    }

    /// Pushes a manifest by tag or digest, as what it says it is.
    #[track_caller]
    fn push_manifest(&self, name: &str, reference: &str, manifest: &serde_json::Value) -> Answer {
        let media_type = manifest["mediaType"].as_str().unwrap_or(IMAGE);
        let bytes = manifest.to_string();
        let path = format!("/v2/{name}/manifests/{reference}");
        self.send("PUT", &path, &[("Content-Type", media_type)], bytes.as_bytes())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        let ended = self.thread.take().unwrap().join();
        assert!(ended.is_ok() || thread::panicking(), "the server's thread panicked");
    }
}

const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const EMPTY: &str = "application/vnd.oci.empty.v1+json";

/// A descriptor as JSON.
fn descriptor(media_type: &str, bytes: &[u8]) -> serde_json::Value {
    serde_json::json!({
        "mediaType": media_type,
        "digest": Digest::sha256(bytes).as_str(),
        "size": bytes.len(),
    })
}

/// Bytes that repeat nowhere soon, the same for the same seed.
fn bytes(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..length).map(|_| next()).collect()
}

fn digest(algorithm: Algorithm, bytes: &[u8]) -> Digest {
    Digest::of(algorithm, bytes)
}

/// How many files lie below `folder`.
fn count_files(folder: &Path) -> usize {
    let mut count = 0;
    if folder.exists() {
        crate::support::list(folder, &mut |_, _| count += 1);
    }
    count
}
