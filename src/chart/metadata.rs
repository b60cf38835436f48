//! Chart.yaml: read with Helm's conversions, checked by Helm's rules in Helm's order, written as
//! Helm writes it. `crate::archive` finds the file and reads the rest of the chart.

use super::decode::{Decoder, Target, Unknown, go_struct};
use super::sanitize::sanitize;
use super::{Dependency, Maintainer, Metadata, ordinary};
use crate::limits::Limits;
use crate::quote;
use crate::version::Version;
use crate::yaml::{self, Duplicates, Node};
use crate::{Error, Result};
use std::{collections::HashSet, fmt};

go_struct!(ordinary Metadata, "v2", "Metadata", {
    "name" => name,
    "home" => home,
    "sources" => sources,
    "version" => version,
    "description" => description,
    "keywords" => keywords,
    "maintainers" => maintainers,
    "icon" => icon,
    "apiVersion" => api_version,
    "condition" => condition,
    "tags" => tags,
    "appVersion" => app_version,
    "deprecated" => deprecated,
    "annotations" => annotations,
    "kubeVersion" => kube_version,
    "dependencies" => dependencies,
    "type" => kind,
});

go_struct!(ordinary Maintainer, "v2", "Maintainer", { "name" => name, "email" => email, "url" => url });

go_struct!(ordinary Dependency, "v2", "Dependency", {
    "name" => name: always,
    "version" => version,
    "repository" => repository: always,
    "condition" => condition,
    "tags" => tags,
    "enabled" => enabled,
    "import-values" => import_values,
    "alias" => alias,
});

/// The error for two dependencies of a chart with one name or alias, which the field has. Helm's
/// text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DuplicateDependency(pub String);

impl fmt::Display for DuplicateDependency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = quote::go(&self.0);
        write!(f, "validation: more than one dependency with name or alias {key}")
    }
}

impl std::error::Error for DuplicateDependency {}

impl Metadata {
    /// Reads a Chart.yaml unchanged. [`Self::fill_api_version`] adds a default, and
    /// [`Self::validate`] checks it.
    ///
    /// # Errors
    /// An error for a text that is not YAML, or a field with a value of the wrong type; Helm's text
    /// without the file's name.
    pub fn from_yaml(bytes: &[u8], limits: &Limits) -> Result<Self> {
        ordinary::read(bytes, limits).or_else(|_| {
            let mut metadata = Self::default();
            metadata.decode_yaml(bytes, limits)?;
            Ok(metadata)
        })
    }

    /// Overlays the content of `bytes`: a second Chart.yaml in an archive, or a requirements.yaml.
    /// Other fields keep their content, and lists are overlaid item by item.
    ///
    /// # Errors
    /// The errors of [`Self::from_yaml`]; the metadata is then unusable.
    pub fn decode_yaml(&mut self, bytes: &[u8], limits: &Limits) -> Result<()> {
        let value = yaml::parse(bytes, Duplicates::LastWins, limits)?;
        Decoder::decode(self, &value, Unknown::Ignored).map_err(Error::invalid)
    }

    /// Checks a Chart.yaml for faults that its reading ignores: a duplicate key, or a key that Helm
    /// does not have.
    ///
    /// # Errors
    /// The first such key, in Helm's words.
    pub fn check_strictly(bytes: &[u8], limits: &Limits) -> Result<()> {
        let value = yaml::parse(bytes, Duplicates::Error, limits)?;
        Decoder::decode(&mut Self::default(), &value, Unknown::Refused).map_err(Error::invalid)
    }

    /// Sets the apiVersion `v1` if it is missing, which charts for Helm 2 may omit. Helm's loader
    /// does this after every Chart.yaml.
    pub fn fill_api_version(&mut self) {
        if self.api_version.is_empty() {
            "v1".clone_into(&mut self.api_version);
        }
    }

    /// Cleans the texts for display, and validates the rest. The order is Helm's: the error names
    /// the first fault.
    ///
    /// # Errors
    /// Helm's text, after `validation: `.
    pub fn validate(&mut self) -> Result<()> {
        self.sanitize();
        self.validate_identity()?;
        for maintainer in &mut self.maintainers {
            let Some(maintainer) = maintainer else {
                return Err(fault("maintainers must not contain empty or null nodes"));
            };
            for text in [&mut maintainer.name, &mut maintainer.email, &mut maintainer.url] {
                sanitize(text);
            }
        }
        let mut seen = HashSet::new();
        for dependency in &mut self.dependencies {
            let Some(dependency) = dependency else {
                return Err(fault("dependencies must not contain empty or null nodes"));
            };
            dependency.validate()?;
            let key = dependency.key();
            if !seen.insert(key) {
                let duplicate = DuplicateDependency(key.to_owned());
                return Err(Error::invalid(duplicate.to_string()).with_source(duplicate));
            }
        }
        Ok(())
    }

