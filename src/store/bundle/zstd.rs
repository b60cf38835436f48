//! Zstandard compression of a bundle. The writer makes independent frames of one size, so that
//! memory is bounded and equal input gives equal bytes. The reader checks every frame, checksum and
//! window. [`super::write`] and [`super::read`] handle the content.

use crate::{Error, ErrorKind};
use ruzstd::{
    decoding::{BlockDecodingStrategy, FrameDecoder, errors::FrameDecoderError},
    encoding::{CompressionLevel, FrameCompressor},
};
use std::io::{self, Cursor, Read, Write};

/// Input bytes of one frame: one block, beyond which the encoder finds no match anyway. `zstd` and
/// `tar` read several frames as well as one.
const FRAME: usize = 128 << 10;

/// The density from which a frame is stored without compression: two of its bytes are equal by a
/// chance of less than one in this number. In noise the chance is one in 256, in JSON one in 20.
/// Archives of charts are noise; the encoder would need a second for 12 MB of them and gain nothing
/// (57 MB of JSON shrink to a tenth; 370 MB of archives do not shrink).
const DENSE: u64 = 150;

/// Largest window that a frame may ask its reader to keep. `zstd -19` asks for 8 MiB, `zstd --ultra
/// -21` for 64 MiB.
const WINDOW: u64 = 64 << 20;

const MAGIC: u32 = 0xFD2F_B528;
/// Frames that hold no content: 16 magic numbers.
const SKIPPABLE: std::ops::RangeInclusive<u32> = 0x184D_2A50..=0x184D_2A5F;

/// A writer that compresses its input.
pub(crate) struct Compressor<W> {
    out: W,
    frame: Vec<u8>,
}

impl<W: Write> Compressor<W> {
    pub(crate) fn new(out: W) -> Self {
        Self { out, frame: Vec::with_capacity(FRAME) }
    }

    /// Writes the rest of the input and returns the writer beneath.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        if !self.frame.is_empty() {
            self.write_frame()?;
        }
        Ok(self.out)
    }

    /// Writes one frame, compressed if that is smaller. The encoder panics on errors of its reader
    /// and writer; in memory there are none.
    fn write_frame(&mut self) -> io::Result<()> {
        let level = match is_dense(&self.frame) {
            true => CompressionLevel::Uncompressed,
            false => CompressionLevel::Fastest,
        };
        let mut packed = pack(&self.frame, level);
        if packed.len() > self.frame.len() {
            packed = pack(&self.frame, CompressionLevel::Uncompressed);
        }
        self.frame.clear();
        self.out.write_all(&packed)
    }
}

/// Returns true if compression would gain nothing, judged by the counts of the bytes. The
/// calculation uses whole numbers, so that every machine decides alike.
fn is_dense(bytes: &[u8]) -> bool {
    let mut counts = [0_u64; 256];
    for byte in bytes {
        counts[usize::from(*byte)] += 1;
    }
    let equal: u64 = counts.iter().map(|count| count * count).sum();
    equal * DENSE < (bytes.len() as u64).pow(2)
}

fn pack(bytes: &[u8], level: CompressionLevel) -> Vec<u8> {
    let mut packed = Vec::with_capacity(bytes.len() / 2);
    let mut encoder = FrameCompressor::new(level);
    encoder.set_source(bytes);
    encoder.set_drain(&mut packed);
    encoder.compress();
    packed
}

