//! `dependency list`, held against what Helm says of the same charts.

use super::{lint::blocks, package, source};
use crate::support::Test;

#[test]
fn of_every_fixture_we_say_what_helm_says() {
    let test = Test::new();
    test.copy("charts-fixtures", ".");
    let answers = blocks(include_str!("../../../testdata/chart/dependency-list.txt"), "");
    assert_eq!(answers.len(), 29, "the whole file was read");
    for (name, answer) in answers {
        test.run(["dependency", "list", name]).stdout(answer).succeeds();
    }
}

/// The states of Helm's list, each with its cause.
#[test]
fn each_state_has_its_word() {
    let test = Test::new();
    for (name, version) in
        [("a", "1.0.0"), ("a", "1.2.0"), ("b", "1.0.0"), ("b-x", "1.0.0"), ("d", "1.0.0")]
    {
        source(&test, "source", name, version, "x");
        package(&test, "source");
        let archive = format!("{name}-{version}.tgz");
        test.file(&format!("c/charts/{archive}"), test.read(&archive));
    }
    test.file("c/charts/cc-9.tgz", test.read("d-1.0.0.tgz"))
        .file("c/charts/_junk-1.tgz", "no archive");
    source(&test, "c/charts/f", "f", "1.0.0", "x");
    source(&test, "c/charts/g", "g", "1.0.0", "x");
    test.file("c/charts/_x/file", "no chart").file("c/charts/_y", "neither folder nor archive");
    test.file(
        "c/Chart.yaml",
        "apiVersion: v2\nname: c\nversion: 1.0.0\ndependencies:\n\
         - {name: a, version: \"*\", repository: https://charts.example/a}\n\
         - {name: b, version: ^1}\n- {name: cc, version: 1.0.0}\n- {name: d, version: ^2}\n\
         - {name: f, version: 1.x.x}\n- {name: g, version: nonsense}\n- {name: gone, version: 1.0.0}\n\
         - {name: _junk, version: 1.0.0}\n- {name: \"[\", version: 1.0.0}\n",
    );
    test.run(["dep", "ls", "./c"])
        .stdout(
            "NAME \tVERSION \tREPOSITORY              \tSTATUS          \n\
             a    \t*       \thttps://charts.example/a\ttoo many matches\n\
             b    \t^1      \t                        \tok              \n\
             cc   \t1.0.0   \t                        \tmisnamed        \n\
             d    \t^2      \t                        \twrong version   \n\
             f    \t1.x.x   \t                        \tunpacked        \n\
             g    \tnonsense\t                        \tinvalid version \n\
             gone \t1.0.0   \t                        \tmissing         \n\
             _junk\t1.0.0   \t                        \tcorrupt         \n\
             [    \t1.0.0   \t                        \tbad pattern     \n\
             \n\
             WARNING: \"c/charts/_junk-1.tgz\" is not a chart.\n\
             WARNING: \"c/charts/_x\" is not a chart.\n\
             WARNING: \"c/charts/b-x-1.0.0.tgz\" is not in Chart.yaml.\n",
        )
        .succeeds();
    let narrow = test.run(["dep", "list", "c", "--max-col-width", "9"]).any_stdout().succeeds();
    assert!(
        narrow.stdout.starts_with("NAME \tVERSION \tREPOSI...\tSTATUS   \n"),
        "{}",
        narrow.stdout
    );
    let wide = test.run(["dep", "list", "c", "--max-col-width", "0"]).any_stdout().succeeds();
    assert!(
        wide.stdout.contains("https://charts.example/a\ttoo many matches\n"),
        "{}",
        wide.stdout
    );
}
