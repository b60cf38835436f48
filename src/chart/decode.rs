//! A decoder with the rules of Go's `encoding/json`, for the few structs of a chart. Helm converts
//! YAML to JSON and decodes that. Charts depend on its tolerance (keys in any case, a list that
//! overlays an older list), and users know its error texts. [`crate::yaml`] reads the YAML itself.

use crate::quote;
use crate::yaml::{Node, Value};
use std::collections::BTreeMap;

/// The policy for a key without a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unknown {
    Ignored,
    Refused,
}

/// The syntax of a value's source. It decides which kinds a field accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Syntax {
    /// YAML by sigs.k8s.io/yaml, which converts every scalar to a text for a text field.
    Yaml,
    /// JSON, with the keys in their order.
    Json,
}

/// A Go type into which a value can be decoded. Decoding overlays: fields that the value does not
/// name keep their content.
pub(crate) trait Target: Default {
    /// Returns the type's name in error texts.
    fn go_type() -> String;
    fn decode(&mut self, value: &Value, decoder: &mut Decoder);
    /// Returns the node to write.
    fn encode(&self) -> Node<'_>;
    /// Returns true if `omitempty` omits the value.
    fn is_empty(&self) -> bool;
}

/// The state of one decoding: its position, and its first error. Like Go, it continues after an
/// error: a document that JSON cannot represent is detected last and reported first.
#[derive(Debug)]
pub(crate) struct Decoder {
    syntax: Syntax,
    /// True if a text field accepts a number.
    coerces: bool,
    unknown: Unknown,
    object: &'static str,
    path: Vec<&'static str>,
    not_json: Option<String>,
    refused: Option<String>,
}

impl Decoder {
    /// Overlays `target` with `value`.
    ///
    /// # Errors
    /// The text of sigs.k8s.io/yaml. `target` is then overlaid in part.
    pub(crate) fn decode<T: Target>(
        target: &mut T,
        value: &Value,
        unknown: Unknown,
    ) -> Result<(), String> {
        Self::decode_within(target, value, Syntax::Yaml, unknown, ("", &[]))
    }

    /// Overlays `target`, which is a part of a Go struct, under the fields of `place`.
    ///
    /// # Errors
    /// The errors of [`Self::decode`].
    pub(crate) fn decode_within<T: Target>(
        target: &mut T,
        value: &Value,
        syntax: Syntax,
        unknown: Unknown,
        (object, path): (&'static str, &[&'static str]),
    ) -> Result<(), String> {
        let path = path.to_vec();
        let coerces = syntax == Syntax::Yaml;
        let mut decoder =
            Self { syntax, coerces, unknown, object, path, not_json: None, refused: None };
        target.decode(value, &mut decoder);
        if let Some(text) = decoder.not_json {
            return Err(text);
        }
        match (decoder.refused, syntax) {
            (Some(text), Syntax::Yaml) => {
                Err(format!("error unmarshaling JSON: while decoding JSON: {text}"))
            }
            (Some(text), Syntax::Json) => Err(text),
            (None, _) => Ok(()),
        }
    }

    /// Returns the entries in Go's order: for YAML, the mapping became a JSON object with sorted
    /// keys.
    pub(crate) fn entries<'v, T: Target>(&mut self, value: &'v Value) -> Vec<&'v (String, Value)> {
        match value {
            Value::Map(entries) => {
                let mut sorted: Vec<_> = entries.iter().collect();
                if self.syntax == Syntax::Yaml {
                    sorted.sort_by(|a, b| a.0.cmp(&b.0));
                }
                sorted
            }
            Value::Null => Vec::new(),
            other => {
                self.mismatch::<T>(other);
                Vec::new()
            }
        }
    }

    pub(crate) fn field<T: Target>(
        &mut self,
        object: &'static str,
        key: &'static str,
        target: &mut T,
        value: &Value,
    ) {
        let outer = std::mem::replace(&mut self.object, object);
        self.path.push(key);
        target.decode(value, self);
        self.path.pop();
        self.object = outer;
    }

    /// Decodes a field of a struct that this one embeds by a pointer. sigs.k8s.io/yaml does not see
    /// such fields, so it converts nothing, and Go's errors name the embedded struct.
    pub(crate) fn embedded<T: Target>(
        &mut self,
        name: &'static str,
        target: &mut T,
        value: &Value,
    ) {
        let at = self.path.len().saturating_sub(1);
        self.path.insert(at, name);
        let outer = std::mem::replace(&mut self.coerces, false);
        target.decode(value, self);
        self.coerces = outer;
        self.path.remove(at);
    }

    pub(crate) fn unknown_key(&mut self, key: &str, value: &Value) {
        self.check_json(value);
        if self.unknown == Unknown::Refused {
            self.refuse(format!("json: unknown field {}", quote::go(key)));
        }
    }

    /// Records an error, unless there is an earlier one.
    pub(crate) fn refuse(&mut self, text: String) {
        self.refused.get_or_insert(text);
    }

    /// Records that a value has the wrong type.
    pub(crate) fn mismatch<T: Target>(&mut self, value: &Value) {
        self.check_json(value);
        let (kind, go_type) = (value.go_kind(), T::go_type());
        self.refuse(if self.path.is_empty() {
            format!("json: cannot unmarshal {kind} into Go value of type {go_type}")
        } else {
            let field = self.path.join(".");
            format!(
                "json: cannot unmarshal {kind} into Go struct field {}.{field} of type {go_type}",
                self.object
            )
        });
    }

    /// Records a float that JSON cannot hold.
    pub(crate) fn check_json(&mut self, value: &Value) {
        if let Err(error) = value.require_json() {
            self.not_json.get_or_insert_with(|| error.to_string());
        }
    }
}

