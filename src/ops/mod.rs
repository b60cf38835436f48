//! One verb, one file: options in, report out. An operation never prints.

pub mod any_repository;
pub mod bundle;
pub mod chart_bytes;
pub mod chart_manifest;
pub mod chartmuseum;
pub mod dependency;
pub mod index;
pub mod lint;
pub mod package;
pub mod pull;
pub mod push;
pub mod repository;
pub mod saved;
pub mod show;
pub mod tags;
