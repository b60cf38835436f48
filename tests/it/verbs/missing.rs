//! A path that does not exist ends every verb with 5, whichever verb or flag names it.

use crate::support::Test;

#[test]
fn a_path_that_does_not_exist_ends_with_5() {
    let test = Test::new();
    test.file("demo/Chart.yaml", "apiVersion: v2\nname: demo\nversion: 1.0.0\n");
    for args in [
        &["package", "nosuch"][..],
        &["push", "nosuch", "oci://127.0.0.1:1/x"],
        &["show", "chart", "nosuch"],
        &["lint", "nosuch"],
        &["dependency", "list", "nosuch"],
        &["dependency", "build", "nosuch"],
        &["dependency", "update", "nosuch"],
        &["index", "nosuch"],
        &["tags", "127.0.0.1:1/x", "--ca-file", "nosuch"],
        &["mirror", "-f", "nosuch.yaml"],
        &["mirror", "nosuch", "out"],
        &["mirror", "demo", "out", "--artifacthub", "nosuch"],
        &["mirror", "oci://127.0.0.1:1/x", "out", "--from-ca-file", "nosuch"],
        &["bundle", "list", "nosuch.tar"],
        &["bundle", "verify", "nosuch.tar"],
        &["bundle", "load", "nosuch.tar", "out"],
        &["bundle", "save", "x.tar", "layout:nosuch"],
        &["bundle", "save", "x.tar", "oci://127.0.0.1:1/x", "--delta", "nosuch"],
    ] {
        let outcome = test.run(args.iter().copied()).anything().outcome();
        assert_eq!(outcome.code, Some(5), "{args:?}: {outcome:?}");
        assert!(outcome.stderr.contains("nosuch") || args[0] == "lint", "{args:?}: {outcome:?}");
    }
    // A chart that is there and bad is another failure.
    test.file("bad/Chart.yaml", "name: [");
    test.run(["lint", "bad", "nosuch"]).anything().fails(1);
}
