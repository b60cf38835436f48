//! The two ways to print the results of the same work.

use crate::{
    Error, Result,
    cli::shell::output::{self, Format},
    go_template::Template,
};
use clap::Args;
use serde_json::Value;

/// The way in which a command prints.
#[derive(Debug)]
pub(in crate::cli) enum Printing {
    /// The texts of chartferry, or a document.
    Own(Format),
    /// The texts of ORAS.
    OrasText,
    /// The JSON of ORAS.
    OrasJson,
    /// A template of Go over the JSON of ORAS.
    OrasTemplate(Template),
}

/// The flags of ORAS for the format of results.
#[derive(Debug, Args)]
pub(in crate::cli) struct FormatArgs {
    /// Print the result as `text`, `json` or `go-template`; `discover` has `tree` instead of `text`
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Print the result with this template of Go
    #[arg(long, value_name = "TEMPLATE")]
    template: Option<String>,
}

impl Printing {
    /// Reads the flags `--format` and `--template` of ORAS. `text` is the name of the text format.
    pub(in crate::cli) fn of_oras(flags: &FormatArgs, text: &'static str) -> Result<Self> {
        let format = flags.format.as_deref().unwrap_or(text);
        let (format, inline) = match format.split_once('=') {
            Some((format, template)) => (format, Some(template)),
            None => (format, None),
        };
        let template = inline.or(flags.template.as_deref());
        match (format, template) {
            ("go-template", Some(template)) => Template::parse(template).map(Self::OrasTemplate),
            ("go-template", None) => Err(Error::usage("`--format go-template` needs a template")
                .with_hint("write `--format go-template='{{.digest}}'`")),
            (_, Some(_)) => Err(Error::usage("`--template` is for `--format go-template`")),
            (format, None) if format == text => Ok(Self::OrasText),
            ("json", None) => Ok(Self::OrasJson),
            (other, None) => Err(Error::usage(format!("`{other}` is not a format"))
                .with_hint(format!("the formats are `{text}`, `json` and `go-template`"))),
        }
    }

    /// Returns true if only a document is printed, so that no progress may be on stdout.
    pub(in crate::cli) fn is_document(&self) -> bool {
        match self {
            Self::Own(format) => *format != Format::Text,
            Self::OrasText => false,
            Self::OrasJson | Self::OrasTemplate(_) => true,
        }
    }

    /// Prints a result: the text for a person, or the document.
    pub(in crate::cli) fn print(&self, text: impl FnOnce() -> String, value: &Value) -> Result<()> {
        match self {
            Self::Own(Format::Text) | Self::OrasText => output::print(text()),
            Self::Own(format) => output::print_value(*format, value),
            Self::OrasJson => output::print_value(Format::Json, value),
            Self::OrasTemplate(template) => output::print_content(template.render(value)?),
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
