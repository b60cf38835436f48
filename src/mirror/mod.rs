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

use crate::{
    Error, ErrorKind,
    advice::{Advice, Service, Side},
};

/// Makes an error's advice that of one side. A registry that refuses without advice asks for
/// credentials.
fn at(side: Side, error: Error) -> Error {
    match (error.kind(), error.advice().cloned()) {
        (_, Some(advice)) => error.with_advice(advice.at(side)),
        (ErrorKind::Denied, None) => {
            error.with_advice(Advice::Authenticate(Service::Registry).at(side))
        }
        (_, None) => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_gets_the_side_that_failed_and_other_failures_are_left_alone() {
        let denied = || Error::new(ErrorKind::Denied, "401 Unauthorized");
        for (error, side, expected) in [
            (denied(), Side::Destination, Some(Advice::Authenticate(Service::Registry))),
            (denied().with_hint("free space"), Side::Source, Some("free space".into())),
            (
                Error::new(ErrorKind::Network, "no TLS")
                    .with_advice(Advice::UsePlainHttp(Service::Registry)),
                Side::Source,
                Some(Advice::UsePlainHttp(Service::Registry)),
            ),
            (Error::not_found("404 Not Found"), Side::Source, None),
        ] {
            let error = at(side, error);
            assert_eq!(error.advice().cloned(), expected.map(|advice| advice.at(side)));
        }
    }
}
