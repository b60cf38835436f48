//! `cargo +nightly fuzz run index`: [`properties::index`] on anything.
#![no_main]

#[path = "../properties.rs"]
mod properties;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| properties::index(bytes));
