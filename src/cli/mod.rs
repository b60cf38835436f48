//! The command line. It converts arguments to options, runs an operation, and prints its report.

use crate::Result;
use clap::{Args, CommandFactory, Parser, Subcommand};
use shell::{
    advice::ReadBy,
    called::Caller,
    console::{LogFormat, Talk, Volume},
    empty_paths,
    env::Env,
    examples,
    exit::Exit,
    lazy::Lazy,
    manual, output,
    run::Run,
    tips, usage,
};
use std::{ffi::OsString, path::PathBuf, process::ExitCode, sync::Arc};

mod artifact;
mod bundle;
mod codefresh_token;
mod copy;
mod dependency;
mod export;
mod fetch;
mod images;
mod index;
mod lint;
mod list;
mod mirror;
mod museum;
mod object;
mod oras;
mod package;
mod plugin;
mod pull;
mod push;
mod registry;
mod repo;
mod save;
mod search;
mod serve;
pub mod shell;
mod show;
mod tags;
mod tour;

/// Copies Helm charts and other OCI artifacts between chart repositories and OCI registries.
#[derive(Debug, Parser)]
#[command(name = "chartferry", version, about, max_term_width = 110)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Flags of every command. The names are Helm's.
#[derive(Clone, Debug, Args)]
struct Global {
    /// Log requests and responses
    #[arg(long, global = true, help_heading = "Global options")]
    debug: bool,
    /// Print only results, warnings and errors
    #[arg(long, short = 'q', global = true, help_heading = "Global options")]
    quiet: bool,
    /// Write messages on stderr in this format
    #[arg(long, global = true, value_enum, default_value_t, help_heading = "Global options")]
    log_format: LogFormat,
    /// Read registry credentials from this file before all others
    #[arg(long, global = true, value_name = "FILE", help_heading = "Global options")]
    registry_config: Option<PathBuf>,
    /// Read chart repositories from this file
    #[arg(long, global = true, value_name = "FILE", help_heading = "Global options")]
    repository_config: Option<PathBuf>,
    /// Keep the repositories' cached indexes in this folder
    #[arg(long, global = true, value_name = "DIR", help_heading = "Global options")]
    repository_cache: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[command(flatten)]
    Verb(Verb),
    /// Run the commands for charts under the names of the old `helm chart`
    #[command(disable_help_flag = true)]
    Chart(ChartArgs),
    /// Sign in to a registry
    Login(Lazy<registry::login::LoginArgs>),
    /// Remove a registry's stored credentials
    Logout(Lazy<registry::login::LogoutArgs>),
    /// Sign in to and out of registries
    #[command(subcommand)]
    Registry(Lazy<RegistryCommand>),
    /// Manage chart repositories
    #[command(subcommand)]
    Repo(Lazy<repo::RepoCommand>),
    /// Upload charts to a ChartMuseum, or delete them there
    #[command(subcommand)]
    Museum(Lazy<museum::MuseumCommand>),
    /// Upload charts to a ChartMuseum, with the flags and output of `helm cm-push`
    CmPush(Lazy<museum::CmPushArgs>),
    /// Get a file for Helm, as its plugin for `cm://` and `ocirepo://`
    #[command(hide = true)]
    Getter(Lazy<plugin::getter::GetterArgs>),
    /// List the container images of charts
    Images(Lazy<Box<images::ImagesArgs>>),
    /// Write the index.yaml of a folder of archives
    Index(Lazy<index::IndexArgs>),
    /// Save charts to one file, for places without a network
    #[command(subcommand)]
    Bundle(Lazy<bundle::BundleCommand>),
    /// Copy whole repositories, byte for byte and incrementally
    Mirror(Lazy<Box<mirror::MirrorArgs>>),
    /// Copy an artifact with its signatures and everything that is attached to it
    Copy(Lazy<Box<copy::CopyArgs>>),
    /// Give an artifact its tag in another environment, with its signatures
    Promote(Lazy<Box<copy::PromoteArgs>>),
    /// Push, pull and attach files of any kind
    #[command(subcommand)]
    Artifact(Lazy<artifact::ArtifactCommand>),
    /// Fetch, push and delete manifests, and compose indexes
    #[command(subcommand)]
    Manifest(Lazy<object::ManifestCommand>),
    /// Fetch, push and delete blobs
    #[command(subcommand)]
    Blob(Lazy<object::BlobCommand>),
    /// Give further tags to an artifact, or remove one with `tag rm`
    Tag(Lazy<object::tag::TagArgs>),
    /// Remove a tag, and keep its manifest
    Untag(Lazy<object::tag::UntagArgs>),
    /// Run the commands of ORAS, with its flags and texts
    #[command(disable_help_flag = true)]
    Oras(ChartArgs),
    #[command(skip)]
    OrasVerb(Box<oras::OrasCommand>),
    /// Run an OCI registry on a folder
    Serve(Lazy<Box<serve::ServeArgs>>),
    /// Show this program at work, on a temporary registry of its own
    Tour(Lazy<tour::TourArgs>),
    /// Install chartferry as a Helm plugin, or remove it
    #[command(subcommand)]
    Plugin(Lazy<plugin::PluginCommand>),
    /// Write a completion script for a shell
    Completion(Lazy<CompletionArgs>),
    /// Write the manual pages to a folder
    Man(Lazy<ManArgs>),
}

