//! The one integration binary.

// A test that cannot go on says so by a panic.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod archive;
mod artifact;
mod attacks;
mod auth;
mod auth_login;
mod bundle;
mod circles;
mod classic;
pub(crate) mod copy;
mod directories;
mod docs;
mod faults;
mod fuzz;
mod guide;
mod hostile;
mod images;
mod index;
mod layers;
mod lost_tags;
mod migration;
mod mirror;
mod museum;
mod nonsense;
mod objects;
mod peers;
mod proofs;
mod registry;
mod registry_check;
mod requests;
mod semver;
mod store;
mod support;
mod trust;
mod upstream;
mod verbs;
mod view;
mod words;
mod yaml;
