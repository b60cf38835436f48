//! The file `mirror.yaml`, which describes a whole mirror. Its schema is in `docs/mirror.md`;
//! unknown keys are refused. Texts may name variables of the environment. They are expanded after
//! the YAML is parsed, so no value becomes syntax.

use super::schema;
use crate::{
    Error, ErrorKind, Result,
    error::Context,
    limits::Limits,
    mirror::{
        finish::prune::Guard,
        run::{Alias, Belongings, OnConflict, OnMismatch, Trust},
        select::{Class, Needs, Pattern, Rule, Selection},
        source::Tags,
    },
    yaml::{self, Duplicates},
};
use jiff::Timestamp;
use serde::Deserialize;
use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    time::Duration,
};

/// The file as it is written.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Document {
    pub(super) sources: Vec<SourceEntry>,
    pub(super) destination: DestinationEntry,
    #[serde(default)]
    pub(super) with_dependencies: bool,
    /// Leave out provenance files.
    #[serde(default)]
    pub(super) no_prov: bool,
    #[serde(default)]
    pub(super) on_digest_mismatch: Option<String>,
    #[serde(default)]
    pub(super) on_conflict: Option<String>,
    #[serde(default)]
    pub(super) prune: Option<PruneEntry>,
    #[serde(default)]
    pub(super) state: StateEntry,
    #[serde(default)]
    look_every: Option<String>,
    #[serde(default)]
    pub(super) trust_tags: bool,
    #[serde(default)]
    pub(super) charts_only: bool,
    #[serde(default)]
    pub(super) concurrency: Option<usize>,
    #[serde(default)]
    pub(super) rate: Option<f64>,
    #[serde(default)]
    pub(super) hosts: Vec<HostEntry>,
    #[serde(default)]
    pub(super) metrics_file: Option<PathBuf>,
    pub(super) report_file: Option<PathBuf>,
}

/// A source.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct SourceEntry {
    pub(super) url: String,
    #[serde(default)]
    pub(super) name: Option<String>,
    /// The repositories of a registry that does not list its own.
    #[serde(default)]
    pub(super) repositories: Vec<String>,
    #[serde(default)]
    pub(super) immutable_tags: bool,
    #[serde(default)]
    charts: Vec<ChartEntry>,
    #[serde(default)]
    exclude: Vec<String>,
    #[serde(default)]
    versions: Option<String>,
    #[serde(default)]
    latest: Option<usize>,
    #[serde(default)]
    since: Option<String>,
    #[serde(default)]
    min_age: Option<String>,
    #[serde(default)]
    skip_deprecated: bool,
    #[serde(default)]
    skip_prerelease: bool,
}

