//! Special requirements of single registries: repositories to create before a push (ECR, Artifact
//! Registry), names of two parts (Docker Hub), and packages that start private (GHCR).

use crate::lock::Locked as _;
use crate::{
    Advice, Error, ErrorKind, Result,
    advice::NewRepository,
    oci::{Registry, RepositoryName},
};
use std::{
    collections::HashMap,
    process::Stdio,
    sync::{Arc, Mutex},
};
use tokio::{process::Command, sync::OnceCell};

/// Bytes of a command's complaint that are passed on.
const COMPLAINT: usize = 2000;

/// The creation of repositories that must exist before a push.
#[derive(Debug, Default)]
pub(super) struct Creation {
    /// The command, which `/bin/sh` runs with `$REGISTRY` and `$REPOSITORY`.
    pub(super) command: Option<String>,
    /// The single attempt for each repository.
    tried: Mutex<HashMap<String, Arc<OnceCell<()>>>>,
}

impl Creation {
    pub(super) fn new(command: Option<String>) -> Self {
        Self { command, tried: Mutex::default() }
    }

    /// Returns true if a push failed because the repository does not exist, and a command can
    /// create it.
    pub(super) fn is_due(&self, error: &Error) -> bool {
        self.command.is_some() && error.kind() == ErrorKind::NotFound
    }

    /// Creates a repository. Parallel callers wait for the first.
    ///
    /// # Errors
    /// The command's standard error.
    pub(super) async fn create(&self, registry: &Registry, repository: &str) -> Result<()> {
        let Some(command) = &self.command else { return Ok(()) };
        let cell = {
            let mut tried = self.tried.locked();
            Arc::clone(tried.entry(repository.to_owned()).or_default())
        };
        cell.get_or_try_init(|| run(command, registry, repository)).await.copied()
    }
}

async fn run(command: &str, registry: &Registry, repository: &str) -> Result<()> {
    let mut shell = Command::new("/bin/sh");
    shell
        .args(["-c", command])
        .env("REGISTRY", registry.as_str())
        .env("REPOSITORY", repository)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true);
    let ended = shell.output().await.map_err(|error| Error::io("run command", "/bin/sh", error))?;
    if ended.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&ended.stderr);
    let said: String = said.trim().chars().take(COMPLAINT).collect();
    Err(Error::new(
        ErrorKind::NotFound,
        format!(
            "the repository `{repository}` cannot be made: the command ends with {}",
            ended.status
        ),
    )
    .with_source(said))
}

/// Refuses names that a registry cannot have.
pub(super) fn check(registry: &Registry, name: &RepositoryName) -> Result<()> {
    if registry.is_docker_hub() && name.as_str().split('/').count() != 2 {
        return Err(Error::invalid(format!("Docker Hub has no repository `{name}`")).with_hint(
            "its names have two parts: `oci://docker.io/NAMESPACE`, and a template without slashes",
        ));
    }
    Ok(())
}

/// Adds advice to an error if the repository does not exist and a push does not create it.
pub(super) fn explain(registry: &Registry, repository: &str, error: Error) -> Error {
    if error.kind() != ErrorKind::NotFound {
        return error;
    }
    error.with_advice(Advice::CreateRepository(match is_ecr(registry) {
        true => NewRepository::Ecr,
        false => NewRepository::Named(repository.to_owned()),
    }))
}

/// Returns true for `ACCOUNT.dkr.ecr.REGION.amazonaws.com`, also in China.
fn is_ecr(registry: &Registry) -> bool {
    let host = registry.host();
    host.contains(".dkr.ecr.")
        && (host.ends_with(".amazonaws.com") || host.ends_with(".amazonaws.com.cn"))
}

/// Returns the warning for the user after pushes created this many repositories.
pub(super) fn final_warning(registry: &Registry, made: usize) -> Option<String> {
    (registry.host() == "ghcr.io" && made > 0).then(|| {
        format!(
            "{made} new packages at ghcr.io are private until the settings of each, or of their organisation, say otherwise"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registry(text: &str) -> Registry {
        text.parse().expect(text)
    }

    #[test]
    fn docker_hubs_names_have_two_parts() {
        for (host, name, legal) in [
            ("docker.io", "team/demo", true),
            ("docker.io", "team/charts/demo", false),
            ("registry-1.docker.io", "demo", false),
            ("registry.example", "a/b/c/demo", true),
        ] {
            let name: RepositoryName = name.parse().expect("name");
            assert_eq!(check(&registry(host), &name).is_ok(), legal, "{host} {name}");
        }
    }

    #[test]
    fn a_missing_repository_is_explained_and_other_errors_are_not_touched() {
        let ecr = registry("1234.dkr.ecr.eu-west-1.amazonaws.com");
        let hint = |registry: &Registry, error| explain(registry, "team/demo", error).hint();
        let ecr = hint(&ecr, Error::not_found("NAME_UNKNOWN")).expect("a hint");
        assert!(ecr.contains("aws ecr create-repository"), "{ecr}");
        let other = hint(&registry("r.example"), Error::not_found("x")).expect("a hint");
        assert!(other.contains("create `team/demo` first"), "{other}");
        assert_eq!(hint(&registry("r.example"), Error::invalid("x")), None);
    }

    #[test]
    fn new_packages_of_github_are_private() {
        assert_eq!(final_warning(&registry("ghcr.io"), 0), None);
        assert_eq!(final_warning(&registry("r.example"), 3), None);
        assert!(
            final_warning(&registry("ghcr.io"), 3).is_some_and(|text| text.starts_with("3 new"))
        );
    }

    #[tokio::test]
    async fn a_command_makes_each_repository_once() {
        let folder = tempfile::tempdir().expect("folder");
        let log = folder.path().join("log");
        let command = format!("echo \"$REGISTRY $REPOSITORY\" >> '{}'", log.display());
        let creation = Creation::new(Some(command));
        assert!(creation.is_due(&Error::not_found("x")) && !creation.is_due(&Error::invalid("x")));
        let host = registry("r.example:5000");
        let both = tokio::join!(creation.create(&host, "a/b"), creation.create(&host, "a/b"));
        both.0.and(both.1).expect("made");
        creation.create(&host, "a/c").await.expect("made");
        let text = std::fs::read_to_string(log).expect("a log");
        assert_eq!(text, "r.example:5000 a/b\nr.example:5000 a/c\n");
        let failing = Creation::new(Some("echo no rights >&2; exit 3".into()));
        let error = failing.create(&host, "a/b").await.expect_err("failed");
        assert!(error.chain().ends_with("no rights"), "{}", error.chain());
    }
}
