//! One verb, one file: options in, report out. An operation never prints.

pub mod chart_repository;
pub mod dependency;
pub mod dependency_list;
pub mod entry;
mod existing;
pub mod index;
pub mod lint;
pub mod locate;
pub mod namespace;
pub mod package;
pub mod payload;
pub mod place;
pub mod prepare;
pub mod pull;
pub mod push;
pub(crate) mod read_back;
pub mod repositories;
mod resolve;
pub mod saved;
pub mod search_repo;
pub mod show;
mod source;
pub mod tags;
mod vendor;
