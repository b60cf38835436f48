//! Server for a router: connections, time limits, and a shutdown that waits for open requests.

use super::{
    Access, Config, Open, Tls, Upstream,
    access_log::Peer,
    body::{Pace, Paced},
    net::{tls::Clients, write_timeout::Impatient},
    origin::Origins,
    registry::{charts, router_with},
};
use crate::{
    Advice, Error, ErrorKind, Result,
    store::{Catalog, disk::Disk},
};
use axum::{Router, body::Body};
use futures_util::{FutureExt, future::BoxFuture};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{
    future::Future,
    io,
    net::SocketAddr,
    time::{Duration, SystemTime},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{oneshot, watch},
    task::{JoinHandle, JoinSet},
};
use tower_service::Service;

/// Time limit for a request's head, and for the next request on a connection.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Time limit for a client that does not read a response.
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);
/// Delay before the next try, if the server could not read the store's charts.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// Server that has its address but does not answer yet.
pub struct Bound {
    listener: TcpListener,
    address: SocketAddr,
    router: Router,
    /// Background work that runs until shutdown.
    beside: BoxFuture<'static, ()>,
    tls: Option<Tls>,
    drain: Duration,
}

impl std::fmt::Debug for Bound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bound").field("address", &self.address).finish_non_exhaustive()
    }
}

/// Binds the address of `config` for a registry over `disk`.
///
/// # Errors
/// `Usage` if the address is not this machine's own and the registry needs no credentials, unless
/// the configuration allows it. `Network` if the address is not available.
pub async fn bind(disk: Disk, config: Config) -> Result<Bound> {
    let (listener, address) = listen(&config).await?;
    let (tls, drain, rest) = (config.tls.clone(), config.drain, config.upload_rest);
    let charts = charts(&disk, &config);
    let origins = Origins::of(&config);
    let router = origins.guard(router_with(disk.clone(), config, charts.clone()));
    let beside = async move {
        tokio::join!(charts.follow(LOOK_AGAIN), keep_up(&disk, rest));
    };
    Ok(Bound { listener, address, router, beside: beside.boxed(), tls, drain })
}

/// Binds the address of `config` for a server over a remote store.
///
/// # Errors
/// As [`bind`].
pub async fn bind_upstream<C: Catalog>(upstream: Upstream<C>, config: Config) -> Result<Bound> {
    let (listener, address) = listen(&config).await?;
    let (tls, drain) = (config.tls.clone(), config.drain);
    let (router, beside) = upstream.parts(&config);
    let router = Origins::of(&config).guard(router);
    Ok(Bound { listener, address, router, beside: beside.boxed(), tls, drain })
}

async fn listen(config: &Config) -> Result<(TcpListener, SocketAddr)> {
    let listen = config.listen;
    let certified = config.tls.as_ref().is_some_and(|tls| tls.clients() == Clients::Certified);
    let everyone = matches!(config.access, Access::Everyone) && !certified;
    if !listen.ip().is_loopback() && everyone && config.open == Open::No {
        return Err(Error::usage(format!(
            "other machines can reach `{listen}`, and this registry requires no credentials"
        ))
        .with_advice(Advice::RestrictAccess));
    }
    let fail = |error: io::Error| {
        Error::new(ErrorKind::Network, format!("cannot listen on `{listen}`")).with_source(error)
    };
    let listener = TcpListener::bind(listen).await.map_err(fail)?;
    let address = listener.local_addr().map_err(fail)?;
    Ok((listener, address))
}

impl Bound {
    /// Returns the bound address, with the real port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the URL for clients.
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// Answers requests until `stop` completes, then lets open requests finish within the
    /// configured time.
    pub async fn run(self, stop: impl Future<Output = ()> + Send) {
        let Self { listener, router, beside, tls, drain, .. } = self;
        let beside = tokio::spawn(beside);
        let (closing, closed) = watch::channel(());
        let mut connections = JoinSet::new();
        tokio::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => break,
                Some(_) = connections.join_next(), if !connections.is_empty() => {}
                accepted = listener.accept() => match accepted {
                    Ok((stream, peer)) => {
                        let (router, tls) = (router.clone(), tls.clone());
                        connections.spawn(connection(stream, Peer(peer), router, tls, closed.clone()));
                    }
                    Err(error) => {
                        // The usual cause is too many open files: a pause lets others close theirs.
                        tracing::warn!(%error, "cannot accept a connection");
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                },
            }
        }
        beside.abort();
        drop(listener);
        drop(closing);
        let ended = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(drain, ended).await.is_err() {
            tracing::warn!("requests were still open at the deadline");
        }
    }

    /// Answers requests on a task of its own.
    pub fn spawn(self) -> Running {
        let address = self.address;
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(self.run(async {
            // A message and a drop of the sender both mean to stop.
            let _ = stopped.await;
        }));
        Running { address, stop, task }
    }
}

/// Removes idle uploads at intervals.
async fn keep_up(disk: &Disk, rest: Duration) {
    let mut upkeep = tokio::time::interval(rest / 4 + Duration::from_secs(1));
    loop {
        upkeep.tick().await;
        expire(disk, rest);
    }
}

fn expire(disk: &Disk, rest: Duration) {
    let Some(moment) = SystemTime::now().checked_sub(rest) else { return };
    let disk = disk.clone();
    tokio::task::spawn_blocking(move || match disk.expire_uploads(moment) {
        Ok(0) => {}
        Ok(count) => tracing::info!(count, "inactive uploads were removed"),
        Err(error) => tracing::warn!(error = error.chain(), "cannot remove old uploads"),
    });
}

/// Registry that answers on a task of its own, until its owner stops or drops it.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Running {
    /// Returns the bound address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops the registry and waits for its end.
    pub async fn stop(self) {
        drop(self.stop);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the registry's task failed");
        }
    }
}

async fn connection(
    stream: TcpStream,
    peer: Peer,
    router: Router,
    tls: Option<Tls>,
    closed: watch::Receiver<()>,
) {
    // Without this, a small response would wait for more data.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    let stream = Impatient::new(stream, WRITE_TIMEOUT);
    let Some(tls) = tls else { return converse(stream, peer, router, closed).await };
    match tokio::time::timeout(HEAD_TIMEOUT, tls.acceptor().accept(stream)).await {
        Ok(Ok(stream)) => converse(stream, peer, router, closed).await,
        Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
        Err(_) => tracing::debug!("a TLS handshake took too long"),
    }
}

async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send,
    peer: Peer,
    router: Router,
    mut closed: watch::Receiver<()>,
) {
    let service = service_fn(move |request: http::Request<Incoming>| {
        let mut request = request.map(|body| Body::new(Paced::new(body, Pace::default())));
        request.extensions_mut().insert(peer);
        router.clone().call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        _ = closed.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "a connection failed");
    }
}
