//! Chart repositories: kept, searched, pulled from, depended on, uploaded to, and seen through
//! Helm's getter.

mod addresses;
mod dependency;
mod getter;
mod museum;
mod pull;
mod push;
mod repo;
mod search;
mod wire;

use crate::support::{
    Test,
    web::{File, Web},
};
use chartferry::digest::Digest;

/// A repository with `demo` 1.0.0, 1.1.0 and 2.0.0-rc.1 and `other` 0.1.0: `[WEB]` in what is
/// printed.
pub(crate) fn test_with_repository() -> (Test, Web) {
    let (mut test, web) = (Test::new(), Web::start());
    test.call(web.address(), "[WEB]");
    let mut index = "apiVersion: v1\nentries:\n".to_owned();
    for (name, versions) in
        [("demo", ["2.0.0-rc.1", "1.1.0", "1.0.0"].as_slice()), ("other", &["0.1.0"])]
    {
        index.push_str(&format!("  {name}:\n"));
        for version in versions {
            let bytes = archive(&test, name, version);
            index.push_str(&entry(
                name,
                version,
                Digest::sha256(&bytes).hex(),
                &format!("{name}-{version}.tgz"),
            ));
            web.file(&format!("/charts/{name}-{version}.tgz"), bytes);
        }
    }
    index.push_str("generated: \"2024-01-01T00:00:00Z\"\n");
    web.put("/charts/index.yaml", File::Tagged("\"one\"", index.into_bytes()));
    (test, web)
}

/// One version's lines in an index.
pub(crate) fn entry(name: &str, version: &str, digest: &str, url: &str) -> String {
    format!(
        "  - apiVersion: v2\n    appVersion: \"7\"\n    created: \"2024-01-01T00:00:00Z\"\n    \
         description: The <{name}> chart\n    digest: {digest}\n    keywords:\n    - web\n    name: {name}\n    \
         urls:\n    - {url}\n    version: {version}\n"
    )
}

/// A chart's archive.
pub(crate) fn archive(test: &Test, name: &str, version: &str) -> Vec<u8> {
    let folder = format!("made/{name}");
    test.file(
        &format!("{folder}/Chart.yaml"),
        format!("apiVersion: v2\nname: {name}\nversion: {version}\n"),
    );
    test.run(["package", &folder, "-d", "made"]).anything().succeeds();
    test.read(format!("made/{name}-{version}.tgz"))
}

/// Adds the repository under the name `x`.
pub(crate) fn add(test: &Test, web: &Web) {
    let url = format!("{}/charts", web.url());
    test.run(["repo", "add", "x", &url])
        .stdout("\"x\" has been added to your repositories\n")
        .succeeds();
    web.take();
}
