//! Archives that must be refused, and odd ones that must not: each a case with what has to be said of it.
//!
//! `cargo run --example hostile DIR` writes them all into DIR. The tests include this file and read the cases as
//! streams, so that a bomb of 10 GiB is stored nowhere. The archives are put together byte by byte, by nothing of
//! what they are meant to try.

// The tests include this file; what it prints, it prints as a program.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::expect_used,
    missing_debug_implementations
)]

mod tape;

use std::{
    fs::File,
    io::{self, Cursor, Read},
    path::PathBuf,
    process::ExitCode,
};
use tape::{Tape, gzip, members, repeated};

/// One archive.
pub struct Case {
    /// What is odd about it.
    pub name: String,
    /// Makes its bytes, as they are read where there are many.
    pub archive: Box<dyn FnOnce() -> Box<dyn Read>>,
    /// What reading it has to come to.
    pub verdict: Verdict,
}

/// What reading an archive has to come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A chart of these files, in the order in which they come.
    Good(Vec<String>),
    /// Bad input, for this reason.
    Invalid(String),
    /// Too much, for this reason.
    Limit(String),
}

/// A chart that says as little as a chart can.
pub const CHART: &[u8] = b"apiVersion: v2\nname: demo\nversion: 1.0.0\n";
const SUBCHART: &[u8] = b"apiVersion: v2\nname: sub\nversion: 1.0.0\n";

const PARENT: &str = "chart illegally references parent directory";
const ABSOLUTE: &str = "chart illegally contains absolute paths";
const ILLEGAL: &str = "chart contains illegally named files";
const MISSING: &str = "Chart.yaml file is missing";
const BAD_HEADER: &str = "archive/tar: invalid tar header";
const CUT: &str = "unexpected EOF";
const TOO_LARGE: &str = "decompressed chart is larger than the maximum size 104857600";

const MIB: u64 = 1024 * 1024;
const GIB: u64 = 1024 * MIB;

/// Writes every case into a directory.
#[allow(dead_code, reason = "the tests include this file and have a main function of their own")]
fn main() -> ExitCode {
    let Some(directory) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: hostile DIR");
        return ExitCode::from(64);
    };
    let write = |case: Case| -> io::Result<()> {
        let name = case.name.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        let mut archive = (case.archive)();
        let mut file = File::create(directory.join(format!("{name}.tgz")))?;
        io::copy(&mut archive, &mut file)?;
        println!("{name}.tgz: {:?}", case.verdict);
        Ok(())
    };
    let written = std::fs::create_dir_all(&directory)
        .and_then(|()| cases().into_iter().chain(bombs()).try_for_each(write));
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cannot write into `{}`: {error}", directory.display());
            ExitCode::FAILURE
        }
    }
}

