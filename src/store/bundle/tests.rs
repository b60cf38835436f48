//! Tests of bundles that are written, read, and made to do harm.

use super::*;
use crate::{
    ErrorKind,
    limits::Limits,
    oci::{Document, Manifest, Tag, media},
    store::BlobSource,
};
use std::{collections::BTreeMap, fs, io::Write, path::PathBuf};

fn manifest(layers: &[&[u8]]) -> Manifest {
    let document = Document {
        schema_version: 2,
        media_type: None,
        artifact_type: None,
        config: Some(Descriptor::of(media::CHART_CONFIG, b"{}")),
        layers: Some(layers.iter().map(|l| Descriptor::of(media::CHART_CONTENT, l)).collect()),
        manifests: None,
        subject: None,
        annotations: BTreeMap::new(),
    };
    Manifest::compose(document, media::MANIFEST)
}

fn entry(name: &str, tag: &str, manifest: &Manifest) -> Entry {
    let tag: Tag = tag.parse().expect("tag");
    Entry::new(name.parse().expect("name"), &TagOrDigest::Tag(tag), manifest.descriptor())
}

fn write(format: Format) -> Vec<u8> {
    let one = manifest(&[b"one"]);
    let entries = [entry("team/demo", "1.0.0_b1", &one)];
    let mut writer = Writer::new(Vec::new(), format, &entries, None).expect("begun");
    writer.manifest(&one).expect("manifest");
    for bytes in [&b"{}"[..], b"one"] {
        let blob = Descriptor::of("x", bytes);
        writer.blob(&blob, &BlobSource::Bytes(bytes.to_vec().into())).expect("blob");
    }
    writer.finish().expect("finished")
}

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("folder"))
    }

    fn file(&self, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join("b.tar.zst");
        fs::write(&path, bytes).expect("written");
        path
    }
}

#[test]
fn a_bundle_comes_back_as_it_went_in_and_is_the_same_each_time() {
    let place = Place::new();
    for format in [Format::Zstd, Format::Plain] {
        let bytes = write(format);
        assert!(bytes == write(format), "deterministic");
        let bundle = Bundle::open(&place.file(&bytes), &Limits::default()).expect("good");
        let [only] = bundle.entries() else { panic!("{:?}", bundle.entries()) };
        assert_eq!(only.name.to_string(), "team/demo:1.0.0_b1");
        assert!(bundle.manifest(only.digest()).is_some());
        let mut parts = Vec::new();
        bundle
            .blobs(
                |digest| digest != only.digest(),
                |part| {
                    parts.push(part.digest);
                    Ok(())
                },
            )
            .expect("read again");
        assert_eq!(parts, [Digest::sha256(b"{}"), Digest::sha256(b"one")]);
    }
}

#[test]
fn a_blob_that_is_not_what_it_is_said_to_be_is_not_written() {
    let one = manifest(&[b"one"]);
    let entries = [entry("demo", "1.0.0", &one)];
    for bytes in ["two", "longer"] {
        let mut writer = Writer::new(Vec::new(), Format::Plain, &entries, None).expect("begun");
        let error = writer
            .blob(&Descriptor::of("x", b"one"), &BlobSource::Bytes(bytes.into()))
            .expect_err("another");
        assert_eq!(error.kind(), ErrorKind::Integrity);
    }
}

/// Makes a tar of these files, each with a type flag of tar.
fn tar(files: &[(&str, u8, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, flag, content) in files {
        let mut header = tar::Header::new_ustar();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.as_mut_bytes()[156] = *flag;
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        out.write_all(header.as_bytes()).expect("memory");
        out.extend_from_slice(content);
        out.resize(out.len().next_multiple_of(512), 0);
    }
    out.resize(out.len() + 1024, 0);
    out
}

const MARK_FILE: (&str, u8, &[u8]) = ("oci-layout", b'0', MARK_TEXT.as_bytes());
const EMPTY_INDEX: (&str, u8, &[u8]) = ("index.json", b'0', br#"{"manifests":[]}"#);

#[test]
fn layouts_of_others_are_read_whatever_their_order() {
    let one = manifest(&[b"one"]);
    let index = format!(
        r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"{}","digest":"{}","size":{},"annotations":{{"{}":"1.0.0"}}}}]}}"#,
        media::MANIFEST,
        one.digest(),
        one.bytes().len(),
        media::REF_NAME
    );
    let manifest_path = super::write::path(one.digest());
    let layer_path = super::write::path(&Digest::sha256(b"one"));
    let bytes = tar(&[
        ("./", b'5', b""),
        ("./blobs/", b'5', b""),
        (&layer_path, b'0', b"one"),
        (&manifest_path, b'0', one.bytes()),
        ("manifest.json", b'0', b"[]"),
        ("./index.json", b'0', index.as_bytes()),
        ("./oci-layout", b'0', MARK_TEXT.as_bytes()),
    ]);
    let place = Place::new();
    let bundle = Bundle::open(&place.file(&bytes), &Limits::default()).expect("good");
    assert_eq!(bundle.entries()[0].name.to_string(), "1.0.0");
    assert!(bundle.manifest(one.digest()).is_some());
    assert!(bundle.known().contains(&Digest::sha256(b"{}")), "named, though not held");
}

