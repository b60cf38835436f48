//! The flags of `mirror`.

use crate::{
    Error, Result,
    cli::shell::{
        advice::{ReadBy, render},
        journal::JournalArgs,
        output::Format,
    },
    mirror::{
        Shard,
        finish::prune::Guard,
        rewrite::Rules,
        run::{OnConflict, OnMismatch},
    },
};
use clap::{Args, ValueEnum};
use std::{path::PathBuf, str::FromStr, time::Duration};

/// The default number of versions in progress at once. An upload is five requests in a row. On a
/// connection with 100 ms latency, 64 allow 120 versions a second.
pub(super) const AT_ONCE: usize = 64;
/// The end of `mirror --help`.
const EXAMPLES: &str = r#"Examples:
  chartferry mirror https://charts.example.com oci://registry.example.com/charts
  chartferry mirror oci://registry.example.com/charts monday.tar.zst --chart 'nginx@>=15' --latest 3
  chartferry mirror -f mirror.yaml --check

A file for -f; only `sources` and `destination` must be in it:
  sources:
  - url: https://charts.example.com
    name: stable                     # the {{repo}} of the template
    charts: [nginx@>=15, {name: "kube-*", latest: 3}]
    exclude: [/^old-/]
    minAge: 7d                       # also versions, latest, since, skipDeprecated
    skipPrerelease: true
  - url: oci://source.example.com/team
    repositories: [demo]             # where the registry does not list them; also immutableTags
  destination:
    url: oci://${REGISTRY}/charts    # ${NAME} is a variable of the environment; $${ is a plain ${
    template: "{{repo}}/{{chart}}"
    aliasWithoutV: true              # also rewriteDependencies, dependencyUrls, artifacthub
  withDependencies: true             # also noProv
  onConflict: fail                   # or skip, overwrite
  onDigestMismatch: fail             # or warn, accept
  prune: {maxDelete: 10%}
  state: {file: state.jsonl}
  lookEvery: 24h                     # also trustTags
  concurrency: 16                    # also rate, metricsFile, reportFile
  hosts:
  - host: registry.example.com
    username: robot
    passwordEnv: REGISTRY_PASSWORD   # or passwordFile; also caFile, plainHttp, concurrency, rate

These flags replace what the file says: --on-conflict, --on-digest-mismatch, --look-every,
--concurrency, --rate, --prune, --state, --state-ref, --metrics-file, --report-file. Flags without
a key in the file work as usual. Sources, destination and selection are in the file alone.
"#;

