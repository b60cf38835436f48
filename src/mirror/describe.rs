//! Artifact Hub's repository metadata, stored beside the copied charts.

use super::{
    candidate::ChartVersion,
    plan::Wanted,
    report::{Report, Status},
    sink::Sink,
};
use bytes::Bytes;
use std::collections::{BTreeSet, HashSet};

/// Stores the metadata beside the charts that the report lists as changed, or beside all charts.
/// Warns about each place that it could not write.
pub(super) async fn describe(
    sink: &Sink,
    metadata: &Bytes,
    wanted: &[Wanted],
    report: Option<&Report>,
) -> Vec<String> {
    let sent: Option<HashSet<&ChartVersion>> = report.map(|report| {
        let sent = report
            .versions
            .iter()
            .filter(|told| matches!(told.status, Status::Sent | Status::Replaced));
        sent.map(|told| &told.id).collect()
    });
    let groups: BTreeSet<&str> = wanted
        .iter()
        .filter(|one| sent.as_ref().is_none_or(|sent| sent.contains(&one.candidate.id)))
        .filter_map(|one| one.place.as_ref().ok())
        .map(|place| place.group.as_str())
        .collect();
    let mut warnings = Vec::new();
    for group in groups {
        if let Err(error) = sink.describe(group, metadata).await {
            let shown = if group.is_empty() { sink.identity() } else { group };
            let reason = error.chain();
            warnings.push(format!("no metadata for Artifact Hub beside `{shown}`: {reason}"));
        }
    }
    warnings
}
