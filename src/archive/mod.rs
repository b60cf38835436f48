//! Bytes and directories to charts and back.

pub mod dir;
pub mod read;
pub mod write;
