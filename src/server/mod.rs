//! Server over a store: the OCI distribution API and the ChartMuseum API, for `chartferry serve`
//! and for tests. The module does not depend on the client, and prints nothing.

mod access_log;
mod auth;
mod body;
pub mod chartmuseum;
mod config;
pub mod index_view;
pub(crate) mod listen;
mod net;
mod origin;
mod registry;
mod rules;
mod upstream;

pub use auth::{
    Access, Anonymous, OneUser,
    actions::{ActionsPath, Search},
    checks::Busy,
    htpasswd::{Htpasswd, Verdict},
    issuer::Issuer,
    token::{Scheme, Tokens},
};
pub use config::{Config, Open};
pub use listen::{Bound, Running, bind, bind_upstream};
pub use net::tls::Tls;
pub use registry::{root_index, router};
pub use upstream::{Sent, Upstream, Way, Writes, notify::NotifySecret};
