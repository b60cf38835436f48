//! Text for HTML, JavaScript and URLs, as Go's templates escape it.

use super::budget::Sink;
use crate::{Result, quote::is_print};

/// Writes a text for HTML.
pub(super) fn html(out: &mut Sink, text: &str) -> Result<()> {
    for c in text.chars() {
        match c {
            '\0' => out.push("\u{fffd}")?,
            '"' => out.push("&#34;")?,
            '\'' => out.push("&#39;")?,
            '&' => out.push("&amp;")?,
            '<' => out.push("&lt;")?,
            '>' => out.push("&gt;")?,
            c => out.push_char(c)?,
        }
    }
    Ok(())
}

/// Writes a text for a string of JavaScript.
pub(super) fn js(out: &mut Sink, text: &str) -> Result<()> {
    for c in text.chars() {
        match c {
            '\\' | '\'' | '"' => {
                out.push("\\")?;
                out.push_char(c)?;
            }
            '<' | '>' | '&' | '=' => out.push(&format!("\\u{:04X}", u32::from(c)))?,
            c if c < ' ' || !c.is_ascii() && !is_print(c) => {
                out.push(&format!("\\u{:04X}", u32::from(c)))?;
            }
            c => out.push_char(c)?,
        }
    }
    Ok(())
}

/// Writes a text for the query of a URL.
pub(super) fn url_query(out: &mut Sink, text: &str) -> Result<()> {
    for byte in text.bytes() {
        match byte {
            b' ' => out.push("+")?,
            b'-' | b'_' | b'.' | b'~' => out.push_char(char::from(byte))?,
            byte if byte.is_ascii_alphanumeric() => out.push_char(char::from(byte))?,
            byte => out.push(&format!("%{byte:02X}"))?,
        }
    }
    Ok(())
}
