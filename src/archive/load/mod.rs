//! From the files of an archive or a folder to a chart, within its budget.

pub(super) mod assemble;
pub(super) mod budget;
pub(super) mod file;
pub(super) mod retain;
