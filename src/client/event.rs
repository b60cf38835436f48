//! Events of a client for its user: waits, resumed transfers, fallbacks. They are values, not log
//! lines; the command line decides how to print them.

use crate::oci::Digest;
use std::{fmt, sync::Arc, time::Duration};

/// Bytes between two progress events of a blob.
pub(super) const TOLD_EVERY: u64 = crate::limits::MIB;

/// Event that the client reports to its user.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientEvent {
    /// The client sends a request.
    Asked {
        /// Method, such as `GET`.
        method: String,
        /// URL, with secrets redacted.
        url: String,
    },
    /// The client received the headers of a response.
    Answered {
        /// Method of the request.
        method: String,
        /// URL of the request, with secrets redacted.
        url: String,
        /// Status code of the response.
        status: u16,
    },
    /// The client waits before it tries again.
    Waiting {
        /// Host of the request.
        host: String,
        /// Time of the wait.
        wait: Duration,
        /// Reason in one line.
        why: String,
    },
    /// The client resumes a download.
    Resumed {
        /// Host that sends the blob.
        host: String,
        /// Digest of the blob.
        digest: Digest,
        /// Offset of the first byte that the client requests.
        at: u64,
        /// Length of the whole blob in bytes.
        total: u64,
    },
    /// The client transferred bytes of a blob.
    Moved {
        /// Digest of the blob.
        digest: Digest,
        /// Direction of the transfer.
        way: Way,
        /// Bytes transferred so far.
        done: u64,
        /// Length of the whole blob in bytes.
        total: u64,
    },
    /// The registry refused a read with stored credentials. The client tries once more without
    /// them.
    WithoutCredentials {
        /// Host that refused the read.
        host: String,
    },
    /// The registry sent a warning. The client reports each text once.
    Warning {
        /// Host that sent the warning.
        host: String,
        /// Text of the warning.
        text: String,
    },
    /// A host of this machine answered TLS in plain text, so the client uses HTTP without TLS.
    PlainHttp {
        /// Host of the request.
        host: String,
    },
    /// The client skipped a file or a setting that it cannot use, such as a certificate in
    /// `certs.d`.
    Skipped {
        /// Name of the file or setting, and the reason.
        text: String,
    },
    /// The client met a problem with stored credentials that is not fatal, such as a missing
    /// helper.
    Credentials {
        /// Text of the event.
        text: String,
    },
}

/// Direction of a blob's transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Transfer from the registry.
    Down,
    /// Transfer to the registry.
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
    /// Makes a sink that passes every event to `listener`.
    pub fn new(listener: impl Fn(ClientEvent) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(listener)))
    }

    /// Returns true if the sink has a listener.
    pub(crate) fn is_heard(&self) -> bool {
        self.0.is_some()
    }

    /// Passes an event to the listener.
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
