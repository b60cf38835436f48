//! `.chartferry-index`: the results of the last run in a folder, so that unchanged files need not
//! be read again. It is a cache: a missing, damaged or outdated one only costs time.

use super::{Outcome, Report, archives::Found};
use crate::{
    Error, Result,
    atomic_file::{Readers, Sync, buffered, replace},
    limits::Limits,
};
use std::{
    fs::{self, Metadata},
    io::Read,
    ops::Range,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

const NAME: &str = ".chartferry-index";
/// The first line. It contains the version of the format.
const MAGIC: &str = "chartferry-index 2";
/// The number of lines before the records.
const HEAD: usize = 5;
/// The time that a file must be unchanged before its times prove its content: 20 ms. That is twice
/// the coarsest tick of a file system's clock on Linux. A younger file could change again within
/// the same tick.
pub(crate) const AT_REST: Duration = Duration::from_millis(20);

/// The data that proves a file's content without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    size: u64,
    /// The modification time in nanoseconds since 1970. Any program can set it.
    modified: i128,
    /// The time of the last change of the inode. No program can set it.
    changed: i128,
    inode: u64,
}

impl Stamp {
    /// Returns the stamp of the file at `path`, if there is one.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let found = fs::metadata(path).ok()?;
        Some(Self::from(&found))
    }

    #[cfg(unix)]
    fn from(found: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        Self {
            size: found.len(),
            modified: nanos(found.mtime(), found.mtime_nsec()),
            changed: nanos(found.ctime(), found.ctime_nsec()),
            inode: found.ino(),
        }
    }

    /// Makes a stamp from the system's file status.
    #[cfg(unix)]
    #[allow(clippy::useless_conversion, reason = "systems differ in their types")]
    pub(super) fn from_stat(found: &rustix::fs::Stat) -> Self {
        Self {
            size: u64::try_from(found.st_size).unwrap_or(0),
            modified: nanos(found.st_mtime, found.st_mtime_nsec),
            changed: nanos(found.st_ctime, found.st_ctime_nsec),
            inode: found.st_ino.into(),
        }
    }

    #[cfg(not(unix))]
    fn from(found: &Metadata) -> Self {
        let modified = found.modified().ok();
        let since = modified.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
        let modified = since.map_or(0, |since| i128::try_from(since.as_nanos()).unwrap_or(0));
        Self { size: found.len(), modified, changed: modified, inode: 0 }
    }

    /// Returns the size of the file in bytes.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Returns true if the file changed so recently that it could change again within the same
    /// tick, with the same times.
    pub(crate) fn is_young(&self) -> bool {
        self.changed.max(self.modified) > at_rest()
    }

    /// Returns true if a file with the stamp `now` is unchanged since this stamp.
    pub(super) fn is_known(&self, now: &Self) -> bool {
        self == now && self.inode != Self::YOUNG
    }

    /// The substitute for an inode if the file was too young.
    const YOUNG: u64 = u64::MAX;

    fn write(&self, out: &mut String) {
        number(out, self.size.into(), '\t');
        number(out, self.modified, '\t');
        number(out, self.changed, '\t');
        number(out, self.inode.into(), '\t');
    }

    fn read<'t>(fields: &mut impl Iterator<Item = &'t str>) -> Option<Self> {
        Some(Self {
            size: fields.next()?.parse().ok()?,
            modified: parse(fields.next()?)?,
            changed: parse(fields.next()?)?,
            inode: fields.next()?.parse().ok()?,
        })
    }
}

/// Returns the time, in nanoseconds since 1970, after which a change is too recent to be proved by
/// its time.
fn at_rest() -> i128 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let then = since.map_or(0, |now| now.saturating_sub(AT_REST).as_nanos());
    i128::try_from(then).unwrap_or(0)
}

/// Writes a number. Numbers of 64 bits are written and read several times as fast as those of 128
/// bits, and hold any time until the year 2262.
fn number(out: &mut String, number: i128, end: char) {
    use std::fmt::Write as _;
    let written = match i64::try_from(number) {
        Ok(number) => write!(out, "{number}{end}"),
        Err(_) => write!(out, "{number}{end}"),
    };
    written.expect("a string takes all");
}

fn parse(text: &str) -> Option<i128> {
    text.parse::<i64>().map(i128::from).or_else(|_| text.parse()).ok()
}

#[cfg(unix)]
fn nanos(seconds: impl Into<i128>, nanos: impl Into<i128>) -> i128 {
    seconds.into() * 1_000_000_000 + nanos.into()
}

/// The record of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record<'t> {
    /// The path below the folder.
    pub(super) path: &'t str,
    pub(super) stamp: Stamp,
    /// The digest and the modification time of Chart.yaml, or the reason why the file is not a
    /// chart.
    pub(super) content: Result<(&'t str, i64), &'t str>,
}

/// The results for the indexed files.
#[derive(Clone, Debug)]
pub(super) struct Head {
    /// The options of the run.
    pub(super) settings: String,
    /// The index that was merged.
    pub(super) merge: Option<Stamp>,
    /// The index that was written.
    pub(super) index: Option<Stamp>,
    /// The digest of that index without its own time.
    pub(super) content: String,
    pub(super) charts: usize,
    pub(super) versions: usize,
}

/// The sidecar: records and results. Its records stay text until one is requested. If nothing has
/// changed, parsing 40,000 of them would be most of the work.
#[derive(Clone, Debug)]
pub(super) struct Sidecar {
    pub(super) head: Head,
    text: String,
    /// The range of the text with the records, one line each.
    records: Range<usize>,
}

