//! Upload of a blob in chunks. Each chunk is progress, so a large blob succeeds over a connection
//! on which one PUT never would. Registries report the received bytes differently;
//! [`Chunks::settle_offset`] has the rules.

use super::{host::Capability as Known, request::RetryCause, session::Session, upload::Upload};
use crate::{
    Error, ErrorKind,
    client::http::{
        failure::AttemptError,
        message::{Patience, Request, Response, text},
        redirect::{Credentials, follow, with_digest},
        retry::{PROGRESS, Tries},
    },
    limits::MIB,
};
use ::http::Method;

/// Largest chunk in bytes that the client sends to a registry with a large minimum.
const MOST: u64 = 1024 * MIB;

/// Maximum number of times that an upload may lose its position, in all its sessions together. A
/// registry that always reports fewer bytes than the client sent would otherwise go on for ever.
const STUMBLES: u32 = 16;

/// Progress of a blob in all sessions of its upload.
#[derive(Debug, Default)]
pub(crate) struct Course {
    /// Maximum number of bytes of any session, up to which the tries were reset.
    furthest: u64,
    /// Number of times that the upload lost its position.
    stumbles: u32,
}

impl Course {
    /// Resets the count of tries if `offset` is well beyond that of any session.
    fn reached(&mut self, offset: u64, tries: &mut Tries) {
        if offset >= self.furthest.saturating_add(PROGRESS) {
            self.furthest = offset;
            tries.progressed();
        }
    }

    /// Counts a lost position. Returns false after too many.
    fn stumbles(&mut self) -> bool {
        self.stumbles += 1;
        self.stumbles <= STUMBLES
    }
}

/// Upload of one blob in chunks.
pub(crate) struct Chunks<'a, 'b> {
    upload: &'a Upload<'b>,
    /// Number of bytes that the registry has received, as far as the client knows.
    offset: u64,
    /// Marker for a registry whose own count has proved wrong.
    deaf: bool,
    course: &'a mut Course,
}

impl<'a, 'b> Chunks<'a, 'b> {
    pub(crate) fn new(upload: &'a Upload<'b>, course: &'a mut Course) -> Self {
        Self { upload, offset: 0, deaf: false, course }
    }

    /// Runs one session from its first chunk to its last. The function retries faults as long as
    /// the session exists. If the session ends, the error tells the caller to open another.
    pub(crate) async fn run(mut self, tries: &mut Tries) -> Result<(), AttemptError<RetryCause>> {
        let mut session = self.upload.open().await?;
        let outcome = self.fill(&mut session, tries).await;
        outcome.inspect_err(|cause| self.upload.leave(session, cause))
    }

    async fn fill(
        &mut self,
        session: &mut Session,
        tries: &mut Tries,
    ) -> Result<(), AttemptError<RetryCause>> {
        let upload = self.upload;
        let (client, host) = (&upload.repository.client, &upload.repository.host);
        let size = upload.blob.size;
        loop {
            let length = self.chunk(session).min(size - self.offset);
            let last = self.offset + length == size;
            let answer = upload.send(session, &self.call(session, length, last)).await;
            let cause = match answer {
                Ok(answer) if last => return upload.finish(answer),
                Ok(answer) => {
                    upload.taken(&answer)?;
                    host.chunks().learn(Known::Yes);
                    self.follow_session(session, &answer)?;
                    self.settle_offset(session, length, &answer).await?;
                    self.course.reached(self.offset, tries);
                    continue;
                }
                Err(AttemptError::Again(cause)) => cause,
                Err(fatal) => return Err(fatal),
            };
            if let RetryCause::Refused(full) = &cause {
                match full.status.as_u16() {
                    405 | 501 if self.offset == 0 => {
                        host.chunks().learn(Known::No);
                        return Err(cause.into());
                    }
                    // A smaller chunk may succeed.
                    413 if host.refused_body(length) && self.resume(session).await? => {
                        continue;
                    }
                    // The positions differ: either ours is wrong, or the registry's report.
                    416 if !self.deaf && self.course.stumbles() => {
                        let before = self.offset;
                        self.follow_session(session, full)?;
                        if self.resume(session).await? && self.offset != before {
                            continue;
                        }
                        // One large registry uses this status for a chunk that is too large.
                        if host.refused_body(length) {
                            continue;
                        }
                        return Err(cause.into());
                    }
                    _ => {}
                }
            }
            if !client.pause(host, tries, &upload.act, &cause).await? {
                return Err(cause.into());
            }
            if !self.resume(session).await? {
                // The state of the session is unknown. A new session begins at zero, with a known
                // state.
                return Err(cause.into());
            }
            self.course.reached(self.offset, tries);
        }
    }

