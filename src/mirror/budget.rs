//! The memory budget for archives in transit, shared by all of them.

use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes of one permit. A semaphore counts only to 2^29 on small machines.
const UNIT: u64 = crate::limits::KIB;

/// Memory for archives. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Budget {
    free: Arc<Semaphore>,
    most: u32,
}

/// A reservation in the budget. Dropping it frees the bytes.
#[derive(Debug)]
pub(super) struct Reserved {
    permit: Option<OwnedSemaphorePermit>,
}

impl Budget {
    /// Creates a budget of `total` bytes. An archive of unknown size reserves `most`.
    pub(super) fn new(total: u64, most: u64) -> Self {
        let most = units(most).max(1);
        // At least one archive must fit, or nothing ever would.
        let total = units(total).max(most) as usize;
        Self { free: Arc::new(Semaphore::new(total)), most }
    }

    /// Waits until the largest archive that may be in memory would fit.
    pub(super) async fn reserve(&self) -> Reserved {
        // The semaphore is never closed.
        let permit = Arc::clone(&self.free).acquire_many_owned(self.most).await.ok();
        Reserved { permit }
    }
}

impl Reserved {
    /// Releases the excess once the size is known.
    pub(super) fn shrink(&mut self, size: u64) {
        let Some(permit) = &mut self.permit else { return };
        let spare = permit.num_permits().saturating_sub(units(size) as usize);
        drop(permit.split(spare));
    }
}

fn units(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[test]
    fn what_is_reserved_shrinks_and_comes_back() {
        let budget = Budget::new(8 * UNIT, 4 * UNIT);
        let mut first = budget.reserve().now_or_never().expect("free");
        let second = budget.reserve().now_or_never().expect("free");
        assert!(budget.reserve().now_or_never().is_none(), "all is taken");
        first.shrink(UNIT);
        assert!(budget.reserve().now_or_never().is_none(), "three are not four");
        drop(second);
        let mut third = budget.reserve().now_or_never().expect("seven are free");
        third.shrink(9 * UNIT);
        drop((first, third));
        assert_eq!(budget.free.available_permits(), 8);
        assert!(Budget::new(0, 4 * UNIT).reserve().now_or_never().is_some());
    }
}
