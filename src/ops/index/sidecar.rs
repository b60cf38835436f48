//! `.chartferry-index`: what was found in a folder the last time, so that what has not changed since need not be read again.
//! It is a cache: one that is missing, damaged or of another version costs time and nothing else.

use super::{
    Outcome, Report,
    archives::Found,
    listing::{Sync, replace},
};
use crate::{Result, digest::Digest, limits::Limits};
use std::{
    fs::{self, Metadata},
    io::Read,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

const NAME: &str = ".chartferry-index";
/// The first line; another number is another format.
const MAGIC: &str = "chartferry-index 1";
/// How long a file must have been at rest before its times vouch for it: twice the coarsest tick of a file system's clock on
/// Linux. One that is younger could change again within the same tick.
const AT_REST: Duration = Duration::from_millis(20);

/// What vouches for a file's content without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    size: u64,
    /// Nanoseconds since 1970. Any program can set this one ...
    modified: i128,
    /// ... but not this one.
    changed: i128,
    inode: u64,
}

impl Stamp {
    /// The stamp of the file at `path`, if there is one.
    pub(super) fn of(path: &Path) -> Option<Self> {
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

    /// The same of what the system answers.
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

    /// Whether a file with the stamp `now` has not changed since this was taken.
    pub(super) fn is_known(&self, now: &Self) -> bool {
        self == now && self.inode != Self::YOUNG
    }

    /// In the place of an inode: its file had not been at rest.
    const YOUNG: u64 = u64::MAX;

    fn write(&self) -> String {
        format!("{}\t{}\t{}\t{}", self.size, self.modified, self.changed, self.inode)
    }

    fn read<'t>(fields: &mut impl Iterator<Item = &'t str>) -> Option<Self> {
        Some(Self {
            size: fields.next()?.parse().ok()?,
            modified: fields.next()?.parse().ok()?,
            changed: fields.next()?.parse().ok()?,
            inode: fields.next()?.parse().ok()?,
        })
    }
}

#[cfg(unix)]
fn nanos(seconds: impl Into<i128>, nanos: impl Into<i128>) -> i128 {
    seconds.into() * 1_000_000_000 + nanos.into()
}

/// What was found of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// Its path below the folder.
    pub(super) path: String,
    pub(super) stamp: Stamp,
    /// Its digest and when its Chart.yaml was modified, or why it is no chart.
    pub(super) content: Result<(String, i64), String>,
}

/// What was found, and what came of it.
#[derive(Clone, Debug)]
pub(super) struct Sidecar {
    /// What was asked for.
    pub(super) settings: String,
    /// The index that was merged.
    pub(super) merge: Option<Stamp>,
    /// The index that was written.
    pub(super) index: Option<Stamp>,
    /// Digest of that index, its own time aside.
    pub(super) content: String,
    pub(super) charts: usize,
    pub(super) versions: usize,
    /// In the order in which the files are listed.
    pub(super) records: Vec<Record>,
}

impl Sidecar {
    /// The folder's sidecar, if it is whole.
    pub(super) fn load(folder: &Path, limits: &Limits) -> Option<Self> {
        let file = fs::File::open(folder.join(NAME)).ok()?;
        let mut text = String::new();
        file.take(limits.index_bytes).read_to_string(&mut text).ok()?;
        Self::parse(&text)
    }

    fn parse(text: &str) -> Option<Self> {
        let (text, sum) = text.strip_suffix('\n')?.rsplit_once('\n')?;
        if Digest::sha256(text.as_bytes()).hex() != sum {
            return None;
        }
        let mut lines = text.split('\n');
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
        let records = lines.map(Record::parse).collect::<Option<_>>()?;
        Some(Self { settings, merge, index, content, charts, versions, records })
    }

    /// Writes the folder's sidecar.
    ///
    /// # Errors
    /// `Io`.
    pub(super) fn save(&self, folder: &Path) -> Result<()> {
        let at_rest = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |now| now.saturating_sub(AT_REST).as_nanos());
        let text = self.write(i128::try_from(at_rest).unwrap_or(0));
        let sum = Digest::sha256(text.as_bytes());
        replace(&folder.join(NAME), "write", Sync::Whenever, &mut |out| {
            out.write_all(text.as_bytes())?;
            writeln!(out, "\n{}", sum.hex())
        })
    }

    /// The text without its sum. Files that changed after `at_rest` are not vouched for.
    fn write(&self, at_rest: i128) -> String {
        let stamp = |stamp: &Option<Stamp>| stamp.as_ref().map_or("-".to_owned(), Stamp::write);
        let mut lines = vec![
            MAGIC.to_owned(),
            self.settings.clone(),
            stamp(&self.merge),
            stamp(&self.index),
            format!("{}\t{}\t{}", self.content, self.charts, self.versions),
        ];
        for record in &self.records {
            // A name that would break the lines is read again each time.
            if record.path.contains(['\n', '\t']) {
                continue;
            }
            let mut stamp = record.stamp;
            if stamp.changed.max(stamp.modified) > at_rest {
                stamp.inode = Stamp::YOUNG;
            }
            let content = match &record.content {
                Ok((digest, modified)) => format!("{digest}\t{modified}"),
                Err(reason) => format!("-\t{}", reason.replace(['\n', '\t'], " ")),
            };
            lines.push(format!("{}\t{content}\t{}", stamp.write(), record.path));
        }
        lines.join("\n")
    }

    /// Whether these files are just those that were found, unchanged.
    pub(super) fn covers(&self, found: &[Found]) -> bool {
        self.records.len() == found.len()
            && self.records.iter().zip(found).all(|(record, found)| {
                record.path == found.path && record.stamp.is_known(&found.stamp)
            })
    }

    /// Whether all files were charts.
    pub(super) fn is_clean(&self) -> bool {
        self.records.iter().all(|record| record.content.is_ok())
    }

    /// The base of the URLs that the index was written with.
    pub(super) fn url(&self) -> Option<String> {
        let settings: Vec<String> = serde_json::from_str(&self.settings).ok()?;
        settings.into_iter().nth(2)
    }

    /// What to tell of a run that found nothing changed.
    pub(super) fn report(&self, path: PathBuf) -> Report {
        let skipped = self.records.iter().filter_map(|record| {
            let reason = record.content.as_ref().err()?;
            Some((record.path.clone(), reason.clone()))
        });
        Report {
            path,
            outcome: Outcome::Unchanged,
            charts: self.charts,
            versions: self.versions,
            read: 0,
            reused: self.records.len(),
            skipped: skipped.collect(),
            warnings: Vec::new(),
        }
    }
}

impl Record {
    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.split('\t');
        let stamp = Stamp::read(&mut fields)?;
        let content = match (fields.next()?, fields.next()?) {
            ("-", reason) => Err(reason.to_owned()),
            (digest, modified) => Ok((digest.to_owned(), modified.parse().ok()?)),
        };
        Some(Self { path: fields.next()?.to_owned(), stamp, content })
    }
}
