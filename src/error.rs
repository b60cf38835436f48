//! The error type of the library: the kind of the failure, the failed action with its input, the
//! cause, and advice. Errors of parsers (a bad digest, a bad constraint) are defined with their
//! parser and become a cause here.

use crate::Advice;
use std::{error::Error as StdError, fmt, io, path::Path};

/// The result of every operation of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The kind of a failure. The command line has one table that maps it to an exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The destination has other content under that name, and the caller did not ask to replace it.
    Conflict,
    /// The registry or chart repository refuses access: the credentials are missing, wrong or
    /// insufficient.
    Denied,
    /// Bytes do not match their digest, their size or their index.
    Integrity,
    /// The user stopped the work.
    Interrupted,
    /// The system stopped the work, by SIGTERM.
    Terminated,
    /// The input is invalid: a chart, an archive, a document, a name.
    Invalid,
    /// The file system reported an error.
    Io,
    /// The input exceeds a cap of [`crate::limits`].
    Limit,
    /// The other side is unreachable, or the connection broke.
    Network,
    /// The requested object does not exist. The client uses this kind only if the other side says
    /// so.
    NotFound,
    /// Some of several inputs failed; the others succeeded.
    Partial,
    /// The other side answers, but not as its specification requires.
    Protocol,
    /// The command has wrong or missing arguments.
    Usage,
}

/// An error, one pointer wide.
///
/// ```
/// use chartferry::{Error, ErrorKind};
///
/// let error = Error::not_found("there is no chart `demo`").context("cannot pull `demo`");
/// assert_eq!(error.kind(), ErrorKind::NotFound);
/// assert_eq!(error.chain(), "cannot pull `demo`: there is no chart `demo`");
/// ```
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    message: String,
    advice: Option<Advice>,
    codes: Vec<String>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// Makes an error. `message` is lower case, without a full stop, with values in back-ticks.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            advice: None,
            codes: Vec::new(),
            source: None,
        }))
    }

    /// Makes an error about bad input.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, message)
    }

    /// Makes an error about the arguments of a command.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Usage, message)
    }

    /// Makes an error about an object that does not exist.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotFound, message)
    }

    /// Makes an error about a failed action on a path. `act` is a verb with its object's kind, such
    /// as `read chart file`.
    pub fn io(act: &str, path: impl AsRef<Path>, error: io::Error) -> Self {
        Self::new(ErrorKind::Io, format!("cannot {act} `{}`", path.as_ref().display()))
            .with_source(error)
    }

    /// Makes an error about a failed read of a file or folder that the user named: `NotFound` if it
    /// does not exist.
    pub fn input(act: &str, path: impl AsRef<Path>, error: io::Error) -> Self {
        let kind = match error.kind() {
            io::ErrorKind::NotFound => ErrorKind::NotFound,
            _ => ErrorKind::Io,
        };
        Self(Box::new(Inner { kind, ..*Self::io(act, path, error).0 }))
    }

    /// Sets the advice and replaces any that the error has.
    #[must_use]
    pub fn with_advice(mut self, advice: Advice) -> Self {
        self.0.advice = Some(advice);
        self
    }

    /// Sets advice that is the same for every program: [`Advice::Text`].
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

    /// Sets the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Makes an error of the same kind with this one as its cause. `message` names the failed
    /// action.
    #[must_use]
    pub fn context(self, message: impl Into<String>) -> Self {
        let kind = self.kind();
        Self::new(kind, message).with_source(self)
    }

    /// Returns the kind of the failure.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Returns the message of this error, without its causes.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Returns the advice of this error, or of the nearest cause with advice.
    pub fn advice(&self) -> Option<&Advice> {
        self.nearest(|error| error.0.advice.as_ref())
    }

    /// Returns the advice as a text that names no flags. [`Advice`] has the remedy as data.
    pub fn hint(&self) -> Option<String> {
        self.advice().map(Advice::to_string)
    }

    /// Returns the codes of the registry's error document, such as `MANIFEST_UNKNOWN` or `DENIED`,
    /// in its order, or none if there was no document. They are the registry's own words, not
    /// checked against the specification.
    pub fn registry_codes(&self) -> &[String] {
        self.nearest(|error| (!error.0.codes.is_empty()).then_some(&*error.0.codes))
            .unwrap_or_default()
    }

    /// Returns the first value that `look` finds in this error or its causes.
    fn nearest<'a, T>(&'a self, look: impl Fn(&'a Self) -> Option<T>) -> Option<T> {
        let mut error = self;
        loop {
            if let Some(found) = look(error) {
                return Some(found);
            }
            error = error.0.source.as_deref()?.downcast_ref()?;
        }
    }

    /// Returns the cause of type `E` directly beneath this error, for callers that distinguish
    /// failures.
    pub(crate) fn find<E: StdError + 'static>(&self) -> Option<&E> {
        self.0.source.as_deref()?.downcast_ref()
    }

    /// Returns the innermost cause, which many failures may have in common.
    pub fn root(&self) -> String {
        let mut cause: &dyn StdError = self;
        while let Some(next) = cause.source() {
            cause = next;
        }
        cause.to_string()
    }

    /// Returns the message with all its causes, joined by `: `, for one-line reports and logs.
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

/// The ability to add the failed action to an error.
pub trait Context<T> {
    /// Wraps the error and keeps its kind.
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
