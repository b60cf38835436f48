//! `cargo +nightly fuzz run multipart_form`: [`properties::multipart_form`] on anything.
#![no_main]

#[path = "../properties.rs"]
mod properties;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| properties::multipart_form(bytes));
