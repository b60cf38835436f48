//! The limits of a template, and the counters that hold a render to them.

use crate::{Error, ErrorKind, Result};

/// Bytes of a template. The longest known example has 2 KB, and Linux accepts at most 128 KiB in
/// one argument.
pub(super) const TEMPLATE_BYTES: usize = 64 * 1024;
/// Bytes of a render's output. A manifest has at most 4 MiB, and its indented JSON about twice
/// that.
pub(super) const OUTPUT_BYTES: usize = 16 * 1024 * 1024;
/// Steps of a render. A step is a node, a command, an operand, a pass of a loop, or 1 KiB of a
/// function's arguments. A list of 10,000 tags takes about 100,000; a million take less than a
/// second.
pub(super) const STEPS: usize = 1_000_000;
/// Levels of actions and parentheses within each other. The parser and the interpreter recurse.
pub(super) const NESTING: usize = 100;
/// Bytes of all texts and lists that the functions of a render make. Without a cap, a variable
/// that doubles itself fills the memory.
pub(super) const MADE_BYTES: usize = 64 * 1024 * 1024;
/// Columns of a width or a precision of `printf`. A terminal has a few hundred.
pub(super) const COLUMNS: usize = 10_000;

/// Makes the error for a limit.
pub(super) fn exceeded(what: &str, limit: usize) -> Error {
    Error::new(ErrorKind::Limit, format!("{what} exceeds the limit of {limit}"))
}

/// The steps and bytes that a render may still use.
#[derive(Debug)]
pub(super) struct Budget {
    steps: usize,
    made: usize,
}

impl Budget {
    pub(super) fn new() -> Self {
        Self { steps: STEPS, made: MADE_BYTES }
    }

    /// Counts steps.
    ///
    /// # Errors
    /// `Limit`, after [`STEPS`].
    pub(super) fn step(&mut self, count: usize) -> Result<()> {
        let left = self.steps.checked_sub(count);
        self.steps = left.ok_or_else(|| exceeded("the number of steps", STEPS))?;
        Ok(())
    }

    /// Counts bytes that a function makes. Call it before they exist if their number is known.
    ///
    /// # Errors
    /// `Limit`, after [`MADE_BYTES`].
    pub(super) fn make(&mut self, bytes: usize) -> Result<()> {
        let left = self.made.checked_sub(bytes);
        self.made = left.ok_or_else(made_too_much)?;
        Ok(())
    }

    /// Runs `write` on an empty sink and counts its bytes.
    ///
    /// # Errors
    /// `Limit`, after [`MADE_BYTES`], and each error of `write`.
    pub(super) fn text(&mut self, write: impl FnOnce(&mut Sink) -> Result<()>) -> Result<String> {
        let mut sink = Sink { text: String::new(), most: self.made, full: made_too_much };
        write(&mut sink)?;
        self.make(sink.text.len())?;
        Ok(sink.text)
    }
}

fn made_too_much() -> Error {
    exceeded("the number of bytes that functions return", MADE_BYTES)
}

/// A text with a maximal length.
#[derive(Debug)]
pub(super) struct Sink {
    text: String,
    most: usize,
    full: fn() -> Error,
}

impl Sink {
    /// Makes the sink of a render's output.
    pub(super) fn output() -> Self {
        let full = || exceeded("the number of bytes of the output", OUTPUT_BYTES);
        Self { text: String::new(), most: OUTPUT_BYTES, full }
    }

    /// Makes an empty sink for a text that goes into this one.
    pub(super) fn inner(&self) -> Self {
        Self { text: String::new(), most: self.most - self.text.len(), full: self.full }
    }

    /// Appends a text.
    ///
    /// # Errors
    /// `Limit`, if the sink is full.
    pub(super) fn push(&mut self, text: &str) -> Result<()> {
        if text.len() > self.most - self.text.len() {
            return Err((self.full)());
        }
        self.text.push_str(text);
        Ok(())
    }

    pub(super) fn push_char(&mut self, c: char) -> Result<()> {
        self.push(c.encode_utf8(&mut [0; 4]))
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }
}
