//! The commands `list` and `remove` for the charts saved on this machine.

use super::{
    Run,
    push::legacy,
    shell::{
        exit::Exit,
        location,
        output::{self, Format},
        table::table,
    },
    size,
};
use crate::{
    Error, Result,
    oci::{TagOrDigest, chart, media},
    ops::saved::SavedReference,
    store::{Fetch, Tags},
};
use clap::Args;
use serde_json::json;

/// Widest cell, as in the old Helm.
const MAX_COLUMN: usize = 60;

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Write the list in this format
    #[arg(long, short = 'o', value_enum, default_value_t)]
    output: Format,
}

#[derive(Debug, Args)]
pub(super) struct RemoveArgs {
    /// Remove these saved references
    #[arg(required = true, value_name = "REFERENCE")]
    references: Vec<String>,
}

pub(super) fn list(run: &Run, args: &ListArgs) -> Result<Exit> {
    let saved = run.saved();
    let rows = run.block_on(async {
        let mut rows = Vec::new();
        for reference in saved.list().await? {
            let (Some(tag), Some(repository)) = (reference.tag.clone(), saved.read(&reference)?)
            else {
                continue;
            };
            let manifest = repository.fetch_manifest(&TagOrDigest::Tag(tag)).await?;
            let Ok(found) = chart::find(&manifest) else { continue };
            let annotation =
                |key: &str| manifest.document().annotations.get(key).cloned().unwrap_or_default();
            rows.push(Row {
                reference: reference.to_string(),
                name: annotation(media::TITLE),
                version: annotation(media::VERSION),
                digest: manifest.digest().clone(),
                size: found.content.size,
                created: annotation(media::CREATED),
            });
        }
        Ok(rows)
    })?;
    if args.output != Format::Text {
        let values: Vec<serde_json::Value> = rows.iter().map(Row::value).collect();
        return output::print_value(args.output, &values).map(|()| Exit::Ok);
    }
    let now = jiff::Timestamp::now().as_second();
    let cells: Vec<Vec<String>> = rows.iter().map(|row| row.cells(now)).collect();
    let header = ["REF", "NAME", "VERSION", "DIGEST", "SIZE", "CREATED"];
    output::print(table(&header, &cells, MAX_COLUMN)).map(|()| Exit::Ok)
}

struct Row {
    reference: String,
    name: String,
    version: String,
    digest: crate::oci::Digest,
    size: u64,
    created: String,
}

impl Row {
    fn value(&self) -> serde_json::Value {
        json!({
            "ref": self.reference, "name": self.name, "version": self.version,
            "digest": self.digest, "size": self.size, "created": self.created,
        })
    }

    fn cells(&self, now: i64) -> Vec<String> {
        let age = self
            .created
            .parse::<jiff::Timestamp>()
            .map_or_else(|_| String::new(), |time| age(now - time.as_second()));
        let short = self.digest.hex().chars().take(7).collect();
        vec![
            self.reference.clone(),
            self.name.clone(),
            self.version.clone(),
            short,
            size(self.size),
            age,
        ]
    }
}

/// Returns the age in Helm 2's words: `5 minutes`.
fn age(seconds: i64) -> String {
    let (count, unit) = match seconds.max(0) {
        s if s < 60 => (s, "second"),
        s if s < 3600 => (s / 60, "minute"),
        s if s < 48 * 3600 => (s / 3600, "hour"),
        s if s < 14 * 86400 => (s / 86400, "day"),
        s if s < 60 * 86400 => (s / (7 * 86400), "week"),
        s if s < 730 * 86400 => (s / (30 * 86400), "month"),
        s => (s / (365 * 86400), "year"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

pub(super) fn remove(run: &Run, args: &RemoveArgs) -> Result<Exit> {
    let saved = run.saved();
    let mut failed = Vec::new();
    for text in &args.references {
        let result = run.block_on(async {
            let reference: SavedReference = text.parse()?;
            let tag = reference.tag.clone().ok_or_else(|| {
                Error::usage("tag explicitly required").with_hint(format!("write `{text}:TAG`"))
            })?;
            let reference =
                location::find_saved(text, &saved).await?.ok_or_else(|| legacy::not_saved(text))?;
            saved.write(&reference)?.delete(&TagOrDigest::Tag(tag.clone())).await?;
            output::print(format!("{tag}: removed\n"))
        });
        match result {
            Err(error) if args.references.len() == 1 => return Err(error),
            Err(error) => {
                run.talk.error(&error);
                failed.push(text.as_str());
            }
            Ok(()) => {}
        }
    }
    run.partly(args.references.len(), &failed, "removed")
}

#[cfg(test)]
mod tests {
    use super::age;

    #[test]
    fn ages_are_rounded_down() {
        for (seconds, text) in [
            (-5, "0 seconds"),
            (1, "1 second"),
            (300, "5 minutes"),
            (7200, "2 hours"),
            (86400 * 3, "3 days"),
            (86400 * 800, "2 years"),
        ] {
            assert_eq!(age(seconds), text);
        }
    }
}
