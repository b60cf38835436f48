//! Responses that hold whole charts in memory. Their memory is limited until the client has the
//! last byte, and so is the time for it.

use super::answer::Denial;
use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use http::StatusCode;
use std::{convert::Infallible, sync::Arc, time::Duration};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// Charts that the server reads whole at once. Each may use [`crate::limits::Limits::chart_bytes`],
/// in addition to [`HELD`].
const READERS: usize = 2;
/// Memory for charts that wait for their client, in units of [`UNIT`]: two of the largest, or many
/// small ones.
const HELD: usize = 256;
/// Minimum size that one response counts, in bytes.
const UNIT: usize = 1024 * 1024;
/// Number of responses of at most one [`UNIT`] beyond [`HELD`]. They never wait for large ones.
const SMALL: usize = 32;
/// Time that a request waits for others.
const PATIENCE: Duration = Duration::from_secs(30);
/// Time that a client may take for a response, plus one second per 64 KiB.
const GRACE: Duration = Duration::from_secs(30);
const LEAST_RATE: usize = 64 * 1024;
/// Bytes of one piece of a file. A multiple of three, so that pieces in base64 can be joined.
pub(super) const PIECE: usize = 48 * 1024;

/// Memory for charts that the server reads whole.
#[derive(Debug)]
pub(super) struct Room {
    readers: Arc<Semaphore>,
    held: Arc<Semaphore>,
    small: Arc<Semaphore>,
}

/// Permit for memory. Dropping it frees the memory.
#[derive(Debug)]
pub(super) struct Slot(#[allow(dead_code, reason = "held for its drop")] OwnedSemaphorePermit);

impl Room {
    pub(super) fn new() -> Self {
        let [readers, held, small] =
            [READERS, HELD, SMALL].map(|count| Arc::new(Semaphore::new(count)));
        Self { readers, held, small }
    }

    /// Runs `read` on a chart and returns its result with the permit to hold it. `read` receives
    /// the permit to read. It returns the permit with the result and the number of bytes, which is
    /// unknown before. A request that has to wait for memory drops its result meanwhile and reads
    /// the chart again.
    pub(super) async fn hold<T, F>(&self, read: impl Fn(Slot) -> F) -> Result<(T, Slot), Denial>
    where
        F: Future<Output = Result<(Slot, T, usize), Denial>>,
    {
        let mut held = None;
        loop {
            let (reader, taken, bytes) = read(wait(&self.readers, 1).await?).await?;
            let units = u32::try_from(bytes.div_ceil(UNIT).clamp(1, HELD)).unwrap_or(1);
            let room = if units == 1 { &self.small } else { &self.held };
            if let Some(slot) = held.or_else(|| take(room, units)) {
                return Ok((taken, slot));
            }
            drop((taken, reader));
            held = Some(wait(room, units).await?);
        }
    }

    /// Builds a body from pieces that the server makes as the client reads. The server frees the
    /// permit with the last piece. If the client takes too long, the server ends the connection
    /// before the end of the response.
    pub(super) fn body(
        pieces: impl Iterator<Item = Bytes> + Send + 'static,
        length: usize,
        slot: Slot,
    ) -> Body {
        let time = GRACE + Duration::from_secs((length / LEAST_RATE) as u64);
        body_within(time, pieces, slot)
    }
}

fn body_within(
    time: Duration,
    pieces: impl Iterator<Item = Bytes> + Send + 'static,
    slot: Slot,
) -> Body {
    let (sender, receiver) = mpsc::channel::<Bytes>(1);
    tokio::spawn(async move {
        let sending = async {
            let mut pieces = pieces.peekable();
            let mut slot = Some(slot);
            while let Some(piece) = pieces.next() {
                let piece = match (pieces.peek(), slot.take()) {
                    // The permit lives as long as the last bytes, in any buffer.
                    (None, Some(slot)) => Bytes::from_owner(Last { piece, _slot: slot }),
                    (_, taken) => {
                        slot = taken;
                        piece
                    }
                };
                if sender.send(piece).await.is_err() {
                    return;
                }
            }
        };
        if tokio::time::timeout(time, sending).await.is_err() {
            tracing::debug!("a client read a response too slowly");
        }
    });
    Body::from_stream(stream::unfold(receiver, |mut receiver| async {
        receiver.recv().await.map(|piece| (Ok::<_, Infallible>(piece), receiver))
    }))
}

fn take(room: &Arc<Semaphore>, count: u32) -> Option<Slot> {
    Arc::clone(room).try_acquire_many_owned(count).ok().map(Slot)
}

async fn wait(room: &Arc<Semaphore>, count: u32) -> Result<Slot, Denial> {
    let permit = Arc::clone(room).acquire_many_owned(count);
    match tokio::time::timeout(PATIENCE, permit).await {
        Ok(Ok(permit)) => Ok(Slot(permit)),
        _ => Err(Denial::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "too many charts are being read; try again later",
        )),
    }
}

