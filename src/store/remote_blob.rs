//! A blob of another store as the source of a push. It is read while it is sent, so it needs no
//! room on this machine, and it can be read again from any offset, so that a transfer resumes.

use crate::{Error, ErrorKind, Result, lock::Locked as _};
use bytes::Bytes;
use futures_util::{
    future::BoxFuture,
    stream::{self, BoxStream, StreamExt as _},
};
use std::{
    fmt, io,
    sync::{Arc, Mutex},
};
use tokio::sync::{mpsc, watch};

/// Pieces that are read ahead of the sender. A piece has at most about 400 KiB, so that a blob in
/// transfer holds about 2 MiB, while one side may pause for a moment without stopping the other.
const AHEAD: usize = 4;

/// A blob that is read from any offset.
pub trait ReadBlob: Send {
    /// Returns the next bytes from `offset`, or `None` at the end. Offsets usually ascend without
    /// gaps; for any other, the reader opens the blob again.
    ///
    /// # Errors
    /// `Integrity` before the last bytes if the whole content was read and has another digest; any
    /// error of the store, after its own tries.
    fn read_at(&mut self, offset: u64) -> BoxFuture<'_, Result<Option<Bytes>>>;
}

/// A blob of another store. Clones are the same reader, and only one of them reads at a time.
#[derive(Clone)]
pub struct RemoteBlob {
    size: u64,
    reader: Arc<tokio::sync::Mutex<Buffered>>,
    failure: Arc<Mutex<Option<Error>>>,
    stopped: watch::Sender<bool>,
}

/// A reader, and what it returned beyond the last part.
struct Buffered {
    reader: Box<dyn ReadBlob>,
    rest: Bytes,
    rest_at: u64,
}

impl Buffered {
    async fn read_at(&mut self, offset: u64) -> Result<Option<Bytes>> {
        if !self.rest.is_empty() && self.rest_at == offset {
            return Ok(Some(std::mem::take(&mut self.rest)));
        }
        self.rest = Bytes::new();
        self.reader.read_at(offset).await
    }
}

impl fmt::Debug for RemoteBlob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteBlob").field("size", &self.size).finish_non_exhaustive()
    }
}

impl RemoteBlob {
    /// Makes the source for a blob of `size` bytes.
    pub fn new(size: u64, reader: Box<dyn ReadBlob>) -> Self {
        let reader = Buffered { reader, rest: Bytes::new(), rest_at: 0 };
        let reader = Arc::new(reader.into());
        Self { size, reader, failure: Arc::default(), stopped: watch::Sender::new(false) }
    }

    /// Ends the transfer of this blob with an error, so that its receiver cancels it.
    pub fn stop(&self) {
        self.stopped.send_replace(true);
    }

    /// Returns the size in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Returns a part as it arrives, with an error of `io` in place of the store's, which
    /// [`Self::failure`] returns.
    pub(crate) fn pieces(&self, start: u64, length: u64) -> BoxStream<'static, io::Result<Bytes>> {
        let (out, pieces) = mpsc::channel(AHEAD);
        let this = self.clone();
        let mut stopped = self.stopped.subscribe();
        tokio::spawn(async move {
            tokio::select! {
                // The transfer ended early: what was read ahead is of no use.
                () = out.closed() => {}
                true = async { stopped.wait_for(|stopped| *stopped).await.is_ok() } => {
                    let error = Error::new(ErrorKind::Interrupted, "the transfer was stopped");
                    let _ = out.send(Err(this.fail(error))).await;
                }
                () = this.forward(start, length, &out) => {}
            }
        });
        stream::unfold(pieces, |mut pieces| async {
            pieces.recv().await.map(|piece| (piece, pieces))
        })
        .boxed()
    }

    async fn forward(&self, start: u64, length: u64, out: &mpsc::Sender<io::Result<Bytes>>) {
        let mut reader = self.reader.lock().await;
        let mut left = length;
        while left > 0 {
            let offset = start + (length - left);
            let piece = match reader.read_at(offset).await {
                Ok(Some(mut piece)) => {
                    if piece.len() as u64 > left {
                        // It is within the piece, whose length is a usize.
                        reader.rest = piece.split_off(left as usize);
                        reader.rest_at = start + length;
                    }
                    left -= piece.len() as u64;
                    Ok(piece)
                }
                Ok(None) => Err(self.fail(ended(offset))),
                Err(error) => Err(self.fail(error)),
            };
            let ends = piece.is_err();
            if out.send(piece).await.is_err() || ends {
                return;
            }
        }
    }

    fn fail(&self, error: Error) -> io::Error {
        *self.failure.locked() = Some(error);
        io::Error::other("the source of the blob failed")
    }

    /// Takes the error that ended the last read, if one did.
    pub(crate) fn failure(&self) -> Option<Error> {
        self.failure.locked().take()
    }

    /// Passes every byte to `take`, and returns their number.
    ///
    /// # Errors
    /// Those of the store and of `take`.
    pub(crate) async fn read_through(
        &self,
        mut take: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<u64> {
        let mut reader = self.reader.lock().await;
        let mut offset = 0;
        while offset < self.size {
            let piece = reader.read_at(offset).await?.ok_or_else(|| ended(offset))?;
            take(&piece)?;
            offset += piece.len() as u64;
        }
        Ok(offset)
    }
}

