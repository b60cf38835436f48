//! Compression in parts that can be joined: gzip as one member of many blocks, zstd as consecutive
//! frames. A change needs the compression of its part only.

use bytes::Bytes;
use flate2::{Compress, Compression, Crc, FlushCompress};

/// Compression level. An index repeats itself: 35 MB of 50,000 versions become 0.8 MB in 0.2 s.
const LEVEL: u32 = 5;
/// Maximum size in bytes of one block without compression.
const STORED: usize = 65_535;

/// Part of a gzip member: blocks that end at a byte boundary and refer to no data before them.
#[derive(Debug)]
pub(super) struct Deflated {
    bytes: Vec<u8>,
    crc: Crc,
    length: u64,
}

/// Compresses one part.
pub(super) fn deflate(text: &[u8]) -> Deflated {
    let mut crc = Crc::new();
    crc.update(text);
    let mut state = Compress::new(Compression::new(LEVEL), false);
    let mut bytes = Vec::with_capacity(text.len() / 4 + 256);
    loop {
        let read = usize::try_from(state.total_in()).unwrap_or(text.len());
        state
            .compress_vec(&text[read..], &mut bytes, FlushCompress::Full)
            .expect("deflate takes any bytes");
        // Unused space in the buffer proves that the output is complete.
        if state.total_in() == text.len() as u64 && bytes.len() < bytes.capacity() {
            return Deflated { bytes, crc, length: text.len() as u64 };
        }
        bytes.reserve(bytes.capacity());
    }
}

/// Gzip member under construction.
#[derive(Debug)]
pub(super) struct Gzip {
    bytes: Vec<u8>,
    crc: Crc,
    length: u64,
}

impl Gzip {
    /// Makes an empty member, with space for about `size` bytes.
    pub(super) fn new(size: usize) -> Self {
        let mut bytes = Vec::with_capacity(size + 64);
        // Header (RFC 1952): deflate, no name, no time, unknown system.
        bytes.extend_from_slice(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
        Self { bytes, crc: Crc::new(), length: 0 }
    }

    pub(super) fn part(&mut self, part: &Deflated) {
        self.bytes.extend_from_slice(&part.bytes);
        self.crc.combine(&part.crc);
        self.length += part.length;
    }

    /// Appends a short text without compression.
    pub(super) fn text(&mut self, text: &str) {
        for block in text.as_bytes().chunks(STORED) {
            let length = block.len() as u16;
            self.bytes.push(0);
            self.bytes.extend_from_slice(&length.to_le_bytes());
            self.bytes.extend_from_slice(&(!length).to_le_bytes());
            self.bytes.extend_from_slice(block);
        }
        self.crc.update(text.as_bytes());
        self.length += text.len() as u64;
    }

    pub(super) fn finish(mut self) -> Bytes {
        // Final block, which is empty.
        self.bytes.extend_from_slice(&[3, 0]);
        self.bytes.extend_from_slice(&self.crc.sum().to_le_bytes());
        self.bytes.extend_from_slice(&(self.length as u32).to_le_bytes());
        self.bytes.into()
    }
}

impl Deflated {
    /// Returns the current length in bytes.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }
}

/// Compresses one part as a frame of zstd.
pub(super) fn zstd(text: &[u8]) -> Bytes {
    ruzstd::encoding::compress_to_vec(text, ruzstd::encoding::CompressionLevel::Fastest).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn parts_and_texts_are_one_member() {
        let long: String = (0..20_000).map(|number| format!("line {number}\n")).collect();
        let noise: Vec<u8> =
            (0..200_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        for parts in
            [vec![], vec![long.as_bytes()], vec![b"".as_slice(), b"a", long.as_bytes(), &noise]]
        {
            let mut gzip = Gzip::new(0);
            let mut whole = Vec::new();
            for part in parts {
                gzip.part(&deflate(part));
                gzip.text(",");
                whole.extend_from_slice(part);
                whole.push(b',');
            }
            gzip.text(&long);
            whole.extend_from_slice(long.as_bytes());
            let mut read = Vec::new();
            // This reader is for one member, so it would refuse any data after it.
            let packed = gzip.finish();
            let mut decoder = flate2::read::GzDecoder::new(&packed[..]);
            decoder.read_to_end(&mut read).expect("gzip");
            assert!(read == whole);
            assert_eq!(decoder.into_inner().len(), 0, "nothing is left");
        }
    }
}
