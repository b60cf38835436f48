//! Mirror: whole repositories carried from one place to another, exactly, and again for nothing.
//! Plan, run, report.
//!
//! A [`Source`] lists [`Candidate`]s; selection and shard leave some; the plan compares them with
//! the [`State`] of the last run and with what the [`Sink`] says it has; the run fetches, judges,
//! compares and puts what is missing; the report says what became of each. Kinds of sources and
//! sinks are files of their own; nothing else knows them.

mod budget;
pub mod candidate;
mod carry;
mod check;
mod describe;
pub mod extra;
pub mod finish;
mod give_up;
pub mod metrics;
mod mismatch;
mod options;
pub mod plan;
pub mod report;
pub mod rewrite;
pub mod run;
pub mod select;
pub mod shard;
mod side;
pub mod sink;
pub mod source;
pub mod state;
mod stop;

pub use candidate::{Ask, Candidate, ChartVersion, Fingerprint, Payload, Provenance};
pub use options::PATIENCE;
pub use report::Report;
pub use run::{Options, run};
pub use shard::Shard;
pub use sink::Sink;
pub use source::Source;
pub use state::State;
pub use stop::Stop;
