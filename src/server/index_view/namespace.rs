//! Charts of one namespace, with values that every change updates: their order, a hash of all, the
//! latest date. Every change costs the logarithm of their number.

use super::{
    Settings,
    chart_version::{Found, Item, Origin, VersionOrder},
    index::{Index, Part},
};
use crate::lock::Locked as _;
use std::{
    collections::{BTreeMap, btree_map::Entry},
    ops::Bound,
    sync::{Arc, Mutex, PoisonError},
};

/// Charts of one namespace.
#[derive(Debug, Default)]
pub(super) struct Namespace {
    charts: BTreeMap<Arc<str>, Chart>,
    sum: Sum,
    dates: BTreeMap<jiff::Timestamp, usize>,
    versions: usize,
    kept: Mutex<Kept>,
}

/// Parts of the last built index that are still valid.
#[derive(Debug, Default)]
struct Kept {
    index: Option<Arc<Index>>,
    /// Parts by the name of their first chart; the first part has the empty name. `None` marks a
    /// part that has changed.
    parts: BTreeMap<Arc<str>, Option<Arc<Part>>>,
}

impl Kept {
    /// Records that a chart was changed, added or removed.
    fn forget(&mut self, name: &str, presence: Presence) {
        self.index = None;
        match presence {
            Presence::Same => {}
            Presence::Come if begins_part(name) => drop(self.parts.insert(name.into(), None)),
            Presence::Gone if begins_part(name) => drop(self.parts.remove(name)),
            Presence::Come | Presence::Gone => {}
        }
        let upto = (Bound::Unbounded, Bound::Included(name));
        // The change affects the chart's part, and the part before it if the chart is the first of
        // its own.
        for (start, part) in self.parts.range_mut::<str, _>(upto).rev() {
            *part = None;
            if **start != *name {
                break;
            }
        }
    }
}

/// Effect of a version's change on its chart.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Presence {
    Same,
    Come,
    Gone,
}

/// Returns true if a chart begins a part of the index, which is built and compressed alone. About
/// one in 32 does. The choice depends on the name only, so a new or removed chart moves no other
/// border.
fn begins_part(name: &str) -> bool {
    // FNV-1a, the same in every process. Without the last step, some bits hardly differ for names
    // that differ only at their end.
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 59 == 0
}

/// Versions of one chart, newest first.
#[derive(Debug, Default)]
struct Chart(BTreeMap<VersionOrder, Version>);

/// One version: all items with this version, best first. The index shows the first. The list is
/// never empty.
#[derive(Debug, Default)]
struct Version(Vec<Found>);

/// Effect of a version's change on the shown list.
struct Change {
    before: Option<Arc<Item>>,
    after: Option<Arc<Item>>,
}

impl Version {
    fn shown(&self) -> Option<&Found> {
        self.0.first()
    }

    fn change(&mut self, act: impl FnOnce(&mut Vec<Found>)) -> Change {
        let item = |version: &Self| version.shown().map(|found| Arc::clone(&found.item));
        let before = item(self);
        act(&mut self.0);
        self.0.sort_by(|a, b| a.origin.rank(&a.item).cmp(&b.origin.rank(&b.item)));
        Change { before, after: item(self) }
    }
}

impl Namespace {
    /// Adds a version, or replaces the one from the same origin.
    pub(super) fn put(&mut self, origin: Origin, item: Arc<Item>) {
        let (name, place) = (Arc::<str>::from(&*item.name), VersionOrder::of(&item.version));
        let chart = self.charts.entry(Arc::clone(&name)).or_default();
        let presence = if chart.0.is_empty() { Presence::Come } else { Presence::Same };
        let version = chart.0.entry(place).or_default();
        let change = version.change(|all| {
            all.retain(|found| !found.origin.is_place_of(&origin));
            all.push(Found { origin, item });
        });
        self.account(&change, &name, presence);
    }

    /// Removes the version of that origin. Other origins of the version remain.
    pub(super) fn remove(&mut self, name: &str, version: &str, origin: &Origin) {
        let Some(chart) = self.charts.get_mut(name) else { return };
        let Entry::Occupied(mut entry) = chart.0.entry(VersionOrder::of(version)) else { return };
        let change = entry.get_mut().change(|all| {
            all.retain(|found| !found.origin.is_place_of(origin));
        });
        if change.after.is_none() {
            entry.remove();
        }
        let mut presence = Presence::Same;
        if chart.0.is_empty() {
            self.charts.remove(name);
            presence = Presence::Gone;
        }
        self.account(&change, name, presence);
    }

    fn account(&mut self, change: &Change, name: &str, presence: Presence) {
        if let Some(item) = &change.before {
            self.versions -= 1;
            self.sum.subtract(item);
            if let Some(date) = date(item)
                && let Entry::Occupied(mut count) = self.dates.entry(date)
            {
                *count.get_mut() -= 1;
                if *count.get() == 0 {
                    count.remove();
                }
            }
        }
        if let Some(item) = &change.after {
            self.versions += 1;
            self.sum.add(item);
            if let Some(date) = date(item) {
                *self.dates.entry(date).or_default() += 1;
            }
        }
        self.kept.get_mut().unwrap_or_else(PoisonError::into_inner).forget(name, presence);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.charts.is_empty()
    }

