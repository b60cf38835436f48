//! Recognition of yaml.v2's timestamps. A reader gets a string all the same, so the result is yes
//! or no, never the time.

/// Returns true if `text` is a timestamp in yaml.v2: Go's `time.Parse` with four layouts and its
/// tolerances.
pub(super) fn is_timestamp(text: &str) -> bool {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    if digits != 4 || text.as_bytes().get(4) != Some(&b'-') {
        return false;
    }
    date(text).is_some_and(|rest| {
        rest.is_empty()
            || rest.strip_prefix(['T', 't']).and_then(time).is_some_and(is_zone)
            || rest.strip_prefix(' ').map(|rest| rest.trim_start_matches(' ')).and_then(time)
                == Some("")
    })
}

/// Parses `2006-1-2` and returns the rest.
fn date(text: &str) -> Option<&str> {
    let (year, rest) = text.split_at_checked(4)?;
    let year: u32 = year.parse().ok()?;
    let (month, rest) = one_or_two(rest.strip_prefix('-')?)?;
    let (day, rest) = one_or_two(rest.strip_prefix('-')?)?;
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u32::from(leap),
        _ => return None,
    };
    (1..=days).contains(&day).then_some(rest)
}

/// Parses `15:4:5` with any fraction and returns the rest.
fn time(text: &str) -> Option<&str> {
    let (hour, rest) = one_or_two(text)?;
    let (minute, rest) = one_or_two(rest.strip_prefix(':')?)?;
    let (second, rest) = one_or_two(rest.strip_prefix(':')?)?;
    let rest = match rest.strip_prefix(['.', ',']) {
        Some(fraction) if fraction.starts_with(|c: char| c.is_ascii_digit()) => {
            fraction.trim_start_matches(|c: char| c.is_ascii_digit())
        }
        _ => rest,
    };
    (hour < 24 && minute < 60 && second < 60).then_some(rest)
}

/// Returns true if the text is exactly `Z` or `±07:00`.
fn is_zone(text: &str) -> bool {
    if text == "Z" {
        return true;
    }
    let [b'+' | b'-', h1, h2, b':', m1, m2] = text.as_bytes() else {
        return false;
    };
    let number = |tens: u8, ones: u8| {
        (tens.is_ascii_digit() && ones.is_ascii_digit()).then(|| (tens - b'0') * 10 + ones - b'0')
    };
    number(*h1, *h2).is_some_and(|hours| hours <= 24)
        && number(*m1, *m2).is_some_and(|minutes| minutes <= 60)
}

fn one_or_two(text: &str) -> Option<(u32, &str)> {
    let length = text.bytes().take(2).take_while(u8::is_ascii_digit).count();
    let (number, rest) = text.split_at(length);
    Some((number.parse().ok()?, rest))
}
