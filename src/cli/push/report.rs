//! The output of finished pushes: Helm's two lines or fields for a script on stdout, notes and
//! warnings on stderr.

use crate::{
    Result,
    atomic_file::write_file,
    cli::{Run, shell::results::Printed},
    oci::Digest,
    ops::push::{Report, Status, Verified},
};
use serde_json::json;
use std::{io::Write, path::Path};

/// A finished push.
#[derive(Debug)]
pub(crate) struct Told {
    /// The repository, `host/ns/name`.
    pub(crate) name: String,
    pub(crate) report: Report,
}

impl Told {
    /// Returns the repository, the tag and the digest that lost it, if one did.
    pub(crate) fn lost(&self) -> Option<(&str, &str, &Digest)> {
        let lost = self.report.lost.as_ref()?;
        Some((&self.name, self.report.tag.as_str(), lost))
    }

    /// Returns Helm's two lines, and the fields of `-o json`.
    pub(crate) fn printed(&self) -> Printed {
        let report = &self.report;
        let reference = format!("{}:{}", self.name, report.tag);
        let mut fields = json!({
            "status": report.status,
            "name": report.chart,
            "version": report.version,
            "ref": reference,
            "tag": report.tag.as_str(),
            "digest": report.digest,
            "verified": report.verified == Verified::Yes,
        });
        if let Some(archive) = &report.archive {
            fields["archiveDigest"] = json!(archive.digest);
            fields["size"] = json!(archive.size);
        }
        if let Some(lost) = &report.lost {
            fields["lost"] = json!(lost);
        }
        let done = if report.status == Status::Skipped { "Skipped" } else { "Pushed" };
        Printed::new(format!("{done}: {reference}\nDigest: {}\n", report.digest), fields)
    }
}

/// Prints notes and warnings about each tag.
pub(crate) fn notes(run: &Run, all: &[&Told]) {
    for Told { name, report } in all {
        let reference = format!("{name}:{}", report.tag);
        match report.status {
            Status::Skipped => {
                run.talk.info(&format!("{reference} holds something else; skipped"));
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
                "{reference} means the version {}: a tag cannot have a plus sign, so an underscore replaces it",
                report.tag.to_version()
            ));
        }
    }
}

/// Writes the manifests' digests to a file, one in each line.
pub(crate) fn write_digests(all: &[&Told], path: &Path) -> Result<()> {
    let digests: String = all.iter().map(|told| format!("{}\n", told.report.digest)).collect();
    write_file(path, |file| file.write_all(digests.as_bytes()))
}
