//! Lists of tags.

use super::{
    probe::{Found, Probe, differs, no, yes},
    row::{About, Row, Weight},
};
use crate::{
    oci::{Tag, TagOrDigest},
    store::{Resolve as _, Tags as _},
};

const RETAG: About = About {
    check: "retag",
    what: "a tag moves to another manifest",
    means: "tags such as `stable` cannot move here",
    remedy: Some("turn off the immutability of tags for this repository"),
    weight: Weight::Limit,
};
const PAGES: About = About {
    check: "tagPages",
    what: "lists of tags come in pages",
    means: "a list comes whole, however long it is",
    remedy: None,
    weight: Weight::Comfort,
};
const ORDER: About = About {
    check: "tagOrder",
    what: "lists of tags are sorted",
    means: "the client reads the whole list to find signatures",
    remedy: None,
    weight: Weight::Comfort,
};

pub(super) async fn rows(probe: &Probe<'_>) -> Vec<Row> {
    vec![
        RETAG.row(retag(probe).await),
        PAGES.row(pages(probe).await),
        ORDER.row(order(probe).await),
    ]
}

async fn retag(probe: &Probe<'_>) -> Found {
    let (one, two) = (probe.artifact("before", None).await?, probe.artifact("after", None).await?);
    probe.put(&one, Some("moving")).await?;
    probe.put(&two, Some("moving")).await?;
    let found = probe.repository.resolve(&TagOrDigest::Tag("moving".parse()?)).await?;
    match found.is_some_and(|found| found.digest == *two.digest()) {
        true => yes(),
        false => no("the tag still refers to the first manifest"),
    }
}

async fn pages(probe: &Probe<'_>) -> Found {
    let answer = probe.ask("GET", "tags/list?n=2", Vec::new(), "").await?;
    if answer.status() != 200 {
        return no(format!("it answers {}", answer.status()));
    }
    let list: serde_json::Value = serde_json::from_slice(answer.body()).unwrap_or_default();
    let count = list["tags"].as_array().map_or(0, Vec::len);
    match (count, answer.header("link")) {
        (2, Some(_)) => yes(),
        (2, None) => differs("a page of two names no next page"),
        (count, _) => no(format!("a page of 2 has {count} tags")),
    }
}

async fn order(probe: &Probe<'_>) -> Found {
    let tags: Vec<Tag> = probe.repository.tags().await?;
    if tags.is_sorted_by(|a, b| a.as_str() <= b.as_str()) {
        return yes();
    }
    let lower = |tag: &Tag| tag.as_str().to_ascii_lowercase();
    match tags.is_sorted_by(|a, b| lower(a) <= lower(b)) {
        true => differs("capitals and small letters are sorted as one"),
        false => no("the list is in another order"),
    }
}
