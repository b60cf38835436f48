//! The gzip stream of a chart archive. The writer works as Helm's does, in blocks that several
//! threads can deflate at once; its bytes depend on the input alone. The reader checks every
//! member, checksum and trailing byte. [`super::tar::reader`] and [`super::write`] handle the
//! content.

pub(super) mod deflate;

use crate::{Error, ErrorKind};
use deflate::{Deflate, Job, Pool};
use flate2::{Crc, Decompress, FlushCompress, FlushDecompress, Status, bufread::MultiGzDecoder};
use std::{
    fmt,
    io::{self, BufReader, Read, Write},
    num::NonZeroUsize,
};

/// The gzip header of Helm 4.3.1: no time, no level, unknown system, the extra field `rr` of 40
/// bytes and the comment `Helm`. No reader uses either, but with them an archive of ours differs
/// from Helm's in the deflate stream alone.
const HEADER: &[u8] =
    b"\x1f\x8b\x08\x14\0\0\0\0\0\xff\x2c\0rr\x28\0aHR0cHM6Ly95b3V0dS5iZS96OVV6MWljandyTQo=Helm\0";

/// Input bytes of one block. Each block is deflated independently, with the last 32 KiB of the
/// block before it as a dictionary, so that threads can work on several blocks. This costs no
/// space: 177 public charts make 15.937 MB in blocks, 15.940 MB without, and 15.938 MB by Helm.
const BLOCK: usize = 256 * 1024;

/// Distance in bytes that a deflate stream can refer back.
const WINDOW: usize = 32 * 1024;

const BUFFER: usize = 64 * 1024;

/// A writer that deflates its input.
#[derive(Debug)]
pub(super) struct Writer<W> {
    out: W,
    /// The dictionary, followed by the block that is being filled.
    block: Vec<u8>,
    dictionary: usize,
    checksum: Crc,
    threads: NonZeroUsize,
    deflate: Deflate,
    pool: Option<Pool>,
}

impl<W: Write> Writer<W> {
    /// Writes the header. With one thread, or for content that fits one block, the caller's thread
    /// does all the work.
    pub(super) fn new(mut out: W, threads: NonZeroUsize) -> io::Result<Self> {
        out.write_all(HEADER)?;
        Ok(Self {
            out,
            block: Vec::new(),
            dictionary: 0,
            checksum: Crc::new(),
            threads,
            deflate: Deflate::new(),
            pool: None,
        })
    }

    /// Deflates the rest, writes the trailer and returns the writer beneath.
    pub(super) fn finish(mut self) -> io::Result<W> {
        self.checksum.update(&self.block[self.dictionary..]);
        let last = Job {
            input: std::mem::take(&mut self.block),
            dictionary: self.dictionary,
            flush: FlushCompress::Finish,
        };
        if let Some(pool) = self.pool.take() {
            pool.drain(&mut self.out)?;
        }
        self.out.write_all(&self.deflate.run(&last)?)?;
        self.out.write_all(&self.checksum.sum().to_le_bytes())?;
        self.out.write_all(&self.checksum.amount().to_le_bytes())?;
        Ok(self.out)
    }

    fn end_block(&mut self) -> io::Result<()> {
        self.checksum.update(&self.block[self.dictionary..]);
        let tail = self.block.len() - WINDOW;
        let mut next = self.pool.as_mut().map(Pool::spare).unwrap_or_default();
        next.clear();
        next.reserve_exact(WINDOW + BLOCK);
        next.extend_from_slice(&self.block[tail..]);
        let input = std::mem::replace(&mut self.block, next);
        let job = Job { input, dictionary: self.dictionary, flush: FlushCompress::Sync };
        self.dictionary = WINDOW;
        if self.threads.get() == 1 {
            return self.out.write_all(&self.deflate.run(&job)?);
        }
        let threads = self.threads;
        self.pool.get_or_insert_with(|| Pool::new(threads)).submit(job, &mut self.out)
    }
}

impl<W: Write> Write for Writer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A block is closed only when more content arrives, so that the last one is never empty.
        if self.block.len() - self.dictionary == BLOCK {
            self.end_block()?;
        }
        let taken = bytes.len().min(BLOCK - (self.block.len() - self.dictionary));
        self.block.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A reader of the content of a gzip stream with any number of members.
pub(super) type Reader<R> = BufReader<MultiGzDecoder<BufReader<R>>>;

/// Inflates `input` to its end. Bytes after the last member are an error.
pub(super) fn reader<R: Read>(input: R) -> Reader<R> {
    let input = BufReader::with_capacity(BUFFER, input);
    BufReader::with_capacity(BUFFER, MultiGzDecoder::new(input))
}

/// An inflater of whole streams in memory, one after the other, with one state and one buffer. For
/// a small archive, most of the time goes into their setup.
#[derive(Debug)]
pub(super) struct Inflater {
    state: Decompress,
    out: Vec<u8>,
}

/// Bytes inflated in memory. Nearly every chart has less; a larger one is worth a separate reader.
const WHOLE: usize = 1024 * 1024;

impl Inflater {
    pub(super) fn new() -> Self {
        Self { state: Decompress::new(false), out: Vec::new() }
    }

