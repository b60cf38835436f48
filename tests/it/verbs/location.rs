//! What a bare location means, and what is said of one that means nothing.

use super::{demo, source};
use crate::support::Test;

#[test]
fn a_path_comes_before_a_saved_chart_and_that_before_a_registry() {
    let (test, registry) = demo();
    let reference = format!("{}/ns/demo:1.0.0", registry.address());
    source(&test, "pushed", "demo", "1.0.0", "pushed");
    test.run(["push", "--chart", "pushed", &reference]).anything().succeeds();
    test.run(["show", "values", &reference]).stdout("note: pushed\n\n").succeeds();
    test.run(["save", "demo", &reference]).anything().succeeds();
    test.run(["show", "values", &reference]).stdout("note: a\n\n").succeeds();
    test.run(["show", "values", &format!("oci://{reference}")])
        .stdout("note: pushed\n\n")
        .succeeds();
    test.run(["show", "values", "demo"]).stdout("note: a\n\n").succeeds();
}

#[test]
fn what_is_nowhere_says_where_it_was_looked_for() {
    let test = Test::new();
    for (location, message) in [
        ("./gone", "error: path \"./gone\" not found\n"),
        ("/gone", "error: path \"/gone\" not found\n"),
        ("gone", "error: `gone` is neither a path nor a saved chart\n"),
        ("bitnami/nginx", "is not a path, a saved chart or a registry's reference"),
    ] {
        test.run(["show", "chart", location]).stderr_has(message).fails(5);
    }
}
