//! Four shards at once come to what one run comes to.

use super::Migration;
use std::thread;

#[test]
fn four_shards_at_once_carry_everything_once() {
    let place = Migration::new(80);
    let (source, destination) = (place.source(), place.destination());
    thread::scope(|scope| {
        for shard in ["1/4", "2/4", "3/4", "4/4"] {
            let (place, source, destination) = (&place, &source, &destination);
            scope.spawn(move || place.mirror(source, destination, &["--shard", shard]));
        }
    });
    let mut sent: Vec<String> = place
        .front
        .take()
        .into_iter()
        .filter(|passed| passed.line.starts_with("PUT ") && passed.line.contains("/manifests/"))
        .filter(|passed| !passed.line.contains("chartferry-state"))
        .map(|passed| passed.line)
        .collect();
    let before = sent.len();
    sent.sort();
    sent.dedup();
    assert_eq!(before, sent.len(), "each manifest once");
    place.compare_registry(&format!("{}/moved", place.registry.oci()), "folder");
    let whole = place.mirror(&source, &destination, &[]);
    assert_eq!(whole["counts"]["sent"], 0, "{whole:#}");
}