fn ended(offset: u64) -> Error {
    Error::new(ErrorKind::Integrity, format!("the source of the blob ended after {offset} bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A blob whose pieces have seven bytes, and that counts how often it was opened.
    struct Sevens {
        content: Bytes,
        at: u64,
        opened: Arc<Mutex<usize>>,
    }

    impl ReadBlob for Sevens {
        fn read_at(&mut self, offset: u64) -> BoxFuture<'_, Result<Option<Bytes>>> {
            Box::pin(async move {
                if offset != self.at {
                    *self.opened.locked() += 1;
                }
                let rest = self.content.slice(offset as usize..);
                let piece = rest.slice(..rest.len().min(7));
                self.at = offset + piece.len() as u64;
                Ok((!piece.is_empty()).then_some(piece))
            })
        }
    }

    fn sevens(length: usize) -> (RemoteBlob, Bytes, Arc<Mutex<usize>>) {
        let content: Bytes = (0..length).map(|number| number as u8).collect::<Vec<_>>().into();
        let opened = Arc::new(Mutex::new(0));
        let reader = Sevens { content: content.clone(), at: 0, opened: Arc::clone(&opened) };
        (RemoteBlob::new(length as u64, Box::new(reader)), content, opened)
    }

    async fn part(blob: &RemoteBlob, start: u64, length: u64) -> Vec<u8> {
        let pieces: Vec<_> = blob.pieces(start, length).collect().await;
        pieces.into_iter().flat_map(|piece| piece.expect("bytes")).collect()
    }

    #[tokio::test]
    async fn parts_in_order_are_read_with_one_opening() {
        let (blob, content, opened) = sevens(100);
        let mut all = Vec::new();
        for start in (0..100).step_by(10) {
            all.extend(part(&blob, start, 10).await);
        }
        assert_eq!(all, content);
        assert_eq!(*opened.locked(), 0);
    }

    #[tokio::test]
    async fn an_earlier_offset_opens_the_blob_again() {
        let (blob, content, opened) = sevens(100);
        assert_eq!(part(&blob, 0, 60).await, content[..60]);
        assert_eq!(part(&blob, 20, 80).await, content[20..]);
        assert_eq!(*opened.locked(), 1);
    }

    #[tokio::test]
    async fn a_blob_that_ends_early_is_an_error_that_is_kept() {
        let (blob, ..) = sevens(100);
        let longer = RemoteBlob { size: 120, ..blob.clone() };
        let pieces: Vec<_> = longer.pieces(0, 120).collect().await;
        assert!(pieces.last().expect("pieces").is_err());
        let failure = longer.failure().expect("kept");
        assert_eq!(failure.kind(), ErrorKind::Integrity);
        assert!(failure.message().contains("after 100 bytes"), "{failure}");
    }
}
