//! `cargo +nightly fuzz run bundle`: [`properties::bundle`] on anything.
#![no_main]

#[path = "../properties.rs"]
mod properties;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| properties::bundle(bytes));