/// Every case but the bombs.
pub fn cases() -> Vec<Case> {
    [
        names(),
        good_names(),
        types(),
        numbers(),
        records(),
        ends(),
        streams(),
        contents(),
        subcharts(),
        limits(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn case(name: impl Into<String>, tape: Tape, verdict: Verdict) -> Case {
    stream(name, tape.gzip(), verdict)
}

fn stream(name: impl Into<String>, archive: Vec<u8>, verdict: Verdict) -> Case {
    Case { name: name.into(), archive: Box::new(|| Box::new(Cursor::new(archive))), verdict }
}

fn good(files: &[&str]) -> Verdict {
    Verdict::Good(files.iter().map(|&file| file.to_owned()).collect())
}

fn invalid(reason: impl Into<String>) -> Verdict {
    Verdict::Invalid(reason.into())
}

fn limit(reason: impl Into<String>) -> Verdict {
    Verdict::Limit(reason.into())
}

/// Bad names: in the header itself, in a PAX record and as a GNU long name.
fn names() -> Vec<Case> {
    let outside = |name: &str| {
        format!("chart illegally contains content outside the base directory: {name:?}")
    };
    let control =
        |name: &str| format!("chart contains control characters in a file name: {name:?}");
    let mut cases = Vec::new();
    for (name, reason) in [
        ("../../malformed-helm-test", PARENT.to_owned()),
        ("/foo/../../malformed-helm-test", PARENT.to_owned()),
        ("/../../malformed-helm-test", PARENT.to_owned()),
        ("./../../malformed-helm-test", PARENT.to_owned()),
        (r"\..\..\foo", PARENT.to_owned()),
        // CVE-2019-1000008
        ("chart/../../evil", PARENT.to_owned()),
        ("demo/..foo", PARENT.to_owned()),
        ("demo/..data/x", PARENT.to_owned()),
        ("./.", outside("./.")),
        ("/./.", outside("/./.")),
        ("missing-leading-slash", outside("missing-leading-slash")),
        ("Chart.yaml", outside("Chart.yaml")),
        ("//foo", ABSOLUTE.to_owned()),
        ("///foo", ABSOLUTE.to_owned()),
        (r"\\foo", ABSOLUTE.to_owned()),
        (r"\\?\Some\windows\magic", ABSOLUTE.to_owned()),
        (r"\.\c:\\foo", ILLEGAL.to_owned()),
        ("/./c://foo", ILLEGAL.to_owned()),
        ("demo/c:/x", ILLEGAL.to_owned()),
        ("Chart.yaml/sub", "chart yaml not in base directory".to_owned()),
        ("demo/a\nb", control("a\nb")),
        ("demo/\x1b[31mred", control("\x1b[31mred")),
    ] {
        let shown = name.escape_default();
        let verdict = invalid(reason);
        let tape = Tape::demo().file(name, b"x");
        cases.push(case(format!("name {shown}"), tape, verdict.clone()));
        let tape = Tape::demo().pax(&[("path", name)]).file("demo/innocent", b"x");
        cases.push(case(format!("name in a pax record {shown}"), tape, verdict.clone()));
        let tape = Tape::demo().long_name(name).file("demo/innocent", b"x");
        cases.push(case(format!("gnu long name {shown}"), tape, verdict));
    }
    let tape = Tape::demo().entry(b'0', b"demo/\xff", 1, b"x");
    let reason = "chart contains a file name that is not UTF-8: \"demo/\u{fffd}\"";
    cases.push(case("name not utf-8", tape, invalid(reason)));
    cases
}

/// Odd names that Helm accepts.
fn good_names() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, file) in [
        ("demo/a/../b", "b"),
        ("demo/a/c:/x", "a/c:/x"),
        (r"foo/bar\baz", "baz"),
        ("other/values.yaml", "values.yaml"),
        ("demo/chart.yaml", "chart.yaml"),
        ("/missing-leading-slash", "missing-leading-slash"),
        ("demo/./a//b", "a/b"),
    ] {
        let verdict = good(&["Chart.yaml", file]);
        cases.push(case(format!("good name {name}"), Tape::demo().file(name, b""), verdict));
    }
    for name in ["/Chart.yaml", r"c:\Chart.yaml"] {
        let tape = Tape::default().file(name, CHART);
        cases.push(case(format!("good name {name}"), tape, good(&["Chart.yaml"])));
    }
    for name in ["/missing-leading-slash", "files/whatever.yaml"] {
        let tape = Tape::default().file(name, b"x");
        cases.push(case(format!("alone {name}"), tape, invalid(MISSING)));
    }
    cases
}

/// Entries that are not regular files: Helm makes empty files of them. Links are skipped, the others refused.
fn types() -> Vec<Case> {
    let irregular = |what: &str| {
        invalid(format!("chart contains \"demo/x\", a {what}, which is not a regular file"))
    };
    let mut cases = Vec::new();
    for (flag, what) in [
        (b'3', "character device"),
        (b'4', "block device"),
        (b'6', "fifo"),
        (b'S', "sparse file"),
        (b'V', "member of unknown type"),
    ] {
        let tape = Tape::demo().entry(flag, b"demo/x", 0, b"");
        cases.push(case(format!("type {what}"), tape, irregular(what)));
    }
    for (flag, what) in [(b'1', "hard link"), (b'2', "symbolic link")] {
        let tape = Tape::demo().entry(flag, b"demo/x", 0, b"");
        cases.push(case(format!("type {what}"), tape, good(&["Chart.yaml"])));
    }
    let sparse =
        [("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0"), ("GNU.sparse.name", "demo/y")];
    let tape = Tape::demo().pax(&sparse).file("demo/x", b"0\n");
    cases.push(case("type sparse file by pax records", tape, irregular("sparse file")));
    for (name, flag) in [("contiguous file", b'7'), ("file of old archives", 0)] {
        let tape = Tape::demo().entry(flag, b"demo/x", 1, b"x");
        cases.push(case(name, tape, good(&["Chart.yaml", "x"])));
    }
    for (name, tape) in [
        ("directory", Tape::demo().entry(b'5', b"demo/templates/", 0, b"")),
        ("directory without a slash", Tape::demo().entry(b'5', b"demo/templates", 0, b"")),
        ("directory that has a size", Tape::demo().entry(b'5', b"demo/templates/", 4096, b"")),
        ("directory of old archives", Tape::demo().entry(0, b"demo/templates/", 4096, b"")),
        ("directory by its slash", Tape::demo().entry(b'0', b"demo/templates/", 1, b"x")),
        ("directory outside", Tape::demo().entry(b'5', b"../../", 0, b"")),
        ("global pax header", Tape::demo().global(&[("path", "../x")])),
    ] {
        cases.push(case(name, tape, good(&["Chart.yaml"])));
    }
    cases
}

/// Headers whose numbers lie.
fn numbers() -> Vec<Case> {
    let both = || good(&["Chart.yaml", "x"]);
    let mut overflow = [0xff; 12];
    overflow[0] = 0xbf;
    vec![
        case(
            "checksum is wrong",
            Tape::demo().file("demo/x", b"x").flipped(1024 + 5),
            invalid(BAD_HEADER),
        ),
        case("size is negative", Tape::demo().sized(&[0xff; 12], b""), invalid(BAD_HEADER)),
        case("size overflows", Tape::demo().sized(&overflow, b""), invalid(BAD_HEADER)),
        case("size is not octal", Tape::demo().sized(b"00000000009\0", b""), invalid(BAD_HEADER)),
        case("size in base 256", Tape::demo().sized(b"\x80\0\0\0\0\0\0\0\0\0\0\x01", b"x"), both()),
        case("size with spaces", Tape::demo().sized(b"          1 ", b"x"), both()),
        case("size beyond the end", Tape::demo().entry(b'0', b"demo/x", 4096, b"x"), invalid(CUT)),
    ]
}

/// PAX records and GNU long names that lie.
fn records() -> Vec<Case> {
    let x = |tape: Tape| tape.file("demo/x", b"x");
    let size = |size: &str| x(Tape::demo().pax(&[("size", size)]));
    let raw = |records: &[u8]| x(Tape::demo().records(b'x', records));
    let both = || good(&["Chart.yaml", "x"]);
    let bad = || invalid(BAD_HEADER);
    let smaller = Tape::demo().pax(&[("size", "1")]).file("demo/x", &[b'x'; 600]);
    let replaced = x(Tape::demo().pax(&[("path", "demo/y")]).pax(&[("mtime", "1.5")]));
    let first = Tape::demo().long_name("demo/x").pax(&[("path", "demo/y")]).file("demo/z", b"");
    let long = "b".repeat(200);
    let long_name = Tape::demo().long_name(&format!("demo/{long}")).file("demo/z", b"");
    let too_long = invalid("archive/tar: header field too long");
    let mebibyte = vec![b' '; MIB as usize + 1];
    vec![
        case("pax size is negative", size("-1"), bad()),
        case("pax size is no number", size("many"), bad()),
        case("pax size is larger", size("100000"), invalid(CUT)),
        case("pax size is smaller", smaller, bad()),
        case("pax size is empty", size(""), both()),
        case("pax size is huge", size("9223372036854775807"), limit(TOO_LARGE)),
        case("pax time is no number", x(Tape::demo().pax(&[("mtime", "1.x")])), bad()),
        case("pax record is cut", raw(b"99 path=demo/y\n"), bad()),
        case("pax record without equals", raw(b"9 pathxx\n"), bad()),
        case("pax record without key", raw(b"8 =abcd\n"), bad()),
        case("pax record without line end", raw(b"9 a=bcde "), bad()),
        case("pax path with a zero", raw(b"17 path=demo/x\0y\n"), bad()),
        case("pax records too long", raw(&mebibyte), too_long),
        case("later pax records replace earlier", replaced, both()),
        case("gnu long name goes before pax path", first, both()),
        case("gnu long name of 205 bytes", long_name, good(&["Chart.yaml", &long])),
    ]
}

/// Where a tar stream ends.
fn ends() -> Vec<Case> {
    let both = || good(&["Chart.yaml", "x"]);
    let x = || Tape::demo().file("demo/x", b"x");
    let unpadded = Tape::demo().entry(b'0', b"demo/x", 1, b"").raw(b"x").without_end();
    let zeros = [0; 512];
    vec![
        case(
            "a zero block and another header",
            Tape::demo().raw(&zeros).file("demo/x", b""),
            invalid(BAD_HEADER),
        ),
        case("a cut header", x().raw(&[b'x'; 100]).without_end(), invalid(CUT)),
        case("no zero blocks", x().without_end(), both()),
        case("one zero block", x().raw(&zeros).without_end(), both()),
        case("no padding", unpadded, both()),
        case("bytes behind the end", x().behind_end(&[7; 700]), both()),
        case("nothing at all", Tape::default(), invalid("no files in chart archive")),
        case("an empty tar", Tape::default().without_end(), invalid("no files in chart archive")),
        case(
            "only directories",
            Tape::default().entry(b'5', b"demo/", 0, b""),
            invalid("no files in chart archive"),
        ),
    ]
}

/// Gzip streams that are damaged.
fn streams() -> Vec<Case> {
    let archive = || Tape::demo().file("demo/x", &noise(100_000)).gzip();
    let cut = |bytes: usize| archive()[..bytes].to_vec();
    let with = |at: usize, flip: u8| {
        let mut archive = archive();
        archive[at] ^= flip;
        archive
    };
    let length = archive().len();
    let tar = Tape::demo().file("demo/x", b"x").finish();
    let two = [gzip(&tar[..700]), gzip(&tar[700..])].concat();
    let header = || invalid("gzip: invalid header");
    vec![
        stream("no bytes", Vec::new(), invalid(CUT)),
        stream("no gzip", b"apiVersion: v2\n".to_vec(), header()),
        stream("cut in the gzip header", cut(5), invalid(CUT)),
        stream("cut behind the gzip header", cut(10), invalid(CUT)),
        stream("cut in the middle", cut(length / 2), invalid(CUT)),
        stream("cut in the trailer", cut(length - 3), invalid(CUT)),
        stream("without trailer", cut(length - 8), invalid(CUT)),
        stream(
            "a bit of the checksum flipped",
            with(length - 8, 1),
            invalid("gzip: invalid checksum"),
        ),
        stream(
            "a bit of the length flipped",
            with(length - 1, 1),
            invalid("gzip: invalid checksum"),
        ),
        stream("reserved block type", with(10, 0b110), invalid("flate: corrupt input")),
        stream(
            "garbage behind the stream",
            [archive(), b"garbage, and more".to_vec()].concat(),
            header(),
        ),
        stream("two members", two, good(&["Chart.yaml", "x"])),
    ]
}

/// Bytes that do not deflate.
fn noise(length: usize) -> Vec<u8> {
    let mut state: u32 = 1;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as u8
    };
    (0..length).map(next).collect()
}

