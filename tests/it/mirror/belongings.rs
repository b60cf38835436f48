//! Signatures, attestations and SBOMs follow their charts between registries and layouts.

use super::{
    Mirrored,
    moved::push,
    others::{artifact, run},
    told,
};
use crate::registry::wire::retag;
use serde_json::Value;

/// A namespace with three versions of a chart. The first has a signature under a tag, and a referrer.
struct Signed {
    place: Mirrored,
    digest: String,
}

impl Signed {
    fn new() -> Self {
        let place = Mirrored::new();
        push(&place, "1.0.0", "one", &[]);
        push(&place, "1.1.0", "one", &[]);
        push(&place, "1.2.0", "one", &[]);
        let digest = digest(&place, "charts/demo:1.0.0").unwrap();
        let signed = Self { place, digest };
        signed.sign("sig");
        artifact(&signed.place, "charts/demo", None, Some(&signed.digest));
        signed
    }

    /// The tag of the first version's digest.
    fn tag(&self, ending: &str) -> String {
        format!("{}.{ending}", self.digest.replace(':', "-"))
    }

    fn sign(&self, ending: &str) {
        retag(&self.place.registry.address(), "charts/demo", "1.1.0", &self.tag(ending));
    }

    fn copy(&self) -> String {
        format!("oci://{}/copy", self.place.registry.address())
    }

    fn run(&self, code: i32, to: &str, flags: &[&str]) -> Value {
        run(&self.place, code, to, flags)
    }

    /// The signatures and referrers that a place has.
    fn attached(&self, reference: &str) -> Vec<String> {
        let found = self.place.test.run(["artifact", "discover", reference]);
        let found = found.anything().succeeds().stdout;
        found.lines().skip(1).map(str::to_owned).collect()
    }
}

fn digest(place: &Mirrored, reference: &str) -> Option<String> {
    let reference = format!("oci://{}/{reference}", place.registry.address());
    let outcome = place.test.run(["resolve", &reference]).anything().outcome();
    (outcome.code == Some(0)).then(|| outcome.digest())
}

#[test]
fn signatures_follow_their_charts_from_registry_to_registry() {
    let signed = Signed::new();
    let to = signed.copy();
    let report = signed.run(0, &to, &[]);
    assert_eq!(report["counts"]["carried"], 2, "{report:#}");
    assert_eq!(report["warnings"], serde_json::json!([]));
    let bare = to.strip_prefix("oci://").unwrap();
    assert_eq!(signed.attached(&format!("{bare}/demo:1.0.0")).len(), 2);
    assert_eq!(digest(&signed.place, "copy/demo:1.0.0").as_deref(), Some(signed.digest.as_str()));
    let sig = format!("copy/demo:{}", signed.tag("sig"));
    assert!(digest(&signed.place, &sig).is_some());
    // A second run has nothing to do, and still counts them.
    let again = signed.run(0, &to, &[]);
    assert_eq!((&again["unchanged"], &again["counts"]["carried"]), (&true.into(), &2.into()));
    assert_eq!(signed.run(0, &to, &["--check"])["counts"]["inStep"], 3);
    // A further signature is a tag that the source did not have.
    signed.sign("att");
    let report = signed.run(0, &to, &[]);
    assert_eq!(report["counts"]["carried"], 3, "{report:#}");
    assert!(digest(&signed.place, &format!("copy/demo:{}", signed.tag("att"))).is_some());
}

#[test]
fn a_check_finds_signatures_that_are_missing_and_a_look_brings_referrers() {
    let signed = Signed::new();
    let to = signed.copy();
    signed.run(0, &to, &["--charts-only"]);
    let report = signed.run(2, &to, &["--check"]);
    assert!(told(&report).iter().any(|line| line.starts_with("drift demo 1.0.0")), "{report:#}");
    assert!(report.to_string().contains("it lacks the referrer"), "{report:#}");
    assert_eq!(signed.run(0, &to, &["--check", "--charts-only"])["counts"]["inStep"], 3);
    let report = signed.run(0, &to, &[]);
    assert_eq!(report["counts"]["carried"], 2, "{report:#}");
    // Lists of tags do not show a new referrer.
    let other = digest(&signed.place, "charts/demo:1.2.0").unwrap();
    artifact(&signed.place, "charts/demo", None, Some(&other));
    assert_eq!(signed.run(0, &to, &[])["counts"]["carried"], 2);
    signed.run(2, &to, &["--check"]);
    assert_eq!(signed.run(0, &to, &["--look"])["counts"]["carried"], 3);
    signed.run(0, &to, &["--check"]);
}

#[test]
fn charts_alone_are_copied_on_request_and_the_rest_is_counted() {
    let signed = Signed::new();
    let to = signed.copy();
    for again in [false, true] {
        let report = signed.run(0, &to, &["--charts-only"]);
        assert_eq!(report["unchanged"], again);
        let counts = &report["counts"];
        assert_eq!((&counts["attached"], &counts["carried"]), (&2.into(), &0.into()));
        let warnings = report["warnings"].to_string();
        assert!(warnings.contains("were left behind, as requested"), "{warnings}");
    }
    assert_eq!(digest(&signed.place, &format!("copy/demo:{}", signed.tag("sig"))), None);
    // Without the flag they follow.
    assert_eq!(signed.run(0, &to, &[])["counts"]["carried"], 2);
}

#[test]
fn a_layout_takes_them_and_gives_them_back() {
    let signed = Signed::new();
    assert_eq!(signed.run(0, "layout:lay", &[])["counts"]["carried"], 2);
    let back = format!("oci://{}/back", signed.place.registry.address());
    signed.place.forget();
    let report = super::runs(&signed.place, 0, &["layout:lay", &back]).remove(0);
    assert_eq!(report["counts"]["carried"], 2, "{report:#}");
    let bare = back.strip_prefix("oci://").unwrap();
    assert_eq!(signed.attached(&format!("{bare}/demo:1.0.0")).len(), 2);
    assert!(digest(&signed.place, &format!("back/demo:{}", signed.tag("sig"))).is_some());
}
