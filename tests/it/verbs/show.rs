//! `show`.

use super::source;
use crate::support::Test;

#[test]
fn a_jsonpath_template_brings_values_to_a_script() {
    let test = Test::new();
    source(&test, "demo", "demo", "1.0.0", "a");
    test.run(["package", "demo"]).any_stdout().any_files().succeeds();
    for chart in ["demo", "demo-1.0.0.tgz"] {
        let show = |template| test.run(["show", "values", chart, "--jsonpath", template]);
        show("note={.note}").stdout("note=a").succeeds();
        show("{.missing}").succeeds();
        show("").stdout("note: a\n\n").succeeds();
        show("{.note")
            .stderr("error: error parsing jsonpath {.note\n  caused by: unclosed action\n")
            .fails(1);
    }
    std::fs::remove_file(test.path("demo/values.yaml")).unwrap();
    test.run(["show", "values", "demo", "--jsonpath", "x"]).succeeds();
}
