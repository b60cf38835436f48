//! The question before a deletion.

use crate::{Error, Result, cli::shell::output};
use std::io::{self, BufRead as _};

/// Asks on stdout, as ORAS does, and reads the answer from stdin. Only `y` and `yes` agree; no
/// answer is no.
pub(super) fn agrees(question: &str) -> Result<bool> {
    output::print(format!("{question} [y/N] "))?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).map_err(|error| {
        Error::new(crate::ErrorKind::Io, "cannot read the answer").with_source(error)
    })?;
    let agrees = matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes");
    if !agrees {
        output::println("Operation cancelled.")?;
    }
    Ok(agrees)
}