/// Charts whose documents are bad.
fn contents() -> Vec<Case> {
    let named = |name: &str| {
        let chart = format!("apiVersion: v2\nname: \"{name}\"\nversion: 1.0.0\n");
        Tape::default().file("demo/Chart.yaml", chart.as_bytes())
    };
    let with =
        |text: &str| Tape::default().file("demo/Chart.yaml", &[CHART, text.as_bytes()].concat());
    let values = |text: &str| Tape::demo().file("demo/values.yaml", text.as_bytes());
    let twice =
        Tape::demo().file("demo/Chart.yaml", b"apiVersion: v2\nname: other\nversion: 1.0.0\n");
    let late = Tape::default().file("demo/values.yaml", b"a: 1\n").file("demo/Chart.yaml", CHART);
    let kind = "cannot load values.yaml: cannot unmarshal yaml document: error unmarshaling JSON: while decoding \
                JSON: json: cannot unmarshal array into Go value of type map[string]interface {}";
    let alias = "dependencies:\n- {name: a, version: 1.x.x, repository: '', alias: ../../x}\n";
    let helm2 = Tape::default()
        .file("demo/Chart.yaml", b"name: demo\nversion: 1.0.0\n")
        .file("demo/requirements.yaml", b"name: hacked\nversion: 9.9.9\n");
    vec![
        case("two Chart.yaml", twice, invalid("chart contains more than one Chart.yaml")),
        case("Chart.yaml comes last", late, good(&["values.yaml", "Chart.yaml"])),
        // CVE-2024-25620, CVE-2026-35206
        case(
            "chart name ..",
            named(".."),
            invalid("validation: chart.metadata.name \"..\" is not allowed"),
        ),
        case(
            "chart name .",
            named("."),
            invalid("validation: chart.metadata.name \".\" is not allowed"),
        ),
        case(
            "chart name ../../test",
            named("../../test"),
            invalid("validation: chart.metadata.name \"../../test\" is invalid"),
        ),
        case("no chart name", named(""), invalid("validation: chart.metadata.name is required")),
        // CVE-2021-21303: cleaned, not refused
        case("chart name with escapes", named(r"a\tb\e[31m"), good(&["Chart.yaml"])),
        // CVE-2020-15184
        case(
            "dependency alias ../../x",
            with(alias),
            invalid("validation: dependency \"a\" has disallowed characters in the alias"),
        ),
        // CVE-2025-55198
        case(
            "maintainer null",
            with("maintainers: [null]\n"),
            invalid("validation: maintainers must not contain empty or null nodes"),
        ),
        case(
            "dependency null",
            with("dependencies: [null]\n"),
            invalid("validation: dependencies must not contain empty or null nodes"),
        ),
        case(
            "requirements.yaml with another name",
            helm2,
            good(&["Chart.yaml", "requirements.yaml"]),
        ),
        case("values are a list", values("- a\n"), invalid(kind)),
        case(
            "values of several documents",
            values("a: 1\n---\nb: 1\n"),
            good(&["Chart.yaml", "values.yaml"]),
        ),
        case("values are empty", values(""), good(&["Chart.yaml", "values.yaml"])),
        case(
            "no apiVersion",
            Tape::default().file("demo/Chart.yaml", b"name: a\nversion: 1.0.0\n"),
            good(&["Chart.yaml"]),
        ),
    ]
}

