//! A line of an index while it is read: the positions of its texts, and the texts that need
//! decoding at once.

use super::Entry;
use super::line::{Form, Line, POOLED, Text, Which};
use super::scan::{Fallback, FastResult, Scalar};
use crate::chart::sanitize::sanitize;
use crate::chart::time::Time;
use crate::version::Version;
use crate::yaml::{self, Value, quick};
use bytes::Bytes;
use std::borrow::Cow;
use std::ops::Range;

/// A line that is being read.
#[derive(Debug, Default)]
pub(super) struct Draft {
    /// The start of the entry in the text.
    start: usize,
    pool: String,
    single: [Text; 6],
    urls: Vec<Text>,
    keywords: Vec<Text>,
    pub(super) deprecated: bool,
}

impl Draft {
    /// Returns the draft of a decoded entry.
    pub(super) fn of(entry: &Entry) -> Self {
        let mut draft = Self::default();
        let metadata = &entry.metadata;
        for (which, text) in [
            (Which::Name, &metadata.name),
            (Which::Version, &metadata.version),
            (Which::AppVersion, &metadata.app_version),
            (Which::Description, &metadata.description),
            (Which::Digest, &entry.digest),
            (Which::Created, &entry.created),
        ] {
            draft.single[which as usize] = draft.pooled(text);
        }
        draft.urls = entry.urls.iter().map(|url| draft.pooled(url)).collect();
        draft.keywords = metadata.keywords.iter().map(|word| draft.pooled(word)).collect();
        draft.deprecated = metadata.deprecated;
        draft
    }

    /// Removes all content, for an entry that starts at `start`.
    pub(super) fn clear(&mut self, start: usize) {
        self.start = start;
        self.pool.clear();
        self.single = Default::default();
        self.urls.clear();
        self.keywords.clear();
        self.deprecated = false;
    }

    /// Sets a text.
    pub(super) fn set(&mut self, which: Which, text: &str, scalar: &Scalar) -> FastResult<()> {
        self.single[which as usize] = self.take(text, scalar)?;
        Ok(())
    }

    pub(super) fn push_url(&mut self, text: &str, scalar: &Scalar) -> FastResult<()> {
        let url = self.take(text, scalar)?;
        self.urls.push(url);
        Ok(())
    }

    pub(super) fn push_keyword(&mut self, text: &str, scalar: &Scalar) -> FastResult<()> {
        let word = self.take(text, scalar)?;
        self.keywords.push(word);
        Ok(())
    }

    fn shown<'t>(&'t self, which: Which, text: &'t str) -> &'t str {
        self.resolve(self.single[which as usize], text)
    }

    pub(super) fn is_empty(&self, which: Which) -> bool {
        self.single[which as usize].length == 0
    }

    fn resolve<'t>(&'t self, place: Text, text: &'t str) -> &'t str {
        let start = (place.start & !POOLED) as usize;
        if place.start & POOLED != 0 {
            &self.pool[start..start + place.length as usize]
        } else {
            let start = self.start + start;
            &text[start..start + place.length as usize]
        }
    }

    fn take(&mut self, text: &str, scalar: &Scalar) -> FastResult<Text> {
        match scalar {
            Scalar::Null => Ok(Text::default()),
            Scalar::Quoted(range) => self.within(range),
            Scalar::Plain(range) if !yaml::resolves(&text[range.clone()]) => self.within(range),
            Scalar::Plain(range) => match yaml::plain(&text[range.clone()]) {
                Value::String(_) => self.within(range),
                other => other.to_go_string().map(|text| self.pooled(&text)).ok_or(Fallback),
            },
            _ => Ok(self.pooled(&quick::text(text, scalar)?)),
        }
    }

    fn within(&self, range: &Range<usize>) -> FastResult<Text> {
        let start = u32::try_from(range.start - self.start).map_err(|_| Fallback)?;
        let length = u32::try_from(range.len()).map_err(|_| Fallback)?;
        if start & POOLED == 0 { Ok(Text { start, length }) } else { Err(Fallback) }
    }

    fn pooled(&mut self, text: &str) -> Text {
        let place = |number| u32::try_from(number).expect("an index has at most 512 MiB");
        let start = place(self.pool.len()) | POOLED;
        self.pool.push_str(text);
        Text { start, length: place(text.len()) }
    }

    /// Sets a text, by its position if `raw`, the entry's own text, contains it.
    pub(super) fn place(&mut self, which: Which, raw: &str, text: Cow<'_, str>) {
        self.single[which as usize] = self.found(raw, text);
    }

    pub(super) fn place_url(&mut self, raw: &str, text: Cow<'_, str>) {
        let url = self.found(raw, text);
        self.urls.push(url);
    }

    pub(super) fn place_keyword(&mut self, raw: &str, text: Cow<'_, str>) {
        let word = self.found(raw, text);
        self.keywords.push(word);
    }

    fn found(&mut self, raw: &str, text: Cow<'_, str>) -> Text {
        if let Cow::Borrowed(text) = text
            && let Some(start) = (text.as_ptr() as usize).checked_sub(raw.as_ptr() as usize)
            && let Ok(found) = self.within(&(self.start + start..self.start + start + text.len()))
        {
            return found;
        }
        self.pooled(&text)
    }

    /// Cleans and checks an entry as Helm does. It leaves one that Helm would drop to the full
    /// reader, which reports the reason.
    pub(super) fn judge(&mut self, text: &str, kind: &str) -> FastResult<()> {
        let created = self.shown(Which::Created, text);
        if self.single[Which::Created as usize].length > 0 && Time::parse(created).is_err() {
            return Err(Fallback);
        }
        self.sanitize(text);
        let (name, version) = (self.shown(Which::Name, text), self.shown(Which::Version, text));
        let is_good = !matches!(name, "" | "." | "..")
            && !name.contains('/')
            && Version::parse_loose(version).is_ok()
            && matches!(kind, "" | "application" | "library");
        if is_good { Ok(()) } else { Err(Fallback) }
    }

    /// Cleans a text for display, as validation does.
    fn sanitize(&mut self, text: &str) {
        for which in [Which::Name, Which::AppVersion, Which::Description] {
            if let Some(clean) = self.sanitized(self.single[which as usize], text) {
                self.single[which as usize] = clean;
            }
        }
        for at in 0..self.keywords.len() {
            if let Some(clean) = self.sanitized(self.keywords[at], text) {
                self.keywords[at] = clean;
            }
        }
    }

    fn sanitized(&mut self, place: Text, text: &str) -> Option<Text> {
        let shown = self.resolve(place, text);
        if shown.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            return None;
        }
        let mut clean = shown.to_owned();
        sanitize(&mut clean);
        (clean != shown).then(|| self.pooled(&clean))
    }

    /// Makes a line of the collected texts.
    pub(super) fn line(&self, raw: Bytes, form: Form) -> Line {
        Line {
            raw,
            form,
            deprecated: self.deprecated,
            pool: self.pool.as_str().into(),
            single: self.single,
            lists: self.urls.iter().chain(&self.keywords).copied().collect(),
            urls: u32::try_from(self.urls.len()).expect("an index has at most 512 MiB"),
        }
    }
}
