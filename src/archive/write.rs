//! A writer of chart archives. It writes the same tar stream as Helm, member for member. Helm's
//! random parts are fixed: subcharts are sorted by name, and no file has the time of packaging.
//! Equal charts give equal bytes, on any machine and with any number of threads.

use super::{Chart, Content, File, gzip, tar::header_write};
use crate::{Error, ErrorKind, Result, chart::time::Time};
use std::{
    collections::HashMap,
    fmt,
    io::{self, Write},
    num::NonZeroUsize,
    str::FromStr,
};

/// The time of every file in an archive, instead of its own: the value of `SOURCE_DATE_EPOCH`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Epoch(i64);

impl Epoch {
    /// Returns the seconds since 1970.
    pub fn unix(self) -> i64 {
        self.0
    }
}

/// The error for a text that is not an [`Epoch`], in Helm's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid SOURCE_DATE_EPOCH: {0}")]
pub struct ParseEpochError(String);

impl From<ParseEpochError> for Error {
    fn from(error: ParseEpochError) -> Self {
        Self::usage(error.to_string())
    }
}

impl FromStr for Epoch {
    type Err = ParseEpochError;

    fn from_str(text: &str) -> Result<Self, ParseEpochError> {
        let reason = |reason| format!("strconv.ParseInt: parsing {text:?}: {reason}");
        match text.parse::<i64>() {
            Ok(seconds) if seconds >= 0 => Ok(Self(seconds)),
            Ok(_) => Err(ParseEpochError("must not be negative".to_owned())),
            Err(error) => Err(ParseEpochError(match error.kind() {
                std::num::IntErrorKind::PosOverflow | std::num::IntErrorKind::NegOverflow => {
                    reason("value out of range")
                }
                _ => reason("invalid syntax"),
            })),
        }
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Options for writing an archive.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Options {
    /// The time of every file; if `None`, each file keeps its own.
    pub epoch: Option<Epoch>,
    /// The number of threads that deflate a large chart. The bytes do not depend on it.
    pub threads: NonZeroUsize,
}

/// Writes `chart` to `out` as a `.tgz` and returns `out`.
///
/// # Errors
/// An error for a values.schema.json that is not JSON; for two subcharts of one name and version;
/// for a file that can no longer be read or has changed; the errors of `out`.
pub fn write<W: Write>(chart: &Chart<Content>, out: W, options: Options) -> Result<W> {
    let out = gzip::Writer::new(out, options.threads).map_err(failed)?;
    let mut archive =
        Archive { out, epoch: options.epoch, header: Vec::new(), buffer: vec![0; BUFFER] };
    archive.chart(chart, &chart.metadata.name)?;
    archive.header.clear();
    header_write::end(&mut archive.header);
    archive.out.write_all(&archive.header).map_err(failed)?;
    archive.out.finish().map_err(failed)
}

const BUFFER: usize = 64 * 1024;

fn failed(error: io::Error) -> Error {
    Error::new(ErrorKind::Io, "cannot write chart archive").with_source(error)
}

struct Archive<W> {
    out: gzip::Writer<W>,
    epoch: Option<Epoch>,
    header: Vec<u8>,
    buffer: Vec<u8>,
}

impl<W: Write> Archive<W> {
    /// Writes the members of a chart in Helm's order, under `base`.
    fn chart(&mut self, chart: &Chart<Content>, base: &str) -> Result<()> {
        let yaml = chart.metadata.to_yaml();
        self.document(&format!("{base}/Chart.yaml"), yaml.as_bytes(), chart.modified)?;
        let version = chart.metadata.api_version.as_str();
        if version == "v2" {
            self.lock(chart, base)?;
        }
        for file in chart.files.iter().filter(|file| file.name == "values.yaml") {
            self.file(file, base)?;
        }
        if let Some(schema) = chart.file("values.schema.json") {
            self.schema(schema, base)?;
        }
        for file in chart.files.iter().filter(|file| file.name.starts_with("templates/")) {
            self.file(file, base)?;
        }
        for file in chart.files.iter().filter(|file| is_other(&file.name, version)) {
            self.file(file, base)?;
        }
        for (chart, folder) in folders(&chart.subcharts)? {
            self.chart(chart, &format!("{base}/charts/{folder}"))?;
        }
        Ok(())
    }

    fn lock(&mut self, chart: &Chart<Content>, base: &str) -> Result<()> {
        let Some(lock) = &chart.lock else { return Ok(()) };
        let name = format!("{base}/Chart.lock");
        if let Some(generated) = self.epoch.and_then(|epoch| Time::from_unix(epoch.0, 0)) {
            let mut lock = lock.clone();
            lock.generated = generated;
            return self.document(&name, lock.to_yaml().as_bytes(), 0);
        }
        // Helm uses the present time if the lock has none.
        let modified = lock.generated_unix().unwrap_or(chart.modified);
        self.document(&name, lock.to_yaml().as_bytes(), modified)
    }

    fn schema(&mut self, schema: &File<Content>, base: &str) -> Result<()> {
        let mut json = Vec::new();
        schema.data.open()?.copy(&mut self.buffer, |piece| {
            json.extend_from_slice(piece);
            Ok(())
        })?;
        if serde_json::from_slice::<serde::de::IgnoredAny>(&json).is_err() {
            return Err(Error::invalid("invalid JSON in values.schema.json"));
        }
        self.document(&format!("{base}/{}", schema.name), &json, schema.modified)
    }

    fn document(&mut self, name: &str, content: &[u8], modified: i64) -> Result<()> {
        self.begin(name, content.len() as u64, modified)?;
        self.out.write_all(content).map_err(failed)?;
        self.end(content.len() as u64)
    }

    fn file(&mut self, file: &File<Content>, base: &str) -> Result<()> {
        let content = file.data.open()?;
        let size = content.size;
        self.begin(&format!("{base}/{}", file.name), size, file.modified)?;
        let out = &mut self.out;
        content.copy(&mut self.buffer, |piece| out.write_all(piece).map_err(failed))?;
        self.end(size)
    }

    fn begin(&mut self, name: &str, size: u64, modified: i64) -> Result<()> {
        self.header.clear();
        header_write::write(&mut self.header, name, size, self.epoch.map_or(modified, Epoch::unix));
        self.out.write_all(&self.header).map_err(failed)
    }

    fn end(&mut self, size: u64) -> Result<()> {
        self.header.clear();
        header_write::pad(&mut self.header, size);
        self.out.write_all(&self.header).map_err(failed)
    }
}

/// Returns true if a file follows the templates. The files of Helm 2 charts stay only with those.
fn is_other(name: &str, api_version: &str) -> bool {
    match name {
        "Chart.yaml" | "Chart.lock" | "values.yaml" | "values.schema.json" => false,
        "requirements.yaml" | "requirements.lock" => api_version == "v1",
        _ => !name.starts_with("templates/"),
    }
}

/// Returns each subchart with its folder's name. As in Helm, that is the subchart's own name. If a
/// chart uses two versions of one subchart under aliases, Helm puts both into one folder, which
/// makes neither valid.
fn folders(subcharts: &[Chart<Content>]) -> Result<Vec<(&Chart<Content>, String)>> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for chart in subcharts {
        *counts.entry(&chart.metadata.name).or_default() += 1;
    }
    let mut seen = HashMap::new();
    let mut folders = Vec::with_capacity(subcharts.len());
    for chart in subcharts {
        let (name, version) = (&chart.metadata.name, &chart.metadata.version);
        let folder =
            if counts[name.as_str()] == 1 { name.clone() } else { format!("{name}-{version}") };
        if seen.insert(folder.clone(), ()).is_some() {
            let message = format!("charts/ holds `{name}` {version} more than once");
            return Err(Error::invalid(message).with_hint("remove all but one of them"));
        }
        folders.push((chart, folder));
    }
    folders.sort_by(|a, b| a.1.cmp(&b.1));
    Ok(folders)
}
