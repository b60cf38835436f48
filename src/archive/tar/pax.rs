//! PAX records: properties of the next entry in a tar stream. Only the properties that a member
//! can need are read.

use super::reader::invalid;
use crate::Result;

/// The PAX records of the next entry. The last of equal keys counts; an empty value removes a key.
#[derive(Default)]
pub(crate) struct Records {
    pub(crate) path: Option<Vec<u8>>,
    pub(crate) target: Option<Vec<u8>>,
    pub(crate) size: Option<i64>,
    pub(crate) modified: Option<i64>,
    pub(crate) sparse: bool,
}

impl Records {
    pub(crate) fn parse(mut bytes: &[u8]) -> Result<Self> {
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
            b"linkpath" => self.target = given.then(|| value.to_vec()),
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

/// Parses a PAX time, rounded to the nearest second as Go rounds when it writes one.
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
