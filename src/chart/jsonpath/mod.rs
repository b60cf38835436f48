//! The JSONPath templates of kubectl and of `helm show values --jsonpath`: `{.image.tag}`, `{range
//! .list[*]}{@}{end}`. They differ from RFC 9535. The dialect is that of
//! k8s.io/client-go/util/jsonpath, as recorded from Helm 4.3.2 and 3.22 in
//! testdata/chart/jsonpath.txt. Go walks a mapping in random order; here, entries follow the order
//! of their keys.

use crate::{Error, Result, json};
use serde_json::Value;

mod eval;
mod parse;

/// A parsed template.
#[derive(Clone, Debug)]
pub struct Template(Vec<Piece>);

/// A part of a template, or of an action in it.
#[derive(Clone, Debug, PartialEq)]
enum Piece {
    /// Text outside of braces, or in quotes.
    Text(String),
    /// An expression in braces. Each step works on the values that the step before it found.
    Steps(Vec<Self>),
    /// A field, `.name`.
    Field(String),
    /// Every field or item, `.*`.
    Wildcard,
    /// Every descendant, `..`.
    Recursive,
    /// A slice: `[1:3]`, `[0]`, `[*]`.
    Slice(Slice),
    /// Several alternative steps, `[0,2]`.
    Union(Vec<Vec<Self>>),
    /// A filter, `[?(@.name=="x")]`.
    Filter(Box<Filter>),
    Int(i64),
    Float(f64),
    Bool(bool),
    /// A word: `range`, `end`, or any other, which has no effect.
    Word(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Slice {
    from: Option<i64>,
    to: To,
    step: Option<i64>,
}

/// The end of a slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum To {
    /// The end of the list.
    End,
    /// The element before this index.
    Index(i64),
    /// The first element of the slice: `[2]`.
    One,
}

#[derive(Clone, Debug, PartialEq)]
struct Filter {
    left: Vec<Piece>,
    /// The operator and its right side. Without them, the left side must exist.
    comparison: Option<(String, Vec<Piece>)>,
}

impl Template {
    /// Parses `text`.
    ///
    /// # Errors
    /// `Invalid`, in Helm's words.
    pub fn parse(text: &str) -> Result<Self> {
        parse::template(text).map(Self).map_err(|reason| {
            Error::invalid(format!("error parsing jsonpath {text}")).with_source(reason)
        })
    }

    /// Renders the template with `values`. The result is empty if one of its paths does not exist,
    /// as in Helm.
    pub fn render(&self, values: &Value) -> String {
        eval::render(&self.0, values).unwrap_or_default()
    }
}

/// Formats a number as Go's `%v` prints it.
fn number(value: f64) -> String {
    let text = json::shortest(value);
    let Some((mantissa, exponent)) = text.split_once('e') else { return text };
    match exponent.parse::<i32>() {
        Ok(-4..6) => json::without_exponent(&text),
        Ok(exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs())
        }
        Err(_) => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{chart::values, limits::Limits};

    const VALUES: &[u8] = include_bytes!("../../../testdata/chart/jsonpath.yaml");
    /// One line for each template, with its output, both as JSON text; `error` and the reason for a
    /// template that is refused.
    const GOLDEN: &str = include_str!("../../../testdata/chart/jsonpath.txt");

    #[test]
    fn templates_bring_what_helm_prints() {
        let values = values::read(VALUES, &Limits::default()).expect("values");
        let mut wrong = Vec::new();
        for line in GOLDEN.lines() {
            let mut parts = serde_json::Deserializer::from_str(line).into_iter::<Value>();
            let mut next = || parts.next().map(|part| part.expect("JSON"));
            let (template, kind, expected) = (next(), next(), next());
            let text = |part: Option<Value>| part.and_then(|part| part.as_str().map(str::to_owned));
            let template = text(template).expect("template");
            let found = match Template::parse(&template) {
                Ok(template) => ("prints", template.render(&values)),
                Err(error) => ("refuses", error.chain()),
            };
            let expected = (text(kind).expect("kind"), text(expected).expect("output"));
            if (found.0, &found.1) != (expected.0.as_str(), &expected.1) {
                wrong.push(format!("{template}\n  expected {expected:?}\n  found    {found:?}"));
            }
        }
        assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    }
}
