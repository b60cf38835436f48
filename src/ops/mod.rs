//! One verb, one file: options in, report out. An operation never prints.

pub mod dependency;
pub mod dependency_list;
mod existing;
pub mod lint;
pub mod package;
pub mod payload;
pub mod place;
pub mod prepare;
pub mod pull;
pub mod push;
pub(crate) mod read_back;
mod resolve;
pub mod saved;
pub mod show;
mod source;
pub mod tags;
mod vendor;
