//! A router over a store.
