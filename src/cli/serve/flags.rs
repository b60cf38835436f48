//! ChartMuseum's flags that `serve` accepts so that an old command line works. They set its address
//! and its folder, have no meaning here, or are for storage backends that do not exist here.

use crate::{Error, Result, cli::Run};
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, parser::ValueSource};
use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

#[derive(Debug, Args)]
#[command(next_help_heading = "ChartMuseum API")]
pub(crate) struct FlagArgs {
    /// Listen on this port, at every address unless `--listen-host` names one
    #[arg(long, value_name = "PORT", conflicts_with = "listen")]
    port: Option<u16>,
    /// Listen on this address, at port 8080 unless `--port` names another
    #[arg(long, value_name = "ADDR", conflicts_with = "listen")]
    listen_host: Option<IpAddr>,
    /// Store in this folder, like `--storage DIR`; also works with `--storage local`
    #[arg(long, value_name = "DIR", conflicts_with = "upstream")]
    storage_local_rootdir: Option<PathBuf>,
    /// Log as JSON, like `--log-format json`
    #[arg(long)]
    pub(crate) log_json: bool,
    #[command(flatten)]
    others: Others,
}

/// ChartMuseum's port.
const PORT: u16 = 8080;

/// The values of ChartMuseum's `--storage` beside `local`.
const BACKENDS: [&str; 9] =
    ["amazon", "google", "oracle", "microsoft", "alibaba", "openstack", "baidu", "etcd", "tencent"];

/// The flags without a meaning here; `true` if one takes a value.
const IDLE: [(&str, bool); 11] = [
    ("always-regenerate-chart-index", false),
    ("cache-interval", true),
    ("disable-metrics", false),
    ("disable-statefiles", false),
    ("enforce-semver2", false),
    ("index-limit", true),
    ("log-health", false),
    ("log-latency-integer", false),
    ("read-timeout", true),
    ("storage-timestamp-tolerance", true),
    ("write-timeout", true),
];

/// The flags of storage backends that do not exist here.
const OF_STORES: [&str; 37] = [
    "cache-redis-addr",
    "cache-redis-password",
    "cache-redis-db",
    "storage-amazon-bucket",
    "storage-amazon-prefix",
    "storage-amazon-region",
    "storage-amazon-endpoint",
    "storage-amazon-sse",
    "storage-amazon-force-path-style",
    "storage-google-bucket",
    "storage-google-prefix",
    "storage-oracle-bucket",
    "storage-oracle-prefix",
    "storage-oracle-region",
    "storage-oracle-compartmentid",
    "storage-microsoft-container",
    "storage-microsoft-prefix",
    "storage-alibaba-bucket",
    "storage-alibaba-prefix",
    "storage-alibaba-endpoint",
    "storage-alibaba-sse",
    "storage-openstack-container",
    "storage-openstack-prefix",
    "storage-openstack-region",
    "storage-openstack-cacert",
    "storage-openstack-auth",
    "storage-baidu-bucket",
    "storage-baidu-prefix",
    "storage-baidu-endpoint",
    "storage-etcd-endpoint",
    "storage-etcd-cafile",
    "storage-etcd-certfile",
    "storage-etcd-keyfile",
    "storage-etcd-prefix",
    "storage-tencent-bucket",
    "storage-tencent-prefix",
    "storage-tencent-endpoint",
];
/// The only one of these flags without a value.
const SWITCH: &str = "storage-amazon-force-path-style";

/// The given flags that have no effect, and those that are not possible here.
#[derive(Debug, Default)]
struct Others {
    idle: Vec<&'static str>,
    of_stores: Vec<&'static str>,
}

impl FlagArgs {
    /// Returns the address to listen on, if these flags set one.
    pub(crate) fn listen(&self) -> Option<SocketAddr> {
        if self.port.is_none() && self.listen_host.is_none() {
            return None;
        }
        let host = self.listen_host.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        Some(SocketAddr::new(host, self.port.unwrap_or(PORT)))
    }

    /// Returns the folder of the store, given the value of `--storage`.
    ///
    /// # Errors
    /// `Usage` if the store is not a folder, or if two folders are given.
    pub(crate) fn storage(&self, storage: Option<&Path>) -> Result<Option<PathBuf>> {
        let named = storage.and_then(Path::to_str);
        if let Some(named) = named.filter(|named| BACKENDS.contains(named)) {
            return Err(elsewhere(&format!("--storage {named}"))
                .with_hint(format!("{CARRY}; a folder of that name is `--storage ./{named}`")));
        }
        match (&self.storage_local_rootdir, named) {
            (Some(folder), None | Some("local")) if storage.is_none() || named.is_some() => {
                Ok(Some(folder.clone()))
            }
            (Some(_), _) => Err(Error::usage(
                "`--storage` and `--storage-local-rootdir` name two folders for one store",
            )),
            (None, _) => Ok(storage.map(Path::to_owned)),
        }
    }

