//! The question before a deletion.

use crate::{
    Error, Result,
    cli::{Run, artifact::dialect::Printing, shell::output},
};
use std::io::{self, BufRead as _};

/// Asks on stderr, or on stdout as ORAS does, and reads the answer from stdin. Only `y` and `yes`
/// agree; no answer is no.
pub(super) fn agrees(run: &Run, printing: &Printing, question: &str) -> Result<bool> {
    let is_own = matches!(printing, Printing::Own(_));
    match is_own {
        true => run.talk.block(&format!("{question} [y/N] ")),
        false => output::print(format!("{question} [y/N] "))?,
    }
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).map_err(|error| {
        Error::new(crate::ErrorKind::Io, "cannot read the answer").with_source(error)
    })?;
    let agrees = matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes");
    if !agrees {
        match is_own {
            true => run.talk.block("nothing was deleted\n"),
            false => output::println("Operation cancelled.")?,
        }
    }
    Ok(agrees)
}