/// The commands for charts; each also works after `chart`.
#[derive(Debug, Subcommand)]
enum Verb {
    /// Package chart sources
    Package(Lazy<package::PackageArgs>),
    /// Show a chart's Chart.yaml, values, README and CRDs
    #[command(subcommand, visible_alias = "inspect")]
    Show(Lazy<show::ShowCommand>),
    /// Manage a chart's dependencies
    #[command(subcommand, visible_aliases = ["dep", "dependencies"])]
    Dependency(Lazy<dependency::DependencyCommand>),
    /// Check charts against Helm's rules
    Lint(Lazy<lint::LintArgs>),
    /// Push charts to a registry or an image layout
    Push(Lazy<push::PushArgs>),
    /// Pull charts from a registry, a chart repository, an image layout or a URL
    #[command(visible_alias = "fetch")]
    Pull(Lazy<pull::PullArgs>),
    /// Write a chart's files to a folder
    Export(Lazy<export::ExportArgs>),
    /// Save a chart on this machine under a reference
    Save(Lazy<save::SaveArgs>),
    /// List the charts saved on this machine
    #[command(visible_alias = "ls")]
    List(Lazy<list::ListArgs>),
    /// Remove a saved chart
    #[command(visible_alias = "rm")]
    Remove(Lazy<list::RemoveArgs>),
    /// List the tags of a repository, newest version first
    Tags(Lazy<tags::TagsArgs>),
    /// Search the chart repositories, or list the versions of a chart in a registry
    Search(Lazy<search::SearchArgs>),
    /// Print the digest of a tag
    #[command(visible_alias = "digest")]
    Resolve(Lazy<tags::ResolveArgs>),
    /// Print this program's version
    Version,
}

/// The words after `chart`. They are parsed separately, because every command twice in one tree
/// would cost each start 512 KiB.
#[derive(Debug, Args)]
struct ChartArgs {
    /// Run this command with its arguments
    #[arg(value_name = "VERB", trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<OsString>,
}

/// Run the commands for charts under the names of the old `helm chart`
#[derive(Debug, Parser)]
#[command(name = "chartferry chart", max_term_width = 110)]
struct ChartCli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum RegistryCommand {
    /// Sign in to a registry
    Login(registry::login::LoginArgs),
    /// Remove a registry's stored credentials
    Logout(registry::login::LogoutArgs),
    /// Find out what a registry can do
    Check(registry::check::CheckArgs),
}

#[derive(Debug, Args)]
struct CompletionArgs {
    /// Write the script for this shell
    shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
struct ManArgs {
    /// Write the pages to this folder, which is created
    folder: PathBuf,
}

/// Runs one command line and returns its exit code.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args = with_dialect(args.into_iter().collect());
    let env = Env::from_process();
    let caller = Caller::of(&env);
    let (mut global, command) = match parse(&args, caller) {
        Ok(parsed) => parsed,
        Err(error) => return usage::report(&tips::improve(error, &args), &args, caller),
    };
    if let Command::Serve(Lazy(args)) = &command
        && args.log_json()
    {
        global.log_format = LogFormat::Json;
    }
    let volume = if global.quiet { Volume::Quiet } else { Volume::Normal };
    let run = Run {
        env,
        talk: Talk::new(global.log_format, volume, caller).with_flags(read_by(&command)),
        global,
        counts: Arc::default(),
    };
    run.log();
    match run.command(command) {
        Ok(exit) => exit.into(),
        Err(error) => {
            run.talk.error(&error);
            Exit::from(&error).into()
        }
    }
}

