//! The state of a run for the next one: the source's index, and the outcome of each version. It is
//! pure; [`file`] and the sinks store it.
//!
//! A state is written as lines of JSON: a header, then one record for each version. A later line
//! replaces an earlier one, so a run can append. A last line that a kill cut short is no harm.

pub(super) mod file;

use super::{
    candidate::{ChartVersion, Fingerprint, Provenance},
    shard::Shard,
    source::CacheValidator,
};
use crate::{Error, Result, digest::Digest, limits::Limits, redact::without_proof};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt, io::Read};

/// The version of the format that this program writes and reads.
const FORMAT: u32 = 1;
/// The limit on how far a state may unpack, as a multiple of its size. Names and outcomes repeat
/// and digests do not, so real states unpack to about three times.
const RATIO: u64 = 8;

/// The name under which the state of one source and shard is kept. It is also a valid tag.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(String);

impl Key {
    /// Creates the key of a source, by its identity, and a shard.
    pub fn new(source: &str, shard: Shard) -> Self {
        let digest = Digest::sha256(format!("{source}\n{shard}").as_bytes());
        Self(digest.hex()[..32].to_owned())
    }

    /// Returns the key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The state of the run as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Header {
    /// The format of the lines that follow.
    pub format: u32,
    /// The source's identity.
    pub source: String,
    /// The destination's identity.
    pub destination: String,
    /// The fingerprint of the naming rules at the destination. If it differs, no recorded version
    /// is in its place.
    pub naming: Fingerprint,
    /// The fingerprint of the selection. If it differs, the same index needs a new plan.
    pub selection: Fingerprint,
    /// The fingerprint of the policies for mismatches and conflicts. If it differs, refused
    /// versions are tried again.
    pub policy: Fingerprint,
    /// The data to recognise an unchanged index.
    pub seen: CacheValidator,
    /// The last time at which every selected version was looked for at the destination, in Unix
    /// time. None in the states of older programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub looked: Option<i64>,
    /// The warnings that every run repeats while nothing changes, such as patterns that match no
    /// chart.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<String>,
    /// The number of charts among the selected versions.
    #[serde(default)]
    pub charts: usize,
    /// The number of selected versions.
    #[serde(default)]
    pub selected: usize,
    /// The number of the source's tags that were other names of versions.
    #[serde(default, skip_serializing_if = "is_none")]
    pub aliases: usize,
    /// The number of signatures and other referrers of the selected versions.
    #[serde(default, skip_serializing_if = "is_none")]
    pub attached: usize,
    /// The number of them that came along.
    #[serde(default, skip_serializing_if = "is_none")]
    pub carried: usize,
    /// The number of recorded versions that had vanished at the source and were not removed.
    #[serde(default)]
    pub vanished: usize,
    /// `true` if the run was complete and every selected version has a record. Only then does an
    /// unchanged index settle everything.
    pub settled: bool,
    /// The time at which the selection changes without any other change: the day a version is old
    /// enough. Unix time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revisit: Option<i64>,
}

// Returns true for zero, in the signature that serde requires.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_none(number: &usize) -> bool {
    *number == 0
}

/// The outcome of a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Present, with the recorded digest.
    Held,
    /// Present when the run began, with unknown content.
    Present,
    /// Skipped, because its place has a different chart and the user asked to keep it.
    Skipped,
    /// Skipped, because it is another name of a version that the source lists.
    Alias,
    /// Skipped, because it is a different kind of artifact and no chart.
    Other,
    /// Refused, because its archive no longer exists at the source.
    Gone,
    /// Refused, because its archive is not a chart, or a different one from the index's.
    Unfit,
    /// Refused, because its archive differs from the index.
    Mismatch,
    /// Refused, because its place has a different chart.
    Conflict,
}

impl Record {
    /// Returns true if the destination has an archive that this mirror stored or found for the
    /// version. A version that is refused now may have been copied before.
    pub fn is_stored(&self) -> bool {
        let refused = matches!(self.outcome, Outcome::Gone | Outcome::Unfit | Outcome::Mismatch);
        self.outcome.is_in_step() || refused && self.content.is_some()
    }

    /// Returns the record of a refusal, with what an earlier run stored for the version.
    #[must_use]
    pub fn after(self, earlier: Option<&Self>) -> Self {
        match earlier.filter(|earlier| earlier.is_stored() && !self.outcome.is_placed()) {
            Some(earlier) if self.outcome != Outcome::Conflict => Self {
                content: earlier.content.clone(),
                manifest: earlier.manifest.clone(),
                named: earlier.named.clone(),
                alias: earlier.alias.clone(),
                ..self
            },
            _ => self,
        }
    }

    /// Returns the record for any reader: URLs in its reason are redacted.
    fn told(mut self) -> Self {
        self.reason = self.reason.as_deref().map(without_proof);
        self
    }
}

impl Outcome {
    /// Returns true if the destination has the version, as far as is known.
    pub fn is_in_step(self) -> bool {
        matches!(self, Self::Held | Self::Present)
    }

