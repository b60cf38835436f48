//! Go's text/template over JSON, for templates that users have from ORAS.
//!
//! The language: text, actions with trim markers, comments, fields, variables, pipelines,
//! parentheses, literals, `if`, `with`, `range`, `break` and `continue`; Go's functions except
//! `call`; and of sprig `default`, `first`, `join`, `last`, `lower`, `quote`, `replace`,
//! `splitList`, `toJson`, `toPrettyJson`, `trim`, `trimPrefix`, `trimSuffix` and `upper`. The
//! parser refuses `define`, `template`, `block` and every other function by name.
//! `testdata/go-template/cases.json` has the output of Go for the tests.
//!
//! Differences from ORAS:
//! - ORAS decodes every number of the JSON to a float and prints 1 MiB as 1.048576e+06. Here,
//!   integers stay integers, and it is 1048576.
//! - So that a template works with both, `eq` and the other comparisons take an integer and a
//!   float, and `printf` takes an integer for `%f`, `%e` and `%g`. Go refuses both.
//! - A text is always UTF-8. `slice` refuses to divide a character, and an escape must not either.
//! - `slice` is Go's, which takes texts and lists. sprig's, which ORAS has, takes only lists.
//! - Hexadecimal floats, complex numbers and some flags of `printf` are errors.

use crate::{Error, ErrorKind, Result};
use serde_json::Value;

mod budget;
mod escape;
mod eval;
mod format;
mod functions;
mod item;
mod lexer;
mod literal;
mod parser;
#[cfg(test)]
mod tests;
mod tree;

/// A parsed template.
#[derive(Clone, Debug)]
pub(crate) struct Template(Vec<tree::Node>);

impl Template {
    /// Parses a template.
    ///
    /// # Errors
    /// `Usage`, with the line and the reason; `Limit` for a template above 64 KiB.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let failed = "cannot parse the Go template";
        if text.len() > budget::TEMPLATE_BYTES {
            let bytes = text.len();
            let limit = budget::TEMPLATE_BYTES;
            return Err(Error::new(ErrorKind::Limit, failed)
                .with_source(format!("it has {bytes} bytes, and the limit is {limit}")));
        }
        parser::template(text).map(Self).map_err(|fault| {
            Error::usage(failed).with_source(format!("line {}: {}", fault.line, fault.reason))
        })
    }

    /// Renders the template with `values`.
    ///
    /// # Errors
    /// `Usage`, with the line and the reason, if an action fails; `Limit` for an output above
    /// 16 MiB, after 1,000,000 steps, or after functions have made 64 MiB of texts.
    pub(crate) fn render(&self, values: &Value) -> Result<String> {
        eval::render(&self.0, values)
            .map_err(|error| error.context("cannot render the Go template"))
    }
}
