//! `cargo +nightly fuzz run bearer_token`: [`properties::bearer_token`] on anything.
#![no_main]

#[path = "../properties.rs"]
mod properties;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| properties::bearer_token(bytes));
