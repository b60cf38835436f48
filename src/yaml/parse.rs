//! The full reader. It makes values of the scanner's events: keys become strings, aliases are
//! copied within a budget, `<<` is merged, duplicates are checked. It does not recurse, so no
//! document can exhaust the stack.

use super::{Duplicates, Step, Value, YamlError, input, mapping::Mapping, number, scalar, tab};
use crate::{limits::Limits, quote};
use granit_parser::{Event, Marker, Parser, ScalarStyle, Span, StrInput, StructureStyle};
use std::collections::HashMap;

/// Duplicate keys named in one error.
const NAMED_DUPLICATES: usize = 20;

/// The documents of a YAML stream, one after the other. After an error, there are no more.
pub(super) struct Documents<'a> {
    text: &'a str,
    parser: Parser<'a, StrInput<'a>>,
    duplicates: Duplicates,
    limits: &'a Limits,
    nodes: usize,
    copied: usize,
    /// The complete anchors of this document.
    anchors: HashMap<usize, Value>,
    problems: Vec<String>,
    /// The end of the last event.
    seen: usize,
    refused_flow: Option<usize>,
    failed: bool,
    /// The receiver of the items of the lists within one mapping of the root.
    items: Option<Takes<'a>>,
    /// The number of nodes outside of such items.
    outside: usize,
}

/// Receiver of items while the document is read, and the root's key that contains them.
struct Takes<'a> {
    under: &'a str,
    take: &'a mut dyn FnMut(Step) -> Option<Value>,
}

/// A complete node, with the properties that its parent needs.
struct Node {
    value: Value,
    at: Marker,
    is_alias: bool,
}

/// A collection that is not complete.
struct Open {
    at: Marker,
    anchor: usize,
    style: StructureStyle,
    items: Items,
}

impl Open {
    /// Returns the key whose value is being read.
    fn key(&self) -> Option<&str> {
        match &self.items {
            Items::Map(_, Pending::Value(key)) => Some(&key.text),
            _ => None,
        }
    }
}

enum Items {
    Seq(Vec<Value>),
    Map(Mapping, Pending),
}

/// Next expected part of a mapping.
enum Pending {
    Key,
    Value(Key),
    Merge,
}

/// A key as a string, and true if it was a string in YAML. In yaml.v2, `"1"` and `1` are two keys,
/// and its errors show which.
struct Key {
    text: String,
    was_string: bool,
}

impl<'a> Documents<'a> {
    pub(super) fn new(text: &'a str, duplicates: Duplicates, limits: &'a Limits) -> Self {
        // These follow libyaml where it differs from YAML 1.2. Our own limit bounds the depth.
        let options = granit_parser::options! {
            bom_inside_document_as_content: true,
            block_scalar_eof_without_line_feed: true,
            emit_unresolved_aliases: true,
            emit_comments: false,
            flow_nesting_limit: limits.yaml_depth.saturating_add(1),
            block_nesting_limit: limits.yaml_depth.saturating_add(1),
        };
        Self {
            text,
            parser: Parser::new_from_str_with_options(text, options),
            duplicates,
            limits,
            nodes: 0,
            copied: 0,
            anchors: HashMap::new(),
            problems: Vec::new(),
            seen: 0,
            refused_flow: None,
            failed: false,
            items: None,
            outside: 0,
        }
    }

    /// Passes the items of the lists in the mapping under a key of the root to `take`. See
    /// [`super::parse_items`].
    pub(super) fn with_items(
        mut self,
        under: &'a str,
        take: &'a mut dyn FnMut(Step) -> Option<Value>,
    ) -> Self {
        self.items = Some(Takes { under, take });
        self
    }

    /// Returns the start of the flow collection in which the scanner refused a tab as indentation,
    /// if that stopped it.
    pub(super) fn refused_flow(&self) -> Option<usize> {
        self.refused_flow
    }

    fn event(&mut self) -> Result<Option<(Event<'a>, Span)>, YamlError> {
        Ok(self.parser.next_event().transpose()?)
    }

