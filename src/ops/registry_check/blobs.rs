//! Uploads of blobs: mounts, chunks, cancellation, digests and parts.

use super::{
    content::absent,
    probe::{Found, Probe, differs, no, yes},
    row::{About, Row, Weight},
};
use crate::{
    client::{Mount, upload_end},
    oci::{Descriptor, Digest, digest::Algorithm},
    store::{BlobSource, Exists as _, Held, Push as _},
};
use bytes::Bytes;

const MOUNT: About = About {
    check: "mount",
    what: "a blob of another repository is mounted",
    means: "a promotion within the registry sends every byte again",
    remedy: Some("Harbor and GitLab need the right to pull from the other repository"),
    weight: Weight::Comfort,
};
const ANONYMOUS: About = About {
    check: "anonymousMount",
    what: "a blob is mounted without the name of its repository",
    means: "a copy mounts from the repository of its source only",
    remedy: None,
    weight: Weight::Comfort,
};
const CHUNKS: About = About {
    check: "chunks",
    what: "a blob may come in chunks",
    means: "a large blob that breaks off begins again",
    remedy: Some("Google's registries take no chunks; nothing is to be done"),
    weight: Weight::Comfort,
};
const CANCEL: About = About {
    check: "cancel",
    what: "an upload can be cancelled",
    means: "uploads that break off stay until the registry removes them",
    remedy: None,
    weight: Weight::Comfort,
};
const SHA512: About = About {
    check: "sha512",
    what: "digests may be SHA-512",
    means: "artifacts with SHA-512 cannot be copied here",
    remedy: None,
    weight: Weight::Comfort,
};
const RANGE: About = About {
    check: "range",
    what: "a part of a blob can be read",
    means: "a download that breaks off begins again",
    remedy: None,
    weight: Weight::Comfort,
};

pub(super) async fn rows(probe: &Probe<'_>) -> Vec<Row> {
    vec![
        MOUNT.row(mount(probe).await),
        ANONYMOUS.row(anonymous(probe).await),
        CHUNKS.row(chunks(probe).await),
        CANCEL.row(cancel(probe).await),
        SHA512.row(sha512(probe).await),
        RANGE.row(range(probe).await),
    ]
}

/// Pushes a blob into the other repository.
async fn elsewhere(probe: &Probe<'_>, text: &str) -> crate::Result<Descriptor> {
    let blob = Descriptor::of("text/plain", text.as_bytes());
    probe.note_blob(&blob.digest);
    probe.beside.push_blob(&blob, &BlobSource::Bytes(text.to_owned().into())).await?;
    Ok(blob)
}

async fn mount(probe: &Probe<'_>) -> Found {
    let blob = elsewhere(probe, "to be mounted").await?;
    match probe.repository.mount(&blob, probe.beside).await? {
        Mount::Done if probe.repository.holds_blob(&blob).await? == Held::Yes => yes(),
        Mount::Done => no("a mounted blob is not there"),
        Mount::Refused(_) => no("the registry opens an upload instead"),
    }
}

async fn anonymous(probe: &Probe<'_>) -> Found {
    let blob = elsewhere(probe, "to be mounted without a source").await?;
    let path = format!("blobs/uploads/?mount={}", blob.digest);
    let answer = probe.ask("POST", path, Vec::new(), "").await?;
    match answer.status() {
        201 if probe.repository.holds_blob(&blob).await? == Held::Yes => yes(),
        202 => {
            let _ = end(probe, answer.location()).await;
            no("the registry opens an upload instead")
        }
        status => no(format!("it answers {status}")),
    }
}

/// Cancels an upload. Returns the status of the answer.
async fn end(probe: &Probe<'_>, location: Option<String>) -> crate::Result<u16> {
    let Some(location) = location else { return Ok(0) };
    Ok(probe.ask("DELETE", location, Vec::new(), "").await?.status())
}

async fn chunks(probe: &Probe<'_>) -> Found {
    let content = Bytes::from_static(b"two chunks make this blob");
    let digest = Digest::sha256(&content);
    let opened = probe.ask("POST", "blobs/uploads/", Vec::new(), "").await?;
    let Some(location) = opened.location().filter(|_| opened.status() == 202) else {
        return no(format!("an upload answers {}", opened.status()));
    };
    let part = |range: &str| {
        vec![
            ("content-type", "application/octet-stream".to_owned()),
            ("content-range", range.to_owned()),
        ]
    };
    let first = probe.ask("PATCH", location, part("0-9"), content.slice(..10)).await?;
    let Some(location) = first.location().filter(|_| first.status() == 202) else {
        return no(format!("a chunk answers {}", first.status()));
    };
    let Some(end) = upload_end(&location, &digest) else {
        return no("the upload has no address");
    };
    probe.note_blob(&digest);
    let last = probe.ask("PUT", end, part("10-24"), content.slice(10..)).await?;
    let blob = Descriptor::new("text/plain", digest, content.len() as u64);
    match last.status() {
        201 if probe.repository.holds_blob(&blob).await? == Held::Yes => yes(),
        201 => no("the blob of two chunks is not there"),
        status => no(format!("the last chunk answers {status}")),
    }
}

async fn cancel(probe: &Probe<'_>) -> Found {
    let opened = probe.ask("POST", "blobs/uploads/", Vec::new(), "").await?;
    let Some(location) = opened.location().filter(|_| opened.status() == 202) else {
        return no(format!("an upload answers {}", opened.status()));
    };
    match end(probe, Some(location.clone())).await? {
        200..=299 => {}
        status => return no(format!("it answers {status}")),
    }
    match probe.ask("GET", location, Vec::new(), "").await?.status() {
        404 => yes(),
        status => differs(format!("a cancelled upload answers {status}")),
    }
}

async fn sha512(probe: &Probe<'_>) -> Found {
    let content = b"a blob with a longer digest";
    let mut hasher = Algorithm::Sha512.hasher();
    hasher.update(content);
    let digest = hasher.finish();
    probe.note_blob(&digest);
    let blob = Descriptor::new("text/plain", digest, content.len() as u64);
    probe.repository.push_blob(&blob, &BlobSource::Bytes(Bytes::from_static(content))).await?;
    match probe.repository.holds_blob(&blob).await? {
        Held::Yes => yes(),
        Held::Unknown => no("the blob is not there under its digest"),
    }
}

async fn range(probe: &Probe<'_>) -> Found {
    let blob = probe.blob("text/plain", b"0123456789").await?;
    let headers = vec![("range", "bytes=2-4".to_owned())];
    let answer = probe.ask("GET", format!("blobs/{}", blob.digest), headers, "").await?;
    let missing = probe.ask("GET", format!("blobs/{}", absent().digest), Vec::new(), "").await?;
    match (answer.status(), answer.body().as_ref()) {
        (206, b"234") if missing.status() == 404 => yes(),
        (206, b"234") => {
            differs(format!("a blob that was never pushed answers {}", missing.status()))
        }
        (200, _) => no("the whole blob comes instead of a part"),
        (status, _) => no(format!("it answers {status}")),
    }
}
