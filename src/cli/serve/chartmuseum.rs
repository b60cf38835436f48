//! The flags of `serve` that ChartMuseum has too, with the same names. The server implements them.

use crate::{
    Error, Result,
    limits::Limits,
    server::{
        Access, ActionsPath, Anonymous, Issuer, OneUser,
        chartmuseum::{Api, Compat, Depth, Metrics, Options, Overwrite},
        index_view::Format,
    },
};
use clap::{Args, ValueEnum};
use std::{collections::BTreeMap, num::NonZeroUsize, path::PathBuf};

#[derive(Debug, Args)]
#[command(next_help_heading = "ChartMuseum API")]
pub(crate) struct MuseumArgs {
    /// Use namespaces of this many segments, 0 for the root alone; default: any number that has
    /// charts
    #[arg(long, value_name = "N", conflicts_with = "depth_dynamic")]
    depth: Option<usize>,
    /// Allow namespaces of any depth, with or without charts
    #[arg(long)]
    depth_dynamic: bool,
    /// Serve below this path, such as `/charts`
    #[arg(long, value_name = "PATH")]
    context_path: Option<String>,
    /// Serve no routes below `/api`
    #[arg(long)]
    disable_api: bool,
    /// Serve no route that deletes
    #[arg(long)]
    disable_delete: bool,
    /// Allow another upload of an existing version
    #[arg(long)]
    allow_overwrite: bool,
    /// Keep an existing version, also with `?force`
    #[arg(long)]
    disable_force_overwrite: bool,
    /// Prefix the index's URLs with this absolute URL
    #[arg(long, value_name = "URL")]
    chart_url: Option<String>,
    /// Keep at most this many versions of a chart and remove the oldest; 0 keeps all
    #[arg(long, value_name = "N", default_value_t = 0)]
    per_chart_limit: usize,
    /// Refuse more files than this in a namespace; 0 sets no limit
    #[arg(long, value_name = "N", default_value_t = 0)]
    max_storage_objects: usize,
    /// Refuse uploads with a longer body; default: 20971520 for the ChartMuseum API, no limit for
    /// the registry API
    #[arg(long, value_name = "BYTES")]
    max_upload_size: Option<u64>,
    /// Accept this form field for a chart, beside `chart`
    #[arg(long, value_name = "NAME", default_value = "chart")]
    chart_post_form_field_name: String,
    /// Accept this form field for a provenance file, beside `prov`
    #[arg(long, value_name = "NAME", default_value = "prov")]
    prov_post_form_field_name: String,
    /// Write index.yaml as JSON, which parses faster
    #[arg(long)]
    json_index: bool,
    /// Serve Prometheus metrics at `/metrics`, to everybody
    #[arg(long)]
    enable_metrics: bool,
    /// Allow this user everything, by HTTP Basic, in both APIs
    #[arg(long, value_name = "USER", requires = "basic_auth_pass", conflicts_with = "htpasswd")]
    basic_auth_user: Option<String>,
    /// Use this password for the user; better in a file: `@FILE`
    #[arg(long, value_name = "PASSWORD", requires = "basic_auth_user")]
    basic_auth_pass: Option<String>,
    /// Allow everybody to read
    #[arg(long)]
    auth_anonymous_get: bool,
    /// Accept tokens of an issuer elsewhere (JWT with RS256), in both APIs
    #[arg(
        long,
        requires_all = ["auth_realm", "auth_service", "auth_cert_path"],
        conflicts_with_all = ["htpasswd", "basic_auth_user"]
    )]
    bearer_auth: bool,
    /// Send clients to this URL for tokens
    #[arg(long, value_name = "URL")]
    auth_realm: Option<String>,
    /// Require tokens for this service
    #[arg(long, value_name = "NAME")]
    auth_service: Option<String>,
    /// Verify tokens with this public key or certificate of the issuer, in PEM
    #[arg(long, value_name = "FILE")]
    auth_cert_path: Option<PathBuf>,
    /// Read the allowed actions from a token's claims with this JMESPath; it may use `$NAMESPACE`
    /// and `$ACCESS_ENTRY_TYPE`
    #[arg(long, value_name = "EXPRESSION", requires = "bearer_auth")]
    auth_actions_search_path: Option<String>,
    /// Set Artifact Hub's id of the repository, or `NAMESPACE=ID`; repeat for more
    #[arg(long, value_name = "ID")]
    artifact_hub_repo_id: Vec<String>,
    /// Send this `Access-Control-Allow-Origin` in the API
    #[arg(long, value_name = "ORIGIN")]
    cors_alloworigin: Option<String>,
    /// Show the index.html and the folder `static` of this folder instead of the welcome
    #[arg(long, value_name = "DIR")]
    web_template_path: Option<PathBuf>,
    /// Choose whether to reproduce ChartMuseum's oddities
    #[arg(long, value_enum, value_name = "HOW", default_value_t = CompatArg::Improved)]
    compat: CompatArg,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum CompatArg {
    /// Answer `HEAD` as `GET`, and count forms in `--max-storage-objects`
    Improved,
    /// Do as ChartMuseum does, oddities and all
    Strict,
}

