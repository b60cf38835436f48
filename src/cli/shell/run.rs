//! The context of a command: environment, messages, global flags.

use super::{
    console::{LogFormat, Talk},
    env::Env,
    exit::Exit,
    output,
    progress::Counts,
};
use crate::{
    Error, ErrorKind, Result,
    archive::write::Epoch,
    cli::Global,
    ops::{repository::Files, saved::SavedCharts},
};
use std::{future::Future, path::PathBuf, sync::Arc};
use tracing_subscriber::{filter::Targets, layer::SubscriberExt, util::SubscriberInitExt};

/// The number of failed inputs in the last line. Each was printed above with its reason.
const NAMED: usize = 8;

/// A run of one command.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) env: Env,
    pub(crate) talk: Talk,
    pub(crate) global: Global,
    /// The counts of the command so far, for its progress.
    pub(crate) counts: Arc<Counts>,
}

impl Run {
    /// Returns the store of charts saved on this machine.
    pub(crate) fn saved(&self) -> SavedCharts {
        SavedCharts::at(self.env.chart_store())
    }

    /// Returns the file of registry credentials that is read first.
    pub(crate) fn registry_config(&self) -> PathBuf {
        self.global.registry_config.clone().unwrap_or_else(|| self.env.registry_config())
    }

    /// Returns Helm's file of repositories and the folder of their cached indexes.
    pub(crate) fn repository_files(&self) -> Files {
        let global = &self.global;
        Files {
            config: global
                .repository_config
                .clone()
                .unwrap_or_else(|| self.env.repository_config()),
            cache: global.repository_cache.clone().unwrap_or_else(|| self.env.repository_cache()),
        }
    }

    /// Returns `SOURCE_DATE_EPOCH`, if it is set.
    ///
    /// # Errors
    /// `Usage` with Helm's words if it is negative or no whole number.
    pub(crate) fn epoch(&self) -> Result<Option<Epoch>> {
        self.env.text("SOURCE_DATE_EPOCH").map(|text| text.parse().map_err(Error::from)).transpose()
    }

    /// Runs network-bound work on a runtime of one thread. It starts in 40 µs; several threads
    /// start in 300 µs.
    pub(crate) fn block_on<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        wait_for(&mut tokio::runtime::Builder::new_current_thread(), work)
    }

    /// Runs long work in the same way, with as many threads as processors. The first signal calls
    /// `stop`; the work then ends by itself and has a report. A second signal drops the work.
    pub(crate) fn block_on_stoppable<T>(
        &self,
        work: impl Future<Output = Result<T>>,
        stop: impl FnOnce(),
    ) -> (Result<T>, Option<Signal>) {
        let runtime = match runtime(&mut tokio::runtime::Builder::new_multi_thread()) {
            Ok(runtime) => runtime,
            Err(error) => return (Err(error), None),
        };
        runtime.block_on(async {
            let mut work = std::pin::pin!(work);
            let signal = tokio::select! {
                result = &mut work => return (result, None),
                signal = signalled() => signal,
            };
            stop();
            tokio::select! {
                result = &mut work => (result, Some(signal)),
                again = signalled() => (Err(again.error()), Some(again)),
            }
        })
    }

    /// Returns the exit code of a command over several inputs. Each failure was already printed
    /// with its reason.
    pub(crate) fn partly(
        &self,
        total: usize,
        failed: &[impl AsRef<str>],
        done: &str,
    ) -> Result<Exit> {
        if failed.is_empty() {
            return Ok(Exit::Ok);
        }
        let kind = if failed.len() == total { ErrorKind::Invalid } else { ErrorKind::Partial };
        let mut names = failed.iter().take(NAMED).map(AsRef::as_ref).collect::<Vec<_>>().join(", ");
        if failed.len() > NAMED {
            names.push_str(&format!(" and {} more", failed.len() - NAMED));
        }
        Err(Error::new(kind, format!("{} of {total} were not {done}: {names}", failed.len())))
    }

    /// Sets up logging to stderr if a flag or a variable requests it.
    pub(crate) fn log(&self) {
        let asked = self.env.text("CHARTFERRY_LOG");
        if !self.global.debug && asked.is_none() && !self.env.flag("HELM_DEBUG") {
            return;
        }
        self.subscribe(match asked.as_deref() {
            Some("trace") => tracing::Level::TRACE,
            _ => tracing::Level::DEBUG,
        });
    }

    /// Sets up the log of a service: one line for each request, unless `--quiet` is given. The
    /// setup of [`Run::log`] is kept.
    pub(crate) fn log_service(&self) {
        self.subscribe(match self.global.quiet {
            true => tracing::Level::WARN,
            false => tracing::Level::INFO,
        });
    }

    fn subscribe(&self, level: tracing::Level) {
        let colour = self.env.text("NO_COLOR").is_none() && output::stderr_is_terminal();
        let builder = tracing_subscriber::fmt()
            .with_max_level(level)
            .with_ansi(colour)
            .with_writer(std::io::stderr)
            .with_target(true);
        // Below `trace`, the connection pool's own messages would separate the lines of each
        // request.
        let ours = match level {
            tracing::Level::TRACE => Targets::new().with_default(level),
            _ => Targets::new().with_target(env!("CARGO_PKG_NAME"), level),
        };
        // A second subscriber cannot be set; the first one stays.
        let _ = match self.global.log_format {
            LogFormat::Json => builder.json().finish().with(ours).try_init(),
            LogFormat::Text => builder.finish().with(ours).try_init(),
        };
    }
}

fn wait_for<T>(
    builder: &mut tokio::runtime::Builder,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    // A signal drops the work, and with it its unfinished files.
    runtime(builder)?.block_on(async {
        tokio::select! {
            result = work => result,
            signal = signalled() => Err(signal.error()),
        }
    })
}

fn runtime(builder: &mut tokio::runtime::Builder) -> Result<tokio::runtime::Runtime> {
    builder.enable_all().build().map_err(|error| Error::io("start", "the runtime", error))
}

/// A signal that asks the program to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// The signal of Ctrl-C.
    Interrupt,
    /// The signal that Kubernetes, systemd and CI send.
    Terminate,
}

impl Signal {
    /// Returns the error of a command that got this signal.
    pub(crate) fn error(self) -> Error {
        let (kind, what) = match self {
            Self::Interrupt => (ErrorKind::Interrupted, "interrupted"),
            Self::Terminate => (ErrorKind::Terminated, "terminated"),
        };
        Error::new(kind, format!("{what}; no file was written in part"))
    }
}

/// Waits for a signal.
async fn signalled() -> Signal {
    let interrupted = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = interrupted => Signal::Interrupt,
        () = terminated() => Signal::Terminate,
    }
}

#[cfg(unix)]
async fn terminated() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut signal) => drop(signal.recv().await),
        Err(_) => std::future::pending().await,
    }
}

#[cfg(not(unix))]
async fn terminated() {
    std::future::pending().await
}
