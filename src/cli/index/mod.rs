//! The command `index DIR`: it writes the index.yaml of a folder of archives. [`registry`] does so
//! for a registry's namespace.

pub(super) mod registry;

use super::{
    Run,
    shell::{
        exit::Exit,
        location_grammar::LocationText,
        output::{self, Format},
    },
};
use crate::{
    Error, Result,
    chart::time::Time,
    ops::index::{self as op, Created, Outcome, Strictness},
};
use clap::{Args, ValueEnum};
use registry::{RegistryArgs, index_registry};
use serde_json::json;
use std::{path::PathBuf, time::SystemTime};

#[derive(Debug, Args)]
pub(super) struct IndexArgs {
    /// Index this folder of chart archives and its subfolders, or a registry's namespace,
    /// `oci://host/ns`
    #[arg(value_name = "DIR")]
    pub(super) folder: PathBuf,
    /// Prefix the archives' names with this URL
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(super) url: String,
    /// Add the entries of this index
    #[arg(long, value_name = "FILE")]
    merge: Option<PathBuf>,
    /// Write the index as JSON, under the same name
    #[arg(long)]
    pub(super) json: bool,
    /// Take the creation times of entries from this source
    #[arg(long, value_enum, default_value_t, value_name = "SOURCE")]
    created_from: CreatedFrom,
    /// Refuse archives that are not charts, and duplicate versions
    #[arg(long)]
    strict: bool,
    /// Write the result in this format
    #[arg(long, short = 'o', value_enum, default_value_t)]
    pub(super) output: Format,
    #[command(flatten)]
    pub(super) registry: RegistryArgs,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum CreatedFrom {
    /// Use the time when an archive was first indexed here
    #[default]
    Now,
    /// Use the time when the Chart.yaml in the archive was modified
    Archive,
    /// Use the variable of that name
    #[value(name = "SOURCE_DATE_EPOCH")]
    Epoch,
}

pub(super) fn index(run: &Run, args: &IndexArgs) -> Result<Exit> {
    if let Some(LocationText::Oci(place)) = args.folder.to_str().map(LocationText::parse) {
        if args.merge.is_some() || args.strict || args.created_from != CreatedFrom::Now {
            return Err(Error::usage(
                "`--merge`, `--strict` and `--created-from` are for folders, not for a registry",
            ));
        }
        return index_registry(run, place, args);
    }
    args.registry.refuse()?;
    let created = match args.created_from {
        CreatedFrom::Now => Created::Now,
        CreatedFrom::Archive => Created::Archive,
        CreatedFrom::Epoch => {
            let epoch = run
                .epoch()?
                .ok_or_else(|| Error::usage("the variable SOURCE_DATE_EPOCH is not set"))?;
            Created::At(Time::from_unix(epoch.unix(), 0).ok_or_else(|| {
                Error::usage("the variable SOURCE_DATE_EPOCH is beyond the year 9999")
            })?)
        }
    };
    let options = op::Options {
        url: args.url.clone(),
        merge: args.merge.clone(),
        format: if args.json { op::Format::Json } else { op::Format::Yaml },
        created,
        strictness: if args.strict { Strictness::Strict } else { Strictness::Lenient },
        ..op::Options::new(now())
    };
    let report = op::index(&args.folder, &options)?;
    for warning in &report.warnings {
        run.talk.warn(warning);
    }
    for (version, reason) in &report.left_out {
        run.talk.warn(&format!("{version} is skipped: {reason}"));
    }
    if args.output == Format::Text {
        // Helm prints nothing; but the user should notice a chart that the index lacks.
        if let Some((path, reason)) = report.skipped.first() {
            let others = match report.skipped.len() - 1 {
                0 => String::new(),
                more => format!("; {more} more are skipped, `-o json` lists them"),
            };
            run.talk.warn(&format!("`{path}` is not a chart and is skipped: {reason}{others}"));
        }
        return Ok(Exit::Ok);
    }
    let skipped: Vec<_> = report
        .skipped
        .iter()
        .map(|(path, reason)| json!({ "path": path, "reason": reason }))
        .collect();
    let left_out: Vec<_> = report
        .left_out
        .iter()
        .map(|(version, reason)| json!({ "version": version, "reason": reason }))
        .collect();
    output::print_value(
        args.output,
        &json!({
            "path": report.path,
            "written": report.outcome == Outcome::Written,
            "charts": report.charts,
            "versions": report.versions,
            "read": report.read,
            "reused": report.reused,
            "skipped": skipped,
            "leftOut": left_out,
        }),
    )?;
    Ok(Exit::Ok)
}

fn now() -> Time {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let seconds = i64::try_from(since.as_secs()).unwrap_or(0);
    let nanoseconds = i32::try_from(since.subsec_nanos()).unwrap_or(0);
    Time::from_unix(seconds, nanoseconds).unwrap_or_default()
}
