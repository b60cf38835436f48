//! The rules of Helm lint that need no template engine: rules over documents and names, with Helm's
//! texts and in Helm's order. `crate::ops::lint` loads the chart and combines the rules.

use super::address::{is_email, is_page, is_request_url};
use super::decode::{Decoder, Unknown, go_struct};
use super::{Maintainer, Metadata};
use crate::limits::Limits;
use crate::quote;
use crate::version::Version;
use crate::yaml::{self, Duplicates, Value};
use std::collections::HashSet;
use std::fmt;

/// The severity of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// A recommendation.
    Info,
    /// A violation of a convention. The chart works.
    Warning,
    /// A fault. The chart cannot be installed.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Info => "INFO",
            Self::Warning => "WARNING",
            Self::Error => "ERROR",
        })
    }
}

/// A finding of lint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The severity, as Helm prints it in brackets.
    pub severity: Severity,
    /// The file or folder with the fault.
    pub path: String,
    /// The message, in Helm's words.
    pub text: String,
}

impl Finding {
    /// Makes a finding about a fault.
    pub fn error(path: impl Into<String>, text: impl Into<String>) -> Self {
        Self { severity: Severity::Error, path: path.into(), text: text.into() }
    }

    /// Makes a finding about a violation of a convention.
    pub fn warning(path: impl Into<String>, text: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, path: path.into(), text: text.into() }
    }

    /// Makes a finding with a recommendation.
    pub fn info(path: impl Into<String>, text: impl Into<String>) -> Self {
        Self { severity: Severity::Info, path: path.into(), text: text.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}] {}: {}", self.severity, self.path, self.text)
    }
}

/// Applies the rules for the Chart.yaml with these bytes.
pub fn chart_yaml(bytes: &[u8], limits: &Limits) -> Vec<Finding> {
    const PATH: &str = "Chart.yaml";
    let error = |text: String| Finding::error(PATH, text);
    let metadata = match Metadata::from_yaml(bytes, limits) {
        Ok(metadata) => metadata,
        Err(cause) => return vec![error(format!("unable to parse YAML\n\t{cause}"))],
    };
    let strict = Metadata::check_strictly(bytes, limits).err();
    // The rule on types does not apply to a document that JSON cannot represent.
    let document = yaml::parse(bytes, Duplicates::LastWins, limits)
        .and_then(|document| document.require_json().map(|()| document))
        .unwrap_or_default();
    let findings = [
        strict.map(|cause| {
            Finding::warning(
                PATH,
                format!("failed to strictly parse chart metadata file\n\t{cause}"),
            )
        }),
        name(&metadata).map(error),
        api_version(&metadata).map(error),
        wrong_type(&document, "version").map(error),
        version(&metadata).map(error),
        wrong_type(&document, "appVersion").map(error),
        metadata.maintainers.iter().find_map(maintainer).map(error),
        source(&metadata).map(error),
        metadata.icon.is_empty().then(|| Finding::info(PATH, "icon is recommended")),
        icon(&metadata).map(error),
        kind(&metadata).map(error),
        dependencies_of_v1(&metadata).map(error),
        Version::parse_strict(&metadata.version).is_err().then(|| {
            Finding::warning(
                PATH,
                format!("version '{}' is not a valid SemVerV2", metadata.version),
            )
        }),
    ];
    findings.into_iter().flatten().collect()
}

fn name(metadata: &Metadata) -> Option<String> {
    if metadata.name.is_empty() {
        return Some("name is required".to_owned());
    }
    metadata
        .name
        .contains('/')
        .then(|| format!("chart name {} is invalid", quote::go(&metadata.name)))
}

