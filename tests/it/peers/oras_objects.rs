//! Single objects against the real ORAS: the same lines, exit states and bytes, with one
//! repository for each tool.

use crate::support::{Outcome, Test, daemon::Daemon, peers};
use std::path::PathBuf;

const CREATED: &str = "org.opencontainers.image.created=2026-01-02T03:04:05Z";

struct Pair {
    test: Test,
    registry: Daemon,
    oras: PathBuf,
}

impl Pair {
    fn new() -> Self {
        let test = Test::new();
        test.file("a.txt", "a").file("b.txt", "b").file("none.txt", "none");
        Self { test, registry: Daemon::chartferry([]), oras: peers::find("oras") }
    }

    /// Runs a line in the repository of one tool. `R` stands for the repository, and `D…` for the
    /// digest of that tag in it.
    fn run(&self, theirs: bool, line: &str) -> Outcome {
        let own = if theirs { "theirs" } else { "ours" };
        let repository = format!("{}/{own}", self.registry.address());
        let words: Vec<String> = line
            .split(' ')
            .map(|word| match word.strip_prefix("R@D") {
                Some(tag) => format!("{repository}@{}", self.digest(&repository, tag)),
                None => word.to_owned(),
            })
            .map(|word| match word.strip_prefix("D:") {
                Some(tag) => self.digest(&repository, tag),
                None => word,
            })
            .map(|word| match word.strip_prefix('R') {
                Some(rest) if rest.is_empty() || rest.starts_with([':', '@']) => {
                    format!("{repository}{rest}")
                }
                _ => word,
            })
            .collect();
        let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
        if theirs {
            words.push("--plain-http");
            return self.test.run_program(&self.oras, words).anything().outcome();
        }
        self.test.run([&["oras"], words.as_slice()].concat()).anything().outcome()
    }

    fn digest(&self, repository: &str, tag: &str) -> String {
        let words = ["resolve", &format!("{repository}:{tag}")];
        self.test.run(words).anything().succeeds().digest()
    }

    /// Prints of a line, with the repository's own name masked.
    fn told(&self, theirs: bool, line: &str) -> (bool, String) {
        let outcome = self.run(theirs, line);
        let own = if theirs { "/theirs" } else { "/ours" };
        // ORAS sets several tags at once, in any order.
        let (mut tagged, mut lines): (Vec<_>, Vec<_>) =
            outcome.stdout.lines().partition(|line| line.starts_with("Tagged "));
        tagged.sort_unstable();
        lines.extend(tagged);
        (outcome.code == Some(0), lines.join("\n").replace(own, "/R"))
    }
}

/// Lines whose output must be equal.
const LINES: &[&str] = &[
    "manifest push R:2,3 m.json",
    "manifest push R:2 m.json",
    "manifest push R m.json",
    "manifest push --descriptor R:4 m.json",
    "manifest push --descriptor --pretty R:4 m.json",
    "manifest fetch R:2",
    "manifest fetch --pretty R:2",
    "manifest fetch --descriptor R:2",
    "manifest fetch-config R:2",
    "manifest fetch --pretty --output x R:2",
    "manifest fetch --descriptor --output x R:2",
    "manifest fetch --descriptor --output - R:2",
    "manifest fetch --format json --output - R:2",
    "manifest fetch --format json --descriptor R:2",
    "manifest fetch --format json --output x R:2",
    "manifest fetch-config --descriptor --output x R:2",
    "manifest fetch-config --descriptor --output - R:2",
    "manifest delete --descriptor R:2",
    "manifest delete R:4",
    "manifest delete -f R:none",
    "manifest delete -f R:4",
    "manifest delete -f R:4",
    "blob push R a.txt",
    "blob push R b.txt",
    "blob push R b.txt",
    "blob push --descriptor R b.txt",
    "blob push --descriptor --pretty --media-type a/b R b.txt",
    "blob push R@sha256:3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d b.txt",
    "blob fetch --output - R@sha256:3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d",
    "blob fetch --descriptor R@sha256:3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d",
    "blob delete R@sha256:3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d",
    "blob delete -f R@sha256:3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d",
    "blob delete -f R@sha256:3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d",
    "blob delete -f --descriptor R@sha256:3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d",
    "manifest index create R:none",
    "manifest index create R:ix amd arm",
    "manifest index create R:ix,iy amd D:arm plain -a k=v --artifact-type x/y",
    "manifest index create R amd arm -o - --pretty",
    "manifest index create R:iz D:plain -o i.json",
    "manifest index create R:iz nothing",
    "manifest index update R:ix",
    "manifest index update R:ix --remove D:amd --tag t1 --tag t2",
    "manifest index update R:ix --add amd",
    "manifest index update R:ix --remove sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
    "manifest index update R:ix --remove nonsense",
    "repo tags R --exclude-digest-tags",
    "tag --concurrency 2 R:ix one",
    "manifest index update R:none --merge iy",
    "manifest index update R:none --artifact-type a/b -o -",
    "manifest fetch R:none",
    "manifest fetch R:ix",
    "resolve --platform linux/arm64 R:ix",
    "resolve --platform linux/s390x R:ix",
    "manifest fetch --platform linux/amd64 --descriptor R:ix",
    "manifest fetch-config --platform linux/amd64 R:ix",
    "tag R:ix y z",
    "cp --from-plain-http --to-plain-http",
    "repo tags R",
];

