//! Public functions that are given nonsense: each returns a value or an error of its kind, and
//! never panics. Texts are random, and mutations of valid ones, which reach further.

use chartferry::{
    ErrorKind,
    archive::{Keep, read},
    chart::overrides::{self, Typing},
    constraint::Constraint,
    digest::Digest,
    index::Index,
    limits::Limits,
    oci::{Manifest, Reference, RepositoryName, Tag},
    template::Template,
    version::Version,
    yaml::{self, Duplicates},
};
use proptest::prelude::*;

/// Returns a random text, or one of `seeds` with a part replaced by random characters.
fn text(seeds: &'static [&'static str]) -> impl Strategy<Value = String> {
    let mutated = (proptest::sample::select(seeds), any::<(usize, usize)>(), ".{0,6}").prop_map(
        |(seed, (start, length), new)| {
            let characters: Vec<char> = seed.chars().collect();
            let start = start % (characters.len() + 1);
            let end = (start + length % 8).min(characters.len());
            let (head, tail) = (&characters[..start], &characters[end..]);
            head.iter().collect::<String>() + &new + &tail.iter().collect::<String>()
        },
    );
    prop_oneof![".{0,40}", mutated]
}

proptest! {
    #[test]
    fn references(text in text(&["oci://localhost:5000/ns/demo:1.0.0", "r.example/a/b@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"])) {
        if let Ok(reference) = text.parse::<Reference>() {
            let again: Reference = reference.to_string().parse().expect("its own text");
            prop_assert_eq!(again, reference);
        }
        if let Ok(name) = text.parse::<RepositoryName>() {
            prop_assert_eq!(name.as_str(), &text);
        }
        if let Ok(tag) = text.parse::<Tag>() {
            prop_assert_eq!(tag.as_str(), &text);
            let _ = tag.version();
        }
        if let Ok(tag) = Tag::from_version(&text) {
            prop_assert!(tag.as_str().len() == text.len() && !tag.as_str().contains('+'));
        }
    }

    #[test]
    fn digests(text in text(&["sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"])) {
        if let Ok(digest) = text.parse::<Digest>() {
            prop_assert_eq!(digest.as_str(), &text);
            prop_assert_eq!(digest.hex().len(), 64);
        }
    }

    #[test]
    fn versions_and_ranges(one in text(&["1.2.3-rc.1+b.2", "v1.2", "01.2.3"]), range in text(&["^1.2 || ~3.0 - 4", ">=1.0.0-0, <2.x", "1.2.3 - 2.3.4"])) {
        let strict = Version::parse_strict(&one);
        let loose = Version::parse_loose(&one);
        prop_assert!(strict.is_err() || loose.is_ok(), "what is strict is loose too");
        if let (Ok(range), Ok(version)) = (Constraint::parse(&range), loose) {
            let _ = range.matches(&version);
        }
    }

    #[test]
    fn yaml_documents(text in text(&["a: [1, {b: 'c'}]\n? d\n: &x e\nf: *x\n", "a: |-\n  b\n  c\n", "<<: {a: 1}\n"])) {
        let limits = Limits::default();
        if let Ok(value) = yaml::parse(text.as_bytes(), Duplicates::Error, &limits) {
            let written = yaml::emit(&value);
            if value.require_json().is_ok() {
                let again = yaml::parse(written.as_bytes(), Duplicates::Error, &limits);
                prop_assert!(again.is_ok(), "{text:?} became {written:?}");
            }
        }
    }

    #[test]
    fn json_manifests(text in text(&[r#"{"schemaVersion":2,"config":{"mediaType":"a/b","digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","size":2},"layers":[]}"#])) {
        match Manifest::parse(text.clone().into(), None) {
            Ok(manifest) => prop_assert!(manifest.digest().matches(text.as_bytes())),
            Err(error) => prop_assert!(matches!(error.kind(), ErrorKind::Invalid | ErrorKind::Protocol | ErrorKind::Limit), "{:?}", error.kind()),
        }
    }

    #[test]
    fn indexes(text in text(&["apiVersion: v1\nentries:\n  demo:\n  - name: demo\n    version: 1.0.0\n    urls: [demo-1.0.0.tgz]\n"])) {
        if let Ok(index) = Index::read(text.into(), "index.yaml", &Limits::default()) {
            for chart in index.charts() {
                prop_assert!(!chart.versions().is_empty() || !index.dropped(chart.name()).is_empty());
            }
        }
    }

    #[test]
    fn templates(text in text(&["{{lower name}}-{{replace version \"+\" \"_\"}}.tgz", "{{#if a}}{{b}}{{/if}}"])) {
        match Template::parse(&text) {
            Ok(template) => drop(template.render(&serde_json::json!({ "name": "Demo", "version": "1" }))),
            Err(error) => prop_assert_eq!(error.kind(), ErrorKind::Usage),
        }
    }

    #[test]
    fn overrides_of_values(text in text(&["a.b[0].c={x,y},d=1", "a\\.b=c\\,d"])) {
        let mut values = serde_json::Map::new();
        for typing in [Typing::Guess, Typing::Text] {
            let _ = overrides::set(&mut values, &text, typing);
        }
    }

    #[test]
    fn archives(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(read::read(&*bytes, Keep::Everything, &Limits::default()).is_err());
    }
}
