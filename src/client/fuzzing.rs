//! Private parsers of the client, for the fuzz targets and for the tests that replay their corpus.
//! This is not an API.

use super::{
    auth::{docker_config::AuthFile, token},
    http::{pem, redirect},
};
use crate::oci::{Registry, RepositoryName};
use std::path::Path;

/// Returns the token in the response of a token service, and its lifetime in seconds.
pub fn token_answer(body: &[u8]) -> Option<(String, u64)> {
    let reply = serde_json::from_slice(body).ok()?;
    token::token_of(&reply).map(|(token, seconds)| (token.to_owned(), seconds))
}

/// Parses a credential file in the current and the old form, and looks up hosts and paths in it.
pub fn credentials_file(bytes: &[u8]) {
    let registry = "r.example".parse::<Registry>();
    let repository = "ns/chart".parse::<RepositoryName>();
    for file in [AuthFile::parse(bytes), AuthFile::parse_old(bytes)].into_iter().flatten() {
        if let (Ok(registry), Ok(repository)) = (&registry, &repository) {
            let _ = file.find(registry, None);
            let _ = file.find(registry, Some(repository));
        }
    }
}

/// Returns the next page that a `Link` header of `from` names.
pub fn next_page(from: &str, link: &str) -> Option<String> {
    redirect::next_page(&from.parse().ok()?, [link]).map(String::from)
}

/// Reads a PEM file as certificates and as a key.
pub fn pem(path: &Path) {
    let _ = pem::certificates(path, &|_| {});
    let _ = pem::key(path);
}
