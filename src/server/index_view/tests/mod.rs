//! Tests of the view from outside: its index contains exactly the added versions.

use super::*;
use crate::{chart::Metadata, digest::Digest, index::Index as Read, limits::Limits};
use http::{Method, Request, StatusCode, header, request::Parts};
use http_body_util::BodyExt;
use std::io::Read as _;

mod follower;
mod scale;

fn descriptor(text: &str) -> Descriptor {
    Descriptor::of("application/octet-stream", text.as_bytes())
}

fn entry(name: &str, version: &str, created: &str) -> Entry {
    Entry {
        metadata: Metadata {
            name: name.to_owned(),
            version: version.to_owned(),
            api_version: "v2".to_owned(),
            ..Metadata::default()
        },
        created: created.to_owned(),
        ..Entry::default()
    }
}

fn tag(repository: &str, tag: &str) -> Origin {
    Origin::Tag {
        repository: repository.parse().expect("repository"),
        tag: tag.parse().expect("tag"),
        manifest: Digest::sha256(tag.as_bytes()),
    }
}

/// Adds a version with a tag of its own, and returns both.
fn put(view: &View, namespace: &str, name: &str, version: &str) -> (Origin, Arc<Item>) {
    let created = format!("2024-01-{:02}T00:00:00Z", version.len() + 1);
    let item = view.item(namespace, entry(name, version, &created), descriptor(version), None);
    let path = if namespace.is_empty() { name.to_owned() } else { format!("{namespace}/{name}") };
    let (origin, item) = (tag(&path, &version.replace('+', "_")), Arc::new(item));
    view.put(namespace, origin.clone(), Arc::clone(&item));
    (origin, item)
}

fn head(method: Method, headers: &[(header::HeaderName, &str)]) -> Parts {
    let mut request = Request::new(());
    *request.method_mut() = method;
    for (name, value) in headers {
        request.headers_mut().insert(name, value.parse().expect("value"));
    }
    request.into_parts().0
}

async fn ask(
    view: &View,
    method: Method,
    headers: &[(header::HeaderName, &str)],
) -> (http::response::Parts, Vec<u8>) {
    let (parts, body) = respond(view, "", &head(method, headers)).await.into_parts();
    (parts, body.collect().await.expect("body").to_bytes().to_vec())
}

async fn text(view: &View) -> String {
    String::from_utf8(ask(view, Method::GET, &[]).await.1).expect("UTF-8")
}

fn etag(parts: &http::response::Parts) -> String {
    parts.headers[header::ETAG].to_str().expect("text").to_owned()
}

/// Decompresses consecutive frames of zstd.
fn frames(mut packed: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    while !packed.is_empty() {
        let mut decoder = ruzstd::decoding::StreamingDecoder::new(&mut packed).expect("a frame");
        decoder.read_to_end(&mut whole).expect("zstd");
    }
    whole
}

fn gunzip(packed: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    flate2::read::GzDecoder::new(packed).read_to_end(&mut whole).expect("gzip");
    whole
}

#[tokio::test]
async fn after_any_changes_every_coding_says_what_a_fresh_view_does() {
    for format in [Format::Yaml, Format::Json] {
        let new = || View::new(Settings { format, ..Settings::default() });
        let view = new();
        let mut there: Vec<(String, String)> = Vec::new();
        // The sequence of changes is the same in each run. The names suffice for several parts.
        let mut state = 7_u64;
        for step in 0..600 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let (name, version) =
                (format!("c{}", (state >> 33) % 200), format!("1.{}.0", (state >> 20) % 3));
            let at = there.iter().position(|one| *one == (name.clone(), version.clone()));
            match at {
                Some(at) if state >> 40 & 1 == 0 => {
                    view.remove("", &name, &version, &tag(&name, &version));
                    there.swap_remove(at);
                }
                Some(_) => {}
                None => {
                    put(&view, "", &name, &version);
                    there.push((name, version));
                }
            }
            if step % 40 != 39 {
                continue;
            }
            let fresh = new();
            for (name, version) in &there {
                put(&fresh, "", name, version);
            }
            let (parts, plain) = ask(&view, Method::GET, &[]).await;
            let (other, expected) = ask(&fresh, Method::GET, &[]).await;
            assert!(plain == expected, "step {step}");
            assert_eq!(etag(&parts), etag(&other));
            let packed = ask(&view, Method::GET, &[(header::ACCEPT_ENCODING, "gzip")]).await.1;
            assert!(gunzip(&packed) == plain, "step {step}");
            let packed = ask(&view, Method::GET, &[(header::ACCEPT_ENCODING, "zstd")]).await.1;
            assert!(frames(&packed) == plain, "step {step}");
            Read::read(plain.into(), "it", &Limits::default()).expect("an index");
        }
        assert!(there.len() > 100, "{}", there.len());
    }
}

