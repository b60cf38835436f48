//! The functions of a template: those of Go, and some of sprig.

use super::{
    budget::{Budget, Sink},
    escape, format,
    item::{Item, Text},
};
use crate::{Error, Result, json};
use std::{cmp::Ordering, rc::Rc};

/// A function.
#[derive(Debug)]
pub(super) struct Function {
    pub(super) name: &'static str,
    least: usize,
    most: usize,
    /// The truth of the argument that decides alone, for `and` and `or`.
    pub(super) short_circuit: Option<bool>,
    pub(super) run: Run,
}

type Run = for<'a> fn(&mut Budget, &[Item<'a>]) -> Result<Item<'a>>;

/// The bound of a function that has none.
const ANY: usize = usize::MAX;

/// All functions. `sprig` has those from `default` on.
const FUNCTIONS: &[Function] = &[
    short_circuit("and", false),
    short_circuit("or", true),
    function("eq", 2, ANY, |_, arguments| {
        let mut result = false;
        for other in &arguments[1..] {
            result = equal(&arguments[0], other)?;
            if result {
                break;
            }
        }
        Ok(Item::Bool(result))
    }),
    function("ne", 2, 2, |_, two| Ok(Item::Bool(!equal(&two[0], &two[1])?))),
    function("lt", 2, 2, |_, two| compared(two, Ordering::is_lt)),
    function("le", 2, 2, |_, two| compared(two, Ordering::is_le)),
    function("gt", 2, 2, |_, two| compared(two, Ordering::is_gt)),
    function("ge", 2, 2, |_, two| compared(two, Ordering::is_ge)),
    function("html", 0, ANY, |budget, arguments| escaped(budget, arguments, escape::html)),
    function("index", 1, ANY, |_, arguments| {
        let (value, keys) = (&arguments[0], &arguments[1..]);
        if value.is_nil() {
            return Err(Error::usage("the first argument has no value"));
        }
        keys.iter().try_fold(value.clone(), |value, key| index(&value, key))
    }),
    function("js", 0, ANY, |budget, arguments| escaped(budget, arguments, escape::js)),
    function("len", 1, 1, |_, arguments| {
        let length = arguments[0].length().ok_or_else(|| wrong_type(&arguments[0]))?;
        Ok(Item::Int(i64::try_from(length).unwrap_or(i64::MAX)))
    }),
    function("not", 1, 1, |_, arguments| Ok(Item::Bool(!arguments[0].is_true()))),
    function("print", 0, ANY, |budget, arguments| {
        budget.text(|out| format::print(out, arguments)).map(Item::from)
    }),
    function("printf", 1, ANY, |budget, arguments| {
        let template = text(&arguments[0])?;
        budget.text(|out| format::printf(out, template, &arguments[1..])).map(Item::from)
    }),
    function("println", 0, ANY, |budget, arguments| {
        budget.text(|out| format::println(out, arguments)).map(Item::from)
    }),
    function("slice", 1, 4, slice),
    function("urlquery", 0, ANY, |budget, arguments| escaped(budget, arguments, escape::url_query)),
    function("default", 1, ANY, |_, arguments| {
        let given = arguments.get(1).filter(|given| given.is_true());
        Ok(given.unwrap_or(&arguments[0]).clone())
    }),
    function("first", 1, 1, |_, arguments| {
        list(&arguments[0])?;
        Ok(arguments[0].element(0).unwrap_or(Item::Missing))
    }),
    function("join", 2, 2, |budget, two| {
        let separator = text(&two[0])?;
        // The list may consist of nulls, which leave no bytes to count.
        budget.step(two[1].length().unwrap_or_default() / 16)?;
        budget.text(|out| join(out, separator, &two[1])).map(Item::from)
    }),
    function("last", 1, 1, |_, arguments| {
        let last = list(&arguments[0])?.checked_sub(1);
        Ok(last.and_then(|last| arguments[0].element(last)).unwrap_or(Item::Missing))
    }),
    function("lower", 1, 1, |budget, arguments| {
        let text = text(&arguments[0])?;
        made(budget, text.chars().map(lower).collect())
    }),
    function("quote", 0, ANY, |budget, arguments| {
        budget.text(|out| quote(out, arguments)).map(Item::from)
    }),
    function("replace", 3, 3, replace),
    function("splitList", 2, 2, split),
    function("toJson", 1, 1, |budget, arguments| encoded(budget, json::to_vec(&arguments[0]))),
    function("toPrettyJson", 1, 1, |budget, arguments| {
        encoded(budget, json::to_vec_indented(&arguments[0]))
    }),
    function("trim", 1, 1, |budget, arguments| {
        made(budget, text(&arguments[0])?.trim().to_owned())
    }),
    function("trimPrefix", 2, 2, |budget, two| {
        let (prefix, text) = (text(&two[0])?, text(&two[1])?);
        made(budget, text.strip_prefix(prefix).unwrap_or(text).to_owned())
    }),
    function("trimSuffix", 2, 2, |budget, two| {
        let (suffix, text) = (text(&two[0])?, text(&two[1])?);
        made(budget, text.strip_suffix(suffix).unwrap_or(text).to_owned())
    }),
    function("upper", 1, 1, |budget, arguments| {
        let text = text(&arguments[0])?;
        made(budget, text.chars().map(upper).collect())
    }),
];

