//! The corpus of the fuzz targets, replayed: seeds, and what once was found.

use std::{fs, path::Path};

#[path = "../../fuzz/properties.rs"]
mod properties;

fn replay(target: &str, property: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut replayed = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        println!("{}", path.display());
        property(&fs::read(path).unwrap());
        replayed += 1;
    }
    assert!(replayed > 0, "the corpus of {target} is there");
}

#[test]
fn references() {
    replay("reference", properties::reference);
}

#[test]
fn constraints() {
    replay("constraint", properties::constraint);
}

#[test]
fn yaml() {
    replay("yaml", properties::yaml);
}

#[test]
fn archives() {
    replay("archive_read", properties::archive_read);
}

#[test]
fn challenges() {
    replay("challenge", properties::challenge);
}

#[test]
fn indexes() {
    replay("index", properties::index);
}

#[test]
fn token_answers() {
    replay("token_answer", properties::token_answer);
}

#[test]
fn files_of_credentials() {
    replay("credentials_file", properties::credentials_file);
}

#[test]
fn links() {
    replay("link", properties::link);
}

#[test]
fn pem_files() {
    replay("pem", properties::pem);
}

#[test]
fn bundles() {
    replay("bundle", properties::bundle);
}

#[test]
fn forms() {
    replay("multipart_form", properties::multipart_form);
}

#[test]
fn bearer_tokens() {
    replay("bearer_token", properties::bearer_token);
}
