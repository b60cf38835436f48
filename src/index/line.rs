//! A version in an index, with the fields that select it: those for search, comparison and
//! download. Its texts point into the index; only texts with another spelling there are stored
//! beside it.

use super::draft::Draft;
use super::{Entry, ListedDigest, full};
use crate::Result;
use crate::digest::Digest;
use bytes::Bytes;

/// A version of a chart in an index. It is cheap to clone while the index exists. A line that
/// outlives its index keeps the whole text in memory.
#[derive(Clone, Debug)]
pub struct Line {
    /// The text of the entry in the index.
    pub(super) raw: Bytes,
    pub(super) form: Form,
    pub(super) deprecated: bool,
    /// The texts that `raw` does not contain literally, one after the other.
    pub(super) pool: Box<str>,
    pub(super) single: [Text; 6],
    /// The URLs, then the keywords.
    pub(super) lists: Box<[Text]>,
    pub(super) urls: u32,
}

/// The syntax of an entry's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// A YAML list of one item, with its indentation in the index.
    Yaml,
    Json,
}

/// The position of a text.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Text {
    pub(super) start: u32,
    pub(super) length: u32,
}

/// The bit of a start that means a position in the pool.
pub(super) const POOLED: u32 = 1 << 31;

/// The name of one of an entry's single texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    Name,
    Version,
    AppVersion,
    Description,
    Digest,
    Created,
}

impl Line {
    /// Makes the line of a decoded entry.
    pub(super) fn new(raw: Bytes, form: Form, entry: &Entry) -> Self {
        Draft::of(entry).line(raw, form)
    }

    fn text(&self, text: Text) -> &str {
        let start = (text.start & !POOLED) as usize;
        let range = start..start + text.length as usize;
        if text.start & POOLED != 0 {
            &self.pool[range]
        } else {
            str::from_utf8(&self.raw[range]).expect("the scan saw UTF-8")
        }
    }

    /// Returns the chart's name in the entry.
    pub fn name(&self) -> &str {
        self.text(self.single[Which::Name as usize])
    }

    /// Returns the version, as written.
    pub fn version(&self) -> &str {
        self.text(self.single[Which::Version as usize])
    }

    /// Returns the version of the application that the chart installs, or an empty text.
    pub fn app_version(&self) -> &str {
        self.text(self.single[Which::AppVersion as usize])
    }

    /// Returns the description in one sentence, or an empty text.
    pub fn description(&self) -> &str {
        self.text(self.single[Which::Description as usize])
    }

    /// Returns the keywords for a search.
    pub fn keywords(&self) -> impl Iterator<Item = &str> {
        self.lists[self.urls as usize..].iter().map(|text| self.text(*text))
    }

    /// Returns the SHA-256 of the archive as bare hex, if the index has it.
    pub fn digest(&self) -> Option<&str> {
        let digest = self.text(self.single[Which::Digest as usize]);
        let digest = digest.strip_prefix("sha256:").unwrap_or(digest);
        (!digest.is_empty()).then_some(digest)
    }

    /// Returns the digest that the entry lists for its archive.
    pub fn listed_digest(&self) -> ListedDigest {
        ListedDigest::read(self.text(self.single[Which::Digest as usize]))
    }

    /// Returns the time of the addition as written, in RFC 3339; the year 1 if the entry has none.
    pub fn created(&self) -> &str {
        match self.text(self.single[Which::Created as usize]) {
            "" => "0001-01-01T00:00:00Z",
            created => created,
        }
    }

    /// Returns the URLs of the archive. [`super::url::resolve`] makes them absolute.
    pub fn urls(&self) -> impl Iterator<Item = &str> {
        self.lists[..self.urls as usize].iter().map(|text| self.text(*text))
    }

    /// Returns true for a deprecated chart.
    pub fn deprecated(&self) -> bool {
        self.deprecated
    }

    /// Computes the SHA-256 of the entry's text in the index. While it is the same, nothing in the
    /// entry has changed; a different value does not always mean a change. Only a mirror uses it,
    /// and keeps the value from one release to the next.
    pub fn fingerprint(&self) -> Digest {
        Digest::sha256(&self.raw)
    }

    /// Decodes the whole entry.
    ///
    /// # Errors
    /// None, unless the reading of the index had failed before.
    pub fn decode(&self) -> Result<Entry> {
        match self.form {
            Form::Yaml => full::decode_yaml(&self.raw),
            Form::Json => full::decode_json(&self.raw),
        }
    }

    /// Returns the entry's text, if it is YAML.
    pub(crate) fn yaml(&self) -> Option<&str> {
        if self.form == Form::Yaml { str::from_utf8(&self.raw).ok() } else { None }
    }
}
