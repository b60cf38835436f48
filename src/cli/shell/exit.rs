//! Exit codes. This module alone maps a kind of failure to a number. `docs/exit-codes.md` lists the
//! same codes.

use crate::{Error, ErrorKind};
use std::process::ExitCode;

/// The end of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The run succeeded.
    Ok,
    /// The run failed, for a reason without a code of its own.
    Failure,
    /// A difference between the two sides, found by a check.
    Drift,
    /// Some of several inputs failed.
    Partial,
    /// Different content exists, and was not replaced.
    Conflict,
    /// A requested object does not exist.
    NotFound,
    /// Credentials are missing, wrong, or not enough.
    Denied,
    /// Content differs from its digest.
    Integrity,
    /// The command has wrong or missing arguments. The number is `EX_USAGE` of sysexits.h.
    Usage,
    /// The user stopped the run: 128 plus the number of the signal, as in shells.
    Interrupted,
    /// The system stopped the run: 128 plus the number of SIGTERM.
    Terminated,
}

impl Exit {
    /// Every exit code with its meaning.
    pub const ALL: [(Self, &str); 10] = [
        (Self::Ok, "Everything was done."),
        (Self::Failure, "The command failed."),
        (Self::Drift, "With a check: the two sides differ."),
        (Self::Partial, "Some of several inputs failed."),
        (Self::Conflict, "Different content exists, and was not replaced."),
        (Self::NotFound, "The chart, file or repository does not exist."),
        (Self::Denied, "Credentials are missing, wrong, or not sufficient."),
        (Self::Integrity, "Bytes do not have their digest."),
        (Self::Usage, "The command line is wrong."),
        (Self::Interrupted, "The user stopped the command."),
    ];

    /// Returns the exit code.
    pub const fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failure => 1,
            Self::Drift => 2,
            Self::Partial => 3,
            Self::Conflict => 4,
            Self::NotFound => 5,
            Self::Denied => 6,
            Self::Integrity => 7,
            Self::Usage => 64,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

impl From<&Error> for Exit {
    fn from(error: &Error) -> Self {
        match error.kind() {
            ErrorKind::Conflict => Self::Conflict,
            ErrorKind::Denied => Self::Denied,
            ErrorKind::Integrity => Self::Integrity,
            ErrorKind::Interrupted => Self::Interrupted,
            ErrorKind::Terminated => Self::Terminated,
            ErrorKind::NotFound => Self::NotFound,
            ErrorKind::Partial => Self::Partial,
            ErrorKind::Usage => Self::Usage,
            _ => Self::Failure,
        }
    }
}