    fn chunk(&self, session: &Session) -> u64 {
        let repository = self.upload.repository;
        let usual = repository.client.options().chunk.clamp(1, MOST);
        let size = session.least.unwrap_or_default().clamp(usual, MOST);
        size.min(repository.host.body_cap().unwrap_or(u64::MAX))
    }

    /// Builds the request for a chunk. The PUT contains the last chunk, since some registries fail
    /// on an empty one.
    fn call(&self, session: &Session, length: u64, last: bool) -> Request {
        let upload = self.upload;
        let (method, url) = if last {
            (Method::PUT, with_digest(&session.url, &upload.blob.digest))
        } else {
            (Method::PATCH, session.url.clone())
        };
        let end = self.offset + length.saturating_sub(1);
        Request::new(method, url)
            .header("content-type", "application/octet-stream")
            .header("content-range", &format!("{}-{end}", self.offset))
            .payload(upload.body.part(self.offset, length))
            .patience(Patience::Commit)
            .report(upload.report(self.offset))
    }

    /// Returns the registry's offset after a chunk. If the registry reports fewer bytes than were
    /// sent, the client asks its session. If the session reports the same, the client sends the
    /// rest again. If the registry refuses that as out of step, both reports were stale (as on
    /// registries that count only closed parts), and the client's own count holds.
    async fn settle_offset(
        &mut self,
        session: &mut Session,
        length: u64,
        answer: &Response,
    ) -> Result<(), AttemptError<RetryCause>> {
        let ours = self.offset + length;
        self.offset = ours;
        if self.deaf || received(answer).is_none_or(|theirs| theirs == ours) {
            return Ok(());
        }
        let asked = self.ask(session).await?;
        match asked {
            Some(theirs) if theirs < ours => {
                if !self.course.stumbles() {
                    let registry = self.upload.repository.registry();
                    let act = &self.upload.act;
                    let message = format!(
                        "cannot {act}: `{registry}` reported {STUMBLES} times that it has fewer bytes than were sent"
                    );
                    return Err(Error::new(ErrorKind::Protocol, message).into());
                }
                // The next chunk tries the registry's offset. A refusal (416) returns to this code.
                self.offset = theirs;
                if let Err(AttemptError::Again(RetryCause::Refused(full))) =
                    self.probe(session).await
                    && full.status.as_u16() == 416
                {
                    self.offset = ours;
                    self.deaf = true;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Sends the chunk at the registry's offset, to test the offset.
    async fn probe(&mut self, session: &mut Session) -> Result<(), AttemptError<RetryCause>> {
        let size = self.upload.blob.size;
        let length = self.chunk(session).min(size - self.offset);
        if self.offset + length == size {
            return Ok(());
        }
        let answer = self.upload.send(session, &self.call(session, length, false)).await?;
        self.upload.taken(&answer)?;
        self.follow_session(session, &answer)?;
        self.offset += length;
        Ok(())
    }

    /// Resumes the session at the registry's offset. Returns false if the registry reports none.
    async fn resume(&mut self, session: &mut Session) -> Result<bool, AttemptError<RetryCause>> {
        match self.ask(session).await {
            Ok(Some(theirs)) if theirs <= self.upload.blob.size => {
                self.offset = theirs;
                Ok(true)
            }
            Ok(_) | Err(AttemptError::Again(_)) => Ok(false),
            Err(fatal) => Err(fatal),
        }
    }

    /// Asks the session for the number of bytes received.
    async fn ask(&self, session: &mut Session) -> Result<Option<u64>, AttemptError<RetryCause>> {
        let answer =
            self.upload.send(session, &Request::new(Method::GET, session.url.clone())).await?;
        self.follow_session(session, &answer)?;
        Ok(received(&answer))
    }

    /// Takes the session's next address from the response, if there is one.
    fn follow_session(&self, session: &mut Session, answer: &Response) -> Result<(), Error> {
        if let Some(location) = text(&answer.headers, "location") {
            let (url, _) = follow(&answer.url, Some(location)).map_err(|error| {
                Error::new(
                    ErrorKind::Protocol,
                    "the upload moves to an address that the client refuses",
                )
                .with_source(error)
            })?;
            // Credentials that were dropped once are never sent again.
            if self.upload.credentials_for(&url, answer) == Credentials::Drop {
                session.credentials = Credentials::Drop;
            }
            session.url = url;
        }
        Ok(())
    }
}

/// Returns the number of bytes in `Range: 0-99`. In a new session, `0-0` means zero or one.
fn received(answer: &Response) -> Option<u64> {
    let range = text(&answer.headers, "range")?.trim();
    let (start, last) = range.strip_prefix("bytes=").unwrap_or(range).split_once('-')?;
    let last: u64 = last.trim().parse().ok()?;
    (start.trim() == "0").then_some(if last == 0 { 0 } else { last + 1 })
}
