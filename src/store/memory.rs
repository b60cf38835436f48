//! The same traits in memory, for tests.
