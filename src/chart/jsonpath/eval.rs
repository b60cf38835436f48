//! The evaluation of a template's pieces.

use super::{Filter, Piece, Slice, To, number};
use crate::json;
use serde_json::Value;
use std::{borrow::Cow, cmp::Ordering};

/// The error of a path that does not exist, or of an impossible step. Helm drops the reason, and
/// with it all output.
#[derive(Debug)]
pub(super) struct Nowhere;

type Result<T> = std::result::Result<T, Nowhere>;

/// An intermediate value. `None` is the value of a range without items, or of a null in its list.
type Item<'a> = Option<Cow<'a, Value>>;

/// Renders the whole text, or nothing.
pub(super) fn render(pieces: &[Piece], values: &Value) -> Result<String> {
    let mut out = String::new();
    all(pieces, &Some(Cow::Borrowed(values)), &mut out)?;
    Ok(out)
}

/// The step that a word requests.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    Range,
    End,
}

/// Returns the word among an action's steps.
fn word(piece: &Piece) -> Option<Word> {
    let Piece::Steps(steps) = piece else { return None };
    steps.iter().find_map(|step| match step {
        Piece::Word(word) if word == "range" => Some(Word::Range),
        Piece::Word(word) if word == "end" => Some(Word::End),
        _ => None,
    })
}

/// Returns the end of the range whose body starts with `body`, or `None` if it has no end.
fn end(body: &[Piece]) -> Option<usize> {
    let mut open = 1;
    body.iter().position(|piece| {
        match word(piece) {
            Some(Word::Range) => open += 1,
            Some(Word::End) => open -= 1,
            None => {}
        }
        open == 0
    })
}

fn all(pieces: &[Piece], root: &Item<'_>, out: &mut String) -> Result<()> {
    let mut at = 0;
    while let Some(piece) = pieces.get(at) {
        at += 1;
        let found = step(vec![root.clone()], piece)?;
        match word(piece) {
            None => print(&found, out),
            // The loop skips every `end` of an inner range together with that range.
            Some(Word::End) => return Err(Nowhere),
            Some(Word::Range) => {
                let body = &pieces[at..];
                let end = end(body);
                // The body of a range without an end is everything after it, which then follows
                // once more.
                let body = &body[..end.unwrap_or(body.len())];
                for item in &found {
                    // Within a range, a null in the list has no value.
                    let item = item.clone().filter(|value| !value.is_null());
                    all(body, &item, out)?;
                }
                if found.is_empty() {
                    all(body, &None, &mut String::new())?;
                }
                at += end.map_or(0, |end| end + 1);
            }
        }
    }
    Ok(())
}

fn steps<'a>(from: Vec<Item<'a>>, pieces: &[Piece]) -> Result<Vec<Item<'a>>> {
    pieces.iter().try_fold(from, step)
}

fn step<'a>(from: Vec<Item<'a>>, piece: &Piece) -> Result<Vec<Item<'a>>> {
    let constant =
        |value: Value| Ok(from.iter().map(|_| Some(Cow::Owned(value.clone()))).collect());
    match piece {
        Piece::Text(text) => Ok(vec![Some(Cow::Owned(Value::String(text.clone())))]),
        Piece::Steps(inner) => steps(from, inner),
        Piece::Field(name) => field(from, name),
        Piece::Wildcard => Ok(from.iter().flatten().flat_map(children).collect()),
        Piece::Recursive => {
            let mut found = Vec::new();
            from.iter().flatten().for_each(|value| within(value, &mut found));
            Ok(found)
        }
        Piece::Slice(range) => slice(from, *range),
        Piece::Union(parts) => {
            let mut found = Vec::new();
            for part in parts {
                found.extend(steps(from.clone(), part)?);
            }
            Ok(found)
        }
        Piece::Filter(filter) => self::filter(from, filter),
        Piece::Int(value) => constant(Value::from(*value)),
        Piece::Float(value) => constant(Value::from(*value)),
        Piece::Bool(value) => constant(Value::from(*value)),
        Piece::Word(word) if word == "range" || word == "end" => Ok(from),
        Piece::Word(_) => Err(Nowhere),
    }
}

/// Returns the fields of that name. It is an error if no value has the field, but not if some lack
/// it.
fn field<'a>(from: Vec<Item<'a>>, name: &str) -> Result<Vec<Item<'a>>> {
    if from.is_empty() {
        return Ok(from);
    }
    let found: Vec<Item<'a>> =
        from.iter().flatten().filter_map(|value| entry(value, name).map(Some)).collect();
    if found.is_empty() { Err(Nowhere) } else { Ok(found) }
}

fn entry<'a>(value: &Cow<'a, Value>, name: &str) -> Option<Cow<'a, Value>> {
    match value {
        Cow::Borrowed(value) => value.as_object()?.get(name).map(Cow::Borrowed),
        // Constants have no fields.
        Cow::Owned(_) => None,
    }
}