const fn function(name: &'static str, least: usize, most: usize, run: Run) -> Function {
    Function { name, least, most, short_circuit: None, run }
}

/// Makes `and` or `or`, which the interpreter runs itself.
const fn short_circuit(name: &'static str, decides: bool) -> Function {
    let run: Run = |_, _| Ok(Item::Missing);
    Function { name, least: 1, most: ANY, short_circuit: Some(decides), run }
}

/// Returns the function of that name.
pub(super) fn named(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|function| function.name == name)
}

/// Returns the names of all functions, in order.
pub(super) fn names() -> Vec<&'static str> {
    let mut names: Vec<_> = FUNCTIONS.iter().map(|function| function.name).collect();
    names.sort_unstable();
    names
}

impl Function {
    /// Checks the number of arguments.
    ///
    /// # Errors
    /// `Usage`, with the expected number.
    pub(super) fn check_count(&self, count: usize) -> Result<()> {
        if (self.least..=self.most).contains(&count) {
            return Ok(());
        }
        let expected = match self.most {
            ANY => format!("at least {}", self.least),
            most if most == self.least => most.to_string(),
            most => format!("{} to {most}", self.least),
        };
        let name = self.name;
        Err(Error::usage(format!("`{name}` has {count} arguments instead of {expected}")))
    }
}

fn wrong_type(value: &Item<'_>) -> Error {
    Error::usage(format!("a value of type {} is not possible here", value.kind()))
}

fn text<'i>(value: &'i Item<'_>) -> Result<&'i str> {
    match value {
        Item::Text(text) => Ok(text),
        value => Err(Error::usage(format!("expected a string, not {}", value.kind()))),
    }
}

/// Returns the length of a list.
fn list(value: &Item<'_>) -> Result<usize> {
    match value {
        Item::List(_) | Item::Texts(_) => Ok(value.length().unwrap_or_default()),
        value => Err(Error::usage(format!("expected a list, not {}", value.kind()))),
    }
}

/// Counts a text whose size was not known before.
fn made<'a>(budget: &mut Budget, text: String) -> Result<Item<'a>> {
    budget.make(text.len())?;
    Ok(Item::from(text))
}

fn encoded<'a>(budget: &mut Budget, json: Vec<u8>) -> Result<Item<'a>> {
    made(budget, String::from_utf8_lossy(&json).into_owned())
}