    /// Returns the number of charts and of versions.
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.charts.len(), self.versions)
    }

    /// Returns the names of all charts, in byte order.
    pub(super) fn names(&self) -> Vec<Arc<str>> {
        self.charts.keys().cloned().collect()
    }

    /// Returns the versions of a chart, newest first.
    pub(super) fn versions(&self, name: &str) -> Option<Vec<Found>> {
        let chart = self.charts.get(name)?;
        Some(chart.0.values().filter_map(Version::shown).cloned().collect())
    }

    /// Returns one version, by its exact text.
    pub(super) fn find(&self, name: &str, version: &str) -> Option<&Found> {
        self.charts.get(name)?.0.get(&VersionOrder::of(version))?.shown()
    }

    /// Returns all origins of this version, the visible one first.
    pub(super) fn origins(&self, name: &str, version: &str) -> Vec<Found> {
        let version =
            self.charts.get(name).and_then(|chart| chart.0.get(&VersionOrder::of(version)));
        version.map(|version| version.0.clone()).unwrap_or_default()
    }

    /// Returns the version whose archive has the name `NAME-VERSION`. Names and versions may both
    /// contain dashes, so the shortest fitting name wins.
    pub(super) fn by_stem(&self, stem: &str) -> Option<&Found> {
        stem.match_indices('-').find_map(|(at, _)| self.find(&stem[..at], &stem[at + 1..]))
    }

    /// Returns the hash of all visible versions.
    pub(super) fn sum(&self) -> Sum {
        self.sum
    }

    /// Returns the index of the namespace: the same value until the next change.
    pub(super) fn index(&self, settings: &Arc<Settings>) -> Arc<Index> {
        let mut kept = self.kept.locked();
        if let Some(index) = &kept.index {
            return Arc::clone(index);
        }
        kept.parts.entry("".into()).or_default();
        let mut end: Option<Arc<str>> = None;
        let mut parts = Vec::with_capacity(kept.parts.len());
        for (start, part) in kept.parts.iter_mut().rev() {
            let part = part.get_or_insert_with(|| {
                let end = end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
                let charts = self.charts.range::<str, _>((Bound::Included(&**start), end));
                Arc::new(Part::new(charts.map(|(name, chart)| (Arc::clone(name), chart.items()))))
            });
            parts.push(Arc::clone(part));
            end = Some(Arc::clone(start));
        }
        parts.reverse();
        parts.retain(|part| !part.is_empty());
        let latest = self.dates.last_key_value().map(|(date, _)| *date).unwrap_or_default();
        let index = Arc::new(Index::new(Arc::clone(settings), self.sum, parts, latest));
        kept.index = Some(Arc::clone(&index));
        index
    }
}

impl Chart {
    fn items(&self) -> Vec<Arc<Item>> {
        let shown = self.0.values().filter_map(Version::shown);
        shown.map(|found| Arc::clone(&found.item)).collect()
    }
}

/// Returns the date of an item, if RFC 3339 can write it in UTC. An offset may lead to a year
/// outside of 0 to 9999.
fn date(item: &Item) -> Option<jiff::Timestamp> {
    let date: jiff::Timestamp = item.created.parse().ok()?;
    (date.as_second() >= YEAR_0).then_some(date)
}

/// Seconds from 1970 to 0000-01-01T00:00:00Z.
const YEAR_0: i64 = -62_167_219_200;

/// Hash of a set of items, independent of their order: the sum of the items' SHA-256 hashes, each
/// as four numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sum([u64; 4]);

impl Sum {
    fn of(item: &Item) -> [u64; 4] {
        use sha2::{Digest as _, Sha256};
        let hash: [u8; 32] = Sha256::digest(item.text.as_bytes()).into();
        let mut parts = [0; 4];
        for (part, bytes) in parts.iter_mut().zip(hash.chunks_exact(8)) {
            *part = bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
        }
        parts
    }

    fn add(&mut self, item: &Item) {
        self.0.iter_mut().zip(Self::of(item)).for_each(|(sum, part)| *sum = sum.wrapping_add(part));
    }

    fn subtract(&mut self, item: &Item) {
        self.0.iter_mut().zip(Self::of(item)).for_each(|(sum, part)| *sum = sum.wrapping_sub(part));
    }
}

impl std::fmt::Display for Sum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|part| write!(f, "{part:016x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn about_one_chart_in_32_begins_a_part() {
        let named = |make: &dyn Fn(u32) -> String| {
            (0..3200).filter(|&number| begins_part(&make(number))).count()
        };
        for count in [
            named(&|number| format!("chart-{number:04}")),
            named(&|number| format!("c{number}")),
            named(&|number| format!("{number}-operator")),
            named(&|number| format!("{number:x}")),
        ] {
            assert!((50..200).contains(&count), "{count} of 3200");
        }
    }

    #[test]
    fn a_date_before_the_year_0_in_utc_is_none() {
        for (created, is_some) in [
            ("0000-01-01T00:00:00+23:59", false),
            ("0000-01-01T00:00:00Z", true),
            ("0001-01-01T00:00:00Z", true),
            ("9999-12-31T23:59:59-23:59", false),
        ] {
            let archive = crate::oci::Descriptor::of("t", b"");
            let item = Item {
                name: "a".into(),
                version: "1.0.0".into(),
                created: created.into(),
                text: "".into(),
                format: super::super::Format::Yaml,
                archive,
                provenance: None,
            };
            assert_eq!(date(&item).is_some(), is_some, "{created}");
        }
    }
}
