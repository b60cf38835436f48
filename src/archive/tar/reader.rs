//! A reader of the entries of a tar stream. It works as Go's `archive/tar`, because Helm sees an
//! archive through that: two readers that disagree on an archive would see two charts. Every
//! header, long name and PAX record is bounded. [`crate::archive::read`] decides which entries a
//! chart may have.

use super::{
    header_read::{Raw, natural, until_nul},
    pax::Records,
};
use crate::{
    Error, Result,
    archive::gzip,
    limits::{Limits, MIB},
};
use std::{
    cell::Cell,
    io::{self, BufRead, Read},
    rc::Rc,
};
use tar::Header;

const BLOCK: usize = 512;

/// Bytes of one PAX header or long name. Go has the same limit.
const SPECIAL: u64 = MIB;

/// A tar stream at its start, between two entries, or within one. Reading it returns the entry's
/// content.
#[derive(Debug)]
pub(crate) struct Tape<R> {
    input: R,
    /// Content of the current entry that was not read yet, and the padding after it.
    content: u64,
    padding: u64,
    /// Bytes outside of any content that may still follow: headers, padding, records, and the rest
    /// after the end.
    overhead: Allowance,
}

/// A number of bytes that may still be used. Its copies share it.
#[derive(Clone, Debug)]
pub(crate) struct Allowance {
    left: Rc<Cell<u64>>,
    limit: u64,
    refuse: fn(u64) -> Error,
}

impl Allowance {
    /// Makes an allowance of `limit` bytes. `refuse` makes the error of a request for more.
    pub(crate) fn new(limit: u64, refuse: fn(u64) -> Error) -> Self {
        Self { left: Rc::new(Cell::new(limit)), limit, refuse }
    }

    /// Uses `bytes` of the allowance.
    ///
    /// # Errors
    /// The error that `refuse` makes of the limit, if fewer are left.
    pub(crate) fn spend(&self, bytes: u64) -> Result<()> {
        let left = self.left.get().checked_sub(bytes).ok_or_else(|| (self.refuse)(self.limit))?;
        self.left.set(left);
        Ok(())
    }
}

/// The properties of an entry in its headers.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The name as written, cut at the first NUL.
    pub(crate) name: Vec<u8>,
    /// Bytes of content.
    pub(crate) size: u64,
    /// Modification time in Unix seconds, rounded to the nearest second.
    pub(crate) modified: i64,
    /// The permission bits and the type bits as written.
    pub(crate) mode: i64,
    /// The target of a link as written.
    pub(crate) target: Vec<u8>,
    /// The kind of the entry.
    pub(crate) kind: Kind,
}

/// The kind of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Directory,
    /// A global PAX header, without information about files.
    Global,
    /// A second name of another file.
    HardLink,
    /// A symbolic link.
    SymbolicLink,
    /// Any other kind, described in words.
    Other(&'static str),
}

impl Kind {
    /// Describes a link or another kind that is neither a file nor a directory.
    pub(crate) fn described(self) -> Option<&'static str> {
        match self {
            Self::File | Self::Directory | Self::Global => None,
            Self::HardLink => Some("hard link"),
            Self::SymbolicLink => Some("symbolic link"),
            Self::Other(what) => Some(what),
        }
    }
}

impl<R: BufRead> Tape<R> {
    /// Makes a reader at the stream's start. The bytes outside of any content may be as many as
    /// `limits` allow for content: with 64 Ki entries of two blocks each, no honest archive comes
    /// near.
    pub(crate) fn new(input: R, limits: &Limits) -> Self {
        Self::with_overhead(input, limits.chart_bytes, crate::archive::read::too_large)
    }

    /// Makes a reader of a stream other than a chart's. The bytes outside of any content may be
    /// `limit`; `refuse` makes the error for more.
    pub(crate) fn with_overhead(input: R, limit: u64, refuse: fn(u64) -> Error) -> Self {
        Self::within(input, Allowance::new(limit, refuse))
    }

    /// Makes a reader whose bytes outside of any content count against `overhead`, which it shares
    /// with others.
    pub(crate) fn within(input: R, overhead: Allowance) -> Self {
        Self { input, content: 0, padding: 0, overhead }
    }

    /// Skips the rest of this entry and returns the next. Returns `None` at the end of the archive.
    pub(crate) fn next(&mut self) -> Result<Option<Entry>> {
        self.skip()?;
        let mut records = None;
        let mut long_name = None;
        let mut long_target = None;
        loop {
            let Some(header) = self.header()? else { return Ok(None) };
            let raw = Raw::parse(&header)?;
            match raw.flag {
                b'x' => {
                    let content = self.special(raw.size)?;
                    records = Some(Records::parse(&content)?);
                }
                b'L' => {
                    let mut name = self.special(raw.size)?;
                    name.truncate(until_nul(&name).len());
                    long_name = Some(name).filter(|name| !name.is_empty());
                }
                b'K' => {
                    let mut target = self.special(raw.size)?;
                    target.truncate(until_nul(&target).len());
                    long_target = Some(target).filter(|target| !target.is_empty());
                }
                b'g' => {
                    let content = self.special(raw.size)?;
                    Records::parse(&content)?;
                    let entry = Entry {
                        name: raw.name,
                        size: 0,
                        modified: raw.modified,
                        mode: raw.mode,
                        target: Vec::new(),
                        kind: Kind::Global,
                    };
                    return Ok(Some(entry));
                }
                _ => {
                    let records = records.unwrap_or_default();
                    return self.entry(raw, records, long_name, long_target).map(Some);
                }
            }
        }
    }

