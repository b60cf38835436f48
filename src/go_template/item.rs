//! The values of a template while it runs.

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value};
use std::{ops::Deref, rc::Rc};

/// A value.
#[derive(Clone, Debug)]
pub(super) enum Item<'a> {
    /// The value of a key that does not exist. Fields of it do not exist either.
    Missing,
    /// A null of the JSON. Its fields are errors, as in Go.
    Null,
    Bool(bool),
    Int(i64),
    /// A number above the maximum of `Int`, or a byte of a text.
    Uint(u64),
    Float(f64),
    Text(Text<'a>),
    List(&'a [Value]),
    /// A list of texts that a function made.
    Texts(Rc<[Rc<str>]>),
    Map(&'a Map<String, Value>),
}

/// A text of the template or the JSON, or one that a function made.
#[derive(Clone, Debug)]
pub(super) enum Text<'a> {
    Borrowed(&'a str),
    Made(Rc<str>),
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Self::Borrowed(text) => text,
            Self::Made(text) => text,
        }
    }
}

impl From<String> for Item<'_> {
    fn from(text: String) -> Self {
        Self::Text(Text::Made(text.into()))
    }
}

impl<'a> From<&'a str> for Item<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Text::Borrowed(text))
    }
}

impl<'a> From<&'a Value> for Item<'a> {
    fn from(value: &'a Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(*value),
            Value::Number(number) => match (number.as_i64(), number.as_u64()) {
                (Some(value), _) => Self::Int(value),
                (None, Some(value)) => Self::Uint(value),
                (None, None) => Self::Float(number.as_f64().unwrap_or_default()),
            },
            Value::String(text) => Self::from(text.as_str()),
            Value::Array(values) => Self::List(values),
            Value::Object(entries) => Self::Map(entries),
        }
    }
}

impl<'a> Item<'a> {
    /// Returns true unless the value is missing, null, false, zero or empty.
    pub(super) fn is_true(&self) -> bool {
        match self {
            Self::Missing | Self::Null => false,
            Self::Bool(value) => *value,
            Self::Int(value) => *value != 0,
            Self::Uint(value) => *value != 0,
            Self::Float(value) => *value != 0.0,
            Self::Text(_) | Self::List(_) | Self::Texts(_) | Self::Map(_) => {
                self.length().is_some_and(|length| length > 0)
            }
        }
    }

    /// Returns the bytes of a text, or the elements of a list or map.
    pub(super) fn length(&self) -> Option<usize> {
        match self {
            Self::Text(text) => Some(text.len()),
            Self::List(values) => Some(values.len()),
            Self::Texts(texts) => Some(texts.len()),
            Self::Map(entries) => Some(entries.len()),
            _ => None,
        }
    }

    /// Returns an element of a list.
    pub(super) fn element(&self, index: usize) -> Option<Self> {
        match self {
            Self::List(values) => values.get(index).map(Self::from),
            Self::Texts(texts) => {
                texts.get(index).map(|text| Self::Text(Text::Made(Rc::clone(text))))
            }
            _ => None,
        }
    }

    /// Returns true for null and for a missing value.
    pub(super) fn is_nil(&self) -> bool {
        matches!(self, Self::Missing | Self::Null)
    }

    /// Returns Go's name of the type.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Missing | Self::Null => "nil",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Uint(_) => "uint64",
            Self::Float(_) => "float64",
            Self::Text(_) => "string",
            Self::List(_) => "[]interface {}",
            Self::Texts(_) => "[]string",
            Self::Map(_) => "map[string]interface {}",
        }
    }
}

/// Returns the entries of a map in the order of their keys, as Go prints and visits them.
pub(super) fn in_order(entries: &Map<String, Value>) -> Vec<(&String, &Value)> {
    let mut sorted: Vec<_> = entries.iter().collect();
    sorted.sort_unstable_by_key(|(key, _)| *key);
    sorted
}

/// A value as JSON, with every map in the order of its keys.
struct Sorted<'a>(&'a Value);

impl Serialize for Sorted<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Array(values) => serializer.collect_seq(values.iter().map(Sorted)),
            Value::Object(entries) => sorted(entries, serializer),
            value => value.serialize(serializer),
        }
    }
}

fn sorted<S: Serializer>(entries: &Map<String, Value>, serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(entries.len()))?;
    for (key, value) in in_order(entries) {
        map.serialize_entry(key, &Sorted(value))?;
    }
    map.end()
}

impl Serialize for Item<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Missing | Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Int(value) => serializer.serialize_i64(*value),
            Self::Uint(value) => serializer.serialize_u64(*value),
            Self::Float(value) => serializer.serialize_f64(*value),
            Self::Text(text) => serializer.serialize_str(text),
            Self::List(values) => serializer.collect_seq(values.iter().map(Sorted)),
            Self::Texts(texts) => serializer.collect_seq(texts.iter().map(|text| &**text)),
            Self::Map(entries) => sorted(entries, serializer),
        }
    }
}
