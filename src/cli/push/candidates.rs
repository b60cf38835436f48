//! The charts on this machine that match the old `push REF`.

use super::From;
use crate::{
    Error, ErrorKind, Result,
    archive::{self, Keep},
    cli::{Run, push, shell::links::LinkArgs},
    limits::Limits,
    oci::{Reference, Tag, TagOrDigest},
    ops::{
        push::{Outgoing, prepare},
        saved::SavedReference,
    },
};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// A chart that matches `push REF`.
pub(crate) struct Candidate {
    from: From,
    pub(crate) described: String,
    pub(crate) chart: Outgoing,
}

pub(crate) async fn candidates(
    run: &Run,
    reference: &Reference,
    chart: Option<&Path>,
    from: Option<From>,
    links: LinkArgs,
    limits: &Limits,
) -> Result<Vec<Candidate>> {
    let of = |path: &Path, from: From| -> Result<Candidate> {
        let chart = push::prepare(run, path, links, limits)?;
        let kind = if path.is_dir() { "source" } else { "archive" };
        Ok(Candidate { from, described: format!("the {kind} `{}`", path.display()), chart })
    };
    if let Some(path) = chart {
        let kind = if path.is_dir() { From::Dir } else { From::Archive };
        return Ok(vec![of(path, kind)?]);
    }
    let looks_in = |place: From| from.is_none_or(|from| from == place);
    let mut all = Vec::new();
    if looks_in(From::Store)
        && let Some(tag) = &reference.tag
    {
        let saved: SavedReference = reference.to_string().parse()?;
        if let Some(repository) = run.saved().read(&saved)? {
            match prepare::from_store(&repository, &TagOrDigest::Tag(tag.clone()), limits).await {
                Ok(chart) => all.push(Candidate {
                    from: From::Store,
                    described: format!("the saved chart {saved}"),
                    chart,
                }),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
    let name = reference.repository.last_segment();
    if looks_in(From::Archive)
        && let Some(path) = archive_here(name, reference.tag.as_ref(), limits)?
    {
        all.push(of(&path, From::Archive)?);
    }
    if looks_in(From::Dir) {
        for path in
            [PathBuf::from("."), Path::new(".").join(name), Path::new("./charts").join(name)]
        {
            if path.join("Chart.yaml").is_file()
                && source_name(&path, limits).is_some_and(|found| found == name)
            {
                all.push(of(&path, From::Dir)?);
            }
        }
    }
    Ok(all)
}

/// Returns a source's own name. An unreadable source is not a candidate, unless the user names it.
fn source_name(path: &Path, limits: &Limits) -> Option<String> {
    let outside = archive::dir::Outside::Skip;
    let chart = archive::dir::load_with(path, Keep::Nothing, outside, limits).ok()?;
    Some(chart.metadata.name)
}

/// Returns the archive in this folder whose chart is `name`: the one with the tag's version, or the
/// only one.
fn archive_here(name: &str, tag: Option<&Tag>, limits: &Limits) -> Result<Option<PathBuf>> {
    let here = Path::new(".");
    let entries = fs::read_dir(here).map_err(|error| Error::io("list folder", here, error))?;
    let mut found: Vec<(PathBuf, String)> = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| Error::io("list folder", here, error))?;
        let file = entry.file_name();
        let Some(text) = file.to_str() else { continue };
        if !text.starts_with(name) || !text.ends_with(".tgz") {
            continue;
        }
        let path = PathBuf::from(text);
        if let Ok(chart) = archive::read::open(&path, Keep::Nothing, limits)
            && chart.metadata.name == name
        {
            found.push((path, chart.metadata.version));
        }
    }
    let by_tag = |(_, version): &&(PathBuf, String)| {
        tag.is_some_and(|tag| Tag::from_version(version).is_ok_and(|version| version == *tag))
    };
    if let Some((path, _)) = found.iter().find(by_tag) {
        return Ok(Some(path.clone()));
    }
    match &found[..] {
        [(path, _)] => Ok(Some(path.clone())),
        _ => Ok(None),
    }
}

/// Returns the only candidate, or the first of several with the same files.
pub(crate) fn choose(
    reference: &Reference,
    all: Vec<Candidate>,
    limits: &Limits,
) -> Result<Candidate> {
    let name = reference.repository.last_segment();
    let mut digests = Vec::new();
    if all.len() > 1 {
        for candidate in &all {
            digests.push(archive::read::content_digest(candidate.chart.archive.reader()?, limits)?);
        }
    }
    if digests.windows(2).any(|pair| pair[0] != pair[1]) {
        let list: Vec<String> = all
            .iter()
            .map(|one| {
                format!(
                    "{} ({}, version {})",
                    one.described, one.chart.content.digest, one.chart.metadata.version
                )
            })
            .collect();
        let ways: Vec<&str> = all.iter().map(|one| one.from.flag()).collect();
        return Err(Error::usage(format!(
            "{reference} could mean {}, and their files differ",
            list.join("; or ")
        ))
        .with_hint(format!("choose with `--from {}` or `--chart PATH`", ways.join("|"))));
    }
    all.into_iter().next().ok_or_else(|| {
        Error::not_found(format!("Chart not found: {reference}")).with_hint(format!(
            "looked for a saved chart of that reference, an archive `{name}-*.tgz` here, and a source in `.`, `./{name}` and \
             `./charts/{name}`; name one with `--chart PATH`"
        ))
    })
}

impl From {
    fn flag(self) -> &'static str {
        match self {
            Self::Store => "store",
            Self::Archive => "archive",
            Self::Dir => "dir",
        }
    }
}
