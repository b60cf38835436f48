//! `search repo`, from Helm's own cache. That its answers are Helm's own is shown with the peers.

use super::{add, test_with_repository};
use crate::support::Test;
use std::fs;

#[test]
fn a_table_or_one_line_of_json() {
    let (test, web) = test_with_repository();
    add(&test, &web);
    test.run(["search", "repo", "WEB"])
        .stdout(
            "NAME   \tCHART VERSION\tAPP VERSION\tDESCRIPTION      \n\
             x/demo \t1.1.0        \t7          \tThe <demo> chart \n\
             x/other\t0.1.0        \t7          \tThe <other> chart\n",
        )
        .succeeds();
    test.run(["search", "repo", "demo", "-o", "json"])
        .stdout(
            "[{\"name\":\"x/demo\",\"version\":\"1.1.0\",\"app_version\":\"7\",\"description\":\"The \\u003cdemo\\u003e chart\"}]\n",
        )
        .succeeds();
    test.run(["search", "repo", "demo", "--devel", "--max-col-width", "5"])
        .stdout("NAME \tCH...\tAP...\tDE...\nx/...\t2....\t7    \tTh...\n")
        .succeeds();
    test.run(["search", "repo", "-r", "^d.mo", "-l", "--version", "<1.1", "-o", "yaml"])
        .stdout("- app_version: \"7\"\n  description: The <demo> chart\n  name: x/demo\n  version: 1.0.0\n")
        .succeeds();
    assert!(web.asked().is_empty(), "nothing is asked of anybody");
}

#[test]
fn nothing_found_is_no_failure_unless_asked() {
    let (test, web) = test_with_repository();
    test.run(["search", "repo", "x"]).stderr_has("no repositories configured").fails(5);
    add(&test, &web);
    test.run(["search", "repo", "nothing"]).stdout("No results found\n").succeeds();
    test.run(["search", "repo", "nothing", "-o", "json"]).stdout("[]\n").succeeds();
    test.run(["search", "repo", "nothing", "--fail-on-no-result"])
        .stderr_has("no results found")
        .fails(5);
    test.run(["search", "repo", "-r", "("]).stderr_has("not a regular expression").fails(64);
    test.run(["search", "repo", "--version", "x y"])
        .stderr_has("an invalid version/constraint format")
        .fails(64);
    test.run(["search", "demo"]).stderr_has("chartferry search repo demo").fails(64);
}

#[test]
fn a_cache_that_cannot_be_read_is_told_and_left_out() {
    let (test, web) = test_with_repository();
    add(&test, &web);
    fs::write(test.home("helm/cache/repository/x-index.yaml"), "a: [").unwrap();
    test.run(["search", "repo", "demo"])
        .stdout("No results found\n")
        .stderr_has("repo is corrupt or missing: x")
        .succeeds();
    let plain = Test::new();
    plain.run(["search", "repo"]).stderr_has("no repositories configured").fails(5);
}
