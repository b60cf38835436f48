//! `cargo +nightly fuzz run yaml`: [`properties::yaml`] on anything.
#![no_main]

#[path = "../properties.rs"]
mod properties;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| properties::yaml(bytes));