    /// Returns the next event of a document. Remembers a refused tab within a flow collection.
    fn event_within(&mut self, open: &[Open]) -> Result<Option<(Event<'a>, Span)>, YamlError> {
        self.parser.next_event().transpose().map_err(|error| {
            if *error.kind() == granit_parser::ErrorKind::TabInBlockIndentation {
                // The scanner has not reported a bracket that may still be a key.
                let told = open.iter().find(|open| open.style == StructureStyle::Flow);
                let told = told.and_then(|open| open.at.byte_offset());
                let at = error.marker().byte_offset().unwrap_or(0);
                self.refused_flow = told.or_else(|| tab::bracket_before(self.text, at));
            }
            error.into()
        })
    }

    fn document(&mut self) -> Result<Option<Value>, YamlError> {
        loop {
            match self.event()? {
                None => return Ok(None),
                Some((Event::DocumentStart(_, Some(version)), span))
                    if (version.major, version.minor) != (1, 1) =>
                {
                    return Err(YamlError::syntax("found incompatible YAML document", span.start));
                }
                Some((Event::DocumentStart(..), _)) => break,
                Some(_) => {}
            }
        }
        self.anchors.clear();
        let value = self.root()?;
        // At the end of the document, any other content on the level of the root is an error.
        if let Some((_, span)) = self.event()? {
            self.require_no_tab(&span)?;
        }
        if self.problems.is_empty() {
            Ok(Some(value))
        } else {
            Err(YamlError::duplicates(&self.problems))
        }
    }

    fn root(&mut self) -> Result<Value, YamlError> {
        let mut open: Vec<Open> = Vec::new();
        while let Some((event, span)) = self.event_within(&open)? {
            if open.len() <= 3 {
                self.outside = self.nodes;
            }
            if open.last().is_none_or(|parent| parent.style == StructureStyle::Block) {
                self.require_no_tab(&span)?;
            }
            let at = match &event {
                Event::Scalar(_, ScalarStyle::Literal | ScalarStyle::Folded, ..) => {
                    self.block_scalar(&span)?
                }
                _ => span.start,
            };
            self.seen = span.end.byte_offset().unwrap_or(self.seen);
            let (mut node, anchor) = match event {
                Event::Scalar(text, style, anchor, tag) => {
                    self.count(1, at)?;
                    if style == ScalarStyle::DoubleQuoted {
                        self.require_no_pair(&text, &span)?;
                    }
                    let tag = tag.as_deref();
                    if let Some(Open { items: Items::Map(_, pending @ Pending::Key), .. }) =
                        open.last_mut()
                        && scalar::is_merge(&text, style, tag)
                    {
                        *pending = Pending::Merge;
                        continue;
                    }
                    (
                        Node { value: scalar::read(text, style, tag, at)?, at, is_alias: false },
                        anchor,
                    )
                }
                Event::SequenceStart(style, anchor, _) => {
                    self.descend(open.len(), at)?;
                    open.push(Open { at, anchor, style, items: Items::Seq(Vec::new()) });
                    continue;
                }
                Event::MappingStart(style, anchor, _) => {
                    self.descend(open.len(), at)?;
                    open.push(Open {
                        at,
                        anchor,
                        style,
                        items: Items::Map(Mapping::default(), Pending::Key),
                    });
                    continue;
                }
                Event::SequenceEnd | Event::MappingEnd => {
                    let Some(Open { at, anchor, items, .. }) = open.pop() else { continue };
                    let value = match items {
                        Items::Seq(values) => Value::Seq(values),
                        Items::Map(map, _) => Value::Map(map.into_entries()),
                    };
                    (Node { value, at, is_alias: false }, anchor)
                }
                Event::Alias(id) => {
                    (Node { value: self.replay(id, &span)?, at, is_alias: true }, 0)
                }
                Event::UnresolvedAlias(name) => {
                    return Err(YamlError::content(
                        format!("unknown anchor '{name}' referenced"),
                        at,
                    ));
                }
                _ => continue,
            };
            if anchor != 0 {
                self.require_whole(&open, node.at)?;
                self.charge(&node.value, at)?;
                self.anchors.insert(anchor, node.value.clone());
            }
            self.hand_out(&open, &mut node)?;
            match open.last_mut() {
                None => return Ok(node.value),
                Some(parent) => self.place(node, &mut parent.items)?,
            }
        }
        Ok(Value::Null)
    }

