//! The loader that makes a chart of the files of an archive or folder, within its budget.

pub(super) mod assemble;
pub(super) mod budget;
pub(super) mod file;
pub(super) mod retain;
