//! The only door to YAML: read as Helm reads it (YAML 1.1 scalars by Go's rules, then JSON),
//! written as Helm writes it.
//!
//! The model is sigs.k8s.io/yaml 1.6 over yaml.v2. What it does not do: keep comments, tags,
//! anchors or key types; decode into structs ([`crate::chart`] does that, field by field, from a
//! [`Value`]).

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

/// A YAML document as Helm sees it after sigs.k8s.io/yaml made JSON of it: keys are strings,
/// scalars are resolved.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// `null`, `~` or nothing.
    #[default]
    Null,
    /// A YAML 1.1 bool (`yes`, `on`, `y`, …).
    Bool(bool),
    /// An integer; i128 holds every int64 and uint64.
    Int(i128),
    /// A float.
    Float(f64),
    /// A string.
    String(String),
    /// A sequence.
    Seq(Vec<Self>),
    /// A mapping, in the order of the document; no key twice.
    Map(Vec<(String, Self)>),
}

/// Policy for a key that occurs twice in one mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duplicates {
    /// The last one counts: how Helm reads charts.
    LastWins,
    /// Refused, merged keys included: how Helm reads index.yaml and plugin.yaml.
    Error,
}

/// Flow collections in a document whose lines may start with tabs the scanner refuses; each costs a
/// reading anew.
const FLOWS_WITH_TABS: usize = 32;

/// Reads the first document of `bytes` and ignores any other, as sigs.k8s.io/yaml does. Nothing at
/// all is [`Value::Null`].
pub fn parse(bytes: &[u8], duplicates: Duplicates, limits: &Limits) -> Result<Value, YamlError> {
    quick::read(bytes, limits).or_else(|_| parse_fully(bytes, duplicates, limits))
}

/// The same by the full reader alone.
fn parse_fully(bytes: &[u8], duplicates: Duplicates, limits: &Limits) -> Result<Value, YamlError> {
    read(bytes, duplicates, limits, |documents| documents.next().unwrap_or(Ok(Value::Null)))
}

/// Reads every document of `bytes`; none of nothing. The limits hold for all of them together.
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

/// Writes `value` byte for byte as sigs.k8s.io/yaml's `Marshal` does: mappings sorted "naturally"
/// (`a9` before `a10`), strings quoted so that they stay strings, lines folded at 80 columns. Ends
/// in a line break.
pub fn emit(value: &Value) -> String {
    emit::emit(&Node::from(value))
}

/// The same of what stands for a value.
pub(crate) fn emit_node(node: &Node<'_>) -> String {
    emit::emit(node)
}

/// An item as it stands in a list whose dashes are indented by `indent`: whole lines.
pub(crate) fn emit_item(node: &Node<'_>, indent: isize) -> String {
    emit::emit_item(node, indent)
}

/// Events of [`parse_items`] while it reads a document.
#[derive(Debug)]
pub(crate) enum Step {
    /// The reader starts again; earlier items no longer count.
    Start,
    /// An item, which what is given back stands for in the document.
    Item(Value),
}

/// Reads the first document of `bytes` strictly, without ever holding all of it: each item of each
/// list in the mapping under the key `under` of the root is given to `take`, whose `None` ends it
/// all. The limit of nodes holds for each item, and for all that is not within one.
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

/// Returns true if a plain scalar can be anything but a string: [`plain`] is slower, and tells.
pub(crate) fn resolves(text: &str) -> bool {
    scalar::resolves(text)
}

/// The order in which [`emit`] writes the keys of a mapping.
pub(crate) fn compare_keys(a: &str, b: &str) -> std::cmp::Ordering {
    emit::natural(a, b)
}

impl Value {
    /// The value under exactly `key`, if this is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Map(entries) => {
                entries.iter().find(|(name, _)| name == key).map(|(_, value)| value)
            }
            _ => None,
        }
    }

    /// A scalar as sigs.k8s.io/yaml puts it into a Go field of type string: `1.10` is `1.1`, `0x10`
    /// is `16`, `yes` is `true`, a null is empty, a float passes through single precision. `None`
    /// for a sequence or mapping.
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

    /// Refuses an infinity or a NaN anywhere within, as sigs.k8s.io/yaml does of every value that
    /// is not meant for a string field: JSON has no spelling for them.
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
