//! The command `registry check`.

use crate::cli::{
    Run,
    shell::{
        exit::Exit,
        output::{self, Format},
        remote::RemoteArgs,
    },
};
use crate::{
    Error, ErrorKind, Result,
    client::Intent,
    oci::{Digest, Reference, RepositoryName},
    ops::registry_check::{Checker, Finding, Report, Row, Verdict, profile::Profile},
};
use clap::Args;
use serde_json::json;
use std::time::SystemTime;
use tokio::sync::Notify;

#[derive(Debug, Args)]
pub(in crate::cli) struct CheckArgs {
    /// Check the registry with repositories of its own below `oci://host[/ns]`
    #[arg(value_name = "LOCATION")]
    location: String,
    /// Write the result in this format; `copy --registry-profile` reads that of `json`
    #[arg(long, short = 'o', value_enum, default_value_t)]
    output: Format,
    #[command(flatten)]
    remote: RemoteArgs,
}

pub(in crate::cli) fn check(run: &Run, args: &CheckArgs) -> Result<Exit> {
    let bare = args.location.strip_prefix("oci://").unwrap_or(&args.location);
    let (registry, namespace) = Reference::parse_namespace(bare)?;
    let client = args.remote.client(run)?;
    let name = format!("chartferry-check-{}", random());
    let named = |name: &str| -> Result<RepositoryName> {
        match &namespace {
            Some(namespace) => Ok(namespace.join(name)?),
            None => Ok(name.parse()?),
        }
    };
    let repository = client.repository(&registry, &named(&name)?).with_intent(Intent::Writing);
    let beside = client.repository(&registry, &named(&format!("{name}-beside"))?);
    let beside = beside.with_intent(Intent::Writing);
    let stopped = Notify::new();
    let checker = Checker::new(&repository, &beside);
    run.talk.info(&format!("checking `{registry}` in `{}`", repository.name()));
    let listener = |row: &Row| tell(run, row);
    let work = async {
        let rows = tokio::select! {
            rows = checker.run(&listener) => rows,
            () = stopped.notified() => Err(Error::new(ErrorKind::Interrupted, "the check was stopped")),
        };
        let left = checker.clean().await;
        for what in &left {
            run.talk.warn(&format!("`{what}` could not be deleted"));
        }
        rows.map(|rows| Report::new(rows, left))
    };
    let (report, _) = run.block_on_stoppable(work, || stopped.notify_one());
    let report = report?;
    if args.output == Format::Text {
        output::print(text(&report))?;
    } else {
        let profile = Profile::of(registry.as_str(), &report);
        let mut value = json!(profile);
        value["rows"] = json!(report.rows);
        value["left"] = json!(report.left);
        output::print_value(args.output, &value)?;
    }
    match report.verdict() {
        Verdict::Works => Ok(Exit::Ok),
        Verdict::WithLimits => Ok(Exit::Drift),
        Verdict::Fails => Err(Error::new(
            ErrorKind::Protocol,
            format!("charts or artifacts do not work at `{registry}`"),
        )),
    }
}

/// Returns digits that no other check has.
fn random() -> String {
    let now = format!("{:?} {}", SystemTime::now(), std::process::id());
    Digest::sha256(now.as_bytes()).hex()[..12].to_owned()
}

/// Names each thing as it is checked, on stderr.
fn tell(run: &Run, row: &Row) {
    run.talk.info(&format!("{}: {}", row.check, word(row.finding)));
}

fn word(finding: Finding) -> &'static str {
    match finding {
        Finding::Yes => "yes",
        Finding::No => "no",
        Finding::Differs => "differs",
        Finding::Unknown => "unknown",
    }
}

fn text(report: &Report) -> String {
    let mut text = String::new();
    for row in &report.rows {
        text.push_str(&format!("{:8} {}\n", word(row.finding), row.what));
        let more = [("seen", row.seen.as_deref()), ("means", row.means), ("remedy", row.remedy)];
        for (name, line) in more {
            if let Some(line) = line {
                text.push_str(&format!("         {name}: {line}\n"));
            }
        }
    }
    text.push_str(match report.verdict() {
        Verdict::Works => "charts and artifacts work\n",
        Verdict::WithLimits => "charts and artifacts work, with limits\n",
        Verdict::Fails => "charts or artifacts do not work\n",
    });
    text
}