    /// Returns the content of a stream with exactly one valid member of a small size. [`reader`]
    /// handles and reports all others.
    pub(super) fn inflate(&mut self, stream: &[u8]) -> Option<&[u8]> {
        let body = without_header(stream)?;
        let (body, trailer) = body.split_at_checked(body.len().checked_sub(8)?)?;
        let number = |at: usize| trailer.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes);
        let (checksum, length) = (number(0)?, usize::try_from(number(4)?).ok()?);
        if length > WHOLE {
            return None;
        }
        if self.out.len() < length {
            self.out.resize(length, 0);
        }
        self.state.reset(false);
        let out = &mut self.out[..length];
        let status = self.state.decompress(body, out, FlushDecompress::Finish).ok()?;
        let is_whole = status == Status::StreamEnd
            && self.state.total_in() == body.len() as u64
            && self.state.total_out() == length as u64;
        let mut found = Crc::new();
        found.update(out);
        (is_whole && found.sum() == checksum).then_some(&*out)
    }
}

/// Returns the bytes after the header of a member, if the header is an ordinary one (RFC 1952,
/// 2.3).
fn without_header(stream: &[u8]) -> Option<&[u8]> {
    const EXTRA: u8 = 4;
    const NAME: u8 = 8;
    const COMMENT: u8 = 16;
    let (fixed, mut rest) = stream.split_at_checked(10)?;
    let flags = fixed[3];
    if fixed[..3] != [0x1f, 0x8b, 8] || flags & !(EXTRA | NAME | COMMENT) != 0 {
        return None;
    }
    if flags & EXTRA != 0 {
        let (length, behind) = rest.split_at_checked(2)?;
        rest = behind.get(usize::from(u16::from_le_bytes([length[0], length[1]]))..)?;
    }
    for text in [NAME, COMMENT] {
        if flags & text != 0 {
            rest = &rest[memchr::memchr(0, rest)? + 1..];
        }
    }
    Some(rest)
}

/// A stream that does not begin as gzip does.
#[derive(Debug)]
pub(super) struct BadHeader;

impl fmt::Display for BadHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("gzip: invalid header")
    }
}

impl std::error::Error for BadHeader {}

/// Returns the error of a gzip stream in Go's words, which are Helm's. An error of the reader
/// beneath passes unchanged.
pub(super) fn error(error: io::Error) -> Error {
    let error = match error.downcast::<Error>() {
        Ok(ours) => return ours,
        Err(error) => error,
    };
    let text = match error.kind() {
        io::ErrorKind::UnexpectedEof => "unexpected EOF",
        io::ErrorKind::InvalidInput => match error.to_string() {
            text if text.contains("checksum") => "gzip: invalid checksum",
            text if text.contains("header") => {
                return Error::invalid(BadHeader.to_string()).with_source(BadHeader);
            }
            _ => "flate: corrupt input",
        },
        _ => return Error::new(ErrorKind::Io, "cannot read chart archive").with_source(error),
    };
    Error::invalid(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(length: usize) -> Vec<u8> {
        let mut state: u32 = 7;
        let next = |at: usize| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            // Half of it repeats the bytes up to 40 KiB before.
            if at % 8192 < 4096 { (state >> 24) as u8 } else { (at % 251) as u8 }
        };
        (0..length).map(next).collect()
    }

    fn deflated(input: &[u8], piece: usize, threads: usize) -> Vec<u8> {
        let threads = NonZeroUsize::new(threads).expect("one at least");
        let mut writer = Writer::new(Vec::new(), threads).expect("memory");
        input.chunks(piece).for_each(|piece| writer.write_all(piece).expect("memory"));
        writer.finish().expect("memory")
    }

    #[test]
    fn what_goes_in_comes_out_whatever_the_blocks_the_pieces_and_the_threads() {
        for length in [0, 1, 77, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 5 * BLOCK + 7] {
            let input = noise(length);
            let alone = deflated(&input, 512, 1);
            let mut output = Vec::new();
            reader(&alone[..]).read_to_end(&mut output).expect("a good stream");
            assert!(output == input, "{length} bytes");
            for (piece, threads) in [(1000, 1), (BLOCK, 2), (1 << 30, 4)] {
                assert!(
                    deflated(&input, piece, threads) == alone,
                    "{length} bytes, {threads} threads"
                );
            }
        }
    }

    #[test]
    fn what_is_inflated_at_once_is_what_the_reader_reads_or_nothing() {
        let mut inflater = Inflater::new();
        let mut judge = |stream: &[u8]| {
            let mut read = Vec::new();
            let reads = reader(stream).read_to_end(&mut read).is_ok();
            let whole = inflater.inflate(stream).map(<[u8]>::to_vec);
            assert!(whole.is_none() || reads && whole.as_ref() == Some(&read));
            whole.is_some()
        };
        for length in [0, 1, 77, 5000, WHOLE] {
            assert!(judge(&deflated(&noise(length), 512, 1)), "{length} bytes");
        }
        assert!(!judge(&deflated(&noise(WHOLE + 1), 512, 1)), "large");
        let good = deflated(&noise(700), 512, 1);
        let named = [b"\x1f\x8b\x08\x08\0\0\0\0\0\xffname\0", &good[HEADER.len()..]].concat();
        assert!(judge(&named));
        assert!(!judge(&[&good[..], &good[..]].concat()), "two members");
        for cut in 0..good.len() {
            assert!(!judge(&good[..cut]), "cut at {cut}");
            for bit in [1, 0x80] {
                let mut bad = good.clone();
                bad[cut] ^= bit;
                judge(&bad);
            }
        }
        assert!(judge(&good), "it is as good as new");
    }

    #[test]
    fn a_writer_that_fails_ends_it() {
        struct Full(usize);
        impl Write for Full {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let threads = NonZeroUsize::new(3).expect("three");
        let mut writer = Writer::new(Full(100_000), threads).expect("the header fits");
        let input = noise(20 * BLOCK);
        let error = writer.write_all(&input).expect_err("it is full");
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }
}
