//! A writer of values as YAML, with the same bytes as sigs.k8s.io/yaml: the order of keys and the
//! form of collections. [`super::style`] has the quotes and folds of scalars.

use super::{
    Value, number,
    style::{Context, MergeKey, Out},
};
use crate::json;
use std::{borrow::Cow, cmp::Ordering};

/// A value to write, with borrowed texts.
#[derive(Clone, Debug)]
pub(crate) enum Node<'v> {
    Null,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(Cow<'v, str>),
    Seq(Vec<Self>),
    Map(Vec<(&'v str, Self)>),
}

impl<'v> From<&'v Value> for Node<'v> {
    fn from(value: &'v Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(*value),
            Value::Int(value) => Self::Int(*value),
            Value::Float(value) => Self::Float(*value),
            Value::String(text) => Self::from(text.as_str()),
            Value::Seq(values) => Self::Seq(values.iter().map(Self::from).collect()),
            Value::Map(entries) => Self::Map(
                entries.iter().map(|(key, value)| (key.as_str(), Self::from(value))).collect(),
            ),
        }
    }
}

impl<'v> From<&'v str> for Node<'v> {
    fn from(text: &'v str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

/// Writes a document.
pub(super) fn emit(value: &Node<'_>) -> String {
    let mut out = Out::default();
    node(&mut out, value, Position::Root, -2);
    out.finish()
}

/// Writes an item of a list whose dashes are indented by `indent`, from the start of its line to
/// the end of its last line. A reader of one item does not need the whole list.
pub(super) fn emit_item(value: &Node<'_>, indent: isize) -> String {
    let mut out = Out::with(MergeKey::Quoted);
    item(&mut out, value, indent);
    out.finish()
}

/// Position of a node. It decides how a collection there begins.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Position {
    Root,
    Item,
    Value,
}

/// Writes a node whose parent is indented by `indent`. For the root, that is -2.
fn node(out: &mut Out, value: &Node<'_>, place: Position, indent: isize) {
    match value {
        Node::Null => out.plain("null"),
        Node::Bool(value) => out.plain(if *value { "true" } else { "false" }),
        Node::Int(value) => out.plain(&value.to_string()),
        Node::Float(value) => out.plain(&float(*value)),
        Node::Text(text) => out.string(text, Context::Value, scalar_indent(indent)),
        Node::Seq(values) if values.is_empty() => out.plain("[]"),
        Node::Map(entries) if entries.is_empty() => out.plain("{}"),
        Node::Seq(values) => {
            // A list has the indentation of its key.
            let indent =
                if place == Position::Value && !out.is_indented() { indent } else { indent + 2 };
            for value in values {
                item(out, value, indent);
            }
        }
        Node::Map(entries) => {
            let indent = indent + 2;
            if entries.is_sorted_by(|(a, _), (b, _)| natural(a, b).is_le()) {
                entries.iter().for_each(|entry| pair(out, entry, indent));
            } else {
                sorted(entries).into_iter().for_each(|entry| pair(out, entry, indent));
            }
        }
    }
}

fn item(out: &mut Out, value: &Node<'_>, indent: isize) {
    out.indent(indent);
    out.indicator("-");
    node(out, value, Position::Item, indent);
}

fn pair(out: &mut Out, (key, value): &(&str, Node<'_>), indent: isize) {
    out.indent(indent);
    if out.is_simple_key(key) {
        out.string(key, Context::Key, scalar_indent(indent));
        out.colon();
    } else {
        out.indicator("?");
        out.string(key, Context::Value, scalar_indent(indent));
        out.indent(indent);
        out.indicator(":");
    }
    node(out, value, Position::Value, indent);
}

/// Returns the indentation of a scalar's further lines. For the root it is that of a first level.
fn scalar_indent(indent: isize) -> isize {
    (indent + 2).max(2)
}

/// Writes a float as after a conversion to JSON: it writes a whole number without a point, which
/// becomes an integer, if an int64 or uint64 can hold it.
fn float(value: f64) -> String {
    if let Ok(whole) = json::without_exponent(&json::shortest(value)).parse::<i128>()
        && (i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(&whole)
    {
        return whole.to_string();
    }
    match number::format_f64(value).as_str() {
        "+Inf" => ".inf".into(),
        "-Inf" => "-.inf".into(),
        "NaN" => ".nan".into(),
        text => text.into(),
    }
}

/// Returns the entries in yaml.v2's order of keys. That order is circular (`1a` < `2` < `10` <
/// `1a`), so the standard library's sorts may panic; a plain merge sort accepts it. (In Go, the
/// order of such keys is random.)
fn sorted<'e, 'v>(entries: &'e [(&'v str, Node<'v>)]) -> Vec<&'e (&'v str, Node<'v>)> {
    let mut entries: Vec<_> = entries.iter().collect();
    merge_sort(&mut entries);
    entries
}

fn merge_sort(entries: &mut [&(&str, Node<'_>)]) {
    if entries.len() < 2 {
        return;
    }
    let (left, right) = entries.split_at_mut(entries.len() / 2);
    merge_sort(left);
    merge_sort(right);
    let (left, right) = (left.to_vec(), right.to_vec());
    let (mut left, mut right) = (left.into_iter().peekable(), right.into_iter().peekable());
    for place in entries {
        let take_right = match (left.peek(), right.peek()) {
            (Some((a, _)), Some((b, _))) => natural(b, a).is_lt(),
            (left, _) => left.is_none(),
        };
        *place = if take_right { right.next() } else { left.next() }
            .expect("both halves together are the whole");
    }
}

/// Compares symbols, then digits by their number, then letters, at the first difference of two
/// keys.
pub(super) fn natural(a: &str, b: &str) -> Ordering {
    // Keys nearly always begin with different letters.
    if let ([first, ..], [second, ..]) = (a.as_bytes(), b.as_bytes())
        && first != second
        && first.is_ascii_alphabetic()
        && second.is_ascii_alphabetic()
    {
        return first.cmp(second);
    }
    let common: usize =
        a.chars().zip(b.chars()).take_while(|(a, b)| a == b).map(|(c, _)| c.len_utf8()).sum();
    let (prefix, a, b) = (&a[..common], &a[common..], &b[common..]);
    let (Some(first_a), Some(first_b)) = (a.chars().next(), b.chars().next()) else {
        return a.len().cmp(&b.len());
    };
    match (first_a.is_alphabetic(), first_b.is_alphabetic()) {
        (true, true) => first_a.cmp(&first_b),
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        (false, false) => {
            // If one key has a zero there and a number other than zero has begun, the zero counts
            // as its next digit.
            let under_way = prefix.chars().rev().take_while(char::is_ascii_digit).any(|c| c != '0');
            let start = i64::from(under_way && (first_a == '0' || first_b == '0'));
            let (number_a, length_a) = leading_number(a, start);
            let (number_b, length_b) = leading_number(b, start);
            number_a.cmp(&number_b).then(length_a.cmp(&length_b)).then(first_a.cmp(&first_b))
        }
    }
}

/// Returns the number at the start of a text, appended to `start`, and its length. Wraps, as Go
/// does.
fn leading_number(text: &str, start: i64) -> (i64, usize) {
    text.bytes().take_while(u8::is_ascii_digit).fold((start, 0), |(number, length), digit| {
        (number.wrapping_mul(10).wrapping_add(i64::from(digit - b'0')), length + 1)
    })
}