/// Returns the field that Go picks for a key: the one of exactly that name, else one that differs
/// only in case. Two characters outside of ASCII fold to a letter: the long s and the Kelvin sign.
pub(crate) fn find_field<'f>(fields: &[&'f str], key: &str) -> Option<&'f str> {
    let fold = |c: char| match c {
        'ſ' => 's',
        '\u{212a}' => 'k',
        _ => c.to_ascii_lowercase(),
    };
    let exact = fields.iter().find(|field| **field == key);
    exact
        .or_else(|| fields.iter().find(|field| field.chars().map(fold).eq(key.chars().map(fold))))
        .copied()
}

/// Implements [`Target`] for a struct, by its package and name in Go, and its keys with their
/// fields. A key marked `always` is written even if empty. A key marked `ordinary` can be read by
/// [`super::ordinary`] too.
macro_rules! go_struct {
    (ordinary $type:ty, $package:literal, $name:literal, { $($key:literal => $field:ident $(: $always:ident)?),* $(,)? }) => {
        $crate::chart::decode::go_struct!($type, $package, $name, { $($key => $field $(: $always)?),* });
        $crate::chart::ordinary::fields!($type, { $($key => $field),* });
    };
    ($type:ty, $package:literal, $name:literal, { $($key:literal => $field:ident $(: $always:ident)?),* $(,)? }) => {
        impl $crate::chart::decode::Target for $type {
            fn go_type() -> String {
                concat!($package, ".", $name).to_owned()
            }

            fn decode(&mut self, value: &$crate::yaml::Value, decoder: &mut $crate::chart::decode::Decoder) {
                for (key, value) in decoder.entries::<Self>(value) {
                    match $crate::chart::decode::find_field(&[$($key),*], key) {
                        $(Some($key) => decoder.field($name, $key, &mut self.$field, value),)*
                        _ => decoder.unknown_key(key, value),
                    }
                }
            }

            fn encode(&self) -> $crate::yaml::Node<'_> {
                let mut entries = Vec::with_capacity([$($key),*].len());
                $({
                    const ALWAYS: &[&str] = &[$(stringify!($always))?];
                    if !ALWAYS.is_empty() || !$crate::chart::decode::Target::is_empty(&self.$field) {
                        entries.push(($key, $crate::chart::decode::Target::encode(&self.$field)));
                    }
                })*
                $crate::yaml::Node::Map(entries)
            }

            fn is_empty(&self) -> bool {
                false
            }
        }
    };
}
pub(crate) use go_struct;

impl Target for String {
    fn go_type() -> String {
        "string".to_owned()
    }

