//! Helm charts and other OCI artifacts: read, packaged, pushed, pulled, mirrored and served.
//!
//! This is the library of the program `chartferry`. Operations take options and return reports.
//! None of them prints, asks a question or reads the environment.
//!
//! # Push and pull
//!
//! ```no_run
//! use chartferry::{
//!     client::{Client, Options},
//!     limits::Limits,
//!     oci::{Reference, Tag},
//!     ops::{Beside, ChartRequest, Provenance, PushOptions, from_archive, pull, push},
//! };
//! use std::path::Path;
//!
//! # async fn example() -> chartferry::Result<()> {
//! let limits = Limits::default();
//! let client = Client::new(Options::default())?;
//! let reference: Reference = "oci://registry.example/charts/demo".parse()?;
//! let repository = client.repository(&reference.registry, &reference.repository);
//!
//! let chart = from_archive(Path::new("demo-1.0.0.tgz"), Beside::Take, &limits)?;
//! let tag = Tag::from_version(&chart.metadata.version)?;
//! let options = PushOptions::default();
//! let report = push(&repository, "charts/demo", &chart, &tag, &options).await?;
//! println!("{}", report.digest);
//!
//! let wanted = ChartRequest { version: Some("^1.0".to_owned()), ..ChartRequest::default() };
//! let pulled =
//!     pull(&repository, "charts/demo", &wanted, Provenance::IfPresent, &limits).await?;
//! assert_eq!(pulled.manifest.digest(), &report.digest);
//! # Ok(())
//! # }
//! ```
//!
//! `client.repository` may be replaced by any type with the traits of [`store`]: an image layout
//! ([`store::layout`]), a store in memory ([`store::memory`]) or one on disk ([`store::disk`]).
//! `examples/` has whole programs: `push`, `pull`, `read_chart`, `mirror`, `serve`.
//!
//! # Errors, limits, runtime
//!
//! Every fallible function returns [`Error`]. Decide by [`Error::kind`], never by its text.
//! [`Error::advice`] is the remedy as data, [`Error::registry_codes`] the codes of a registry.
//! [`limits::Limits`] has every cap with its reason. Futures need a tokio runtime with I/O and
//! time.
//!
//! # Features
//!
//! - `server`: the registry and the ChartMuseum API, [`server`].
//! - `cli`: the program; it implies `server`.
//!
//! Both are on by default. A library without them has a fifth of the dependencies less:
//! `chartferry = { version = "0.1", default-features = false }`.
//!
//! # Modules
//!
//! In reading order; each uses only those above it, which `tests/it/layers.rs` checks:
//!
//! - [`advice`], [`error`], [`limits`]: remedies as data, the error type, all caps.
//! - `atomic_file`: files written whole or not at all. `lock`: locks that a panic does not close.
//! - [`digest`]: digests and their hashers.
//! - `quote`: text as Go quotes it in errors. `redact`: text without secrets.
//! - [`version`], [`constraint`]: loose versions and Helm's constraint language.
//! - [`template`]: text with names in it.
//! - [`json`], [`yaml`]: JSON as Go writes it, YAML as Helm reads and writes it.
//! - `go_template`: Go's text/template over JSON.
//! - [`chart`]: metadata, lock and rules of a chart.
//! - [`archive`]: chart archives and directories.
//! - [`index`]: index.yaml of a chart repository.
//! - [`oci`]: references, descriptors, manifests.
//! - [`store`]: the traits of repositories, and those on this machine.
//! - [`client`]: registries and chart repositories over HTTP.
//! - [`ops`]: one operation per verb.
//! - [`mirror`]: whole repositories copied: plan, run, report.
//! - [`server`]: the registry and the ChartMuseum API over a store.
//! - `cli`: the command line.

pub mod advice;
pub mod archive;
mod atomic_file;
pub mod chart;
#[cfg(feature = "cli")]
mod cli;
pub mod client;
pub mod constraint;
pub mod digest;
pub mod error;
#[cfg(feature = "cli")]
mod go_template;
pub mod index;
pub mod json;
pub mod limits;
mod lock;
pub mod mirror;
pub mod oci;
pub mod ops;
mod quote;
mod redact;
#[cfg(feature = "server")]
pub mod server;
mod spool;
pub mod store;
pub mod template;
pub mod version;
pub mod yaml;

pub use advice::Advice;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub use cli::{main as command_line, shell as command_line_parts};
pub use error::{Error, ErrorKind, Result};
