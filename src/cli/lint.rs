//! The command `lint PATH...`.

use super::{
    Run,
    shell::{
        exit::Exit,
        links::LinkArgs,
        output::{self, Format},
    },
};
use crate::{
    Error, ErrorKind, Result,
    chart::{
        lint::Severity,
        overrides::{self, Typing},
        values,
    },
    limits::Limits,
    ops::lint::{self, Options, Report, Schema},
};
use clap::Args;
use serde_json::{Map, Value, json};
use std::{fmt::Write as _, fs::File, io::Read as _, path::Path, path::PathBuf};

#[derive(Debug, Args)]
pub(super) struct LintArgs {
    /// Lint these chart folders or archives
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Fail on warnings too
    #[arg(long)]
    strict: bool,
    /// Lint the charts within charts/ too
    #[arg(long)]
    with_subcharts: bool,
    /// Override the chart's values by a YAML file's before checking them against its schema
    #[arg(long, short = 'f', value_name = "FILE", value_delimiter = ',')]
    values: Vec<PathBuf>,
    /// Override a value of the chart: `key1=val1,key2=val2`
    #[arg(long, value_name = "VALUES")]
    set: Vec<String>,
    /// Override a value of the chart, as text
    #[arg(long, value_name = "VALUES")]
    set_string: Vec<String>,
    /// Do not check values against values.schema.json
    #[arg(long)]
    skip_schema_validation: bool,
    /// Write the result in this format
    #[arg(long, short = 'o', value_enum, default_value_t)]
    output: Format,
    #[command(flatten)]
    links: LinkArgs,
}

/// Lints charts and prints as Helm does. Rendering templates is left to Helm.
pub(super) fn lint(run: &Run, args: &LintArgs) -> Result<Exit> {
    let options = args.options()?;
    let mut paths = args.paths.clone();
    if args.with_subcharts {
        for path in &args.paths {
            paths.extend(lint::subcharts(path, &options.limits)?);
        }
    }
    let bad = if args.strict { Severity::Warning } else { Severity::Error };
    let results: Vec<(&Path, Result<Report>)> =
        paths.iter().map(|path| (path.as_path(), lint::lint(path, &options))).collect();
    let is_good =
        |result: &Result<Report>| result.as_ref().is_ok_and(|report| report.worst() < Some(bad));
    let failed = results.iter().filter(|(_, result)| !is_good(result)).count();
    let summary = format!("{} chart(s) linted, {failed} chart(s) failed", paths.len());
    match args.output {
        Format::Text => output::print(text(run, &results))?,
        format => {
            let values: Vec<Value> =
                results.iter().map(|(path, result)| value(path, result, is_good(result))).collect();
            output::print_value(format, &values)?;
        }
    }
    let has_templates =
        |result: &Result<Report>| result.as_ref().is_ok_and(|report| report.templates > 0);
    if results.iter().any(|(_, result)| has_templates(result)) {
        run.talk.info("templates were not rendered; `helm lint` renders them");
    }
    if failed > 0 {
        // As with other verbs, a missing path is another failure than an invalid chart.
        let is_absent = |result: &Result<Report>| {
            result.as_ref().is_err_and(|error| error.kind() == ErrorKind::NotFound)
        };
        let absent = results.iter().filter(|(_, result)| is_absent(result)).count();
        let kind = if absent == failed { ErrorKind::NotFound } else { ErrorKind::Invalid };
        return Err(Error::new(kind, summary));
    }
    let told = results.iter().any(|(_, result)| worst(result) >= Some(Severity::Warning));
    if args.output == Format::Text && (!run.global.quiet || told) {
        output::println(summary)?;
    }
    Ok(Exit::Ok)
}

impl LintArgs {
    fn options(&self) -> Result<Options> {
        let limits = Limits::default();
        let mut over = Map::new();
        for path in &self.values {
            let fail = |error| Error::io("read values", path, error);
            let file =
                File::open(path).map_err(|error| Error::input("read values", path, error))?;
            let mut bytes = Vec::new();
            file.take(limits.chart_document_bytes).read_to_end(&mut bytes).map_err(fail)?;
            let read = values::read(&bytes, &limits)
                .map_err(|error| error.context(format!("failed to parse {}", path.display())))?;
            if let Value::Object(entries) = read {
                values::merge(&mut over, entries);
            }
        }
        for (texts, typing, flag) in
            [(&self.set, Typing::Guess, "--set"), (&self.set_string, Typing::Text, "--set-string")]
        {
            for text in texts {
                overrides::set(&mut over, text, typing)
                    .map_err(|error| error.context(format!("failed parsing {flag} data")))?;
            }
        }
        let schema = if self.skip_schema_validation { Schema::Skip } else { Schema::Check };
        Ok(Options { outside: self.links.leniently(), schema, values: over, limits })
    }
}

fn worst(result: &Result<Report>) -> Option<Severity> {
    result.as_ref().map_or(Some(Severity::Error), Report::worst)
}

fn text(run: &Run, results: &[(&Path, Result<Report>)]) -> String {
    let least = if run.global.quiet { Severity::Warning } else { Severity::Info };
    let mut text = String::new();
    for (path, result) in results {
        if run.global.quiet && worst(result) < Some(Severity::Warning) {
            continue;
        }
        let mut lines = format!("==> Linting {}\n", path.display());
        let written = match result {
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
    text
}

/// Returns one chart of `-o json`.
fn value(path: &Path, result: &Result<Report>, is_good: bool) -> Value {
    let status = if is_good { "passed" } else { "failed" };
    match result {
        Err(error) => json!({"path": path, "status": status, "error": error.chain()}),
        Ok(report) => {
            let findings: Vec<Value> = report
                .findings
                .iter()
                .map(|finding| {
                    json!({
                        "severity": finding.severity.to_string().to_lowercase(),
                        "path": finding.path, "text": finding.text.trim_end(),
                    })
                })
                .collect();
            json!({"path": path, "status": status, "findings": findings})
        }
    }
}
