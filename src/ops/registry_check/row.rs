//! The rows of a check, with their meaning for the user of this program.

use serde::{Deserialize, Serialize};

/// Behaviour of a registry in one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Finding {
    /// As the specification says.
    Yes,
    /// Not at all.
    No,
    /// In another way.
    Differs,
    /// Unknown: the check could not find out.
    Unknown,
}

/// The weight of a row that is not `yes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weight {
    /// Charts or artifacts do not work.
    Needed,
    /// Something works with limits.
    Limit,
    /// This program has another way.
    Comfort,
}

/// One thing that was checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// The name of the thing, stable for programs.
    pub check: &'static str,
    /// The thing in words.
    pub what: &'static str,
    /// The behaviour of the registry.
    pub finding: Finding,
    /// The observation, if it is not as expected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seen: Option<String>,
    /// The meaning for this program, if it is not `yes`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub means: Option<&'static str>,
    /// The remedy, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<&'static str>,
    #[serde(skip)]
    pub(super) weight: Weight,
}

/// The description of a check.
pub(super) struct About {
    pub(super) check: &'static str,
    pub(super) what: &'static str,
    pub(super) means: &'static str,
    pub(super) remedy: Option<&'static str>,
    pub(super) weight: Weight,
}

impl About {
    /// Makes the row of a finding.
    pub(super) fn row(&self, found: crate::Result<(Finding, Option<String>)>) -> Row {
        let (finding, seen) = found.unwrap_or_else(|error| {
            // A refusal is an answer; a broken line is none.
            let finding = match error.kind() {
                crate::ErrorKind::Network | crate::ErrorKind::Interrupted => Finding::Unknown,
                _ => Finding::No,
            };
            (finding, Some(error.chain()))
        });
        let fine = finding == Finding::Yes;
        Row {
            check: self.check,
            what: self.what,
            finding,
            seen: seen.filter(|_| !fine),
            means: (!fine).then_some(self.means),
            remedy: self.remedy.filter(|_| !fine),
            weight: self.weight,
        }
    }
}

/// The outcome of a check as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Charts and artifacts work.
    Works,
    /// They work with limits.
    WithLimits,
    /// Charts or artifacts do not work.
    Fails,
}

/// The report of a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The rows, in their order.
    pub rows: Vec<Row>,
    /// The names of everything that could not be deleted afterwards.
    pub left: Vec<String>,
}

impl Report {
    /// Makes a report.
    pub fn new(rows: Vec<Row>, left: Vec<String>) -> Self {
        Self { rows, left }
    }

    /// Returns the outcome as a whole.
    pub fn verdict(&self) -> Verdict {
        let bad = |weight| {
            self.rows.iter().any(|row| row.finding != Finding::Yes && row.weight == weight)
        };
        match (bad(Weight::Needed), bad(Weight::Limit)) {
            (true, _) => Verdict::Fails,
            (false, true) => Verdict::WithLimits,
            (false, false) => Verdict::Works,
        }
    }

    /// Returns what a registry does with one thing.
    pub fn finding(&self, check: &str) -> Finding {
        let row = self.rows.iter().find(|row| row.check == check);
        row.map_or(Finding::Unknown, |row| row.finding)
    }
}
