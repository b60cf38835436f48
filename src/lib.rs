//! chartferry carries Helm charts and other OCI artifacts between chart repositories and OCI
//! registries.
//!
//! The rooms, in reading order; each may use those above it, never those below
//! (`tests/it/layers.rs` holds it so):
//!
//! - [`advice`], [`error`], [`limits`]: what to do about an error; the one error; every cap.
//! - `atomic_file`: files written whole or not at all.
//! - [`digest`]: digests and the hashers that make them.
//! - `quote`: text as Go quotes it in errors.
//! - [`version`], [`constraint`]: loose versions; the constraint language of Helm.
//! - [`template`]: text with names in it.
//! - [`json`], [`yaml`]: the only doors to JSON as Go writes it and to YAML as Helm reads and
//!   writes it.
//! - [`chart`]: what a chart is.
//! - [`archive`]: bytes and directories to charts and back.
//! - [`index`]: what a chart repository is.
//! - [`oci`]: what an artifact is.
//! - [`store`]: where bytes live, on this machine.
//! - [`client`]: the wire to registries elsewhere, by the same traits.
//! - [`ops`]: one verb, one file: options in, report out.
//! - [`mirror`]: whole repositories carried elsewhere: plan, run, report.
//! - [`server`]: a router over a store.
//! - `cli`: arguments to options, reports to text.

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
pub mod index;
pub mod json;
pub mod limits;
pub mod mirror;
pub mod oci;
pub mod ops;
mod quote;
#[cfg(feature = "server")]
pub mod server;
pub mod store;
pub mod template;
pub mod version;
pub mod yaml;

pub use advice::Advice;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub use cli::{main as command_line, shell as command_line_parts};
pub use error::{Error, ErrorKind, Result};
