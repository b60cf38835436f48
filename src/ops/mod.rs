//! One verb, one file: options in, report out. An operation never prints.

pub mod dependency;
pub mod dependency_list;
pub mod lint;
pub mod package;
pub mod place;
pub mod prepare;
pub mod pull;
pub mod push;
pub mod saved;
pub mod show;
mod source;
pub mod tags;
