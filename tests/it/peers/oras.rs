//! Against the real ORAS: the same manifests for the same files, and each reads what the other
//! wrote.

use crate::support::{Test, daemon::Daemon, peers};
use serde_json::Value;
use std::path::PathBuf;

/// The time of every artifact, so that manifests can be equal.
const CREATED: &str = "org.opencontainers.image.created=2026-01-02T03:04:05Z";

struct Pair {
    test: Test,
    registry: Daemon,
    oras: PathBuf,
}

impl Pair {
    fn new(registry: Daemon) -> Self {
        let test = Test::new();
        test.file("a.txt", "a")
            .file("b.json", "{\"b\":1}")
            .file("config.json", "{}")
            .file("d/x", "x")
            .file("d/sub/y", "y")
            .file("d.txt", "beside")
            .file("notes.json", r#"{"$manifest":{"k":"v","org.opencontainers.image.created":"2026-01-02T03:04:05Z"},"$config":{"c":"1"},"a.txt":{"f":"<&>"}}"#);
        std::os::unix::fs::symlink("x", test.path("d/link")).unwrap();
        Self { test, registry, oras: peers::find("oras") }
    }

    fn reference(&self, name: &str) -> String {
        format!("{}/{name}", self.registry.address())
    }

    fn theirs(&self, words: &[&str]) -> crate::support::Outcome {
        let mut words: Vec<&str> = words.to_vec();
        words.push("--plain-http");
        self.test.run_program(&self.oras, words).anything().succeeds()
    }

    fn ours(&self, words: &[&str]) -> crate::support::Outcome {
        self.test.run([&["oras"], words].concat()).anything().succeeds()
    }

    fn manifest(&self, reference: &str) -> String {
        self.theirs(&["manifest", "fetch", reference]).stdout
    }
}

/// Pushes that must make equal manifests.
const SHAPES: &[&[&str]] = &[
    &["a.txt"],
    &["a.txt:text/plain", "b.json:application/json"],
    &["./a.txt", "d/../b.json"],
    &[],
    &["--artifact-type", "example/kind"],
    &["a.txt", "--artifact-type", "example/kind"],
    &["a.txt", "--config", "config.json:application/vnd.x.config+json"],
    &["a.txt", "--config", "config.json"],
    &["a.txt", "--config", "config.json", "--artifact-type", "example/kind"],
    &["a.txt", "--image-spec", "v1.0"],
    &["a.txt", "--image-spec", "v1.0", "--artifact-type", "example/kind"],
    &["--image-spec", "v1.0"],
    &["a.txt", "--image-spec", "v1.1"],
    &["a.txt", "--artifact-platform", "linux/arm64"],
    &["a.txt", "--artifact-platform", "linux/arm/v7", "--artifact-type", "example/kind"],
    &["a.txt", "-a", "z=1", "-a", "a=<&>é"],
];

#[test]
#[ignore = "needs peers"]
fn manifests_are_those_of_oras() {
    let pair = Pair::new(Daemon::chartferry([]));
    for (at, shape) in SHAPES.iter().enumerate() {
        let (ours, theirs) =
            (pair.reference(&format!("o{at}:1")), pair.reference(&format!("t{at}:1")));
        pair.ours(&[&["push", ours.as_str(), "-a", CREATED], *shape].concat());
        pair.theirs(&[&["push", theirs.as_str(), "-a", CREATED], *shape].concat());
        assert_eq!(pair.manifest(&ours), pair.manifest(&theirs), "{shape:?}");
    }
    let (ours, theirs) = (pair.reference("notes-o:1"), pair.reference("notes-t:1"));
    let shape = ["a.txt", "--annotation-file", "notes.json"];
    pair.ours(&[&["push", ours.as_str()], &shape[..]].concat());
    pair.theirs(&[&["push", theirs.as_str()], &shape[..]].concat());
    assert_eq!(pair.manifest(&ours), pair.manifest(&theirs));
    // Attachments, of files and of annotations alone.
    for shape in [&["b.json:application/json"][..], &["-a", "k=v"]] {
        let mut found = Vec::new();
        for subject in [&ours, &theirs] {
            let words = ["attach", subject, "--artifact-type", "example/sbom", "-a", CREATED];
            let words = [&words[..], shape].concat();
            let out = if subject == &ours { pair.ours(&words) } else { pair.theirs(&words) };
            let digest = out.stdout.lines().find_map(|line| line.strip_prefix("Digest: ")).unwrap();
            found.push(pair.manifest(&format!("{}@{digest}", subject.rsplit_once(':').unwrap().0)));
        }
        assert_eq!(found[0], found[1], "{shape:?}");
    }
}

#[test]
#[ignore = "needs peers"]
fn a_folders_tar_is_that_of_oras() {
    let pair = Pair::new(Daemon::chartferry([]));
    let mut digests = Vec::new();
    for (name, is_ours) in [("o:1", true), ("t:1", false)] {
        let reference = pair.reference(name);
        let words = ["push", &reference, "d"];
        if is_ours {
            pair.ours(&words)
        } else {
            pair.theirs(&words)
        };
        let manifest: Value = serde_json::from_str(&pair.manifest(&reference)).unwrap();
        let annotations = &manifest["layers"][0]["annotations"];
        digests.push(annotations["io.deis.oras.content.digest"].clone());
    }
    assert_eq!(digests[0], digests[1]);
}

#[test]
#[ignore = "needs peers"]
fn each_pulls_and_finds_what_the_other_pushed() {
    for registry in [Daemon::chartferry([]), Daemon::distribution_3(), Daemon::docker_registry()] {
        let pair = Pair::new(registry);
        let files = ["a.txt:text/plain", "d"];
        for (name, ours) in [("o:1", true), ("t:1", false)] {
            let reference = pair.reference(name);
            let push = [&["push", reference.as_str()], &files[..]].concat();
            let attach =
                ["attach", &reference, "b.json", "--artifact-type", "application/spdx+json"];
            let folder = format!("out-{}", &name[..1]);
            let pull = ["pull", &reference, "-o", &folder];
            let found = if ours {
                pair.ours(&push);
                pair.ours(&attach);
                pair.theirs(&pull);
                pair.theirs(&["discover", &reference])
            } else {
                pair.theirs(&push);
                pair.theirs(&attach);
                pair.ours(&pull);
                pair.ours(&["discover", &reference])
            };
            assert!(found.stdout.contains("└── application/spdx+json"), "{found:?}");
            assert_eq!(pair.test.read(format!("{folder}/a.txt")), b"a");
            assert_eq!(pair.test.read(format!("{folder}/d/sub/y")), b"y");
            assert_eq!(pair.test.read(format!("{folder}/d/link")), b"x");
        }
        // The trees are the same text.
        let reference = pair.reference("o:1");
        let discover = ["discover", &reference];
        assert_eq!(pair.ours(&discover).stdout, pair.theirs(&discover).stdout);
    }
}

#[test]
#[ignore = "needs peers"]
fn a_copy_carries_what_oras_finds_at_the_destination() {
    let registries =
        || [Daemon::chartferry([]), Daemon::distribution_3(), Daemon::docker_registry()];
    for from in registries() {
        let pair = Pair::new(from);
        let reference = pair.reference("a:1");
        pair.theirs(&["push", &reference, "a.txt"]);
        pair.theirs(&["attach", &reference, "b.json", "--artifact-type", "application/spdx+json"]);
        for to in registries() {
            let destination = format!("{}/copied:1", to.address());
            pair.test.run(["copy", &reference, &destination]).anything().succeeds();
            let found = pair.theirs(&["discover", &destination]);
            assert!(found.stdout.contains("application/spdx+json"), "{found:?}");
        }
    }
}

#[test]
#[ignore = "needs peers"]
fn lines_are_those_of_oras() {
    let pair = Pair::new(Daemon::chartferry([]));
    let reference = pair.reference("lines:1");
    pair.theirs(&["push", &reference, "a.txt"]);
    let masked = |text: &str| {
        let mut lines: Vec<String> = text
            .lines()
            .map(|line| {
                // Digests of artifacts differ by their times.
                // ORAS prints annotations in any order.
                line.trim_start_matches(['│', '├', '└', '─', ' '])
                    .split(' ')
                    .map(|word| match word.len() {
                        12 if word.bytes().all(|byte| byte.is_ascii_hexdigit()) => "<short>",
                        71 if word.starts_with("sha256:") => "<digest>",
                        _ if word.contains("@sha256:") => "<reference>",
                        _ => word,
                    })
                    .collect::<Vec<_>>()
                    .join(" ")
            })
            .collect();
        // Transfers end in any order.
        lines.sort_unstable();
        lines.retain(|line| !line.starts_with("Exists") && !line.starts_with("Upload"));
        lines
    };
    for words in [
        &["push", "R", "a.txt", "b.json"][..],
        &["push", "R,2,3", "a.txt"],
        &["push", "R", "--artifact-type", "example/kind"],
        &["attach", "R", "b.json", "--artifact-type", "example/sbom"],
        &["attach", "R", "-a", "k=v", "--artifact-type", "example/note"],
        &["pull", "R", "-o", "out"],
        &["tag", "R", "x", "y"],
        &["resolve", "R"],
        &["resolve", "-l", "R"],
        &["repo", "tags", "R"],
        &["manifest", "fetch", "R"],
        &["manifest", "fetch", "--pretty", "R"],
        &["manifest", "fetch", "--descriptor", "R"],
        &["manifest", "fetch", "--format", "json", "R"],
        &["manifest", "fetch-config", "R"],
        &["discover", "R"],
        &["discover", "--format", "json", "R"],
        &["pull", "R", "-o", "out", "--format", "json"],
    ] {
        let words: Vec<String> = words
            .iter()
            .map(|word| match words.starts_with(&["repo"]) {
                true => word.replace('R', reference.trim_end_matches(":1")),
                false => word.replace('R', &reference),
            })
            .collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let theirs = pair.theirs(&words).stdout;
        let ours = pair.ours(&words).stdout;
        assert_eq!(masked(&ours), masked(&theirs), "{words:?}");
    }
}