#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(in crate::cli) struct MirrorArgs {
    /// Copy from these sources to the last one, the destination: `https://…`, a name of `repo
    /// list`, a folder, `oci://HOST/NAMESPACE`, `layout:DIR`, a bundle
    #[arg(value_name = "SRC|DST", required_unless_present = "file")]
    pub(super) ends: Vec<String>,
    /// Read sources, destination and all other settings from a YAML file, or from stdin with `-`
    #[arg(long, short = 'f', value_name = "FILE")]
    pub(super) file: Option<PathBuf>,
    /// Copy only these charts: `NAME`, `GLOB` or `/REGEX/`, each with `@RANGE` if wanted
    #[arg(long, value_name = "PATTERN[@RANGE]", help_heading = "Selection")]
    pub(super) chart: Vec<String>,
    /// Leave these charts out
    #[arg(long, value_name = "PATTERN", help_heading = "Selection")]
    pub(super) exclude: Vec<String>,
    /// Copy these charts of a registry that does not list its own
    #[arg(long, value_name = "NAME", value_delimiter = ',', help_heading = "Selection")]
    pub(super) charts: Vec<String>,
    /// Assume that a source registry's tags never move, and do not resolve them again
    #[arg(long, help_heading = "Selection")]
    pub(super) immutable_tags: bool,
    /// Copy only versions in a range
    #[arg(long, value_name = "RANGE", help_heading = "Selection")]
    pub(super) versions: Option<String>,
    /// Copy only the newest versions of each chart
    #[arg(long, value_name = "N", value_parser = positive, help_heading = "Selection")]
    pub(super) latest: Option<usize>,
    /// Copy only versions created on this day or later
    #[arg(long, value_name = "DATE", help_heading = "Selection")]
    pub(super) since: Option<String>,
    /// Copy only versions created this long ago or longer: `7d`, `36h`
    #[arg(long, value_name = "AGE", help_heading = "Selection")]
    pub(super) min_age: Option<String>,
    /// Leave deprecated charts out
    #[arg(long, help_heading = "Selection")]
    pub(super) skip_deprecated: bool,
    /// Leave prereleases out
    #[arg(long, help_heading = "Selection")]
    pub(super) skip_prerelease: bool,
    /// Select the charts that the selected ones need too, if the source has them
    #[arg(long, help_heading = "Selection")]
    pub(super) with_dependencies: bool,
    /// Leave out provenance files: ask no chart repository or folder for them
    #[arg(long)]
    pub(super) no_prov: bool,
    /// Place each chart at this path below the destination: `{{repo}}`, `{{chart}}`, `{{version}}`
    #[arg(long, value_name = "TEMPLATE")]
    pub(super) template: Option<String>,
    /// Tag `v1.2.3` as `1.2.3` too
    #[arg(long)]
    pub(super) alias_without_v: bool,
    /// Repackage charts whose dependencies name a source, with the address of the destination
    #[arg(long)]
    pub(super) rewrite_dependencies: bool,
    /// Rewrite another address of dependencies, beside the sources' own
    #[arg(long, value_name = "OLD-URL=NEW-URL", value_parser = hinted::<Rules>, requires = "rewrite_dependencies")]
    pub(super) dependency_url: Vec<Rules>,
    /// Store this file as Artifact Hub's repository metadata beside each chart
    #[arg(long, value_name = "FILE")]
    pub(super) artifacthub: Option<PathBuf>,
    /// Create missing repositories with this shell command; it gets $REGISTRY and $REPOSITORY
    #[arg(long, value_name = "COMMAND")]
    pub(super) create_repository_command: Option<String>,
    /// Set the action for an archive that differs from its index
    #[arg(long, value_enum, value_name = "POLICY")]
    pub(super) on_digest_mismatch: Option<MismatchArg>,
    /// Set the action for a version that exists with different bytes
    #[arg(long, value_enum, value_name = "POLICY")]
    pub(super) on_conflict: Option<ConflictArg>,
    /// Remove versions that vanished at the source
    #[arg(long)]
    pub(super) prune: bool,
    /// Refuse to remove more than this, a number or a percentage
    #[arg(long, value_name = "N|N%", default_value_t, value_parser = hinted::<Guard>, requires = "prune")]
    pub(super) max_delete: Guard,
    /// Copy one part of several, such as `1/4`
    #[arg(long, value_name = "I/N", value_parser = hinted::<Shard>)]
    pub(super) shard: Option<Shard>,
    /// Print the planned actions and change nothing
    #[arg(long, conflicts_with = "check")]
    pub(super) dry_run: bool,
    /// Compare both sides, and change nothing
    #[arg(long)]
    pub(super) check: bool,
    /// Look at the destination now: list its tags, and copy missing versions again
    #[arg(long)]
    pub(super) look: bool,
    /// Look at the destination when the last look is older than this, such as `7d`; default: `24h`
    #[arg(long, value_name = "AGE", value_parser = span)]
    pub(super) look_every: Option<Duration>,
    /// Count an existing tag without a record as equal, without comparing it
    #[arg(long)]
    pub(super) trust_tags: bool,
    /// List every selected version in the report, with the digests of both sides
    #[arg(long)]
    pub(super) all: bool,
    /// Write the state to a file too
    #[arg(long, value_name = "FILE", help_heading = "State")]
    pub(super) state: Option<PathBuf>,
    /// Write the state to this repository; default: `chartferry-state` in the namespace
    #[arg(long, value_name = "oci://REF", help_heading = "State")]
    pub(super) state_ref: Option<String>,
    /// Ignore the last state and list the destination
    #[arg(long, help_heading = "State")]
    pub(super) ignore_state: bool,
    /// Copy only charts: leave their signatures, attestations and SBOMs behind
    #[arg(long)]
    pub(super) charts_only: bool,
    /// Retry refused versions
    #[arg(long, conflicts_with = "ignore_state", help_heading = "State")]
    pub(super) retry: bool,
    /// Copy this many versions at once; default: 64
    #[arg(long, value_name = "N", value_parser = positive)]
    pub(super) concurrency: Option<usize>,
    /// Send at most this many requests a second to each host
    #[arg(long, value_name = "N", value_parser = above_zero)]
    pub(super) rate: Option<f64>,
    /// Write the whole report to a file, as JSON
    #[arg(long, value_name = "FILE")]
    pub(super) report_file: Option<PathBuf>,
    /// Write metrics for Prometheus to a file; a dry run writes none
    #[arg(long, value_name = "FILE")]
    pub(super) metrics_file: Option<PathBuf>,
    /// Write the report in this format
    #[arg(long, short = 'o', value_enum, default_value_t)]
    pub(super) output: Format,
    #[command(flatten)]
    pub(super) journal: JournalArgs,
    #[command(flatten)]
    pub(super) both: BothArgs,
    #[command(flatten)]
    pub(super) from: FromArgs,
    #[command(flatten)]
    pub(super) to: ToArgs,
}

