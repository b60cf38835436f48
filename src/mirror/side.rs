//! Errors of one side of a mirror: their advice names the flags of that side.

use crate::{
    Error, ErrorKind,
    advice::{Advice, Service, Side},
};

/// Restricts an error's advice to one side. For a registry that refuses without advice, the advice
/// is to give credentials.
pub(super) fn at(side: Side, error: Error) -> Error {
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