#[test]
#[ignore = "needs peers"]
fn single_objects_are_those_of_oras_and_so_are_the_lines() {
    let pair = Pair::new();
    for theirs in [false, true] {
        for line in [
            format!("push R:1 a.txt -a {CREATED}"),
            format!("push R:amd a.txt -a {CREATED} --artifact-platform linux/amd64"),
            format!("push R:arm b.txt -a {CREATED} --artifact-platform linux/arm64/v8"),
            format!("push R:plain b.txt -a {CREATED} --artifact-type a/b"),
        ] {
            assert_eq!(pair.run(true, &line).code, Some(0), "{line}");
            if !theirs {
                assert_eq!(pair.run(false, &line).code, Some(0), "{line}");
            }
        }
    }
    let manifest = pair.run(true, "manifest fetch R:1").stdout;
    pair.test.file("m.json", manifest);
    let mut differ = Vec::new();
    for line in LINES {
        let (ours, theirs) = (pair.told(false, line), pair.told(true, line));
        // What a failed line printed before its error is of no use to a script.
        let same = ours.0 == theirs.0 && (!ours.0 || ours.1 == theirs.1);
        if !same {
            differ.push(format!("{line}\n--- ours {ours:?}\n--- theirs {theirs:?}"));
        }
    }
    // ORAS believes a digest that the registry has, whatever the file holds.
    let believed = "blob push R@sha256:3e23e816";
    differ.retain(|line| !line.starts_with(believed));
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}

/// Lines of a backup without what differs from run to run: the order of transfers, and times.
fn backup_lines(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = text
        .lines()
        .map(|line| line.split(" in ").next().unwrap_or(line))
        .map(|line| line.split(" (").next().unwrap_or(line).to_owned())
        .collect();
    lines.sort_unstable();
    lines
}

#[test]
#[ignore = "needs peers"]
fn each_restores_what_the_other_backed_up() {
    let pair = Pair::new();
    for line in [
        format!("push R:1 a.txt -a {CREATED}"),
        format!("push R:2 b.txt -a {CREATED}"),
        format!("attach R:1 b.txt -a {CREATED} --artifact-type a/sbom"),
    ] {
        assert_eq!(pair.run(true, &line).code, Some(0), "{line}");
        assert_eq!(pair.run(false, &line).code, Some(0), "{line}");
    }
    for (tar, name) in [("", "folder"), (".tar", "file")] {
        let mut told = Vec::new();
        for theirs in [false, true] {
            let line = format!("backup R:1,2 --include-referrers --output same{tar}");
            let outcome = pair.run(theirs, &line);
            assert_eq!(outcome.code, Some(0), "{outcome:?}");
            let own = if theirs { "/theirs" } else { "/ours" };
            told.push(backup_lines(&outcome.stdout.replace(own, "/R")));
            let kept = format!("{}{tar}", if theirs { "by-oras" } else { "by-us" });
            std::fs::rename(pair.test.path(format!("same{tar}")), pair.test.path(kept)).unwrap();
        }
        assert_eq!(told[0], told[1], "{name}");
        // Ours restores theirs, and theirs restores ours.
        for (theirs, input) in [(false, "by-oras"), (true, "by-us")] {
            let line = format!("restore --input {input}{tar} R-{name}-{input}:1");
            let repository = format!(
                "{}/{}-{name}-{input}",
                pair.registry.address(),
                if theirs { "theirs" } else { "ours" }
            );
            let line = line.replace(&format!("R-{name}-{input}"), &repository);
            let outcome = pair.run(theirs, &line);
            assert_eq!(outcome.code, Some(0), "{outcome:?}");
            assert!(outcome.stdout.contains("Pushed tag 1 with 1 referrer(s)"), "{outcome:?}");
            let found = pair.test.run(["artifact", "discover", &format!("{repository}:1")]);
            assert!(found.anything().succeeds().stdout.contains("a/sbom"));
        }
    }
    let dry = pair.run(false, "restore --dry-run --input by-oras.tar R");
    assert!(dry.stdout.contains("Dry run: would push tag 1 with 1 referrer(s)"), "{dry:?}");
    let missing = pair.run(false, "backup R:9 --output none");
    assert_eq!(missing.code, Some(5), "{missing:?}");
}
