//! The flags for chart repositories, and the search and download of a chart in one.

use super::remote::RemoteArgs;
use crate::{
    Error, Result,
    cli::{Run, codefresh_token},
    client::{Client, Secret},
    index::config::RepositoryEntry,
    limits::Limits,
    ops::{
        pull::Provenance,
        repository::{
            listed::{OnMismatch, Verdict},
            locate::{self, Located, VersionRequest},
            open::{Got, MuseumScheme, Opener},
        },
        tags::Devel,
    },
};
use clap::{Args, ValueEnum};
use std::path::{Path, PathBuf};

/// Flags of commands that accept a chart of a repository, with Helm's names.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct RepositoryArgs {
    /// Use the chart repository at this URL
    #[arg(long, value_name = "URL", help_heading = "Chart repository")]
    pub(crate) repo: Option<String>,
    /// Send the credentials to every host that the repository's index names
    #[arg(long, help_heading = "Chart repository")]
    pub(crate) pass_credentials: bool,
    #[command(flatten)]
    mismatch: MismatchArgs,
    /// Verify the chart's provenance
    #[arg(long, hide = true)]
    verify: bool,
    /// Use the public keys in this file; ignored without `--verify`, as Helm does
    #[arg(long, value_name = "FILE", hide = true)]
    keyring: Option<PathBuf>,
}

/// The action for an archive that differs from the one in its index. `mirror` has the same flag.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct MismatchArgs {
    /// Set the action for an archive whose digest differs from its index
    #[arg(
        long,
        value_name = "WHAT",
        value_enum,
        default_value_t,
        hide_possible_values = false,
        help_heading = "Chart repository"
    )]
    on_digest_mismatch: MismatchArg,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum MismatchArg {
    /// Refuse the archive
    #[default]
    Fail,
    /// Use the archive, with a warning
    Warn,
}

impl From<MismatchArgs> for OnMismatch {
    fn from(args: MismatchArgs) -> Self {
        match args.on_digest_mismatch {
            MismatchArg::Fail => Self::Fail,
            MismatchArg::Warn => Self::Warn,
        }
    }
}

/// A chart of a repository, as named by the user.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Chart<'a> {
    /// The argument `repository/chart`, of a configured repository.
    Configured { repository: &'a RepositoryEntry, chart: &'a str },
    /// A chart name with `--repo`.
    In { url: &'a str, chart: &'a str },
    /// An archive by its URL.
    Archive { url: &'a str },
}

impl RepositoryArgs {
    /// Refuses flags that this program does not support yet.
    pub(crate) fn check(&self) -> Result<()> {
        if self.verify {
            return Err(Error::usage(
                "`--verify` is not supported yet; nothing was fetched",
            )
            .with_hint("get archive and provenance with `pull --prov`, then run `helm verify` on the archive"));
        }
        Ok(())
    }

    /// Returns the flags' settings for a repository at `url`.
    fn given(&self, remote: &RemoteArgs, url: &str) -> Result<RepositoryEntry> {
        let (username, password) = remote
            .given()?
            .map(|(name, password)| (name, password.expose().to_owned()))
            .unwrap_or_default();
        let transport = &remote.transport;
        Ok(RepositoryEntry {
            name: String::new(),
            url: url.to_owned(),
            username,
            password,
            cert_file: text(transport.cert_file.as_deref()),
            key_file: text(transport.key_file.as_deref()),
            ca_file: text(transport.ca_file.as_deref()),
            insecure_skip_tls_verify: transport.insecure_skip_tls_verify,
            pass_credentials_all: self.pass_credentials,
        })
    }

