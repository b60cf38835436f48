//! Events of a client for its user: waits, resumed transfers, fallbacks. They are values, not log
//! lines; the command line decides how to print them.

use crate::oci::Digest;
use std::{fmt, sync::Arc, time::Duration};

/// Bytes between two progress events of a blob.
pub(super) const TOLD_EVERY: u64 = crate::limits::MIB;

/// Something worth telling.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientEvent {
    /// A request goes out.
    Asked {
        /// Method, such as `GET`.
        method: String,
        /// URL, with secrets redacted.
        url: String,
    },
    /// The head of its answer has come.
    Answered {
        /// As it was asked.
        method: String,
        /// As it was asked.
        url: String,
        /// Its status.
        status: u16,
    },
    /// The client waits before it tries again.
    Waiting {
        /// For whom.
        host: String,
        /// Time of the wait.
        wait: Duration,
        /// Reason in one line.
        why: String,
    },
    /// A download goes on where it had stopped.
    Resumed {
        /// From where.
        host: String,
        /// Digest of the blob.
        digest: Digest,
        /// The first byte that is asked for.
        at: u64,
        /// The whole length.
        total: u64,
    },
    /// Bytes of a blob went by.
    Moved {
        /// Digest of the blob.
        digest: Digest,
        /// Up or down.
        way: Way,
        /// Bytes transferred so far.
        done: u64,
        /// In all.
        total: u64,
    },
    /// A read was refused with stored credentials and is tried once more without.
    WithoutCredentials {
        /// By whom.
        host: String,
    },
    /// The registry sent a warning; each text once.
    Warning {
        /// Host that sent the warning.
        host: String,
        /// Text of the warning.
        text: String,
    },
    /// A host of this machine answered TLS in plain text and is spoken to so.
    PlainHttp {
        /// Host of the request.
        host: String,
    },
    /// A file or a setting that cannot be used and is skipped, such as a certificate in `certs.d`.
    Skipped {
        /// Its name, and the reason.
        text: String,
    },
    /// Something about stored credentials that is not fatal, such as a helper that is not there.
    Credentials {
        /// Text of the event.
        text: String,
    },
}

/// The direction of a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the registry.
    Down,
    /// To the registry.
    Up,
}

impl fmt::Display for ClientEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asked { method, url } => write!(f, "> {method} {url}"),
            Self::Answered { method, url, status } => write!(f, "< {status} {method} {url}"),
            Self::Waiting { host, wait, why } => {
                let (seconds, millis) = (wait.as_secs_f64(), wait.as_millis());
                match millis {
                    0..100 => write!(f, "waiting {millis} ms for `{host}`: {why}"),
                    _ => write!(f, "waiting {seconds:.1} s for `{host}`: {why}"),
                }
            }
            Self::Resumed { host, digest, at, total } => {
                write!(f, "resuming `{digest}` from `{host}` at byte {at} of {total}")
            }
            Self::Moved { digest, way, done, total } => {
                let verb = match way {
                    Way::Down => "received",
                    Way::Up => "sent",
                };
                write!(f, "{verb} {done} of {total} bytes of `{digest}`")
            }
            Self::WithoutCredentials { host } => {
                write!(f, "`{host}` refused the stored credentials; trying without them")
            }
            Self::Warning { host, text } => write!(f, "`{host}` warns: {text}"),
            Self::PlainHttp { host } => {
                write!(f, "`{host}` does not speak TLS; using plain HTTP, since it is this machine")
            }
            Self::Skipped { text } | Self::Credentials { text } => f.write_str(text),
        }
    }
}

/// Receiver of events. A copy costs one reference count.
#[derive(Clone, Default)]
pub struct EventSink(Option<Arc<dyn Fn(ClientEvent) + Send + Sync>>);

impl EventSink {
    /// Hands every notice to `listener`.
    pub fn new(listener: impl Fn(ClientEvent) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(listener)))
    }

    /// Returns true if anybody does.
    pub(crate) fn is_heard(&self) -> bool {
        self.0.is_some()
    }

    /// Tells it.
    pub(crate) fn tell(&self, notice: ClientEvent) {
        if let Some(listener) = &self.0 {
            listener(notice);
        }
    }
}

impl fmt::Debug for EventSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Notify(someone)" } else { "Notify(nobody)" })
    }
}
