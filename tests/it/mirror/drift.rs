//! What is not as the records say: found, told and put right, wherever somebody asks for more than
//! a list of tags.

use super::{Mirrored, archive, count, runs, told};
use crate::support::web::File;

const OVERWRITE: [&str; 2] = ["--on-conflict", "overwrite"];

/// Somebody puts another chart in the place of the second version.
fn spoil(place: &Mirrored) {
    place.test.file("demo-1.1.0.tgz", archive("demo", "1.1.0", "theirs"));
    let destination = format!("oci://{}/charts", place.registry.address());
    let push = ["push", "demo-1.1.0.tgz", destination.as_str(), "--overwrite"];
    place.test.run(push).anything().succeeds();
}

/// Three versions at a registry, the second of which is no longer what was carried.
fn drifted() -> Mirrored {
    let place = Mirrored::new();
    for n in 0..3 {
        place.add("demo", &format!("1.{n}.0"));
    }
    place.publish();
    place.mirror(0, &[]);
    spoil(&place);
    place
}

#[track_caller]
fn is_right(place: &Mirrored) {
    assert_eq!(place.pulled("demo", "1.1.0"), archive("demo", "1.1.0", "one"));
    assert_eq!(told(&place.mirror(0, &["--check"])), [""; 0]);
}

#[test]
fn overwrite_puts_right_what_differs_whatever_the_records_say() {
    for flags in [&[][..], &["--ignore-state"], &["--retry"]] {
        let place = drifted();
        let report = place.mirror(0, &[&OVERWRITE[..], flags].concat());
        assert_eq!(told(&report), ["replaced demo 1.1.0"], "{flags:?}");
        is_right(&place);
        place.forget();
        place.mirror(0, &OVERWRITE);
        let registry = place.asked_registry();
        assert_eq!(registry, ["GET state manifests", "GET state blobs"], "once, not always");
    }
}

#[test]
fn what_a_check_found_is_looked_at_by_the_next_run() {
    let place = drifted();
    place.mirror(0, &OVERWRITE);
    spoil(&place);
    assert_eq!(told(&place.mirror(2, &["--check"])), ["drift demo 1.1.0"]);
    assert_eq!(told(&place.mirror(3, &[])), ["refused demo 1.1.0 (conflict)"]);
    // Drift that is remembered as a refusal is drift to a check.
    assert_eq!(told(&place.mirror(2, &["--check"])), ["drift demo 1.1.0 (conflict)"]);
    assert_eq!(told(&place.mirror(2, &["--check", "--on-conflict", "overwrite"])).len(), 1);
    assert_eq!(told(&place.mirror(0, &OVERWRITE)), ["replaced demo 1.1.0"]);
    is_right(&place);
}

#[test]
fn without_a_state_presence_is_compared() {
    let place = drifted();
    place.forget();
    let report = place.mirror(0, &["--ignore-state", "--on-conflict", "skip"]);
    assert_eq!(told(&report), ["skipped demo 1.1.0 (skipped)"]);
    assert_eq!(count(&place.asked_registry(), "GET manifests"), 3, "one a version");
    let report = place.mirror(0, &["--ignore-state", "--trust-tags"]);
    assert_eq!(told(&report), [""; 0], "a tag that is there counts as equal where that is asked");
    let report = place.mirror(3, &["--ignore-state"]);
    assert_eq!(told(&report), ["refused demo 1.1.0 (conflict)"], "by default it is compared");
}

#[test]
fn several_sources_do_not_take_each_others_charts_for_their_own() {
    let place = Mirrored::new();
    for folder in ["one", "two"] {
        place.test.file(&format!("{folder}/demo-1.0.0.tgz"), archive("demo", "1.0.0", folder));
        place.test.file(&format!("{folder}/same-1.0.0.tgz"), archive("same", "1.0.0", "same"));
    }
    for (number, (policy, code, expected)) in [
        ("fail", 3, "refused demo 1.0.0 (conflict)"),
        ("skip", 0, "skipped demo 1.0.0 (skipped)"),
        ("overwrite", 0, "replaced demo 1.0.0"),
    ]
    .into_iter()
    .enumerate()
    {
        let registry = format!("{}{number}", place.destination());
        for destination in [registry.as_str(), &format!("out{number}")] {
            let args = ["one", "two", destination, "--on-conflict", policy];
            let runs = runs(&place, code, &args);
            assert_eq!(told(&runs[0]).len(), 2, "{policy}: {runs:#?}");
            assert_eq!(told(&runs[1]), [expected], "{destination}");
        }
    }
    // The first source is in step already, and the second is new.
    let late = format!("{}late", place.destination());
    runs(&place, 0, &["one", &late]);
    let runs = runs(&place, 3, &["one", "two", &late]);
    assert_eq!(told(&runs[1]), ["refused demo 1.0.0 (conflict)"]);
}

