//! The registry over real sockets, by raw requests: what the specification asks of it, who may do
//! what, and what it does when clients, disks and processes fail. How the real tools get on with it
//! is in `peers`.

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
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
    root: tempfile::TempDir,
}

impl Server {
    pub(crate) fn new() -> Self {
        Self::with(Config::default())
    }

    pub(crate) fn with(config: Config) -> Self {
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

    pub(crate) fn store(&self) -> std::path::PathBuf {
        self.root.path().join("store")
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], b"")
    }

    pub(crate) fn head(&self, path: &str) -> Answer {
        self.send("HEAD", path, &[], b"")
    }

    pub(crate) fn post(&self, path: &str, body: &[u8]) -> Answer {
        self.send("POST", path, &[], body)
    }

    pub(crate) fn put(&self, path: &str, body: &[u8]) -> Answer {
        self.send("PUT", path, &[], body)
    }

    pub(crate) fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, &[], b"")
    }

    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        wire::send(self.address, method, path, headers, body)
    }

    /// Pushes a blob in one request.
    #[track_caller]
    pub(crate) fn push_blob(&self, name: &str, bytes: &[u8]) -> Digest {
        let digest = Digest::sha256(bytes);
        self.post(&format!("/v2/{name}/blobs/uploads/?digest={digest}"), bytes).expect(201);
        digest
    }

    /// Pushes a manifest by tag or digest, as what it says it is.
    #[track_caller]
    pub(crate) fn push_manifest(
        &self,
        name: &str,
        reference: &str,
        manifest: &serde_json::Value,
    ) -> Answer {
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

pub(crate) const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const EMPTY: &str = "application/vnd.oci.empty.v1+json";

/// A descriptor as JSON.
pub(crate) fn descriptor(media_type: &str, bytes: &[u8]) -> serde_json::Value {
    serde_json::json!({
        "mediaType": media_type,
        "digest": Digest::sha256(bytes).as_str(),
        "size": bytes.len(),
    })
}

/// Bytes that repeat nowhere soon, the same for the same seed.
pub(crate) fn bytes(seed: u64, length: usize) -> Vec<u8> {
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
pub(crate) fn count_files(folder: &Path) -> usize {
    let mut count = 0;
    if folder.exists() {
        crate::support::list(folder, &mut |_, _| count += 1);
    }
    count
}
