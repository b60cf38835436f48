//! YAML, for the whole crate: read as Helm reads it (YAML 1.1 scalars by Go's rules, then JSON),
//! written as Helm writes it.
//!
//! The model is sigs.k8s.io/yaml 1.6 over yaml.v2. It does not keep comments, tags, anchors or key
//! types. It does not decode into structs; [`crate::chart`] does that, field by field, from a
//! [`Value`].

pub(crate) mod cursor;
mod emit;
mod error;
mod input;
mod mapping;
mod number;
mod parse;
pub(crate) mod quick;
mod scalar;
pub(crate) mod span;
mod style;
mod tab;
mod timestamp;
pub(crate) mod walk;

use crate::limits::Limits;
pub(crate) use emit::Node;
pub use error::YamlError;

/// A YAML document as Helm sees it after sigs.k8s.io/yaml converted it to JSON: keys are strings,
/// scalars are resolved.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// A null: `null`, `~` or an empty scalar.
    #[default]
    Null,
    /// A YAML 1.1 bool (`yes`, `on`, `y`, …).
    Bool(bool),
    /// An integer. An i128 holds every int64 and uint64.
    Int(i128),
    /// A floating-point number.
    Float(f64),
    /// A string.
    String(String),
    /// A sequence.
    Seq(Vec<Self>),
    /// A mapping in the order of the document, with unique keys.
    Map(Vec<(String, Self)>),
}

/// The policy for a key that occurs twice in one mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duplicates {
    /// The last one counts, as when Helm reads charts.
    LastWins,
    /// The document is refused, also for merged keys, as when Helm reads index.yaml and
    /// plugin.yaml.
    Error,
}

/// Flow collections in a document whose lines may start with tabs that the scanner refuses. Each
/// costs another reading.
const FLOWS_WITH_TABS: usize = 32;

/// Reads the first document of `bytes` and ignores all others, as sigs.k8s.io/yaml does. An empty
/// input is [`Value::Null`].
pub fn parse(bytes: &[u8], duplicates: Duplicates, limits: &Limits) -> Result<Value, YamlError> {
    quick::read(bytes, limits).or_else(|_| parse_fully(bytes, duplicates, limits))
}

/// Does the same with the full reader alone.
fn parse_fully(bytes: &[u8], duplicates: Duplicates, limits: &Limits) -> Result<Value, YamlError> {
    read(bytes, duplicates, limits, |documents| documents.next().unwrap_or(Ok(Value::Null)))
}

/// Reads every document of `bytes`, which may have none. The limits apply to all of them together.
pub fn parse_all(
    bytes: &[u8],
    duplicates: Duplicates,
    limits: &Limits,
) -> Result<Vec<Value>, YamlError> {
    if let Ok(value) = quick::read(bytes, limits) {
        return Ok(vec![value]);
    }
    read(bytes, duplicates, limits, |documents| documents.collect())
}

/// Returns true if `bytes` are certainly one mapping that JSON can hold. It builds no values; a
/// false result may still be such a mapping.
pub(crate) fn is_mapping(bytes: &[u8], limits: &Limits) -> bool {
    walk::is_mapping(bytes, limits)
}

