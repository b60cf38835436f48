//! Arguments to options, operation, report to text: the command line.

use std::{ffi::OsString, process::ExitCode};

/// Runs one command line and says how it ended.
pub fn main(_args: impl IntoIterator<Item = OsString>) -> ExitCode {
    ExitCode::SUCCESS
}
