//! `cargo +nightly fuzz run archive_read`: [`properties::archive_read`] on anything.
#![no_main]

#[path = "../properties.rs"]
mod properties;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| properties::archive_read(bytes));