impl MirrorArgs {
    /// Refuses flags for which the file has keys, so that no flag is silently ignored.
    pub(super) fn refuse_beside_file(&self) -> Result<()> {
        if let Some(end) = self.ends.first() {
            return Err(Error::usage(format!("`{end}` beside `--file`"))
                .with_hint("the file names them: `sources[].url` and `destination.url`"));
        }
        for (given, flag, key) in [
            (!self.chart.is_empty(), "--chart", "sources[].charts"),
            (!self.exclude.is_empty(), "--exclude", "sources[].exclude"),
            (!self.charts.is_empty(), "--charts", "sources[].repositories"),
            (self.immutable_tags, "--immutable-tags", "sources[].immutableTags"),
            (self.versions.is_some(), "--versions", "sources[].versions"),
            (self.latest.is_some(), "--latest", "sources[].latest"),
            (self.since.is_some(), "--since", "sources[].since"),
            (self.min_age.is_some(), "--min-age", "sources[].minAge"),
            (self.skip_deprecated, "--skip-deprecated", "sources[].skipDeprecated"),
            (self.skip_prerelease, "--skip-prerelease", "sources[].skipPrerelease"),
            (self.template.is_some(), "--template", "destination.template"),
            (self.alias_without_v, "--alias-without-v", "destination.aliasWithoutV"),
            (
                self.rewrite_dependencies,
                "--rewrite-dependencies",
                "destination.rewriteDependencies",
            ),
            (!self.dependency_url.is_empty(), "--dependency-url", "destination.dependencyUrls"),
            (self.artifacthub.is_some(), "--artifacthub", "destination.artifacthub"),
            (
                self.create_repository_command.is_some(),
                "--create-repository-command",
                "destination.createRepositoryCommand",
            ),
        ] {
            if given {
                return Err(Error::usage(format!("`{flag}` cannot be used with `--file`"))
                    .with_hint(format!("write the key `{key}` in the file")));
            }
        }
        Ok(())
    }
}

/// Flags for both sides.
#[derive(Clone, Debug, Args)]
pub(super) struct BothArgs {
    /// Use HTTP without TLS for registries
    #[arg(long, help_heading = "Both sides")]
    pub(super) plain_http: bool,
    /// Do not verify certificates
    #[arg(long, visible_alias = "insecure", help_heading = "Both sides")]
    pub(super) insecure_skip_tls_verify: bool,
    /// Follow a registry's redirects of blobs from https to http, without credentials
    #[arg(long, help_heading = "Both sides")]
    pub(super) allow_http_redirects: bool,
    /// Send the source's credentials to every host that its index names
    #[arg(long, help_heading = "Both sides")]
    pub(super) pass_credentials: bool,
}

