//! A router on a socket: connections, time-outs, and an end that waits for what is under way.

use super::{Config, Open, router};
use crate::{Error, ErrorKind, Result, store::disk::Disk};
use axum::Router;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use std::{future::Future, net::SocketAddr, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{oneshot, watch},
    task::JoinSet,
};

/// How long a request's head may take, and a connection may wait for the next one.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// A registry that has its address but does not answer yet.
#[derive(Debug)]
pub struct Bound {
    listener: TcpListener,
    address: SocketAddr,
    router: Router,
    drain: Duration,
}

/// Takes the address of `config` for a registry over `disk`.
///
/// # Errors
/// `Usage` when the address is not this machine's own and nobody is asked for credentials, unless the configuration
/// says that this is meant; `Network` when the address cannot be had.
pub async fn bind(disk: Disk, config: Config) -> Result<Bound> {
    let listen = config.listen;
    if !listen.ip().is_loopback() && config.open == Open::No {
        return Err(Error::usage(format!(
            "`{listen}` can be reached by others, and this registry asks nobody for credentials"
        ))
        .with_hint(
            "give it users with `--htpasswd`, or say `--open` if everybody may write to it",
        ));
    }
    let fail = |error| {
        Error::new(ErrorKind::Network, format!("cannot listen on `{listen}`")).with_source(error)
    };
    let listener = TcpListener::bind(listen).await.map_err(|error: std::io::Error| fail(error))?;
    let address = listener.local_addr().map_err(fail)?;
    let drain = config.drain;
    Ok(Bound { listener, address, router: router(disk, config), drain })
}

impl Bound {
    /// The address it has; the port is the real one.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `stop` comes, then lets open requests end within the configured time.
    pub async fn run(self, stop: impl Future<Output = ()> + Send) -> Result<()> {
        let (closing, closed) = watch::channel(());
        let mut connections = JoinSet::new();
        tokio::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => break,
                Some(_) = connections.join_next(), if !connections.is_empty() => {}
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        connections.spawn(connection(stream, self.router.clone(), closed.clone()));
                    }
                    Err(error) => {
                        // Mostly too many open files: give others a moment to close theirs.
                        tracing::warn!(%error, "cannot accept a connection");
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                },
            }
        }
        drop(self.listener);
        drop(closing);
        let ended = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(self.drain, ended).await.is_err() {
            tracing::warn!("requests were still open at the deadline");
        }
        Ok(())
    }

    /// Answers on a task of its own.
    pub fn spawn(self) -> Running {
        let address = self.address;
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(self.run(async {
            // Being told and being dropped both mean to stop.
            let _ = stopped.await;
        }));
        Running { address, stop, task }
    }
}

/// A registry that answers on a task of its own, until it is stopped or dropped.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: tokio::task::JoinHandle<Result<()>>,
}

impl Running {
    /// The address it has.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops it and waits for its end.
    pub async fn stop(self) -> Result<()> {
        drop(self.stop);
        self.task.await.unwrap_or_else(|error| {
            Err(Error::new(ErrorKind::Io, "the registry's task failed").with_source(error))
        })
    }
}

async fn connection(stream: TcpStream, router: Router, mut closed: watch::Receiver<()>) {
    // Small answers must not wait for more to send.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    tokio::pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        _ = closed.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "a connection ended badly");
    }
}