    /// Prints one warning that lists the ignored flags.
    ///
    /// # Errors
    /// `Usage` for flags whose loss would lose data.
    pub(crate) fn settle(&self, run: &Run) -> Result<()> {
        if let Some(flag) = self.others.of_stores.first() {
            let error = if flag.starts_with("cache-") {
                shared(flag)
            } else {
                elsewhere(&format!("--{flag}"))
            };
            return Err(error);
        }
        if !self.others.idle.is_empty() {
            let flags: Vec<String> =
                self.others.idle.iter().map(|flag| format!("`--{flag}`")).collect();
            let verb = if flags.len() == 1 { "means" } else { "mean" };
            run.talk.warn(&format!("{} {verb} nothing here and can be removed", flags.join(", ")));
        }
        Ok(())
    }
}

/// The hint for charts that are stored elsewhere.
const CARRY: &str =
    "use a folder, and copy the charts from the old server with `chartferry mirror`";

fn elsewhere(flag: &str) -> Error {
    Error::usage(format!(
        "`{flag}`: charts are stored in a folder of this machine and nowhere else"
    ))
    .with_hint(CARRY)
}

/// Returns the error for a Redis flag, with the reason and the replacement.
pub(crate) fn shared(flag: &str) -> Error {
    Error::usage(format!("`--{flag}`: there is no cache in Redis"))
        .with_hint("leave it out: the index is kept in memory and never older than the store; for several servers use `--upstream`")
}

impl Args for Others {
    fn augment_args(command: Command) -> Command {
        let flag = |name: &'static str, value: bool| {
            let arg = Arg::new(name).long(name).hide(true).action(ArgAction::Append);
            match value {
                true => arg.num_args(1),
                // A switch may be written `--flag=true`, as in ChartMuseum.
                false => arg.num_args(0..=1).require_equals(true).default_missing_value("true"),
            }
        };
        let idle = IDLE.iter().map(|(name, value)| flag(name, *value));
        command.args(idle).args(OF_STORES.iter().map(|name| flag(name, *name != SWITCH)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Others {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = |name: &&str| matches.value_source(name) == Some(ValueSource::CommandLine);
        let idle = IDLE.iter().map(|(name, _)| *name).filter(given).collect();
        Ok(Self { idle, of_stores: OF_STORES.into_iter().filter(given).collect() })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[arg(long)]
        listen: Option<String>,
        #[arg(long)]
        upstream: Option<String>,
        #[command(flatten)]
        flags: FlagArgs,
    }

    fn flags(words: &[&str]) -> FlagArgs {
        Line::try_parse_from([&["serve"], words].concat()).expect("flags").flags
    }

    #[test]
    fn port_and_host_are_where_it_listens() {
        for (words, listen) in [
            (&[][..], None),
            (&["--port", "9000"], Some("0.0.0.0:9000")),
            (&["--listen-host=127.0.0.1"], Some("127.0.0.1:8080")),
            (&["--listen-host=::1", "--port=1"], Some("[::1]:1")),
        ] {
            let listen = listen.map(|text| text.parse().expect("address"));
            assert_eq!(flags(words).listen(), listen, "{words:?}");
        }
    }

    #[test]
    fn a_store_is_a_folder() {
        let place = |words: &[&str], storage: Option<&str>| {
            let found = flags(words).storage(storage.map(Path::new));
            found.map(|folder| folder.map(|folder| folder.display().to_string()))
        };
        let root = ["--storage-local-rootdir", "/srv"];
        assert_eq!(place(&[], None).expect("none"), None);
        assert_eq!(place(&[], Some("/x")).expect("ours"), Some("/x".to_owned()));
        assert_eq!(place(&root, Some("local")).expect("both"), Some("/srv".to_owned()));
        assert_eq!(place(&root, None).expect("theirs"), Some("/srv".to_owned()));
        place(&root, Some("/x")).expect_err("two folders");
        place(&[], Some("amazon")).expect_err("no folder");
        place(&root, Some("google")).expect_err("no folder");
    }

    #[test]
    fn every_other_flag_is_idle_or_of_a_store() {
        let seen = flags(&[
            "--log-health",
            "--cache-interval=5m",
            "--index-limit",
            "4",
            "--enforce-semver2=true",
        ]);
        assert_eq!(
            seen.others.idle,
            ["cache-interval", "enforce-semver2", "index-limit", "log-health"]
        );
        assert!(seen.others.of_stores.is_empty());
        let seen = flags(&["--storage-amazon-bucket", "b", "--storage-amazon-force-path-style"]);
        assert_eq!(seen.others.of_stores.len(), 2);
        assert_eq!(flags(&["--cache-redis-addr=h:1"]).others.of_stores, ["cache-redis-addr"]);
    }
}