fn escaped<'a>(
    budget: &mut Budget,
    arguments: &[Item<'a>],
    escape: fn(&mut Sink, &str) -> Result<()>,
) -> Result<Item<'a>> {
    let valued = arguments.iter().map(|argument| match argument {
        Item::Missing | Item::Null => Item::from(format::NO_VALUE),
        argument => argument.clone(),
    });
    let valued: Vec<_> = valued.collect();
    let plain = budget.text(|out| format::print(out, &valued))?;
    budget.text(|out| escape(out, &plain)).map(Item::from)
}

/// Compares as `eq`. Go refuses to compare an integer with a float; here they compare by value,
/// because the numbers that are floats in ORAS are integers here.
fn equal(left: &Item<'_>, right: &Item<'_>) -> Result<bool> {
    match (left, right) {
        (left, right) if left.is_nil() || right.is_nil() => Ok(left.is_nil() && right.is_nil()),
        (Item::Bool(left), Item::Bool(right)) => Ok(left == right),
        _ => match ordering(left, right) {
            Some(ordering) => Ok(ordering.is_eq()),
            None => Err(incomparable(left, right)),
        },
    }
}

fn compared<'a>(two: &[Item<'a>], test: fn(Ordering) -> bool) -> Result<Item<'a>> {
    let (left, right) = (&two[0], &two[1]);
    let ordering = ordering(left, right).ok_or_else(|| incomparable(left, right))?;
    Ok(Item::Bool(test(ordering)))
}

fn incomparable(left: &Item<'_>, right: &Item<'_>) -> Error {
    Error::usage(format!("cannot compare {} with {}", left.kind(), right.kind()))
}

/// Returns the order of two texts or two numbers.
fn ordering(left: &Item<'_>, right: &Item<'_>) -> Option<Ordering> {
    if let (Item::Text(left), Item::Text(right)) = (left, right) {
        return Some((**left).cmp(right));
    }
    let whole = |item: &Item<'_>| match item {
        Item::Int(value) => Some(i128::from(*value)),
        Item::Uint(value) => Some(i128::from(*value)),
        _ => None,
    };
    let float = |item: &Item<'_>| match item {
        Item::Float(value) => Some(*value),
        item => whole(item).map(|value| value as f64),
    };
    match (whole(left), whole(right)) {
        (Some(left), Some(right)) => Some(left.cmp(&right)),
        _ => float(left)?.partial_cmp(&float(right)?),
    }
}

/// Returns an index up to and with `most`.
fn position(value: &Item<'_>, most: usize) -> Result<usize> {
    let position = match value {
        Item::Int(value) => usize::try_from(*value).ok(),
        Item::Uint(value) => usize::try_from(*value).ok(),
        value => {
            return Err(Error::usage(format!("expected an index, not {}", value.kind())));
        }
    };
    position
        .filter(|position| *position <= most)
        .ok_or_else(|| Error::usage(format!("an index is not between 0 and {most}")))
}

fn index<'a>(value: &Item<'a>, key: &Item<'a>) -> Result<Item<'a>> {
    match value {
        // Go's zero value of a map with values of any type is nil, not a missing value.
        Item::Map(entries) => Ok(entries.get(text(key)?).map_or(Item::Null, Item::from)),
        Item::List(_) | Item::Texts(_) | Item::Text(_) => {
            let length = value.length().unwrap_or_default();
            let last = length.checked_sub(1).ok_or_else(|| Error::usage("the list is empty"))?;
            let position = position(key, last)?;
            let byte = |text: &Text<'a>| Item::Uint(text.as_bytes()[position].into());
            Ok(match value {
                Item::Text(text) => byte(text),
                value => value.element(position).unwrap_or(Item::Null),
            })
        }
        value => Err(wrong_type(value)),
    }
}

