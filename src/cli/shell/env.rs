//! Every environment variable the program reads, in one place. The library reads none.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    path::PathBuf,
};

/// The environment of a run: that of the process, or a table in tests.
#[derive(Clone, Debug, Default)]
pub struct Env(BTreeMap<OsString, OsString>);

/// Every variable with its effect; `docs/environment.md` has the same words.
pub const VARIABLES: &[(&str, &str)] = &[
    ("CFCONFIG", "file with Codefresh's token for `cm://` repositories; default `~/.cfconfig`"),
    ("CHARTFERRY_OVERWRITE", "`1` or `true`: `push` replaces versions, as with `--overwrite`"),
    ("CHARTFERRY_LOG", "`debug` or `trace`: log requests and responses on stderr"),
    (
        "CHARTFERRY_CACHE",
        "folder for partial downloads; default: `chartferry` in Helm's cache folder",
    ),
    ("CHARTFERRY_RETRY_MAX_WAIT", "longest `Retry-After`, in seconds, to wait for; default 300"),
    ("CHARTFERRY_PLAIN_HTTP", "`host[:port],…`: registries without TLS; no port means every port"),
    ("DOCKER_AUTH_CONFIG", "the text of a Docker `config.json` with credentials"),
    ("DOCKER_CONFIG", "folder of Docker's `config.json`; default `~/.docker`"),
    ("HELM_CACHE_HOME", "Helm's cache folder"),
    ("HELM_CONFIG_HOME", "Helm's configuration folder"),
    ("HELM_DATA_HOME", "Helm's data folder; its `chartferry` has the saved charts"),
    ("HELM_DEBUG", "`1` or `true`: as `--debug`; set by Helm for its plugins"),
    ("HELM_PLUGINS", "folder to which `plugin install` writes"),
    (
        "HELM_REGISTRY_CONFIG",
        "credentials; default `registry/config.json` below `HELM_CONFIG_HOME`",
    ),
    ("HELM_PLUGIN_NAME", "`chart`: messages name `helm chart`; set by Helm for its plugins"),
    ("HELM_PLUGIN_PASSWORD", "password for `cm://` and `ocirepo://`; set by Helm for its getters"),
    ("HELM_PLUGIN_PASS_CREDENTIALS_ALL", "`true`: other hosts get these credentials; set by Helm"),
    ("HELM_PLUGIN_USERNAME", "user name for `cm://` and `ocirepo://`; set by Helm for its getters"),
    ("HELM_REPO_ACCESS_TOKEN", "token of `museum`, `cm-push` and Helm's getter"),
    ("HELM_REPO_AUTH_HEADER", "header for the token; default `Authorization`"),
    ("HELM_REPO_CA_FILE", "certificates to trust for ChartMuseums, beside the system's"),
    ("HELM_REPO_CERT_FILE", "client certificate for ChartMuseums"),
    ("HELM_REPO_CONTEXT_PATH", "path of ChartMuseum's API"),
    ("HELM_REPO_INSECURE", "`1` or `true`: do not verify the certificates of ChartMuseums"),
    ("HELM_REPO_KEY_FILE", "key of the client certificate"),
    ("HELM_REPO_PASSWORD", "password for ChartMuseums"),
    ("HELM_REPO_USERNAME", "user name for ChartMuseums"),
    ("HELM_REPO_USE_HTTP", "`1` or `true`: `cm://` means `http://`"),
    ("HELM_REPOSITORY_CACHE", "cached indexes; default `repository` below `HELM_CACHE_HOME`"),
    (
        "HELM_REPOSITORY_CONFIG",
        "repositories; default `repositories.yaml` below `HELM_CONFIG_HOME`",
    ),
    ("HOME", "the user's home folder, for the defaults of the folders above"),
    ("HTTPS_PROXY", "proxy for https URLs; also in lower case"),
    ("HTTP_PROXY", "proxy for http URLs; also in lower case, and only that with `REQUEST_METHOD`"),
    ("ALL_PROXY", "proxy for URLs without a proxy of their scheme; also in lower case"),
    ("JOB_COMPLETIONS", "number of parts of `mirror`; set it to the job's `completions`"),
    (
        "JOB_COMPLETION_INDEX",
        "part that `mirror` copies, from 0; set by Kubernetes for indexed jobs",
    ),
    ("NO_COLOR", "any value: no color"),
    ("NO_PROXY", "hosts, suffixes and networks to reach without a proxy; also in lower case"),
    ("PATH", "folders in which to find credential helpers"),
    ("REGISTRY_AUTH_FILE", "Podman's file with credentials"),
    ("REQUEST_METHOD", "set in a CGI environment, in which a client can set `HTTP_PROXY`"),
    ("SOURCE_DATE_EPOCH", "time of every file in a package, in seconds since 1970"),
    ("SSL_CERT_FILE", "file of certificates to trust instead of the system's"),
    ("XDG_CACHE_HOME", "parent of Helm's cache folder, without `HELM_CACHE_HOME`"),
    ("XDG_CONFIG_HOME", "parent of Podman's folder, and of Helm's without `HELM_CONFIG_HOME`"),
    ("XDG_DATA_HOME", "parent of Helm's data folder, without `HELM_DATA_HOME`"),
    ("XDG_STATE_HOME", "parent of `chartferry`, with the journal of lost tags and of copies"),
    ("XDG_RUNTIME_DIR", "folder of Podman's credentials for the session"),
];