/// Subcharts that are none.
fn subcharts() -> Vec<Case> {
    let unpacking = |subchart: &str, reason: &str| {
        invalid(format!("error unpacking subchart {subchart} in demo: {reason}"))
    };
    let packed = |tape: Tape| Tape::demo().file("demo/charts/x.tgz", &tape.gzip());
    let sub = || Tape::default().file("sub/Chart.yaml", SUBCHART);
    let misnamed = Tape::demo().file("demo/charts/x.tgz/Chart.yaml", CHART);
    let twice = Tape::demo()
        .file("demo/charts/x.tgz", &sub().gzip())
        .file("demo/charts/x.tgz", &sub().gzip());
    let late = Tape::default()
        .file("demo/charts/x.tgz", &Tape::default().file("a/../../b", b"").gzip())
        .file("demo/Chart.yaml", CHART);
    let skipped = Tape::demo().file("demo/charts/_x/Chart.yaml", b"[").file("demo/charts/.x", b"");
    vec![
        case(
            "loose file in charts",
            Tape::demo().file("demo/charts/a.txt", b""),
            unpacking("a.txt", MISSING),
        ),
        case(
            "subchart without Chart.yaml",
            Tape::demo().file("demo/charts/sub/values.yaml", b"a: 1\n"),
            unpacking("sub", MISSING),
        ),
        case(
            "subchart archive of one byte",
            Tape::demo().file("demo/charts/x.tgz", b"x"),
            unpacking("x.tgz", CUT),
        ),
        case(
            "directory called like a subchart archive",
            misnamed,
            invalid("error unpacking subchart tar in demo: expected x.tgz, got x.tgz/Chart.yaml"),
        ),
        case(
            "the same subchart archive twice",
            twice,
            invalid("chart contains more than one charts/x.tgz"),
        ),
        case("subchart archive before Chart.yaml", late, unpacking("x.tgz", PARENT)),
        case(
            "subchart archive with a bad name",
            packed(sub().file("sub/../../x", b"")),
            unpacking("x.tgz", PARENT),
        ),
        case(
            "subchart archive with a link",
            packed(sub().entry(b'2', b"sub/x", 0, b"")),
            good(&["Chart.yaml"]),
        ),
        case(
            "provenance in charts",
            Tape::demo().file("demo/charts/x-1.tgz.prov", b""),
            good(&["Chart.yaml", "charts/x-1.tgz.prov"]),
        ),
        case("subcharts that are skipped", skipped, good(&["Chart.yaml"])),
    ]
}

