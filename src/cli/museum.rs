//! The commands `museum push|delete`, which work with a ChartMuseum as `helm cm-push` does, and
//! `cm-push CHART REPO` itself. Flags and variables are that plugin's.

use super::{
    Run,
    push::print_notes,
    shell::{
        duration,
        exit::Exit,
        links::LinkArgs,
        location_grammar::LocationText,
        output::{self, Format},
        progress::Progress,
        remote::{TransportArgs, password_from_stdin},
        repository_flags::{MismatchArgs, text, with_client, with_museum_tokens},
        results::{Printed, conclude},
    },
};
use crate::{
    Error, Result,
    client::{
        Client, Secret,
        chartmuseum::{ChartMuseum, Force},
    },
    index::config::RepositoryEntry,
    limits::Limits,
    ops::{
        chartmuseum::{self as op, Provenance, Report, Status},
        package,
        repository::Files,
    },
    redact::without_proof,
};
use clap::{Args, Subcommand};
use futures_util::StreamExt;
use serde_json::json;
use std::{
    path::{Path, PathBuf},
    sync::atomic::Ordering,
    time::Duration,
};

/// The number of charts uploaded at once. For each, ChartMuseum reads the whole chart and then its
/// whole index.
const AT_ONCE: usize = 8;

#[derive(Debug, Subcommand)]
pub(super) enum MuseumCommand {
    /// Upload charts
    Push(PushArgs),
    /// Delete a version of a chart
    Delete(DeleteArgs),
}

/// The arguments of `helm cm-push`: those of `museum push`, and the plugin's own.
#[derive(Debug, Args)]
pub(super) struct CmPushArgs {
    #[command(flatten)]
    push: PushArgs,
    /// Print Helm's major version, as the plugin does; it packages like Helm 3
    #[arg(long, exclusive = true)]
    check_helm_version: bool,
    /// Accept and ignore this: the plugin reads no key without verification
    #[arg(long, value_name = "FILE", hide = true)]
    keyring: Option<PathBuf>,
    /// Accept and ignore this, as in Helm 2
    #[arg(long, value_name = "DIR", hide = true)]
    home: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct PushArgs {
    /// Upload these archives and chart sources to the repository at the end, a configured name or a
    /// URL
    // One list of words, because flags may appear between them.
    #[arg(required = true, value_name = "CHART|REPO")]
    words: Vec<String>,
    /// Replace an existing version
    #[arg(long, short = 'f')]
    force: bool,
    /// Set the version; for sources
    #[arg(long, short = 'v')]
    version: Option<String>,
    /// Set the appVersion; for sources
    #[arg(long, short = 'a')]
    app_version: Option<String>,
    /// Update the dependencies of sources first
    #[arg(long, short = 'd')]
    dependency_update: bool,
    #[command(flatten)]
    mismatch: MismatchArgs,
    /// Use this provenance file instead of the one beside the archive
    #[arg(long, value_name = "FILE", conflicts_with = "no_prov")]
    prov: Option<PathBuf>,
    /// Send no provenance
    #[arg(long)]
    no_prov: bool,
    /// Write the result in this format
    #[arg(long, short = 'o', value_enum, default_value_t)]
    output: Format,
    #[command(flatten)]
    links: LinkArgs,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Args)]
pub(super) struct DeleteArgs {
    /// Delete this chart
    name: String,
    /// Delete this version
    version: String,
    /// Use this server: a configured repository's name or a URL
    repository: String,
    #[command(flatten)]
    server: ServerArgs,
}