    fn sanitize(&mut self) {
        let single = [
            &mut self.name,
            &mut self.description,
            &mut self.home,
            &mut self.icon,
            &mut self.condition,
            &mut self.tags,
            &mut self.app_version,
            &mut self.kube_version,
        ];
        single.into_iter().chain(&mut self.sources).chain(&mut self.keywords).for_each(sanitize);
    }

    fn validate_identity(&self) -> Result<()> {
        if self.api_version.is_empty() {
            return Err(fault("chart.metadata.apiVersion is required"));
        }
        if self.name.is_empty() {
            return Err(fault("chart.metadata.name is required"));
        }
        if self.name == "." || self.name == ".." {
            return Err(fault(format!(
                "chart.metadata.name {} is not allowed",
                quote::go(&self.name)
            )));
        }
        // Helm accepts the name `/`, which is its own base name.
        if self.name.contains('/') {
            return Err(fault(format!("chart.metadata.name {} is invalid", quote::go(&self.name))));
        }
        if self.version.is_empty() {
            return Err(fault("chart.metadata.version is required"));
        }
        if Version::parse_loose(&self.version).is_err() {
            return Err(fault(format!(
                "chart.metadata.version {} is invalid",
                quote::go(&self.version)
            )));
        }
        if !matches!(self.kind.as_str(), "" | "application" | "library") {
            return Err(fault("chart.metadata.type must be application or library"));
        }
        Ok(())
    }

    /// Returns Chart.yaml as Helm writes it into an archive: with sorted keys, without comments and
    /// unknown keys. It omits the dependencies of a `v1` chart, because they are in
    /// requirements.yaml.
    pub fn to_yaml(&self) -> String {
        let mut value = self.encode();
        if let (Node::Map(entries), "v1") = (&mut value, self.api_version.as_str()) {
            entries.retain(|(key, _)| *key != "dependencies");
        }
        yaml::emit_node(&value)
    }

    /// Returns Chart.yaml with the dependencies of a `v1` chart too: as `helm show chart` prints it
    /// and as provenance files quote it.
    pub fn to_yaml_with_dependencies(&self) -> String {
        yaml::emit_node(&self.encode())
    }
}

impl Dependency {
    /// Returns the name of the dependency within its chart: its alias if it has one, else its name.
    pub fn key(&self) -> &str {
        if self.alias.is_empty() { &self.name } else { &self.alias }
    }

    fn validate(&mut self) -> Result<()> {
        let single = [&mut self.name, &mut self.version, &mut self.repository, &mut self.condition];
        single.into_iter().chain(&mut self.tags).for_each(sanitize);
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        if !self.alias.bytes().all(allowed) {
            let name = quote::go(&self.name);
            return Err(fault(format!("dependency {name} has disallowed characters in the alias")));
        }
        Ok(())
    }
}