    /// Passes an item to the receiver, and puts the answer in its place. The item no longer counts
    /// against the limits.
    fn hand_out(&mut self, open: &[Open], node: &mut Node) -> Result<(), YamlError> {
        let (Some(items), [root, map, Open { items: Items::Seq(_), .. }]) = (&mut self.items, open)
        else {
            return Ok(());
        };
        if root.key() != Some(items.under) || map.key().is_none() {
            return Ok(());
        }
        let item = Step::Item(std::mem::take(&mut node.value));
        node.value = (items.take)(item)
            .ok_or_else(|| YamlError::limit("document has too many entries", node.at))?;
        self.nodes = self.outside;
        Ok(())
    }

    /// Refuses an anchor on a collection whose items were passed on.
    fn require_whole(&self, open: &[Open], at: Marker) -> Result<(), YamlError> {
        let (Some(items), [root] | [root, _]) = (&self.items, open) else { return Ok(()) };
        if root.key() != Some(items.under) {
            return Ok(());
        }
        let message = format!("anchors on lists of `{}` are not read", items.under);
        Err(YamlError::limit(message, at))
    }

    /// Refuses a tab before an event of block context.
    fn require_no_tab(&self, span: &Span) -> Result<(), YamlError> {
        let at = span.start.byte_offset().unwrap_or(self.seen);
        match tab::misplaced(self.text, self.seen, at) {
            Some(at) => {
                let message = "found character that cannot start any token";
                Err(YamlError::syntax(message, input::mark(self.text, at)))
            }
            None => Ok(()),
        }
    }

    /// Refuses a character that is escaped as a pair of surrogates, as in JSON: libyaml accepts
    /// neither of them.
    fn require_no_pair(&self, text: &str, span: &Span) -> Result<(), YamlError> {
        // Characters of the basic plane are never written so, and others are rare.
        if text.bytes().all(|byte| byte < 0xf0) {
            return Ok(());
        }
        let (start, end) = (span.start.byte_offset(), span.end.byte_offset());
        let range = start.unwrap_or(self.seen)..end.unwrap_or(self.text.len());
        let mut rest = self.text.get(range).unwrap_or_default();
        while let Some((_, escape)) = rest.split_once('\\') {
            let code = escape.strip_prefix('u').and_then(|digits| digits.get(..4));
            let code = code.and_then(|digits| u32::from_str_radix(digits, 16).ok());
            if code.is_some_and(|code| (0xd800..0xe000).contains(&code)) {
                let message = "found invalid Unicode character escape code";
                return Err(YamlError::syntax(message, span.start));
            }
            let mut after = escape.chars();
            after.next();
            rest = after.as_str();
        }
        Ok(())
    }

    /// Checks a block scalar's first line and finds its header. The scanner reports only the
    /// position of the text.
    fn block_scalar(&self, span: &Span) -> Result<Marker, YamlError> {
        let start = span.start;
        let at = start.byte_offset().unwrap_or(self.seen);
        let header = self.text.get(self.seen..at).unwrap_or_default();
        if tab::starts_block_scalar(header, self.text.get(at..).unwrap_or_default()) {
            let message = "found a tab character where an indentation space is expected";
            return Err(YamlError::syntax(message, start));
        }
        let below = header.trim_end().len();
        let lines = header[below..].bytes().filter(|byte| *byte == b'\n').count();
        Ok(Marker::new(start.index(), start.line().saturating_sub(lines), 0))
    }

    /// Puts a complete node into its parent.
    fn place(&mut self, node: Node, parent: &mut Items) -> Result<(), YamlError> {
        match parent {
            Items::Seq(values) => values.push(node.value),
            Items::Map(map, pending) => match std::mem::replace(pending, Pending::Key) {
                Pending::Key => *pending = Pending::Value(key(node.value, node.at)?),
                Pending::Value(key) => self.insert(map, key, node.value, node.at),
                Pending::Merge => self.merge(map, node)?,
            },
        }
        Ok(())
    }

    fn insert(&mut self, map: &mut Mapping, key: Key, value: Value, at: Marker) {
        match map.find(&key.text) {
            None => map.add(key.text, value),
            Some(_) if self.duplicates == Duplicates::Error => self.complain(&key, at),
            Some(old) => *old = value,
        }
    }

    fn complain(&mut self, key: &Key, at: Marker) {
        let line = at.line();
        match self.problems.len() {
            0..NAMED_DUPLICATES if key.was_string => {
                self.problems
                    .push(format!("line {line}: key {} already set in map", quote::go(&key.text)));
            }
            0..NAMED_DUPLICATES => {
                self.problems.push(format!("line {line}: key {} already set in map", key.text));
            }
            NAMED_DUPLICATES => self.problems.push("and more".into()),
            _ => {}
        }
    }

