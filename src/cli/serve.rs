//! `serve`: an OCI registry on a folder.

use super::{Run, exit::Exit, output};
use crate::{
    Error, Result,
    server::{self, Config, Open},
    store::{Durability, disk::Disk},
};
use clap::Args;
use std::{net::SocketAddr, path::PathBuf};

#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    /// Address and port; port 0 takes a free one
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:5000")]
    listen: SocketAddr,
    /// Folder that holds everything; default: `chartferry/registry` in the user's data folder
    #[arg(long, value_name = "DIR")]
    storage: Option<PathBuf>,
    /// Listen beyond this machine although everybody may write
    #[arg(long)]
    open: bool,
}

pub(super) fn serve(run: &Run, args: ServeArgs) -> Result<Exit> {
    let root = args.storage.clone().unwrap_or_else(|| run.env.server_data());
    let root = std::path::absolute(&root).map_err(|error| Error::io("find", &root, error))?;
    let disk = Disk::open(&root, Durability::Full)?;
    let config = Config {
        listen: args.listen,
        open: if args.open { Open::Yes } else { Open::No },
        ..Config::default()
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::io("start", "the runtime", error))?;
    runtime.block_on(async {
        let bound = server::bind(disk, config).await?;
        output::println(format!("Listening on http://{}", bound.address()))?;
        run.talk.info(&format!("data in {}", root.display()));
        bound.run(stop()).await;
        Ok(Exit::Ok)
    })
}

/// Comes when the user or the system says that it is enough.
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
