//! What a mirror advises when something stands in its way: each text with the run that a user would
//! meet it in.

use super::{Mirrored, archive};
use crate::support::{
    Test,
    daemon::{Daemon, htpasswd},
    web::{File, Web},
};

/// Exit code, arguments after `mirror`, and what is said somewhere.
type Case<'a> = (i32, Vec<&'a str>, &'a [&'a str]);

/// Runs a mirror, and looks for texts in all that it says.
#[track_caller]
fn says(test: &Test, stdin: &str, (code, args, parts): Case<'_>) {
    let args = ["mirror"].into_iter().chain(args).map(str::to_owned);
    let outcome = test.run(args).stdin(stdin).outcome();
    let said = format!("{}{}", outcome.stdout, outcome.stderr);
    let missing: Vec<_> = parts.iter().filter(|part| !said.contains(*part)).collect();
    assert!(outcome.code == Some(code) && missing.is_empty(), "{missing:?} not in {outcome:?}");
}

const FROM: &str = "`--from-username NAME --from-password-stdin`";
const TO: &str = "`--to-username NAME --to-password-stdin`";

#[test]
fn who_is_not_let_in_is_told_the_flags_of_that_side() {
    let place = Mirrored::new();
    place.add("demo", "1.0.0");
    place.publish();
    let folder = tempfile::tempdir().unwrap();
    let users = htpasswd(folder.path(), "u", "p");
    let locked = Daemon::chartferry(["--htpasswd", users.to_str().unwrap()]);
    let readable = Daemon::chartferry(["--htpasswd", users.to_str().unwrap(), "--anonymous-pull"]);
    let (from, to) = (format!("{}/x", locked.oci()), format!("{}/x", readable.oci()));
    let login = |registry: &Daemon| format!("`chartferry login {}`", registry.address());
    let (login_from, login_to) = (login(&locked), login(&readable));
    let museum = format!("http://{}", locked.address());

    let barred = Web::start();
    barred.want("Basic dTpw");
    // An index that all may read, of archives that they may not.
    let index = |url: &str| {
        format!(
            "apiVersion: v1\nentries:\n  demo:\n  - {{apiVersion: v2, name: demo, version: 1.0.0, urls: ['{url}']}}\n"
        )
    };
    let half = Web::start();
    half.file("/index.yaml", index("demo-1.0.0.tgz"));
    half.put("/demo-1.0.0.tgz", File::Status(403, "no"));
    let away = Web::start();
    away.file("/index.yaml", index(&format!("{}/demo-1.0.0.tgz", barred.url())));

    place.test.file("charts/demo-1.0.0.tgz", archive("demo", "1.0.0", "one"));
    let (barred, half, away, url) = (barred.url(), half.url(), away.url(), place.web.url());
    let wrong = ["--from-username", "u", "--from-password-stdin"];
    for case in [
        (6, vec![barred.as_str(), "out"], &[FROM, "`chartferry repo add`"][..]),
        (1, vec![half.as_str(), "out"], &[FROM, "`chartferry repo add`", "403"]),
        (1, vec![away.as_str(), "out"], &[FROM, "`--pass-credentials`", barred.as_str()]),
        (6, vec![from.as_str(), "out", "--charts", "demo"], &[FROM, login_from.as_str()]),
        (6, vec![from.as_str(), "out"], &[FROM, login_from.as_str(), "`--charts`"]),
        (1, vec![url.as_str(), to.as_str()], &[TO, login_to.as_str()]),
        (6, vec![url.as_str(), from.as_str()], &[TO, login_from.as_str()]),
        (6, vec!["charts", museum.as_str()], &[TO]),
        (
            6,
            [&[from.as_str(), "out", "--charts", "demo"][..], &wrong].concat(),
            &["check the name and the password", FROM],
        ),
    ] {
        says(&place.test, "wrong\n", case);
    }
}