/// Returns the arguments of a program that is called `oras` as those of the command `oras`.
fn with_dialect(mut args: Vec<OsString>) -> Vec<OsString> {
    let name = args.first().map(PathBuf::from);
    if name.as_ref().and_then(|name| name.file_stem()).is_some_and(|name| name == "oras") {
        args.insert(1, "oras".into());
    }
    args
}

/// Returns the ways in which a command accepts a chart repository's user.
fn read_by(command: &Command) -> ReadBy {
    match command {
        Command::Repo(Lazy(repo::RepoCommand::Add(_))) => ReadBy::Flags,
        Command::Verb(Verb::Push(_)) => ReadBy::Configuration,
        Command::Verb(
            Verb::Export(_) | Verb::Pull(_) | Verb::Resolve(_) | Verb::Show(_) | Verb::Tags(_),
        ) => ReadBy::FlagsOrConfiguration,
        _ => ReadBy::Unknown,
    }
}

fn parse(args: &[OsString], caller: Caller) -> Result<(Global, Command), clap::Error> {
    let asks = |word: &OsString| word == "--help" || word == "-h" || word == "help";
    let help = if args.iter().any(asks) { Help::Asked } else { Help::Not };
    let words = empty_paths::without_empty_paths(Cli::command, args.iter().cloned());
    let cli: Cli = parse_as(words, "chartferry", help)?;
    let words = match cli.command {
        Command::Chart(ChartArgs { words }) => words,
        Command::Oras(ChartArgs { words }) => return parse_oras(words, cli.global, help),
        other => return Ok((cli.global, other)),
    };
    let name = OsString::from(caller.chart());
    let words = empty_paths::without_empty_paths(ChartCli::command, words);
    let words = std::iter::once(name).chain(words).collect();
    let mut inner: ChartCli = parse_as(words, caller.chart(), help)?;
    if let Verb::Export(Lazy(args)) = &mut inner.verb {
        args.expand_over_existing();
    }
    Ok((inner.global.or(cli.global), Command::Verb(inner.verb)))
}

/// Parses the words after `oras`.
fn parse_oras(
    words: Vec<OsString>,
    outer: Global,
    help: Help,
) -> Result<(Global, Command), clap::Error> {
    const NAME: &str = "chartferry oras";
    let words = empty_paths::without_empty_paths(oras::OrasCli::command, oras::own(words));
    let words = std::iter::once(NAME.into()).chain(words).collect();
    let inner: oras::OrasCli = parse_as(words, NAME, help)?;
    Ok((inner.global.or(outer), Command::OrasVerb(Box::new(inner.command))))
}

/// A request for help, as far as the arguments alone show it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Help {
    Asked,
    Not,
}