    fn decode(&mut self, value: &Value, decoder: &mut Decoder) {
        if !decoder.coerces && !matches!(value, Value::Null | Value::String(_)) {
            return decoder.mismatch::<Self>(value);
        }
        match (value, value.to_go_string()) {
            (Value::Null, _) => {}
            (_, Some(text)) => *self = text,
            (_, None) => decoder.mismatch::<Self>(value),
        }
    }

    fn encode(&self) -> Node<'_> {
        Node::from(self.as_str())
    }

    fn is_empty(&self) -> bool {
        self.is_empty()
    }
}

impl Target for bool {
    fn go_type() -> String {
        "bool".to_owned()
    }

    fn decode(&mut self, value: &Value, decoder: &mut Decoder) {
        match value {
            Value::Null => {}
            Value::Bool(value) => *self = *value,
            other => decoder.mismatch::<Self>(other),
        }
    }

    fn encode(&self) -> Node<'_> {
        Node::Bool(*self)
    }

    fn is_empty(&self) -> bool {
        !*self
    }
}

/// A slice. Each item overlays the earlier one, and surplus items are removed.
impl<T: Target> Target for Vec<T> {
    fn go_type() -> String {
        format!("[]{}", T::go_type())
    }

    fn decode(&mut self, value: &Value, decoder: &mut Decoder) {
        match value {
            Value::Null => self.clear(),
            Value::Seq(values) => {
                self.resize_with(values.len(), T::default);
                for (item, value) in self.iter_mut().zip(values) {
                    item.decode(value, decoder);
                }
            }
            other => decoder.mismatch::<Self>(other),
        }
    }

    fn encode(&self) -> Node<'_> {
        Node::Seq(self.iter().map(T::encode).collect())
    }

    fn is_empty(&self) -> bool {
        self.is_empty()
    }
}

/// A pointer.
impl<T: Target> Target for Option<T> {
    fn go_type() -> String {
        format!("*{}", T::go_type())
    }

    fn decode(&mut self, value: &Value, decoder: &mut Decoder) {
        match value {
            Value::Null => *self = None,
            other => self.get_or_insert_default().decode(other, decoder),
        }
    }

    fn encode(&self) -> Node<'_> {
        self.as_ref().map_or(Node::Null, T::encode)
    }

    fn is_empty(&self) -> bool {
        self.is_none()
    }
}

/// A map. New keys are added to the earlier ones.
impl Target for BTreeMap<String, String> {
    fn go_type() -> String {
        "map[string]string".to_owned()
    }

    fn decode(&mut self, value: &Value, decoder: &mut Decoder) {
        if *value == Value::Null {
            self.clear();
        }
        for (key, value) in decoder.entries::<Self>(value) {
            let mut text = String::new();
            text.decode(value, decoder);
            self.insert(key.clone(), text);
        }
    }

    fn encode(&self) -> Node<'_> {
        Node::Map(self.iter().map(|(key, text)| (key.as_str(), text.encode())).collect())
    }

    fn is_empty(&self) -> bool {
        self.is_empty()
    }
}

/// An arbitrary value. Go has only one kind of number here, so 12345678901234567890 loses its last
/// digits.
impl Target for Value {
    fn go_type() -> String {
        "interface {}".to_owned()
    }

    fn decode(&mut self, value: &Value, decoder: &mut Decoder) {
        decoder.check_json(value);
        *self = through_json(value);
    }

    fn encode(&self) -> Node<'_> {
        Node::from(self)
    }

    fn is_empty(&self) -> bool {
        false
    }
}

/// Returns `value` with every number as a float64 represents it. A number without a fraction
/// becomes an integer again.
fn through_json(value: &Value) -> Value {
    match value {
        Value::Int(int) => number(*int as f64),
        Value::Float(float) => number(*float),
        Value::Seq(values) => Value::Seq(values.iter().map(through_json).collect()),
        Value::Map(entries) => Value::Map(
            entries.iter().map(|(key, value)| (key.clone(), through_json(value))).collect(),
        ),
        other => other.clone(),
    }
}

fn number(float: f64) -> Value {
    let digits = format!("{float}");
    match digits.parse::<i128>() {
        Ok(int) if (i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(&int) => Value::Int(int),
        _ => Value::Float(float),
    }
}