impl<W: Write> Write for Compressor<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(FRAME - self.frame.len());
        self.frame.extend_from_slice(&bytes[..taken]);
        if self.frame.len() == FRAME {
            self.write_frame()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// A reader that expands its input: any number of frames, up to the end of the file.
pub(crate) struct Expander<R> {
    input: R,
    decoder: FrameDecoder,
    within: bool,
}

impl<R: Read> Expander<R> {
    pub(crate) fn new(input: R) -> Self {
        Self { input, decoder: FrameDecoder::new(), within: false }
    }

    /// Begins the next frame that has content. Returns false at the end of the file.
    fn begin(&mut self) -> io::Result<bool> {
        loop {
            let mut magic = [0; 4];
            match fill(&mut self.input, &mut magic)? {
                0 => return Ok(false),
                4 => {}
                _ => return Err(damaged("it ends within a frame's header")),
            }
            match u32::from_le_bytes(magic) {
                MAGIC => break,
                number if SKIPPABLE.contains(&number) => self.skip()?,
                _ => return Err(damaged("a frame has no magic number")),
            }
        }
        let header = self.header()?;
        self.decoder
            .reset(Cursor::new(header))
            .map_err(|error| because("a frame's header is bad", &error))?;
        self.within = true;
        Ok(true)
    }

    fn skip(&mut self) -> io::Result<()> {
        let mut length = [0; 4];
        self.input.read_exact(&mut length)?;
        let length = u64::from(u32::from_le_bytes(length));
        if io::copy(&mut (&mut self.input).take(length), &mut io::sink())? == length {
            return Ok(());
        }
        Err(damaged("it ends within a frame"))
    }

    /// Reads a whole frame header and checks that its window is within bounds. The decoder itself
    /// trusts the first window that it meets.
    fn header(&mut self) -> io::Result<Vec<u8>> {
        let mut header = MAGIC.to_le_bytes().to_vec();
        let descriptor = self.take(&mut header, 1)?[0];
        let single_segment = descriptor & 0x20 != 0;
        let window = match single_segment {
            true => None,
            false => Some(window_of(self.take(&mut header, 1)?[0])),
        };
        self.take(&mut header, [0, 1, 2, 4][usize::from(descriptor & 3)])?;
        let width = match descriptor >> 6 {
            0 => usize::from(single_segment),
            flag => 1 << flag,
        };
        let mut size = [0; 8];
        size[..width].copy_from_slice(&self.take(&mut header, width)?);
        let size = u64::from_le_bytes(size) + if width == 2 { 256 } else { 0 };
        let window = window.unwrap_or(size);
        if window > WINDOW {
            let message =
                format!("a zstd frame asks for a window of {window} bytes, more than {WINDOW}");
            return Err(io::Error::other(Error::new(ErrorKind::Limit, message)));
        }
        Ok(header)
    }

    fn take(&mut self, header: &mut Vec<u8>, count: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; count];
        self.input.read_exact(&mut bytes)?;
        header.extend_from_slice(&bytes);
        Ok(bytes)
    }
}

impl<R: Read> Read for Expander<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            if !self.within && (into.is_empty() || !self.begin()?) {
                return Ok(0);
            }
            while self.decoder.can_collect() < into.len() && !self.decoder.is_finished() {
                let wanted = into.len() - self.decoder.can_collect();
                self.decoder
                    .decode_blocks(&mut self.input, BlockDecodingStrategy::UptoBytes(wanted))
                    .map_err(|error| because("a frame is bad", &error))?;
            }
            let count = self.decoder.read(into)?;
            if self.decoder.is_finished() && self.decoder.can_collect() == 0 {
                self.within = false;
                let said = self.decoder.get_checksum_from_data();
                if said.is_some() && said != self.decoder.get_calculated_checksum() {
                    return Err(damaged("a frame's checksum does not match"));
                }
            }
            if count > 0 || into.is_empty() {
                return Ok(count);
            }
        }
    }
}