#[test]
fn hostile_bundles_are_refused_with_their_reason() {
    let wrong = format!("blobs/sha256/{}", Digest::sha256(b"other").hex());
    let good = format!("blobs/sha256/{}", Digest::sha256(b"x").hex());
    let small = Limits { bundle_entries: 2, ..Limits::default() };
    let none = Limits { bundle_manifests_bytes: 1, ..Limits::default() };
    let normal = Limits::default();
    let open = |bytes: &[u8], limits: &Limits| {
        let place = Place::new();
        Bundle::open(&place.file(bytes), limits).expect_err("hostile").chain()
    };
    let mut cut = tar(&[MARK_FILE, EMPTY_INDEX]);
    cut.truncate(900);
    for (files, limits, reason) in [
        (&[EMPTY_INDEX][..], &normal, "it has no `oci-layout`"),
        (&[MARK_FILE], &normal, "it has no `index.json`"),
        (&[("index.json", b'0', b"[]")], &normal, "`index.json` is not an image index"),
        (&[("oci-layout", b'0', br#"{"imageLayoutVersion":"2.0.0"}"#)], &normal, "version `2.0.0`"),
        (&[("../evil", b'0', b"x")], &normal, "`../evil` points out"),
        (&[("blobs/../../evil", b'0', b"x")], &normal, "points out"),
        (&[("/etc/evil", b'0', b"x")], &normal, "points out"),
        (&[("a/../../b/", b'5', b"")], &normal, "points out"),
        (&[("blobs/sha256/x", b'0', b"x")], &normal, "is not a blob's name"),
        (&[("blobs/sha256/link", b'2', b"")], &normal, "is a symbolic link"),
        (&[("hard", b'1', b"")], &normal, "is a hard link"),
        (&[("device", b'4', b"")], &normal, "is a block device"),
        (&[(&wrong, b'0', b"x")], &normal, "has another digest"),
        (&[(&good, b'0', b"x"), (&good, b'0', b"x")], &normal, "twice"),
        (&[EMPTY_INDEX, EMPTY_INDEX], &normal, "twice"),
        (&[MARK_FILE, EMPTY_INDEX, ("x", b'0', b"")], &small, "more than 2 entries"),
        (
            &[(&format!("blobs/sha256/{}", Digest::sha256(b"{}").hex()), b'0', b"{}")],
            &none,
            "its manifests have more than 1 bytes",
        ),
    ] {
        let found = open(&tar(files), limits);
        assert!(found.contains(reason), "{reason}: {found}");
    }
    for bytes in [cut, b"PK\x03\x04 no tar".repeat(50)] {
        open(&bytes, &normal);
    }
}

#[test]
fn a_bundle_that_inflates_without_end_is_refused() {
    let mut zeros = tar(&[MARK_FILE, EMPTY_INDEX]);
    zeros.truncate(zeros.len() - 1024);
    let length = 24 << 20;
    let mut header = tar::Header::new_ustar();
    header.as_mut_bytes()[..6].copy_from_slice(b"zeroes");
    header.set_size(length);
    header.set_cksum();
    zeros.extend_from_slice(header.as_bytes());
    zeros.resize(zeros.len() + length as usize, 0);
    let mut packed = super::zstd::Compressor::new(Vec::new());
    packed.write_all(&zeros).expect("memory");
    let packed = packed.finish().expect("memory");
    let place = Place::new();
    let error = Bundle::open(&place.file(&packed), &Limits::default()).expect_err("bomb");
    assert_eq!(error.kind(), ErrorKind::Limit);
    assert!(error.chain().contains("inflates to more than 400 times"), "{}", error.chain());
}

#[test]
fn names_say_the_format() {
    for (name, format) in
        [("x.tar", Format::Plain), ("x.tar.zst", Format::Zstd), ("x.tzst", Format::Zstd)]
    {
        assert_eq!(Format::of(name.as_ref()).expect(name), format);
    }
    assert_eq!(Format::of("x.zip".as_ref()).expect_err("zip").kind(), ErrorKind::Usage);
}