#[test]
fn what_stands_in_the_way_comes_with_a_next_step() {
    let place = Mirrored::new();
    place.add("demo", "1.0.0");
    place.publish();
    let (url, registry) = (place.web.url(), place.destination());
    let (url, registry) = (url.as_str(), registry.as_str());
    place.test.file("f.yaml", "a: [").file("big", vec![b'x'; (1 << 20) + 1]).file("list", "- a\n");
    place.test.file("charts/demo-1.0.0.tgz", archive("demo", "1.0.0", "one"));
    place.mirror(0, &["--state", "state"]);
    let museum = Daemon::chartferry([]);
    let museum = format!("http://{}", museum.address());
    for case in [
        (64, vec![url], &["name sources and a destination: `mirror SRC… DST`"][..]),
        (64, vec!["-f", "f.yaml"], &["`chartferry mirror --help` ends with an example"]),
        (64, vec![url, registry, "--chart", "["], &["write a glob such as `kube-*`"]),
        (64, vec![url, registry, "--since", "soon"], &["write `2026-01-31`"]),
        (64, vec![url, registry, "--min-age", "week"], &["write `7d`, `36h`"]),
        (64, vec![url, registry, "--shard", "0/4"], &["parts are counted from 1"]),
        (
            64,
            vec![url, registry, "--prune", "--max-delete", "few"],
            &["a percentage of the recorded versions: `10%`"],
        ),
        (
            64,
            vec!["oci://h/ns/nginx:22.1.1", registry],
            &["`oci://h/ns/nginx --chart 'nginx@22.1.1'` mirrors that version"],
        ),
        (64, vec![url, "ftp://h/x"], &["write `oci://HOST/NAMESPACE`, a folder"]),
        (64, vec![url, registry, "--to-username", "u"], &["`--to-password-stdin`, or sign in"]),
        (64, vec![url, registry, "--from-password-stdin"], &["add `--from-username`"]),
        (64, vec![url, museum.as_str(), "--template", "x"], &["leave the template out"]),
        (64, vec![url, registry, "--artifacthub", "big"], &["is a small YAML file"]),
        (64, vec![url, registry, "--artifacthub", "list"], &["write an artifacthub-repo.yml"]),
        (
            64,
            vec!["charts", registry, "--state", "state"],
            &["each source and each shard needs a separate file"],
        ),
        (64, vec![url, "out", "--rewrite-dependencies"], &["`--dependency-url OLD-URL=NEW-URL`"]),
        (1, vec![url, registry, "--metrics-file", "no/m"], &["its folder must be there before"]),
        (5, vec!["nothing", registry], &["a name of `chartferry repo list`"]),
    ] {
        says(&place.test, "", case);
    }
    let job = place.test.run(["mirror", url, registry]).env("JOB_COMPLETION_INDEX", "2");
    job.stderr_has("set JOB_COMPLETIONS to the job's `completions`").fails(64);
    place.web.file("/index.yaml", "<html>");
    let run = place.test.run(["mirror", url, registry]);
    run.stderr_has("the server may have returned a login page").fails(1);
}

#[test]
fn a_destination_that_answers_with_a_page_is_named() {
    let test = Test::new();
    test.file("charts/demo-1.0.0.tgz", archive("demo", "1.0.0", "one"));
    let web = Web::start();
    let page = "<!DOCTYPE html>\n<html>\n<body>\n  <p>: sign in</p>\n</body>\n";
    let html = vec![("content-type", "text/html".to_owned())];
    web.put("/zz/index.yaml", File::With(html, page.into()));
    let url = format!("{}/zz", web.url());
    let index = format!("`{url}/index.yaml` of the destination is not an index");
    for args in [vec!["charts", url.as_str()], vec!["charts", url.as_str(), "-o", "json"]] {
        says(&test, "", (1, args, &[&index, "no ChartMuseum answers there"]));
    }
}

#[test]
fn a_flag_beside_a_file_is_refused_with_the_key_that_says_the_same() {
    let place = Mirrored::new();
    place.test.file("mirror.yaml", "sources: [{url: a}]\ndestination: {url: b}\n");
    for (flags, key) in [
        (&["--chart", "demo"][..], "`sources[].charts`"),
        (&["--latest", "1"], "`sources[].latest`"),
        (&["--charts", "demo"], "`sources[].repositories`"),
        (&["--skip-prerelease"], "`sources[].skipPrerelease`"),
        (&["--template", "x"], "`destination.template`"),
        (&["out"], "`destination.url`"),
    ] {
        let command = [&["mirror", "-f", "mirror.yaml"][..], flags].concat();
        place.test.run(command).stderr_has(key).fails(64);
    }
}

#[test]
fn a_mirror_that_selects_nothing_says_so_once() {
    let place = Mirrored::new();
    place.add("demo", "1.0.0");
    place.publish();
    let line = "0 versions of 0 charts: nothing is selected";
    for flags in [&[][..], &["--dry-run"]] {
        let url = place.web.url();
        let command = ["mirror", &url, "out", "--versions", ">9"];
        let told = place.test.run([&command[..], flags].concat()).anything().succeeds().stdout;
        assert!(told.contains(line) && !told.contains("nothing was done"), "{told}");
    }
}

#[test]
fn an_address_is_no_folder_to_pull_or_export_into() {
    let place = Mirrored::new();
    place.add("demo", "1.0.0");
    place.publish();
    let archive = format!("{}/demo-1.0.0.tgz", place.web.url());
    for address in ["oci://127.0.0.1:1/charts", "127.0.0.1:1/charts", "localhost:5000/charts"] {
        for verb in ["pull", "export"] {
            let says = format!("`{address}` is no folder");
            place.test.run([verb, archive.as_str(), "-d", address]).stderr_has(&says).fails(64);
        }
    }
    assert!(!place.test.path("oci:").exists() && !place.test.path("127.0.0.1:1").exists());
}
