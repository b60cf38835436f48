//! The entries of a tar stream, read as Go's `archive/tar` reads them, because what Helm sees in an archive is
//! what Go makes of it; two readers that disagree on an archive are two charts. Every header, long name and
//! PAX record is bounded. Which entries a chart may hold is [`super::read`]'s business.

use super::gzip;
use crate::{
    Error, Result,
    limits::{Limits, MIB},
};
use std::io::{self, BufRead, Read};
use tar::Header;

const BLOCK: usize = 512;

/// Bytes of one PAX header or long name. Go stops at the same number.
const SPECIAL: u64 = MIB;

/// A tar stream, at its start, between two entries, or within one; reading it yields the entry's content.
#[derive(Debug)]
pub(super) struct Tape<R> {
    input: R,
    /// Content of the current entry that was not read yet, and the padding behind it.
    content: u64,
    padding: u64,
    /// How much may still come that is no content: headers, padding, records, what follows the end.
    overhead: u64,
    limit: u64,
}

/// What one header says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// The name as it stands, cut at the first NUL.
    pub(super) name: Vec<u8>,
    /// Bytes of content.
    pub(super) size: u64,
    /// When it was modified: Unix time, rounded to the nearest second.
    pub(super) modified: i64,
    /// What it is.
    pub(super) kind: Kind,
}

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Directory,
    /// A global PAX header, which says nothing about files.
    Global,
    /// Anything else, in words.
    Other(&'static str),
}

impl<R: BufRead> Tape<R> {
    /// The stream's start. What is no content may be as much as `limits` allow for content: with 64 Ki entries
    /// of two blocks each no honest archive comes near.
    pub(super) fn new(input: R, limits: &Limits) -> Self {
        let limit = limits.chart_bytes;
        Self { input, content: 0, padding: 0, overhead: limit, limit }
    }

