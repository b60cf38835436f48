//! Errors in the arguments, as the parser found them: clap's text for a person, one object for a
//! log.

use super::{
    called::Caller,
    console::{LogFormat, Talk, Volume},
    exit::Exit,
};
use crate::Error;
use std::{ffi::OsString, process::ExitCode};

/// Prints the parser's error, or the help or version that the user asked for.
pub(crate) fn report(error: &clap::Error, args: &[OsString], caller: Caller) -> ExitCode {
    if !error.use_stderr() {
        // A closed pipe is not a failure.
        let _ = error.print();
        return Exit::Ok.into();
    }
    let format = log_format(args);
    let talk = Talk::new(format, Volume::Normal, caller);
    let text = error.render().to_string();
    match format {
        LogFormat::Text => talk.block(&text),
        LogFormat::Json => talk.error(&as_error(&text)),
    }
    Exit::Usage.into()
}

/// Returns the log format that the arguments request. The parser has failed, so this searches the
/// words.
fn log_format(args: &[OsString]) -> LogFormat {
    let words = args.iter().filter_map(|arg| arg.to_str());
    let values = words.clone().skip(1);
    let asked = words.zip(values).any(|(word, next)| word == "--log-format" && next == "json");
    let joined = args.iter().any(|arg| arg == "--log-format=json");
    if asked || joined { LogFormat::Json } else { LogFormat::Text }
}

/// Converts clap's first paragraph to an error, with its tips as the hint. Its usage line is for a
/// person.
fn as_error(text: &str) -> Error {
    let mut paragraphs = text.trim().split("\n\n");
    let first = paragraphs.next().unwrap_or_default();
    let lines: Vec<&str> = first.lines().map(str::trim).collect();
    let message = lines.join(" ");
    let error = Error::usage(message.strip_prefix("error: ").unwrap_or(&message));
    let tips: Vec<&str> = paragraphs
        .flat_map(str::lines)
        .filter_map(|line| line.trim().strip_prefix("tip: "))
        .collect();
    if tips.is_empty() { error } else { error.with_hint(tips.join("; ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parsers_text_becomes_message_and_hint() {
        for (text, message, hint) in [
            (
                "error: unexpected argument '--nope' found\n\n  tip: a similar argument exists: '--note'\n\nUsage: x [OPTIONS]\n\nFor more information, try '--help'.\n",
                "unexpected argument '--nope' found",
                Some("a similar argument exists: '--note'"),
            ),
            (
                "error: the following required arguments were not provided:\n  <A>\n  <B>\n\nUsage: x <A> <B>\n",
                "the following required arguments were not provided: <A> <B>",
                None,
            ),
        ] {
            let error = as_error(text);
            assert_eq!((error.message(), error.hint().as_deref()), (message, hint));
        }
    }
}
