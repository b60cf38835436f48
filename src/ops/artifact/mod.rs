//! Artifacts of any files, as ORAS writes them: each file or directory is a layer with a title. The
//! bytes of a manifest are those of ORAS for the same files, annotations and time.

pub mod attach;
pub mod compose;
pub mod discover;
pub mod file_argument;
pub mod kind;
pub mod layer;
mod move_files;
pub mod pull;
pub mod push;
mod titles;

/// Annotation of a directory's layer: the digest of the tar without compression.
pub(crate) const CONTENT_DIGEST: &str = "io.deis.oras.content.digest";
/// Annotation of a directory's layer: `true` if a pull unpacks it.
pub(crate) const UNPACK: &str = "io.deis.oras.content.unpack";
/// Annotation of a file's layer: its permission bits in octal, without those of the type. ORAS has
/// no such annotation.
pub(crate) const FILE_MODE: &str = "io.chartferry.file.mode";
