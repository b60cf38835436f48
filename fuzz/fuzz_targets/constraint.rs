//! `cargo +nightly fuzz run constraint`: [`properties::constraint`] on anything.
#![no_main]

#[path = "../properties.rs"]
mod properties;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| properties::constraint(bytes));
