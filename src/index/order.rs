//! The order of a chart's versions, newest first. Versions that differ only by build metadata or
//! spelling are equal, and in Helm their order depends on the moves of Go's `sort.Sort`. Our
//! indexes must equal Helm's byte for byte, so this module makes the same moves: pattern-defeating
//! quicksort, as in Go since 1.19. Charts of up to twelve versions are sorted by insertion, which
//! keeps the order of equal ones.

use crate::version::Version;

/// Sorts items by their version texts.
pub(crate) fn sort<T>(items: &mut [T], written: impl Fn(&T) -> &str) {
    if items.len() < 2 {
        return;
    }
    let mut sorter = Sorter {
        keys: items
            .iter()
            .enumerate()
            .map(|(at, item)| (Version::parse_loose(written(item)).ok(), at))
            .collect(),
    };
    let length = items.len();
    sorter.quick(0, length, bits(length));
    // The original positions of the items are converted to swaps.
    let mut from: Vec<usize> = sorter.keys.into_iter().map(|(_, at)| at).collect();
    for to in 0..length {
        let mut source = from[to];
        while source < to {
            source = from[source];
        }
        items.swap(to, source);
        from[to] = source;
    }
}

/// Returns the number of bits a number takes.
fn bits(number: usize) -> u32 {
    usize::BITS - number.leading_zeros()
}

/// The order of the sample from which a pivot was chosen.
#[derive(PartialEq, Eq)]
enum Hint {
    Unknown,
    Increasing,
    Decreasing,
}

struct Sorter {
    keys: Vec<(Option<Version>, usize)>,
}

impl Sorter {
    /// Compares as Helm does, in reverse: a text that is not a version is less than any version.
    fn less(&self, a: usize, b: usize) -> bool {
        match (&self.keys[b].0, &self.keys[a].0) {
            (None, _) => true,
            (_, None) => false,
            (Some(b), Some(a)) => b < a,
        }
    }

    fn swap(&mut self, a: usize, b: usize) {
        self.keys.swap(a, b);
    }

    fn insertion(&mut self, start: usize, end: usize) {
        for one in start + 1..end {
            let mut at = one;
            while at > start && self.less(at, at - 1) {
                self.swap(at, at - 1);
                at -= 1;
            }
        }
    }

    fn quick(&mut self, mut start: usize, mut end: usize, mut limit: u32) {
        let (mut balanced, mut partitioned) = (true, true);
        loop {
            let length = end - start;
            if length <= 12 {
                return self.insertion(start, end);
            }
            if limit == 0 {
                return self.heap(start, end);
            }
            if !balanced {
                self.break_patterns(start, end);
                limit -= 1;
            }
            let (mut pivot, mut hint) = self.choose_pivot(start, end);
            if hint == Hint::Decreasing {
                self.keys[start..end].reverse();
                pivot = (end - 1) - (pivot - start);
                hint = Hint::Increasing;
            }
            if balanced
                && partitioned
                && hint == Hint::Increasing
                && self.insertion_succeeds(start, end)
            {
                return;
            }
            if start > 0 && !self.less(start - 1, pivot) {
                start = self.partition_equal(start, end, pivot);
                continue;
            }
            let (middle, already) = self.partition(start, end, pivot);
            partitioned = already;
            let (left, right) = (middle - start, end - middle);
            if left < right {
                balanced = left >= length / 8;
                self.quick(start, middle, limit);
                start = middle + 1;
            } else {
                balanced = right >= length / 8;
                self.quick(middle + 1, end, limit);
                end = middle;
            }
        }
    }

    /// Moves items less than the pivot before it and the rest after it. Returns true if they were
    /// in order already.
    fn partition(&mut self, start: usize, end: usize, pivot: usize) -> (usize, bool) {
        self.swap(start, pivot);
        let (mut low, mut high) = (start + 1, end - 1);
        let mut already = true;
        loop {
            while low <= high && self.less(low, start) {
                low += 1;
            }
            while low <= high && !self.less(high, start) {
                high -= 1;
            }
            if low > high {
                self.swap(high, start);
                return (high, already);
            }
            already = false;
            self.swap(low, high);
            low += 1;
            high -= 1;
        }
    }

    /// Moves items equal to the pivot before greater ones.
    fn partition_equal(&mut self, start: usize, end: usize, pivot: usize) -> usize {
        self.swap(start, pivot);
        let (mut low, mut high) = (start + 1, end - 1);
        loop {
            while low <= high && !self.less(start, low) {
                low += 1;
            }
            while low <= high && self.less(start, high) {
                high -= 1;
            }
            if low > high {
                return low;
            }
            self.swap(low, high);
            low += 1;
            high -= 1;
        }
    }

    /// Sorts items that are nearly sorted, or gives up.
    fn insertion_succeeds(&mut self, start: usize, end: usize) -> bool {
        let mut at = start + 1;
        for _ in 0..5 {
            while at < end && !self.less(at, at - 1) {
                at += 1;
            }
            if at == end {
                return true;
            }
            if end - start < 50 {
                return false;
            }
            self.swap(at, at - 1);
            if at - start >= 2 {
                let mut back = at - 1;
                while back >= 1 && self.less(back, back - 1) {
                    self.swap(back, back - 1);
                    back -= 1;
                }
            }
            if end - at >= 2 {
                let mut on = at + 1;
                while on < end && self.less(on, on - 1) {
                    self.swap(on, on - 1);
                    on += 1;
                }
            }
        }
        false
    }

    /// Moves three elements, by random numbers that depend only on the length.
    fn break_patterns(&mut self, start: usize, end: usize) {
        let length = end - start;
        if length < 8 {
            return;
        }
        let mut random = length as u64;
        let mask = (1_u64 << bits(length)) - 1;
        let middle = start + length / 4 * 2;
        for at in middle - 1..=middle + 1 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let other = (random & mask) as usize;
            let other = if other >= length { other - length } else { other };
            self.swap(at, start + other);
        }
    }

    fn choose_pivot(&self, start: usize, end: usize) -> (usize, Hint) {
        let length = end - start;
        let quarter = length / 4;
        let mut places = [start + quarter, start + quarter * 2, start + quarter * 3];
        let mut swaps = 0;
        if length >= 50 {
            places = places.map(|at| self.median([at - 1, at, at + 1], &mut swaps));
        }
        let pivot = self.median(places, &mut swaps);
        let hint = match swaps {
            0 => Hint::Increasing,
            12 => Hint::Decreasing,
            _ => Hint::Unknown,
        };
        (pivot, hint)
    }

    fn median(&self, [mut a, mut b, mut c]: [usize; 3], swaps: &mut u32) -> usize {
        let mut order = |a: &mut usize, b: &mut usize| {
            if self.less(*b, *a) {
                *swaps += 1;
                std::mem::swap(a, b);
            }
        };
        order(&mut a, &mut b);
        order(&mut b, &mut c);
        order(&mut a, &mut b);
        b
    }

    fn heap(&mut self, start: usize, end: usize) {
        let length = end - start;
        for root in (0..=(length - 1) / 2).rev() {
            self.sift(root, length, start);
        }
        for last in (0..length).rev() {
            self.swap(start, start + last);
            self.sift(0, last, start);
        }
    }

    fn sift(&mut self, mut root: usize, end: usize, start: usize) {
        loop {
            let mut child = 2 * root + 1;
            if child >= end {
                return;
            }
            if child + 1 < end && self.less(start + child, start + child + 1) {
                child += 1;
            }
            if !self.less(start + root, start + child) {
                return;
            }
            self.swap(start + root, start + child);
            root = child;
        }
    }
}
