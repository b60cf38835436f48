//! Output of results on stdout and messages on stderr. A reader that closes the pipe is not a
//! failure.

use crate::{Error, Result, quote::printable};
use serde::Serialize;
use std::{
    borrow::Cow,
    io::{self, IsTerminal, Write},
};

/// The format of results.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// Text for a person.
    #[default]
    Text,
    /// A JSON document.
    Json,
    /// A YAML document.
    Yaml,
}

/// Returns the time now, RFC 3339 in UTC and whole seconds.
pub(crate) fn now() -> String {
    let now = jiff::Timestamp::now();
    now.round(jiff::Unit::Second).unwrap_or(now).to_string()
}

/// Returns true if stderr is a terminal.
pub(crate) fn stderr_is_terminal() -> bool {
    io::stderr().is_terminal()
}

/// Returns a text with its control characters escaped. Most of it is from charts and registries of
/// strangers, and a user may later print a file on a terminal.
pub(super) fn for_people(text: &str) -> Cow<'_, str> {
    // Files of other systems have these line ends, which a terminal shows like a line feed.
    let lines: Vec<_> = text.split("\r\n").map(printable).collect();
    if lines.iter().all(|line| matches!(line, Cow::Borrowed(_))) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(lines.join("\r\n"))
}

/// Returns content for stdout: unchanged for a file or pipe. On a terminal, control characters are
/// escaped.
fn shown(data: &[u8], is_terminal: bool) -> Cow<'_, [u8]> {
    if !is_terminal {
        return Cow::Borrowed(data);
    }
    let text = String::from_utf8_lossy(data);
    match (for_people(&text), &text) {
        (Cow::Borrowed(_), Cow::Borrowed(_)) => Cow::Borrowed(data),
        (text, _) => Cow::Owned(text.into_owned().into_bytes()),
    }
}

/// Writes a text for a person to stdout, with its control characters escaped.
///
/// # Errors
/// `Io`, except if the reader has closed the pipe.
pub(crate) fn print(text: impl AsRef<str>) -> Result<()> {
    write(std::iter::once(for_people(text.as_ref()).as_bytes()))
}

/// Writes content to stdout unchanged: a file of a chart, an index, JSON.
///
/// # Errors
/// The errors of [`print`].
pub(crate) fn print_content(content: impl AsRef<[u8]>) -> Result<()> {
    print_pieces(&[content])
}

/// Writes content that is in pieces to stdout, without putting them together first.
///
/// # Errors
/// As [`print`].
pub(crate) fn print_pieces(pieces: &[impl AsRef<[u8]>]) -> Result<()> {
    let is_terminal = io::stdout().is_terminal();
    write(pieces.iter().map(|piece| shown(piece.as_ref(), is_terminal)))
}

fn write(mut pieces: impl Iterator<Item = impl AsRef<[u8]>>) -> Result<()> {
    let mut stdout = io::stdout().lock();
    let written = pieces.try_for_each(|piece| stdout.write_all(piece.as_ref()));
    match written.and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::io("write to", "stdout", error))
        }
        _ => Ok(()),
    }
}

/// Writes a line for a person to stdout, as [`print`] does.
///
/// # Errors
/// As [`print`].
pub(crate) fn println(line: impl AsRef<str>) -> Result<()> {
    print(format!("{}\n", line.as_ref()))
}

/// Writes a value as one line of JSON, as Helm does.
///
/// # Errors
/// As [`print`].
pub(crate) fn print_line<T: Serialize + ?Sized>(value: &T) -> Result<()> {
    let mut line = crate::json::to_vec(value);
    line.push(b'\n');
    print_content(line)
}

/// Writes a value as JSON or YAML.
///
/// # Errors
/// As [`print`].
pub(crate) fn print_value<T: Serialize>(format: Format, value: &T) -> Result<()> {
    let value = serde_json::to_value(value)
        .map_err(|error| Error::invalid("cannot write the result").with_source(error))?;
    match format {
        Format::Yaml => print_content(crate::yaml::emit(&to_yaml(&value))),
        _ => print_content(format!("{value:#}\n")),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_gets_no_control_characters_and_a_pipe_every_byte_of_content() {
        let data = b"description: \x1b]0;owned\x07\xff\r\n";
        assert_eq!(*shown(data, false), *data);
        let text = "description: \\u001b]0;owned\\u0007\u{fffd}\r\n";
        assert_eq!(*shown(data, true), *text.as_bytes());
        assert!(matches!(shown(b"plain", true), Cow::Borrowed(b"plain")));
        assert_eq!(for_people("a\r\n\u{9b}\r\u{202e}b"), "a\r\n\\u009b\\u000d\\u202eb");
    }
}