impl Env {
    /// Returns the process's environment.
    pub fn from_process() -> Self {
        Self(std::env::vars_os().collect())
    }

    /// Creates an environment from a table, for tests and for subprocesses.
    pub fn from_pairs<K: Into<OsString>, V: Into<OsString>>(
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        Self(pairs.into_iter().map(|(key, value)| (key.into(), value.into())).collect())
    }

    fn raw(&self, name: &str) -> Option<&OsStr> {
        debug_assert!(
            VARIABLES.iter().any(|(known, _)| known.eq_ignore_ascii_case(name)),
            "{name} is not declared in VARIABLES"
        );
        self.0.get(OsStr::new(name)).map(OsString::as_os_str)
    }

    /// Returns a variable's text, if it is set, not empty, and valid Unicode.
    pub fn text(&self, name: &str) -> Option<String> {
        self.raw(name)
            .filter(|value| !value.is_empty())
            .and_then(|value| value.to_str())
            .map(str::to_owned)
    }

    /// Returns a variable as a path, if it is set and not empty.
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        self.raw(name).filter(|value| !value.is_empty()).map(PathBuf::from)
    }

    /// Returns true if a variable is set to a value that means yes.
    pub fn flag(&self, name: &str) -> bool {
        self.text(name).is_some_and(|value| {
            matches!(value.as_str(), "1" | "t" | "T" | "true" | "True" | "TRUE" | "yes")
        })
    }

    /// Returns the value of a variable that a user's file names for a secret.
    pub fn secret(&self, name: &str) -> Option<String> {
        self.0.get(OsStr::new(name))?.to_str().filter(|value| !value.is_empty()).map(str::to_owned)
    }

    /// Returns a proxy variable: the upper-case form, else the lower-case one.
    pub fn proxy(&self, name: &str) -> Option<String> {
        self.text(name).or_else(|| self.text(&name.to_ascii_lowercase()))
    }

    /// Returns the proxy for http URLs. It reads only the lower-case variable in a CGI environment,
    /// because a client can set `HTTP_PROXY` there by a header (httpoxy).
    pub fn http_proxy(&self) -> Option<String> {
        match self.raw("REQUEST_METHOD") {
            Some(_) => self.text("http_proxy"),
            None => self.proxy("HTTP_PROXY"),
        }
    }

    /// Returns the user's home.
    pub fn home(&self) -> PathBuf {
        self.path("HOME").unwrap_or_else(|| PathBuf::from("."))
    }

    /// Returns Helm's folder of one kind (helm.md 4.8).
    fn helm_home(&self, helm: &str, xdg: &str, fallback: &str) -> PathBuf {
        self.path(helm)
            .or_else(|| self.path(xdg).map(|base| base.join("helm")))
            .unwrap_or_else(|| self.home().join(fallback).join("helm"))
    }

    /// Returns Helm's data folder.
    pub fn helm_data(&self) -> PathBuf {
        self.helm_home("HELM_DATA_HOME", "XDG_DATA_HOME", ".local/share")
    }

    /// Returns Helm's configuration folder.
    pub fn helm_config(&self) -> PathBuf {
        self.helm_home("HELM_CONFIG_HOME", "XDG_CONFIG_HOME", ".config")
    }

    /// Returns Helm's cache folder.
    pub fn helm_cache(&self) -> PathBuf {
        self.helm_home("HELM_CACHE_HOME", "XDG_CACHE_HOME", ".cache")
    }

    /// Returns the folder of what outlives a run and is no data.
    pub fn state(&self) -> PathBuf {
        self.path("XDG_STATE_HOME")
            .unwrap_or_else(|| self.home().join(".local/state"))
            .join("chartferry")
    }

    /// Returns the folder of charts saved on this machine.
    pub fn chart_store(&self) -> PathBuf {
        self.helm_data().join("chartferry")
    }

    /// Returns the folder of partly downloaded blobs.
    pub fn blob_cache(&self) -> PathBuf {
        self.path("CHARTFERRY_CACHE").unwrap_or_else(|| self.helm_cache().join("chartferry"))
    }

    /// Returns the file that `login` writes and every command reads first.
    pub fn registry_config(&self) -> PathBuf {
        self.path("HELM_REGISTRY_CONFIG")
            .unwrap_or_else(|| self.helm_config().join("registry").join("config.json"))
    }

    /// Returns the file of chart repositories.
    pub fn repository_config(&self) -> PathBuf {
        self.path("HELM_REPOSITORY_CONFIG")
            .unwrap_or_else(|| self.helm_config().join("repositories.yaml"))
    }

    /// Returns the folder of the repositories' cached indexes.
    pub fn repository_cache(&self) -> PathBuf {
        self.path("HELM_REPOSITORY_CACHE").unwrap_or_else(|| self.helm_cache().join("repository"))
    }

    /// Returns the folder of Docker's own file.
    pub fn docker_folder(&self) -> PathBuf {
        self.path("DOCKER_CONFIG").unwrap_or_else(|| self.home().join(".docker"))
    }

    /// Returns the user's configuration folder, where Podman's file is.
    pub fn config_folder(&self) -> PathBuf {
        self.path("XDG_CONFIG_HOME").unwrap_or_else(|| self.home().join(".config"))
    }

    /// Returns the file of Codefresh's command line.
    pub fn codefresh_config(&self) -> PathBuf {
        self.path("CFCONFIG").unwrap_or_else(|| self.home().join(".cfconfig"))
    }

    /// Returns the folders of programs, for finding credential helpers.
    pub fn programs(&self) -> Vec<PathBuf> {
        self.raw("PATH").map(|value| std::env::split_paths(value).collect()).unwrap_or_default()
    }

    /// Returns the folders of certificates per host, such as Docker's and Podman's `certs.d`.
    pub fn certificate_folders(&self) -> Vec<PathBuf> {
        vec![
            self.config_folder().join("containers/certs.d"),
            self.home().join(".docker/certs.d"),
            PathBuf::from("/etc/containers/certs.d"),
            PathBuf::from("/etc/docker/certs.d"),
        ]
    }

    /// Returns the default folder for the data of `serve`.
    pub fn server_data(&self) -> PathBuf {
        self.path("XDG_DATA_HOME")
            .unwrap_or_else(|| self.home().join(".local/share"))
            .join("chartferry/registry")
    }

    /// Returns the folder for plugins: the first of `HELM_PLUGINS`, else a folder below Helm's data
    /// folder.
    pub fn plugins(&self) -> PathBuf {
        self.raw("HELM_PLUGINS")
            .and_then(|value| {
                std::env::split_paths(value).find(|folder| !folder.as_os_str().is_empty())
            })
            .unwrap_or_else(|| self.helm_data().join("plugins"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_follow_helms_order() {
        let env = Env::from_pairs([("HOME", "/h")]);
        assert_eq!(env.chart_store(), PathBuf::from("/h/.local/share/helm/chartferry"));
        assert_eq!(env.registry_config(), PathBuf::from("/h/.config/helm/registry/config.json"));
        let env =
            Env::from_pairs([("HOME", "/h"), ("XDG_DATA_HOME", "/d"), ("HELM_PLUGINS", "/p:/q")]);
        assert_eq!(env.chart_store(), PathBuf::from("/d/helm/chartferry"));
        assert_eq!(env.plugins(), PathBuf::from("/p"));
        let env = Env::from_pairs([
            ("HELM_DATA_HOME", "/x"),
            ("XDG_DATA_HOME", "/d"),
            ("DOCKER_CONFIG", ""),
        ]);
        assert_eq!(env.chart_store(), PathBuf::from("/x/chartferry"));
    }
}
