//! Validation of values against values.schema.json, as `helm lint` reports it. The validator is
//! boon, by the author of the one in Helm; the sentences here are Helm's. It downloads nothing: it
//! follows neither `http` nor `file` references.

use crate::{json, quote};
use boon::{CompileError, Compiler, ErrorKind, Format, Schemas, UrlLoader, ValidationError};
use serde_json::Value;
use std::{error::Error as StdError, fmt::Write as _, sync::mpsc, thread, time::Duration};

/// The result of a validation of values against a schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The values match the schema.
    Met,
    /// The values do not match the schema. The text has a line for each fault.
    Unmet(String),
    /// The schema is invalid.
    Unusable(String),
    /// The schema refers to this URL, which is not downloaded.
    Elsewhere(String),
    /// The validation did not end within its time.
    TooLong,
}

/// The location of the schema in Helm's error texts.
const PLACE: &str = "file:///values.schema.json";

/// Formats that are not asserted, as in Helm. Older drafts would assert them.
const FORMATS: [&str; 19] = [
    "ipv4",
    "ipv6",
    "hostname",
    "idn-hostname",
    "email",
    "idn-email",
    "date",
    "time",
    "date-time",
    "duration",
    "period",
    "json-pointer",
    "relative-json-pointer",
    "uuid",
    "uri",
    "iri",
    "uri-reference",
    "iri-reference",
    "uri-template",
];

/// A loader that refuses every URL.
struct Nowhere;

impl UrlLoader for Nowhere {
    fn load(&self, _: &str) -> Result<Value, Box<dyn StdError>> {
        Err("it is not fetched".into())
    }
}

/// Validates `values` against the text `schema`, for at most `time`. References that double at each
/// level make a small schema endless, and the validator cannot be stopped: its thread ends with the
/// program.
pub fn check_within(schema: &[u8], values: &Value, time: Duration) -> Verdict {
    let (sender, receiver) = mpsc::channel();
    let (schema, values) = (schema.to_vec(), values.clone());
    thread::spawn(move || {
        // The receiver may have given up.
        let _ = sender.send(check(&schema, &values));
    });
    match receiver.recv_timeout(time) {
        Ok(verdict) => verdict,
        Err(mpsc::RecvTimeoutError::Timeout) => Verdict::TooLong,
        Err(mpsc::RecvTimeoutError::Disconnected) => {
            Verdict::Unusable("the validator failed".to_owned())
        }
    }
}

/// Validates `values` against the text `schema`, without a limit of time.
pub fn check(schema: &[u8], values: &Value) -> Verdict {
    let schema = match serde_json::from_slice(schema) {
        Ok(schema) => schema,
        Err(error) => return Verdict::Unusable(format!("invalid JSON: {error}")),
    };
    let mut compiler = Compiler::new();
    compiler.use_loader(Box::new(Nowhere));
    for name in FORMATS {
        compiler.register_format(Format { name, func: |_| Ok(()) });
    }
    let mut schemas = Schemas::new();
    let compiled = match compiler.add_resource(PLACE, schema) {
        Ok(()) => compiler.compile(PLACE, &mut schemas),
        Err(error) => Err(error),
    };
    let index = match compiled {
        Ok(index) => index,
        Err(
            CompileError::LoadUrlError { url, .. } | CompileError::UnsupportedUrlScheme { url },
        ) => return Verdict::Elsewhere(url),
        Err(CompileError::ValidationError { src, .. }) => {
            let mut text = format!("{} is not valid against its metaschema", quote::go(PLACE));
            lines(&src, 0, &mut text);
            return Verdict::Unusable(text);
        }
        Err(error) => return Verdict::Unusable(error.to_string()),
    };
    match schemas.validate(values, index) {
        Ok(()) => Verdict::Met,
        Err(error) => {
            let mut text = String::new();
            lines(&error, 0, &mut text);
            Verdict::Unmet(text.trim_start_matches('\n').to_owned())
        }
    }
}

/// Appends a line for each fault, with those beneath another indented.
fn lines(error: &ValidationError<'_, '_>, depth: usize, out: &mut String) {
    let is_passed_over = match error.kind {
        ErrorKind::Schema { .. } => true,
        ErrorKind::Group => depth == 0 && error.instance_location.to_string().is_empty(),
        ErrorKind::Reference { .. } => error.causes.len() == 1,
        _ => false,
    };
    let depth = if is_passed_over {
        depth
    } else {
        let place = &error.instance_location;
        let written = write!(
            out,
            "\n{:indent$}- at '{place}': {}",
            "",
            fault(&error.kind),
            indent = depth * 2
        );
        debug_assert!(written.is_ok(), "writing to a String cannot fail");
        depth + 1
    };
    error.causes.iter().for_each(|cause| lines(cause, depth, out));
}

