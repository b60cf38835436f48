//! Messages on stderr, for a person or a machine.

use super::{
    advice::{ReadBy, render},
    called::Caller,
    output::now,
};
use crate::{Error, quote::printable, redact::without_proof};
use std::{
    collections::HashSet,
    io::{self, Write},
    sync::{Arc, Mutex},
};

/// The format of messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum LogFormat {
    /// Lines for a person.
    #[default]
    Text,
    /// A JSON object in each line.
    Json,
}

/// The two streams of a run. It is cheap to clone; lines from several threads do not mix. URLs are
/// redacted, because readers of a job's log may not be entitled to a signed URL. Control characters
/// are escaped, because registries and charts supply much of the text.
#[derive(Clone, Debug)]
pub(crate) struct Talk {
    format: LogFormat,
    quiet: bool,
    caller: Caller,
    read_by: ReadBy,
    bar: Arc<Mutex<Option<indicatif::ProgressBar>>>,
    /// The warnings that were printed once in this run.
    given: Arc<Mutex<HashSet<String>>>,
}

/// The amount of messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Volume {
    /// All messages.
    #[default]
    Normal,
    /// Warnings and errors only.
    Quiet,
}

impl Talk {
    /// Creates the streams with this format.
    pub(crate) fn new(format: LogFormat, volume: Volume, caller: Caller) -> Self {
        let quiet = volume == Volume::Quiet;
        let read_by = ReadBy::default();
        Self { format, quiet, caller, read_by, bar: Arc::default(), given: Arc::default() }
    }

    /// Returns the streams for a command with these flags.
    pub(crate) fn with_flags(self, read_by: ReadBy) -> Self {
        Self { read_by, ..self }
    }

    /// Prints a note for the user.
    pub(crate) fn info(&self, text: &str) {
        if !self.quiet {
            self.line("info", text);
        }
    }

    /// Prints a warning for the user.
    pub(crate) fn warn(&self, text: &str) {
        self.line("warning", text);
    }

    /// Prints a text of several lines unchanged.
    pub(crate) fn block(&self, text: &str) {
        self.raw(text);
    }

    /// Prints a warning once in a run, however often its cause occurs.
    pub(crate) fn warn_once(&self, text: &str) {
        if self.given.lock().is_ok_and(|mut given| given.insert(text.to_owned())) {
            self.warn(text);
        }
    }

    /// Prints an error with its causes and its hint.
    pub(crate) fn error(&self, error: &Error) {
        let hint = error.advice().map(|advice| render(advice, self.read_by));
        if self.format == LogFormat::Json {
            let kind = format!("{:?}", error.kind());
            return self.json(&[
                ("level", "error"),
                ("message", &error.chain()),
                ("kind", &kind),
                ("hint", hint.as_deref().unwrap_or_default()),
            ]);
        }
        let mut text = format!("error: {}\n", indented(&error.to_string(), "  "));
        let mut below = std::error::Error::source(error);
        let mut said = error.to_string();
        while let Some(cause) = below {
            let line = cause.to_string();
            if !said.ends_with(&line) {
                text.push_str(&format!("  caused by: {}\n", indented(&line, "    ")));
                said = line;
            }
            below = cause.source();
        }
        if let Some(hint) = hint {
            text.push_str(&format!("hint: {hint}\n"));
        }
        self.raw(&text);
    }

    /// Prints lines above `bar` while it is shown.
    pub(crate) fn attach(&self, bar: Option<indicatif::ProgressBar>) {
        if let Ok(mut slot) = self.bar.lock() {
            *slot = bar;
        }
    }

    fn line(&self, level: &str, text: &str) {
        match self.format {
            LogFormat::Json => self.json(&[("level", level), ("message", text)]),
            LogFormat::Text if level == "info" => self.raw(&format!("{text}\n")),
            LogFormat::Text => self.raw(&format!("{level}: {}\n", indented(text, "  "))),
        }
    }

    fn json(&self, fields: &[(&str, &str)]) {
        let mut object = serde_json::Map::new();
        object.insert("time".into(), now().into());
        for (key, value) in fields.iter().filter(|(_, value)| !value.is_empty()) {
            object.insert((*key).into(), without_proof(value).into());
        }
        self.raw(&format!("{}\n", serde_json::Value::Object(object)));
    }

    fn raw(&self, text: &str) {
        let text = without_proof(text);
        let text = self.caller.words(&printable(&text));
        let bar = self.bar.lock().ok().and_then(|slot| slot.clone());
        let write = || {
            // A closed stderr is not an error.
            let _ = io::stderr().lock().write_all(text.as_bytes());
        };
        match bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }
}
/// Returns a text with all lines but the first indented, so that a server's line does not look like
/// one of chartferry's.
fn indented(text: &str, by: &str) -> String {
    text.replace('\n', &format!("\n{by}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_line_does_not_look_like_a_message() {
        assert_eq!(indented("one", "  "), "one");
        assert_eq!(indented("denied\nerror: verified", "  "), "denied\n  error: verified");
    }
}