/// The settings for reaching the server.
#[derive(Clone, Debug, Args)]
struct ServerArgs {
    /// Use this user name
    #[arg(long, short = 'u', value_name = "NAME", help_heading = "ChartMuseum")]
    username: Option<String>,
    /// Use this password
    #[arg(long, short = 'p', value_name = "PASSWORD", help_heading = "ChartMuseum")]
    password: Option<String>,
    /// Read the password from stdin
    #[arg(long, conflicts_with = "password", help_heading = "ChartMuseum")]
    password_stdin: bool,
    /// Send this token as `Authorization: Bearer`
    #[arg(long, value_name = "TOKEN", help_heading = "ChartMuseum")]
    access_token: Option<String>,
    /// Send the token in this header instead
    #[arg(long, value_name = "NAME", help_heading = "ChartMuseum")]
    auth_header: Option<String>,
    /// Use this path of the API; default: the one that the server's index gives
    #[arg(long, value_name = "PATH", help_heading = "ChartMuseum")]
    context_path: Option<String>,
    /// Do not verify the server's certificate
    #[arg(long, visible_alias = "insecure-skip-tls-verify", help_heading = "ChartMuseum")]
    insecure: bool,
    /// Trust these certificates beside the system's
    #[arg(long, value_name = "FILE", help_heading = "ChartMuseum")]
    ca_file: Option<PathBuf>,
    /// Use this client certificate (mTLS)
    #[arg(long, value_name = "FILE", requires = "key_file", help_heading = "ChartMuseum")]
    cert_file: Option<PathBuf>,
    /// Use this key of the client certificate
    #[arg(long, value_name = "FILE", requires = "cert_file", help_heading = "ChartMuseum")]
    key_file: Option<PathBuf>,
    /// Wait at most this long for a response
    #[arg(long, short = 't', value_name = "TIME", default_value = "2m0s", value_parser = seconds, help_heading = "ChartMuseum")]
    timeout: Duration,
}

/// Parses a duration; a bare number is seconds, as with `helm cm-push`.
fn seconds(text: &str) -> Result<Duration, String> {
    text.parse().map(Duration::from_secs).or_else(|_| duration::parse(text))
}

/// The wording for messages about an upload.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Words {
    /// The wording of chartferry.
    Own,
    /// The wording of `helm cm-push`, which scripts may search for.
    CmPush,
}

/// The plugin's answer to `--check-helm-version`. It separates Helm 2 from all later versions.
const HELM_VERSION: &str = "3";

pub(super) fn cm_push(run: &Run, args: CmPushArgs) -> Result<Exit> {
    if args.check_helm_version {
        return output::println(HELM_VERSION).map(|()| Exit::Ok);
    }
    push(run, args.push, Words::CmPush)
}

pub(super) fn museum(run: &Run, command: MuseumCommand) -> Result<Exit> {
    match command {
        MuseumCommand::Push(args) => push(run, args, Words::Own),
        MuseumCommand::Delete(args) => delete(run, &args),
    }
}

impl ServerArgs {
    /// Returns the server for a configured name or a URL. Flags take precedence over variables, and
    /// variables over the configuration.
    fn museum(&self, run: &Run, repository: &str) -> Result<ChartMuseum> {
        let env = &run.env;
        let mut repository = configured(&run.repository_files(), repository)?;
        let password = match (&self.password, self.password_stdin) {
            (Some(password), _) => Some(password.clone()),
            (None, true) => Some(password_from_stdin()?),
            (None, false) => None,
        };
        let say = |flag: &Option<String>, variable: &str| {
            flag.clone().or_else(|| env.text(variable)).filter(|text| !text.is_empty())
        };
        let file = |flag: &Option<PathBuf>, variable: &str| {
            flag.clone().or_else(|| env.path(variable)).map(|path| text(Some(&path)))
        };
        let put = |place: &mut String, value: Option<String>| {
            if let Some(value) = value {
                *place = value;
            }
        };
        put(&mut repository.username, say(&self.username, "HELM_REPO_USERNAME"));
        put(&mut repository.password, say(&password, "HELM_REPO_PASSWORD"));
        put(&mut repository.ca_file, file(&self.ca_file, "HELM_REPO_CA_FILE"));
        put(&mut repository.cert_file, file(&self.cert_file, "HELM_REPO_CERT_FILE"));
        put(&mut repository.key_file, file(&self.key_file, "HELM_REPO_KEY_FILE"));
        repository.insecure_skip_tls_verify |= self.insecure || env.flag("HELM_REPO_INSECURE");
        let mut options = TransportArgs::default().options(run)?;
        options.headers = self.timeout;
        let trust = options.trust.clone();
        let mut opener = with_museum_tokens(run, with_client(run, Client::new(options)?, trust));
        let header = say(&self.auth_header, "HELM_REPO_AUTH_HEADER");
        opener.token = say(&self.access_token, "HELM_REPO_ACCESS_TOKEN")
            .map(|token| (Secret::new(token), header));
        let context = say(&self.context_path, "HELM_REPO_CONTEXT_PATH");
        opener.client.museum(opener.options(&repository), context.as_deref())
    }
}

