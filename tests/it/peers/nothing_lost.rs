//! What arrives of a signed image of two platforms when it is copied with each tool: between
//! registries with and without lists of referrers, and over a tar file.

use crate::{
    copy::Fixture,
    faults::{Bench, run},
    support::{Test, daemon::Daemon, peers},
};
use chartferry::client::Repository;

/// The tools, as lines in which `S` is the source and `T` the destination.
const TOOLS: &[(&str, &str, &str)] = &[
    ("chartferry copy", "", "copy S:v1 T:v1"),
    ("chartferry oras cp -r", "", "oras cp -r S:v1 T:v1"),
    ("oras cp -r", "oras", "cp -r --from-plain-http --to-plain-http S:v1 T:v1"),
    ("oras cp", "oras", "cp --from-plain-http --to-plain-http S:v1 T:v1"),
    ("crane cp", "crane", "cp --insecure S:v1 T:v1"),
    (
        "skopeo copy --all",
        "skopeo",
        "copy --all --src-tls-verify=false --dest-tls-verify=false docker://S:v1 docker://T:v1",
    ),
    ("regctl image copy", "regctl", "image copy S:v1 T:v1"),
    (
        "regctl … --referrers --digest-tags",
        "regctl",
        "image copy --referrers --digest-tags S:v1 T:v1",
    ),
];

fn repository(bench: &Bench, registry: &Daemon, name: &str) -> Repository {
    bench.client.repository(&registry.address().parse().unwrap(), &name.parse().unwrap())
}

/// Runs a line of a tool. A tool that fails arrives with what it had copied.
fn line(test: &Test, tool: &str, line: &str, source: &str, target: &str) {
    let words = line.split(' ').map(|word| {
        word.replace("S:v1", &format!("{source}:v1")).replace("T:v1", &format!("{target}:v1"))
    });
    let words: Vec<String> = words.collect();
    if tool.is_empty() {
        test.run(words).anything().succeeds();
        return;
    }
    let program = peers::find(tool);
    test.run_program(&program, words).anything().outcome();
}

#[test]
#[ignore = "needs peers"]
fn a_copy_loses_nothing_and_the_table_shows_what_others_lose() {
    let test = Test::new();
    // Distribution keeps no lists of referrers.
    let registry = |lists: bool| match lists {
        true => Daemon::chartferry([]),
        false => Daemon::distribution_3(),
    };
    let pairs = [
        ("lists -> lists", true, true),
        ("lists -> none", true, false),
        ("none -> lists", false, true),
        ("none -> none", false, false),
    ];
    println!("{:35} {:16} manifests referrers signature tags", "tool", "referrers API");
    for (pair, from, to) in pairs {
        let (from, to) = (registry(from), registry(to));
        for registry in [&from, &to] {
            // regctl takes the scheme of a registry from a file of its own.
            let words = ["registry", "set", "--tls", "disabled", &registry.address()];
            test.run_program(&peers::find("regctl"), words).anything().succeeds();
        }
        let bench = Bench::new();
        let source = repository(&bench, &from, "team/app");
        run(async {
            let fixture = Fixture::push(&source).await;
            let whole = fixture.whole();
            for (at, (name, tool, words)) in TOOLS.iter().enumerate() {
                let target = format!("to/t{at}");
                let (shown_from, shown_to) =
                    (format!("{}/team/app", from.address()), format!("{}/{target}", to.address()));
                line(&test, tool, words, &shown_from, &shown_to);
                let there = fixture.count(&repository(&bench, &to, &target)).await;
                println!(
                    "{name:35} {pair:16} {:>4}/{} {:>7}/{} {:>7}/{}",
                    there.0, whole.0, there.1, whole.1, there.2, whole.2
                );
                if tool.is_empty() {
                    assert_eq!(there, whole, "{name}, {pair}");
                }
            }
        });
    }
}

#[test]
#[ignore = "needs peers"]
fn nothing_is_lost_over_a_tar_file_that_others_read() {
    let test = Test::new();
    let (from, to) = (Daemon::distribution_3(), Daemon::chartferry([]));
    let bench = Bench::new();
    let source = repository(&bench, &from, "team/app");
    run(async {
        let fixture = Fixture::push(&source).await;
        let target = format!("{}/back", to.address());
        let origin = format!("{}/team/app:v1", from.address());
        test.run(["copy", &origin, "layout:app.tar"]).anything().succeeds();
        test.run(["copy", "layout:app.tar:v1", &target]).anything().succeeds();
        let there = fixture.count(&repository(&bench, &to, "back")).await;
        assert_eq!(there, fixture.whole());
        // skopeo and ORAS read the same file.
        let skopeo = peers::find("skopeo");
        let words = ["inspect", "--raw", "oci-archive:app.tar:v1"];
        let raw = test.run_program(&skopeo, words).anything().succeeds().stdout;
        assert_eq!(raw.trim_end().as_bytes(), fixture.index.bytes());
        let oras = peers::find("oras");
        let words = ["resolve", "--oci-layout", "app.tar:v1"];
        let digest = test.run_program(&oras, words).anything().succeeds().stdout;
        assert_eq!(digest.trim(), fixture.index.digest().as_str());
        // And we read what skopeo writes.
        let copied = ["copy", "--all", "--src-tls-verify=false"];
        let words = [&copied[..], &[&format!("docker://{origin}"), "oci-archive:by-skopeo.tar:v1"]];
        test.run_program(&skopeo, words.concat()).anything().succeeds();
        let again = format!("{}/again", to.address());
        test.run(["copy", "layout:by-skopeo.tar:v1", &again]).anything().succeeds();
        let found = test.run(["resolve", &format!("{again}:v1")]).anything().succeeds();
        assert_eq!(found.digest(), fixture.index.digest().as_str());
    });
}