    /// Returns true if its place has content that was looked at: the version itself, or a different
    /// chart that was kept.
    pub fn is_placed(self) -> bool {
        self.is_in_step() || self == Self::Skipped
    }
}

/// The record of one version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// The chart and its version.
    #[serde(flatten)]
    pub id: ChartVersion,
    /// The outcome of the version.
    pub outcome: Outcome,
    /// The fingerprint of its line in the index.
    pub line: Fingerprint,
    /// The digest in its line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<Digest>,
    /// The fingerprint of its line, if the line gave no digest. States on disk and in registries
    /// have it as `essence`, so the name must stay.
    #[serde(rename = "essence", default, skip_serializing_if = "Option::is_none")]
    pub content_fingerprint: Option<Fingerprint>,
    /// The digest of the manifest for its tag, if the source is a registry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Digest>,
    /// The digest of the archive's bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Digest>,
    /// The digest of its manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<Digest>,
    /// Its name at its place, if that differs from the name of its index entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub named: Option<String>,
    /// The fingerprint of the rules for repackaging. `None` if archives were copied unchanged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shape: Option<Fingerprint>,
    /// The second tag, if it was set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
    /// The number of referrers that its manifest had at the source.
    #[serde(default, skip_serializing_if = "is_none")]
    pub attached: usize,
    /// The number of tags at the source that are made of its manifest's digest.
    #[serde(default, skip_serializing_if = "is_none")]
    pub digest_tags: usize,
    /// The number of referrers and signatures that came along.
    #[serde(default, skip_serializing_if = "is_none")]
    pub carried: usize,
    /// The known state of its provenance file.
    #[serde(default)]
    pub provenance: Provenance,
    /// The fingerprint of its provenance file, if the source is a folder that has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provenance_fingerprint: Option<Fingerprint>,
    /// The reason for its absence, or another remark.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A line of the state file.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Text<'a> {
    Header(std::borrow::Cow<'a, Header>),
    Version(std::borrow::Cow<'a, Record>),
    Forget(std::borrow::Cow<'a, ChartVersion>),
}

/// The state that runs keep.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// The state of the run as a whole.
    pub header: Header,
    records: BTreeMap<ChartVersion, Record>,
}

impl State {
    /// Creates a state without records.
    pub fn new(header: Header) -> Self {
        Self { header: Header { format: FORMAT, ..header }, records: BTreeMap::new() }
    }

    /// Parses the text of [`State::to_text`] and the lines appended to it.
    ///
    /// # Errors
    /// `Invalid` for another format, or for text that is not a state. An incomplete last line is
    /// ignored.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let mut state = Self::default();
        let mut lines = bytes.split_inclusive(|byte| *byte == b'\n').peekable();
        while let Some(line) = lines.next() {
            let text: Text<'_> = match serde_json::from_slice(line) {
                Ok(text) => text,
                // Only a writer that was killed leaves such a line.
                Err(_) if lines.peek().is_none() && !line.ends_with(b"\n") => break,
                Err(error) => {
                    return Err(
                        Error::invalid("this is not a state of a mirror").with_source(error)
                    );
                }
            };
            match text {
                Text::Header(header) if header.format == FORMAT => {
                    state.header = header.into_owned();
                }
                Text::Header(header) => {
                    return Err(Error::invalid(format!(
                        "the state has the form {}, and this program knows {FORMAT}",
                        header.format
                    ))
                    .with_hint("a newer chartferry wrote it"));
                }
                Text::Version(record) => state.record(record.into_owned()),
                Text::Forget(id) => state.forget(&id),
            }
        }
        if state.header.format != FORMAT {
            return Err(Error::invalid("the state has no header"));
        }
        Ok(state)
    }

    /// Parses a state packed by [`State::pack`].
    ///
    /// # Errors
    /// As [`State::parse`]; `Limit` if it unpacks to more than the maximum.
    pub fn unpack(bytes: &[u8], limits: &Limits) -> Result<Self> {
        let most = limits.state_bytes.saturating_mul(RATIO);
        let mut text = Vec::new();
        flate2::read::GzDecoder::new(bytes)
            .take(most + 1)
            .read_to_end(&mut text)
            .map_err(|error| Error::invalid("the state is damaged").with_source(error))?;
        if text.len() as u64 > most {
            return Err(Error::new(
                crate::ErrorKind::Limit,
                format!("the state has more than {most} bytes"),
            ));
        }
        Self::parse(&text)
    }

    /// Returns the state as text.
    pub fn to_text(&self) -> Vec<u8> {
        let mut text = line(&Text::Header(std::borrow::Cow::Borrowed(&self.header)));
        for record in self.records.values() {
            text.extend(Self::line_of(record));
        }
        text
    }

    /// Returns the state as gzipped text. The same state gives the same bytes.
    ///
    /// # Errors
    /// None in practice, because it is packed in memory.
    pub fn pack(&self) -> Result<Vec<u8>> {
        use std::io::Write as _;
        let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        writer
            .write_all(&self.to_text())
            .and_then(|()| writer.finish())
            .map_err(|error| Error::io("pack the state in", "memory", error))
    }

    /// Returns the line of one record, to be appended.
    pub fn line_of(record: &Record) -> Vec<u8> {
        use std::borrow::Cow;
        line(&Text::Version(match record.reason {
            Some(_) => Cow::Owned(record.clone().told()),
            None => Cow::Borrowed(record),
        }))
    }

    /// Returns the line that removes a record, to be appended.
    pub fn line_without(id: &ChartVersion) -> Vec<u8> {
        line(&Text::Forget(std::borrow::Cow::Borrowed(id)))
    }

    /// Returns true if another state has no more than this one. The look of the index and the next
    /// look's time do not justify a request.
    pub fn says_as_much_as(&self, other: &Self) -> bool {
        let of = |header: &Header| Header {
            seen: CacheValidator::default(),
            revisit: None,
            ..header.clone()
        };
        of(&self.header) == of(&other.header)
            && self.records.len() == other.records.len()
            && self.records.values().zip(other.records.values()).all(|(ours, theirs)| {
                ours == theirs || *ours == Record { line: ours.line, ..theirs.clone() }
            })
    }

    /// Returns the record of a version.
    pub fn find(&self, id: &ChartVersion) -> Option<&Record> {
        self.records.get(id)
    }

    /// Returns all records, by chart and version.
    pub fn records(&self) -> impl Iterator<Item = &Record> {
        self.records.values()
    }

    /// Returns the number of recorded versions.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Returns true if there is no record.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Records the outcome of a version.
    pub fn record(&mut self, record: Record) {
        let record = record.told();
        self.records.insert(record.id.clone(), record);
    }

    /// Forgets a version.
    pub fn forget(&mut self, id: &ChartVersion) {
        self.records.remove(id);
    }
}