#[tokio::test]
async fn an_index_is_what_helm_reads_in_helms_order() {
    let view = View::default();
    for (name, version) in
        [("b", "1.0.0"), ("a", "1.2.0"), ("a", "1.10.0"), ("a", "1.10.0+b"), ("null", "1.0.0")]
    {
        put(&view, "", name, version);
    }
    put(&view, "team", "c", "1.0.0");
    let text = text(&view).await;
    let index = Read::read(text.clone().into(), "it", &Limits::default()).expect(&text);
    let found: Vec<String> = index
        .charts()
        .flat_map(|chart| chart.versions().iter().map(|line| line.decode().expect("entry")))
        .map(|entry| format!("{} {}", entry.metadata.version, entry.urls.join(" ")))
        .collect();
    assert_eq!(
        found,
        [
            "1.10.0+b charts/a-1.10.0+b.tgz",
            "1.10.0 charts/a-1.10.0.tgz",
            "1.2.0 charts/a-1.2.0.tgz",
            "1.0.0 charts/b-1.0.0.tgz",
            "1.0.0 charts/null-1.0.0.tgz",
        ],
        "{text}"
    );
    assert!(text.contains("  \"null\":\n"), "{text}");
    assert!(text.ends_with("generated: \"2024-01-09T00:00:00Z\"\nserverInfo: {}\n"), "{text}");
    assert_eq!(view.namespaces(), ["".into(), "team".into()]);
    assert_eq!(view.counts(""), Counts { charts: 3, versions: 5 });
}

#[tokio::test]
async fn the_same_charts_give_the_same_index_whatever_happened_before() {
    let (one, other) = (View::default(), View::default());
    put(&one, "", "a", "1.0.0");
    put(&one, "", "b", "2.0.0");
    let (origin, _) = put(&other, "", "c", "1.0.0-long");
    put(&other, "", "b", "2.0.0");
    put(&other, "", "b", "2.0.0");
    put(&other, "", "a", "1.0.0");
    other.remove("", "c", "1.0.0-long", &origin);
    other.remove("", "c", "1.0.0-long", &origin);
    let (first, second) = (ask(&one, Method::GET, &[]).await, ask(&other, Method::GET, &[]).await);
    assert_eq!(etag(&first.0), etag(&second.0));
    assert_eq!(first.1, second.1);
}

#[tokio::test]
async fn conditions_codings_and_head_agree_with_the_plain_answer() {
    let view = View::default();
    put(&view, "", "a", "1.0.0");
    let (plain, body) = ask(&view, Method::GET, &[]).await;
    assert_eq!(plain.headers[header::CONTENT_TYPE], "application/x-yaml");
    let mut tags = vec![etag(&plain)];
    for coding in ["gzip", "zstd"] {
        let (parts, packed) = ask(&view, Method::GET, &[(header::ACCEPT_ENCODING, coding)]).await;
        assert_eq!(parts.headers[header::CONTENT_ENCODING], coding);
        assert_eq!(parts.headers[header::CONTENT_LENGTH], packed.len().to_string());
        let mut unpacked = Vec::new();
        if coding == "gzip" {
            flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut unpacked).expect("gzip");
        } else {
            unpacked = frames(&packed);
        }
        assert_eq!(unpacked, body, "{coding}");
        tags.push(etag(&parts));
    }
    for tag in &tags {
        let several = format!("\"x\", W/{tag}");
        let (parts, none) =
            ask(&view, Method::GET, &[(header::IF_NONE_MATCH, several.as_str())]).await;
        assert_eq!((parts.status, none.len()), (StatusCode::NOT_MODIFIED, 0), "{tag}");
        assert_eq!(etag(&parts), tags[0]);
    }
    tags.dedup();
    assert_eq!(tags.len(), 3, "other bytes need another tag");
    let (parts, none) = ask(&view, Method::HEAD, &[]).await;
    assert_eq!((parts.status, none.len()), (StatusCode::OK, 0));
    assert_eq!(parts.headers, plain.headers);
    put(&view, "", "a", "1.1.0");
    let (parts, _) = ask(&view, Method::GET, &[(header::IF_NONE_MATCH, tags[0].as_str())]).await;
    assert_eq!(parts.status, StatusCode::OK);
}

