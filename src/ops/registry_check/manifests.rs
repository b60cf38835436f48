//! Lists of referrers, conditional requests and tags of a manifest.

use super::{
    probe::{Found, Probe, differs, no, yes},
    row::{About, Row, Weight},
};
use crate::{
    Error, ErrorKind,
    oci::{Manifest, TagOrDigest},
    store::{Referrers as _, Resolve as _},
};
use futures_util::future::join_all;

const REFERRERS: About = About {
    check: "referrers",
    what: "the registry lists referrers itself",
    means: "the client keeps the lists under tags `sha256-…`, as the specification provides",
    remedy: Some("GHCR, GitLab and Docker's distribution have no such list; a newer version may"),
    weight: Weight::Comfort,
};
const ATTACH: About = About {
    check: "attach",
    what: "what is attached to a manifest is listed",
    means: "signatures and SBOMs cannot be found here",
    remedy: None,
    weight: Weight::Needed,
};
const MANY: About = About {
    check: "parallelReferrers",
    what: "10 referrers that arrive at once are all listed",
    means: "two signers at once may lose a signature here",
    remedy: Some("sign one after the other"),
    weight: Weight::Limit,
};
const FILTER: About = About {
    check: "referrersFilter",
    what: "lists of referrers are filtered by type",
    means: "the client filters lists itself",
    remedy: None,
    weight: Weight::Comfort,
};
const CONDITION: About = About {
    check: "conditionalPut",
    what: "a conditional PUT of a tag is judged",
    means: "two writers of one tag may overwrite each other; the client reads back and tries again",
    remedy: None,
    weight: Weight::Comfort,
};
const OCI_TAG: About = About {
    check: "ociTag",
    what: "one PUT sets several tags",
    means: "each tag is a request",
    remedy: None,
    weight: Weight::Comfort,
};

pub(super) async fn rows(probe: &Probe<'_>) -> Vec<Row> {
    let subject = match subject(probe).await {
        Ok(subject) => subject,
        Err(error) => return vec![ATTACH.row(Err(error))],
    };
    vec![
        REFERRERS.row(referrers(probe, &subject).await),
        ATTACH.row(attach(probe, &subject).await),
        MANY.row(many(probe, &subject).await),
        FILTER.row(filter(probe, &subject).await),
        CONDITION.row(conditional(probe).await),
        OCI_TAG.row(oci_tag(probe).await),
    ]
}

async fn subject(probe: &Probe<'_>) -> Result<Manifest, Error> {
    let subject = probe.artifact("subject", None).await?;
    probe.put(&subject, Some("subject")).await?;
    Ok(subject)
}

async fn referrers(probe: &Probe<'_>, subject: &Manifest) -> Found {
    match probe.repository.listed_referrers(subject.digest()).await? {
        Some(_) => yes(),
        None => no("the list of referrers does not exist"),
    }
}

async fn attach(probe: &Probe<'_>, subject: &Manifest) -> Found {
    let referrer = probe.artifact("one referrer", Some(subject)).await?;
    probe.put(&referrer, None).await?;
    let listed = probe.repository.referrers(subject.digest(), None).await?;
    match listed.iter().any(|one| one.digest == *referrer.digest()) {
        true => yes(),
        false => no("a pushed referrer is not listed"),
    }
}

async fn many(probe: &Probe<'_>, subject: &Manifest) -> Found {
    let mut all = Vec::new();
    for number in 0..10 {
        all.push(probe.artifact(&format!("referrer {number}"), Some(subject)).await?);
    }
    let pushed = join_all(all.iter().map(|referrer| probe.put(referrer, None))).await;
    pushed.into_iter().collect::<Result<(), Error>>()?;
    let listed = probe.repository.referrers(subject.digest(), None).await?;
    let found = all.iter().filter(|one| listed.iter().any(|item| item.digest == *one.digest()));
    match found.count() {
        10 => yes(),
        found => no(format!("{found} of 10 are listed")),
    }
}

async fn filter(probe: &Probe<'_>, subject: &Manifest) -> Found {
    let path = format!("referrers/{}?artifactType=application%2Fnone", subject.digest());
    let answer = probe.ask("GET", path, Vec::new(), "").await?;
    match (answer.status(), answer.header("oci-filters-applied")) {
        (200, Some(applied)) if applied.contains("artifactType") => yes(),
        (200, _) => no("the filter is not applied"),
        (status, _) => no(format!("the list answers {status}")),
    }
}

async fn conditional(probe: &Probe<'_>) -> Found {
    let (one, two) = (probe.artifact("one", None).await?, probe.artifact("two", None).await?);
    probe.put(&one, Some("conditional")).await?;
    probe.note(two.digest());
    let wrong = format!("\"{}\"", two.digest());
    let headers = vec![("content-type", two.media_type().to_owned()), ("if-match", wrong)];
    let answer = probe.ask("PUT", "manifests/conditional", headers, two.bytes().clone()).await?;
    match answer.status() {
        412 => {}
        200..=299 => return no("a PUT whose condition does not hold is accepted"),
        status => return differs(format!("it answers {status}")),
    }
    let headers =
        vec![("content-type", two.media_type().to_owned()), ("if-none-match", "*".to_owned())];
    let answer = probe.ask("PUT", "manifests/conditional", headers, two.bytes().clone()).await?;
    match answer.status() {
        412 => yes(),
        status => differs(format!("`If-None-Match` on a tag that exists answers {status}")),
    }
}

async fn oci_tag(probe: &Probe<'_>) -> Found {
    let manifest = probe.artifact("several tags", None).await?;
    probe.note(manifest.digest());
    let path = format!("manifests/{}?tag=first&tag=second", manifest.digest());
    let headers = vec![("content-type", manifest.media_type().to_owned())];
    let answer = probe.ask("PUT", path, headers, manifest.bytes().clone()).await?;
    if !(200..300).contains(&answer.status()) {
        return no(format!("it answers {}", answer.status()));
    }
    for tag in ["first", "second"] {
        match probe.repository.resolve(&TagOrDigest::Tag(tag.parse()?)).await {
            Ok(Some(found)) if found.digest == *manifest.digest() => {}
            Ok(_) => return no("the tags of the query are not set"),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return no("the tags of the query are not set");
            }
            Err(error) => return Err(error),
        }
    }
    match answer.header("oci-tag") {
        Some(_) => yes(),
        None => differs("the tags are set, and the answer does not say so"),
    }
}
