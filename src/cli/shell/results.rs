//! The results of a verb for several inputs: one loop, one form of JSON, one exit code.

use super::{
    exit::Exit,
    output::{self, Format},
};
use crate::{Result, cli::Run, redact::without_proof};
use serde_json::{Map, Value, json};

/// The outcome of each input, in the order in which the user named them.
pub(crate) type Outcomes<T> = Vec<(String, Result<T>)>;

/// A successful result, ready to be printed.
#[derive(Debug, Default)]
pub(crate) struct Printed {
    /// The lines for a person. They are empty for a verb that prints nothing on success.
    pub(crate) text: String,
    /// The fields for a script, beside `input`.
    pub(crate) fields: Map<String, Value>,
}

impl Printed {
    /// Creates a result from its lines and a JSON object.
    pub(crate) fn new(text: String, fields: Value) -> Self {
        let Value::Object(fields) = fields else { return Self { text, ..Self::default() } };
        Self { text, fields }
    }
}

/// Prints all results and returns the exit code of the command.
///
/// In JSON and YAML the document is an array with one element for each input, whatever their
/// number. A failed input has `status: failed`, `kind` and `error`. `done` is the command's verb in
/// the past tense.
///
/// # Errors
/// The error of the only input; `Partial` if some of several inputs failed, `Invalid` if all did.
pub(crate) fn conclude(
    run: &Run,
    format: Format,
    done: &str,
    outcomes: Outcomes<Printed>,
) -> Result<Exit> {
    let total = outcomes.len();
    let (mut lines, mut values) = (String::new(), Vec::new());
    let (mut failed, mut only) = (Vec::new(), None);
    for (input, outcome) in outcomes {
        let mut value = Map::new();
        value.insert("input".into(), without_proof(&input).into());
        match outcome {
            Ok(printed) => {
                lines.push_str(&printed.text);
                value.extend(printed.fields);
            }
            Err(error) => {
                value.insert("status".into(), "failed".into());
                value.insert("kind".into(), json!(format!("{:?}", error.kind())));
                value.insert("error".into(), without_proof(&error.chain()).into());
                if total == 1 {
                    only = Some(error);
                } else {
                    run.talk.error(&error.context(format!("`{input}` was not {done}")));
                    failed.push(input);
                }
            }
        }
        values.push(Value::Object(value));
    }
    match format {
        Format::Text if lines.is_empty() => {}
        Format::Text => output::print(lines)?,
        format => output::print_value(format, &values)?,
    }
    match only {
        Some(error) => Err(error),
        None => run.partly(total, &failed, done),
    }
}
