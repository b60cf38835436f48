//! `lint PATH...`.

use super::{Run, exit::Exit, links::LinkArgs, output};
use crate::{
    Error, Result,
    chart::lint::Severity,
    limits::Limits,
    ops::lint::{self, Report},
};
use clap::Args;
use std::{fmt::Write as _, path::PathBuf};

#[derive(Debug, Args)]
pub(super) struct LintArgs {
    /// Charts' folders or archives
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Fail on warnings too
    #[arg(long)]
    strict: bool,
    /// Lint the charts within charts/ too
    #[arg(long)]
    with_subcharts: bool,
    #[command(flatten)]
    links: LinkArgs,
}

/// As Helm prints it; the templates themselves and values.schema.json are left to Helm.
pub(super) fn lint(run: &Run, args: &LintArgs) -> Result<Exit> {
    let options = lint::Options { outside: args.links.leniently(), limits: Limits::default() };
    let mut paths = args.paths.clone();
    if args.with_subcharts {
        for path in &args.paths {
            paths.extend(lint::subcharts(path, &options.limits)?);
        }
    }
    let bad = if args.strict { Severity::Warning } else { Severity::Error };
    let least = if run.global.quiet { Severity::Warning } else { Severity::Info };
    let (mut text, mut failed, mut told) = (String::new(), 0, false);
    for path in &paths {
        let result = lint::lint(path, &options);
        failed += usize::from(!result.as_ref().is_ok_and(|report| report.worst() < Some(bad)));
        let worst = result.as_ref().map_or(Some(Severity::Error), Report::worst);
        told |= worst >= Some(Severity::Warning);
        if run.global.quiet && worst < Some(Severity::Warning) {
            continue;
        }
        let mut lines = format!("==> Linting {}\n", path.display());
        let written = match &result {
            Err(error) => writeln!(lines, "Error {}", error.chain()),
            Ok(report) => report
                .findings
                .iter()
                .filter(|finding| finding.severity >= least)
                .try_for_each(|finding| writeln!(lines, "{finding}")),
        };
        debug_assert!(written.is_ok(), "writing to a String cannot fail");
        text.push_str(&lines);
        text.push('\n');
    }
    output::print(text)?;
    let summary = format!("{} chart(s) linted, {failed} chart(s) failed", paths.len());
    if failed > 0 {
        return Err(Error::invalid(summary));
    }
    if !run.global.quiet || told {
        output::println(summary)?;
    }
    Ok(Exit::Ok)
}