impl Sidecar {
    /// Loads the folder's sidecar, if it is complete.
    pub(super) fn load(folder: &Path, limits: &Limits) -> Option<Self> {
        let file = fs::File::open(folder.join(NAME)).ok()?;
        let length = file.metadata().ok()?.len();
        if length > limits.index_bytes {
            return None;
        }
        let mut text = String::with_capacity(usize::try_from(length).ok()? + 1);
        file.take(limits.index_bytes).read_to_string(&mut text).ok()?;
        Self::parse(text)
    }

    fn parse(text: String) -> Option<Self> {
        let (whole, sum) = text.strip_suffix('\n')?.rsplit_once('\n')?;
        if checksum(whole) != sum {
            return None;
        }
        let (head, _) = whole.match_indices('\n').nth(HEAD - 1).unwrap_or((whole.len(), ""));
        let mut lines = whole[..head].split('\n');
        if lines.next()? != MAGIC {
            return None;
        }
        let settings = lines.next()?.to_owned();
        let mut stamp = || -> Option<Option<Stamp>> {
            match lines.next()? {
                "-" => Some(None),
                line => Stamp::read(&mut line.split('\t')).map(Some),
            }
        };
        let (merge, index) = (stamp()?, stamp()?);
        let mut counts = lines.next()?.split('\t');
        let content = counts.next()?.to_owned();
        let (charts, versions) = (counts.next()?.parse().ok()?, counts.next()?.parse().ok()?);
        let head_of = Head { settings, merge, index, content, charts, versions };
        let records = whole.len().min(head + 1)..whole.len();
        Some(Self { head: head_of, text, records })
    }

    /// Returns the record of each file, in the order of the listing.
    pub(super) fn records(&self) -> impl Iterator<Item = Record<'_>> {
        let lines = self.text[self.records.clone()].split('\n');
        lines.filter(|line| !line.is_empty()).map_while(Record::parse)
    }

    /// Returns true if these files are exactly the recorded ones, unchanged.
    pub(super) fn covers(&self, found: &[Found]) -> bool {
        let mut found = found.iter();
        let all_known = self.records().all(|record| {
            found.next().is_some_and(|found| {
                found.is_at(record.path) && record.stamp.is_known(&found.stamp)
            })
        });
        all_known && found.next().is_none()
    }

    /// Returns true if all files were charts.
    pub(super) fn is_clean(&self) -> bool {
        self.records().all(|record| record.content.is_ok())
    }

    /// Returns the base of the URLs that the index was written with.
    pub(super) fn url(&self) -> Option<String> {
        let settings: Vec<String> = serde_json::from_str(&self.head.settings).ok()?;
        settings.into_iter().nth(2)
    }

    /// Returns the report of a run that found nothing changed.
    pub(super) fn report(&self, path: PathBuf) -> Report {
        let skipped = self.records().filter_map(|record| {
            let reason = record.content.err()?;
            Some((record.path.to_owned(), reason.to_owned()))
        });
        Report {
            path,
            outcome: Outcome::Unchanged,
            charts: self.head.charts,
            versions: self.head.versions,
            read: 0,
            reused: self.records().count(),
            skipped: skipped.collect(),
            left_out: Vec::new(),
            warnings: Vec::new(),
        }
    }
}

/// Writes the folder's sidecar.
///
/// # Errors
/// `Io`.
pub(super) fn save<'t>(
    folder: &Path,
    head: &Head,
    records: impl Iterator<Item = Record<'t>>,
) -> Result<()> {
    let text = write(head, records, at_rest());
    let sum = checksum(&text);
    let path = folder.join(NAME);
    let fill = buffered(|out| {
        out.write_all(text.as_bytes())?;
        writeln!(out, "\n{sum}")
    });
    replace(&path, Readers::All, Sync::Whenever, fill)
        .map_err(|error| Error::io("write", &path, error))
}

/// Returns a checksum against damage. Forgery is not a concern: an attacker who can write the file
/// needs none.
fn checksum(text: &str) -> String {
    let mut sum = flate2::Crc::new();
    sum.update(text.as_bytes());
    format!("{:08x}", sum.sum())
}

/// Returns the text without its checksum. It does not prove the content of files that changed after
/// `at_rest`.
fn write<'t>(head: &Head, records: impl Iterator<Item = Record<'t>>, at_rest: i128) -> String {
    let mut text = String::with_capacity(4096);
    text.extend([MAGIC, "\n", &head.settings]);
    for stamp in [&head.merge, &head.index] {
        text.push('\n');
        match stamp {
            Some(stamp) => stamp.write(&mut text),
            None => text.push('-'),
        }
    }
    text.extend(["\n", &head.content, "\t"]);
    number(&mut text, head.charts as i128, '\t');
    number(&mut text, head.versions as i128, '\t');
    for record in records {
        // A file whose name contains a separator is read in every run.
        if record.path.contains(['\n', '\t']) {
            continue;
        }
        let mut stamp = record.stamp;
        if stamp.changed.max(stamp.modified) > at_rest {
            stamp.inode = Stamp::YOUNG;
        }
        text.push('\n');
        stamp.write(&mut text);
        match record.content {
            Ok((digest, modified)) => {
                text.extend([digest, "\t"]);
                number(&mut text, modified.into(), '\t');
            }
            Err(reason) => text.extend(["-\t", &reason.replace(['\n', '\t'], " "), "\t"]),
        }
        text.push_str(record.path);
    }
    text
}

impl<'t> Record<'t> {
    fn parse(line: &'t str) -> Option<Self> {
        let mut fields = line.split('\t');
        let stamp = Stamp::read(&mut fields)?;
        let content = match (fields.next()?, fields.next()?) {
            ("-", reason) => Err(reason),
            (digest, modified) => Ok((digest, modified.parse().ok()?)),
        };
        Some(Self { path: fields.next()?, stamp, content })
    }
}
