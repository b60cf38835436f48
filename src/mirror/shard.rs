//! A shard: one part of the work of several runs. A hash of its name assigns each version to a
//! shard, so the runs need no communication.

use super::candidate::ChartVersion;
use crate::{Error, Result, digest::Digest};
use std::{fmt, str::FromStr};

/// Part `number` of `count` parts, counted from 1. The default is 1 of 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shard {
    number: u32,
    count: u32,
}

impl Default for Shard {
    fn default() -> Self {
        Self { number: 1, count: 1 }
    }
}

impl Shard {
    /// Creates shard `number`, counted from 1, of `count`.
    ///
    /// # Errors
    /// `Usage` if there is no such shard.
    pub fn new(number: u32, count: u32) -> Result<Self> {
        if number == 0 || number > count {
            return Err(Error::usage(format!("there is no part {number} of {count}"))
                .with_hint("parts are counted from 1: `1/4` to `4/4`"));
        }
        Ok(Self { number, count })
    }

    /// Returns true if a version belongs to this shard. Every version belongs to exactly one of
    /// `count`.
    pub fn has(self, id: &ChartVersion) -> bool {
        if self.count == 1 {
            return true;
        }
        let digest = Digest::sha256(format!("{}\n{}", id.chart, id.version).as_bytes());
        // A SHA-256 in hex has 64 digits.
        let hash = u64::from_str_radix(&digest.hex()[..16], 16).unwrap_or_default();
        hash % u64::from(self.count) == u64::from(self.number - 1)
    }

    /// Returns true if this is the only shard.
    pub fn is_whole(self) -> bool {
        self.count == 1
    }
}

impl FromStr for Shard {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (number, count) = text
            .split_once('/')
            .and_then(|(number, count)| Some((number.parse().ok()?, count.parse().ok()?)))
            .ok_or_else(|| {
                Error::usage(format!("`{text}` names no part"))
                    .with_hint("write its number and their count, such as `1/4`")
            })?;
        Self::new(number, count)
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_version_belongs_to_exactly_one_part_and_the_parts_are_about_as_large() {
        let shards: Vec<Shard> = (1..=4).map(|n| Shard::new(n, 4).expect("part")).collect();
        let mut sizes = [0_u32; 4];
        for n in 0..4000 {
            let id = ChartVersion::new(format!("chart-{}", n % 7), format!("1.{n}.0"));
            let owners: Vec<usize> = (0..4).filter(|part| shards[*part].has(&id)).collect();
            assert_eq!(owners.len(), 1, "{id}");
            sizes[owners[0]] += 1;
        }
        assert!(sizes.iter().all(|size| (800..1200).contains(size)), "{sizes:?}");
        assert!(Shard::default().has(&ChartVersion::new("a", "1")));
    }

    #[test]
    fn a_part_never_changes_hands() {
        let third: Shard = "3/4".parse().expect("part");
        let mine: Vec<u32> =
            (0..12).filter(|n| third.has(&ChartVersion::new("demo", format!("1.0.{n}")))).collect();
        assert_eq!(mine, [6, 8, 10, 11]);
    }

    #[test]
    fn parts_are_counted_from_one() {
        assert_eq!("2/3".parse::<Shard>().expect("part").to_string(), "2/3");
        for text in ["0/3", "4/3", "1", "a/b", "1/0", "-1/2", ""] {
            text.parse::<Shard>().expect_err(text);
        }
    }
}
