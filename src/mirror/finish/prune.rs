//! Removal of versions that vanished at the source. It removes only versions that a state records
//! as copied, up to a limit, and none if the source's list may be incomplete.

use crate::{Advice, Error, ErrorKind, Result};
use std::{fmt, str::FromStr};

/// The limit on removals in one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// A fixed number of versions.
    Number(usize),
    /// A percentage of the recorded versions, at least one.
    Percent(u8),
}

impl Default for Guard {
    fn default() -> Self {
        Self::Percent(10)
    }
}

impl Guard {
    fn most(self, recorded: usize) -> usize {
        match self {
            Self::Number(number) => number,
            Self::Percent(percent) => (recorded * usize::from(percent) / 100).max(1),
        }
    }
}

impl FromStr for Guard {
    type Err = Error;

    /// Parses `25` or `10%`.
    fn from_str(text: &str) -> Result<Self> {
        let guard = match text.strip_suffix('%') {
            Some(percent) => {
                percent.parse().ok().filter(|percent| *percent <= 100).map(Self::Percent)
            }
            None => text.parse().ok().map(Self::Number),
        };
        guard.ok_or_else(|| {
            Error::usage(format!("`{text}` is not a number of versions"))
                .with_hint("write a number, or a percentage of the recorded versions: `10%`")
        })
    }
}

impl fmt::Display for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

/// Lengths at which package registries cut their lists, after the newest versions.
const CUT_AT: [usize; 3] = [20, 300, 1000];

/// Returns the reason for which the run must not remove anything, if any.
pub(crate) fn refusal(
    guard: Guard,
    listed: usize,
    cut: Option<&str>,
    vanished: usize,
    recorded: usize,
) -> Option<Error> {
    let refuse = |text: String| Some(Error::new(ErrorKind::Conflict, text));
    if vanished == 0 {
        return None;
    }
    if listed == 0 {
        return refuse("the source lists nothing at all".to_owned());
    }
    if let Some(cut) = cut {
        return refuse(cut.to_owned());
    }
    if CUT_AT.contains(&listed) {
        return refuse(format!(
            "the source lists exactly {listed} versions, as those do that list only the newest"
        ));
    }
    let most = guard.most(recorded);
    if vanished <= most {
        return None;
    }
    refuse(format!(
        "{vanished} of {recorded} recorded versions have vanished, more than the {most} that the limit `{guard}` allows"
    ))
    .map(|error| error.with_advice(Advice::RaiseDeletionLimit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removal_is_refused_as_the_table_says() {
        for (guard, count, cut, vanished, recorded, part) in [
            ("10%", 50, None, 5, 50, None),
            ("10%", 50, None, 6, 50, Some("6 of 50 recorded versions have vanished")),
            ("10%", 5, None, 1, 5, None),
            ("10%", 0, None, 0, 0, None),
            ("100%", 0, None, 1, 50, Some("lists nothing at all")),
            ("100%", 20, None, 1, 50, Some("exactly 20 versions")),
            ("100%", 300, None, 1, 50, Some("exactly 300 versions")),
            ("100%", 1000, None, 1, 50, Some("exactly 1000 versions")),
            ("100%", 1000, None, 0, 50, None),
            ("100%", 30, Some("it is cut"), 1, 50, Some("it is cut")),
            ("0", 30, None, 1, 50, Some("the 0 that the limit `0` allows")),
            ("3", 30, None, 3, 50, None),
        ] {
            let guard: Guard = guard.parse().expect(guard);
            let refusal = refusal(guard, count, cut, vanished, recorded);
            match part {
                Some(part) => {
                    assert!(refusal.is_some_and(|error| error.message().contains(part)), "{part}");
                }
                None => assert!(refusal.is_none(), "{refusal:?}"),
            }
        }
        for bad in ["", "%", "-1", "101%", "ten"] {
            bad.parse::<Guard>().expect_err(bad);
        }
    }
}
