//! Numbers as Go reads and prints them, by the rules of `strconv`, whose bases, ranges and
//! exponents differ from Rust's.

use crate::json;

/// Parses as Go's `strconv.ParseInt` and, beyond its range, `ParseUint`, both with base 0.
pub(super) fn integer(text: &str) -> Option<i128> {
    let (sign, digits) = match text.as_bytes().first()? {
        b'-' => (Some(-1), &text[1..]),
        b'+' => (Some(1), &text[1..]),
        _ => (None, text),
    };
    let (base, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &digits[2..]),
        [b'0', b'o' | b'O', ..] => (8, &digits[2..]),
        [b'0', b'b' | b'B', ..] => (2, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    let value = i128::from(unsigned(digits, base)?) * sign.unwrap_or(1);
    let in_range = i64::try_from(value).is_ok() || sign.is_none();
    in_range.then_some(value)
}

fn unsigned(digits: &str, base: u32) -> Option<u64> {
    // Rust would accept a sign here.
    digits
        .bytes()
        .next()?
        .is_ascii_alphanumeric()
        .then(|| u64::from_str_radix(digits, base).ok())?
}

/// Parses `0b-11` as -3: yaml.v2 removes the `0b` and reads the rest with its sign.
pub(super) fn signed_binary(text: &str) -> Option<i128> {
    let digits = text.strip_prefix("0b")?;
    digits.starts_with(['+', '-']).then(|| i64::from_str_radix(digits, 2).ok().map(i128::from))?
}

/// Parses `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?` within the range of a double.
pub(super) fn float(text: &str) -> Option<f64> {
    let rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match rest.find(['e', 'E']) {
        Some(at) => (&rest[..at], Some(&rest[at + 1..])),
        None => (rest, None),
    };
    let all_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let well_formed = match mantissa.split_once('.') {
        Some((whole, fraction)) => {
            all_digits(whole) && all_digits(fraction) && !(whole.is_empty() && fraction.is_empty())
        }
        None => !mantissa.is_empty() && all_digits(mantissa),
    } && exponent.is_none_or(|exponent| {
        let digits = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !digits.is_empty() && all_digits(digits)
    });
    // In Go, a number out of range is an error and so the text is a string: a commit like `7e12345`
    // stays unchanged.
    well_formed.then(|| text.parse().ok())?.filter(|value: &f64| value.is_finite())
}

/// Parses a float that starts with a point. yaml.v2 keeps the underscores in this one, and Go
/// accepts them between digits.
pub(super) fn dotted_float(text: &str) -> Option<f64> {
    let bytes = text.as_bytes();
    let is_digit =
        |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_digit);
    let between_digits = |(at, _)| is_digit(usize::checked_sub(at, 1)) && is_digit(Some(at + 1));
    text.match_indices('_').all(between_digits).then(|| float(&text.replace('_', "")))?
}

/// Formats a double as Go's `strconv.FormatFloat(value, 'g', -1, 64)`.
pub(super) fn format_f64(value: f64) -> String {
    general(&json::shortest(value))
}

/// Formats a double as Go's `strconv.FormatFloat(value, 'g', -1, 32)`: sigs.k8s.io/yaml rounds to
/// single precision for a string field.
#[expect(clippy::cast_possible_truncation, reason = "the rounding is what is asked for")]
pub(super) fn format_f32(value: f64) -> String {
    general(&json::shortest(value as f32))
}

/// Converts the shortest form, `1.25e-7`, to Go's shortest `%g`: with an exponent of two digits
/// below -4 and from 6 on.
fn general(scientific: &str) -> String {
    let (sign, unsigned) =
        scientific.strip_prefix('-').map_or(("", scientific), |rest| ("-", rest));
    let Some((mantissa, exponent)) = unsigned.split_once('e') else {
        return match scientific {
            "inf" => "+Inf",
            "-inf" => "-Inf",
            _ => "NaN",
        }
        .into();
    };
    let exponent: i32 = exponent.parse().expect("Rust writes a decimal exponent");
    if !(-4..6).contains(&exponent) {
        let minus_or_plus = if exponent < 0 { '-' } else { '+' };
        return format!("{sign}{mantissa}e{minus_or_plus}{:02}", exponent.unsigned_abs());
    }
    json::without_exponent(scientific)
}
