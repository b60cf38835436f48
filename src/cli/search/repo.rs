//! The command `search repo [KEYWORD…]`, which searches the configured repositories in Helm's cache
//! and prints as Helm does.

use super::SearchArgs;
use crate::{
    Error, Result,
    cli::{
        Run,
        repo::Format,
        shell::{exit::Exit, output, table::table},
    },
    index::Index,
    limits::Limits,
    ops::repository::search::{self as op, Hit, Options, Show, Term},
};
use serde::Serialize;

/// A version as Helm prints it.
#[derive(Serialize)]
struct Row<'h> {
    name: String,
    version: &'h str,
    app_version: &'h str,
    description: &'h str,
}

pub(crate) fn search(run: &Run, args: &SearchArgs, keywords: &[String]) -> Result<Exit> {
    let indexes = indexes(run)?;
    let options = Options {
        words: keywords.to_vec(),
        term: if args.regexp { Term::Regex } else { Term::Text },
        range: match (&args.version, args.devel) {
            (Some(version), _) if !version.is_empty() => version.clone(),
            (_, true) => ">0.0.0-0".to_owned(),
            // This is Helm's default, which hides 0.0.0.
            (_, false) => ">0.0.0".to_owned(),
        },
        show: if args.versions { Show::All } else { Show::Newest },
    };
    let hits = op::search(&indexes, &options)?;
    if hits.is_empty() && args.fail_on_no_result {
        return Err(Error::not_found("no results found"));
    }
    let rows: Vec<Row<'_>> = hits.iter().map(row).collect();
    match args.output {
        Format::Table if rows.is_empty() => output::print("No results found\n")?,
        Format::Table => {
            let cell = |text: &str| text.to_owned();
            let cells: Vec<Vec<String>> = rows
                .iter()
                .map(|row| {
                    vec![
                        row.name.clone(),
                        cell(row.version),
                        cell(row.app_version),
                        cell(row.description),
                    ]
                })
                .collect();
            let header = ["NAME", "CHART VERSION", "APP VERSION", "DESCRIPTION"];
            output::print(table(&header, &cells, args.max_col_width))?;
        }
        Format::Json => output::print_line(&rows)?,
        Format::Yaml => output::print_value(output::Format::Yaml, &rows)?,
    }
    Ok(Exit::Ok)
}

fn row<'h>(hit: &Hit<'h>) -> Row<'h> {
    Row {
        name: hit.name(),
        version: hit.line.version(),
        app_version: hit.line.app_version(),
        description: hit.line.description(),
    }
}

/// Returns the cached index of each repository. It skips an unreadable one with a warning, as Helm
/// does.
fn indexes(run: &Run) -> Result<Vec<(String, Index)>> {
    let (files, limits) = (run.repository_files(), Limits::default());
    let repositories = files.load(&limits)?.repositories;
    if repositories.is_empty() {
        return Err(Error::not_found("no repositories configured")
            .with_hint("`chartferry repo add NAME URL`"));
    }
    let mut all = Vec::new();
    for repository in repositories {
        match files.index(&repository.name, &limits) {
            Ok(index) => all.push((repository.name, index)),
            Err(error) => run.talk.warn(&format!(
                "repo is corrupt or missing: {}: {}; `chartferry repo update` fetches it",
                repository.name,
                error.chain()
            )),
        }
    }
    Ok(all)
}