/// A chart: `PATTERN[@RANGE]`, or an object with more keys.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum ChartEntry {
    Text(String),
    Rule(RuleEntry),
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RuleEntry {
    name: String,
    #[serde(default)]
    versions: Option<String>,
    #[serde(default)]
    latest: Option<usize>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct DestinationEntry {
    pub(super) url: String,
    #[serde(default)]
    pub(super) template: Option<String>,
    #[serde(default)]
    pub(super) alias_without_v: bool,
    #[serde(default)]
    pub(super) rewrite_dependencies: bool,
    /// The rules, each as `OLD-URL=NEW-URL`.
    #[serde(default)]
    pub(super) dependency_urls: Vec<String>,
    #[serde(default)]
    pub(super) artifacthub: Option<PathBuf>,
    #[serde(default)]
    pub(super) create_repository_command: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct PruneEntry {
    #[serde(default)]
    max_delete: Option<serde_json::Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct StateEntry {
    #[serde(default)]
    pub(super) file: Option<PathBuf>,
    #[serde(default, rename = "ref")]
    pub(super) reference: Option<String>,
}

/// The settings of one host. The file itself never has secrets.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct HostEntry {
    pub(super) host: String,
    #[serde(default)]
    pub(super) username: Option<String>,
    #[serde(default)]
    pub(super) password_env: Option<String>,
    #[serde(default)]
    pub(super) password_file: Option<PathBuf>,
    #[serde(default)]
    pub(super) ca_file: Option<PathBuf>,
    #[serde(default)]
    pub(super) plain_http: bool,
    #[serde(default)]
    pub(super) concurrency: Option<usize>,
    #[serde(default)]
    pub(super) rate: Option<f64>,
}

/// The path that means standard input.
pub(super) const STDIN: &str = "-";

/// The key whose variables the shell expands itself.
const FOR_A_SHELL: &str = "createRepositoryCommand";

/// Returns the value of an environment variable, if it is set.
pub(super) type Variable<'a> = &'a dyn Fn(&str) -> Option<String>;

impl Document {
    pub(super) fn read(path: &Path, variable: Variable<'_>) -> Result<Self> {
        let limits = Limits::default();
        let mut bytes = Vec::new();
        let most = limits.chart_document_bytes + 1;
        let read = match path.as_os_str() == STDIN {
            true => std::io::stdin().lock().take(most).read_to_end(&mut bytes),
            false => File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes)),
        };
        read.map_err(|error| Error::input("read", path, error))?;
        if bytes.len() as u64 > limits.chart_document_bytes {
            let most = limits.chart_document_bytes;
            return Err(Error::new(
                ErrorKind::Limit,
                format!("`{}` has more than {most} bytes", path.display()),
            ));
        }
        Self::parse(&bytes, variable, &limits).map_err(|error| {
            Error::usage(format!("`{}` describes no mirror", path.display()))
                .with_source(error)
                .with_hint("`chartferry mirror --help` ends with an example of such a file")
        })
    }

    /// Returns the maximum age of a look at the destination, if the file sets one.
    pub(super) fn look_every(&self) -> Result<Option<Duration>> {
        self.look_every.as_deref().map(age).transpose().context(|| "`lookEvery`".to_owned())
    }

    fn parse(bytes: &[u8], variable: Variable<'_>, limits: &Limits) -> Result<Self> {
        let value = yaml::parse(bytes, Duplicates::Error, limits)?;
        let mut value = json(value);
        fill(&mut value, "", variable)?;
        schema::check(&value)?;
        let document: Self =
            serde_json::from_value(value).map_err(|error| Error::usage(error.to_string()))?;
        if document.sources.is_empty() {
            return Err(Error::usage("it names no source"));
        }
        Ok(document)
    }
}

fn json(value: yaml::Value) -> serde_json::Value {
    use serde_json::Value as Json;
    match value {
        yaml::Value::Null => Json::Null,
        yaml::Value::Bool(value) => Json::Bool(value),
        yaml::Value::Int(value) => i64::try_from(value).map_or(Json::Null, Json::from),
        yaml::Value::Float(value) => Json::from(value),
        yaml::Value::String(text) => Json::String(text),
        yaml::Value::Seq(values) => Json::Array(values.into_iter().map(json).collect()),
        yaml::Value::Map(entries) => {
            // A key without a value counts as missing.
            let entries = entries.into_iter().filter(|(_, value)| *value != yaml::Value::Null);
            Json::Object(entries.map(|(key, value)| (key, json(value))).collect())
        }
    }
}

/// Replaces variables in every text of a value, except in a command.
fn fill(value: &mut serde_json::Value, path: &str, variable: Variable<'_>) -> Result<()> {
    use serde_json::Value as Json;
    match value {
        Json::String(text) => *text = filled(text, path, variable)?,
        Json::Array(values) => {
            for (at, value) in values.iter_mut().enumerate() {
                fill(value, &format!("{path}[{at}]"), variable)?;
            }
        }
        Json::Object(entries) => {
            for (key, value) in entries.iter_mut().filter(|(key, _)| *key != FOR_A_SHELL) {
                let below = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                fill(value, &below, variable)?;
            }
        }
        _ => {}
    }
    Ok(())
}

/// Replaces each `${NAME}` in a text by its value; `$${` is a plain `${`.
fn filled(text: &str, path: &str, variable: Variable<'_>) -> Result<String> {
    let mut done = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, from) = rest.split_at(at);
        rest = &from[2..];
        if let Some(before) = before.strip_suffix('$') {
            done.push_str(before);
            done.push_str("${");
            continue;
        }
        done.push_str(before);
        let name = rest.split_once('}').map(|(name, _)| name).filter(|name| {
            let mut bytes = name.bytes();
            bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
                && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        });
        let Some(name) = name else {
            return Err(Error::usage(format!("`{path}` has a `${{` that names no variable"))
                .with_hint("write `${NAME}`, or `$${` for a plain `${`"));
        };
        let Some(value) = variable(name) else {
            return Err(Error::usage(format!(
                "`{path}` names the variable `{name}`, which is not set"
            )));
        };
        done.push_str(&value);
        rest = &rest[name.len() + 1..];
    }
    done.push_str(rest);
    Ok(done)
}