/// Flags for the sources.
#[derive(Clone, Debug, Args)]
pub(super) struct FromArgs {
    /// Use this user name for the sources
    #[arg(long, value_name = "NAME", help_heading = "Sources")]
    pub(super) from_username: Option<String>,
    /// Read the sources' password from stdin
    #[arg(long, conflicts_with = "to_password_stdin", help_heading = "Sources")]
    pub(super) from_password_stdin: bool,
    /// Read the sources' credentials from this file
    #[arg(long, value_name = "FILE", help_heading = "Sources")]
    pub(super) from_registry_config: Option<PathBuf>,
    /// Trust these certificates beside the system's
    #[arg(long, value_name = "FILE", help_heading = "Sources")]
    pub(super) from_ca_file: Option<PathBuf>,
    /// Use HTTP without TLS for source registries
    #[arg(long, help_heading = "Sources")]
    pub(super) from_plain_http: bool,
}

/// Flags for the destination.
#[derive(Clone, Debug, Args)]
pub(super) struct ToArgs {
    /// Use this user name for the destination
    #[arg(long, value_name = "NAME", help_heading = "Destination")]
    pub(super) to_username: Option<String>,
    /// Read the destination's password from stdin
    #[arg(long, help_heading = "Destination")]
    pub(super) to_password_stdin: bool,
    /// Read the destination's credentials from this file
    #[arg(long, value_name = "FILE", help_heading = "Destination")]
    pub(super) to_registry_config: Option<PathBuf>,
    /// Trust these certificates beside the system's
    #[arg(long, value_name = "FILE", help_heading = "Destination")]
    pub(super) to_ca_file: Option<PathBuf>,
    /// Use HTTP without TLS for the destination
    #[arg(long, help_heading = "Destination")]
    pub(super) to_plain_http: bool,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(super) enum MismatchArg {
    /// Refuse the version; the default
    #[default]
    Fail,
    /// Copy the version and warn
    Warn,
    /// Copy the version
    Accept,
}

impl From<MismatchArg> for OnMismatch {
    fn from(arg: MismatchArg) -> Self {
        match arg {
            MismatchArg::Fail => Self::Fail,
            MismatchArg::Warn => Self::Warn,
            MismatchArg::Accept => Self::Accept,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(super) enum ConflictArg {
    /// Refuse the version; the default
    #[default]
    Fail,
    /// Keep the existing version
    Skip,
    /// Replace the existing version
    Overwrite,
}

impl From<ConflictArg> for OnConflict {
    fn from(arg: ConflictArg) -> Self {
        match arg {
            ConflictArg::Fail => Self::Fail,
            ConflictArg::Skip => Self::Skip,
            ConflictArg::Overwrite => Self::Overwrite,
        }
    }
}

/// Parses with the library's parser and keeps its advice, which clap alone would drop.
fn hinted<T: FromStr<Err = Error>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: Error| match error.advice() {
        Some(advice) => format!("{}; {}", error.chain(), render(advice, ReadBy::Unknown)),
        None => error.chain(),
    })
}

/// Parses an age such as `7d` or `36h`.
fn span(text: &str) -> Result<Duration, String> {
    super::file::age(text).map_err(|error| match error.advice() {
        Some(advice) => format!("{error}; {}", render(advice, ReadBy::Unknown)),
        None => error.to_string(),
    })
}

fn positive(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("it must be at least 1".to_owned()),
        Ok(number) => Ok(number),
        Err(_) => Err("it is not a number".to_owned()),
    }
}

fn above_zero(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() && number > 0.0 => Ok(number),
        Ok(_) => Err("it must be above 0".to_owned()),
        Err(_) => Err("it is not a number".to_owned()),
    }
}