    /// Finds the chart in its repository.
    pub(crate) async fn locate(
        &self,
        run: &Run,
        remote: &RemoteArgs,
        chart: Chart<'_>,
        version: Option<&str>,
        devel: bool,
    ) -> Result<Located> {
        let opener = Opener { mismatch: self.mismatch.into(), ..opener(run, self, remote)? };
        let wanted = VersionRequest {
            version: version.unwrap_or_default().to_owned(),
            devel: if devel { Devel::Prereleases } else { Devel::Releases },
        };
        let files = run.repository_files();
        match chart {
            Chart::Configured { repository, chart } => {
                let given = self.given(remote, &repository.url)?;
                let repository = over(repository, given);
                locate::configured(&files, &opener, &repository, chart, &wanted)
            }
            Chart::In { url, chart } => {
                let repository = self.given(remote, url)?;
                locate::in_repository(&opener, &repository, chart, &wanted).await
            }
            Chart::Archive { url } => {
                locate::by_url(&files, &opener, url, &self.given(remote, url)?)
            }
        }
    }
}

/// Downloads a located chart, and prints its notes for the user.
pub(crate) async fn fetch(run: &Run, located: &Located, provenance: Provenance) -> Result<Got> {
    for note in &located.notes {
        run.talk.warn(note);
    }
    let checked = located.fetch(provenance).await?;
    for failed in &checked.failed {
        run.talk.warn(&format!("an address of the index was passed over: {failed}"));
    }
    match &checked.verdict {
        Verdict::Equal => {}
        Verdict::Missing if located.version.is_empty() => {}
        Verdict::Missing => run.talk.info(&format!(
            "the index has no digest for {located}; the archive has `{}`",
            checked.got.digest
        )),
        verdict => {
            if let Some(warning) = verdict.warning(&located.url) {
                run.talk.warn(&warning);
            }
        }
    }
    Ok(checked.got)
}

/// Returns the opener of repositories for a command with these flags.
///
/// User name and password of the flags are for the repository. A registry that its index names gets
/// them only with `--pass-credentials`.
fn opener(run: &Run, chart_repository: &RepositoryArgs, remote: &RemoteArgs) -> Result<Opener> {
    let trust = remote.transport.options(run)?.trust;
    let client = match chart_repository.pass_credentials {
        true => remote.client(run)?,
        false => remote.nameless().client(run)?,
    };
    Ok(with_client(run, client, trust))
}

/// Returns the opener with a given client.
pub(crate) fn with_client(run: &Run, client: Client, trust: crate::client::Trust) -> Opener {
    let env = &run.env;
    Opener {
        client,
        trust,
        museum: if env.flag("HELM_REPO_USE_HTTP") {
            MuseumScheme::Http
        } else {
            MuseumScheme::Https
        },
        cache: Some(env.blob_cache().join("configs")),
        limits: Limits::default(),
        // A Chart.yaml, an index or a list of repositories may name any host, and the user did not
        // give the token for those.
        token: None,
        mismatch: OnMismatch::default(),
        museum_token: None,
    }
}

/// Returns the opener with ChartMuseum's tokens: `HELM_REPO_ACCESS_TOKEN`, and Codefresh's for
/// `cm://`.
///
/// Only `museum`, `cm-push` and the getter use it. Their user names the server itself.
pub(crate) fn with_museum_tokens(run: &Run, opener: Opener) -> Opener {
    let env = &run.env;
    Opener {
        token: env
            .text("HELM_REPO_ACCESS_TOKEN")
            .map(|token| (Secret::new(token), env.text("HELM_REPO_AUTH_HEADER"))),
        museum_token: codefresh_token::token(&env.codefresh_config()),
        ..opener
    }
}

/// Returns a configured repository, with the flags' settings for its empty fields.
fn over(configured: &RepositoryEntry, given: RepositoryEntry) -> RepositoryEntry {
    let mut all = configured.clone();
    if all.username.is_empty() && all.password.is_empty() {
        (all.username, all.password) = (given.username, given.password);
        all.pass_credentials_all |= given.pass_credentials_all;
    }
    if all.cert_file.is_empty() && all.key_file.is_empty() && all.ca_file.is_empty() {
        (all.cert_file, all.key_file, all.ca_file) =
            (given.cert_file, given.key_file, given.ca_file);
    }
    all.insecure_skip_tls_verify |= given.insecure_skip_tls_verify;
    all
}

/// Returns a path as repositories.yaml writes it.
pub(crate) fn text(path: Option<&Path>) -> String {
    path.map(|path| path.display().to_string()).unwrap_or_default()
}