fn fault(kind: &ErrorKind<'_, '_>) -> String {
    let bound = |name: &str, got: &dyn std::fmt::Display, want: &dyn std::fmt::Display| {
        format!("{name}: got {got}, want {want}")
    };
    let number =
        |value: &serde_json::Number| String::from_utf8_lossy(&json::to_vec(value)).into_owned();
    let numbers = |name: &str, got: &serde_json::Number, want: &serde_json::Number| {
        format!("{name}: got {}, want {}", number(got), number(want))
    };
    match kind {
        ErrorKind::Group | ErrorKind::Reference { .. } | ErrorKind::Schema { .. } => {
            "validation failed".to_owned()
        }
        ErrorKind::PropertyName { prop } => format!("invalid propertyName {}", quoted(prop)),
        ErrorKind::Type { got, want } => {
            let want: Vec<String> = want.iter().map(|kind| kind.to_string()).collect();
            format!("got {got}, want {}", want.join(" or "))
        }
        ErrorKind::Enum { want } => match want.iter().map(primitive).collect::<Option<Vec<_>>>() {
            Some(want) if want.len() == 1 => format!("value must be {}", want[0]),
            Some(want) => format!("value must be one of {}", want.join(", ")),
            None => "enum failed".to_owned(),
        },
        ErrorKind::Const { want } => match primitive(want) {
            Some(want) => format!("value must be {want}"),
            None => "const failed".to_owned(),
        },
        ErrorKind::MinProperties { got, want } => bound("minProperties", got, want),
        ErrorKind::MaxProperties { got, want } => bound("maxProperties", got, want),
        ErrorKind::MinItems { got, want } => bound("minItems", got, want),
        ErrorKind::MaxItems { got, want } => bound("maxItems", got, want),
        ErrorKind::MinLength { got, want } => bound("minLength", got, want),
        ErrorKind::MaxLength { got, want } => bound("maxLength", got, want),
        ErrorKind::Minimum { got, want } => numbers("minimum", got, want),
        ErrorKind::Maximum { got, want } => numbers("maximum", got, want),
        ErrorKind::ExclusiveMinimum { got, want } => numbers("exclusiveMinimum", got, want),
        ErrorKind::ExclusiveMaximum { got, want } => numbers("exclusiveMaximum", got, want),
        ErrorKind::MultipleOf { got, want } => numbers("multipleOf", got, want),
        ErrorKind::AdditionalProperties { got } => {
            format!("additional properties {} not allowed", list(got.iter()))
        }
        ErrorKind::Required { want } if want.len() == 1 => {
            format!("missing property {}", quoted(want[0]))
        }
        ErrorKind::Required { want } => format!("missing properties {}", list(want.iter())),
        ErrorKind::Dependency { prop, missing }
        | ErrorKind::DependentRequired { prop, missing } => {
            format!("properties {} required, if {} exists", list(missing.iter()), quoted(prop))
        }
        ErrorKind::UniqueItems { got: [one, other] } => {
            format!("items at {one} and {other} are equal")
        }
        ErrorKind::Pattern { got, want } => {
            format!("{} does not match pattern {}", quoted(got), quoted(want))
        }
        ErrorKind::Not => "'not' failed".to_owned(),
        ErrorKind::AllOf => "'allOf' failed".to_owned(),
        ErrorKind::AnyOf => "'anyOf' failed".to_owned(),
        ErrorKind::OneOf(None) => "'oneOf' failed, none matched".to_owned(),
        ErrorKind::OneOf(Some((one, other))) => {
            format!("'oneOf' failed, subschemas {one}, {other} matched")
        }
        other => other.to_string(),
    }
}

fn list<T: AsRef<str>>(names: impl Iterator<Item = T>) -> String {
    names.map(|name| quoted(name.as_ref())).collect::<Vec<_>>().join(", ")
}

/// Returns a name in single quotes, with quotes in it escaped.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

