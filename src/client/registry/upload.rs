//! Uploads of blobs. The client sends a small blob in one request if the registry supports that,
//! and any other blob with a session and one PUT. If that fails repeatedly, or a proxy refuses the
//! size of the body, the client sends chunks. It can send everything again from its source.

use super::{
    host::Capability as Known,
    manifest::check_digest,
    request::{Reply, RetryCause},
    session::{OpenUpload, Session},
    upload_chunked::{Chunks, Course},
};
use crate::{
    Error, ErrorKind, Result,
    client::{
        Repository,
        auth::access::{Access, Action, Intent},
        event::{ClientEvent, TOLD_EVERY, Way},
        http::{
            error_response,
            failure::AttemptError,
            message::{Patience, Payload, Report, Request, Response, Strangers, text},
            redirect::{Credentials, follow, with_digest},
            retry::{Origin, Tries},
        },
    },
    limits::{KIB, MIB},
    lock::Locked as _,
    oci::{Descriptor, Digest, Manifest, Tag, media},
    store::{BlobSource, Exists, Held, Push, RemoteBlob, Sent},
};
use ::http::Method;
use bytes::Bytes;
use std::{
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};
use url::Url;

/// Size in bytes below which a check for the blob costs more than it saves.
const ASK_FIRST: u64 = 4 * MIB;
/// Largest body in bytes that the client sends with the first POST to find out if the registry
/// accepts it.
const TRY_SINGLE: u64 = 64 * KIB;
/// Largest body in bytes for a single POST, after the registry accepted one.
const SINGLE: u64 = MIB;
/// Number of failed PUTs after which the client sends chunks, of which each is progress.
const FAILED_PUTS: u32 = 3;

impl Push for Repository {
    async fn push_blob(&self, blob: &Descriptor, source: &BlobSource) -> Result<Sent> {
        let body = Body::of(blob, source)?;
        let ask = blob.size >= ASK_FIRST && self.intent != Intent::Filling;
        if ask && self.holds_blob(blob).await? == Held::Yes {
            return Ok(Sent::Present);
        }
        Upload::new(self, blob, body, self.blob_act(blob)).run().await?;
        Ok(Sent::Uploaded)
    }

    async fn push_manifest(&self, manifest: &Manifest, tag: Option<&Tag>) -> Result<()> {
        self.put_manifest(manifest, tag).await
    }

    /// Opens an upload and cancels it. Of all requests, only this one shows if the client may push.
    async fn may_push(&self) -> Result<()> {
        let nothing = Descriptor::of(media::EMPTY, b"");
        let body = Body::Bytes(Bytes::new());
        let act = format!("push to `{}/{}`", self.registry(), self.name);
        let upload = Upload::new(self, &nothing, body, act);
        let session = match upload.open().await {
            Ok(session) => session,
            Err(AttemptError::Fatal(error)) => return Err(error),
            Err(AttemptError::Again(cause)) => return Err(upload.give_up(cause)),
        };
        // A registry without cancellation drops the upload after a time of its own.
        let _ = upload.send(&session, &Request::new(Method::DELETE, session.url.clone())).await;
        Ok(())
    }
}

impl Repository {
    /// Sends a blob with an upload that the registry has opened already, if it has.
    ///
    /// # Errors
    /// As [`Push::push_blob`].
    pub async fn push_blob_into(
        &self,
        blob: &Descriptor,
        source: &BlobSource,
        opened: Option<OpenUpload>,
    ) -> Result<Sent> {
        let body = Body::of(blob, source)?;
        let upload = Upload::new(self, blob, body, self.blob_act(blob));
        *upload.opened.locked() = opened.map(|opened| opened.0);
        upload.run().await?;
        Ok(Sent::Uploaded)
    }

    fn blob_act(&self, blob: &Descriptor) -> String {
        format!("push blob `{}` to `{}/{}`", blob.digest, self.registry(), self.name)
    }
}

