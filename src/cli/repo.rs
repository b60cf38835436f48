//! The commands `repo add|update|list|remove`, with Helm's own files and Helm's texts.

use super::{
    Run, index,
    shell::{
        duration,
        exit::Exit,
        output,
        remote::{RemoteArgs, TransportArgs, password_from_stdin},
        repository_flags::{text, with_client},
        table::table,
    },
    tags,
};
use crate::{
    Error, ErrorKind, Result,
    client::{Client, ClientEvent, EventSink, Options, Remote, Shown},
    index::config::RepositoryEntry,
    limits::Limits,
    oci::Reference,
    ops::repository::{self as op, Add, Added, Event, Existing, Gone, open::Opener},
    quote, redact,
    store::Catalog as _,
};
use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;
use std::{io::IsTerminal, path::PathBuf, time::Duration};

#[derive(Debug, Subcommand)]
pub(super) enum RepoCommand {
    /// Add a chart repository
    Add(AddArgs),
    /// Download the indexes of chart repositories
    #[command(visible_alias = "up")]
    Update(UpdateArgs),
    /// List the chart repositories
    #[command(visible_alias = "ls")]
    List(ListArgs),
    /// Remove chart repositories
    #[command(visible_alias = "rm")]
    Remove(RemoveArgs),
    /// Write the index.yaml of a folder of archives
    Index(index::IndexArgs),
    /// List the tags of a registry's repository, as `oras repo tags` does
    Tags(tags::TagsArgs),
}

#[derive(Debug, Args)]
pub(super) struct AddArgs {
    /// Name the repository like this
    name: String,
    /// Use this URL: `https://…`, `http://…`, `cm://…` or `ocirepo://registry/namespace`
    url: String,
    /// Use this user name
    #[arg(long, value_name = "NAME")]
    username: Option<String>,
    /// Use this password
    #[arg(long, value_name = "PASSWORD")]
    password: Option<String>,
    /// Read the password from stdin
    #[arg(long, conflicts_with = "password")]
    password_stdin: bool,
    /// Replace a repository of the same name
    #[arg(long)]
    force_update: bool,
    /// Accept and ignore this flag of Helm; only `--force-update` replaces a repository
    #[arg(long, hide = true)]
    no_update: bool,
    /// Accept a repository that is known to be shut down
    #[arg(long)]
    allow_deprecated_repos: bool,
    /// Send the credentials to every host that the repository's index names
    #[arg(long)]
    pass_credentials: bool,
    /// Do not verify the repository's certificate
    #[arg(long)]
    insecure_skip_tls_verify: bool,
    /// Trust these certificates beside the system's
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Use this client certificate (mTLS)
    #[arg(long, value_name = "FILE", requires = "key_file")]
    cert_file: Option<PathBuf>,
    /// Use this key of the client certificate
    #[arg(long, value_name = "FILE", requires = "cert_file")]
    key_file: Option<PathBuf>,
    /// Wait at most this long for the index
    #[arg(long, value_name = "TIME", default_value = "2m0s", value_parser = duration::parse)]
    timeout: Duration,
}

#[derive(Debug, Args)]
pub(super) struct UpdateArgs {
    /// Update these repositories; default: all
    names: Vec<String>,
    /// Wait at most this long for an index
    #[arg(long, value_name = "TIME", default_value = "2m0s", value_parser = duration::parse)]
    timeout: Duration,
    /// Accept and ignore this flag of Helm 3; a failure always fails
    #[arg(long, hide = true)]
    fail_on_repo_update_fail: bool,
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// List the repositories of this registry, or below this namespace of it, instead: `host[/ns]`
    #[arg(value_name = "HOST[/NS]")]
    registry: Option<String>,
    /// Write the list in this format
    #[arg(long, short = 'o', value_enum, default_value_t)]
    output: Format,
    /// Leave out the heading
    #[arg(long)]
    no_headers: bool,
    #[command(flatten)]
    remote: RemoteArgs,
}