fn api_version(metadata: &Metadata) -> Option<String> {
    match metadata.api_version.as_str() {
        "v1" | "v2" => None,
        "" => Some(r#"apiVersion is required. The value must be either "v1" or "v2""#.to_owned()),
        other => Some(format!(
            r#"apiVersion '{other}' is not valid. The value must be either "v1" or "v2""#
        )),
    }
}

/// Returns the finding for a value that is a string only because Helm converts it: `1.10` becomes
/// `1.1`.
fn wrong_type(document: &Value, key: &str) -> Option<String> {
    let go_type = match document.get(key)? {
        Value::String(_) => return None,
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Int(_) | Value::Float(_) => "float64",
        Value::Seq(_) => "[]interface {}",
        Value::Map(_) => "map[string]interface {}",
    };
    Some(format!("{key} should be of type string but it's of type {go_type}"))
}

fn version(metadata: &Metadata) -> Option<String> {
    if metadata.version.is_empty() {
        return Some("version is required".to_owned());
    }
    let Ok(version) = Version::parse_loose(&metadata.version) else {
        return Some(format!("version '{}' is not a valid SemVer", metadata.version));
    };
    let least = Version::parse_strict("0.0.0-0").expect("0.0.0-0 is a version");
    let text = quote::go(&version.to_string());
    (version <= least).then(|| format!(r#"version {text} is less than or equal to "0.0.0-0""#))
}

fn maintainer(maintainer: &Option<Maintainer>) -> Option<String> {
    let Some(Maintainer { name, email, url }) = maintainer else {
        return Some("a maintainer entry is empty".to_owned());
    };
    if name.is_empty() {
        return Some("each maintainer requires a name".to_owned());
    }
    if !email.is_empty() && !is_email(email) {
        return Some(format!("invalid email '{email}' for maintainer '{name}'"));
    }
    (!url.is_empty() && !is_page(url))
        .then(|| format!("invalid url '{url}' for maintainer '{name}'"))
}

fn source(metadata: &Metadata) -> Option<String> {
    let source = metadata.sources.iter().find(|source| !is_request_url(source))?;
    Some(format!("invalid source URL '{source}'"))
}

fn icon(metadata: &Metadata) -> Option<String> {
    let icon = &metadata.icon;
    (!icon.is_empty() && !is_request_url(icon)).then(|| format!("invalid icon URL '{icon}'"))
}

fn kind(metadata: &Metadata) -> Option<String> {
    let api_version = &metadata.api_version;
    (!metadata.kind.is_empty() && api_version != "v2").then(|| {
        format!(
            "chart type is not valid in apiVersion '{api_version}'. It is valid in apiVersion 'v2'"
        )
    })
}

fn dependencies_of_v1(metadata: &Metadata) -> Option<String> {
    let api_version = &metadata.api_version;
    (!metadata.dependencies.is_empty() && api_version != "v2").then(|| {
        format!(
            "dependencies are not valid in the Chart file with apiVersion '{api_version}'. \
             They are valid in apiVersion 'v2'"
        )
    })
}

/// Applies the rules for values.yaml: it must exist and be a mapping.
pub fn values_yaml(bytes: Option<&[u8]>, limits: &Limits) -> Option<Finding> {
    const PATH: &str = "values.yaml";
    let Some(bytes) = bytes else {
        return Some(Finding::info(PATH, "file does not exist"));
    };
    let cause = match yaml::parse(bytes, Duplicates::LastWins, limits) {
        Ok(Value::Null) => return None,
        Ok(value @ Value::Map(_)) => value.require_json().err()?.to_string(),
        Ok(value) => format!(
            "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {} into Go value of type common.Values",
            value.go_kind()
        ),
        Err(error) => error.to_string(),
    };
    Some(Finding::error(PATH, format!("unable to parse YAML: {cause}")))
}

/// Applies the rule for a template's name, a path that begins with `templates/`.
pub fn template(path: &str) -> Option<Finding> {
    let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
    let extension = name.rfind('.').map_or("", |dot| &name[dot..]);
    (!matches!(extension, ".yaml" | ".yml" | ".tpl" | ".txt")).then(|| {
        let valid = "Valid extensions are .yaml, .yml, .tpl, or .txt";
        Finding::error(path, format!("file extension '{extension}' not valid. {valid}"))
    })
}

/// Compares a chart's dependencies with the names of the charts in its `charts/`. `place` is the
/// name of the chart in the findings; Helm uses its absolute path.
pub fn dependencies(place: &str, metadata: &Metadata, charts: &[&str]) -> Vec<Finding> {
    let declared: Vec<_> = metadata.dependencies.iter().flatten().collect();
    let undeclared =
        charts.iter().copied().filter(|chart| declared.iter().all(|one| one.name != *chart));
    let mut seen = HashSet::new();
    let repeated = declared.iter().map(|one| one.key()).filter(|key| !seen.insert(*key));
    let missing =
        declared.iter().map(|one| one.name.as_str()).filter(|name| !charts.contains(name));
    let list = |severity, text: &str, names: Vec<&str>| {
        let text = format!("{text}: {}", names.join(","));
        (!names.is_empty()).then(|| Finding { severity, path: place.to_owned(), text })
    };
    [
        list(Severity::Error, "chart metadata is missing these dependencies", undeclared.collect()),
        list(Severity::Error, "multiple dependencies with name or alias", repeated.collect()),
        list(Severity::Warning, "chart directory is missing these dependencies", missing.collect()),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The parts of an object that the rules examine.
#[derive(Default)]
struct Definition {
    api_version: String,
    kind: String,
    metadata: Identity,
}

#[derive(Default)]
struct Identity {
    namespace: String,
    name: String,
}

go_struct!(Definition, "rules", "k8sYamlStruct", {
    "apiVersion" => api_version,
    "Kind" => kind,
    "Metadata" => metadata,
});

go_struct!(Identity, "rules", "k8sYamlMetadata", { "Namespace" => namespace, "Name" => name });

/// Applies the rules for a file of custom resource definitions, a path that begins with `crds/`.
pub fn definitions(path: &str, bytes: &[u8], limits: &Limits) -> Vec<Finding> {
    let unreadable = |cause: String| Finding::error(path, format!("unable to parse YAML: {cause}"));
    let documents = match yaml::parse_all(bytes, Duplicates::LastWins, limits) {
        Ok(documents) => documents,
        Err(error) => return vec![unreadable(error.to_string())],
    };
    let mut findings = Vec::new();
    for document in documents.iter().filter(|document| **document != Value::Null) {
        let mut definition = Definition::default();
        if let Err(cause) = Decoder::decode(&mut definition, document, Unknown::Ignored) {
            findings.push(unreadable(cause));
            continue;
        }
        if !definition.api_version.starts_with("apiextensions.k8s.io") {
            findings.push(Finding::error(path, "apiVersion is not in 'apiextensions.k8s.io'"));
        }
        if definition.kind != "CustomResourceDefinition" {
            findings.push(Finding::error(path, "object kind is not 'CustomResourceDefinition'"));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::Dependency;
    use proptest::prelude::*;

    fn texts(findings: &[Finding]) -> Vec<String> {
        findings.iter().map(ToString::to_string).collect()
    }

    /// Removes the cause from an error of the YAML itself: our reader adds the position, and may
    /// name another cause.
    fn without_cause(text: &str) -> &str {
        for end in ["YAML to JSON: yaml: ", "unsupported map key"] {
            if let Some(at) = text.find(end).filter(|_| !text.contains("unmarshal errors")) {
                return &text[..at + end.len()];
            }
        }
        text
    }

    #[test]
    fn of_chart_yaml_we_say_what_helm_says() {
        let answers: Vec<(String, Vec<String>)> =
            serde_json::from_str(include_str!("../../testdata/chart/lint.json")).expect("answers");
        assert_eq!(answers.len(), 242, "the whole table was read");
        for (document, expected) in answers {
            let found = texts(&chart_yaml(document.as_bytes(), &Limits::default()));
            let found: Vec<_> = found.iter().map(|text| without_cause(text)).collect();
            let expected: Vec<_> = expected.iter().map(|text| without_cause(text)).collect();
            assert_eq!(found, expected, "{document}");
        }
    }

    #[test]
    fn values_are_a_mapping_or_nothing() {
        let say = |bytes: Option<&[u8]>| {
            let finding = values_yaml(bytes, &Limits::default());
            finding.map(|finding| without_cause(&finding.to_string()).to_owned())
        };
        assert_eq!(say(None).as_deref(), Some("[INFO] values.yaml: file does not exist"));
        for good in ["", "{}", "a: 1", "# nothing", "a: 1\n---\nb: ["] {
            assert_eq!(say(Some(good.as_bytes())), None, "{good}");
        }
        let prefix = "[ERROR] values.yaml: unable to parse YAML: error ";
        for (bad, cause) in [
            (
                "- a",
                "unmarshaling JSON: while decoding JSON: json: cannot unmarshal array into Go value of type common.Values",
            ),
            ("a: .inf", "converting YAML to JSON: json: unsupported value: +Inf"),
            ("a: [", "converting YAML to JSON: yaml: "),
        ] {
            assert_eq!(say(Some(bad.as_bytes())), Some(format!("{prefix}{cause}")), "{bad}");
        }
    }

    #[test]
    fn templates_are_known_by_their_extension() {
        for good in
            ["templates/a.yaml", "templates/a.b.yml", "templates/_x.tpl", "templates/NOTES.txt"]
        {
            assert_eq!(template(good), None);
        }
        for (bad, extension) in [
            ("templates/a.json", ".json"),
            ("templates/b", ""),
            ("templates/c.TXT", ".TXT"),
            ("templates/sub.d/.kept", ".kept"),
        ] {
            let text = format!(
                "[ERROR] {bad}: file extension '{extension}' not valid. Valid extensions are .yaml, .yml, .tpl, or .txt"
            );
            assert_eq!(template(bad).expect(bad).to_string(), text);
        }
    }

    #[test]
    fn dependencies_and_charts_are_held_against_each_other() {
        let one = |name: &str, alias: &str| {
            Some(Dependency { name: name.into(), alias: alias.into(), ..Dependency::default() })
        };
        let dependencies =
            vec![one("a", ""), one("b", "c"), one("d", ""), one("e", "c"), one("e", "d")];
        let metadata = Metadata { dependencies, ..Metadata::default() };
        assert_eq!(
            texts(&super::dependencies("/x", &metadata, &["e", "f", "d", "g"])),
            [
                "[ERROR] /x: chart metadata is missing these dependencies: f,g",
                "[ERROR] /x: multiple dependencies with name or alias: c,d",
                "[WARNING] /x: chart directory is missing these dependencies: a,b",
            ]
        );
    }

    #[test]
    fn definitions_are_held_to_their_kind() {
        let say =
            |text: &str| texts(&definitions("crds/a.yaml", text.as_bytes(), &Limits::default()));
        let good = "APIVERSION: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: x}\n";
        assert!(say(&format!("---\n{good}---\n---\n# nothing\n---\n{good}")).is_empty());
        assert_eq!(
            say(&format!("apiVersion: v1\nkind: Foo\n---\n{good}---\n[1]\n")),
            [
                "[ERROR] crds/a.yaml: apiVersion is not in 'apiextensions.k8s.io'",
                "[ERROR] crds/a.yaml: object kind is not 'CustomResourceDefinition'",
                "[ERROR] crds/a.yaml: unable to parse YAML: error unmarshaling JSON: while decoding JSON: json: cannot \
                 unmarshal array into Go value of type rules.k8sYamlStruct",
            ]
        );
        assert_eq!(
            say("metadata: {name: [a]}"),
            [
                "[ERROR] crds/a.yaml: unable to parse YAML: error unmarshaling JSON: while decoding JSON: json: cannot \
                 unmarshal array into Go struct field k8sYamlMetadata.Metadata.Name of type string"
            ]
        );
        assert_eq!(say("a: {{ b }}").len(), 1);
    }

    proptest! {
        #[test]
        fn any_bytes_are_judged_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..96), name in ".{0,16}") {
            chart_yaml(&bytes, &Limits::default());
            values_yaml(Some(&bytes), &Limits::default());
            definitions(&name, &bytes, &Limits::default());
            template(&name);
        }
    }
}
