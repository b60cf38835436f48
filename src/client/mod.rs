//! The wire: registries elsewhere, by the traits of [`crate::store`].

pub mod auth;
pub mod blob;
pub mod credentials;
pub mod http;
pub mod manifest;
pub mod retry;