/// Caps, and what lies just below them.
fn limits() -> Vec<Case> {
    let mib5 = vec![0; 5 * MIB as usize];
    let over = vec![0; 5 * MIB as usize + 1];
    let deep = |depth: usize| {
        Tape::demo().long_name(&format!("demo/{}x", "a/".repeat(depth))).file("demo/x", b"")
    };
    let deep_name = format!("{}x", "a/".repeat(64));
    let long = format!("demo/{}", "a".repeat(4096));
    let many = Tape::demo().entry(b'0', b"demo/x", 0, b"").part();
    let header = many[many.len() - 512..].to_vec();
    let large = Tape::default().file("demo/x", &mib5).part();
    let nested = (0..9).fold(Tape::default().file("sub/Chart.yaml", SUBCHART), |tape, _| {
        Tape::default().file("sub/Chart.yaml", SUBCHART).file("sub/charts/x.tgz", &tape.gzip())
    });
    let streamed = |name: &str, archive, verdict| Case {
        name: name.to_owned(),
        archive: Box::new(|| archive),
        verdict,
    };
    vec![
        case("a file of 5 MiB", Tape::demo().file("demo/x", &mib5), good(&["Chart.yaml", "x"])),
        case(
            "a file of 5 MiB and a byte",
            Tape::demo().file("demo/x", &over),
            limit(
                "decompressed chart file \"demo/x\" is larger than the maximum file size 5242880",
            ),
        ),
        streamed("exactly 100 MiB", repeated(&[], &large, 20, &[0; 1024]), limit(TOO_LARGE)),
        streamed(
            "65537 files",
            repeated(&Tape::demo().part(), &header, 65_536, &[0; 1024]),
            limit("chart has more than 65536 files and directories"),
        ),
        case("64 directories deep", deep(64), good(&["Chart.yaml", &deep_name])),
        case(
            "65 directories deep",
            deep(65),
            limit("chart contains directories more than 64 deep"),
        ),
        case(
            "a name of 4101 bytes",
            Tape::demo().long_name(&long).file("demo/x", b""),
            limit("chart contains a file name longer than 4096 bytes"),
        ),
        case(
            "archives nine deep",
            nested,
            limit(
                "error unpacking subchart x.tgz in sub: chart has archives within archives more than 8 deep",
            ),
        ),
    ]
}