#[derive(Debug, Args)]
pub(super) struct RemoveArgs {
    /// Remove these repositories
    #[arg(required = true)]
    names: Vec<String>,
}

/// The output format of lists, with Helm's names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// A table.
    #[default]
    #[value(alias = "text")]
    Table,
    /// One line of JSON.
    Json,
    /// A YAML document.
    Yaml,
}

impl From<Format> for output::Format {
    fn from(format: Format) -> Self {
        match format {
            Format::Table => Self::Text,
            Format::Json => Self::Json,
            Format::Yaml => Self::Yaml,
        }
    }
}

pub(super) fn repo(run: &Run, command: RepoCommand) -> Result<Exit> {
    match command {
        RepoCommand::Add(args) => add(run, args),
        RepoCommand::Update(args) => update(run, &args),
        RepoCommand::List(args) => list(run, &args),
        RepoCommand::Remove(args) => remove(run, &args),
        RepoCommand::Index(args) => index::index(run, &args),
        RepoCommand::Tags(args) => tags::tags(run, args),
    }
}

/// Returns the opener for fetching indexes.
pub(super) fn opener(run: &Run) -> Result<Opener> {
    let mut options: Options = TransportArgs::default().options(run)?;
    let talk = run.talk.clone();
    options.notify = EventSink::new(move |notice| match notice {
        ClientEvent::Waiting { .. } => talk.info(&notice.to_string()),
        ClientEvent::Credentials { .. } | ClientEvent::Skipped { .. } => {
            talk.warn_once(&notice.to_string());
        }
        notice => tracing::debug!("{notice}"),
    });
    let trust = options.trust.clone();
    Ok(with_client(run, Client::new(options)?, trust))
}

fn add(run: &Run, args: AddArgs) -> Result<Exit> {
    let password = match (args.password, args.password_stdin, &args.username) {
        (Some(password), ..) => password,
        (None, true, _) => password_from_stdin()?,
        (None, false, Some(_)) if std::io::stdin().is_terminal() => {
            rpassword::prompt_password("Password: ").map_err(|error| {
                Error::new(ErrorKind::Io, "cannot ask on the terminal").with_source(error)
            })?
        }
        (None, false, Some(_)) => {
            return Err(
                Error::usage("`--username` without a password").with_hint("add `--password-stdin`")
            );
        }
        (None, false, None) => String::new(),
    };
    let options = Add {
        repository: RepositoryEntry {
            name: args.name.clone(),
            url: args.url,
            username: args.username.unwrap_or_default(),
            password,
            cert_file: text(args.cert_file.as_deref()),
            key_file: text(args.key_file.as_deref()),
            ca_file: text(args.ca_file.as_deref()),
            insecure_skip_tls_verify: args.insecure_skip_tls_verify,
            pass_credentials_all: args.pass_credentials,
        },
        existing: if args.force_update { Existing::Replace } else { Existing::Refuse },
        gone: if args.allow_deprecated_repos { Gone::Allow } else { Gone::Refuse },
        timeout: args.timeout,
    };
    let opener = opener(run)?;
    let files = run.repository_files();
    let warn = |text: &str| run.talk.warn(text);
    let added = run.block_on(op::add(&files, &opener, &options, &warn))?;
    let empty = || files.index(&args.name, &opener.limits).is_ok_and(|index| index.versions() == 0);
    if added == Added::Yes && options.repository.url.starts_with("ocirepo://") && empty() {
        run.talk.warn(&format!("no chart in `{}`: check the namespace", options.repository.url));
    }
    let name = quote::go(&args.name);
    output::println(match added {
        Added::Yes => format!("{name} has been added to your repositories"),
        Added::AsItWas => format!("{name} already exists with the same configuration, skipping"),
    })?;
    Ok(Exit::Ok)
}