fn fault(text: impl fmt::Display) -> Error {
    Error::invalid(format!("validation: {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;
    use proptest::prelude::*;
    use serde::Deserialize;

    /// Helm's result for documents that overlay each other.
    #[derive(Deserialize)]
    struct Answer {
        documents: Vec<String>,
        error: Option<String>,
        strict: Option<String>,
        json: Option<String>,
        yaml: Option<String>,
        yaml_error: Option<String>,
        invalid: Option<String>,
        validated_json: Option<String>,
    }

    fn read(documents: &[String]) -> Result<Metadata> {
        let mut metadata = Metadata::default();
        for document in documents {
            metadata.decode_yaml(document.as_bytes(), &Limits::default())?;
        }
        Ok(metadata)
    }

    fn config(metadata: &Metadata) -> String {
        String::from_utf8(json::to_vec(metadata)).expect("UTF-8")
    }

    /// Compares two errors. Our YAML reader adds the position, which Helm often omits, and may name
    /// another cause.
    fn assert_same_error(error: &Error, expected: &str, document: &str) {
        let reader = [
            "error converting YAML to JSON: yaml: ",
            "error converting YAML to JSON: unsupported map key",
        ];
        match reader.iter().find(|prefix| expected.starts_with(**prefix)) {
            Some(prefix) if !expected.contains("unmarshal errors") => {
                assert!(error.message().starts_with(prefix), "{document}: {error}");
            }
            _ => assert_eq!(error.message(), expected, "{document}"),
        }
    }

    #[test]
    fn every_answer_of_helm_is_ours() {
        let answers: Vec<Answer> =
            serde_json::from_str(include_str!("../../testdata/chart/metadata.json"))
                .expect("answers");
        assert_eq!(answers.len(), 200, "the whole table was read");
        for answer in answers {
            let name = answer.documents.join("\n+++\n");
            if let (Some(strict), [document]) = (&answer.strict, &*answer.documents) {
                let error = Metadata::check_strictly(document.as_bytes(), &Limits::default());
                assert_same_error(&error.expect_err(&name), strict, &name);
            }
            let metadata = read(&answer.documents);
            if let Some(expected) = &answer.error {
                assert_same_error(&metadata.expect_err(&name), expected, &name);
                continue;
            }
            let mut metadata = metadata.expect(&name);
            assert_eq!(config(&metadata), answer.json.expect("JSON"), "{name}");
            if answer.yaml_error.is_none() {
                assert_eq!(
                    metadata.to_yaml_with_dependencies(),
                    answer.yaml.expect("YAML"),
                    "{name}"
                );
            }
            let validated_json = answer.validated_json.unwrap_or_else(|| config(&metadata));
            metadata.fill_api_version();
            match (metadata.validate(), answer.invalid) {
                (Err(error), Some(expected)) => assert_eq!(error.message(), expected, "{name}"),
                (Ok(()), None) => assert_eq!(config(&metadata), validated_json, "{name}"),
                (result, expected) => panic!("{name}: {result:?} instead of {expected:?}"),
            }
        }
    }

    #[test]
    fn the_config_blob_has_the_bytes_of_helm() {
        let chart = "name: signtest\nversion: 0.1.0\ndescription: A Helm chart for Kubernetes\napiVersion: v1\n";
        let bytes = json::to_vec(&read(&[chart.to_owned()]).expect("metadata"));
        assert_eq!(bytes.len(), 99);
        assert_eq!(
            crate::digest::Digest::sha256(&bytes).as_str(),
            "sha256:8d17cb6bf6ccd8c29aace9a658495cbd5e2e87fc267876e86117c7db681c9580"
        );
    }

    #[test]
    fn a_v1_chart_keeps_its_dependencies_out_of_chart_yaml() {
        let chart = "name: a\nversion: 1.0.0\napiVersion: v1\ndependencies: [{name: b}]\n";
        let metadata = read(&[chart.to_owned()]).expect("metadata");
        assert_eq!(metadata.to_yaml(), "apiVersion: v1\nname: a\nversion: 1.0.0\n");
        assert!(metadata.to_yaml_with_dependencies().contains("- name: b\n  repository: \"\"\n"));
    }

    #[test]
    fn a_name_of_slashes_is_refused() {
        let mut metadata =
            read(&["name: /\nversion: 1.0.0\napiVersion: v2".to_owned()]).expect("metadata");
        let error = metadata.validate().expect_err("a slash");
        assert_eq!(error.message(), "validation: chart.metadata.name \"/\" is invalid");
    }

    prop_compose! {
        fn chart_yaml()(lines in proptest::collection::vec(
            prop_oneof![
                "(name|version|type|home|tags|icon|NAME): .{0,12}",
                "(keywords|sources|maintainers|dependencies|annotations): (null|\\[\\]|\\{\\}|\\[null\\]|\\[.{0,8}\\]|\\{.{0,8}\\})",
                "- .{0,10}",
                ".{0,16}",
            ], 0..8)) -> String {
            lines.join("\n")
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..128)) {
            let _ = Metadata::from_yaml(&bytes, &Limits::default());
            let _ = Metadata::check_strictly(&bytes, &Limits::default());
        }

        #[test]
        fn what_was_read_is_written_and_read_again(text in chart_yaml()) {
            if let Ok(mut metadata) = Metadata::from_yaml(text.as_bytes(), &Limits::default()) {
                metadata.fill_api_version();
                if metadata.validate().is_ok() {
                    let once = metadata.clone();
                    prop_assert!(metadata.validate().is_ok(), "judged twice");
                    prop_assert_eq!(&metadata, &once);
                    let again = Metadata::from_yaml(metadata.to_yaml_with_dependencies().as_bytes(), &Limits::default());
                    prop_assert_eq!(config(&again.expect("what was written")), config(&metadata));
                }
            }
        }
    }
}