/// Returns a part of a list or of the bytes of a text. A part of a text must begin and end between
/// characters; Go would return bytes that are not UTF-8.
fn slice<'a>(budget: &mut Budget, arguments: &[Item<'a>]) -> Result<Item<'a>> {
    let (value, indexes) = (&arguments[0], &arguments[1..]);
    let is_text = matches!(value, Item::Text(_));
    if !is_text {
        list(value)?;
    } else if indexes.len() > 2 {
        return Err(Error::usage("a string has at most 2 indexes"));
    }
    let length = value.length().unwrap_or_default();
    let mut bounds = [0, length, length];
    for (bound, index) in bounds.iter_mut().zip(indexes) {
        *bound = position(index, length)?;
    }
    let [from, to, capacity] = bounds;
    if from > to || to > capacity {
        return Err(Error::usage(format!("the indexes {from}, {to}, {capacity} do not ascend")));
    }
    Ok(match value {
        Item::List(values) => Item::List(&values[from..to]),
        Item::Texts(texts) => {
            budget.make((to - from) * size_of::<Rc<str>>())?;
            Item::Texts(texts[from..to].into())
        }
        Item::Text(Text::Borrowed(text)) => {
            Item::from(text.get(from..to).ok_or_else(within_character)?)
        }
        Item::Text(Text::Made(text)) => {
            let part = text.get(from..to).ok_or_else(within_character)?;
            return made(budget, part.to_owned());
        }
        value => return Err(wrong_type(value)),
    })
}

fn within_character() -> Error {
    Error::usage("an index is within a character")
}

fn join(out: &mut Sink, separator: &str, value: &Item<'_>) -> Result<()> {
    if !matches!(value, Item::List(_) | Item::Texts(_)) {
        return if value.is_nil() { Ok(()) } else { format::value(out, value) };
    }
    let elements = (0..).map_while(|index| value.element(index));
    for (at, element) in elements.filter(|element| !element.is_nil()).enumerate() {
        if at > 0 {
            out.push(separator)?;
        }
        format::value(out, &element)?;
    }
    Ok(())
}

fn quote(out: &mut Sink, values: &[Item<'_>]) -> Result<()> {
    for (at, value) in values.iter().filter(|value| !value.is_nil()).enumerate() {
        if at > 0 {
            out.push(" ")?;
        }
        format::quoted(out, value)?;
    }
    Ok(())
}

fn replace<'a>(budget: &mut Budget, arguments: &[Item<'a>]) -> Result<Item<'a>> {
    let (old, new) = (text(&arguments[0])?, text(&arguments[1])?);
    let source = text(&arguments[2])?;
    budget
        .text(|out| {
            let mut rest = 0;
            for (at, found) in source.match_indices(old) {
                out.push(&source[rest..at])?;
                out.push(new)?;
                rest = at + found.len();
            }
            out.push(&source[rest..])
        })
        .map(Item::from)
}

fn split<'a>(budget: &mut Budget, two: &[Item<'a>]) -> Result<Item<'a>> {
    let (separator, source) = (text(&two[0])?, text(&two[1])?);
    // Each part has two counters, an address and a length.
    let part = 2 * size_of::<Rc<str>>();
    let parts: Vec<Rc<str>> = if separator.is_empty() {
        budget.make(source.len() + part * source.chars().count())?;
        source.chars().map(|c| Rc::from(&*c.encode_utf8(&mut [0; 4]))).collect()
    } else {
        budget.make(source.len() + part * (1 + source.matches(separator).count()))?;
        source.split(separator).map(Rc::from).collect()
    };
    Ok(Item::Texts(parts.into()))
}

/// Returns the capital letter if it is one character, as Go does.
fn upper(c: char) -> char {
    let mut letters = c.to_uppercase();
    match (letters.next(), letters.next()) {
        (Some(letter), None) => letter,
        _ => c,
    }
}

/// Returns the small letter. Only that of U+0130 has two characters; Go takes the first.
fn lower(c: char) -> char {
    c.to_lowercase().next().unwrap_or(c)
}
