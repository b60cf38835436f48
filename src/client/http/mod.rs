//! One request on the wire: connections, TLS, proxies, redirects, rate limits and the decision to
//! try again. The module does not depend on registries.

pub(super) mod body;
pub(crate) mod error_response;
pub(super) mod failure;
pub(super) mod message;
pub(super) mod network;
pub(super) mod pem;
pub(super) mod proxy;
pub(super) mod redirect;
pub(super) mod retry;
pub(super) mod throttle;
pub(super) mod tls;
pub(super) mod transport;
pub(super) mod unreachable;
