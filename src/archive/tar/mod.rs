//! The tar format: entries read one after the other, and headers written as Go writes them.

pub(super) mod header_read;
pub(crate) mod header_write;
pub(super) mod pax;
pub(crate) mod reader;