    /// Goes to the next entry, over what is left of this one. `None` at the end of the archive.
    pub(super) fn next(&mut self) -> Result<Option<Entry>> {
        self.skip()?;
        let mut records = None;
        let mut long_name = None;
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
                b'K' => drop(self.special(raw.size)?),
                b'g' => {
                    let content = self.special(raw.size)?;
                    Records::parse(&content)?;
                    let entry = Entry {
                        name: raw.name,
                        size: 0,
                        modified: raw.modified,
                        kind: Kind::Global,
                    };
                    return Ok(Some(entry));
                }
                _ => return self.entry(raw, records.unwrap_or_default(), long_name).map(Some),
            }
        }
    }

    /// Reads on behind the last entry to the end of the stream, so that its checksum is known to be right.
    pub(super) fn finish(&mut self) -> Result<()> {
        loop {
            let length = self.input.fill_buf().map_err(gzip::error)?.len();
            if length == 0 {
                return Ok(());
            }
            self.spend(length as u64)?;
            self.input.consume(length);
        }
    }

    fn entry(&mut self, raw: Raw, records: Records, long_name: Option<Vec<u8>>) -> Result<Entry> {
        let name = long_name.or(records.path).unwrap_or_else(|| raw.name.clone());
        let slash = name.ends_with(b"/");
        let size = if raw.has_content() {
            natural(raw.size)?;
            natural(records.size.unwrap_or(raw.size))?
        } else {
            0
        };
        // Go turns an old archive's directory, told by its slash, into a typed one, and those are empty.
        let size = if raw.flag == 0 && slash { 0 } else { size };
        let kind = match raw.flag {
            _ if records.sparse => Kind::Other("sparse file"),
            b'1' => Kind::Other("hard link"),
            b'2' => Kind::Other("symbolic link"),
            b'3' => Kind::Other("character device"),
            b'4' => Kind::Other("block device"),
            b'6' => Kind::Other("fifo"),
            b'S' => Kind::Other("sparse file"),
            b'5' => Kind::Directory,
            // Directories of old archives: by the trailing slash, or by the mode's type bits.
            0 | b'0' | b'7' if slash || raw.mode & !0o7777 == 0o40000 => Kind::Directory,
            0 | b'0' | b'7' => Kind::File,
            _ => Kind::Other("member of unknown type"),
        };
        if kind != Kind::File {
            self.spend(size)?;
        }
        self.content = size;
        self.padding = size.wrapping_neg() % BLOCK as u64;
        Ok(Entry { name, size, modified: records.modified.unwrap_or(raw.modified), kind })
    }

    /// The next header that is not zero; `None` where Go sees the end: nothing more, one zero block and
    /// nothing more, or two zero blocks.
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
        self.spend(BLOCK as u64)?;
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

    /// The content of an entry that only describes the next one.
    fn special(&mut self, size: i64) -> Result<Vec<u8>> {
        let size = natural(size)?;
        if size > SPECIAL {
            return Err(Error::invalid("archive/tar: header field too long"));
        }
        let padding = size.wrapping_neg() % BLOCK as u64;
        self.spend(size + padding)?;
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
        // Go takes an archive that ends within the padding for complete.
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

    fn spend(&mut self, bytes: u64) -> Result<()> {
        match self.overhead.checked_sub(bytes) {
            Some(left) => {
                self.overhead = left;
                Ok(())
            }
            None => Err(super::read::too_large(self.limit)),
        }
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

/// The fields of a header block that matter here.
struct Raw {
    flag: u8,
    name: Vec<u8>,
    size: i64,
    mode: i64,
    modified: i64,
}

impl Raw {
    fn parse(header: &Header) -> Result<Self> {
        let bytes = header.as_bytes();
        let old = header.as_old();
        checksum(bytes, &old.cksum)?;
        let raw = Self {
            flag: old.linkflag[0],
            name: until_nul(&old.name).to_vec(),
            size: number(&old.size)?,
            mode: number(&old.mode)?,
            modified: number(&old.mtime)?,
        };
        number(&old.uid)?;
        number(&old.gid)?;
        Ok(Self { name: with_prefix(raw.name, header)?, ..raw })
    }

    /// Links, devices, directories and fifos have no content, whatever their size says.
    fn has_content(&self) -> bool {
        !matches!(self.flag, b'1'..=b'6')
    }
}

/// The name behind its prefix, where the format has one. `star` archives have a shorter prefix; GNU archives
/// have none, but Go before 1.8 wrote one there, and Go still reads it when the fields that stand in its place
/// are no numbers.
fn with_prefix(name: Vec<u8>, header: &Header) -> Result<Vec<u8>> {
    let bytes = header.as_bytes();
    let magic = &bytes[257..263];
    let prefix = if magic == b"ustar\0" {
        number(&bytes[329..337])?;
        number(&bytes[337..345])?;
        if &bytes[508..512] == b"tar\0" {
            number(&bytes[476..488])?;
            number(&bytes[488..500])?;
            until_nul(&bytes[345..476])
        } else {
            until_nul(&bytes[345..500])
        }
    } else if magic == b"ustar " && &bytes[263..265] == b" \0" {
        number(&bytes[329..337])?;
        number(&bytes[337..345])?;
        let times = [&bytes[345..357], &bytes[357..369]];
        let bad = times.iter().any(|field| field[0] != 0 && number(field).is_err());
        let prefix = until_nul(&bytes[345..500]);
        if bad && prefix.is_ascii() { prefix } else { &[] }
    } else {
        &[]
    };
    if prefix.is_empty() {
        return Ok(name);
    }
    Ok([prefix, b"/", &name].concat())
}

/// What PAX records say about the entry behind them. The last of equal keys counts; an empty value is none.
#[derive(Default)]
struct Records {
    path: Option<Vec<u8>>,
    size: Option<i64>,
    modified: Option<i64>,
    sparse: bool,
}

impl Records {
    fn parse(mut bytes: &[u8]) -> Result<Self> {
        let bad = || invalid("a PAX record is malformed");
        let mut records = Self::default();
        while !bytes.is_empty() {
            let space = memchr::memchr(b' ', bytes).ok_or_else(bad)?;
            let length = decimal(&bytes[..space]).and_then(|length| usize::try_from(length).ok());
            let length =
                length.filter(|&length| length >= 5 && length <= bytes.len()).ok_or_else(bad)?;
            let record = bytes.get(space + 1..length).ok_or_else(bad)?;
            let record = record.strip_suffix(b"\n").ok_or_else(bad)?;
            let equals = memchr::memchr(b'=', record).filter(|&at| at > 0).ok_or_else(bad)?;
            records.take(&record[..equals], &record[equals + 1..]).ok_or_else(bad)?;
            bytes = &bytes[length..];
        }
        Ok(records)
    }

    fn take(&mut self, key: &[u8], value: &[u8]) -> Option<()> {
        let text = matches!(key, b"path" | b"linkpath" | b"uname" | b"gname");
        if memchr::memchr(0, if text { value } else { key }).is_some() {
            return None;
        }
        let given = !value.is_empty();
        match key {
            b"path" => self.path = given.then(|| value.to_vec()),
            b"size" if given => self.size = Some(decimal(value)?),
            b"size" => self.size = None,
            b"mtime" if given => self.modified = Some(seconds(value)?),
            b"mtime" => self.modified = None,
            b"uid" | b"gid" if given => drop(decimal(value)?),
            b"atime" | b"ctime" if given => drop(seconds(value)?),
            _ if key.starts_with(b"GNU.sparse.") => self.sparse = true,
            _ => {}
        }
        Some(())
    }
}

/// A PAX time, rounded to the nearest second as Go rounds when it writes one.
fn seconds(value: &[u8]) -> Option<i64> {
    let (whole, fraction) = match memchr::memchr(b'.', value) {
        Some(dot) => (&value[..dot], &value[dot + 1..]),
        None => (value, &[][..]),
    };
    let seconds = decimal(whole)?;
    if !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let nanos = fraction
        .iter()
        .chain(std::iter::repeat(&b'0'))
        .take(9)
        .fold(0, |nanos: i64, digit| nanos * 10 + i64::from(digit - b'0'));
    let half = 500_000_000;
    Some(if whole.starts_with(b"-") {
        seconds.saturating_sub(i64::from(nanos > half))
    } else {
        seconds.saturating_add(i64::from(nanos >= half))
    })
}

fn decimal(digits: &[u8]) -> Option<i64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// A number of a header: octal, or base 256 when the first bit is set.
fn number(field: &[u8]) -> Result<i64> {
    if field[0] & 0x80 != 0 {
        return binary(field).ok_or_else(|| invalid("a number does not fit"));
    }
    let is_padding = |byte: &u8| matches!(byte, 0 | b' ');
    let Some(start) = field.iter().position(|byte| !is_padding(byte)) else { return Ok(0) };
    let end = field.iter().rposition(|byte| !is_padding(byte)).map_or(start, |last| last + 1);
    let digits = until_nul(&field[start..end]);
    if !digits.iter().all(|digit| (b'0'..=b'7').contains(digit)) {
        return Err(invalid("a number is not octal"));
    }
    // At most 12 digits of 3 bits.
    Ok(digits.iter().fold(0, |number, digit| number << 3 | i64::from(digit - b'0')))
}

fn binary(field: &[u8]) -> Option<i64> {
    let invert = if field[0] & 0x40 == 0 { 0 } else { 0xff };
    let mut number: u64 = 0;
    for (at, byte) in field.iter().enumerate() {
        let byte = (byte ^ invert) & if at == 0 { 0x7f } else { 0xff };
        if number >> 56 > 0 {
            return None;
        }
        number = number << 8 | u64::from(byte);
    }
    let number = i64::try_from(number).ok()?;
    Some(if invert == 0 { number } else { !number })
}

fn natural(size: i64) -> Result<u64> {
    u64::try_from(size).map_err(|_| invalid("a size is negative"))
}

/// The sum of the header's bytes, its own field taken as spaces; some old writers took bytes as signed.
fn checksum(bytes: &[u8; BLOCK], field: &[u8]) -> Result<()> {
    let expected = octal_checksum(field)?;
    let counted = || {
        bytes
            .iter()
            .enumerate()
            .map(|(at, &byte)| if (148..156).contains(&at) { b' ' } else { byte })
    };
    let unsigned: i64 = counted().map(i64::from).sum();
    let signed = || counted().map(|byte| i64::from(byte.cast_signed())).sum::<i64>();
    if expected == unsigned || expected == signed() {
        return Ok(());
    }
    Err(invalid("the checksum does not match"))
}

fn octal_checksum(field: &[u8]) -> Result<i64> {
    if field[0] & 0x80 != 0 {
        return Err(invalid("the checksum is not octal"));
    }
    number(field)
}

fn until_nul(bytes: &[u8]) -> &[u8] {
    &bytes[..memchr::memchr(0, bytes).unwrap_or(bytes.len())]
}

/// Go's one sentence for every bad header, and beneath it what is wrong.
fn invalid(reason: &'static str) -> Error {
    Error::invalid("archive/tar: invalid tar header").with_source(reason)
}
