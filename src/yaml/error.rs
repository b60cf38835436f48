//! The error of the YAML reader, with Go's message and the position.

use crate::error::{Error, ErrorKind};
use granit_parser::{ErrorKind as Problem, Marker, ScanError};
use std::fmt;

/// The error for bytes that are not a YAML document which Helm accepts. The text is that of
/// sigs.k8s.io/yaml's `Unmarshal`, with the position added if Go omits it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct YamlError {
    message: String,
    place: Option<Spot>,
    kind: ErrorKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Spot {
    line: usize,
    column: usize,
    /// True if Go writes the line itself, at the start.
    line_in_front: bool,
}

impl YamlError {
    /// Makes an error for a problem that yaml.v2 found in the syntax.
    pub(super) fn syntax(message: impl Into<String>, at: Marker) -> Self {
        // Go omits the line if it is the first.
        Self::new(format!("yaml: {}", message.into()), Some((at, at.line() > 1)))
    }

    /// Makes an error for a problem that yaml.v2 found in the content. Its text has no position.
    pub(super) fn content(message: impl Into<String>, at: Marker) -> Self {
        Self::new(format!("yaml: {}", message.into()), Some((at, false)))
    }

    /// Makes an error for a cap that the document exceeds.
    pub(super) fn limit(message: impl Into<String>, at: Marker) -> Self {
        Self { kind: ErrorKind::Limit, ..Self::content(message, at) }
    }

    /// Makes an error for duplicate keys. Each problem names its line.
    pub(super) fn duplicates(problems: &[String]) -> Self {
        Self::new(format!("yaml: unmarshal errors:\n  {}", problems.join("\n  ")), None)
    }

    /// Makes an error for YAML that JSON cannot represent.
    pub(super) fn conversion(message: impl Into<String>) -> Self {
        Self::new(message.into(), None)
    }

    /// Makes an error for YAML that JSON cannot represent, at a known position.
    pub(super) fn conversion_at(message: impl Into<String>, at: Marker) -> Self {
        Self::new(message.into(), Some((at, false)))
    }

    fn new(message: String, place: Option<(Marker, bool)>) -> Self {
        let place = place.map(|(at, line_in_front)| Spot {
            line: at.line(),
            column: at.col() + 1,
            line_in_front,
        });
        Self { message, place, kind: ErrorKind::Invalid }
    }

    /// Returns the line, from 1, if one line has the fault.
    pub fn line(&self) -> Option<usize> {
        self.place.map(|place| place.line)
    }

    /// Returns the column in characters, from 1.
    pub fn column(&self) -> Option<usize> {
        self.place.map(|place| place.column)
    }
}

impl fmt::Display for YamlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("error converting YAML to JSON: ")?;
        match self.place {
            None => f.write_str(&self.message),
            Some(Spot { line, column, line_in_front: false }) => {
                write!(f, "{} (line {line}, column {column})", self.message)
            }
            Some(Spot { line, column, line_in_front: true }) => {
                let message = self.message.strip_prefix("yaml: ").unwrap_or(&self.message);
                write!(f, "yaml: line {line}: {message} (column {column})")
            }
        }
    }
}

impl std::error::Error for YamlError {}

impl From<YamlError> for Error {
    fn from(error: YamlError) -> Self {
        Self::new(error.kind, error.to_string())
    }
}

impl From<ScanError> for YamlError {
    fn from(error: ScanError) -> Self {
        let at = *error.marker();
        match error.kind() {
            Problem::RecursionLimitExceeded => Self::limit("exceeded max depth", at),
            kind => Self::syntax(go_message(kind), at),
        }
    }
}