impl SourceEntry {
    /// Returns the selection for source number `number` of the file.
    pub(super) fn selection(&self, number: usize) -> Result<Selection> {
        let key = |key: &str| format!("`sources[{number}].{key}`");
        let mut rules = Vec::new();
        for (at, chart) in self.charts.iter().enumerate() {
            let rule = match chart {
                ChartEntry::Text(text) => text.parse(),
                ChartEntry::Rule(entry) => entry.rule(),
            };
            rules.push(rule.context(|| key(&format!("charts[{at}]")))?);
        }
        let exclude =
            self.exclude.iter().enumerate().map(|(at, text)| {
                text.parse::<Pattern>().context(|| key(&format!("exclude[{at}]")))
            });
        let versions = self.versions.as_deref().map(range).transpose();
        let since = self.since.as_deref().map(since).transpose();
        let min_age = self.min_age.as_deref().map(age).transpose();
        Ok(Selection {
            rules,
            exclude: exclude.collect::<Result<_>>()?,
            versions: versions.context(|| key("versions"))?,
            latest: self.latest,
            since: since.context(|| key("since"))?,
            min_age: min_age.context(|| key("minAge"))?,
            deprecated: class(self.skip_deprecated),
            prereleases: class(self.skip_prerelease),
            needs: Needs::default(),
        })
    }
}

impl RuleEntry {
    fn rule(&self) -> Result<Rule> {
        Ok(Rule {
            name: self.name.parse()?,
            versions: self.versions.as_deref().map(range).transpose()?,
            latest: self.latest,
        })
    }
}

impl PruneEntry {
    pub(super) fn guard(&self) -> Result<Guard> {
        match &self.max_delete {
            None => Ok(Guard::default()),
            Some(serde_json::Value::String(text)) => text.parse(),
            Some(value) => value.to_string().parse(),
        }
    }
}

pub(super) fn class(skip: bool) -> Class {
    if skip { Class::Skip } else { Class::Take }
}

pub(super) fn needs(follow: bool) -> Needs {
    if follow { Needs::Follow } else { Needs::Leave }
}

pub(super) fn tags(immutable: bool) -> Tags {
    if immutable { Tags::Immutable } else { Tags::Movable }
}

pub(super) fn belongings(charts_only: bool) -> Belongings {
    if charts_only { Belongings::LeaveBehind } else { Belongings::Carry }
}

pub(super) fn trust(tags: bool) -> Trust {
    if tags { Trust::Tags } else { Trust::Nothing }
}

pub(super) fn alias(without_v: bool) -> Alias {
    if without_v { Alias::WithoutV } else { Alias::None }
}

pub(super) fn range(text: &str) -> Result<crate::constraint::Constraint> {
    text.parse().map_err(|error: crate::constraint::ParseConstraintError| {
        Error::usage(format!("`{text}` is not a range of versions")).with_source(error)
    })
}

/// Parses a time, or a day in UTC.
pub(super) fn since(text: &str) -> Result<Timestamp> {
    let day = || format!("{text}T00:00:00Z").parse::<Timestamp>();
    text.parse().or_else(|_| day()).map_err(|error| {
        Error::usage(format!("`{text}` is not a date"))
            .with_source(error)
            .with_hint("write `2026-01-31`, or `2026-01-31T12:00:00Z`")
    })
}

/// Parses `7d`, `36h`, `90m`, `30s`.
pub(super) fn age(text: &str) -> Result<Duration> {
    let unit = |c: char| match c {
        'd' => Some(86_400),
        'h' => Some(3600),
        'm' => Some(60),
        's' => Some(1),
        _ => None,
    };
    let parsed = text
        .chars()
        .last()
        .and_then(unit)
        .and_then(|seconds| text[..text.len() - 1].parse::<u64>().ok()?.checked_mul(seconds));
    parsed.map(Duration::from_secs).ok_or_else(|| {
        Error::usage(format!("`{text}` is not an age"))
            .with_hint("write `7d`, `36h`, `90m` or `30s`")
    })
}

pub(super) fn mismatch(text: &str) -> Result<OnMismatch> {
    Ok(match text {
        "fail" => OnMismatch::Fail,
        "warn" => OnMismatch::Warn,
        "accept" => OnMismatch::Accept,
        _ => {
            return Err(Error::usage(format!(
                "onDigestMismatch `{text}` is not fail, warn or accept"
            )));
        }
    })
}