fn update(run: &Run, args: &UpdateArgs) -> Result<Exit> {
    let files = run.repository_files();
    let chosen = op::chosen(&files, &args.names, &Limits::default())?;
    let opener = opener(run)?;
    output::println("Hang tight while we grab the latest from your chart repositories...")?;
    let tell = |event: Event<'_>| tell(run, &event);
    let failed = run
        .block_on(async { Ok(op::update(&files, &opener, &chosen, args.timeout, &tell).await) })?;
    if !failed.is_empty() {
        let kind =
            if failed.len() == chosen.len() { ErrorKind::Network } else { ErrorKind::Partial };
        return Err(Error::new(
            kind,
            format!("failed to update the following repositories: [{}]", failed.join(" ")),
        ));
    }
    output::println("Update Complete. ⎈Happy Helming!⎈").map(|()| Exit::Ok)
}

/// Prints Helm's lines on stdout. A closed pipe does not stop the command.
pub(super) fn tell(run: &Run, event: &Event<'_>) {
    let _ = match event {
        Event::Updated(repository, _) => output::println(format!(
            "...Successfully got an update from the {} chart repository",
            quote::go(&repository.name)
        )),
        Event::Failed(repository, error) => output::println(format!(
            "...Unable to get an update from the {} chart repository ({}):\n\t{}",
            quote::go(&repository.name),
            redact::without_proof(&repository.url),
            redact::without_proof(&error.chain())
        )),
        Event::Warning(text) => {
            run.talk.warn(text);
            Ok(())
        }
    };
}

/// A repository as Helm lists it.
#[derive(Serialize)]
struct Row<'r> {
    name: &'r str,
    /// The URL without secrets.
    url: String,
}

fn list(run: &Run, args: &ListArgs) -> Result<Exit> {
    if let Some(registry) = &args.registry {
        return list_registry(run, registry, args);
    }
    let all = run.repository_files().load(&Limits::default())?.repositories;
    let rows: Vec<Row<'_>> = all
        .iter()
        .map(|one| Row { name: &one.name, url: redact::without_proof(&one.url) })
        .collect();
    match args.output {
        Format::Table if rows.is_empty() => run.talk.info("no repositories to show"),
        Format::Table => {
            let cells: Vec<Vec<String>> =
                rows.iter().map(|row| vec![row.name.to_owned(), row.url.clone()]).collect();
            let text = if args.no_headers {
                // As in Helm, the heading then does not count for the columns' width.
                match cells.split_first() {
                    Some((first, rest)) => table(&[&first[0], &first[1]], rest, 0),
                    None => String::new(),
                }
            } else {
                table(&["NAME", "URL"], &cells, 0)
            };
            output::print(text)?;
        }
        Format::Json => output::print_line(&rows)?,
        Format::Yaml => output::print_value(output::Format::Yaml, &rows)?,
    }
    Ok(Exit::Ok)
}

/// Lists the repositories of a registry, by their names below the namespace.
fn list_registry(run: &Run, registry: &str, args: &ListArgs) -> Result<Exit> {
    let bare = registry.strip_prefix("oci://").unwrap_or(registry);
    let (host, namespace) = Reference::parse_namespace(bare)?;
    let client = args.remote.client(run)?;
    let below = Remote::new(client, host, namespace, Shown::All);
    let names = run.block_on(below.repositories())?;
    let names: Vec<&str> = names.iter().map(|name| name.as_str()).collect();
    match args.output {
        Format::Table => {
            output::print(names.iter().map(|name| format!("{name}\n")).collect::<String>())?;
        }
        Format::Json => output::print_line(&names)?,
        Format::Yaml => output::print_value(output::Format::Yaml, &names)?,
    }
    Ok(Exit::Ok)
}

fn remove(run: &Run, args: &RemoveArgs) -> Result<Exit> {
    op::remove(&run.repository_files(), &args.names, &Limits::default(), |name| {
        output::println(format!("{} has been removed from your repositories", quote::go(name)))
    })?;
    Ok(Exit::Ok)
}