impl MuseumArgs {
    /// Returns the access that ChartMuseum's flags set. `None` if they set none.
    pub(crate) fn access(&self) -> Result<Option<Access>> {
        let anonymous = self.anonymous();
        if let (Some(user), Some(password)) = (&self.basic_auth_user, &self.basic_auth_pass) {
            let password = match password.strip_prefix('@') {
                None => password.clone(),
                Some(path) => std::fs::read_to_string(path)
                    .map_err(|error| Error::io("read password", path, error))?
                    .trim_end_matches(['\r', '\n'])
                    .to_owned(),
            };
            // The value is empty, probably because a variable is not set. Any client can send an
            // empty password.
            for (flag, value) in [("--basic-auth-user", user), ("--basic-auth-pass", &password)] {
                if value.is_empty() {
                    return Err(Error::usage(format!("`{flag}` is empty"))
                        .with_hint("omit `--basic-auth-user` and `--basic-auth-pass` to allow access to everybody"));
                }
            }
            return Ok(Some(Access::One(OneUser::new(user, &password, anonymous))));
        }
        match (&self.auth_realm, &self.auth_service, &self.auth_cert_path) {
            (Some(realm), Some(service), Some(key)) if self.bearer_auth => {
                let expression = self.auth_actions_search_path.as_deref().unwrap_or_default();
                let actions = ActionsPath::parse(expression)?;
                let issuer = Issuer::open(realm, service, key, anonymous)?;
                Ok(Some(Access::Issuer(issuer.with_actions(actions))))
            }
            _ => Ok(None),
        }
    }

    /// Returns the rights of clients without credentials.
    pub(crate) fn anonymous(&self) -> Anonymous {
        if self.auth_anonymous_get { Anonymous::MayPull } else { Anonymous::Refused }
    }

    /// Returns the limits of both APIs.
    pub(crate) fn limits(&self) -> Limits {
        let mut limits = Limits::default();
        limits.upload_bytes = self.max_upload_size.unwrap_or(limits.upload_bytes);
        limits
    }

    /// Returns the given flags that do not apply to the registry API, each with the access that it
    /// leaves open there.
    pub(crate) fn of_one_api(&self) -> impl Iterator<Item = String> {
        let closed = "`--disable-api` closes `/api` only: charts can still be pushed to `/v2`; \
                      `--htpasswd FILE --anonymous-pull` lets only users push";
        let kept = "`--per-chart-limit` counts at uploads to `/api` only: a push to `/v2` deletes no old version";
        let given = [(self.disable_api, closed), (self.per_chart_limit > 0, kept)];
        given.into_iter().filter(|(given, _)| *given).map(|(_, text)| text.to_owned())
    }

