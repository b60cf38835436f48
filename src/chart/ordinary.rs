//! A fast reader of Chart.yaml files with correctly spelled keys, each once, and values of the
//! right types. Nearly every chart has such a file. It leaves all others, also invalid ones, to
//! [`super::decode`], which alone reports errors.

use super::Metadata;
use crate::limits::Limits;
use crate::yaml::cursor::{Cursor, Fallback, FastResult};
use crate::yaml::quick;
use crate::yaml::walk::is_within;
use std::collections::BTreeMap;

/// Reads the metadata if they are unambiguous.
pub(super) fn read(bytes: &[u8], limits: &Limits) -> FastResult<Metadata> {
    let text = str::from_utf8(bytes).map_err(|_| Fallback)?;
    let mut cursor = Cursor::new(text)?;
    if !is_within(bytes, limits) || cursor.indent != 0 || cursor.is_dash() {
        return Err(Fallback);
    }
    let metadata = Metadata::read(&mut cursor, 0)?;
    if cursor.indent == -1 { Ok(metadata) } else { Err(Fallback) }
}

/// The type of a field in a chart's structs.
pub(crate) trait Field: Sized {
    /// Reads the value of a key whose mapping is indented by `column`.
    fn value(cursor: &mut Cursor<'_>, column: isize) -> FastResult<Self>;
}

/// A struct of a chart.
pub(crate) trait Struct: Sized {
    /// Reads a mapping whose keys are indented by `column`, from its first key to its end.
    fn read(cursor: &mut Cursor<'_>, column: isize) -> FastResult<Self>;
}

/// Makes a struct readable, by its keys and their fields.
macro_rules! fields {
    ($type:ty, { $($key:literal => $field:ident),* $(,)? }) => {
        impl $crate::chart::ordinary::Struct for $type {
            fn read(
                cursor: &mut $crate::yaml::cursor::Cursor<'_>,
                column: isize,
            ) -> $crate::yaml::cursor::FastResult<Self> {
                use $crate::yaml::{cursor::Fallback, walk::{DEEPEST, Seen}};
                let mut found = Self::default();
                let mut seen = Seen::default();
                while cursor.indent == column {
                    let key = cursor.free_key()?;
                    seen.insert(key)?;
                    match key {
                        $($key => {
                            found.$field = $crate::chart::ordinary::Field::value(cursor, column)?;
                        })*
                        // Go accepts keys in any case, and prefers the one in the right case.
                        _ if $crate::chart::decode::find_field(&[$($key),*], key).is_some() => return Err(Fallback),
                        _ => cursor.any(column, DEEPEST)?,
                    }
                }
                Ok(found)
            }
        }
    };
}

pub(crate) use fields;

impl Field for String {
    fn value(cursor: &mut Cursor<'_>, column: isize) -> FastResult<Self> {
        let scalar = cursor.scalar(column)?;
        quick::text(cursor.text, &scalar)
    }
}

impl Field for bool {
    fn value(cursor: &mut Cursor<'_>, column: isize) -> FastResult<Self> {
        cursor.truth(column)
    }
}

impl Field for Vec<String> {
    fn value(cursor: &mut Cursor<'_>, column: isize) -> FastResult<Self> {
        let mut texts = Self::new();
        cursor.list(column, &mut |cursor, scalar| {
            texts.push(quick::text(cursor.text, scalar)?);
            Ok(())
        })?;
        Ok(texts)
    }
}

impl Field for Vec<crate::yaml::Value> {
    /// Leaves the value to the full reader: it is rare and may have any type.
    fn value(_: &mut Cursor<'_>, _: isize) -> FastResult<Self> {
        Err(Fallback)
    }
}

impl<T: Struct> Field for Vec<Option<T>> {
    fn value(cursor: &mut Cursor<'_>, column: isize) -> FastResult<Self> {
        let mut structs = Self::new();
        cursor.items(column, &mut |cursor| {
            let inner = cursor.open_item()?.ok_or(Fallback)?;
            cursor.indent = inner;
            structs.push(Some(T::read(cursor, inner)?));
            Ok(())
        })?;
        Ok(structs)
    }
}

impl Field for BTreeMap<String, String> {
    fn value(cursor: &mut Cursor<'_>, column: isize) -> FastResult<Self> {
        let mut texts = Self::new();
        let Some(inner) = cursor.open_map(column)? else { return Ok(texts) };
        while cursor.indent == inner {
            let key = cursor.free_key()?.to_owned();
            if texts.insert(key, Field::value(cursor, inner)?).is_some() {
                return Err(Fallback);
            }
        }
        if cursor.indent > column { Err(Fallback) } else { Ok(texts) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::decode::{Decoder, Unknown};
    use crate::yaml::{self, Duplicates};
    use proptest::prelude::*;

    /// Asserts that the full reader agrees with every result of this one.
    fn assert_agreed(text: &str) {
        let limits = Limits::default();
        if let Ok(quick) = read(text.as_bytes(), &limits) {
            let mut full = Metadata::default();
            let value = yaml::parse(text.as_bytes(), Duplicates::Error, &limits).expect(text);
            Decoder::decode(&mut full, &value, Unknown::Ignored).expect(text);
            assert_eq!(quick, full, "{text}");
        }
    }

    #[test]
    fn ordinary_charts_are_read_fast() {
        for text in [
            "apiVersion: v2\nname: a\nversion: 1.0.0\n",
            "---\n# c\nname: 'a'\nappVersion: 1.10 # c\ntags:\nkeywords: [a, 1]\nsources:\n- a\n-\n- ~\ndeprecated: yes\n",
            "description: |\n  a\n  b\nmaintainers:\n  - name: a\n    email: b\n    x: {}\n  -\n    url: c\nicon: a\n  b\n",
            "annotations:\n  a: 1\n  b/c: |\n    - x\n  d:\nother:\n  - a: {}\n    b: [1]\ntype: library",
            "dependencies:\n- name: a\n  version: ~1\n  tags:\n  - b\n  enabled: true\nannotations: {}\nkeywords: []\nmaintainers:\n",
        ] {
            assert!(read(text.as_bytes(), &Limits::default()).is_ok(), "{text}");
            assert_agreed(text);
        }
    }

    #[test]
    fn what_it_is_not_sure_of_is_left_to_the_other() {
        for text in [
            "",
            "Name: a\n",
            "name: a\nname: b\n",
            "name: [a]\n",
            "deprecated: 1\n",
            "keywords: a\n",
            "maintainers:\n- a\n",
            "maintainers:\n-\n",
            "annotations:\n  a: {}\n",
            "annotations:\n  a: b\n  a: c\n",
            "other: .inf\n",
            "dependencies:\n- name: a\n  import-values: [b]\n",
            "name: a\n...\n",
            "name: a\n  b: c\n",
        ] {
            assert_eq!(read(text.as_bytes(), &Limits::default()), Err(Fallback), "{text}");
        }
    }

    fn line() -> impl Strategy<Value = String> {
        prop_oneof![
            "(name|version|home|appVersion|tags|type|deprecated|other|NAME): ?(a|1|1\\.10|0x1f|yes|~|null|'b'|\"c\"|\\|\n  d|e # f|\\.inf|)",
            "(keywords|sources|maintainers|dependencies|annotations|other):( \\[\\]| \\{\\}| \\[a, 1\\]|)",
            "(  )?- ?(name|email|alias|tags|enabled|x|)(: ?(a|1|true|))?",
            " {2,4}(name|email|version|a|b|import-values): ?(a|1|no|''|)",
            "(  |)(- |)[a-c:#' -]{0,5}",
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]
        #[test]
        fn any_chart_is_read_alike(lines in proptest::collection::vec(line(), 0..9)) {
            assert_agreed(&lines.join("\n"));
        }
    }
}