fn line(text: &Text<'_>) -> Vec<u8> {
    // Strings, numbers and maps of strings always become JSON.
    let mut line = serde_json::to_vec(text).unwrap_or_default();
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> State {
        let mut state = State::new(Header {
            source: "https://r.example/charts".into(),
            settled: true,
            ..Header::default()
        });
        for version in ["1.0.0", "1.0.1"] {
            state.record(Record {
                id: ChartVersion::new("a", version),
                outcome: Outcome::Held,
                line: Fingerprint::of(version.as_bytes()),
                index: None,
                content_fingerprint: None,
                origin: None,
                content: Some(Digest::sha256(version.as_bytes())),
                manifest: None,
                named: None,
                shape: None,
                alias: None,
                attached: 0,
                digest_tags: 0,
                carried: 0,
                provenance: Provenance::Missing,
                provenance_fingerprint: None,
                reason: None,
            });
        }
        state
    }

    #[test]
    fn a_state_reads_as_it_was_written_plain_and_packed() {
        let state = state();
        assert_eq!(State::parse(&state.to_text()).expect("read"), state);
        let packed = state.pack().expect("packed");
        assert_eq!(State::unpack(&packed, &Limits::default()).expect("unpacked"), state);
        assert_eq!(packed, state.pack().expect("packed again"));
    }

    #[test]
    fn the_fields_of_a_record_keep_their_names_in_states_that_exist() {
        let mut record = state().find(&ChartVersion::new("a", "1.0.0")).expect("known").clone();
        record.content_fingerprint = Some(Fingerprint::of(b"line"));
        let line = String::from_utf8(State::line_of(&record)).expect("text");
        assert!(line.contains("\"essence\":\"") && !line.contains("ingerprint"), "{line}");
        let mut text = state().to_text();
        text.extend(line.as_bytes());
        let read = State::parse(&text).expect("read");
        assert_eq!(read.find(&record.id), Some(&record));
    }

    #[test]
    fn later_lines_replace_earlier_ones_and_a_cut_one_is_left_out() {
        let mut text = state().to_text();
        let mut changed = state().find(&ChartVersion::new("a", "1.0.0")).expect("known").clone();
        changed.outcome = Outcome::Gone;
        text.extend(State::line_of(&changed));
        text.extend(State::line_without(&ChartVersion::new("a", "1.0.1")));
        let whole = State::parse(&text).expect("read");
        assert_eq!(
            whole.records().map(|record| record.outcome).collect::<Vec<_>>(),
            [Outcome::Gone]
        );
        let cut = &text[..text.len() - 5];
        assert_eq!(State::parse(cut).expect("cut").len(), 2);
        let middle = [b"{\"version\":{\n".as_slice(), &text].concat();
        State::parse(&middle).expect_err("damaged");
    }

    #[test]
    fn other_forms_and_other_texts_are_refused() {
        for text in ["", "{}\n", "x\n", "{\"header\":{\"format\":2}}\n"] {
            State::parse(text.as_bytes()).expect_err(text);
        }
    }

    #[test]
    fn keys_differ_by_source_and_shard_and_are_tags() {
        let whole = Key::new("https://r.example", Shard::default());
        assert_ne!(whole, Key::new("https://r.example/", Shard::default()));
        whole.as_str().parse::<crate::oci::Tag>().expect("a tag");
    }
}