#[tokio::test]
async fn json_says_the_same_and_urls_may_be_absolute() {
    let view = View::new(Settings {
        chart_url: "https://charts.example/".to_owned(),
        context_path: "/below".to_owned(),
        format: Format::Json,
    });
    assert_eq!(
        text(&view).await,
        r#"{"apiVersion":"v1","generated":"1970-01-01T00:00:00Z","entries":{},"serverInfo":{"contextPath":"/below"}}"#
    );
    put(&view, "", "a", "1.0.0");
    let text = text(&view).await;
    let index = Read::read(text.clone().into(), "it", &Limits::default()).expect(&text);
    assert_eq!(index.context_path(), "/below");
    let line = index.find("a", "1.0.0").expect("found");
    assert_eq!(
        line.decode().expect("entry").urls,
        ["https://charts.example/below/charts/a-1.0.0.tgz"]
    );
    let item = view.item("team", entry("b", "1.0.0", ""), descriptor("b"), None);
    assert!(item.text.contains("https://charts.example/below/team/charts/b-1.0.0.tgz\""));
}

#[test]
fn several_tags_of_one_version_are_one_entry_and_its_own_tag_is_the_one_shown() {
    let view = View::default();
    let item =
        |text: &str| Arc::new(view.item("", entry("a", "1.0.0+b", ""), descriptor(text), None));
    let tags = ["latest", "v1.0.0_b", "1.0.0_b"].map(|name| tag("a", name));
    let elsewhere = tag("z/a-chart", "1.0.0_b");
    for origin in tags.iter().chain([&elsewhere]) {
        view.put("", origin.clone(), item(&format!("{origin:?}")));
    }
    assert_eq!(view.counts(""), Counts { charts: 1, versions: 1 });
    let shown = |view: &View| view.find("", "a", "1.0.0+b").map(|found| found.origin);
    let places: Vec<Origin> =
        view.origins("", "a", "1.0.0+b").into_iter().map(|found| found.origin).collect();
    let [latest, v, own] = tags;
    assert_eq!(places, [own.clone(), latest.clone(), v.clone(), elsewhere.clone()]);
    for (gone, next) in [(own, Some(&latest)), (latest.clone(), Some(&v))] {
        view.remove("", "a", "1.0.0+b", &gone);
        assert_eq!(shown(&view).as_ref(), next);
    }
    view.remove("", "a", "1.0.0+b", &v);
    view.remove("", "a", "1.0.0+b", &elsewhere);
    assert_eq!(view.namespaces(), Vec::<Box<str>>::new());
}

#[test]
fn files_are_found_by_their_names() {
    let view = View::default();
    let provenance = Some(descriptor("prov"));
    let item = view.item("team", entry("a-b", "1.0.0-rc-1", ""), descriptor("x"), provenance);
    view.put("team", Origin::Museum, Arc::new(item));
    put(&view, "team", "c", "1.0.0");
    for (name, file) in [
        ("a-b-1.0.0-rc-1.tgz", Some(FileKind::Archive)),
        ("a-b-1.0.0-rc-1.tgz.prov", Some(FileKind::Provenance)),
        ("a-b-1.0.0.tgz", None),
        ("a-b-1.0.0-rc-1.zip", None),
        ("c.tgz", None),
    ] {
        assert_eq!(view.file("team", name).map(|stored| stored.file), file, "{name}");
        assert!(view.file("", name).is_none());
    }
    let stored = view.file("team", "c-1.0.0.tgz.prov").expect("the version is there");
    assert!(stored.descriptor().is_none());
}
