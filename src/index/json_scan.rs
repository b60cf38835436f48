//! The fast reader for entries in JSON. Texts without escapes are not copied. As with
//! [`super::scan`], ambiguous entries, with a key in another case or a value of another type, are
//! left to the full reader.

use super::draft::Draft;
use super::line::{Form, Line, Which};
use super::scan::{Fallback, FastResult};
use crate::chart::decode::find_field;
use bytes::Bytes;
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use std::{borrow::Cow, fmt};

/// Reads an entry without faults.
pub(super) fn entry(bytes: Bytes, draft: &mut Draft) -> FastResult<Line> {
    let raw = str::from_utf8(&bytes).map_err(|_| Fallback)?;
    let mut fields: Fields<'_> = serde_json::from_str(raw).map_err(|_| Fallback)?;
    draft.clear(0);
    for (at, which) in [
        Which::Name,
        Which::Version,
        Which::AppVersion,
        Which::Description,
        Which::Digest,
        Which::Created,
    ]
    .into_iter()
    .enumerate()
    {
        draft.place(which, raw, std::mem::take(&mut fields.single[at].0));
    }
    fields.urls.into_iter().for_each(|url| draft.place_url(raw, url.0));
    fields.keywords.into_iter().for_each(|word| draft.place_keyword(raw, word.0));
    draft.deprecated = fields.deprecated;
    draft.judge(raw, &fields.kind.0)?;
    Ok(draft.line(bytes.clone(), Form::Json))
}

/// A text. A null leaves it empty.
#[derive(Default)]
struct Text<'j>(Cow<'j, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Texts;
        impl<'de> Visitor<'de> for Texts {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_unit<E>(self) -> Result<Text<'de>, E> {
                Ok(Text::default())
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_any(Texts)
    }
}

/// The fields of an entry to keep.
#[derive(Default)]
struct Fields<'j> {
    single: [Text<'j>; 6],
    kind: Text<'j>,
    urls: Vec<Text<'j>>,
    keywords: Vec<Text<'j>>,
    deprecated: bool,
}

/// Makes a struct readable key by key. `known` reads the value of a key that Helm knows in exactly
/// that spelling.
macro_rules! by_key {
    ($type:ty, [$($key:literal),* $(,)?], |$fields:ident, $name:ident, $map:ident| $known:expr) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Keys;
                impl<'de> Visitor<'de> for Keys {
                    type Value = $type;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("an object")
                    }

                    fn visit_map<A: MapAccess<'de>>(self, mut $map: A) -> Result<Self::Value, A::Error> {
                        const KNOWN: &[&str] = &[$($key),*];
                        #[allow(unused_mut, reason = "some only judge")]
                        let mut $fields = <$type>::default();
                        let mut seen = 0_u32;
                        while let Some(Text(key)) = $map.next_key()? {
                            match KNOWN.iter().position(|known| *known == &*key) {
                                Some(at) => {
                                    if seen & 1 << at != 0 {
                                        return Err(A::Error::custom("twice"));
                                    }
                                    seen |= 1 << at;
                                    let $name = KNOWN[at];
                                    $known;
                                }
                                None if find_field(KNOWN, &key).is_some() => {
                                    return Err(A::Error::custom("in another case"));
                                }
                                None => drop($map.next_value::<IgnoredAny>()?),
                            }
                        }
                        Ok($fields)
                    }
                }
                deserializer.deserialize_map(Keys)
            }
        }
    };
}

by_key!(
    Fields<'de>,
    [
        "name",
        "home",
        "sources",
        "version",
        "description",
        "keywords",
        "maintainers",
        "icon",
        "apiVersion",
        "condition",
        "tags",
        "appVersion",
        "deprecated",
        "annotations",
        "kubeVersion",
        "dependencies",
        "type",
        "urls",
        "created",
        "removed",
        "digest",
        "checksum",
        "engine",
        "tillerVersion",
        "url",
    ],
    |fields, name, map| match name {
        "name" => fields.single[0] = map.next_value()?,
        "version" => fields.single[1] = map.next_value()?,
        "appVersion" => fields.single[2] = map.next_value()?,
        "description" => fields.single[3] = map.next_value()?,
        "digest" => fields.single[4] = map.next_value()?,
        "created" => {
            let created: Text<'de> = map.next_value()?;
            // An empty text is not a time; a null means that there is none, which is rare.
            if created.0.is_empty() {
                return Err(A::Error::custom("no time"));
            }
            fields.single[5] = created;
        }
        "type" => fields.kind = map.next_value()?,
        "urls" => fields.urls = map.next_value::<Option<_>>()?.unwrap_or_default(),
        "keywords" => fields.keywords = map.next_value::<Option<_>>()?.unwrap_or_default(),
        "deprecated" => fields.deprecated = map.next_value::<Option<_>>()?.unwrap_or_default(),
        "removed" => drop(map.next_value::<Option<bool>>()?),
        "sources" => drop(map.next_value::<Option<Vec<Text<'de>>>>()?),
        "annotations" => {
            map.next_value::<Option<Strings>>()?;
        }
        "maintainers" => drop(map.next_value::<Option<Vec<Maintainer>>>()?),
        "dependencies" => drop(map.next_value::<Option<Vec<Dependency>>>()?),
        _ => drop(map.next_value::<Text<'de>>()?),
    }
);

#[derive(Default)]
struct Maintainer;

by_key!(Maintainer, ["name", "email", "url"], |_fields, _name, map| {
    drop(map.next_value::<Text<'de>>()?);
});

#[derive(Default)]
struct Dependency;

by_key!(
    Dependency,
    ["name", "version", "repository", "condition", "tags", "enabled", "import-values", "alias"],
    |_fields, name, map| {
        match name {
            "tags" => drop(map.next_value::<Option<Vec<Text<'de>>>>()?),
            "enabled" => drop(map.next_value::<Option<bool>>()?),
            "import-values" => drop(map.next_value::<Option<Vec<IgnoredAny>>>()?),
            "alias" => {
                let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
                if !map.next_value::<Text<'de>>()?.0.bytes().all(allowed) {
                    return Err(A::Error::custom("an alias that is no word"));
                }
            }
            _ => drop(map.next_value::<Text<'de>>()?),
        }
    }
);

/// A map of texts, which is skipped.
struct Strings;

impl<'de> Deserialize<'de> for Strings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Strings;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Strings, A::Error> {
                while map.next_entry::<IgnoredAny, Text<'de>>()?.is_some() {}
                Ok(Strings)
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}
