//! The manual pages: clap's description of a command, then examples, exit codes, variables and
//! files.

use super::{env::VARIABLES, examples, exit::Exit};
use crate::{Error, Result};
use clap::Command;
use clap_mangen::{
    Man,
    roff::{Roff, bold, roman},
};
use std::{fs, io, path::Path};

/// The files that the program reads or writes, and their content.
const FILES: &[(&str, &str)] = &[
    (
        "$HELM_CONFIG_HOME/registry/config.json",
        "Credentials of registries, written by login. By default ~/.config/helm/registry/config.json; docs/environment.md has the order in which it and those of Docker and Podman are read.",
    ),
    ("$HELM_CONFIG_HOME/repositories.yaml", "Configured chart repositories."),
    ("$HELM_CACHE_HOME/repository/", "Cached indexes of chart repositories."),
    ("$HELM_CACHE_HOME/chartferry/", "Partly downloaded blobs."),
    ("$HELM_DATA_HOME/chartferry/", "Charts that save and chart pull keep on this machine."),
    (
        "$XDG_DATA_HOME/chartferry/registry/",
        "Data of serve, unless --storage names another folder.",
    ),
];

/// Writes one page for each command to a folder.
///
/// # Errors
/// `Io`.
pub(crate) fn write(command: Command, folder: &Path, date: &str) -> Result<()> {
    let fail = |error| Error::io("write manual pages to", folder, error);
    fs::create_dir_all(folder).map_err(|error| Error::io("create folder", folder, error))?;
    let mut command = command.disable_help_subcommand(true);
    command.build();
    pages(&command, folder, date, "").map_err(fail)
}

fn pages(command: &Command, folder: &Path, date: &str, path: &str) -> io::Result<()> {
    for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set()) {
        let name = inner.get_name();
        let path = if path.is_empty() { name.to_owned() } else { format!("{path} {name}") };
        pages(inner, folder, date, &path)?;
    }
    let page = Man::new(command.clone())
        .date(date)
        .source(concat!("chartferry ", env!("CARGO_PKG_VERSION")))
        .manual("chartferry");
    let mut text = Vec::new();
    page.render_title(&mut text)?;
    page.render_name_section(&mut text)?;
    synopsis(command).to_writer(&mut text)?;
    page.render_description_section(&mut text)?;
    page.render_options_section(&mut text)?;
    if command.get_subcommands().any(|inner| !inner.is_hide_set()) {
        page.render_subcommands_section(&mut text)?;
    }
    sections(path).to_writer(&mut text)?;
    fs::write(folder.join(page.get_filename()), text)
}

/// Returns the line of usage, as `--help` prints it. Clap's pages name every flag in no order.
fn synopsis(command: &Command) -> Roff {
    let usage = command.clone().render_usage().to_string();
    let mut roff = Roff::new();
    roff.control("SH", ["SYNOPSIS"]);
    for line in usage.lines() {
        roff.text([roman(line.trim_start_matches("Usage: ").trim())]);
    }
    roff
}

fn sections(path: &str) -> Roff {
    let mut roff = Roff::new();
    let (lines, called) = match path.strip_prefix("chart ") {
        Some(verb) => (examples::of(verb), "chartferry chart"),
        None => (examples::of(path), "chartferry"),
    };
    if !lines.is_empty() {
        roff.control("SH", ["EXAMPLES"]);
        for line in lines {
            roff.control("PP", []);
            roff.text([roman(format!("{called} {line}"))]);
        }
    }
    let tagged = |roff: &mut Roff, heading: &str, all: &mut dyn Iterator<Item = (String, &str)>| {
        roff.control("SH", [heading]);
        for (name, what) in all {
            roff.control("TP", []);
            roff.text([bold(name)]);
            roff.text([roman(what.replace('`', ""))]);
        }
    };
    tagged(
        &mut roff,
        "EXIT STATUS",
        &mut Exit::ALL.iter().map(|(exit, what)| (exit.code().to_string(), *what)),
    );
    if path.is_empty() {
        let variables = VARIABLES.iter().map(|(name, what)| ((*name).to_owned(), *what));
        tagged(&mut roff, "ENVIRONMENT", &mut variables.into_iter());
        tagged(
            &mut roff,
            "FILES",
            &mut FILES.iter().map(|(name, what)| ((*name).to_owned(), *what)),
        );
        return roff;
    }
    for heading in ["ENVIRONMENT", "FILES"] {
        roff.control("SH", [heading]);
        roff.text([roman("See "), bold("chartferry"), roman("(1).")]);
    }
    roff
}