/// Reads until `into` is full or the input ends. Returns the number of bytes read.
fn fill(input: &mut impl Read, into: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < into.len() {
        match input.read(&mut into[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Returns the window that a frame's header names in one byte: 1 KiB shifted, plus some eighths of
/// it.
fn window_of(byte: u8) -> u64 {
    let base = 1_u64 << (10 + (byte >> 3));
    base + base / 8 * u64::from(byte & 7)
}

fn damaged(reason: &'static str) -> io::Error {
    io::Error::other(
        Error::new(ErrorKind::Integrity, "the zstd stream is damaged").with_source(reason),
    )
}

/// Makes an error with the decoder's finding in words. The texts of the decoder are Rust's debug
/// output.
fn because(reason: &'static str, error: &FrameDecoderError) -> io::Error {
    // An input that ends is wrapped some levels deep, differently in each part of a frame.
    damaged(if format!("{error:?}").contains("UnexpectedEof") {
        "it ends in the middle of a frame"
    } else {
        reason
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn compress(bytes: &[u8]) -> Vec<u8> {
        let mut out = Compressor::new(Vec::new());
        out.write_all(bytes).expect("memory");
        out.finish().expect("memory")
    }

    fn expand(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        Expander::new(bytes).read_to_end(&mut out).map(|_| out)
    }

    fn noise(length: usize) -> Vec<u8> {
        let mut state: u32 = 7;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state as u8
        };
        (0..length).map(|_| next()).collect()
    }

    #[test]
    fn what_is_compressed_comes_back_whatever_it_is() {
        let mut mixed = noise(FRAME - 100_000);
        mixed.extend(vec![b'x'; 300_000]);
        for bytes in [Vec::new(), vec![0], vec![7; FRAME], noise(FRAME + 1), mixed] {
            let packed = compress(&bytes);
            assert!(
                packed.len() <= bytes.len() + bytes.len() / 1000 + 64,
                "{} of {}",
                packed.len(),
                bytes.len()
            );
            assert!(expand(&packed).expect("good") == bytes);
        }
    }

    #[test]
    fn what_cannot_be_compressed_is_left_as_it_is() {
        assert!(is_dense(&noise(FRAME)));
        assert!(!is_dense(&b"{\"mediaType\":\"application/json\"}".repeat(100)));
        assert!(!is_dense(&[7; 100]) && !is_dense(&[]));
    }

    #[test]
    fn damage_is_found_and_skippable_frames_are_skipped() {
        let packed = compress(&b"some text, some text, some text, and something else".repeat(40));
        let mut cut = packed.clone();
        cut.pop();
        expand(&cut).expect_err("cut");
        let error = expand(&packed[..packed.len() / 2]).expect_err("cut");
        let error = error.downcast::<Error>().expect("ours");
        assert!(error.chain().ends_with("in the middle of a frame"), "{}", error.chain());
        let last = packed.len() - 1;
        let mut flipped = packed.clone();
        flipped[last] ^= 1;
        let error = expand(&flipped).expect_err("checksum");
        let error = error.downcast::<Error>().expect("ours");
        assert_eq!(error.kind(), ErrorKind::Integrity);
        assert!(error.chain().ends_with("checksum does not match"), "{}", error.chain());
        let mut joined = b"\x50\x2a\x4d\x18\x03\0\0\0abc".to_vec();
        joined.extend(packed);
        joined.extend(compress(b"more"));
        assert!(expand(&joined).expect("good").ends_with(b"elsemore"));
        expand(b"PK\x03\x04").expect_err("no zstd");
    }

    #[test]
    fn a_window_that_would_fill_the_memory_is_refused() {
        // Window descriptor 31.7: 3.75 TiB; and a single segment of 2^40 bytes.
        for header in [&b"\x28\xb5\x2f\xfd\x00\xff"[..], b"\x28\xb5\x2f\xfd\xe0\0\0\0\0\0\x01\0\0"]
        {
            let error = expand(header).expect_err("window").downcast::<Error>().expect("ours");
            assert_eq!(error.kind(), ErrorKind::Limit, "{}", error.chain());
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_judged_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut framed = MAGIC.to_le_bytes().to_vec();
            framed.extend(bytes);
            let _ = expand(&framed);
        }

        #[test]
        fn text_comes_back(words in proptest::collection::vec("[a-d]{1,6}", 0..2000)) {
            let bytes = words.concat().into_bytes();
            prop_assert!(expand(&compress(&bytes)).expect("good") == bytes);
        }
    }
}
