//! Finished pushes told: Helm's two lines or a document on stdout, what the user should know on stderr.

use super::{
    Run,
    output::{self, Format},
};
use crate::{
    Result,
    ops::{
        payload::write_file,
        push::{Existing, Report, Status, Verified},
    },
};
use serde_json::json;
use std::{io::Write, path::Path};

/// A finished push, ready to be told.
#[derive(Debug)]
pub(super) struct Told {
    /// `host/ns/name`
    pub(super) name: String,
    pub(super) report: Report,
}

impl Told {
    /// Helm's two lines.
    fn text(&self) -> String {
        format!("Pushed: {}:{}\nDigest: {}\n", self.name, self.report.tag, self.report.digest)
    }

    fn value(&self) -> serde_json::Value {
        let report = &self.report;
        let mut value = json!({
            "ref": format!("{}:{}", self.name, report.tag),
            "tag": report.tag.as_str(),
            "digest": report.digest,
            "size": report.size,
            "status": report.status,
            "verified": report.verified == Verified::Yes,
        });
        if let Some(lost) = &report.lost {
            value["lost"] = json!(lost);
        }
        value
    }
}

/// How pushes are told.
pub(super) struct Telling<'a> {
    pub(super) format: Format,
    pub(super) digest_file: Option<&'a Path>,
    pub(super) existing: Existing,
    pub(super) number: Number,
}

/// Whether one chart was to be pushed, and so one document is wanted, or several, and so a list.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Number {
    One,
    Several,
}

/// Says what became of each tag, writes the digests, prints the result.
pub(super) fn tell(run: &Run, all: &[Told], how: &Telling<'_>) -> Result<()> {
    for Told { name, report } in all {
        let reference = format!("{name}:{}", report.tag);
        match report.status {
            Status::Unchanged if how.existing == Existing::Skip => {
                run.talk.info(&format!("{reference} exists; skipped"));
            }
            Status::Unchanged => {
                run.talk.info(&format!("{reference} already holds this chart; nothing was sent"));
            }
            Status::Moved | Status::Pushed => {}
        }
        if let Some(lost) = &report.lost {
            run.talk.warn(&format!(
                "{name}@{lost} just lost the tag `{}`; without another tag it is dangling",
                report.tag
            ));
        }
        if report.verified == Verified::Unreadable {
            run.talk.warn(&format!(
                "{reference} was pushed, not verified: these credentials may push but not read"
            ));
        }
        if report.tag.as_str().contains('_') {
            run.talk.info(&format!(
                "{reference} stands for the version {}: a tag cannot hold a plus sign, so it is written as an underscore",
                report.tag.to_version()
            ));
        }
    }
    if let Some(path) = how.digest_file {
        let digests: String = all.iter().map(|told| format!("{}\n", told.report.digest)).collect();
        write_file(path, |file| file.write_all(digests.as_bytes()))?;
    }
    match how.format {
        Format::Text => output::print(all.iter().map(Told::text).collect::<String>()),
        format => {
            let mut values: Vec<serde_json::Value> = all.iter().map(Told::value).collect();
            if how.number == Number::One {
                return values.pop().map_or(Ok(()), |value| output::print_value(format, &value));
            }
            output::print_value(format, &values)
        }
    }
}
