//! The state file on this machine. A run appends to it, and rewrites it at its end. A kill at any
//! moment keeps the acknowledged records.

use super::{Header, Record, State};
use crate::{Error, ErrorKind, Result, atomic_file::write_file, redact::without_proof};
use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

/// A file with a state.
#[derive(Debug)]
pub(crate) struct Ledger {
    path: PathBuf,
    open: Option<File>,
}

impl Ledger {
    /// Reads the state in a file, if there is one.
    ///
    /// # Errors
    /// `Io`. `Invalid` if the file is not a state: a user's file is never overwritten.
    pub(crate) fn read(path: &Path, most: u64) -> Result<(Self, Option<State>)> {
        let ledger = Self { path: path.to_owned(), open: None };
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((ledger, None)),
            other => other.map_err(|error| Error::io("open state", path, error))?,
        };
        let mut text = Vec::new();
        file.take(most + 1)
            .read_to_end(&mut text)
            .map_err(|error| Error::io("read state", path, error))?;
        if text.len() as u64 > most {
            return Err(Error::new(
                ErrorKind::Limit,
                format!("`{}` has more than {most} bytes", path.display()),
            ));
        }
        if text.is_empty() {
            return Ok((ledger, None));
        }
        let state = State::parse(&text)
            .map_err(|error| error.context(format!("`{}` cannot be used", path.display())))?;
        Ok((ledger, Some(state)))
    }

    /// Writes a state that is not settled, to be appended to.
    pub(crate) fn begin(&mut self, state: &State) -> Result<()> {
        let mut state = state.clone();
        state.header.settled = false;
        self.write(&state)?;
        let opened = OpenOptions::new().append(true).open(&self.path);
        self.open = Some(opened.map_err(|error| Error::io("open state", &self.path, error))?);
        Ok(())
    }

    /// Appends a record. It outlives this process once this has returned.
    pub(crate) fn note(&mut self, record: &Record) -> Result<()> {
        self.append(&State::line_of(record))
    }

    /// Appends that a version is forgotten.
    pub(crate) fn forget(&mut self, record: &Record) -> Result<()> {
        self.append(&State::line_without(&record.id))
    }

    fn append(&mut self, line: &[u8]) -> Result<()> {
        match &mut self.open {
            Some(file) => {
                file.write_all(line).map_err(|error| Error::io("write state", &self.path, error))
            }
            None => Ok(()),
        }
    }

    /// Rewrites the whole file.
    pub(crate) fn write(&mut self, state: &State) -> Result<()> {
        self.open = None;
        write_file(&self.path, |file| file.write_all(&state.to_text()))
    }
}

/// Returns true if a recorded header has the same source and destination as this run. Older headers
/// have queries as the user wrote them.
pub(crate) fn same_ends(kept: &Header, now: &Header) -> bool {
    without_proof(&kept.source) == now.source
        && without_proof(&kept.destination) == now.destination
        && kept.naming == now.naming
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mirror::candidate::{ChartVersion, Fingerprint, Provenance};
    use crate::mirror::state::Outcome;

    fn record(version: &str) -> Record {
        Record {
            id: ChartVersion::new("a", version),
            outcome: Outcome::Held,
            line: Fingerprint::default(),
            index: None,
            content_fingerprint: None,
            origin: None,
            content: None,
            manifest: None,
            named: None,
            shape: None,
            alias: None,
            attached: 0,
            digest_tags: 0,
            carried: 0,
            provenance: Provenance::Unasked,
            provenance_fingerprint: None,
            reason: None,
        }
    }

    #[test]
    fn what_was_noted_is_read_though_the_run_never_ended() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("state");
        let (mut ledger, none) = Ledger::read(&path, 1 << 20).expect("no file");
        assert!(none.is_none());
        let state = State::new(Header { settled: true, ..Header::default() });
        ledger.begin(&state).expect("begun");
        ledger.note(&record("1.0.0")).expect("noted");
        ledger.note(&record("1.0.1")).expect("noted");
        ledger.forget(&record("1.0.0")).expect("forgotten");
        drop(ledger);
        // This is the part of a line that a kill leaves.
        let mut file = OpenOptions::new().append(true).open(&path).expect("file");
        file.write_all(b"{\"version\":{\"cha").expect("half a line");
        let (_, found) = Ledger::read(&path, 1 << 20).expect("read");
        let found = found.expect("state");
        assert!(!found.header.settled);
        assert_eq!(found.records().map(|one| &*one.id.version).collect::<Vec<_>>(), ["1.0.1"]);
        assert_eq!(Ledger::read(&path, 8).expect_err("too long").kind(), ErrorKind::Limit);
    }

    #[test]
    fn a_file_that_is_no_state_is_left_alone() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("notes.txt");
        std::fs::write(&path, "mine\n").expect("written");
        let error = Ledger::read(&path, 1 << 20).expect_err("no state");
        assert!(error.chain().contains("this is not a state of a mirror"), "{error:?}");
    }
}
