//! Request bodies. The server limits silences and requires a minimum rate. It drains an unwanted
//! body up to a maximum length.

use super::net::refusal::{Code, Refusal};
use crate::limits;
use axum::{BoxError, body::Body};
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header, request::Parts};
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;
use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Maximum bytes of an unwanted body that the server reads, so that a client which sends before it
/// listens receives the response. An immediate close would reset the connection before the response
/// arrives.
const DRAIN_BYTES: usize = 1024 * 1024;
const DRAIN_TIME: Duration = Duration::from_secs(2);

/// Reads the next bytes of a body, or `None` at its end.
pub(super) async fn frame(body: &mut Body, stall: Duration) -> Result<Option<Bytes>, Refusal> {
    loop {
        match tokio::time::timeout(stall, body.frame()).await {
            Err(_) => {
                let status = StatusCode::REQUEST_TIMEOUT;
                let message = format!("no byte of the body arrived for {} s", stall.as_secs());
                return Err(Refusal::new(status, Code::BlobUploadInvalid, message)
                    .with(header::CONNECTION, HeaderValue::from_static("close")));
            }
            Ok(None) => return Ok(None),
            Ok(Some(Ok(frame))) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
            Ok(Some(Err(error))) if is_too_slow(&error) => {
                let status = StatusCode::REQUEST_TIMEOUT;
                return Err(Refusal::new(status, Code::BlobUploadInvalid, TooSlow.to_string())
                    .with(header::CONNECTION, HeaderValue::from_static("close")));
            }
            Ok(Some(Err(error))) => {
                let message = format!("the body ended early: {error}");
                return Err(Refusal::bad_request(Code::SizeInvalid, message));
            }
        }
    }
}

/// Body that fails if its client makes the server wait too long in total. Only the time in which
/// the server waits for bytes counts.
#[derive(Debug)]
pub(super) struct Paced<B> {
    body: B,
    pace: Pace,
    since: Option<Instant>,
    waited: Duration,
    bytes: u64,
}

/// The slowest body that the server accepts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// Waiting time that does not count.
    pub(super) grace: Duration,
    /// Bytes that add one second of allowed waiting.
    pub(super) bytes_a_second: u64,
}

impl Default for Pace {
    fn default() -> Self {
        Self { grace: limits::BODY_GRACE, bytes_a_second: limits::BODY_BYTES_A_SECOND }
    }
}

impl<B> Paced<B> {
    pub(super) fn new(body: B, pace: Pace) -> Self {
        Self { body, pace, since: None, waited: Duration::ZERO, bytes: 0 }
    }

    fn is_too_slow(&self) -> bool {
        let earned = Duration::from_secs(self.bytes / self.pace.bytes_a_second);
        self.waited > self.pace.grace + earned
    }
}

/// Error for a body that arrived too slowly.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the body arrives too slowly")]
struct TooSlow;

fn is_too_slow(error: &axum::Error) -> bool {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(cause) = next {
        if cause.is::<TooSlow>() {
            return true;
        }
        next = cause.source();
    }
    false
}

impl<B> http_body::Body for Paced<B>
where
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        let Poll::Ready(next) = polled else {
            self.since.get_or_insert_with(Instant::now);
            return Poll::Pending;
        };
        if let Some(since) = self.since.take() {
            self.waited += since.elapsed();
        }
        if let Some(Ok(frame)) = &next {
            self.bytes += frame.data_ref().map_or(0, Bytes::len) as u64;
            if self.is_too_slow() {
                return Poll::Ready(Some(Err(TooSlow.into())));
            }
        }
        Poll::Ready(next.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Memory for the bodies of one kind of request that the server reads whole. Without this limit,
/// each of thousands of connections could use the maximum of its own body.
#[derive(Clone, Debug)]
pub(super) struct HeldBodies(Arc<Semaphore>);

impl Default for HeldBodies {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(limits::BODIES_HELD)))
    }
}

/// Error for a body without free memory for more bytes.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("too many large requests are in progress; try again later")]
pub(super) struct NoRoom;

/// Memory of one body, which the drop frees.
#[derive(Debug)]
pub(super) struct HeldBody {
    room: Arc<Semaphore>,
    permit: Option<OwnedSemaphorePermit>,
}

impl HeldBodies {
    pub(super) fn hold(&self) -> HeldBody {
        HeldBody { room: Arc::clone(&self.0), permit: None }
    }
}

impl HeldBody {
    /// Reserves `length` bytes in total.
    ///
    /// # Errors
    /// Fails if other bodies use too much. The first [`limits::SMALL_BODY`] bytes are always
    /// available.
    pub(super) fn grow(&mut self, length: usize) -> Result<(), NoRoom> {
        let has = self.permit.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let more = length.saturating_sub(limits::SMALL_BODY).saturating_sub(has);
        if more == 0 {
            return Ok(());
        }
        let more = u32::try_from(more).map_err(|_| NoRoom)?;
        let more = Arc::clone(&self.room).try_acquire_many_owned(more).map_err(|_| NoRoom)?;
        match &mut self.permit {
            Some(permit) => permit.merge(more),
            none => *none = Some(more),
        }
        Ok(())
    }
}

/// Drains the body of a refused request, up to a limit.
pub(super) async fn drain(head: &Parts, mut body: Body) {
    // A client with this header sends its body only on request. Reading would request it.
    if head.headers.contains_key(header::EXPECT) {
        return;
    }
    let mut left = DRAIN_BYTES;
    let read = async {
        while let Some(Ok(frame)) = body.frame().await {
            let length = frame.data_ref().map_or(0, Bytes::len);
            let Some(rest) = left.checked_sub(length) else { return };
            left = rest;
        }
    };
    // The response goes out now, whether the body ended or not.
    let _ = tokio::time::timeout(DRAIN_TIME, read).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::{StreamExt, stream};

    /// Makes a body of frames with a wait before each.
    fn dripping(frames: usize, length: usize) -> Body {
        Body::from_stream(stream::iter(0..frames).then(move |_| async move {
            tokio::task::yield_now().await;
            Ok::<_, std::io::Error>(Bytes::from(vec![b'x'; length]))
        }))
    }

    async fn read(body: Body, pace: Pace) -> Result<usize, StatusCode> {
        let mut body = Body::new(Paced::new(body, pace));
        let mut length = 0;
        loop {
            match frame(&mut body, Duration::from_secs(3600)).await {
                Ok(Some(bytes)) => length += bytes.len(),
                Ok(None) => return Ok(length),
                Err(refusal) => return Err(refusal.status()),
            }
        }
    }

    #[tokio::test]
    async fn a_body_that_drips_is_given_up_and_one_that_flows_is_not() {
        let (none, hour) = (Duration::ZERO, Duration::from_secs(3600));
        let pace = |grace, bytes_a_second| Pace { grace, bytes_a_second };
        let slow = Err(StatusCode::REQUEST_TIMEOUT);
        assert_eq!(read(dripping(3, 1), pace(none, u64::MAX)).await, slow);
        assert_eq!(read(dripping(3, 1), pace(hour, u64::MAX)).await, Ok(3));
        assert_eq!(read(dripping(3, 4096), pace(none, 1)).await, Ok(3 * 4096), "it earns its time");
        assert_eq!(read(Body::from("at once"), pace(none, u64::MAX)).await, Ok(7));
    }
}
