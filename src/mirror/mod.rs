//! Mirror copies whole repositories from one place to another, byte for byte. A repeated run
//! transfers nothing. The steps are plan, run and report.
//!
//! A [`Source`] lists [`Candidate`]s, and the selection and the shard reduce them. The plan
//! compares them with the last run's [`State`] and with the [`Sink`]'s lists. The run downloads,
//! validates, compares and stores the missing versions. The report gives the result of each
//! version. Each kind of source and sink has its own file; no other module knows them.

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
