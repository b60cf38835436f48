//! `cargo +nightly fuzz run link`: [`properties::link`] on anything.
#![no_main]

#[path = "../properties.rs"]
mod properties;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| properties::link(bytes));