/// Archives of 10 GiB and more, in every place where bytes can be.
pub fn bombs() -> Vec<Case> {
    let held = "error unpacking subchart sub3 in demo: metadata and locks of the chart and its subcharts are larger \
                than 16777216 bytes in all";
    let entries = "chart has more than 65536 files and directories";
    let nested = format!("error unpacking subchart x.tgz in demo: {TOO_LARGE}");
    let bomb = |name: &str, archive: fn() -> Box<dyn Read>, verdict| Case {
        name: format!("bomb {name}"),
        archive: Box::new(archive),
        verdict,
    };
    vec![
        bomb("of one file", || large(b"demo/x"), limit(TOO_LARGE)),
        bomb("of a directory with content", || large(b"demo/x/"), limit(TOO_LARGE)),
        bomb(
            "of files",
            || many(Tape::default().file("demo/x", &zeros(4 * MIB))),
            limit(TOO_LARGE),
        ),
        bomb("of empty files", || many(Tape::default().file("demo/x", b"")), limit(entries)),
        bomb(
            "of directories",
            || many(Tape::default().entry(b'5', b"demo/x", 0, b"")),
            limit(entries),
        ),
        bomb("of subcharts", || many(Tape::default().file("demo/charts/a/x", b"")), limit(entries)),
        bomb(
            "of pax records",
            || many(Tape::default().records(b'x', &spaces())),
            invalid(BAD_HEADER),
        ),
        bomb(
            "of global pax headers",
            || many(Tape::default().global(&[("comment", &comment())])),
            limit(TOO_LARGE),
        ),
        bomb("of gnu long names", || many(Tape::default().long_name(&comment())), limit(TOO_LARGE)),
        bomb("behind the end", behind, limit(TOO_LARGE)),
        bomb("of gzip members", || members(&zeros(MIB), 10 * GIB / MIB), limit(TOO_LARGE)),
        bomb("of metadata", metadata, limit(held)),
        bomb("in a subchart archive", within, limit(nested)),
    ]
}

