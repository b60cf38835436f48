//! One version in an index, as far as one needs it to choose: what is searched, compared and
//! fetched. The texts lie where they stand in the index; only those that stand there in another
//! spelling are held beside it.

use super::draft::Draft;
use super::{Entry, ListedDigest, full};
use crate::Result;
use crate::digest::Digest;
use bytes::Bytes;

/// One version of a chart as it stands in an index. Cheap to clone while the index lives; one that
/// outlives its index keeps the whole text alive.
#[derive(Clone, Debug)]
pub struct Line {
    /// The entry as it stands in the index.
    pub(super) raw: Bytes,
    pub(super) form: Form,
    pub(super) deprecated: bool,
    /// Texts that do not stand in `raw` as they are, one behind the other.
    pub(super) pool: Box<str>,
    pub(super) single: [Text; 6],
    /// URLs, then keywords.
    pub(super) lists: Box<[Text]>,
    pub(super) urls: u32,
}

/// The syntax of an entry's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// A list of one, indented as it stands.
    Yaml,
    Json,
}

/// Position of a text.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Text {
    pub(super) start: u32,
    pub(super) length: u32,
}

/// Of a start: within the pool.
pub(super) const POOLED: u32 = 1 << 31;

/// Name of one of an entry's single texts.
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
    /// The line of an entry that was decoded.
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

    /// The chart's name, as the entry says it.
    pub fn name(&self) -> &str {
        self.text(self.single[Which::Name as usize])
    }

    /// Its version, as written.
    pub fn version(&self) -> &str {
        self.text(self.single[Which::Version as usize])
    }

    /// The version of what it installs; perhaps empty.
    pub fn app_version(&self) -> &str {
        self.text(self.single[Which::AppVersion as usize])
    }

    /// One sentence; perhaps empty.
    pub fn description(&self) -> &str {
        self.text(self.single[Which::Description as usize])
    }

    /// Words to find it by.
    pub fn keywords(&self) -> impl Iterator<Item = &str> {
        self.lists[self.urls as usize..].iter().map(|text| self.text(*text))
    }

    /// SHA-256 of its archive as bare hex, if the index says it.
    pub fn digest(&self) -> Option<&str> {
        let digest = self.text(self.single[Which::Digest as usize]);
        let digest = digest.strip_prefix("sha256:").unwrap_or(digest);
        (!digest.is_empty()).then_some(digest)
    }

    /// The digest that the entry gives for its archive.
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
    /// entry has changed; a different value need not mean a change. Only a mirror asks for it, and
    /// keeps the value from one release to the next.
    pub fn fingerprint(&self) -> Digest {
        Digest::sha256(&self.raw)
    }

    /// Everything the entry says.
    ///
    /// # Errors
    /// None that reading the index would not have met.
    pub fn decode(&self) -> Result<Entry> {
        match self.form {
            Form::Yaml => full::decode_yaml(&self.raw),
            Form::Json => full::decode_json(&self.raw),
        }
    }

    /// The entry's text, if it is YAML.
    pub(crate) fn yaml(&self) -> Option<&str> {
        if self.form == Form::Yaml { str::from_utf8(&self.raw).ok() } else { None }
    }
}
