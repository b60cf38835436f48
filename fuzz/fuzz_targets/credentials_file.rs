//! `cargo +nightly fuzz run credentials_file`: [`properties::credentials_file`] on anything.
#![no_main]

#[path = "../properties.rs"]
mod properties;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| properties::credentials_file(bytes));