    /// Merges the value of `<<`. A merged key replaces earlier keys and is replaced by later ones:
    /// that is yaml.v2's order, not the specification's. Of several mappings, the first wins.
    fn merge(&mut self, map: &mut Mapping, node: Node) -> Result<(), YamlError> {
        let values = match node.value {
            Value::Seq(values) if !node.is_alias => values,
            value => vec![value],
        };
        for value in values.into_iter().rev() {
            let Value::Map(entries) = value else {
                let message = "map merge requires map or sequence of maps as the value";
                return Err(YamlError::content(message, node.at));
            };
            for (text, value) in entries {
                self.insert(map, Key { text, was_string: true }, value, node.at);
            }
        }
        Ok(())
    }

    /// Returns a copy of an alias's value.
    fn replay(&mut self, id: usize, alias: &Span) -> Result<Value, YamlError> {
        let Some(value) = self.anchors.remove(&id) else {
            let name = alias.slice(self.text).unwrap_or_default().trim_start_matches('*');
            return Err(YamlError::content(
                format!("anchor '{name}' value contains itself"),
                alias.start,
            ));
        };
        self.charge(&value, alias.start)?;
        let copy = value.clone();
        self.anchors.insert(id, value);
        Ok(copy)
    }

    /// Counts the cost of a copy before it is made. The value of an anchor is a copy too.
    fn charge(&mut self, value: &Value, at: Marker) -> Result<(), YamlError> {
        let (nodes, bytes) = weigh(value);
        self.count(nodes, at)?;
        self.copied = self.copied.saturating_add(bytes);
        if self.copied > self.limits.yaml_alias_bytes {
            return Err(YamlError::limit("document contains excessive aliasing", at));
        }
        Ok(())
    }

    fn count(&mut self, nodes: usize, at: Marker) -> Result<(), YamlError> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > self.limits.yaml_nodes {
            return Err(YamlError::limit(
                format!("exceeded max nodes of {}", self.limits.yaml_nodes),
                at,
            ));
        }
        Ok(())
    }

    fn descend(&mut self, depth: usize, at: Marker) -> Result<(), YamlError> {
        self.count(1, at)?;
        if depth >= self.limits.yaml_depth {
            return Err(YamlError::limit(
                format!("exceeded max depth of {}", self.limits.yaml_depth),
                at,
            ));
        }
        Ok(())
    }
}

impl Iterator for Documents<'_> {
    type Item = Result<Value, YamlError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let document = self.document().transpose();
        self.failed = matches!(document, Some(Err(_)));
        document
    }
}

/// Converts a key to a string as sigs.k8s.io/yaml does.
fn key(value: Value, at: Marker) -> Result<Key, YamlError> {
    let text = match value {
        Value::String(text) => return Ok(Key { text, was_string: true }),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) if i64::try_from(value).is_ok() => value.to_string(),
        Value::Float(value) => match number::format_f32(value).as_str() {
            "+Inf" => ".inf".into(),
            "-Inf" => "-.inf".into(),
            "NaN" => ".nan".into(),
            text => text.into(),
        },
        Value::Int(_) => {
            return Err(YamlError::conversion_at("unsupported map key of type: uint64", at));
        }
        Value::Null => {
            return Err(YamlError::conversion_at("unsupported map key of type: null", at));
        }
        Value::Seq(_) => return Err(YamlError::content("invalid map key: a sequence", at)),
        Value::Map(_) => return Err(YamlError::content("invalid map key: a mapping", at)),
    };
    Ok(Key { text, was_string: false })
}

/// Returns the number of nodes and the approximate bytes of a value when written.
fn weigh(value: &Value) -> (usize, usize) {
    let mut nodes = 0;
    let mut bytes = 0;
    let mut rest = vec![value];
    while let Some(value) = rest.pop() {
        nodes += 1;
        bytes += 8;
        match value {
            Value::String(text) => bytes += text.len(),
            Value::Seq(values) => rest.extend(values),
            Value::Map(entries) => {
                for (key, value) in entries {
                    bytes += key.len();
                    rest.push(value);
                }
            }
            _ => {}
        }
    }
    (nodes, bytes)
}
