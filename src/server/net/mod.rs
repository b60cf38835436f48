//! Listening: sockets, TLS, time limits of writes.

pub(super) mod listen;
pub(super) mod tls;
pub(super) mod write_timeout;
