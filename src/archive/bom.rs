//! The byte order mark at the start of a file. It is not part of a chart's content.

use std::io::{self, BufRead, Read};

/// The byte order mark of UTF-8, which Helm drops from the start of every file.
pub(super) const BOM: [u8; 3] = [0xef, 0xbb, 0xbf];

/// A reader that drops a byte order mark at the start.
#[derive(Debug)]
pub(super) struct StripBom<R> {
    start: [u8; 3],
    /// The position in `start` from which bytes are still to be read.
    from: usize,
    to: usize,
    rest: R,
}

impl<R: Read> StripBom<R> {
    /// Reads the first bytes.
    pub(super) fn new(mut reader: R) -> io::Result<Self> {
        let mut start = [0; 3];
        let mut filled = 0;
        while filled < start.len() {
            match reader.read(&mut start[filled..]) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let from = if start == BOM { filled } else { 0 };
        Ok(Self { start, from, to: filled, rest: reader })
    }

    /// Returns true if the content had a mark.
    pub(super) fn was_marked(&self) -> bool {
        self.start == BOM
    }
}

impl<R: BufRead> BufRead for StripBom<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.from == self.to {
            self.rest.fill_buf()
        } else {
            Ok(&self.start[self.from..self.to])
        }
    }

    fn consume(&mut self, amount: usize) {
        if self.from == self.to {
            self.rest.consume(amount);
        } else {
            self.from += amount;
        }
    }
}

impl<R: Read> Read for StripBom<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.from == self.to {
            return self.rest.read(into);
        }
        let length = into.len().min(self.to - self.from);
        into[..length].copy_from_slice(&self.start[self.from..self.from + length]);
        self.from += length;
        Ok(length)
    }
}
