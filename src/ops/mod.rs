//! One verb, one file: options in, report out. An operation never prints.

pub mod package;
pub mod show;
