//! JSON exactly as Go's `encoding/json` writes it: compact, with `<`, `>`, `&` and the two Unicode
//! line separators escaped. Config blobs, manifests, lock digests and signed payloads are hashed,
//! so another spelling of equal content is another artifact.

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter, Serializer};
use std::{fmt::LowerExp, io, str::FromStr};

/// Serializes `value` as Go's `json.Marshal` does for a struct with the same fields in the same
/// order.
pub fn to_vec<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    write(value, &mut out, Go(CompactFormatter));
    out
}

/// Serializes `value` as Go's `json.MarshalIndent` does with two spaces. No line break follows the
/// end.
pub fn to_vec_indented<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    write(value, &mut out, Go(PrettyFormatter::new()));
    out
}

fn write<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>, formatter: impl Formatter) {
    value.serialize(&mut Serializer::with_formatter(out, formatter)).expect(
        "writing to memory fails only for maps with keys that are no strings, and we have none",
    );
}

/// Returns the shortest decimal that parses as `value`, as `-1.25e-7`. It is Rust's, but of two
/// equally near ones, Go takes the even one.
pub(crate) fn shortest<T: LowerExp + FromStr + PartialEq + Copy>(value: T) -> String {
    let text = format!("{value:e}");
    let Some((mantissa, exponent)) = text.split_once('e') else { return text };
    let digits = mantissa.bytes().filter(u8::is_ascii_digit).count();
    let (Some(last @ (b'1' | b'3' | b'5' | b'7' | b'9')), true) =
        (mantissa.bytes().last(), digits > 1)
    else {
        return text;
    };
    // Rust rounds up, so the other candidate is the one below, and the value is exactly that and a
    // half.
    let below = format!("{}{}", &mantissa[..mantissa.len() - 1], char::from(last - 1));
    let exact = format!("{value:.60e}");
    let exact = exact.split_once('e').map_or("", |(mantissa, _)| mantissa.trim_end_matches('0'));
    let even = format!("{below}e{exponent}");
    let is_tie =
        exact.strip_suffix('5') == Some(&below) && even.parse().is_ok_and(|even: T| even == value);
    if is_tie { even } else { text }
}

/// Writes `1.25e3` as `1250`.
pub(crate) fn without_exponent(text: &str) -> String {
    let (sign, unsigned) = text.strip_prefix('-').map_or(("", text), |rest| ("-", rest));
    let Some((mantissa, exponent)) = unsigned.split_once('e') else { return text.into() };
    let exponent: i32 = exponent.parse().expect("Rust writes a decimal exponent");
    let digits = mantissa.replace('.', "");
    let shift = exponent.unsigned_abs() as usize;
    if exponent < 0 {
        format!("{sign}0.{:0>1$}", digits, digits.len() + shift - 1)
    } else if digits.len() <= shift + 1 {
        format!("{sign}{digits:0<width$}", width = shift + 1)
    } else {
        format!("{sign}{}.{}", &digits[..=shift], &digits[shift + 1..])
    }
}

/// A formatter of numbers and strings as in Go, with the layout of another formatter.
struct Go<F>(F);

macro_rules! laid_out {
    ($($method:ident($($argument:ident: $type:ty),*)),* $(,)?) => {
        $(fn $method<W: ?Sized + io::Write>(&mut self, writer: &mut W, $($argument: $type),*) -> io::Result<()> {
            self.0.$method(writer, $($argument),*)
        })*
    };
}

impl<F: Formatter> Formatter for Go<F> {
    laid_out! {
        begin_array(),
        end_array(),
        begin_array_value(first: bool),
        end_array_value(),
        begin_object(),
        end_object(),
        begin_object_key(first: bool),
        end_object_key(),
        begin_object_value(),
        end_object_value(),
    }

    /// Writes whole numbers without a point, and an exponent below 1e-6 and from 1e21 on.
    fn write_f64<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        let magnitude = value.abs();
        let text = shortest(value);
        if magnitude == 0.0 || (1e-6..1e21).contains(&magnitude) {
            writer.write_all(without_exponent(&text).as_bytes())
        } else {
            writer
                .write_all(if magnitude < 1.0 { text } else { text.replace('e', "e+") }.as_bytes())
        }
    }

    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut plain = 0;
        for (at, c) in fragment.char_indices() {
            let escape = match c {
                '<' => "\\u003c",
                '>' => "\\u003e",
                '&' => "\\u0026",
                '\u{2028}' => "\\u2028",
                '\u{2029}' => "\\u2029",
                _ => continue,
            };
            CompactFormatter.write_string_fragment(writer, &fragment[plain..at])?;
            writer.write_all(escape.as_bytes())?;
            plain = at + c.len_utf8();
        }
        CompactFormatter.write_string_fragment(writer, &fragment[plain..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_escaped_as_go_does() {
        for (text, json) in [
            ("a<b>&c", r#""a\u003cb\u003e\u0026c""#),
            ("\u{2028}x\u{2029}", r#""\u2028x\u2029""#),
            ("tab\t nl\n q\" b\\ \u{1}\u{8}\u{c}", r#""tab\t nl\n q\" b\\ \u0001\b\f""#),
            ("é😀\u{7f}", "\"é😀\u{7f}\""),
        ] {
            assert_eq!(String::from_utf8(to_vec(text)).expect("UTF-8"), json);
        }
    }

    #[test]
    fn floats_are_written_as_go_does() {
        for (value, json) in [
            (1.0, "1"),
            (-0.0, "-0"),
            (0.1, "0.1"),
            (1.5e20, "150000000000000000000"),
            (1e21, "1e+21"),
            (-1.25e300, "-1.25e+300"),
            (1e-6, "0.000001"),
            (9.5e-7, "9.5e-7"),
            (5e-324, "5e-324"),
            (1_125_899_906_842_624.0 + 0.25, "1125899906842624.2"),
        ] {
            assert_eq!(String::from_utf8(to_vec(&value)).expect("UTF-8"), json);
        }
    }
}
