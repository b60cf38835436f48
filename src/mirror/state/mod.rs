//! What a run remembers for the next one: how the source's index looked, and of each version what
//! became of it. Pure; where it is kept is the business of `ledger` and of the sinks.
//!
//! Written as lines of JSON: a header, then one record a version. A later line replaces an earlier
//! one, so that a run can append as it goes, and a last line that was cut by a kill is no harm.

pub(super) mod file;

use super::{
    candidate::{ChartVersion, Fingerprint, Provenance},
    shard::Shard,
    source::CacheValidator,
};
use crate::{Error, Result, digest::Digest, limits::Limits, quote::without_proof};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt, io::Read};

/// The form this program writes and reads.
const FORMAT: u32 = 1;
/// How far a state may unpack: names and outcomes repeat, digests do not, so real ones unpack to
/// about three times.
const RATIO: u64 = 8;

/// Under which name the state of one source and shard is kept. It is also a legal tag.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(String);

impl Key {
    /// The key of a source, by its identity, and a shard.
    pub fn new(source: &str, shard: Shard) -> Self {
        let digest = Digest::sha256(format!("{source}\n{shard}").as_bytes());
        Self(digest.hex()[..32].to_owned())
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a state says of the run as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Header {
    /// The form of what follows.
    pub format: u32,
    /// The source's identity.
    pub source: String,
    /// The destination's identity.
    pub destination: String,
    /// Of how versions are named at the destination. With another, nothing recorded lies where it
    /// would.
    pub naming: Fingerprint,
    /// Of what was selected. With another, the same index means something else.
    pub selection: Fingerprint,
    /// Of how mismatches and conflicts are dealt with. With another, what was refused is tried
    /// again.
    pub policy: Fingerprint,
    /// How the index looked.
    pub seen: CacheValidator,
    /// The last time at which every selected version was looked for at the destination, in Unix
    /// time. None in the states of older programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub looked: Option<i64>,
    /// What is to be said on every run while nothing changes: patterns that fit no chart, and the
    /// like.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<String>,
    /// Of how many charts the selected versions were.
    #[serde(default)]
    pub charts: usize,
    /// How many versions were selected.
    #[serde(default)]
    pub selected: usize,
    /// How many tags of the source were other names of versions.
    #[serde(default, skip_serializing_if = "is_none")]
    pub aliases: usize,
    /// How many signatures and other referrers of the selected versions were left behind at the
    /// source.
    #[serde(default, skip_serializing_if = "is_none")]
    pub attached: usize,
    /// How many that are recorded had vanished at the source, and were not removed.
    #[serde(default)]
    pub vanished: usize,
    /// Whether the run came to its end and all that was selected has a record: only then is an
    /// unchanged index all there is to know.
    pub settled: bool,
    /// When the selection means something else though nothing changed: the day a version is old
    /// enough. Unix time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revisit: Option<i64>,
}

// The form in which serde asks.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_none(number: &usize) -> bool {
    *number == 0
}

/// What became of a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It is there, with the recorded digest.
    Held,
    /// Its place was taken when we came, and nobody has looked by what.
    Present,
    /// Its place holds another chart, and was left alone because that was asked for.
    Skipped,
    /// It is another name of a version that the source lists by itself, and is left behind.
    Alias,
    /// It is an artifact of another kind, and no chart.
    Other,
    /// Its archive is gone from the source.
    Gone,
    /// Its archive is no chart, or another one than the index says.
    Unfit,
    /// Its archive is not what the index says.
    Mismatch,
    /// Its place holds another chart.
    Conflict,
}

impl Record {
    /// The same as others may read it: its reason may quote a URL.
    fn told(mut self) -> Self {
        self.reason = self.reason.as_deref().map(without_proof);
        self
    }
}

impl Outcome {
    /// Whether the destination has the version, as far as we know.
    pub fn is_in_step(self) -> bool {
        matches!(self, Self::Held | Self::Present)
    }

    /// Whether something that was looked at lies in its place: the version itself, or another chart
    /// that was left alone.
    pub fn is_placed(self) -> bool {
        self.is_in_step() || self == Self::Skipped
    }
}