/// Returns the message of yaml.v2 for a problem of our scanner. The two scanners differ, so this is
/// the nearest sentence.
fn go_message(kind: &Problem) -> &'static str {
    match kind {
        Problem::UnexpectedCharacter { .. }
        | Problem::BomInsideDocument
        | Problem::TabNotAllowed
        | Problem::TabInBlockIndentation
        | Problem::TabInIndentation
        | Problem::TabInPlainScalar
        | Problem::UnexpectedEndOfPlainScalar
        | Problem::InvalidBlockEntryWhitespace
        | Problem::InvalidMappingValueWhitespace
        | Problem::ExpectedWhitespace => "found character that cannot start any token",
        Problem::SimpleKeyExpected | Problem::InvalidSimpleKey => "could not find expected ':'",
        Problem::MappingValueNotAllowed
        | Problem::InvalidColonPlacement
        | Problem::FlowMappingValueAdjacentCollection => {
            "mapping values are not allowed in this context"
        }
        Problem::MappingKeyNotAllowed => "mapping keys are not allowed in this context",
        Problem::BlockSequenceEntryNotAllowed | Problem::BlockEntryInFlowCollection => {
            "block sequence entries are not allowed in this context"
        }
        Problem::ExpectedBlockMappingKey
        | Problem::InvalidIndentation
        | Problem::InvalidQuotedScalarIndent
        | Problem::InvalidFlowScalarIndent
        | Problem::InvalidTrailingSingleQuotedScalar
        | Problem::InvalidTrailingDoubleQuotedScalar
        | Problem::CommentInterceptedScalar => "did not find expected key",
        Problem::ExpectedFlowMappingSeparator
        | Problem::UnexpectedEofFlowMapping
        | Problem::UnclosedFlowCollection { open: '{' }
        | Problem::MismatchedFlowCollectionEnd { open: '{', .. } => {
            "did not find expected ',' or '}'"
        }
        Problem::ExpectedFlowSequenceSeparator
        | Problem::UnexpectedEofFlowSequence
        | Problem::UnclosedFlowCollection { .. }
        | Problem::MismatchedFlowCollectionEnd { .. } => "did not find expected ',' or ']'",
        Problem::ExpectedBlockSequenceEntry | Problem::UnexpectedEofBlockSequence => {
            "did not find expected '-' indicator"
        }
        Problem::ExpectedNodeContent
        | Problem::MisplacedFlowCollectionEnd
        | Problem::UnexpectedEof
        | Problem::UnexpectedEofBlockMapping
        | Problem::UnexpectedEofImplicitFlowMapping
        | Problem::PlainScalarStartsWithDashFlowIndicator => "did not find expected node content",
        Problem::ExpectedDocumentStart
        | Problem::InvalidDocumentEnd
        | Problem::MissingDocumentEndBeforeDirective => "did not find expected <document start>",
        Problem::UnclosedQuotedScalar => "found unexpected end of stream",
        Problem::DocumentIndicatorInQuotedScalar => "found unexpected document indicator",
        Problem::UnknownQuotedScalarEscape => "found unknown escape character",
        Problem::InvalidQuotedScalarHexEscape => "did not find expected hexdecimal number",
        Problem::InvalidLowSurrogateHexEscape
        | Problem::InvalidLowSurrogate
        | Problem::MissingLowSurrogate
        | Problem::UnpairedLowSurrogate
        | Problem::InvalidUnicodeEscape => "found invalid Unicode character escape code",
        Problem::ZeroBlockScalarIndent => "found an indentation indicator equal to 0",
        Problem::InvalidBlockScalarHeader => "did not find expected comment or line break",
        Problem::TabAtBlockScalarStart => {
            "found a tab character where an indentation space is expected"
        }
        Problem::InvalidBlockScalarIndent => "could not find expected ':'",
        Problem::MissingAnchorOrAliasName => {
            "did not find expected alphabetic or numeric character"
        }
        Problem::UndeclaredTagHandle => "found undefined tag handle",
        Problem::MissingTagUri => "did not find expected tag URI",
        Problem::ExpectedTagBang | Problem::ExpectedTagDirectiveBang => "did not find expected '!'",
        Problem::UnclosedVerbatimTag => "did not find the expected '>'",
        Problem::InvalidTagTerminator
        | Problem::InvalidGlobalTagCharacter
        | Problem::InvalidTagDirectiveTerminator
        | Problem::CommentNotSeparated => "did not find expected whitespace or line break",
        Problem::InvalidTagEscape => "did not find URI escaped octet",
        Problem::InvalidTagUtf8LeadingByte => "found an incorrect leading UTF-8 octet",
        Problem::InvalidTagUtf8TrailingByte | Problem::InvalidTagUtf8 => {
            "found an incorrect trailing UTF-8 octet"
        }
        Problem::DuplicateVersionDirective => "found duplicate %YAML directive",
        Problem::UnsupportedYamlMajorVersion => "found incompatible YAML document",
        Problem::DuplicateTagDirective => "found duplicate %TAG directive",
        Problem::MissingDirectiveName | Problem::InvalidDirectiveName => {
            "could not find expected directive name"
        }
        Problem::InvalidDirectiveTerminator => "did not find expected comment or line break",
        Problem::MissingYamlVersion | Problem::MissingYamlVersionSeparator => {
            "did not find expected version number"
        }
        Problem::YamlVersionTooLong => "found extremely long version number",
        Problem::DirectiveByteLimitExceeded { .. }
        | Problem::TooManyReservedDirectiveParams { .. } => "found extremely long directive",
        // Kinds that a string in memory and our options cannot cause, and those of a later parser.
        _ => "found a syntax error",
    }
}
