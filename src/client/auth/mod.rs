//! Credentials and tokens. Configuration files and helpers hold the credentials, and challenges
//! decide on their form. A cache keeps them for the lifetime of the client.

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
