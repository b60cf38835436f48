//! The values of `--set` and `--set-string`, in Helm's language: `a.b=1,list[0]=x,names={a,b}`. A
//! backslash removes the special meaning of the next character.

use crate::{Error, Result};
use serde_json::{Map, Value};

/// The type of an unquoted value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Typing {
    /// The type of `true`, `false`, `null` and whole numbers, else a text, for `--set`.
    Guess,
    /// A text in every case, for `--set-string`.
    Text,
}

/// The highest index of a list, which is filled up with nulls. The number is Helm's.
const MAX_INDEX: usize = 65_536;
/// The depth of keys. The number is Helm's.
const MAX_DEPTH: usize = 30;

/// Sets values in `values` as `text` requests.
///
/// # Errors
/// `Usage`, in Helm's words: for a key without a value, or an index that is invalid or too large.
pub fn set(values: &mut Map<String, Value>, text: &str, typing: Typing) -> Result<()> {
    let mut reader = Reader { rest: text };
    while !reader.rest.is_empty() {
        let path = reader.path()?;
        let value = reader.value(typing);
        match path.split_first() {
            Some((Step::Key(key), rest)) => {
                put(values.entry(key.clone()).or_insert(Value::Null), rest, value);
            }
            _ => return Err(Error::usage(format!("`{text}` names no key"))),
        }
    }
    Ok(())
}

/// A step of a path.
#[derive(Clone, Debug, PartialEq)]
enum Step {
    Key(String),
    Index(usize),
}

fn put(place: &mut Value, path: &[Step], value: Value) {
    match path.split_first() {
        None => *place = value,
        Some((Step::Key(key), rest)) => {
            if !place.is_object() {
                *place = Value::Object(Map::new());
            }
            if let Value::Object(entries) = place {
                put(entries.entry(key.clone()).or_insert(Value::Null), rest, value);
            }
        }
        Some((Step::Index(index), rest)) => {
            if !place.is_array() {
                *place = Value::Array(Vec::new());
            }
            if let Value::Array(values) = place {
                if values.len() <= *index {
                    values.resize(index + 1, Value::Null);
                }
                put(&mut values[*index], rest, value);
            }
        }
    }
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    /// Reads text up to one of `stops`. Consumes the stop and returns it too, or `None` at the end.
    fn until(&mut self, stops: &[char]) -> (String, Option<char>) {
        let mut text = String::new();
        let mut chars = self.rest.chars();
        while let Some(c) = chars.next() {
            if c == '\\' {
                text.extend(chars.next());
            } else if stops.contains(&c) {
                self.rest = chars.as_str();
                return (text, Some(c));
            } else {
                text.push(c);
            }
        }
        self.rest = "";
        (text, None)
    }

    /// Reads the steps before a `=`, and the `=`.
    fn path(&mut self) -> Result<Vec<Step>> {
        let mut path = Vec::new();
        loop {
            let (key, stop) = self.until(&['.', '[', '=', ',']);
            let after_index = matches!(path.last(), Some(Step::Index(_))) && key.is_empty();
            if matches!(stop, None | Some(',')) {
                return Err(Error::usage(format!("key {} has no value", crate::quote::go(&key))));
            }
            if !after_index {
                path.push(Step::Key(key));
            }
            if path.len() > MAX_DEPTH {
                let message = format!(
                    "value name nested level is greater than maximum supported nested level of {MAX_DEPTH}"
                );
                return Err(Error::usage(message));
            }
            match stop {
                Some('=') => return Ok(path),
                Some('[') => path.push(self.index()?),
                _ => {}
            }
        }
    }

    fn index(&mut self) -> Result<Step> {
        let (text, _) = self.until(&[']']);
        let index: usize = text
            .parse()
            .map_err(|_| Error::usage(format!("error parsing index: `{text}` is no number")))?;
        if index > MAX_INDEX {
            let message =
                format!("index of {index} is greater than maximum supported index of {MAX_INDEX}");
            return Err(Error::usage(message));
        }
        Ok(Step::Index(index))
    }

    /// Reads the value after a `=`, and the comma after it.
    fn value(&mut self, typing: Typing) -> Value {
        if let Some(rest) = self.rest.strip_prefix('{') {
            self.rest = rest;
            let mut values = Vec::new();
            loop {
                let (text, stop) = self.until(&[',', '}']);
                if !(text.is_empty() && values.is_empty() && stop == Some('}')) {
                    values.push(typed(text, typing));
                }
                if stop != Some(',') {
                    break;
                }
            }
            self.rest = self.rest.strip_prefix(',').unwrap_or(self.rest);
            return Value::Array(values);
        }
        let (text, _) = self.until(&[',']);
        typed(text, typing)
    }
}

fn typed(text: String, typing: Typing) -> Value {
    match text.as_str() {
        _ if typing == Typing::Text => Value::String(text),
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        "null" => Value::Null,
        // A number with a zero at its start is a mode or an account, not a number.
        "0" => Value::from(0),
        number if !number.starts_with('0') => {
            number.parse::<i64>().map_or(Value::String(text), Value::from)
        }
        _ => Value::String(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str, typing: Typing) -> Result<String> {
        let mut values = Map::new();
        set(&mut values, text, typing).map(|()| Value::Object(values).to_string())
    }

    #[test]
    fn values_are_set_as_helm_sets_them() {
        for (text, expected) in [
            ("a=1", r#"{"a":1}"#),
            ("a.b=x,a.c=true", r#"{"a":{"b":"x","c":true}}"#),
            ("a=", r#"{"a":""}"#),
            ("a=null", r#"{"a":null}"#),
            ("a=0644,b=1.5,c=-3", r#"{"a":"0644","b":"1.5","c":-3}"#),
            (r"a\.b=x\,y", r#"{"a.b":"x,y"}"#),
            ("a={x,1,},b={}", r#"{"a":["x",1,""],"b":[]}"#),
            ("a[1]=x,a[0].k=y", r#"{"a":[{"k":"y"},"x"]}"#),
            ("a[0][1]=x", r#"{"a":[[null,"x"]]}"#),
            ("a=b=c", r#"{"a":"b=c"}"#),
        ] {
            assert_eq!(said(text, Typing::Guess).expect("good"), expected, "{text}");
        }
        assert_eq!(said("a=1,b=null", Typing::Text).expect("good"), r#"{"a":"1","b":"null"}"#);
    }

    #[test]
    fn what_sets_nothing_is_refused() {
        for (text, expected) in [
            ("a", "key \"a\" has no value"),
            ("a,b=1", "key \"a\" has no value"),
            ("a[x]=1", "error parsing index: `x` is no number"),
            ("a[70000]=1", "index of 70000 is greater than maximum supported index of 65536"),
        ] {
            assert_eq!(said(text, Typing::Guess).expect_err("bad").message(), expected);
        }
    }
}
