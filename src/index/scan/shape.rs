//! The fields of an entry and their types, and a scan that checks keys and types and skips values.
//! [`crate::yaml::walk`] skips lists and mappings.

use super::{Fallback, FastResult, Scalar, Scan, strict};
use crate::yaml::cursor::Cursor;
use crate::yaml::walk::{DEEPEST, Seen};

/// The type of a field's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Truth,
    Texts,
    Map(Shape),
    Maps(Shape),
    Any,
    Anys,
}

/// The keys that a mapping may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Strings,
    Maintainer,
    Dependency,
}

impl Shape {
    fn kind(self, key: &str) -> Option<Kind> {
        Some(match (self, key) {
            (Self::Strings, _) | (Self::Maintainer, "name" | "email" | "url") => Kind::Text,
            (Self::Dependency, "name" | "version" | "repository" | "condition" | "alias") => {
                Kind::Text
            }
            (Self::Dependency, "tags") => Kind::Texts,
            (Self::Dependency, "enabled") => Kind::Truth,
            (Self::Dependency, "import-values") => Kind::Anys,
            _ => return None,
        })
    }
}

macro_rules! fields {
    ($($name:ident = $key:literal: $kind:expr),* $(,)?) => {
        /// A field of an entry.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(in crate::index) enum Entry { $($name),* }

        impl Entry {
            /// Returns the field of exactly that key. Helm accepts keys in any case; here, other
            /// cases are ambiguous.
            pub(super) fn of(key: &str) -> Option<Self> {
                match key { $($key => Some(Self::$name),)* _ => None }
            }

            pub(super) fn kind(self) -> Kind {
                match self { $(Self::$name => $kind),* }
            }
        }
    };
}

fields! {
    Name = "name": Kind::Text,
    Home = "home": Kind::Text,
    Sources = "sources": Kind::Texts,
    Version = "version": Kind::Text,
    Description = "description": Kind::Text,
    Keywords = "keywords": Kind::Texts,
    Maintainers = "maintainers": Kind::Maps(Shape::Maintainer),
    Icon = "icon": Kind::Text,
    ApiVersion = "apiVersion": Kind::Text,
    Condition = "condition": Kind::Text,
    Tags = "tags": Kind::Text,
    AppVersion = "appVersion": Kind::Text,
    Deprecated = "deprecated": Kind::Truth,
    Annotations = "annotations": Kind::Map(Shape::Strings),
    KubeVersion = "kubeVersion": Kind::Text,
    Dependencies = "dependencies": Kind::Maps(Shape::Dependency),
    Type = "type": Kind::Text,
    Urls = "urls": Kind::Texts,
    Created = "created": Kind::Text,
    Removed = "removed": Kind::Truth,
    Digest = "digest": Kind::Text,
    Checksum = "checksum": Kind::Text,
    Engine = "engine": Kind::Text,
    TillerVersion = "tillerVersion": Kind::Text,
    Url = "url": Kind::Text,
}

impl Scan<'_> {
    /// Skips the value of a key whose mapping is indented by `column`.
    pub(super) fn shaped(&mut self, kind: Kind, column: isize) -> FastResult<()> {
        shaped(&mut self.cursor, kind, column)
    }
}

fn shaped(cursor: &mut Cursor<'_>, kind: Kind, column: isize) -> FastResult<()> {
    match kind {
        Kind::Text => word(cursor, column).map(drop),
        Kind::Truth => cursor.truth(column).map(drop),
        Kind::Texts => {
            cursor.list(column, &mut |cursor, scalar| strict(cursor.text, scalar.clone()).map(drop))
        }
        Kind::Map(shape) => match cursor.open_map(column)? {
            Some(inner) => {
                mapping(cursor, shape, inner)?;
                if cursor.indent > column { Err(Fallback) } else { Ok(()) }
            }
            None => Ok(()),
        },
        Kind::Maps(shape) => cursor.items(column, &mut |cursor| {
            let inner = cursor.open_item()?.ok_or(Fallback)?;
            mapping(cursor, shape, inner)
        }),
        Kind::Any => cursor.any(column, DEEPEST),
        Kind::Anys => cursor.anys(column, DEEPEST),
    }
}

/// Skips a mapping whose keys are indented by `column`.
fn mapping(cursor: &mut Cursor<'_>, shape: Shape, column: isize) -> FastResult<()> {
    let mut seen = Seen::default();
    loop {
        let key = match shape {
            Shape::Strings => cursor.free_key()?,
            _ => cursor.key()?,
        };
        seen.insert(key)?;
        let kind = shape.kind(key).ok_or(Fallback)?;
        if (shape, key) == (Shape::Dependency, "alias") {
            alias(cursor, column)?;
        } else {
            shaped(cursor, kind, column)?;
        }
        if cursor.indent != column {
            return Ok(());
        }
    }
}

/// Checks an alias. Helm drops an entry whose alias is not a word.
fn alias(cursor: &mut Cursor<'_>, column: isize) -> FastResult<()> {
    let range = match word(cursor, column)? {
        Scalar::Null => return Ok(()),
        Scalar::Plain(range) | Scalar::Quoted(range) => range,
        _ => return Err(Fallback),
    };
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if cursor.text[range].bytes().all(allowed) { Ok(()) } else { Err(Fallback) }
}

/// Reads a text of the metadata. In the fields of the index, Helm accepts a number as a text; in
/// the metadata, it refuses the whole index.
pub(super) fn word(cursor: &mut Cursor<'_>, column: isize) -> FastResult<Scalar> {
    let scalar = cursor.scalar(column)?;
    strict(cursor.text, scalar)
}
