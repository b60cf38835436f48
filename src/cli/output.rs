//! What is printed and where: data to stdout, talk to stderr. A reader that goes away is no failure.

use crate::{Error, Result};
use serde::Serialize;
use std::{
    io::{self, IsTerminal, Write},
    sync::{Arc, Mutex},
};

/// How results are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For a person.
    #[default]
    Text,
    /// One JSON document.
    Json,
    /// One YAML document.
    Yaml,
}

/// How talk is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// Lines for a person.
    #[default]
    Text,
    /// A JSON object a line.
    Json,
}

/// The two streams of a run. Cheap to clone; lines from several threads do not mix.
#[derive(Clone, Debug)]
pub struct Talk {
    format: LogFormat,
    quiet: bool,
    bar: Arc<Mutex<Option<indicatif::ProgressBar>>>,
}

/// How much is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Volume {
    /// Everything worth knowing.
    #[default]
    Normal,
    /// Warnings and errors only.
    Quiet,
}

impl Talk {
    /// Talk in a format.
    pub fn new(format: LogFormat, volume: Volume) -> Self {
        Self { format, quiet: volume == Volume::Quiet, bar: Arc::default() }
    }

    /// Something the user may want to know.
    pub fn info(&self, text: &str) {
        if !self.quiet {
            self.line("info", text);
        }
    }

    /// Something the user should know.
    pub fn warn(&self, text: &str) {
        self.line("warning", text);
    }

    /// An error with its causes and what to do next.
    pub fn error(&self, error: &Error) {
        if self.format == LogFormat::Json {
            let hint = error.hint().unwrap_or_default();
            let kind = format!("{:?}", error.kind());
            return self.json(&[
                ("level", "error"),
                ("message", &error.chain()),
                ("kind", &kind),
                ("hint", hint),
            ]);
        }
        let mut text = format!("error: {error}\n");
        let mut below = std::error::Error::source(error);
        let mut said = error.to_string();
        while let Some(cause) = below {
            let line = cause.to_string();
            if !said.ends_with(&line) {
                text.push_str(&format!("  caused by: {}\n", line.replace('\n', "\n    ")));
                said = line;
            }
            below = cause.source();
        }
        if let Some(hint) = error.hint() {
            text.push_str(&format!("hint: {hint}\n"));
        }
        self.raw(&text);
    }

    /// Lines above `bar` while it is drawn.
    pub(crate) fn attach(&self, bar: Option<indicatif::ProgressBar>) {
        if let Ok(mut slot) = self.bar.lock() {
            *slot = bar;
        }
    }

    fn line(&self, level: &str, text: &str) {
        match self.format {
            LogFormat::Json => self.json(&[("level", level), ("message", text)]),
            LogFormat::Text if level == "info" => self.raw(&format!("{text}\n")),
            LogFormat::Text => self.raw(&format!("{level}: {text}\n")),
        }
    }

    fn json(&self, fields: &[(&str, &str)]) {
        let mut object = serde_json::Map::new();
        object.insert("time".into(), now().into());
        for (key, value) in fields.iter().filter(|(_, value)| !value.is_empty()) {
            object.insert((*key).into(), (*value).into());
        }
        self.raw(&format!("{}\n", serde_json::Value::Object(object)));
    }

    fn raw(&self, text: &str) {
        let bar = self.bar.lock().ok().and_then(|slot| slot.clone());
        let write = || {
            // Nobody to talk to is no reason to fail.
            let _ = io::stderr().lock().write_all(text.as_bytes());
        };
        match bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }
}

/// The time now, RFC 3339 in UTC and whole seconds.
pub(crate) fn now() -> String {
    let now = jiff::Timestamp::now();
    now.round(jiff::Unit::Second).unwrap_or(now).to_string()
}

/// Whether a person reads stderr.
pub(crate) fn stderr_is_terminal() -> bool {
    io::stderr().is_terminal()
}

/// Writes data to stdout.
///
/// # Errors
/// `Io`; a reader that went away is none.
pub fn print(data: impl AsRef<[u8]>) -> Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(data.as_ref()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::io("write to", "stdout", error))
        }
        _ => Ok(()),
    }
}

/// Writes a line of data to stdout.
///
/// # Errors
/// As [`print`].
pub fn println(line: impl AsRef<str>) -> Result<()> {
    print(format!("{}\n", line.as_ref()))
}

/// Writes a value as JSON or YAML.
///
/// # Errors
/// As [`print`].
pub fn print_value<T: Serialize>(format: Format, value: &T) -> Result<()> {
    let value = serde_json::to_value(value)
        .map_err(|error| Error::invalid("cannot write the result").with_source(error))?;
    match format {
        Format::Yaml => print(crate::yaml::emit(&to_yaml(&value))),
        _ => println(format!("{value:#}")),
    }
}

fn to_yaml(value: &serde_json::Value) -> crate::yaml::Value {
    use crate::yaml::Value as Yaml;
    match value {
        serde_json::Value::Null => Yaml::Null,
        serde_json::Value::Bool(value) => Yaml::Bool(*value),
        serde_json::Value::Number(number) => number
            .as_i128()
            .map_or_else(|| Yaml::Float(number.as_f64().unwrap_or_default()), Yaml::Int),
        serde_json::Value::String(text) => Yaml::String(text.clone()),
        serde_json::Value::Array(values) => Yaml::Seq(values.iter().map(to_yaml).collect()),
        serde_json::Value::Object(entries) => {
            Yaml::Map(entries.iter().map(|(key, value)| (key.clone(), to_yaml(value))).collect())
        }
    }
}

/// A table as Helm prints it: cells padded to their column, joined by a tab; cells longer than `max_width` are cut,
/// unless that is 0.
pub fn table(header: &[&str], rows: &[Vec<String>], max_width: usize) -> String {
    let max_width = if max_width == 0 { usize::MAX } else { max_width };
    let header = header.iter().map(|cell| (*cell).to_owned()).collect();
    let rows: Vec<&Vec<String>> = std::iter::once(&header).chain(rows).collect();
    let width = |column: usize| {
        let widest = rows.iter().map(|row| row[column].chars().count()).max();
        widest.unwrap_or(0).min(max_width)
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let fit = |(cell, width): (&String, &usize)| {
        let length = cell.chars().count();
        if length <= *width {
            return format!("{cell}{}", " ".repeat(width - length));
        }
        // One character is kept however narrow the column; the cell is then wider than that.
        let kept: String = cell.chars().take(width.saturating_sub(3).max(1)).collect();
        format!("{kept}...")
    };
    let line = |row: &Vec<String>| {
        let cells: Vec<String> = row.iter().zip(&widths).map(fit).collect();
        format!("{}\n", cells.join("\t"))
    };
    rows.into_iter().map(line).collect()
}
