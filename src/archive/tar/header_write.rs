//! A writer of tar headers that are equal to those of Go's `archive/tar` for Helm and ORAS, byte
//! for byte: USTAR, with a PAX header before it only for values that do not fit. [`super::reader`]
//! reads headers.

use tar::{EntryType, Header};

const BLOCK: usize = 512;
const NAME: usize = 100;
const PREFIX: usize = 155;

/// The largest size that a header without PAX can hold: eleven octal digits.
const MAX_SIZE: u64 = (1 << 33) - 1;

/// The kind of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MemberKind<'a> {
    File,
    Directory,
    /// A symbolic link with this target.
    Link(&'a str),
}

/// A member of an archive, without its content. The owner is always 0.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Member<'a> {
    pub(crate) name: &'a str,
    pub(crate) kind: MemberKind<'a>,
    /// The permission bits.
    pub(crate) mode: u32,
    /// Bytes of content.
    pub(crate) size: u64,
    /// Modification time in Unix seconds.
    pub(crate) modified: i64,
}

/// Appends the header of a regular file of mode 0644 to `out`.
pub(crate) fn write(out: &mut Vec<u8>, name: &str, size: u64, modified: i64) {
    write_member(out, &Member { name, kind: MemberKind::File, mode: 0o644, size, modified });
}

/// Appends the header of a member to `out`.
pub(crate) fn write_member(out: &mut Vec<u8>, member: &Member<'_>) {
    let Member { name, kind, mode, size, modified } = *member;
    let long = name.len() > NAME || !name.is_ascii();
    let split = split(name);
    let time = u64::try_from(modified).ok().filter(|&time| time < 1 << 33);
    let (entry_type, link) = match kind {
        MemberKind::File => (EntryType::Regular, ""),
        MemberKind::Directory => (EntryType::Directory, ""),
        MemberKind::Link(target) => (EntryType::Symlink, target),
    };
    let long_link = link.len() > NAME || !link.is_ascii();
    let fits = time.is_some() && size <= MAX_SIZE && !long_link;
    let ustar = fits && (!long || split.is_some());
    if !ustar {
        // The records are sorted by their keys.
        let mut records = Vec::new();
        if long_link {
            record(&mut records, "linkpath", link);
        }
        if time.is_none() {
            record(&mut records, "mtime", &modified.to_string());
        }
        if long {
            record(&mut records, "path", name);
        }
        if size > MAX_SIZE {
            record(&mut records, "size", &size.to_string());
        }
        extended(out, name, &records);
    }
    let mut header = Header::new_ustar();
    header.set_entry_type(entry_type);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(if size > MAX_SIZE { 0 } else { size });
    header.set_mtime(time.unwrap_or(0));
    let (prefix, name) = split.filter(|_| ustar).unwrap_or(("", name));
    if let Some(fields) = header.as_ustar_mut() {
        fields.set_device_major(0);
        fields.set_device_minor(0);
        fields.prefix[..prefix.len()].copy_from_slice(prefix.as_bytes());
        put_name(&mut fields.name, &ascii(name));
        let link = ascii(link);
        let link = &link.as_bytes()[..link.len().min(NAME)];
        fields.linkname[..link.len()].copy_from_slice(link);
    }
    finish(out, header);
}

/// Appends the padding of the last block for content of `size` bytes.
pub(crate) fn pad(out: &mut Vec<u8>, size: u64) {
    out.extend_from_slice(&[0; BLOCK][..(size.wrapping_neg() % BLOCK as u64) as usize]);
}

/// Appends the two zero blocks that end an archive. Go writes no more; other writers fill 10 KiB.
pub(crate) fn end(out: &mut Vec<u8>) {
    out.extend_from_slice(&[0; 2 * BLOCK]);
}

/// Appends the header and the content of a PAX extension.
fn extended(out: &mut Vec<u8>, name: &str, records: &[u8]) {
    let (directory, file) =
        name.rsplit_once('/').map_or(("", name), |(directory, file)| (directory, file));
    let path = if directory.is_empty() {
        format!("PaxHeaders.0/{file}")
    } else {
        format!("{directory}/PaxHeaders.0/{file}")
    };
    let mut path = ascii(&path);
    path.truncate(NAME);
    let mut header = Header::new_ustar();
    header.set_entry_type(EntryType::XHeader);
    header.set_mode(0);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(records.len() as u64);
    header.set_mtime(0);
    if let Some(ustar) = header.as_ustar_mut() {
        let path = path.trim_end_matches('/');
        ustar.name[..path.len()].copy_from_slice(path.as_bytes());
        ustar.dev_major = [0; 8];
        ustar.dev_minor = [0; 8];
    }
    finish(out, header);
    out.extend_from_slice(records);
    pad(out, records.len() as u64);
}