pub(super) fn conflict(text: &str) -> Result<OnConflict> {
    Ok(match text {
        "fail" => OnConflict::Fail,
        "skip" => OnConflict::Skip,
        "overwrite" => OnConflict::Overwrite,
        _ => {
            return Err(Error::usage(format!(
                "onConflict `{text}` is not fail, skip or overwrite"
            )));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Document> {
        let variable = |name: &str| (name == "REGISTRY").then(|| "r.example:5000".to_owned());
        Document::parse(text.as_bytes(), &variable, &Limits::default())
    }

    #[test]
    fn texts_name_variables_and_no_value_becomes_syntax() {
        let document = parse(
            "sources: [{url: 'https://a.example/$${x}$', name: '${REGISTRY}'}]\n\
             destination: {url: 'oci://${REGISTRY}/x', createRepositoryCommand: 'make ${REPOSITORY}'}\n",
        )
        .expect("document");
        assert_eq!(document.sources[0].url, "https://a.example/${x}$");
        assert_eq!(document.sources[0].name.as_deref(), Some("r.example:5000"));
        assert_eq!(document.destination.url, "oci://r.example:5000/x");
        let command = document.destination.create_repository_command;
        assert_eq!(command.as_deref(), Some("make ${REPOSITORY}"));
        for (url, part) in [
            ("${NOT_SET}", "`destination.url` names the variable `NOT_SET`, which is not set"),
            ("${a-b}", "`destination.url` has a `${` that names no variable"),
            ("a${", "`destination.url` has a `${` that names no variable"),
        ] {
            let text = format!("sources: [{{url: a}}]\ndestination: {{url: '{url}'}}\n");
            let error = parse(&text).expect_err(url);
            assert!(error.chain().contains(part), "{url}: {error:?}");
        }
    }

    #[test]
    fn a_whole_file_is_understood() {
        let document = parse(
            r#"
sources:
- url: https://charts.example/stable
  name: stable
  charts:
  - nginx@>=15
  - {name: "kube-*", versions: ">=1.0", latest: 3}
  exclude: [/^old/]
  latest: 10
  since: "2025-01-01"
  minAge: 7d
  skipDeprecated: true
  skipPrerelease: true
- url: oci://registry.example/charts
  repositories: [demo]
  immutableTags: true
destination:
  url: oci://other.example/mirror
  template: "{{repo}}/{{chart}}"
  aliasWithoutV: true
onDigestMismatch: warn
onConflict: skip
prune: {maxDelete: 5}
state: {file: state.jsonl, ref: oci://other.example/state}
lookEvery: 36h
trustTags: true
concurrency: 16
rate: 20
hosts:
- {host: other.example, username: robot, passwordEnv: TOKEN, caFile: ca.pem, plainHttp: true, concurrency: 4, rate: 2.5}
metricsFile: mirror.prom
"#,
        )
        .expect("document");
        let selection = document.sources[0].selection(0).expect("selection");
        assert_eq!((selection.rules.len(), selection.rules[1].latest), (2, Some(3)));
        assert_eq!(selection.min_age, Some(Duration::from_secs(7 * 86_400)));
        assert_eq!(selection.deprecated, Class::Skip);
        assert_eq!(
            document.prune.as_ref().expect("prune").guard().expect("guard"),
            Guard::Number(5)
        );
        assert_eq!(document.hosts[0].rate, Some(2.5));
        assert_eq!(document.look_every().expect("age"), Some(Duration::from_secs(36 * 3600)));
        assert!(document.trust_tags);
    }

    #[test]
    fn what_is_not_known_is_refused() {
        for (text, part) in [
            ("sources: []\ndestination: {url: x}\n", "no source"),
            (
                "sources: [{url: a, chart: b}]\ndestination: {url: x}\n",
                "unknown key `sources[0].chart`",
            ),
            ("sources: [{url: a}]\n", "`destination` is missing"),
            ("sources: [{url: a}]\ndestination: {url: x}\npassword: x\n", "unknown key `password`"),
            ("sources: [{url: a}]\nsources: []\n", "sources"),
            ("sources: [{url: a}]\ndestination: {url: x}\ntrustTags: 1\n", "`trustTags`"),
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.chain().contains(part), "{text}: {error:?}");
        }
        for bad in ["", "d", "7", "7w", "-1d", "\u{20ac}"] {
            age(bad).expect_err(bad);
        }
        since("yesterday").expect_err("no date");
        mismatch("ignore").expect_err("no policy");
        conflict("ignore").expect_err("no policy");
    }
}
