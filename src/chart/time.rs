//! The only point in time in a chart: the time when its lock was written. It is read and written as
//! Go's `time.Time` in JSON, with offset and fraction.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use std::fmt;

/// A date and time with its offset from UTC, as RFC 3339 writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time {
    local: DateTime,
    offset_minutes: i16,
}

impl Default for Time {
    /// Returns Go's zero time, which means that there is none.
    fn default() -> Self {
        Self { local: jiff::civil::date(1, 1, 1).at(0, 0, 0, 0), offset_minutes: 0 }
    }
}

impl Time {
    /// Makes a point in time that is written in UTC.
    pub fn from_unix(seconds: i64, nanoseconds: i32) -> Option<Self> {
        let timestamp = jiff::Timestamp::new(seconds, nanoseconds).ok()?;
        Some(Self { local: TimeZone::UTC.to_datetime(timestamp), offset_minutes: 0 })
    }

    /// Returns true for Go's zero time.
    pub fn is_zero(&self) -> bool {
        *self == Self::default()
    }

    /// Returns seconds since 1970, rounded to the nearest as Go's archiver does; a half is rounded
    /// up.
    pub fn unix(&self) -> i64 {
        let date = self.local.date();
        let days =
            jiff::civil::date(1970, 1, 1).until(date).map_or(0, |span| i64::from(span.get_days()));
        let time = self.local.time();
        let minutes =
            i64::from(time.hour()) * 60 + i64::from(time.minute()) - i64::from(self.offset_minutes);
        let half = i64::from(time.subsec_nanosecond() >= 500_000_000);
        days * 86_400 + minutes * 60 + i64::from(time.second()) + half
    }

    /// Parses RFC 3339 as tolerantly as Go: an hour of one digit and a comma before the fraction
    /// are accepted.
    ///
    /// # Errors
    /// Go's text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut cursor = Cursor { text, rest: text };
        let year = cursor.number(4, 4, "2006")?;
        cursor.literal("-")?;
        let month = cursor.number(2, 2, "01")?;
        cursor.check(month, 1..=12, "month")?;
        cursor.literal("-")?;
        let day = cursor.number(2, 2, "02")?;
        cursor.literal("T")?;
        let hour = cursor.number(1, 2, "15")?;
        cursor.check(hour, 0..=23, "hour")?;
        cursor.literal(":")?;
        let minute = cursor.number(2, 2, "04")?;
        cursor.check(minute, 0..=59, "minute")?;
        cursor.literal(":")?;
        let second = cursor.number(2, 2, "05")?;
        cursor.check(second, 0..=59, "second")?;
        let nanosecond = cursor.fraction();
        let offset_minutes = cursor.offset()?;
        if !cursor.rest.is_empty() {
            return Err(cursor.error(&format!(": extra text: {}", quote(cursor.rest))));
        }
        // Every number above has at most four digits, so the cast loses nothing.
        let part = |number: i32| number as i8;
        let local = DateTime::new(
            year as i16,
            part(month),
            part(day),
            part(hour),
            part(minute),
            part(second),
            nanosecond,
        )
        .map_err(|_| cursor.error(": day out of range"))?;
        Ok(Self { local, offset_minutes })
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (date, time) = (self.local.date(), self.local.time());
        write!(f, "{:04}-{:02}-{:02}", date.year(), date.month(), date.day())?;
        write!(f, "T{:02}:{:02}:{:02}", time.hour(), time.minute(), time.second())?;
        if time.subsec_nanosecond() != 0 {
            let digits = format!("{:09}", time.subsec_nanosecond());
            write!(f, ".{}", digits.trim_end_matches('0'))?;
        }
        if self.offset_minutes == 0 {
            return f.write_str("Z");
        }
        let sign = if self.offset_minutes < 0 { '-' } else { '+' };
        let minutes = self.offset_minutes.unsigned_abs();
        write!(f, "{sign}{:02}:{:02}", minutes / 60, minutes % 60)
    }
}

struct Cursor<'t> {
    text: &'t str,
    rest: &'t str,
}

impl Cursor<'_> {
    fn error(&self, cause: &str) -> String {
        format!("parsing time {}{cause}", quote(self.text))
    }

    fn unlike(&self, element: &str) -> String {
        let rest = quote(self.rest);
        self.error(&format!(
            " as \"2006-01-02T15:04:05Z07:00\": cannot parse {rest} as {}",
            quote(element)
        ))
    }

    fn literal(&mut self, literal: &str) -> Result<(), String> {
        self.rest = self.rest.strip_prefix(literal).ok_or_else(|| self.unlike(literal))?;
        Ok(())
    }

    fn number(&mut self, least: usize, most: usize, element: &str) -> Result<i32, String> {
        let digits = self.rest.bytes().take(most).take_while(u8::is_ascii_digit).count();
        if digits < least {
            return Err(self.unlike(element));
        }
        let (number, rest) = self.rest.split_at(digits);
        let number = number.parse().map_err(|_| self.unlike(element))?;
        self.rest = rest;
        Ok(number)
    }

    fn check(
        &self,
        number: i32,
        range: std::ops::RangeInclusive<i32>,
        what: &str,
    ) -> Result<(), String> {
        if range.contains(&number) {
            Ok(())
        } else {
            Err(self.error(&format!(": {what} out of range")))
        }
    }

    /// Reads the fraction in nanoseconds. Digits after the ninth are ignored.
    fn fraction(&mut self) -> i32 {
        let Some(rest) = self.rest.strip_prefix(['.', ',']) else {
            return 0;
        };
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 {
            return 0;
        }
        self.rest = &rest[digits..];
        rest.bytes()
            .take(digits)
            .chain(std::iter::repeat(b'0'))
            .take(9)
            .fold(0, |n, b| n * 10 + i32::from(b - b'0'))
    }

    fn offset(&mut self) -> Result<i16, String> {
        const ELEMENT: &str = "Z07:00";
        if let Some(rest) = self.rest.strip_prefix('Z') {
            self.rest = rest;
            return Ok(0);
        }
        let whole = self.rest;
        let refuse = |cursor: &mut Self| {
            cursor.rest = whole;
            cursor.unlike(ELEMENT)
        };
        let sign = match whole.as_bytes() {
            [b'+', _, _, b':', _, _, ..] => 1,
            [b'-', _, _, b':', _, _, ..] => -1,
            _ => return Err(self.unlike(ELEMENT)),
        };
        self.rest = &whole[1..];
        let hours = self.number(2, 2, ELEMENT).map_err(|_| refuse(self))?;
        self.literal(":").map_err(|_| refuse(self))?;
        let minutes = self.number(2, 2, ELEMENT).map_err(|_| refuse(self))?;
        self.check(hours, 0..=24, "time zone offset hour")?;
        self.check(minutes, 0..=60, "time zone offset minute")?;
        // Go reads an offset of a whole day and then cannot write it.
        self.check(hours * 60 + minutes, 0..=24 * 60 - 1, "time zone offset hour")?;
        Ok(sign * (hours * 60 + minutes) as i16)
    }
}

/// Quotes text as Go's `time` does in errors: byte by byte, unlike `%q`.
fn quote(text: &str) -> String {
    let mut quoted = String::from('"');
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => quoted.extend(['\\', char::from(byte)]),
            b' '..=0x7f => quoted.push(char::from(byte)),
            _ => quoted.push_str(&format!("\\x{byte:02x}")),
        }
    }
    quoted.push('"');
    quoted
}