fn read<T>(
    bytes: &[u8],
    duplicates: Duplicates,
    limits: &Limits,
    take: impl Fn(&mut parse::Documents<'_>) -> Result<T, YamlError>,
) -> Result<T, YamlError> {
    let mut text = input::decode(bytes)?;
    for _ in 0..FLOWS_WITH_TABS {
        let mut documents = parse::Documents::new(&text, duplicates, limits);
        let taken = take(&mut documents);
        let Some(start) = documents.refused_flow() else { return taken };
        text = tab::blanks_in_flow(&text, start).into();
    }
    take(&mut parse::Documents::new(&text, duplicates, limits))
}

/// Writes `value` with the same bytes as sigs.k8s.io/yaml's `Marshal`: mappings sorted "naturally"
/// (`a9` before `a10`), strings quoted so that they stay strings, lines folded at 80 columns. The
/// text ends in a line break.
pub fn emit(value: &Value) -> String {
    emit::emit(&Node::from(value))
}

/// Writes a borrowed value as [`emit`] does.
pub(crate) fn emit_node(node: &Node<'_>) -> String {
    emit::emit(node)
}

/// Writes an item of a list whose dashes are indented by `indent`, as whole lines.
pub(crate) fn emit_item(node: &Node<'_>, indent: isize) -> String {
    emit::emit_item(node, indent)
}

/// Events of [`parse_items`] while it reads a document.
#[derive(Debug)]
pub(crate) enum Step {
    /// The reader starts again; earlier items no longer count.
    Start,
    /// An item. The answer replaces it in the document.
    Item(Value),
}

/// Reads the first document of `bytes` strictly, without all of it in memory. It passes each item
/// of each list in the mapping under the root's key `under` to `take`; if that returns `None`, the
/// reading ends. The limit of nodes applies to each item, and to everything outside of items.
pub(crate) fn parse_items(
    bytes: &[u8],
    under: &str,
    limits: &Limits,
    take: &mut dyn FnMut(Step) -> Option<Value>,
) -> Result<Value, YamlError> {
    let mut text = input::decode(bytes)?;
    for _ in 0..FLOWS_WITH_TABS {
        take(Step::Start);
        let documents = parse::Documents::new(&text, Duplicates::Error, limits);
        let mut documents = documents.with_items(under, take);
        let value = documents.next().unwrap_or(Ok(Value::Null));
        let Some(start) = documents.refused_flow() else { return value };
        text = tab::blanks_in_flow(&text, start).into();
    }
    take(Step::Start);
    let documents = parse::Documents::new(&text, Duplicates::Error, limits);
    documents.with_items(under, take).next().unwrap_or(Ok(Value::Null))
}

/// Returns the value of a plain scalar on one line.
pub(crate) fn plain(text: &str) -> Value {
    scalar::plain(text)
}

/// Returns true if a plain scalar may be another type than a string. [`plain`] is slower and
/// decides.
pub(crate) fn resolves(text: &str) -> bool {
    scalar::resolves(text)
}

/// Compares keys in the order in which [`emit`] writes them.
pub(crate) fn compare_keys(a: &str, b: &str) -> std::cmp::Ordering {
    emit::natural(a, b)
}

impl Value {
    /// Returns the value under exactly `key`, if this is a mapping with that key.
    pub fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Map(entries) => {
                entries.iter().find(|(name, _)| name == key).map(|(_, value)| value)
            }
            _ => None,
        }
    }

    /// Returns a scalar as sigs.k8s.io/yaml puts it into a Go field of type string: `1.10` is
    /// `1.1`, `0x10` is `16`, `yes` is `true`, a null is empty, a float passes through single
    /// precision. `None` for a sequence or mapping.
    pub fn to_go_string(&self) -> Option<String> {
        Some(match self {
            Self::Null => String::new(),
            Self::Bool(value) => value.to_string(),
            Self::Int(value) => value.to_string(),
            Self::Float(value) => number::format_f32(*value),
            Self::String(value) => value.clone(),
            Self::Seq(_) | Self::Map(_) => return None,
        })
    }

    /// Returns the name of this kind of value in the errors of Go's `encoding/json`: `cannot
    /// unmarshal array into …`.
    pub fn go_kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "bool",
            Self::Int(_) | Self::Float(_) => "number",
            Self::String(_) => "string",
            Self::Seq(_) => "array",
            Self::Map(_) => "object",
        }
    }

    /// Refuses an infinity or a NaN anywhere in the value, as sigs.k8s.io/yaml does for every value
    /// that is not for a string field: JSON cannot write them.
    pub fn require_json(&self) -> Result<(), YamlError> {
        match self {
            Self::Float(value) if !value.is_finite() => Err(YamlError::conversion(format!(
                "json: unsupported value: {}",
                number::format_f64(*value)
            ))),
            Self::Seq(values) => values.iter().try_for_each(Self::require_json),
            Self::Map(entries) => entries.iter().try_for_each(|(_, value)| value.require_json()),
            _ => Ok(()),
        }
    }
}

impl serde::Serialize for Value {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Int(value) => serializer.serialize_i128(*value),
            Self::Float(value) => serializer.serialize_f64(*value),
            Self::String(value) => serializer.serialize_str(value),
            Self::Seq(values) => serializer.collect_seq(values),
            Self::Map(entries) => {
                serializer.collect_map(entries.iter().map(|(key, value)| (key, value)))
            }
        }
    }
}