    /// Reads from the last entry to the end of the stream, so that its checksum is verified.
    pub(crate) fn finish(&mut self) -> Result<()> {
        loop {
            let length = self.input.fill_buf().map_err(gzip::error)?.len();
            if length == 0 {
                return Ok(());
            }
            self.overhead.spend(length as u64)?;
            self.input.consume(length);
        }
    }

    fn entry(
        &mut self,
        raw: Raw,
        records: Records,
        long_name: Option<Vec<u8>>,
        long_target: Option<Vec<u8>>,
    ) -> Result<Entry> {
        let name = long_name.or(records.path).unwrap_or_else(|| raw.name.clone());
        let slash = name.ends_with(b"/");
        let size = if raw.has_content() {
            natural(raw.size)?;
            natural(records.size.unwrap_or(raw.size))?
        } else {
            0
        };
        // Go converts an old archive's directory, recognized by its slash, into a typed one, and
        // those are empty.
        let size = if raw.flag == 0 && slash { 0 } else { size };
        let kind = match raw.flag {
            _ if records.sparse => Kind::Other("sparse file"),
            b'1' => Kind::HardLink,
            b'2' => Kind::SymbolicLink,
            b'3' => Kind::Other("character device"),
            b'4' => Kind::Other("block device"),
            b'6' => Kind::Other("fifo"),
            b'S' => Kind::Other("sparse file"),
            b'5' => Kind::Directory,
            // Old archives mark directories by a trailing slash, or by the mode's type bits.
            0 | b'0' | b'7' if slash || raw.mode & !0o7777 == 0o40000 => Kind::Directory,
            0 | b'0' | b'7' => Kind::File,
            _ => Kind::Other("member of unknown type"),
        };
        if kind != Kind::File {
            self.overhead.spend(size)?;
        }
        self.content = size;
        self.padding = size.wrapping_neg() % BLOCK as u64;
        Ok(Entry {
            name,
            size,
            modified: records.modified.unwrap_or(raw.modified),
            mode: raw.mode,
            target: long_target.or(records.target).unwrap_or(raw.target),
            kind,
        })
    }

    /// Returns the next header that is not zero. Returns `None` at the end as Go sees it: no more
    /// bytes, one zero block and no more bytes, or two zero blocks.
    fn header(&mut self) -> Result<Option<Header>> {
        let mut header = Header::new_old();
        if !self.block(header.as_mut_bytes())? {
            return Ok(None);
        }
        if *header.as_bytes() != [0; BLOCK] {
            return Ok(Some(header));
        }
        if !self.block(header.as_mut_bytes())? || *header.as_bytes() == [0; BLOCK] {
            return Ok(None);
        }
        Err(invalid("a zero block is followed by another header"))
    }

    fn block(&mut self, block: &mut [u8; BLOCK]) -> Result<bool> {
        self.overhead.spend(BLOCK as u64)?;
        let mut filled = 0;
        while filled < BLOCK {
            match self.input.read(&mut block[filled..]).map_err(gzip::error)? {
                0 if filled == 0 => return Ok(false),
                0 => return Err(Error::invalid("unexpected EOF")),
                read => filled += read,
            }
        }
        Ok(true)
    }

    /// Returns the content of an entry that only describes the next one.
    fn special(&mut self, size: i64) -> Result<Vec<u8>> {
        let size = natural(size)?;
        if size > SPECIAL {
            return Err(Error::invalid("archive/tar: header field too long"));
        }
        let padding = size.wrapping_neg() % BLOCK as u64;
        self.overhead.spend(size + padding)?;
        self.content = size;
        self.padding = padding;
        let mut content = Vec::new();
        self.read_to_end(&mut content).map_err(gzip::error)?;
        self.skip()?;
        Ok(content)
    }

    fn skip(&mut self) -> Result<()> {
        while self.content > 0 {
            let length = self.fill_buf().map_err(gzip::error)?.len();
            self.consume(length);
        }
        // Go accepts an archive that ends within the padding as complete.
        while self.padding > 0 {
            let available = self.input.fill_buf().map_err(gzip::error)?.len() as u64;
            if available == 0 {
                self.padding = 0;
            }
            let taken = available.min(self.padding);
            self.input.consume(taken as usize);
            self.padding -= taken;
        }
        Ok(())
    }
}

impl<R: BufRead> BufRead for Tape<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.content == 0 {
            return Ok(&[]);
        }
        let buffer = self.input.fill_buf()?;
        if buffer.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let length =
            usize::try_from(self.content).map_or(buffer.len(), |left| left.min(buffer.len()));
        Ok(&buffer[..length])
    }

    fn consume(&mut self, amount: usize) {
        self.input.consume(amount);
        self.content -= amount as u64;
    }
}

impl<R: BufRead> Read for Tape<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.content).unwrap_or(usize::MAX);
        let length = into.len().min(left);
        if length == 0 {
            return Ok(0);
        }
        let read = self.input.read(&mut into[..length])?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.content -= read as u64;
        Ok(read)
    }
}

/// Makes Go's one error for every bad header, with the reason as its cause.
pub(crate) fn invalid(reason: &'static str) -> Error {
    Error::invalid("archive/tar: invalid tar header").with_source(reason)
}
