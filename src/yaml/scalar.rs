//! The types of scalars in Go: the plain texts that are a bool, a number, a null or a timestamp in
//! yaml.v2, and the form in which Go prints a number. The reader resolves scalars with this module;
//! the writer quotes every string that it would not resolve to a string.

use super::{
    Value, YamlError,
    number::{dotted_float, float, integer, signed_binary},
    timestamp::is_timestamp,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use granit_parser::{Marker, ScalarStyle, Tag};
use std::borrow::Cow;

const TAGS: &str = "tag:yaml.org,2002:";

/// Type of a plain scalar.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Scalar {
    Null,
    Bool(bool),
    Int(i128),
    Float(f64),
    /// A timestamp. It is a string for every purpose, but the writer quotes it.
    Timestamp,
    String,
}

impl Scalar {
    /// Returns the tag's name, without `!!`.
    pub(super) fn tag(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Float(_) => "float",
            Self::Timestamp => "timestamp",
            Self::String => "str",
        }
    }
}

/// The policy for timestamps: `!!int 2024-01-02` does not make one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Timestamps {
    Known,
    Unknown,
}

/// Resolves a plain scalar as yaml.v2 does.
pub(super) fn resolve(text: &str, timestamps: Timestamps) -> Scalar {
    let Some(first) = text.bytes().next() else {
        return Scalar::Null;
    };
    match first {
        b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' | b'~' => word(text),
        b'.' => match text {
            ".nan" | ".NaN" | ".NAN" => Scalar::Float(f64::NAN),
            ".inf" | ".Inf" | ".INF" => Scalar::Float(f64::INFINITY),
            _ => dotted_float(text).map_or(Scalar::String, Scalar::Float),
        },
        b'0'..=b'9' | b'+' | b'-' => {
            match text {
                "+.inf" | "+.Inf" | "+.INF" => return Scalar::Float(f64::INFINITY),
                "-.inf" | "-.Inf" | "-.INF" => return Scalar::Float(f64::NEG_INFINITY),
                _ => {}
            }
            if timestamps == Timestamps::Known && is_timestamp(text) {
                return Scalar::Timestamp;
            }
            let plain =
                if text.contains('_') { Cow::Owned(text.replace('_', "")) } else { text.into() };
            integer(&plain)
                .map(Scalar::Int)
                .or_else(|| float(&plain).map(Scalar::Float))
                .or_else(|| signed_binary(&plain).map(Scalar::Int))
                .unwrap_or(Scalar::String)
        }
        _ => Scalar::String,
    }
}

/// Returns true if [`resolve`] needs more than the first character.
pub(super) fn resolves(text: &str) -> bool {
    matches!(
        text.bytes().next(),
        None | Some(
            b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' | b'~' | b'.' | b'0'
                ..=b'9' | b'+' | b'-'
        )
    )
}

/// Returns the value of a plain scalar without a tag.
pub(super) fn plain(text: &str) -> Value {
    value(resolve(text, Timestamps::Known), Cow::Borrowed(text))
}

fn word(text: &str) -> Scalar {
    match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            Scalar::Bool(true)
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            Scalar::Bool(false)
        }
        "~" | "null" | "Null" | "NULL" => Scalar::Null,
        _ => Scalar::String,
    }
}

/// Resolves a scalar of a document, by its tag and quotes.
pub(super) fn read(
    text: Cow<'_, str>,
    style: ScalarStyle,
    tag: Option<&Tag>,
    at: Marker,
) -> Result<Value, YamlError> {
    let Some(tag) = tag else {
        return Ok(match style {
            ScalarStyle::Plain => value(resolve(&text, Timestamps::Known), text),
            _ => Value::String(text.into_owned()),
        });
    };
    let name = tag.suffix_in_namespace(TAGS).unwrap_or(Cow::Borrowed(""));
    let timestamps = if name == "timestamp" { Timestamps::Known } else { Timestamps::Unknown };
    match &*name {
        "bool" | "int" | "float" | "null" | "timestamp" => {
            match (resolve(&text, timestamps), &*name) {
                (Scalar::Int(number), "float") if i64::try_from(number).is_ok() =>
                {
                    #[expect(clippy::cast_precision_loss, reason = "Go rounds here too")]
                    Ok(Value::Float(number as f64))
                }
                (found, _) if found.tag() == name => Ok(value(found, text)),
                (found, _) => Err(YamlError::content(
                    format!("cannot decode !!{} `{text}` as a !!{name}", found.tag()),
                    at,
                )),
            }
        }
        "binary" => {
            let text = text.replace(['\r', '\n'], "");
            let bytes = BASE64_STANDARD.decode(text).map_err(|_| {
                YamlError::content("!!binary value contains invalid base64 data", at)
            })?;
            Ok(Value::String(String::from_utf8_lossy(&bytes).into_owned()))
        }
        // `!!str` and any other tag keep the text.
        _ => Ok(Value::String(text.into_owned())),
    }
}

/// Returns true if a scalar as a key merges its value into the mapping.
pub(super) fn is_merge(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> bool {
    text == "<<"
        && match tag {
            None => style == ScalarStyle::Plain,
            Some(tag) => tag.suffix_in_namespace(TAGS).is_some_and(|name| name == "merge"),
        }
}

fn value(scalar: Scalar, text: Cow<'_, str>) -> Value {
    match scalar {
        Scalar::Null => Value::Null,
        Scalar::Bool(value) => Value::Bool(value),
        Scalar::Int(value) => Value::Int(value),
        Scalar::Float(value) => Value::Float(value),
        Scalar::Timestamp | Scalar::String => Value::String(text.into_owned()),
    }
}