/// What is known of one version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// Which.
    #[serde(flatten)]
    pub id: ChartVersion,
    /// What became of it.
    pub outcome: Outcome,
    /// Of its line in the index.
    pub line: Fingerprint,
    /// The digest its line gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<Digest>,
    /// Of what its line said, where it gave no digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub essence: Option<Fingerprint>,
    /// The digest of the manifest that its tag led to, where the source is a registry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Digest>,
    /// The digest its archive really has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Digest>,
    /// The digest of its manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<Digest>,
    /// The name it has at its place, where that is not the one its index entry would have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub named: Option<String>,
    /// The rules by which its archive may have been packed anew; none where archives were carried
    /// as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shape: Option<Fingerprint>,
    /// The second tag that was given to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
    /// How many referrers its manifest had at the source.
    #[serde(default, skip_serializing_if = "is_none")]
    pub attached: usize,
    /// What is known of its provenance file.
    #[serde(default)]
    pub provenance: Provenance,
    /// Why it is not there, or what there is to say of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// One line.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Text<'a> {
    Header(std::borrow::Cow<'a, Header>),
    Version(std::borrow::Cow<'a, Record>),
    Forget(std::borrow::Cow<'a, ChartVersion>),
}

/// What runs remember.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Of the whole.
    pub header: Header,
    records: BTreeMap<ChartVersion, Record>,
}

impl State {
    /// A state that knows nothing but where it belongs.
    pub fn new(header: Header) -> Self {
        Self { header: Header { format: FORMAT, ..header }, records: BTreeMap::new() }
    }

    /// Reads what [`State::to_text`] and the lines appended to it say.
    ///
    /// # Errors
    /// `Invalid` for another form, or for what is no state. A cut last line is left out.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let mut state = Self::default();
        let mut lines = bytes.split_inclusive(|byte| *byte == b'\n').peekable();
        while let Some(line) = lines.next() {
            let text: Text<'_> = match serde_json::from_slice(line) {
                Ok(text) => text,
                // Only a writer that was killed leaves this.
                Err(_) if lines.peek().is_none() && !line.ends_with(b"\n") => break,
                Err(error) => {
                    return Err(Error::invalid("this is no state of a mirror").with_source(error));
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

    /// The same, packed by [`State::pack`].
    ///
    /// # Errors
    /// As [`State::parse`]; `Limit` when it unpacks to more than a state can be.
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

    /// The whole as text.
    pub fn to_text(&self) -> Vec<u8> {
        let mut text = line(&Text::Header(std::borrow::Cow::Borrowed(&self.header)));
        for record in self.records.values() {
            text.extend(Self::line_of(record));
        }
        text
    }

    /// The whole as text, gzipped. The same state gives the same bytes.
    ///
    /// # Errors
    /// None in practice: it is packed in memory.
    pub fn pack(&self) -> Result<Vec<u8>> {
        use std::io::Write as _;
        let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        writer
            .write_all(&self.to_text())
            .and_then(|()| writer.finish())
            .map_err(|error| Error::io("pack the state in", "memory", error))
    }

    /// The line of one record, to be appended.
    pub fn line_of(record: &Record) -> Vec<u8> {
        use std::borrow::Cow;
        line(&Text::Version(match record.reason {
            Some(_) => Cow::Owned(record.clone().told()),
            None => Cow::Borrowed(record),
        }))
    }

    /// The line that takes a record back, to be appended.
    pub fn line_without(id: &ChartVersion) -> Vec<u8> {
        line(&Text::Forget(std::borrow::Cow::Borrowed(id)))
    }

    /// Whether another state says nothing that this one does not: how the index looked and when to
    /// look again are worth no request.
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

    /// What is known of a version.
    pub fn find(&self, id: &ChartVersion) -> Option<&Record> {
        self.records.get(id)
    }

    /// Everything that is known, by chart and version.
    pub fn records(&self) -> impl Iterator<Item = &Record> {
        self.records.values()
    }

    /// How many versions are known.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Notes what became of a version.
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
                essence: None,
                origin: None,
                content: Some(Digest::sha256(version.as_bytes())),
                manifest: None,
                named: None,
                shape: None,
                alias: None,
                attached: 0,
                provenance: Provenance::Missing,
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