impl Exists for Repository {
    async fn holds_blob(&self, blob: &Descriptor) -> Result<Held> {
        let call = Request::new(Method::HEAD, self.url(&format!("blobs/{}", blob.digest))?);
        let ticket = self.ticket(Action::Read);
        let answer = self.client.settle(&ticket, &self.blob_act(blob), &call, 0).await?;
        let length = text(&answer.headers, "content-length").and_then(|l| l.parse::<u64>().ok());
        let there = answer.status.as_u16() == 200 && length == Some(blob.size);
        Ok(if there && !error_response::is_page_head(&answer) { Held::Yes } else { Held::Unknown })
    }
}

impl Repository {
    /// Removes a blob from the repository.
    ///
    /// # Errors
    /// `NotFound`; `Protocol` if the registry does not support it.
    pub async fn delete_blob(&self, digest: &Digest) -> Result<()> {
        let act = format!("delete blob `{digest}` of `{}/{}`", self.registry(), self.name);
        let call = Request::new(Method::DELETE, self.url(&format!("blobs/{digest}"))?)
            .strangers(Strangers::Refuse);
        let cap = self.client.options().limits.answer_bytes;
        let answer = self.client.settle(&self.ticket(Action::Delete), &act, &call, cap).await?;
        match error_response::is_success(&answer) {
            true => Ok(()),
            false => Err(error_response::from_registry(self.registry(), &act, &answer)),
        }
    }

    /// Asks for the size of a blob in bytes. `None` if the registry does not have it.
    ///
    /// # Errors
    /// Fails if the registry does not answer, or without a size.
    pub async fn blob_size(&self, digest: &Digest) -> Result<Option<u64>> {
        let act = format!("find blob `{digest}` of `{}/{}`", self.registry(), self.name);
        let call = Request::new(Method::HEAD, self.url(&format!("blobs/{digest}"))?);
        let answer = self.client.settle(&self.ticket(Action::Read), &act, &call, 0).await?;
        let length = text(&answer.headers, "content-length").and_then(|l| l.parse::<u64>().ok());
        match (answer.status.as_u16(), length) {
            (200, Some(length)) if !error_response::is_page_head(&answer) => Ok(Some(length)),
            (404, _) => Ok(None),
            _ => Err(error_response::from_registry(self.registry(), &act, &answer)),
        }
    }
}

/// Content to send.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    Bytes(Bytes),
    File(Arc<Path>),
    Remote(RemoteBlob),
}

impl Body {
    fn of(blob: &Descriptor, source: &BlobSource) -> Result<Self> {
        let (body, length) = match source {
            BlobSource::Bytes(bytes) => (Self::Bytes(bytes.clone()), bytes.len() as u64),
            BlobSource::File(path) => {
                let data = path.metadata().map_err(|error| Error::io("read blob", path, error))?;
                (Self::File(path.as_path().into()), data.len())
            }
            BlobSource::Remote(blob) => (Self::Remote(blob.clone()), blob.size()),
        };
        if length != blob.size {
            return Err(Error::new(
                ErrorKind::Integrity,
                format!(
                    "blob `{}` has {} bytes in its descriptor but {length} bytes of content",
                    blob.digest, blob.size
                ),
            ));
        }
        Ok(body)
    }

    pub(crate) fn part(&self, start: u64, length: u64) -> Payload {
        match self {
            Self::File(path) => Payload::File { path: Arc::clone(path), start, length },
            Self::Remote(blob) => Payload::Remote { blob: blob.clone(), start, length },
            Self::Bytes(bytes) => {
                // Both are within the bytes, whose length is a usize.
                let (start, length) = (start as usize, length as usize);
                Payload::Bytes(bytes.slice(start..start + length))
            }
        }
    }

    /// Takes the error of the source that ended the last try, if that was the cause.
    fn failure(&self) -> Option<Error> {
        match self {
            Self::Remote(blob) => blob.failure(),
            Self::Bytes(_) | Self::File(_) => None,
        }
    }
}