#[test]
fn a_tag_that_holds_no_chart_is_found_by_whoever_compares() {
    let place = Mirrored::new();
    place.add("demo", "1.0.0");
    place.add("demo", "1.1.0");
    place.publish();
    let reference = format!("oci://{}/charts/demo:1.0.0", place.registry.address());
    super::policies::put_image(&place.registry.address(), "1.0.0");
    let digest = || {
        let run = place.test.run(["resolve", reference.as_str()]);
        run.any_stdout().succeeds().digest()
    };
    let image = digest();
    for policy in ["overwrite", "skip"] {
        let report = place.mirror(3, &["--on-conflict", policy, "--ignore-state"]);
        let told = told(&report);
        assert!(told.contains(&"refused demo 1.0.0 (conflict)".to_owned()), "{told:?}");
    }
    assert_eq!(place.mirror(2, &["--check"])["counts"]["drift"], 1);
    assert_eq!(digest(), image, "never overwritten");
}

#[test]
fn an_image_that_took_a_charts_place_is_not_overwritten_by_the_chart_published_anew() {
    let place = Mirrored::new();
    place.add("demo", "1.0.0");
    place.add("demo", "1.1.0");
    place.publish();
    place.mirror(0, &OVERWRITE);
    super::policies::put_image(&place.registry.address(), "1.0.0");
    place.republish("demo", "1.0.0", "two");
    assert_eq!(told(&place.mirror(3, &OVERWRITE)), ["refused demo 1.0.0 (conflict)"]);
}

#[test]
fn a_file_in_a_folder_is_what_its_digest_says() {
    let place = Mirrored::new();
    let bytes = place.add("demo", "1.0.0");
    place.add("demo", "1.1.0");
    place.publish();
    place.mirror_to(0, "out", &[]);
    let broken = [&bytes[..], b"x"].concat();
    place.test.file("out/demo-1.0.0.tgz", &broken);
    let report = place.mirror_to(3, "out", &["--ignore-state"]);
    assert_eq!(told(&report), ["refused demo 1.0.0 (conflict)"]);
    let report = place.mirror_to(0, "out", &["--ignore-state", "--on-conflict", "overwrite"]);
    assert_eq!(told(&report), ["replaced demo 1.0.0"]);
    assert_eq!(place.test.read("out/demo-1.0.0.tgz"), bytes);
    let index = String::from_utf8(place.test.read("out/index.yaml")).unwrap();
    assert_eq!(index.matches("version: ").count(), 2, "{index}");
}

#[test]
fn a_provenance_file_that_comes_later_or_was_lost_is_added() {
    let place = Mirrored::new();
    place.test.file("src/demo-1.0.0.tgz", archive("demo", "1.0.0", "one"));
    for index in [false, true] {
        if index {
            place.test.run(["index", "src"]).anything().succeeds();
        }
        let registry = format!("{}{index}", place.destination());
        let folder = format!("out{index}");
        for destination in [registry.as_str(), &folder] {
            std::fs::remove_file(place.test.path("src/demo-1.0.0.tgz.prov")).ok();
            runs(&place, 0, &["src", destination]);
            place.test.file("src/demo-1.0.0.tgz.prov", "signed");
            let report = runs(&place, 0, &["src", destination]).remove(0);
            assert_eq!(told(&report), ["replaced demo 1.0.0"], "{destination} {index}");
            let report = runs(&place, 0, &["src", destination]).remove(0);
            assert_eq!(report["unchanged"], true);
        }
        assert_eq!(place.test.read(format!("{folder}/demo-1.0.0.tgz.prov")), b"signed");
        std::fs::remove_file(place.test.path(format!("{folder}/demo-1.0.0.tgz.prov"))).unwrap();
        let report = runs(&place, 2, &["src", &folder, "--check"]).remove(0);
        assert_eq!(told(&report), ["drift demo 1.0.0"]);
        let report = runs(&place, 0, &["src", &folder]).remove(0);
        assert_eq!(told(&report), ["replaced demo 1.0.0"]);
        // Somebody else has put the chart without it.
        let bare = format!("{}bare{index}", place.destination());
        place.test.file("bare/demo-1.0.0.tgz", archive("demo", "1.0.0", "one"));
        let push = ["push", "bare/demo-1.0.0.tgz", bare.as_str()];
        place.test.run(push).anything().succeeds();
        let flags = ["src", &bare, "--on-conflict", "overwrite"];
        assert_eq!(told(&runs(&place, 0, &flags)[0]), ["replaced demo 1.0.0"]);
        assert_eq!(told(&runs(&place, 0, &["src", &bare, "--check"])[0]), [""; 0]);
    }
}