fn primitive(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(quoted(text)),
        Value::Array(_) | Value::Object(_) => None,
        value => Some(String::from_utf8_lossy(&json::to_vec(value)).into_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{chart::values, limits::Limits};

    fn said(values: &str, schema: &str) -> Verdict {
        let values = values::read(values.as_bytes(), &Limits::default()).expect("values");
        check(schema.as_bytes(), &values)
    }

    /// The texts are recorded from Helm 4.3.2, except for a line `at '/b/c': validation failed`
    /// above several faults of one place, if there are no others.
    #[test]
    fn faults_are_in_the_words_of_helm() {
        for (values, schema, expected) in [
            ("a: 1", r#"{"required":["b"]}"#, "- at '': missing property 'b'"),
            ("a: 1", r#"{"required":["b","c"]}"#, "- at '': missing properties 'b', 'c'"),
            (
                "a: x",
                r#"{"properties":{"a":{"type":"integer"}}}"#,
                "- at '/a': got string, want integer",
            ),
            (
                "a: 5.5",
                r#"{"properties":{"a":{"type":["string","boolean"]}}}"#,
                "- at '/a': got number, want boolean or string",
            ),
            (
                "a: 1",
                r##"{"$ref":"#/definitions/x","definitions":{"x":{"properties":{"a":{"$ref":"#/definitions/s"}}},"s":{"type":"string"}}}"##,
                "- at '/a': got number, want string",
            ),
            (
                "b: {c: [1, z]}",
                r#"{"properties":{"b":{"properties":{"c":{"items":{"type":"number","minimum":3}}}}}}"#,
                "- at '/b/c/0': minimum: got 1, want 3\n- at '/b/c/1': got string, want number",
            ),
            (
                "a: x",
                r#"{"properties":{"a":{"enum":["b","c",1]}}}"#,
                "- at '/a': value must be one of 'b', 'c', 1",
            ),
            ("a: x", r#"{"properties":{"a":{"const":3}}}"#, "- at '/a': value must be 3"),
            (
                "a: abc",
                r#"{"properties":{"a":{"pattern":"^d"}}}"#,
                "- at '/a': 'abc' does not match pattern '^d'",
            ),
            (
                "a: [1, 1]",
                r#"{"properties":{"a":{"uniqueItems":true}}}"#,
                "- at '/a': items at 0 and 1 are equal",
            ),
            (
                "o: {x: 1}",
                r#"{"properties":{"o":{"oneOf":[{"required":["y"]},{"required":["z"]}]}}}"#,
                "- at '/o': 'oneOf' failed, none matched\n  - at '/o': missing property 'y'\n  - at '/o': missing property 'z'",
            ),
            (
                "a: 1",
                r#"{"additionalProperties":false}"#,
                "- at '': additional properties 'a' not allowed",
            ),
        ] {
            assert_eq!(said(values, schema), Verdict::Unmet(expected.to_owned()), "{schema}");
        }
    }

    #[test]
    fn a_schema_whose_references_double_is_given_up() {
        let mut levels = vec![r#""l0":{"type":"object"}"#.to_owned()];
        for at in 0..22 {
            levels.push(format!(
                r##""l{}":{{"allOf":[{{"$ref":"#/definitions/l{at}"}},{{"$ref":"#/definitions/l{at}"}}]}}"##,
                at + 1
            ));
        }
        let schema =
            format!(r##"{{"$ref":"#/definitions/l22","definitions":{{{}}}}}"##, levels.join(","));
        let values = Value::Object(serde_json::Map::new());
        assert_eq!(check_within(schema.as_bytes(), &values, Duration::ZERO), Verdict::TooLong);
    }

    #[test]
    fn what_is_met_is_met_and_formats_are_not_asserted() {
        let draft = r#"{"$schema":"http://json-schema.org/draft-07/schema#","properties":{"a":{"format":"email"},"n":{"type":"integer"}}}"#;
        assert_eq!(said("a: nope\nn: 1\n", draft), Verdict::Met);
    }

    #[test]
    fn a_schema_that_is_none_is_named_and_no_reference_is_followed() {
        for schema in [r#"{"type": "#, r#"{"type": 5}"#] {
            assert!(matches!(said("a: 1", schema), Verdict::Unusable(_)), "{schema}");
        }
        for url in ["https://127.0.0.1:1/x.json", "file:///etc/passwd", "ftp://x/y"] {
            let schema = format!(r#"{{"$ref":"{url}"}}"#);
            assert_eq!(said("a: 1", &schema), Verdict::Elsewhere(url.to_owned()));
        }
    }
}
