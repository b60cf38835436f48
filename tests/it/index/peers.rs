//! Beside the real helm.

use super::{folder, index, text, timeless};
use crate::support::peers;

#[test]
#[ignore = "needs peers"]
fn helm_writes_the_same_and_reads_what_we_write() {
    for name in ["helm", "helm3"] {
        let helm = peers::find(name);
        for args in
            [vec![], vec!["--json"], vec!["--url", "http://h/x?y=z"], vec!["--merge", "merge.yaml"]]
        {
            let test = folder();
            test.run_program(&helm, ["repo", "index", "charts"].iter().chain(&args).copied())
                .anything()
                .succeeds();
            let theirs = timeless(&text(&test));
            index(&test, &args).succeeds();
            assert_eq!(timeless(&text(&test)), theirs, "{name} {args:?}");
            // Helm takes ours for an index, entry by entry.
            test.run_program(
                &helm,
                ["repo", "index", "charts/sub", "--merge", "charts/index.yaml"],
            )
            .anything()
            .succeeds();
            let merged = String::from_utf8(test.read("charts/sub/index.yaml")).unwrap();
            assert!(merged.contains("old-0.0.1.tgz"), "{merged}");
        }
    }
}
