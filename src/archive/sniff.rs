//! Detection of files that are not archives, from their first bytes by the browsers' rules that Go
//! follows. If a user gives a web page or a values.yaml instead of a chart, the error says so in
//! Helm's words.

use crate::{Error, Result};
use std::{
    fs::File,
    io::{Read as _, Seek as _},
    path::Path,
};

const LENGTH: usize = 512;

/// Refuses a file that does not begin as a gzip stream does. Leaves a valid file at its start.
pub(super) fn check(path: &Path, file: &mut File) -> Result<()> {
    let fail = |error| Error::io("read chart archive", path, error);
    let mut start = Vec::with_capacity(LENGTH);
    file.by_ref().take(LENGTH as u64).read_to_end(&mut start).map_err(fail)?;
    file.rewind().map_err(fail)?;
    if start.starts_with(b"\x1f\x8b\x08") {
        return Ok(());
    }
    // Helm looks at a buffer of this length for any file: a short text is padded with zeros and
    // does not count as text.
    start.resize(LENGTH, 0);
    let name = path.display();
    let is_yaml =
        path.extension().is_some_and(|extension| extension == "yml" || extension == "yaml");
    Err(Error::invalid(if is_yaml {
        format!("file '{name}' seems to be a YAML file, but expected a gzipped archive")
    } else {
        let kind = kind(&start);
        format!("file '{name}' does not appear to be a gzipped archive; got '{kind}'")
    }))
}

fn kind(start: &[u8]) -> &'static str {
    let is_space = |byte: &u8| matches!(byte, b'\t' | b'\n' | 0x0c | b'\r' | b' ');
    let text = &start[start.iter().take_while(|byte| is_space(byte)).count()..];
    if TAGS.iter().any(|tag| is_tag(text, tag)) {
        return "text/html; charset=utf-8";
    }
    if text.starts_with(b"<?xml") {
        return "text/xml; charset=utf-8";
    }
    if let Some((_, kind)) = MAGIC.iter().find(|(magic, _)| start.starts_with(magic)) {
        return kind;
    }
    let is_binary = |byte: &u8| matches!(byte, 0..=8 | 0x0b | 0x0e..=0x1a | 0x1c..=0x1f);
    if text.iter().any(is_binary) {
        "application/octet-stream"
    } else {
        "text/plain; charset=utf-8"
    }
}

fn is_tag(text: &[u8], tag: &str) -> bool {
    text.len() > tag.len()
        && text[..tag.len()].eq_ignore_ascii_case(tag.as_bytes())
        && matches!(text[tag.len()], b' ' | b'>')
}

const TAGS: [&str; 17] = [
    "<!DOCTYPE HTML",
    "<HTML",
    "<HEAD",
    "<SCRIPT",
    "<IFRAME",
    "<H1",
    "<DIV",
    "<FONT",
    "<TABLE",
    "<A",
    "<STYLE",
    "<TITLE",
    "<B",
    "<BODY",
    "<BR",
    "<P",
    "<!--",
];

/// The types of the list that a user may confuse with a chart.
const MAGIC: [(&[u8], &str); 9] = [
    (b"%PDF-", "application/pdf"),
    (b"\xfe\xff", "text/plain; charset=utf-16be"),
    (b"\xff\xfe", "text/plain; charset=utf-16le"),
    (b"\xef\xbb\xbf", "text/plain; charset=utf-8"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"PK\x03\x04", "application/zip"),
    (b"Rar!\x1a\x07", "application/x-rar-compressed"),
    (b"\0asm", "application/wasm"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_no_archives_are_told_as_helm_tells_them() {
        let long = [b"{".as_slice(), &[b'x'; 600]].concat();
        let rows: [(&str, &[u8], &str); 13] = [
            ("a.html", b"<!DOCTYPE html><html></html>", "text/html; charset=utf-8"),
            ("b.bin", b"  <html >", "text/html; charset=utf-8"),
            ("c.xml", b"<?xml version='1.0'?>", "text/xml; charset=utf-8"),
            ("d.json", &long, "text/plain; charset=utf-8"),
            ("e.txt", b"short", "application/octet-stream"),
            ("f.zip", b"PK\x03\x04", "application/zip"),
            ("g.png", b"\x89PNG\r\n\x1a\n", "image/png"),
            ("h.pdf", b"%PDF-1.4", "application/pdf"),
            ("i.tgz", b"", "application/octet-stream"),
            ("j.txt", b"\xef\xbb\xbfabc", "text/plain; charset=utf-8"),
            ("k.tgz", b"\x1f\x8b", "application/octet-stream"),
            ("l.rar", b"Rar!\x1a\x07\0", "application/x-rar-compressed"),
            ("m.x", b"<pre>", "application/octet-stream"),
        ];
        let place = tempfile::tempdir().expect("a directory");
        let said = |name: &str, content: &[u8]| {
            let path = place.path().join(name);
            std::fs::write(&path, content).expect("a file");
            let checked = check(Path::new(name), &mut File::open(path).expect("the file"));
            checked.map_err(|error| error.message().to_owned())
        };
        for (name, content, kind) in rows {
            let text =
                format!("file '{name}' does not appear to be a gzipped archive; got '{kind}'");
            assert_eq!(said(name, content), Err(text));
        }
        for name in ["values.yaml", "values.yml"] {
            let text =
                format!("file '{name}' seems to be a YAML file, but expected a gzipped archive");
            assert_eq!(said(name, b"a: 1\n"), Err(text));
        }
        assert_eq!(said("values.yaml", b"\x1f\x8b\x08"), Ok(()));
    }
}