/// Parses arguments. It adds examples only for help, because they cost time at each start.
fn parse_as<C: Parser>(words: Vec<OsString>, called: &str, help: Help) -> Result<C, clap::Error> {
    if help == Help::Not {
        return C::try_parse_from(words);
    }
    let mut command = examples::added(C::command(), called);
    let matches = command.try_get_matches_from_mut(words)?;
    C::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

impl Global {
    /// Merges these flags with those before `chart`.
    fn or(self, outer: Self) -> Self {
        Self {
            debug: self.debug || outer.debug,
            quiet: self.quiet || outer.quiet,
            log_format: if self.log_format == LogFormat::default() {
                outer.log_format
            } else {
                self.log_format
            },
            registry_config: self.registry_config.or(outer.registry_config),
            repository_config: self.repository_config.or(outer.repository_config),
            repository_cache: self.repository_cache.or(outer.repository_cache),
        }
    }
}

/// Returns the whole command line as one tree, for completion and manual.
fn whole() -> clap::Command {
    Cli::command()
        .mut_subcommand("chart", |_| ChartCli::command().name("chart").bin_name("chartferry chart"))
}

impl Run {
    fn command(&self, command: Command) -> Result<Exit> {
        match command {
            Command::Verb(verb) => self.verb(verb),
            Command::Chart(_) => unreachable!("`parse` puts the verb in its place"),
            Command::Login(Lazy(args)) | Command::Registry(Lazy(RegistryCommand::Login(args))) => {
                registry::login::login(self, args)
            }
            Command::Logout(Lazy(args))
            | Command::Registry(Lazy(RegistryCommand::Logout(args))) => {
                registry::login::logout(self, &args)
            }
            Command::Registry(Lazy(RegistryCommand::Check(args))) => {
                registry::check::check(self, &args)
            }
            Command::Repo(Lazy(command)) => repo::repo(self, command),
            Command::Museum(Lazy(command)) => museum::museum(self, command),
            Command::CmPush(Lazy(args)) => museum::cm_push(self, args),
            Command::Getter(Lazy(args)) => plugin::getter::getter(self, &args),
            Command::Index(Lazy(args)) => index::index(self, &args),
            Command::Bundle(Lazy(command)) => bundle::bundle(self, command),
            Command::Mirror(Lazy(args)) => mirror::mirror(self, *args),
            Command::Copy(Lazy(args)) => copy::copy(self, *args),
            Command::Promote(Lazy(args)) => copy::promote(self, *args),
            Command::Artifact(Lazy(command)) => artifact::artifact(self, command),
            Command::Images(Lazy(args)) => images::images(self, &args),
            Command::Manifest(Lazy(command)) => object::manifest(self, command),
            Command::Blob(Lazy(command)) => object::blob(self, command),
            Command::Tag(Lazy(args)) => object::tag::tag(self, &args),
            Command::Untag(Lazy(args)) => object::tag::untag(self, &args),
            Command::Oras(_) => unreachable!("`parse` puts the verb in its place"),
            Command::OrasVerb(command) => oras::oras(self, *command),
            Command::Serve(Lazy(args)) => serve::serve(self, *args),
            Command::Tour(Lazy(args)) => tour::tour(self, &args),
            Command::Plugin(Lazy(command)) => plugin::plugin(self, command),
            Command::Completion(Lazy(args)) => {
                let mut script = Vec::new();
                clap_complete::generate(args.shell, &mut whole(), "chartferry", &mut script);
                output::print_content(script).map(|()| Exit::Ok)
            }
            Command::Man(Lazy(args)) => {
                let now = match self.epoch()? {
                    Some(epoch) => jiff::Timestamp::from_second(epoch.unix()).unwrap_or_default(),
                    None => jiff::Timestamp::now(),
                };
                let date = now.strftime("%Y-%m-%d").to_string();
                manual::write(whole(), &args.folder, &date).map(|()| Exit::Ok)
            }
        }
    }

    fn verb(&self, verb: Verb) -> Result<Exit> {
        match verb {
            Verb::Package(Lazy(args)) => package::package(self, args),
            Verb::Show(Lazy(command)) => show::show(self, command),
            Verb::Dependency(Lazy(command)) => dependency::dependency(self, command),
            Verb::Lint(Lazy(args)) => lint::lint(self, &args),
            Verb::Push(Lazy(args)) => push::push(self, args),
            Verb::Pull(Lazy(args)) => pull::pull(self, args),
            Verb::Export(Lazy(args)) => export::export(self, args),
            Verb::Save(Lazy(args)) => save::save(self, &args),
            Verb::List(Lazy(args)) => list::list(self, &args),
            Verb::Remove(Lazy(args)) => list::remove(self, &args),
            Verb::Tags(Lazy(args)) => tags::tags(self, args),
            Verb::Search(Lazy(args)) => search::search(self, args),
            Verb::Resolve(Lazy(args)) => tags::resolve(self, args),
            Verb::Version => version(),
        }
    }
}

fn version() -> Result<Exit> {
    output::println(concat!("chartferry ", env!("CARGO_PKG_VERSION"))).map(|()| Exit::Ok)
}

/// Formats a size as Helm 3.6 did: `973 B`, `2.4 KiB`.
pub(crate) fn size(bytes: u64) -> String {
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    for unit in ["KiB", "MiB", "GiB"] {
        if value < 1024.0 {
            return format!("{value:.1} {unit}");
        }
        value /= 1024.0;
    }
    format!("{value:.1} TiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        whole().debug_assert();
        Cli::command().debug_assert();
    }

    #[test]
    fn a_command_keeps_its_description_when_its_flags_are_defined() {
        let described = |command: &clap::Command| {
            let of = |inner: &clap::Command| {
                (inner.get_name().to_owned(), inner.get_about().map(ToString::to_string))
            };
            command.get_subcommands().map(of).collect::<Vec<_>>()
        };
        let before = described(&Cli::command());
        let mut command = Cli::command().disable_help_subcommand(true);
        command.build();
        assert_eq!(described(&command), before);
        assert!(before.iter().all(|(_, about)| about.is_some()));
    }

    #[test]
    fn sizes_are_those_of_the_old_helm() {
        assert_eq!(
            [0, 1023, 1024, 2458, 5 << 20].map(size),
            ["0 B", "1023 B", "1.0 KiB", "2.4 KiB", "5.0 MiB"]
        );
    }
}