/// Returns the repository for a URL or a configured name.
fn configured(files: &Files, text: &str) -> Result<RepositoryEntry> {
    if LocationText::parse(text).is_url() {
        return Ok(RepositoryEntry { url: text.to_owned(), ..RepositoryEntry::default() });
    }
    files.find(text, &Limits::default())
}

fn push(run: &Run, args: PushArgs, words: Words) -> Result<Exit> {
    let Some((repository, charts @ [_, ..])) = args.words.split_last() else {
        return Err(Error::usage("name the charts, and then the repository that they go to"));
    };
    if let LocationText::Oci(repository) = LocationText::parse(repository) {
        return Err(Error::usage(format!("`{repository}` is a registry, not a ChartMuseum"))
            .with_hint(format!("chartferry push {} {repository}", charts.join(" "))));
    }
    let museum = args.server.museum(run, repository)?;
    let provenance = match &args.prov {
        Some(_) if charts.len() > 1 => {
            return Err(Error::usage(
                "`--prov` names the provenance of one chart, and there are several",
            ));
        }
        Some(path) => Provenance::Given(
            std::fs::read(path).map_err(|error| Error::io("read provenance", path, error))?.into(),
        ),
        None if args.no_prov => Provenance::Leave,
        None => Provenance::Beside,
    };
    let options = op::Options {
        package: package::Options {
            version: args.version.clone(),
            app_version: args.app_version.clone(),
            outside: args.links.strictly(),
            ..package::Options::new(run.epoch()?)
        },
        archives: match words {
            Words::Own => op::Archives::AsTheyAre,
            Words::CmPush => op::Archives::Repackage,
        },
        provenance,
        force: if args.force { Force::Yes } else { Force::No },
        limits: Limits::default(),
    };
    if args.dependency_update {
        for path in charts.iter().map(Path::new).filter(|path| path.is_dir()) {
            let remote = Default::default();
            super::dependency::update_quietly(run, path, args.links, args.mismatch, &remote)?;
        }
    }
    let progress = Progress::start(run, "pushed", "charts", charts.len());
    let counts = progress.counts();
    let results: Vec<Result<Report>> = run.block_on(async {
        Ok(futures_util::stream::iter(charts)
            .map(|path| {
                let (museum, options, counts) = (&museum, &options, &counts);
                async move {
                    let result = match op::prepare(Path::new(path), options) {
                        Ok(chart) => {
                            print_notes(run, &chart);
                            op::upload(museum, chart, options.force).await
                        }
                        Err(error) => Err(error),
                    };
                    counts.items.fetch_add(1, Ordering::Relaxed);
                    result
                }
            })
            .buffered(AT_ONCE)
            .collect()
            .await)
    })?;
    drop(progress);
    let shown = without_proof(repository);
    let unchanged: Vec<String> = results
        .iter()
        .flatten()
        .filter(|report| report.status == Status::Unchanged)
        .map(|report| report.file.clone())
        .collect();
    let results = results.into_iter().map(|result| result.map(|one| printed(&one, &shown, words)));
    let exit = conclude(run, args.output, "pushed", charts.iter().cloned().zip(results).collect())?;
    for file in unchanged {
        run.talk.info(&format!("{shown} has this {file} already"));
    }
    Ok(exit)
}

fn printed(report: &Report, repository: &str, words: Words) -> Printed {
    let Report { file, name, version, digest, size, provenance, status } = report;
    let text = match words {
        Words::CmPush => format!("Pushing {file} to {repository}...\nDone.\n"),
        Words::Own => {
            let with = if *provenance { " and its provenance" } else { "" };
            format!("Pushed {file}{with} to {repository}\nDigest: {digest}\n")
        }
    };
    let fields = json!({
        "status": if *status == Status::Saved { "pushed" } else { "unchanged" },
        "name": name, "version": version, "archiveDigest": digest, "size": size, "provenance": provenance,
    });
    Printed::new(text, fields)
}

fn delete(run: &Run, args: &DeleteArgs) -> Result<Exit> {
    let museum = args.server.museum(run, &args.repository)?;
    run.block_on(op::delete(&museum, &args.name, &args.version))?;
    let repository = without_proof(&args.repository);
    output::println(format!("Deleted {}-{} from {repository}", args.name, args.version))?;
    Ok(Exit::Ok)
}
