//! `copy` of many tags: those of a repository, or of every repository below a namespace.

use crate::cli::{
    Run,
    artifact::place::Place,
    shell::{
        exit::Exit,
        journal::JournalArgs,
        output::{self, Format},
        remote::RemoteArgs,
        side_flags::SideArgs,
    },
};
use crate::{
    Error, ErrorKind, Result,
    client::{Intent, Remote, Shown},
    oci::{Reference, RepositoryName},
    ops::{
        any_repository::AnyRepository,
        copy::{self as op, Side, TagsReport},
    },
    store::Catalog,
};
use serde_json::{Value, json};

/// A copy of many tags.
pub(super) struct Many<'a> {
    /// A repository, or the namespace above the repositories.
    pub(super) source: &'a str,
    pub(super) destination: &'a str,
    pub(super) choice: op::TagChoice,
    pub(super) options: &'a op::Options,
    pub(super) output: Format,
    pub(super) journal: &'a JournalArgs,
    pub(super) sides: &'a SideArgs,
    pub(super) remote: &'a RemoteArgs,
}

/// The sums over several repositories.
#[derive(Default)]
struct Totals {
    copied: usize,
    there: usize,
    failed: usize,
    lost: usize,
}

impl Many<'_> {
    /// Copies the tags of a repository.
    pub(super) fn repository(&self, run: &Run) -> Result<Exit> {
        let Self { source, destination, sides, remote, .. } = self;
        let (source, target) = Place::open_both(run, source, destination, sides, remote)?;
        for (place, text) in [(&source, self.source), (&target, self.destination)] {
            require_no_target(place, text)?;
        }
        let report = self.copy(run, &source, &target)?;
        run.block_on(target.finish())?;
        let mut totals = Totals::default();
        let (mut text, value) = tell(run, &report, "", &mut totals);
        text.push_str(&totals.text(self.options.dry_run));
        match self.output {
            Format::Text => output::print(text)?,
            format => output::print_value(format, &value)?,
        }
        totals.exit()
    }

    /// Copies every repository below a namespace of a registry, each to the same name below the
    /// destination.
    pub(super) fn namespace(&self, run: &Run) -> Result<Exit> {
        let below = self.destination.strip_suffix("/**").unwrap_or(self.destination);
        let (source, target) = Place::open_both(run, self.source, below, self.sides, self.remote)?;
        for (place, text) in [(&source, self.source), (&target, below)] {
            require_no_target(place, text)?;
        }
        let AnyRepository::Registry(root) = &source.repository else {
            return Err(Error::usage(format!("`{}` is no namespace of a registry", self.source)));
        };
        let remote = Remote::new(
            root.client().clone(),
            root.registry().clone(),
            Some(root.name().clone()),
            Shown::All,
        );
        let names = run.block_on(remote.repositories())?;
        if names.is_empty() {
            let message = format!("there is no repository below `{}`", self.source);
            return Err(Error::not_found(message)
                .with_hint("a repository itself is copied with `--all-tags`, without `/**`"));
        }
        let mut totals = Totals::default();
        let (mut text, mut values) = (String::new(), Vec::new());
        for name in &names {
            let repository = AnyRepository::Registry(remote.repository(name)?);
            let from = source.below(repository, format!("{}/{name}", source.name));
            let to = below_target(&target, name)?;
            match self.copy(run, &from, &to) {
                Ok(report) => {
                    let (lines, mut value) = tell(run, &report, &format!("{name}:"), &mut totals);
                    text.push_str(&lines);
                    value["repository"] = name.as_str().into();
                    values.push(value);
                }
                Err(error) => {
                    totals.failed += 1;
                    run.talk.warn(&format!("{name} was not copied: {}", error.chain()));
                }
            }
        }
        run.block_on(target.finish())?;
        text.push_str(&totals.text(self.options.dry_run));
        match self.output {
            Format::Text => output::print(text)?,
            format => output::print_value(format, &json!({ "repositories": values }))?,
        }
        totals.exit()
    }

    fn copy(&self, run: &Run, source: &Place, target: &Place) -> Result<TagsReport> {
        let from = Side { repository: &source.repository, name: &source.name };
        let to = Side { repository: &target.repository, name: &target.name };
        let report = run.block_on(op::copy_tags(from, to, &self.choice, self.options, &|_| ()))?;
        let moved = report.copied.iter().flat_map(|(_, copied)| &copied.moved);
        let lost = moved.map(|moved| (target.name.as_str(), moved.tag.as_str(), &moved.from));
        self.journal.note(run, "copy", lost);
        Ok(report)
    }
}

fn require_no_target(place: &Place, text: &str) -> Result<()> {
    if place.tags.is_empty() && place.digest.is_none() {
        return Ok(());
    }
    Err(Error::usage(format!("`{text}` names a tag or digest"))
        .with_hint("all tags are copied: name a repository, `HOST/NS/NAME`"))
}

/// Returns the place of a repository below the destination.
fn below_target(target: &Place, name: &RepositoryName) -> Result<Place> {
    let shown = format!("{}/{name}", target.name);
    let repository = match &target.repository {
        AnyRepository::Registry(root) => {
            let reference: Reference = shown.parse()?;
            let repository = root.client().repository(&reference.registry, &reference.repository);
            AnyRepository::Registry(repository.with_intent(Intent::Writing))
        }
        AnyRepository::Layout(layout) => AnyRepository::Layout(Box::new(layout.repository(name))),
        AnyRepository::Disk(_) => return Err(Error::usage("the destination is no registry")),
    };
    Ok(target.below(repository, shown))
}

/// Prints the warnings of one repository, and returns its lines and fields.
fn tell(run: &Run, report: &TagsReport, prefix: &str, totals: &mut Totals) -> (String, Value) {
    let mut text = String::new();
    let mut values = Vec::new();
    for (tag, copied) in &report.copied {
        for warning in &copied.warnings {
            run.talk.warn(&format!("{prefix}{tag}: {warning}"));
        }
        totals.lost += copied.lost.len();
        text.push_str(&format!("{prefix}{tag} {}\n", copied.digest));
        for what in &copied.lost {
            run.talk.warn(&format!("{prefix}{tag}: the destination lacks {what}"));
        }
        let mut value = json!(copied);
        value["tag"] = tag.as_str().into();
        values.push(value);
    }
    for (tag, error) in &report.failed {
        run.talk.warn(&format!("{prefix}{tag} was not copied: {}", error.chain()));
    }
    totals.copied += report.copied.len();
    totals.there += report.there;
    totals.failed += report.failed.len();
    let value = json!({ "copied": values, "there": report.there, "failed": report.failed.len() });
    (text, value)
}

impl Totals {
    fn text(&self, dry_run: bool) -> String {
        let verb = if dry_run { "to copy" } else { "copied" };
        let Self { copied, there, failed, .. } = self;
        format!("{copied} tags {verb}, {there} there by their digests, {failed} failed\n")
    }

    fn exit(&self) -> Result<Exit> {
        match (self.failed + self.lost, self.copied + self.there) {
            (0, _) => Ok(Exit::Ok),
            (_, 0) => Err(Error::invalid("no tag was copied")),
            _ => Err(Error::new(ErrorKind::Partial, "some tags were not copied whole")),
        }
    }
}
