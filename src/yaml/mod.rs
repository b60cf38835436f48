//! The only door to YAML: read as Helm reads it (YAML 1.1 scalars by Go's rules, then JSON), written as Helm writes it.

mod emit;
mod parse;
mod scalar;

/// A YAML document as Helm sees it after sigs.k8s.io/yaml made JSON of it: keys are strings, scalars are resolved.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `null`, `~` or nothing.
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
    Seq(Vec<Value>),
    /// A mapping, in the order of the document; no key twice.
    Map(Vec<(String, Value)>),
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
