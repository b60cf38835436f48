//! The command `serve`: an OCI registry and a chart repository on a folder, or a chart repository
//! over a remote registry.

pub(super) mod chartmuseum;
pub(super) mod flags;
pub(super) mod upstream;

use super::{
    Run,
    shell::{exit::Exit, output},
};
use crate::{
    Error, ErrorKind, Result,
    server::{self, Access, Anonymous, Config, Htpasswd, Open, Tls},
    store::{
        Durability,
        disk::{Disk, repository::Missing},
    },
};
use chartmuseum::MuseumArgs;
use clap::Args;
use flags::FlagArgs;
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};
use upstream::UpstreamArgs;

#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    /// Listen on this address and port; port 0 takes a free one
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:5000")]
    listen: SocketAddr,
    /// Print the index of the root's charts, as it would be served, and exit
    #[arg(long, conflicts_with = "upstream")]
    gen_index: bool,
    /// Store everything in this folder; default: `chartferry/registry` in the user's data folder
    #[arg(long, value_name = "DIR")]
    storage: Option<PathBuf>,
    /// Accept manifests that name content which their repository does not have, as sparse mirrors
    /// need it
    #[arg(long, conflicts_with = "upstream")]
    sparse: bool,
    /// Read users and the bcrypt hashes of their passwords from this file, again when it changes
    #[arg(long, value_name = "FILE")]
    htpasswd: Option<PathBuf>,
    /// Allow everybody to read; only writing needs a user
    #[arg(long, requires = "htpasswd")]
    anonymous_pull: bool,
    /// Serve HTTPS with this certificate chain in PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Use this key of the certificate, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Serve only clients with a certificate of these authorities, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_ca_cert: Option<PathBuf>,
    /// Listen beyond this machine although everybody may write
    #[arg(long, conflicts_with = "htpasswd")]
    open: bool,
    #[command(flatten)]
    upstream: UpstreamArgs,
    #[command(flatten)]
    museum: MuseumArgs,
    #[command(flatten)]
    flags: FlagArgs,
}

impl ServeArgs {
    /// Returns true if ChartMuseum's flag requests a log in JSON.
    pub(super) fn log_json(&self) -> bool {
        self.flags.log_json
    }

    fn config(&self) -> Result<Config> {
        let access = match &self.htpasswd {
            None => self.museum.access()?.unwrap_or(Access::Everyone),
            Some(path) => {
                let anonymous =
                    if self.anonymous_pull { Anonymous::MayPull } else { self.museum.anonymous() };
                Access::Users(Htpasswd::open(path)?, anonymous)
            }
        };
        let tls = match (&self.tls_cert, &self.tls_key, &self.tls_ca_cert) {
            (Some(certificate), Some(key), Some(authorities)) => {
                Some(Tls::open_for(certificate, key, authorities)?)
            }
            (Some(certificate), Some(key), None) => Some(Tls::open(certificate, key)?),
            _ => None,
        };
        Ok(Config {
            listen: self.flags.listen().unwrap_or(self.listen),
            access,
            tls,
            open: if self.open { Open::Yes } else { Open::No },
            museum: self.museum.options()?,
            limits: self.museum.limits(),
            missing: if self.sparse { Missing::Accept } else { Missing::Refuse },
            ..Config::default()
        })
    }
}

pub(super) fn serve(run: &Run, args: ServeArgs) -> Result<Exit> {
    run.log_service();
    args.flags.settle(run)?;
    let storage = args.flags.storage(args.storage.as_deref())?;
    let config = args.config()?;
    let upstream = args.upstream.upstream(run, &config)?;
    // A client's certificate counts as a user.
    if let Some(warning) = args.upstream.of_everyone(&config)
        && args.tls_ca_cert.is_none()
    {
        run.talk.warn(warning);
    }
    let root = storage.unwrap_or_else(|| run.env.server_data());
    let root = std::path::absolute(&root).map_err(|error| Error::io("find", &root, error))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::io("start", "the runtime", error))?;
    if args.gen_index {
        // The store is opened only for reading, so that a server may have it open.
        let disk = Disk::open_read_only(&root)?;
        output::print_content(runtime.block_on(server::root_index(disk, &config))?)?;
        return Ok(Exit::Ok);
    }
    runtime.block_on(async {
        if let (Some(upstream), Some(url)) = (upstream, &args.upstream.upstream) {
            let bound = server::bind_upstream(upstream, config).await?;
            output::println(format!("Listening on {}", bound.url()))?;
            run.talk.info(&format!("charts of {url}"));
            bound.run(stop()).await;
            return Ok(Exit::Ok);
        }
        for warning in args.museum.of_one_api() {
            run.talk.warn(&warning);
        }
        // The store is opened first: the process that holds its lock may hold the port too, and the
        // lock gives the reason.
        let disk = Disk::open(&root, Durability::Full).map_err(|error| archives(&root, error))?;
        let bound = server::bind(disk, config).await?;
        output::println(format!("Listening on {}", bound.url()))?;
        run.talk.info(&format!("data in {}", root.display()));
        bound.run(stop()).await;
        Ok(Exit::Ok)
    })
}

/// Adds advice to the error for a folder of archives, such as ChartMuseum's own, which is no store.
fn archives(root: &Path, error: Error) -> Error {
    let archive = |entry: std::fs::DirEntry| {
        entry.path().extension().is_some_and(|end| end == "tgz" || end == "prov")
    };
    let chart_repository =
        std::fs::read_dir(root).is_ok_and(|mut all| all.any(|entry| entry.is_ok_and(archive)));
    if !chart_repository || error.kind() != ErrorKind::Invalid {
        return error;
    }
    error.with_hint(format!(
        "it holds archives: name another folder here, and then copy them with `chartferry mirror {} oci://HOST:PORT`",
        root.display()
    ))
}

/// Waits until the user or the system asks the server to stop.
async fn stop() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    // Without signals there is nothing to wait for but the end of the process.
    let _ = tokio::signal::ctrl_c().await;
}
