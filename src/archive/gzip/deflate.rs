//! Compression of blocks to pieces of a deflate stream, in one thread or several. A piece depends
//! on its block alone. [`crate::archive::gzip`] cuts the blocks and writes the frame.

use flate2::{Compress, Compression, FlushCompress, Status};
use std::{
    collections::VecDeque,
    io::{self, Write},
    num::NonZeroUsize,
    sync::{Arc, Mutex, mpsc},
    thread,
};

/// Compression level. It is Go's default, which Helm uses.
const LEVEL: u32 = 6;

/// A block to deflate.
#[derive(Debug)]
pub(crate) struct Job {
    /// The dictionary, followed by the block.
    pub(crate) input: Vec<u8>,
    /// Bytes of the dictionary.
    pub(crate) dictionary: usize,
    /// The flush at the end of the piece.
    pub(crate) flush: FlushCompress,
}

/// A deflate state that is reused for each block, since its setup writes 300 KiB.
#[derive(Debug)]
pub(crate) struct Deflate(Compress);

impl Deflate {
    pub(crate) fn new() -> Self {
        Self(Compress::new(Compression::new(LEVEL), false))
    }

    pub(crate) fn run(&mut self, job: &Job) -> io::Result<Vec<u8>> {
        self.0.reset();
        let (dictionary, input) = job.input.split_at(job.dictionary);
        if !dictionary.is_empty() {
            self.0.set_dictionary(dictionary)?;
        }
        let mut output = Vec::with_capacity(input.len() / 3 + 1024);
        loop {
            let taken = usize::try_from(self.0.total_in()).unwrap_or(input.len());
            let status = self.0.compress_vec(&input[taken..], &mut output, job.flush)?;
            let done = match job.flush {
                FlushCompress::Finish => status == Status::StreamEnd,
                // A flush is complete if there is room left after it.
                _ => self.0.total_in() == input.len() as u64 && output.len() < output.capacity(),
            };
            if done {
                return Ok(output);
            }
            output.reserve(output.len() / 2 + 1024);
        }
    }
}

/// Threads that deflate blocks, and the unfinished blocks in order.
#[derive(Debug)]
pub(crate) struct Pool {
    jobs: mpsc::Sender<(Job, Reply)>,
    pending: VecDeque<mpsc::Receiver<Done>>,
    bound: usize,
    spare: Vec<Vec<u8>>,
}

/// A deflated block, and the buffer of its input, for reuse.
type Done = io::Result<(Vec<u8>, Vec<u8>)>;

type Reply = mpsc::SyncSender<Done>;

impl Pool {
    pub(crate) fn new(threads: NonZeroUsize) -> Self {
        let (jobs, queue) = mpsc::channel::<(Job, Reply)>();
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..threads.get() {
            let queue = Arc::clone(&queue);
            thread::spawn(move || {
                let mut deflate = Deflate::new();
                loop {
                    let next = match queue.lock() {
                        Ok(queue) => queue.recv(),
                        Err(_) => return,
                    };
                    let Ok((job, reply)) = next else { return };
                    let output = deflate.run(&job);
                    // The writer was dropped after an error, so nobody waits for the result.
                    let _ = reply.send(output.map(|output| (output, job.input)));
                }
            });
        }
        Self { jobs, pending: VecDeque::new(), bound: threads.get() + 1, spare: Vec::new() }
    }

    /// Returns a buffer for the next block.
    pub(crate) fn spare(&mut self) -> Vec<u8> {
        self.spare.pop().unwrap_or_default()
    }

    /// Accepts a block, and writes the earlier blocks that are ready.
    pub(crate) fn submit(&mut self, job: Job, out: &mut impl Write) -> io::Result<()> {
        let (reply, receiver) = mpsc::sync_channel(1);
        self.jobs.send((job, reply)).map_err(|_| lost())?;
        self.pending.push_back(receiver);
        while self.pending.len() > self.bound {
            self.take(out)?;
        }
        Ok(())
    }

    /// Writes the remaining blocks.
    pub(crate) fn drain(mut self, out: &mut impl Write) -> io::Result<()> {
        while !self.pending.is_empty() {
            self.take(out)?;
        }
        Ok(())
    }

    fn take(&mut self, out: &mut impl Write) -> io::Result<()> {
        let Some(receiver) = self.pending.pop_front() else { return Ok(()) };
        let (output, input) = receiver.recv().map_err(|_| lost())??;
        self.spare.push(input);
        out.write_all(&output)
    }
}

fn lost() -> io::Error {
    io::Error::other("a thread that deflates ended early")
}