fn children<'a>(value: &Cow<'a, Value>) -> Vec<Item<'a>> {
    match value {
        Cow::Borrowed(Value::Array(values)) => {
            values.iter().map(|value| Some(Cow::Borrowed(value))).collect()
        }
        Cow::Borrowed(Value::Object(entries)) => {
            entries.values().map(|value| Some(Cow::Borrowed(value))).collect()
        }
        _ => Vec::new(),
    }
}

/// Collects a value and all values in it, except numbers, bools and empty ones.
#[expect(clippy::ptr_arg, reason = "the value itself is found, borrowed or owned")]
fn within<'a>(value: &Cow<'a, Value>, found: &mut Vec<Item<'a>>) {
    let inner = children(value);
    if !inner.is_empty() || value.as_str().is_some_and(|text| !text.is_empty()) {
        found.push(Some(value.clone()));
        inner.iter().flatten().for_each(|value| within(value, found));
    }
}

fn slice<'a>(from: Vec<Item<'a>>, range: Slice) -> Result<Vec<Item<'a>>> {
    let mut found = Vec::new();
    for item in from {
        let values = match item {
            Some(Cow::Borrowed(Value::Array(values))) => values,
            Some(value) if value.is_null() => continue,
            _ => return Err(Nowhere),
        };
        let length = values.len() as i64;
        let from_end = |index: i64| if index < 0 { index + length } else { index };
        let first = from_end(range.from.unwrap_or(0));
        let last = match range.to {
            To::End => length,
            To::Index(index) => from_end(index),
            To::One => first + 1,
        };
        if first != last && (!(0..length).contains(&first) || !(0..=length).contains(&last)) {
            return Err(Nowhere);
        }
        let step = range.step.unwrap_or(1);
        if first > last || step <= 0 {
            return Err(Nowhere);
        }
        if first == last {
            continue;
        }
        let step = usize::try_from(step).unwrap_or(usize::MAX);
        let part = &values[first as usize..last as usize];
        found.extend(part.iter().step_by(step).map(|value| Some(Cow::Borrowed(value))));
    }
    Ok(found)
}

fn filter<'a>(from: Vec<Item<'a>>, filter: &Filter) -> Result<Vec<Item<'a>>> {
    let mut found = Vec::new();
    for item in from {
        let values = match item {
            Some(Cow::Borrowed(Value::Array(values))) => values,
            Some(value) if value.is_null() => continue,
            _ => return Err(Nowhere),
        };
        for value in values {
            let item = Some(Cow::Borrowed(value));
            if passes(&item, filter)? {
                found.push(item);
            }
        }
    }
    Ok(found)
}

fn passes(item: &Item<'_>, filter: &Filter) -> Result<bool> {
    let left = steps(vec![item.clone()], &filter.left);
    let Some((operator, right)) = &filter.comparison else {
        return Ok(left.is_ok_and(|left| !left.is_empty()));
    };
    let (left, right) = (left?, steps(vec![item.clone()], right)?);
    let ([left], [right]) = (&left[..], &right[..]) else {
        // If a side has no value, the filter rejects; if it has several, the comparison is
        // ambiguous.
        return if left.len() > 1 || right.len() > 1 { Err(Nowhere) } else { Ok(false) };
    };
    let (Some(left), Some(right)) = (left, right) else { return Err(Nowhere) };
    match operator.as_str() {
        "==" => equal(left, right),
        "!=" => equal(left, right).map(|equal| !equal),
        "<" => order(left, right).map(Ordering::is_lt),
        "<=" => order(left, right).map(Ordering::is_le),
        ">" => order(left, right).map(Ordering::is_gt),
        ">=" => order(left, right).map(Ordering::is_ge),
        _ => Err(Nowhere),
    }
}

fn equal(left: &Value, right: &Value) -> Result<bool> {
    match (left, right) {
        (Value::Bool(left), Value::Bool(right)) => Ok(left == right),
        _ => order(left, right).map(Ordering::is_eq),
    }
}

/// Compares two values of the same type. A whole number in a template has another type than the
/// floats of the values.
fn order(left: &Value, right: &Value) -> Result<Ordering> {
    match (left, right) {
        (Value::String(left), Value::String(right)) => Ok(left.cmp(right)),
        (Value::Number(left), Value::Number(right)) if left.is_i64() && right.is_i64() => {
            Ok(left.as_i64().cmp(&right.as_i64()))
        }
        (Value::Number(left), Value::Number(right)) if left.is_f64() && right.is_f64() => {
            left.as_f64().partial_cmp(&right.as_f64()).ok_or(Nowhere)
        }
        _ => Err(Nowhere),
    }
}

fn print(items: &[Item<'_>], out: &mut String) {
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push(' ');
        }
        match item.as_deref() {
            None => out.push_str("<no value>"),
            Some(Value::String(text)) => out.push_str(text),
            Some(Value::Number(value)) => match value.as_i64() {
                Some(value) => out.push_str(&value.to_string()),
                None => out.push_str(&number(value.as_f64().unwrap_or_default())),
            },
            Some(value) => out.push_str(&String::from_utf8_lossy(&json::to_vec(value))),
        }
    }
}
