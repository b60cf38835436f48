//! Chart repositories over HTTP: their `index.yaml` and their archives.

pub(super) mod archive;
pub mod index;
