//! A mirror in a file: from stdin, with variables, with flags beside it, and described by the
//! binary alone.

use super::Mirrored;
use crate::support::Test;

#[test]
fn a_file_comes_from_stdin_and_names_variables() {
    let place = Mirrored::new();
    place.add("demo", "1.0.0");
    place.add("other", "1.0.0");
    place.publish();
    let file = "sources: [{url: '${SOURCE}', charts: [demo]}]\ndestination: {url: 'oci://${REGISTRY}/x'}\n";
    let run = |file: &str, flags: &[&str]| {
        let args = [&["mirror", "-f", "-", "-o", "json"][..], flags].concat();
        place
            .test
            .run(args)
            .env("SOURCE", place.web.url())
            .env("REGISTRY", place.registry.address())
            .stdin(file)
            .anything()
            .outcome()
    };
    let outcome = run(file, &["--concurrency", "2", "--on-conflict", "skip", "--rate", "1000"]);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert!(outcome.stdout.contains("\"sent\": 1"), "{outcome:?}");
    let outcome = run(&file.replace("SOURCE", "NOT_SET"), &[]);
    assert_eq!(outcome.code, Some(64));
    assert!(outcome.stderr.contains("names the variable `NOT_SET`"), "{outcome:?}");
    assert!(outcome.stderr.contains("hint: `chartferry mirror --help`"), "{outcome:?}");
    let outcome = run(file, &["--to-username", "a", "--to-password-stdin"]);
    assert!(outcome.code == Some(64) && outcome.stderr.contains("passwordEnv"), "{outcome:?}");
}

#[test]
fn a_flag_beside_a_file_replaces_what_the_file_says() {
    let place = Mirrored::new();
    place.add("demo", "1.0.0");
    place.publish();
    place.mirror(0, &[]);
    place.republish("demo", "1.0.0", "two");
    let text = format!(
        "sources: [{{url: '{}'}}]\ndestination: {{url: '{}'}}\nonConflict: fail\n",
        place.web.url(),
        place.destination()
    );
    place.test.file("mirror.yaml", text);
    place.test.run(["mirror", "-f", "mirror.yaml"]).anything().fails(1);
    let flags = ["mirror", "-f", "mirror.yaml", "--on-conflict", "overwrite"];
    place.test.run(flags).stdout_has("1 replaced").any_stderr().succeeds();
}

#[test]
fn the_help_describes_the_file_and_its_example_is_one() {
    let test = Test::new();
    let help = test.run(["mirror", "--help"]).any_stdout().succeeds().stdout;
    let start = help.find("\n  sources:\n").expect("an example") + 1;
    // As it stands, but for the indentation: it is read, and fails only where it would go.
    let example: String = help[start..]
        .lines()
        .take_while(|line| !line.is_empty())
        .map(|l| format!("{l}\n"))
        .collect();
    test.file("mirror.yaml", example);
    let outcome = test
        .run(["mirror", "-f", "mirror.yaml", "--dry-run"])
        .env("REGISTRY", "127.0.0.1:1")
        .anything()
        .outcome();
    assert!(!outcome.stderr.contains("describes no mirror"), "{help}\n{outcome:?}");
    for flag in ["--on-conflict", "--concurrency", "--with-dependencies"] {
        assert!(help.contains(flag), "{flag}");
    }
}
