//! `cargo +nightly fuzz run token_answer`: [`properties::token_answer`] on anything.
#![no_main]

#[path = "../properties.rs"]
mod properties;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| properties::token_answer(bytes));
