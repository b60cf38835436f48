//! HTTP parts of the server: TLS, time limits of writes, queries, parts of responses.

pub(super) mod query;
pub(super) mod refusal;
pub(super) mod response;
pub(super) mod tls;
pub(super) mod write_timeout;