/// Appends a PAX record. It begins with its whole length in decimal, which includes the digits of
/// the length.
fn record(out: &mut Vec<u8>, key: &str, value: &str) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + digits(rest);
    if digits(length) != digits(rest) {
        length = rest + digits(length);
    }
    out.extend_from_slice(format!("{length} {key}={value}\n").as_bytes());
}

fn digits(number: usize) -> usize {
    number.to_string().len()
}

/// Appends the header with the checksum in Go's form: six digits, NUL, space.
fn finish(out: &mut Vec<u8>, mut header: Header) {
    let field = 148..156;
    header.as_mut_bytes()[field.clone()].fill(b' ');
    let sum: u32 = header.as_bytes().iter().copied().map(u32::from).sum();
    header.as_mut_bytes()[field].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    out.extend_from_slice(header.as_bytes());
}

/// Returns USTAR's prefix and name, split at the last `/` that leaves both short enough.
fn split(name: &str) -> Option<(&str, &str)> {
    if name.len() <= NAME || !name.is_ascii() {
        return None;
    }
    let at =
        name.as_bytes()[..name.len().min(PREFIX + 1)].iter().rposition(|&byte| byte == b'/')?;
    let (prefix, rest) = (&name[..at], &name[at + 1..]);
    (!prefix.is_empty() && !rest.is_empty() && rest.len() <= NAME).then_some((prefix, rest))
}

/// Returns a name for readers without PAX: without the characters that are not ASCII.
fn ascii(name: &str) -> String {
    name.chars().filter(char::is_ascii).collect()
}

/// Writes a name, cut if it does not fit, but never so that it ends in a slash: old readers would
/// take it for a directory.
fn put_name(field: &mut [u8; NAME], name: &str) {
    let length = name.len().min(NAME);
    field[..length].copy_from_slice(&name.as_bytes()[..length]);
    if name.len() > NAME && field[NAME - 1] == b'/' {
        let end = name[..NAME - 1].trim_end_matches('/').len();
        field[end] = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_those_of_go() {
        let a = |count| "a".repeat(count);
        let entries = [
            ("demo/Chart.yaml".to_owned(), 1_704_164_646),
            (a(100), 0),
            (a(101), 1),
            (a(50) + "/" + &a(50), 2),
            (a(50) + "/" + &a(100), 3),
            (a(50) + "/" + &a(101), 4),
            (a(155) + "/" + &a(100), 5),
            (a(156) + "/" + &a(100), 6),
            (a(155) + "/" + &a(101), 7),
            (a(20) + "/" + &a(155) + "/" + &a(10), 8),
            ("demo/é".to_owned(), 9),
            ("demo/日本/".to_owned() + &"語".repeat(40) + ".yaml", 10),
            (a(99) + "/" + &"é".repeat(60), 11),
            (a(99) + "/" + &a(200), 12),
            ("demo/x".to_owned(), -1),
            ("demo/x".to_owned(), 8_589_934_591),
            ("demo/x".to_owned(), 8_589_934_592),
            (a(50) + "/" + &a(60), -5),
            ("demo/".to_owned() + &"a/".repeat(120) + "x", 13),
            ("demo/".to_owned() + &a(970), 14),
            ("demo/".to_owned() + &a(990), 15),
        ];
        let go = include_bytes!("../../../testdata/archive/headers.tar");
        let mut at = 0;
        for (name, modified) in entries {
            let mut ours = Vec::new();
            write(&mut ours, &name, 3, modified);
            ours.extend_from_slice(b"abc");
            pad(&mut ours, 3);
            assert!(ours == go[at..at + ours.len()], "{name} at {modified}");
            at += ours.len();
        }
        let mut ours = Vec::new();
        end(&mut ours);
        assert_eq!(ours, go[at..]);
    }
}