    /// Returns the options of the ChartMuseum API.
    pub(crate) fn options(&self) -> Result<Options> {
        let defaults = Options::default();
        Ok(Options {
            depth: match self.depth {
                Some(depth) => Depth::Exactly(depth),
                None if self.depth_dynamic => Depth::Dynamic,
                None => Depth::Any,
            },
            context_path: context_path(self.context_path.as_deref().unwrap_or_default()),
            api: match (self.disable_api, self.disable_delete) {
                (true, _) => Api::Off,
                (_, true) => Api::WithoutDelete,
                _ => Api::Whole,
            },
            overwrite: match (self.allow_overwrite, self.disable_force_overwrite) {
                (true, _) => Overwrite::Always,
                (_, true) => Overwrite::Never,
                _ => Overwrite::ByForce,
            },
            chart_url: chart_url(self.chart_url.as_deref().unwrap_or_default())?,
            per_chart_limit: NonZeroUsize::new(self.per_chart_limit),
            max_storage_objects: NonZeroUsize::new(self.max_storage_objects),
            max_upload_bytes: self.max_upload_size.unwrap_or(defaults.max_upload_bytes),
            chart_field: self.chart_post_form_field_name.clone(),
            provenance_field: self.prov_post_form_field_name.clone(),
            format: if self.json_index { Format::Json } else { Format::Yaml },
            metrics: if self.enable_metrics { Metrics::On } else { Metrics::Off },
            artifact_hub: artifact_hub(&self.artifact_hub_repo_id)?,
            allow_origin: self.cors_alloworigin.clone(),
            pages: self.web_template_path.clone(),
            compat: match self.compat {
                CompatArg::Improved => Compat::Improved,
                CompatArg::Strict => Compat::Strict,
            },
        })
    }
}

/// Returns the path with a leading slash and no trailing one, as ChartMuseum does.
fn context_path(text: &str) -> String {
    let path = text.trim_matches('/');
    if path.is_empty() { String::new() } else { format!("/{path}") }
}

/// Returns the prefix of URLs in the index.
fn chart_url(text: &str) -> Result<String> {
    let web = text.starts_with("http://") || text.starts_with("https://");
    if text.is_empty() || web && url::Url::parse(text).is_ok() {
        return Ok(text.to_owned());
    }
    Err(Error::usage(format!("`--chart-url` is not a URL: `{text}`"))
        .with_hint("write it as clients reach this server: `https://HOST/PATH`"))
}

fn artifact_hub(ids: &[String]) -> Result<BTreeMap<String, String>> {
    let mut by_namespace = BTreeMap::new();
    for id in ids.iter().flat_map(|list| list.split(',')) {
        let (namespace, id) = id.split_once('=').unwrap_or(("", id));
        if by_namespace.insert(namespace.to_owned(), id.to_owned()).is_some() {
            return Err(Error::usage(format!(
                "`--artifact-hub-repo-id` names the namespace `{namespace}` twice"
            )));
        }
    }
    Ok(by_namespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_before_all_has_one_slash() {
        for (text, path) in [("", ""), ("/", ""), ("charts", "/charts"), ("/a/b/", "/a/b")] {
            assert_eq!(context_path(text), path);
        }
    }

    #[test]
    fn a_charts_url_is_one_of_the_web() {
        for good in ["", "http://h", "https://h:1/x"] {
            assert_eq!(chart_url(good).expect(good), good);
        }
        for bad in ["foo", "oci://h/x", "http://", "/charts"] {
            chart_url(bad).expect_err(bad);
        }
    }

    #[test]
    fn ids_of_artifact_hub_are_by_namespace() {
        let read =
            |ids: &[&str]| artifact_hub(&ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>());
        let one = read(&["4d5e"]).expect("one");
        assert_eq!(one.get("").map(String::as_str), Some("4d5e"));
        assert_eq!(read(&["org=1", "a/b=2,c=3"]).expect("three").len(), 3);
        read(&["org=1", "org=2"]).expect_err("twice");
    }
}
