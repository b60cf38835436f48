//! Shared parts of all commands: environment, messages, output, exit codes, tables, progress.

pub(super) mod advice;
pub(super) mod called;
pub(super) mod console;
pub(super) mod duration;
pub(super) mod empty_paths;
pub mod env;
pub(super) mod examples;
pub mod exit;
pub(super) mod journal;
pub(super) mod lazy;
pub(super) mod links;
pub(super) mod location;
pub(super) mod location_grammar;
pub(super) mod manual;
pub(super) mod output;
pub(super) mod progress;
pub(super) mod remote;
pub(super) mod repository_flags;
pub(super) mod results;
pub(super) mod run;
pub(super) mod side_flags;
pub(super) mod table;
pub(super) mod tips;
pub(super) mod usage;
