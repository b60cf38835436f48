//! A parser of one header block of a tar stream. It reads numbers and names as Go does.
//! [`super::reader`] combines headers to entries, and [`super::header_write`] writes them.

use super::reader::invalid;
use crate::Result;
use tar::Header;

const BLOCK: usize = 512;

/// The fields of a header block that matter here.
pub(crate) struct Raw {
    pub(crate) flag: u8,
    pub(crate) name: Vec<u8>,
    pub(crate) size: i64,
    pub(crate) mode: i64,
    pub(crate) modified: i64,
    pub(crate) target: Vec<u8>,
}

impl Raw {
    pub(crate) fn parse(header: &Header) -> Result<Self> {
        let bytes = header.as_bytes();
        let old = header.as_old();
        checksum(bytes, &old.cksum)?;
        let raw = Self {
            flag: old.linkflag[0],
            name: until_nul(&old.name).to_vec(),
            size: number(&old.size)?,
            mode: number(&old.mode)?,
            modified: number(&old.mtime)?,
            target: until_nul(&old.linkname).to_vec(),
        };
        number(&old.uid)?;
        number(&old.gid)?;
        Ok(Self { name: with_prefix(raw.name, header)?, ..raw })
    }

    /// Returns true if the entry has content. Links, devices, directories and fifos have none,
    /// whatever their size field.
    pub(crate) fn has_content(&self) -> bool {
        !matches!(self.flag, b'1'..=b'6')
    }
}

/// Returns the name with its prefix, if the format has one. `star` archives have a shorter prefix.
/// GNU archives have none, but Go before 1.8 wrote one there, and Go still reads it if the fields
/// in its place are not numbers.
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

/// Parses a number of a header: octal, or base 256 if the first bit is set.
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

pub(crate) fn natural(size: i64) -> Result<u64> {
    u64::try_from(size).map_err(|_| invalid("a size is negative"))
}

/// Checks the sum of the header's bytes, with its own field as spaces. Some old writers took bytes
/// as signed.
fn checksum(bytes: &[u8; BLOCK], field: &[u8]) -> Result<()> {
    let expected = octal_checksum(field)?;
    // The sum of all bytes, corrected for the field's content, avoids a test for every byte.
    let spaces = field.len() as i64 * i64::from(b' ');
    let sum = |bytes: &[u8]| bytes.iter().map(|byte| u32::from(*byte)).sum::<u32>();
    let unsigned = i64::from(sum(bytes)) - i64::from(sum(field)) + spaces;
    let sum = |bytes: &[u8]| bytes.iter().map(|byte| i64::from(byte.cast_signed())).sum::<i64>();
    let signed = || sum(bytes) - sum(field) + spaces;
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

pub(crate) fn until_nul(bytes: &[u8]) -> &[u8] {
    &bytes[..memchr::memchr(0, bytes).unwrap_or(bytes.len())]
}