fn zeros(length: u64) -> Vec<u8> {
    vec![0; length as usize]
}

fn spaces() -> Vec<u8> {
    vec![b' '; MIB as usize]
}

fn comment() -> String {
    "x".repeat(MIB as usize - 100)
}

/// An entry that is said to have 10 GiB, and has.
fn large(name: &[u8]) -> Box<dyn Read> {
    let start = Tape::demo().entry(b'0', name, 10 * GIB, b"").part();
    repeated(&start, &zeros(MIB), 10 * GIB / MIB, &zeros(1024))
}

/// 10 GiB of one entry, again and again.
fn many(entry: Tape) -> Box<dyn Read> {
    let entry = entry.part();
    let entry = entry.repeat((MIB as usize / entry.len()).max(1));
    repeated(&Tape::demo().part(), &entry, 10 * GIB / entry.len() as u64, &zeros(1024))
}

fn behind() -> Box<dyn Read> {
    repeated(&Tape::demo().finish(), &zeros(MIB), 10 * GIB / MIB, &[])
}

/// Subcharts that each have a few MiB to say of themselves, one gzip member each.
fn metadata() -> Box<dyn Read> {
    let mut archive = gzip(&Tape::demo().part());
    let description = "x".repeat(4 * MIB as usize);
    let chart = format!("apiVersion: v2\nname: sub\nversion: 1.0.0\ndescription: {description}\n");
    for at in 0..30 {
        let name = format!("demo/charts/sub{at}/Chart.yaml");
        archive.extend(gzip(&Tape::default().file(&name, chart.as_bytes()).part()));
    }
    archive.extend(gzip(&zeros(1024)));
    Box::new(Cursor::new(archive))
}

/// A bomb that is small enough to be a file of another archive.
fn within() -> Box<dyn Read> {
    let mut bomb = Vec::new();
    many(Tape::default().file("sub/x", &zeros(4 * MIB)))
        .take(4 * MIB)
        .read_to_end(&mut bomb)
        .expect("memory takes everything");
    Box::new(Cursor::new(Tape::demo().file("demo/charts/x.tgz", &bomb).gzip()))
}
