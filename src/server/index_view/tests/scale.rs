//! Cost of 50,000 charts. The test prints figures and checks bounds that hold on any machine. Run
//! it in release mode: `cargo test --release --lib view::tests::scale -- --ignored --nocapture`.

use super::*;
use crate::chart::{Dependency, Maintainer};
use std::time::Instant;

/// Makes an entry of the usual size in real repositories: a bit more than a kilobyte.
fn usual(name: &str, version: &str) -> Entry {
    let mut entry = entry(name, version, "2024-05-06T07:08:09Z");
    let metadata = &mut entry.metadata;
    metadata.description = format!("{name} runs {name} on Kubernetes, with all that it needs");
    metadata.home = format!("https://{name}.example/charts");
    metadata.icon = format!("https://{name}.example/icon.svg");
    metadata.app_version = version.to_owned();
    metadata.keywords = ["database", "cluster", "storage"].map(str::to_owned).into();
    metadata.sources = vec![format!("https://source.example/{name}")];
    metadata.maintainers = vec![Some(Maintainer {
        name: "The maintainers".to_owned(),
        email: format!("{name}@mail.example"),
        url: String::new(),
    })];
    metadata.dependencies = vec![Some(Dependency {
        name: "common".to_owned(),
        version: "2.x.x".to_owned(),
        repository: "oci://registry.example/charts".to_owned(),
        ..Dependency::default()
    })];
    entry
}

async fn timed(view: &View, what: &str, headers: &[(header::HeaderName, &str)]) -> f64 {
    let begun = Instant::now();
    let (parts, body) = ask(view, Method::GET, headers).await;
    let took = begun.elapsed().as_secs_f64() * 1000.0;
    println!("{what}: {took:.2} ms, {}, {} bytes", parts.status, body.len());
    took
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn fifty_thousand_charts() {
    let view = View::default();
    let begun = Instant::now();
    let mut slowest = 0.0_f64;
    let mut last = 0.0;
    for at in 0..50_000 {
        // 5,000 charts with ten versions each.
        let (name, version) = (format!("chart-{:04}", at % 5000), format!("1.{}.0", at / 5000));
        let put = Instant::now();
        let item = view.item("", usual(&name, &version), descriptor(&version), None);
        view.put("", tag(&name, &version), Arc::new(item));
        last = put.elapsed().as_secs_f64() * 1000.0;
        slowest = slowest.max(last);
    }
    let all = begun.elapsed().as_secs_f64();
    println!("50,000 put: {all:.2} s, the slowest {slowest:.3} ms, the last {last:.3} ms");
    timed(&view, "first index", &[]).await;
    timed(&view, "again", &[]).await;
    for coding in ["gzip", "zstd"] {
        let accept = [(header::ACCEPT_ENCODING, coding)];
        timed(&view, &format!("first {coding}"), &accept).await;
        timed(&view, &format!("{coding} again"), &accept).await;
    }
    put(&view, "", "chart-2500", "2.0.0");
    timed(&view, "index after a push", &[]).await;
    put(&view, "", "chart-2500", "2.0.1");
    timed(&view, "gzip after a push", &[(header::ACCEPT_ENCODING, "gzip")]).await;
    put(&view, "", "chart-2500", "2.0.2");
    timed(&view, "zstd after a push", &[(header::ACCEPT_ENCODING, "zstd")]).await;
    let known = etag(&ask(&view, Method::HEAD, &[]).await.0);
    let begun = Instant::now();
    for _ in 0..1000 {
        let (parts, _) = ask(&view, Method::GET, &[(header::IF_NONE_MATCH, known.as_str())]).await;
        assert_eq!(parts.status, StatusCode::NOT_MODIFIED);
    }
    let each = begun.elapsed().as_secs_f64();
    println!("304: {each:.4} ms each");
    assert!(each < 2.0, "304 must take less than 2 ms");
}
