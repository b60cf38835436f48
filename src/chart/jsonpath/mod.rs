//! The JSONPath templates of kubectl and of `helm show values --jsonpath`: `{.image.tag}`,
//! `{range .list[*]}{@}{end}`. They are not RFC 9535. The dialect is that of
//! k8s.io/client-go/util/jsonpath, as Helm 4.3.2 and 3.22 were seen to print it; the recorded table
//! is testdata/chart/jsonpath.txt. Where Go walks a mapping in random order, entries come by their
//! keys.

use crate::{Error, Result, json};
use serde_json::Value;

mod eval;
mod parse;

/// A template, parsed.
#[derive(Clone, Debug)]
pub struct Template(Vec<Piece>);

/// A part of a template, or of an action in it.
#[derive(Clone, Debug, PartialEq)]
enum Piece {
    /// Text outside of braces, or in quotes.
    Text(String),
    /// An expression in braces: each step works on the values that the one before it found.
    Steps(Vec<Self>),
    /// A field, `.name`.
    Field(String),
    /// Every field or item, `.*`.
    Wildcard,
    /// Every descendant, `..`.
    Recursive,
    /// `[1:3]`, `[0]`, `[*]`
    Slice(Slice),
    /// Several steps side by side, `[0,2]`.
    Union(Vec<Vec<Self>>),
    /// A filter, `[?(@.name=="x")]`.
    Filter(Box<Filter>),
    Int(i64),
    Float(f64),
    Bool(bool),
    /// `range`, `end`, and any other word, which means nothing.
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
    /// At the end.
    End,
    /// Before this index.
    Index(i64),
    /// Behind its first element: `[2]`.
    One,
}

#[derive(Clone, Debug, PartialEq)]
struct Filter {
    left: Vec<Piece>,
    /// The operator and its right side; without one, the left side must exist.
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

/// A number as Go's `%v` prints it.
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
    /// A line each: template and output, both as JSON text; `error` and the reason where the
    /// template is refused.
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
