//! The one error of the library: what kind of failure it is, what failed and on which input, what
//! lies beneath it, and what to do next. Exact leaf errors (a bad digest, a bad constraint) live
//! with their parser and become a source here.

use crate::Advice;
use std::{error::Error as StdError, fmt, io, path::Path};

/// Result of every operation of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Kind of failure of an [`Error`]. The command line maps it to an exit code in one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The other side holds something else under that name and we were not told to replace it.
    Conflict,
    /// The registry or repository refuses us: no, wrong or insufficient credentials.
    Denied,
    /// Bytes are not what their digest, size or index says.
    Integrity,
    /// The user stopped the work.
    Interrupted,
    /// The system stopped the work, by SIGTERM.
    Terminated,
    /// The input itself is bad: a chart, an archive, a document, a name.
    Invalid,
    /// The file system refused.
    Io,
    /// A cap of [`crate::limits`] was hit.
    Limit,
    /// The other side could not be reached, or the connection did not last.
    Network,
    /// The requested object does not exist. The client uses this kind only if the other side says
    /// so.
    NotFound,
    /// Some of several inputs failed and the others went on.
    Partial,
    /// The other side answers, but not as its specification says.
    Protocol,
    /// The command was not written as it must be.
    Usage,
}

/// An error: one pointer wide.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    message: String,
    advice: Option<Advice>,
    codes: Vec<String>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// A new error. `message` is lower case, without a full stop, with values in back-ticks.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            advice: None,
            codes: Vec::new(),
            source: None,
        }))
    }

    /// Bad input.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, message)
    }

    /// A command that was not written as it must be.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Usage, message)
    }

    /// Something that does not exist.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotFound, message)
    }

    /// A failed act on a path: `act` is a verb with its object's kind, such as `read chart file`.
    pub fn io(act: &str, path: impl AsRef<Path>, error: io::Error) -> Self {
        Self::new(ErrorKind::Io, format!("cannot {act} `{}`", path.as_ref().display()))
            .with_source(error)
    }

    /// A failed read of a file or folder that the user named: `NotFound` when it does not exist.
    pub fn input(act: &str, path: impl AsRef<Path>, error: io::Error) -> Self {
        let kind = match error.kind() {
            io::ErrorKind::NotFound => ErrorKind::NotFound,
            _ => ErrorKind::Io,
        };
        Self(Box::new(Inner { kind, ..*Self::io(act, path, error).0 }))
    }

    /// Adds advice, in place of any that this error has.
    #[must_use]
    pub fn with_advice(mut self, advice: Advice) -> Self {
        self.0.advice = Some(advice);
        self
    }

    /// Adds advice that is the same for every program: [`Advice::Text`].
    #[must_use]
    pub fn with_hint(self, hint: impl Into<String>) -> Self {
        self.with_advice(Advice::Text(hint.into()))
    }

    /// Adds the codes of a registry's error document.
    #[must_use]
    pub fn with_registry_codes(mut self, codes: Vec<String>) -> Self {
        self.0.codes = codes;
        self
    }

    /// Adds what lies beneath.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// A new error of the same kind above this one, saying what was being done.
    #[must_use]
    pub fn context(self, message: impl Into<String>) -> Self {
        let kind = self.kind();
        Self::new(kind, message).with_source(self)
    }

    /// The kind of failure.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// This error's own sentence, without its causes.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The advice of this error, or of the nearest one beneath it.
    pub fn advice(&self) -> Option<&Advice> {
        self.nearest(|error| error.0.advice.as_ref())
    }

    /// The advice as a text that names no flags: [`Advice`] tells a program which remedy it is.
    pub fn hint(&self) -> Option<String> {
        self.advice().map(Advice::to_string)
    }

    /// The codes of the error document that a registry answered with, such as `MANIFEST_UNKNOWN` or
    /// `DENIED`, in its order; empty where there was none. They are the registry's own words, not
    /// checked against the specification.
    pub fn registry_codes(&self) -> &[String] {
        self.nearest(|error| (!error.0.codes.is_empty()).then_some(&*error.0.codes))
            .unwrap_or_default()
    }

    /// The first value that `look` finds in this error or in those beneath it.
    fn nearest<'a, T>(&'a self, look: impl Fn(&'a Self) -> Option<T>) -> Option<T> {
        let mut error = self;
        loop {
            if let Some(found) = look(error) {
                return Some(found);
            }
            error = error.0.source.as_deref()?.downcast_ref()?;
        }
    }

    /// The cause of type `E` right beneath this error: a failure that callers tell from others.
    pub(crate) fn find<E: StdError + 'static>(&self) -> Option<&E> {
        self.0.source.as_deref()?.downcast_ref()
    }

    /// The innermost cause: what many failures have in common.
    pub fn root(&self) -> String {
        let mut cause: &dyn StdError = self;
        while let Some(next) = cause.source() {
            cause = next;
        }
        cause.to_string()
    }

    /// The sentence with every cause beneath it, joined by `: `, for one-line reports and logs.
    pub fn chain(&self) -> String {
        let mut text = self.0.message.clone();
        let mut next = StdError::source(self);
        while let Some(cause) = next {
            let line = cause.to_string();
            if !text.ends_with(&line) {
                text.push_str(": ");
                text.push_str(&line);
            }
            next = cause.source();
        }
        text
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.0.kind, self.chain())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

/// Adds what was being done to an error on its way up.
pub trait Context<T> {
    /// Wraps the error, keeping its kind.
    fn context(self, message: impl FnOnce() -> String) -> Result<T>;
}

impl<T> Context<T> for Result<T> {
    fn context(self, message: impl FnOnce() -> String) -> Self {
        self.map_err(|error| error.context(message()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_pointer_wide_and_keeps_its_kind_and_hint_upwards() {
        assert_eq!(size_of::<Error>(), size_of::<usize>());
        let error = Error::not_found("no tag `1.0.0`")
            .with_hint("did you mean `v1.0.0`?")
            .context("cannot pull `x`");
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert_eq!(error.hint().as_deref(), Some("did you mean `v1.0.0`?"));
        assert_eq!(error.chain(), "cannot pull `x`: no tag `1.0.0`");
    }

    #[test]
    fn a_registrys_codes_are_readable_above_and_are_no_part_of_the_text() {
        let codes = vec!["DENIED".to_owned(), "UNAUTHORIZED".to_owned()];
        let error = Error::new(ErrorKind::Denied, "403 Forbidden")
            .with_registry_codes(codes.clone())
            .context("cannot push `x`");
        assert_eq!(error.registry_codes(), codes);
        assert_eq!(error.chain(), "cannot push `x`: 403 Forbidden");
        assert!(Error::not_found("x").registry_codes().is_empty());
    }
}