/// Last piece of a response.
struct Last {
    piece: Bytes,
    _slot: Slot,
}

impl AsRef<[u8]> for Last {
    fn as_ref(&self) -> &[u8] {
        &self.piece
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use http_body_util::BodyExt;
    use std::sync::Mutex;

    #[tokio::test]
    async fn room_is_given_back_with_the_last_byte_and_not_before() {
        let room = Room::new();
        let free = || room.held.available_permits();
        let slot = take(&room.held, 3).expect("room");
        let pieces = ["a", "b", "c"].map(Bytes::from);
        let mut body = Room::body(pieces.into_iter(), 3, slot);
        let mut taken = Vec::new();
        while let Some(frame) = body.frame().await {
            assert_eq!(free(), HELD - 3);
            taken.push(frame.expect("frame").into_data().expect("data"));
        }
        drop(body);
        assert_eq!((taken.len(), free()), (3, HELD - 3), "the last bytes are not sent yet");
        drop(taken);
        assert_eq!(free(), HELD);
    }

    /// Before a fix, each of 40 requests for charts of 95 MiB held its chart while it waited for
    /// memory.
    #[tokio::test]
    async fn who_waits_for_room_holds_no_chart_meanwhile() {
        const CHART: usize = 95;
        let (room, charts) = (Arc::new(Room::new()), Arc::new(Mutex::new((0, 0))));
        let mut requests = tokio::task::JoinSet::new();
        for _ in 0..40 {
            let (room, charts) = (Arc::clone(&room), Arc::clone(&charts));
            requests.spawn(async move {
                let read = |slot| {
                    let chart = Chart::of(&charts);
                    async { Ok((slot, chart, CHART * UNIT)) }
                };
                let held = room.hold(read).await.expect("room");
                tokio::task::yield_now().await;
                drop(held);
            });
        }
        requests.join_all().await;
        let (now, most) = *charts.lock().expect("counts");
        assert_eq!((now, room.held.available_permits()), (0, HELD));
        assert!(most <= READERS + HELD / CHART, "{most} charts at once");
    }

    /// Counts the charts that exist now, and the maximum that existed at once.
    struct Chart(Arc<Mutex<(usize, usize)>>);

    impl Chart {
        fn of(counts: &Arc<Mutex<(usize, usize)>>) -> Self {
            let mut all = counts.lock().expect("counts");
            *all = (all.0 + 1, all.1.max(all.0 + 1));
            Self(Arc::clone(counts))
        }
    }

    impl Drop for Chart {
        fn drop(&mut self) {
            self.0.lock().expect("counts").0 -= 1;
        }
    }

    #[tokio::test]
    async fn a_small_answer_does_not_wait_for_large_ones() {
        let room = Room::new();
        let _all = take(&room.held, HELD as u32).expect("room");
        let small = room.hold(async |reader| Ok((reader, (), 1)));
        assert!(small.now_or_never().is_some_and(|held| held.is_ok()));
        let large = room.hold(async |reader| Ok((reader, (), 2 * UNIT)));
        assert!(large.now_or_never().is_none(), "it waits");
    }

    #[tokio::test]
    async fn a_client_that_takes_too_long_holds_nothing_any_longer() {
        let room = Room::new();
        let slot = take(&room.held, 1).expect("room");
        let pieces = std::iter::repeat_with(|| Bytes::from("endless"));
        let mut body = body_within(Duration::ZERO, pieces, slot);
        while room.held.available_permits() < HELD {
            tokio::task::yield_now().await;
        }
        while body.frame().await.is_some() {}
    }
}
