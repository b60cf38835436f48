//! Chart.lock and requirements.lock: the resolved version of each declared dependency, and the
//! digest that ties the two lists together. `crate::ops` resolves the dependencies.

use super::Dependency;
use super::decode::{Decoder, Target, Unknown, go_struct};
use super::time::Time;
use crate::digest::Digest;
use crate::limits::Limits;
use crate::yaml::{self, Duplicates, Node, Value};
use crate::{Error, Result, json};

/// The lock of a chart.
#[derive(Clone, Debug, PartialEq)]
pub struct Lock {
    /// The time of writing.
    pub generated: Time,
    /// The [`digest`] of the declared and locked dependencies at that time.
    pub digest: String,
    /// The name, exact version and repository of each declared dependency, in the same order.
    pub dependencies: Vec<Dependency>,
    /// True if the file has a list at all: Helm writes a missing one as `null`.
    listed: bool,
}

impl Lock {
    /// Makes the lock that ties `locked` to `requested`, in which URLs have replaced the aliases of
    /// repositories.
    pub fn new(generated: Time, requested: &[Dependency], locked: Vec<Dependency>) -> Self {
        Self { generated, digest: digest(requested, &locked), dependencies: locked, listed: true }
    }

    /// Reads a lock. An empty file has none.
    ///
    /// # Errors
    /// Helm's text without the file's name. Stricter than Helm, a null among the dependencies is
    /// refused: every command of Helm crashes on one.
    pub fn from_yaml(bytes: &[u8], limits: &Limits) -> Result<Option<Self>> {
        let value = yaml::parse(bytes, Duplicates::LastWins, limits)?;
        let mut file: Option<File> = None;
        Decoder::decode(&mut file, &value, Unknown::Ignored).map_err(Error::invalid)?;
        let Some(file) = file else {
            return Ok(None);
        };
        let listed = file.dependencies.is_some();
        let dependencies = file.dependencies.unwrap_or_default().into_iter().collect::<Option<_>>();
        let dependencies = dependencies
            .ok_or_else(|| Error::invalid("dependencies must not contain empty or null nodes"))?;
        Ok(Some(Self { generated: file.generated, digest: file.digest, dependencies, listed }))
    }

    /// Returns the lock as Helm writes it, with sorted keys.
    pub fn to_yaml(&self) -> String {
        let dependencies = self.dependencies.iter().cloned().map(Some).collect();
        let dependencies = (self.listed || !self.dependencies.is_empty()).then_some(dependencies);
        let file = File { generated: self.generated, digest: self.digest.clone(), dependencies };
        yaml::emit_node(&file.encode())
    }

    /// Returns the time of its file in an archive, in seconds since 1970, or `None` if Helm uses
    /// the present time.
    pub fn generated_unix(&self) -> Option<i64> {
        (!self.generated.is_zero()).then(|| self.generated.unix())
    }
}

/// The file as Go's struct has it.
#[derive(Default)]
struct File {
    generated: Time,
    digest: String,
    dependencies: Option<Vec<Option<Dependency>>>,
}

go_struct!(File, "v2", "Lock", {
    "generated" => generated: always,
    "digest" => digest: always,
    "dependencies" => dependencies: always,
});

impl Target for Time {
    fn go_type() -> String {
        "time.Time".to_owned()
    }

    fn decode(&mut self, value: &Value, decoder: &mut Decoder) {
        decoder.check_json(value);
        match value {
            Value::Null => {}
            Value::String(text) => match Self::parse(text) {
                Ok(time) => *self = time,
                Err(text) => decoder.refuse(text),
            },
            _ => decoder.refuse("Time.UnmarshalJSON: input is not a JSON string".to_owned()),
        }
    }

    fn encode(&self) -> Node<'_> {
        Node::Text(self.to_string().into())
    }

    fn is_empty(&self) -> bool {
        false
    }
}

/// Computes the digest that ties a lock to the declared dependencies: `sha256:` of both lists as Go
/// writes them in JSON.
pub fn digest(requested: &[Dependency], locked: &[Dependency]) -> String {
    Digest::sha256(&json::to_vec(&[requested, locked])).to_string()
}

/// Returns the digest that Helm 2 put in requirements.lock, over the declared dependencies alone.
pub fn helm2_digest(requested: &[Dependency]) -> String {
    let mut bytes = br#"{"dependencies":"#.to_vec();
    bytes.extend(json::to_vec(requested));
    bytes.push(b'}');
    Digest::sha256(&bytes).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Deserialize)]
    struct Answer {
        document: String,
        error: Option<String>,
        unwritable: Option<String>,
        yaml: Option<String>,
        unix: Option<i64>,
        nanoseconds: Option<i64>,
    }

    fn alpine() -> Dependency {
        Dependency {
            name: "alpine".to_owned(),
            version: "0.1.0".to_owned(),
            repository: "http://localhost:8879/charts".to_owned(),
            ..Dependency::default()
        }
    }

    #[test]
    fn every_answer_of_helm_is_ours() {
        let answers: Vec<Answer> =
            serde_json::from_str(include_str!("../../testdata/chart/lock.json")).expect("answers");
        assert!(answers.len() > 70);
        for answer in answers {
            let document = &answer.document;
            let lock = Lock::from_yaml(document.as_bytes(), &Limits::default());
            if let Some(message) = answer.error {
                assert_eq!(lock.expect_err(document).message(), message, "{document}");
                continue;
            }
            if answer.unwritable.is_some() {
                assert!(lock.is_err(), "{document}");
                continue;
            }
            let lock = lock.expect(document);
            assert_eq!(
                lock.as_ref().map_or("null\n".to_owned(), Lock::to_yaml),
                answer.yaml.expect("yaml")
            );
            if let (Some(lock), Some(unix), Some(nanoseconds)) =
                (lock, answer.unix, answer.nanoseconds)
            {
                assert_eq!(
                    lock.generated.unix(),
                    unix + i64::from(nanoseconds >= 500_000_000),
                    "{document}"
                );
                assert_eq!(lock.generated_unix().is_none(), unix == -62_135_596_800, "{document}");
                assert_eq!(
                    Time::parse(&lock.generated.to_string()),
                    Ok(lock.generated),
                    "{document}"
                );
            }
        }
    }

    #[test]
    fn a_null_among_the_dependencies_is_refused() {
        let lock = Lock::from_yaml(b"dependencies: [null]", &Limits::default());
        assert_eq!(
            lock.expect_err("null").message(),
            "dependencies must not contain empty or null nodes"
        );
    }

    #[test]
    fn the_digest_ties_both_lists_as_helm_does() {
        assert_eq!(
            digest(&[alpine()], &[alpine()]),
            "sha256:fb239e836325c5fa14b29d1540a13b7d3ba13151b67fe719f820e0ef6d66aaaf"
        );
        let time = Time::from_unix(1_700_000_000, 0).expect("in range");
        let lock = Lock::new(time, &[alpine()], vec![alpine()]);
        assert_eq!(
            lock.to_yaml(),
            "dependencies:\n- name: alpine\n  repository: http://localhost:8879/charts\n  version: 0.1.0\n\
             digest: sha256:fb239e836325c5fa14b29d1540a13b7d3ba13151b67fe719f820e0ef6d66aaaf\n\
             generated: \"2023-11-14T22:13:20Z\"\n"
        );
    }
}
