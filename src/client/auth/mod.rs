//! Credentials and tokens: found in configuration files and helpers, sent as challenges ask, cached
//! for the client's lifetime.

pub(super) mod access;
pub(super) mod cache;
pub(super) mod challenge;
pub(super) mod credential;
pub(super) mod credential_helper;
pub(super) mod credentials;
pub(super) mod docker_config;
pub(super) mod flow;
pub(super) mod login;
pub(super) mod scope;
pub(super) mod token;
