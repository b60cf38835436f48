//! The two ways to print the results of the same work.

use crate::{
    Error, Result,
    cli::shell::output::{self, Format},
};
use serde_json::Value;

/// The way in which a command prints.
#[derive(Clone, Debug)]
pub(in crate::cli) enum Printing {
    /// The texts of chartferry, or a document.
    Own(Format),
    /// The texts of ORAS.
    OrasText,
    /// The JSON of ORAS.
    OrasJson,
}

impl Printing {
    /// Reads the flags `--format` and `--template` of ORAS.
    pub(in crate::cli) fn of_oras(format: Option<&str>, text: &'static str) -> Result<Self> {
        match format {
            None => Ok(Self::OrasText),
            Some(format) if format == text => Ok(Self::OrasText),
            Some("json") => Ok(Self::OrasJson),
            Some(other) => Err(Error::usage(format!("`{other}` is not a format"))
                .with_hint(format!("the formats are `{text}` and `json`"))),
        }
    }

    /// Returns true if only a document is printed, so that no progress may be on stdout.
    pub(in crate::cli) fn is_document(&self) -> bool {
        matches!(self, Self::Own(Format::Json | Format::Yaml) | Self::OrasJson)
    }

    /// Prints a result: the text for a person, or the document.
    pub(in crate::cli) fn print(&self, text: impl FnOnce() -> String, value: &Value) -> Result<()> {
        match self {
            Self::Own(Format::Text) | Self::OrasText => output::print(text()),
            Self::Own(format) => output::print_value(*format, value),
            Self::OrasJson => output::print_value(Format::Json, value),
        }
    }

    /// Prints a line of progress as ORAS does, at once.
    pub(in crate::cli) fn progress(&self, line: &str) {
        if matches!(self, Self::OrasText) {
            // A closed pipe ends the command at its next output.
            let _ = output::println(line);
        }
    }
}

/// Returns the first digits of a digest, as ORAS prints them.
pub(in crate::cli) fn short(digest: &crate::oci::Digest) -> &str {
    &digest.hex()[..12]
}
