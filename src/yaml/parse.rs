//! Events to values, under a budget.
