//! What may stand in an entry, field by field, and the scan of what is not kept: keys and kinds are judged, values are
//! passed over.

use super::{Scalar, Scan, Sure, Unsure};
use crate::yaml::{self, Value};
use std::collections::HashSet;

/// Mappings and lists within each other, in a field that may hold anything.
const DEEPEST: usize = 8;

/// What a field holds.
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

/// Which keys a mapping may have.
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
            /// The field of exactly that key. Helm takes keys in any case; here they are not sure.
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
    /// Passes over the value of a key whose mapping is indented by `column`.
    pub(super) fn shaped(&mut self, kind: Kind, column: isize) -> Sure<()> {
        match kind {
            Kind::Text => self.word(column).map(drop),
            Kind::Truth => self.truth(column).map(drop),
            Kind::Texts => {
                self.list(column, &mut |scan, scalar| scan.strict(scalar.clone()).map(drop))
            }
            Kind::Map(shape) => {
                if self.cursor.empty_map()? || !self.cursor.open_block(column)? {
                    return Ok(());
                }
                if self.cursor.indent == column {
                    return Err(Unsure);
                }
                let inner = self.cursor.indent;
                self.mapping(shape, inner)?;
                if self.cursor.indent > column { Err(Unsure) } else { Ok(()) }
            }
            Kind::Maps(shape) => self.items(column, &mut |scan| {
                let inner = scan.cursor.open_item()?.ok_or(Unsure)?;
                scan.mapping(shape, inner)
            }),
            Kind::Any => self.any(column, DEEPEST),
            Kind::Anys => self.anys(column),
        }
    }

    /// Passes over a mapping whose keys are indented by `column`.
    fn mapping(&mut self, shape: Shape, column: isize) -> Sure<()> {
        let mut seen = Seen::default();
        loop {
            let key = match shape {
                Shape::Strings => self.cursor.free_key()?,
                _ => self.cursor.key()?,
            };
            seen.insert(key)?;
            let kind = shape.kind(key).ok_or(Unsure)?;
            if (shape, key) == (Shape::Dependency, "alias") {
                self.alias(column)?;
            } else {
                self.shaped(kind, column)?;
            }
            if self.cursor.indent != column {
                return Ok(());
            }
        }
    }

    /// An alias is a word, or Helm drops the entry.
    fn alias(&mut self, column: isize) -> Sure<()> {
        let range = match self.word(column)? {
            Scalar::Null => return Ok(()),
            Scalar::Plain(range) | Scalar::Quoted(range) => range,
            _ => return Err(Unsure),
        };
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        if self.cursor.text[range].bytes().all(allowed) { Ok(()) } else { Err(Unsure) }
    }

    /// A bool, written as one.
    pub(super) fn truth(&mut self, column: isize) -> Sure<bool> {
        match self.cursor.scalar(column)? {
            Scalar::Null => Ok(false),
            Scalar::Plain(range) => match yaml::plain(&self.cursor.text[range]) {
                Value::Bool(value) => Ok(value),
                _ => Err(Unsure),
            },
            _ => Err(Unsure),
        }
    }

    /// A list of texts, in a block or in brackets.
    pub(super) fn list(
        &mut self,
        column: isize,
        each: &mut dyn FnMut(&mut Self, &Scalar) -> Sure<()>,
    ) -> Sure<()> {
        if let Some(items) = self.cursor.flow_list()? {
            return items.iter().try_for_each(|item| each(self, item));
        }
        self.items(column, &mut |scan| {
            let dash = scan.cursor.indent;
            scan.cursor.at += 1;
            let scalar = scan.cursor.scalar(dash)?;
            each(scan, &scalar)
        })
    }

    /// A list in a block; `item` reads one from its dash to where it ends.
    fn items(&mut self, column: isize, item: &mut dyn FnMut(&mut Self) -> Sure<()>) -> Sure<()> {
        if let Some(items) = self.cursor.flow_list()? {
            return if items.is_empty() { Ok(()) } else { Err(Unsure) };
        }
        if !self.cursor.open_block(column)? {
            return Ok(());
        }
        let dash = self.cursor.indent;
        if !self.cursor.is_dash() {
            return Err(Unsure);
        }
        while self.cursor.indent == dash && self.cursor.is_dash() {
            item(self)?;
            if self.cursor.indent > dash {
                return Err(Unsure);
            }
        }
        if self.cursor.indent > column { Err(Unsure) } else { Ok(()) }
    }

    fn anys(&mut self, column: isize) -> Sure<()> {
        self.items(column, &mut |scan| scan.any_item(DEEPEST))
    }

    /// Passes over whatever the value of a key is.
    fn any(&mut self, column: isize, deepest: usize) -> Sure<()> {
        let deepest = deepest.checked_sub(1).ok_or(Unsure)?;
        if self.cursor.empty_map()? {
            return Ok(());
        }
        if let Some(items) = self.cursor.flow_list()? {
            return items.iter().try_for_each(|item| self.require_json(item));
        }
        let before = self.cursor.clone();
        if !matches!(self.cursor.open_block(column), Ok(true)) {
            self.cursor = before;
            let scalar = self.cursor.scalar(column)?;
            return self.require_json(&scalar);
        }
        if self.cursor.is_dash() {
            self.cursor = before;
            return self.items(column, &mut |scan| scan.any_item(deepest));
        }
        let inner = self.cursor.indent;
        self.any_mapping(inner, deepest)?;
        if self.cursor.indent > column { Err(Unsure) } else { Ok(()) }
    }

    fn any_mapping(&mut self, column: isize, deepest: usize) -> Sure<()> {
        let mut seen = Seen::default();
        while self.cursor.indent == column {
            seen.insert(self.cursor.free_key()?)?;
            self.any(column, deepest)?;
        }
        Ok(())
    }

    fn any_item(&mut self, deepest: usize) -> Sure<()> {
        let deepest = deepest.checked_sub(1).ok_or(Unsure)?;
        let dash = self.cursor.indent;
        let before = self.cursor.clone();
        let Some(column) = self.cursor.open_item()? else { return Ok(()) };
        let inside = self.cursor.clone();
        if self.cursor.free_key().is_ok() {
            self.cursor = inside;
            self.cursor.indent = column;
            return self.any_mapping(column, deepest);
        }
        self.cursor = before;
        self.cursor.at += 1;
        let scalar = self.cursor.scalar(dash)?;
        self.require_json(&scalar)
    }

    /// JSON has no infinity.
    fn require_json(&self, scalar: &Scalar) -> Sure<()> {
        match scalar {
            Scalar::Plain(range) => {
                let value = yaml::plain(&self.cursor.text[range.clone()]);
                value.require_json().map_err(|_| Unsure)
            }
            _ => Ok(()),
        }
    }
}

/// The keys of one mapping: few, nearly always.
#[derive(Default)]
struct Seen<'t> {
    few: Vec<&'t str>,
    many: HashSet<&'t str>,
}

impl<'t> Seen<'t> {
    fn insert(&mut self, key: &'t str) -> Sure<()> {
        if self.few.len() < 16 {
            if self.few.contains(&key) {
                return Err(Unsure);
            }
            self.few.push(key);
            return Ok(());
        }
        if self.many.is_empty() {
            self.many.extend(&self.few);
        }
        if self.many.insert(key) { Ok(()) } else { Err(Unsure) }
    }
}