/// Upload of one blob.
pub(crate) struct Upload<'a> {
    pub(crate) repository: &'a Repository,
    pub(crate) blob: &'a Descriptor,
    pub(crate) body: Body,
    pub(crate) act: String,
    /// A session to use before a new one.
    opened: Mutex<Option<Session>>,
    /// Sessions that ended before their blob was complete, and that the registry may still hold.
    left: Mutex<Vec<Session>>,
}

impl<'a> Upload<'a> {
    pub(crate) fn new(
        repository: &'a Repository,
        blob: &'a Descriptor,
        body: Body,
        act: String,
    ) -> Self {
        Self { repository, blob, body, act, opened: Mutex::default(), left: Mutex::default() }
    }
}

impl Upload<'_> {
    async fn run(self) -> Result<()> {
        let outcome = self.tries().await;
        self.cancel_left().await;
        outcome
    }

    /// Notes a session that ended early, unless the registry does not know it.
    pub(crate) fn leave(&self, session: Session, cause: &AttemptError<RetryCause>) {
        match cause {
            AttemptError::Again(RetryCause::Refused(full)) if full.status.as_u16() == 404 => {}
            _ => self.left.locked().push(session),
        }
    }

    /// Cancels the sessions that ended early: a registry would hold their bytes for days. A
    /// registry without cancellation drops them after a time of its own.
    async fn cancel_left(&self) {
        let left: Vec<Session> = self.left.locked().drain(..).collect();
        let unused = self.opened.locked().take();
        for session in left.into_iter().chain(unused) {
            let cancel = Request::new(Method::DELETE, session.url.clone());
            let answer = self.send(&session, &cancel).await;
            if let Err(AttemptError::Again(RetryCause::Transport(_))) = answer {
                // Without a connection, the others would fail as slowly.
                return;
            }
        }
    }

    async fn tries(&self) -> Result<()> {
        let repository = self.repository;
        let mut tries = Tries::default();
        let mut failed_puts = 0;
        let mut rejected = false;
        let mut course = Course::default();
        loop {
            let chunked = self.goes_in_chunks(failed_puts);
            let ended = if chunked {
                Chunks::new(self, &mut course).run(&mut tries).await
            } else {
                self.whole().await
            };
            if ended.is_err()
                && let Some(failure) = self.body.failure()
            {
                return Err(failure);
            }
            let cause = match ended {
                Ok(()) => return Ok(()),
                Err(AttemptError::Fatal(error)) => return Err(error),
                Err(AttemptError::Again(cause)) => cause,
            };
            if let RetryCause::Refused(full) = &cause {
                match full.status.as_u16() {
                    // Too large for the registry or a proxy before it (413 and 520), or for one
                    // request (416).
                    413 | 416 | 520 if !chunked && repository.host.refused_body(self.blob.size) => {
                        continue;
                    }
                    405 | 501 if chunked && !self.goes_in_chunks(failed_puts) => continue,
                    // The session no longer exists, nor the bytes that were sent.
                    404 if self.opened_before(full) => {
                        let lost = RetryCause::Damaged(error_response::from_registry(
                            repository.registry(),
                            &self.act,
                            full,
                        ));
                        if repository
                            .client
                            .pause(&repository.host, &mut tries, &self.act, &lost)
                            .await?
                        {
                            continue;
                        }
                    }
                    // The registry received other bytes. The first time, the network may be the
                    // cause.
                    400 if !rejected && is_wrong_digest(full) => {
                        rejected = true;
                        continue;
                    }
                    _ => {}
                }
            }
            let uncertain = match &cause {
                RetryCause::Transport(_) => true,
                RetryCause::Refused(full) => full.status.is_server_error(),
                RetryCause::Damaged(_) => false,
            };
            failed_puts += u32::from(uncertain);
            if !repository.client.pause(&repository.host, &mut tries, &self.act, &cause).await? {
                return Err(self.give_up(cause));
            }
            // The last try may have succeeded though its response was lost.
            let large = uncertain && self.blob.size >= ASK_FIRST;
            if large && repository.holds_blob(self.blob).await? == Held::Yes {
                return Ok(());
            }
        }
    }

    fn give_up(&self, cause: RetryCause) -> Error {
        let wrong_digest = matches!(&cause, RetryCause::Refused(full) if is_wrong_digest(full));
        let error = cause.into_error(self.repository.registry(), &self.act);
        if !wrong_digest {
            return error;
        }
        Error::new(ErrorKind::Integrity, error.message()).with_hint(
            "the registry received other bytes than were sent: check the proxies on the way",
        )
    }

    fn goes_in_chunks(&self, failed_puts: u32) -> bool {
        let host = &self.repository.host;
        match host.chunks().known() {
            Some(Known::No) => false,
            _ => {
                host.body_cap().is_some_and(|cap| self.blob.size > cap)
                    || (failed_puts >= FAILED_PUTS
                        && self.blob.size > self.repository.client.options().chunk)
            }
        }
    }

    /// Returns true if a 404 concerns the session, and not a missing repository.
    fn opened_before(&self, full: &Response) -> bool {
        full.url.path() != self.open_url().map(|url| url.path().to_owned()).unwrap_or_default()
    }

    fn open_url(&self) -> Result<Url> {
        self.repository.url("blobs/uploads/")
    }

    /// Sends the blob in one request, or with a session and one PUT.
    async fn whole(&self) -> Result<(), AttemptError<RetryCause>> {
        let host = &self.repository.host;
        let size = self.blob.size;
        let single = match host.single_post().known() {
            _ if self.opened.locked().is_some() => false,
            Some(Known::Yes) => size <= SINGLE,
            Some(Known::No) => false,
            None => size <= TRY_SINGLE,
        };
        let session = if single { self.single().await? } else { Some(self.open().await?) };
        let Some(session) = session else { return Ok(()) };
        let call = Request::new(Method::PUT, with_digest(&session.url, &self.blob.digest))
            .header("content-type", "application/octet-stream")
            .payload(self.body.part(0, size))
            .patience(Patience::Commit)
            .report(self.report(0));
        let outcome = match self.send(&session, &call).await {
            Ok(answer) => self.finish(answer),
            Err(error) => Err(error),
        };
        outcome.inspect_err(|cause| self.leave(session, cause))
    }

    /// Sends the bytes with one POST. A registry without support for that opens a session.
    async fn single(&self) -> Result<Option<Session>, AttemptError<RetryCause>> {
        let host = &self.repository.host;
        let call = Request::new(Method::POST, with_digest(&self.open_url()?, &self.blob.digest))
            .header("content-type", "application/octet-stream")
            .payload(self.body.part(0, self.blob.size))
            .report(self.report(0));
        let answer = match self.ask(&call).await {
            Err(AttemptError::Again(RetryCause::Refused(full)))
                if matches!(full.status.as_u16(), 400 | 405 | 411 | 413 | 415 | 501) =>
            {
                host.single_post().learn(Known::No);
                return Ok(Some(self.open().await?));
            }
            answer => answer?,
        };
        if answer.status.as_u16() == 201 {
            host.single_post().learn(Known::Yes);
            self.finish(answer)?;
            return Ok(None);
        }
        self.taken(&answer)?;
        host.single_post().learn(Known::No);
        Ok(Some(self.session(&answer)?))
    }

    /// Opens a session.
    pub(crate) async fn open(&self) -> Result<Session, AttemptError<RetryCause>> {
        if let Some(opened) = self.opened.locked().take() {
            return Ok(opened);
        }
        let answer = self.ask(&Request::new(Method::POST, self.open_url()?)).await?;
        self.taken(&answer)?;
        Ok(self.session(&answer)?)
    }

    async fn ask(&self, call: &Request) -> Result<Response, AttemptError<RetryCause>> {
        self.ask_as(&self.repository.ticket(Action::Write), call).await
    }

    /// Sends a request with another access than that of an ordinary upload.
    pub(crate) async fn ask_as(
        &self,
        ticket: &Access,
        call: &Request,
    ) -> Result<Response, AttemptError<RetryCause>> {
        self.whole_answer(self.repository.client.ask(ticket, call).await).await
    }

    /// Sends a request to a session. A session on another host never receives our credentials.
    pub(crate) async fn send(
        &self,
        session: &Session,
        call: &Request,
    ) -> Result<Response, AttemptError<RetryCause>> {
        match session.credentials {
            Credentials::Keep => self.ask(call).await,
            Credentials::Drop => {
                self.whole_answer(self.repository.client.ask_elsewhere(call).await).await
            }
        }
    }

    async fn whole_answer(
        &self,
        answer: Result<Reply, AttemptError>,
    ) -> Result<Response, AttemptError<RetryCause>> {
        let cap = self.repository.client.options().limits.answer_bytes;
        match answer? {
            Reply::Open(answer) => Ok(answer.read(cap).await?),
            Reply::Refused(full) => Err(RetryCause::Refused(full).into()),
        }
    }

    /// Returns the session in a response.
    pub(crate) fn session(&self, answer: &Response) -> Result<Session> {
        let registry = self.repository.registry();
        let location = text(&answer.headers, "location");
        let (url, _) = follow(&answer.url, location).map_err(|error| {
            Error::new(
                ErrorKind::Protocol,
                format!("cannot {}: the upload that `{registry}` opens cannot be used", self.act),
            )
            .with_source(error)
            .with_hint("a proxy in front of the registry must send it the public scheme and host (X-Forwarded-Proto, Host)")
        })?;
        let credentials = self.credentials_for(&url, answer);
        let least = text(&answer.headers, "oci-chunk-min-length").and_then(|l| l.parse().ok());
        Ok(Session { url, credentials, least })
    }

    /// Decides if a session at `url` receives the registry's credentials: it must be the registry's
    /// own address, and the registry itself must have named it. `answer.url` may be the address of
    /// another host, after a redirect.
    pub(crate) fn credentials_for(&self, url: &Url, answer: &Response) -> Credentials {
        match answer.from {
            Origin::Registry => self.repository.host.credentials_for(url),
            Origin::Elsewhere => Credentials::Drop,
        }
    }

    /// Checks the response that ends an upload.
    pub(crate) fn finish(&self, answer: Response) -> Result<(), AttemptError<RetryCause>> {
        self.taken(&answer)?;
        check_digest(self.repository.registry(), &self.blob.digest, &answer)?;
        Ok(())
    }

    /// Refuses a response with a status below 400 that does not confirm the upload: a redirect that
    /// turns an upload into a read, a web page, an error document.
    pub(crate) fn taken(&self, answer: &Response) -> Result<()> {
        if error_response::is_success(answer) {
            return Ok(());
        }
        Err(error_response::from_registry(self.repository.registry(), &self.act, answer))
    }

    /// Returns a receiver that reports the progress of the blob, after `start` earlier bytes.
    pub(crate) fn report(&self, start: u64) -> Report {
        let notify = self.repository.client.options().notify.clone();
        let (digest, total) = (self.blob.digest.clone(), self.blob.size);
        let told = AtomicU64::new(start);
        Report::new(move |sent| {
            let done = start + sent;
            let before = told.load(Ordering::Relaxed);
            // A repeated body begins below the last reported number.
            if (before..before + TOLD_EVERY).contains(&done) && done != total {
                return;
            }
            told.store(done, Ordering::Relaxed);
            notify.tell(ClientEvent::Moved { digest: digest.clone(), way: Way::Up, done, total });
        })
    }
}

/// Returns true if a registry reports that it received other bytes.
fn is_wrong_digest(answer: &Response) -> bool {
    error_response::entries(answer).iter().any(|entry| entry.code == "DIGEST_INVALID")
}
