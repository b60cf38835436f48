//! A tar stream put together entry by entry, with every way to get one wrong; and the gzip stream round it.

use flate2::{Compress, Compression, Crc, FlushCompress};
use std::io::{Cursor, Read, Write as _};

/// The blocks so far.
#[derive(Default)]
pub(super) struct Tape {
    bytes: Vec<u8>,
    end: End,
}

#[derive(Default)]
enum End {
    #[default]
    Zeros,
    Nothing,
    ZerosAnd(Vec<u8>),
}

impl Tape {
    /// With a good chart's Chart.yaml.
    pub(super) fn demo() -> Self {
        Self::default().file("demo/Chart.yaml", super::CHART)
    }

    pub(super) fn file(self, name: &str, content: &[u8]) -> Self {
        self.entry(b'0', name.as_bytes(), content.len() as u64, content)
    }

    /// An entry whose header says `size`, whatever follows.
    pub(super) fn entry(self, flag: u8, name: &[u8], size: u64, content: &[u8]) -> Self {
        let mut field = [0; 12];
        if size < 1 << 33 {
            field[..11].copy_from_slice(format!("{size:011o}").as_bytes());
        } else {
            field[4..].copy_from_slice(&size.to_be_bytes());
            field[0] = 0x80;
        }
        self.block(flag, name, &field).content(content)
    }

    /// A file `demo/x` whose size field is as given.
    pub(super) fn sized(self, field: &[u8; 12], content: &[u8]) -> Self {
        self.block(b'0', b"demo/x", field).content(content)
    }

    pub(super) fn pax(self, records: &[(&str, &str)]) -> Self {
        self.records(b'x', &encode(records))
    }

    pub(super) fn global(self, records: &[(&str, &str)]) -> Self {
        self.records(b'g', &encode(records))
    }

    /// Records as given, good or bad.
    pub(super) fn records(self, flag: u8, records: &[u8]) -> Self {
        self.entry(flag, b"PaxHeaders.0/x", records.len() as u64, records)
    }

    pub(super) fn long_name(self, name: &str) -> Self {
        let name = format!("{name}\0");
        self.entry(b'L', b"././@LongLink", name.len() as u64, name.as_bytes())
    }

    /// Bytes as they are, without padding.
    pub(super) fn raw(mut self, bytes: &[u8]) -> Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// The byte at `at` is another.
    pub(super) fn flipped(mut self, at: usize) -> Self {
        self.bytes[at] ^= 1;
        self
    }

    pub(super) fn without_end(mut self) -> Self {
        self.end = End::Nothing;
        self
    }

    pub(super) fn behind_end(mut self, bytes: &[u8]) -> Self {
        self.end = End::ZerosAnd(bytes.to_vec());
        self
    }

    /// The tar stream.
    pub(super) fn finish(self) -> Vec<u8> {
        let Self { mut bytes, end } = self;
        match end {
            End::Nothing => {}
            End::Zeros => bytes.extend_from_slice(&[0; 1024]),
            End::ZerosAnd(more) => {
                bytes.extend_from_slice(&[0; 1024]);
                bytes.extend_from_slice(&more);
            }
        }
        bytes
    }

    /// The archive.
    pub(super) fn gzip(self) -> Vec<u8> {
        gzip(&self.finish())
    }

    /// The blocks so far, to be followed by others.
    pub(super) fn part(self) -> Vec<u8> {
        self.bytes
    }

    fn block(mut self, flag: u8, name: &[u8], size: &[u8; 12]) -> Self {
        let mut block = [0; 512];
        block[..name.len()].copy_from_slice(name);
        block[100..108].copy_from_slice(b"0000644\0");
        block[108..116].copy_from_slice(b"0000000\0");
        block[116..124].copy_from_slice(b"0000000\0");
        block[124..136].copy_from_slice(size);
        block[136..148].copy_from_slice(b"14371573000\0");
        block[148..156].fill(b' ');
        block[156] = flag;
        block[257..265].copy_from_slice(b"ustar\x0000");
        let sum: u32 = block.iter().copied().map(u32::from).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        self.bytes.extend_from_slice(&block);
        self
    }

    fn content(mut self, content: &[u8]) -> Self {
        self.bytes.extend_from_slice(content);
        self.bytes.resize(self.bytes.len().next_multiple_of(512), 0);
        self
    }
}

fn encode(records: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (key, value) in records {
        let rest = key.len() + value.len() + 3;
        let mut length = rest + 1;
        while length != rest + length.to_string().len() {
            length = rest + length.to_string().len();
        }
        bytes.extend_from_slice(format!("{length} {key}={value}\n").as_bytes());
    }
    bytes
}

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(bytes).expect("memory takes everything");
    gzip.finish().expect("memory takes everything")
}

/// A gzip stream of `start`, then `again` as often as `times`, then `end`, made as it is read: what is repeated
/// was deflated once.
pub(super) fn repeated(start: &[u8], again: &[u8], times: u64, end: &[u8]) -> Box<dyn Read> {
    let mut sum = crc(start);
    combine(&mut sum, again, times);
    sum.combine(&crc(end));
    let header = Cursor::new(b"\x1f\x8b\x08\0\0\0\0\0\0\xff");
    let trailer = [sum.sum().to_le_bytes(), sum.amount().to_le_bytes()].concat();
    let start = Cursor::new(deflate(start, FlushCompress::Full));
    let again = Again { bytes: deflate(again, FlushCompress::Full), at: 0, times };
    let end = Cursor::new(deflate(end, FlushCompress::Finish));
    Box::new(header.chain(start).chain(again).chain(end).chain(Cursor::new(trailer)))
}

/// The same gzip member again and again.
pub(super) fn members(bytes: &[u8], times: u64) -> Box<dyn Read> {
    Box::new(Again { bytes: gzip(bytes), at: 0, times })
}

fn crc(bytes: &[u8]) -> Crc {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc
}

/// The checksum of what `sum` is of, followed by `bytes` as often as `times`: by doublings, up to the length that
/// `Crc` can count.
fn combine(sum: &mut Crc, bytes: &[u8], times: u64) {
    let mut doublings = vec![crc(bytes)];
    while bytes.len() << doublings.len() < 1 << 31 {
        let mut double = Crc::new();
        for _ in 0..2 {
            double.combine(&doublings[doublings.len() - 1]);
        }
        doublings.push(double);
    }
    let mut left = times;
    for (bit, double) in doublings.iter().enumerate().rev() {
        for _ in 0..left >> bit {
            sum.combine(double);
        }
        left &= (1 << bit) - 1;
    }
}

fn deflate(bytes: &[u8], flush: FlushCompress) -> Vec<u8> {
    let mut output = Vec::with_capacity(bytes.len() + bytes.len() / 8 + 1024);
    Compress::new(Compression::default(), false)
        .compress_vec(bytes, &mut output, flush)
        .expect("deflating cannot fail");
    output
}

struct Again {
    bytes: Vec<u8>,
    at: usize,
    times: u64,
}

impl Read for Again {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        if self.at == self.bytes.len() {
            self.times = self.times.saturating_sub(1);
            self.at = 0;
        }
        if self.times == 0 || self.bytes.is_empty() {
            return Ok(0);
        }
        let length = into.len().min(self.bytes.len() - self.at);
        into[..length].copy_from_slice(&self.bytes[self.at..self.at + length]);
        self.at += length;
        Ok(length)
    }
}