#[test]
fn a_state_is_not_believed_where_its_folder_or_a_file_of_it_is_gone() {
    let place = Mirrored::new();
    for n in 0..3 {
        place.add("demo", &format!("1.{n}.0"));
    }
    place.publish();
    for destination in ["out", "layout:lay", "charts.tar.zst"] {
        let flags = ["--state", &format!("{}.json", &destination[..3])];
        place.mirror_to(0, destination, &flags);
        assert_eq!(place.mirror_to(0, destination, &flags)["unchanged"], true);
        let path = place.test.path(destination.trim_start_matches("layout:"));
        if path.is_dir() {
            std::fs::remove_dir_all(&path).unwrap();
        } else {
            std::fs::remove_file(&path).unwrap();
        }
        let report = place.mirror_to(0, destination, &flags);
        assert_eq!(report["counts"]["sent"], 3, "{destination}: {report:#}");
    }
    std::fs::remove_file(place.test.path("out/demo-1.1.0.tgz")).unwrap();
    assert_eq!(told(&place.mirror_to(0, "out", &[])), ["sent demo 1.1.0"]);
}

#[test]
fn a_second_tag_of_a_version_is_no_version_of_its_own() {
    let place = Mirrored::new();
    place.add("demo", "v1.0.0");
    place.add("demo", "1.1.0");
    place.publish();
    place.mirror(0, &["--alias-without-v"]);
    let source = place.destination();
    let report = runs(&place, 0, &[&source, "out"]).remove(0);
    assert_eq!(told(&report), ["sent demo 1.1.0", "sent demo v1.0.0"]);
}

#[test]
fn provenance_files_are_left_out_where_the_user_says_so() {
    let place = Mirrored::new();
    place.add("demo", "1.0.0");
    place.publish();
    place.web.put("/demo-1.0.0.tgz.prov", File::Status(500, "broken"));
    place.mirror(0, &["--no-prov"]);
    let asked = place.asked_web();
    assert!(!asked.iter().any(|request| request.contains(".prov")), "{asked:?}");
    let report = place.mirror(0, &["--no-prov", "--check"]);
    assert_eq!(told(&report), Vec::<String>::new());

    place.test.file("src/demo-1.0.0.tgz", archive("demo", "1.0.0", "one"));
    place.test.file("src/demo-1.0.0.tgz.prov", "signed");
    for index in [false, true] {
        if index {
            place.test.run(["index", "src"]).anything().succeeds();
        }
        let folder = format!("out{index}");
        let text =
            format!("sources: [{{url: src}}]\ndestination: {{url: {folder}}}\nnoProv: true\n");
        place.test.file("mirror.yaml", text);
        runs(&place, 0, &["-f", "mirror.yaml"]);
        let beside = format!("{folder}/demo-1.0.0.tgz.prov");
        assert!(!place.test.path(&beside).exists());
        let report = runs(&place, 0, &["-f", "mirror.yaml"]).remove(0);
        assert_eq!(report["unchanged"], true);
        // Without it the file is added.
        let report = runs(&place, 0, &["src", &folder]).remove(0);
        assert_eq!(told(&report), ["replaced demo 1.0.0"]);
        assert_eq!(place.test.read(&beside), b"signed");
    }
}
