//! What to do where one end of a mirror does not let us in. The client's advice speaks of one registry and the flags of
//! other commands; here there are two ends, each with flags of its own.

use crate::{Error, ErrorKind};

/// The end that was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// The source.
    From,
    /// The destination.
    To,
}

impl Side {
    fn flags(self) -> &'static str {
        match self {
            Self::From => {
                "`--from-username NAME --from-password-stdin` (in mirror.yaml: `hosts[].username` and `hosts[].passwordEnv`)"
            }
            Self::To => {
                "`--to-username NAME --to-password-stdin` (in mirror.yaml: `hosts[].username` and `hosts[].passwordEnv`)"
            }
        }
    }
}

/// What a registry answered: its own advice, where that is about signing in, and the flags of its side.
pub(super) fn at_registry(error: Error, side: Side) -> Error {
    if error.kind() != ErrorKind::Denied {
        return error;
    }
    let flags = side.flags();
    let hint = match error.hint() {
        Some(said) if said.contains("username") => return error,
        Some(said) if said.contains("log in") => format!("{said}; in a mirror also by {flags}"),
        // A quota, say.
        Some(_) => return error,
        None => format!("name yourself with {flags}, or by `chartferry login`"),
    };
    error.with_hint(hint)
}

/// What a chart repository answered that is the source. `elsewhere` is scheme and host of what was asked for, where that is
/// not the repository's own.
pub(super) fn at_repository(error: Error, elsewhere: Option<&str>) -> Error {
    if error.kind() != ErrorKind::Denied {
        return error;
    }
    let flags = Side::From.flags();
    error.with_hint(match elsewhere {
        None => format!(
            "name yourself with {flags}, or give the repository its credentials by `chartferry repo add` and mirror it \
             by its name"
        ),
        Some(host) => format!(
            "`{host}` is not the repository's host, and so it is told no credentials; `--pass-credentials` sends it those of \
             the repository, or of {flags}"
        ),
    })
}

/// What a ChartMuseum answered that is the destination.
pub(super) fn at_museum(error: Error) -> Error {
    if error.kind() != ErrorKind::Denied {
        return error;
    }
    let flags = Side::To.flags();
    error.with_hint(format!("name yourself with {flags}, as someone who may upload"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_end_is_told_its_own_flags_and_other_failures_are_left_alone() {
        let denied = || Error::new(ErrorKind::Denied, "401 Unauthorized");
        let login = || denied().with_hint("log in with `chartferry login r.example`");
        for (error, parts) in [
            (at_registry(login(), Side::From), &["login r.example", "--from-username"][..]),
            (at_registry(login(), Side::To), &["login r.example", "--to-username"]),
            (at_registry(denied(), Side::To), &["chartferry login", "--to-username"]),
            (at_registry(denied().with_hint("free space"), Side::To), &["free space"]),
            (at_repository(denied(), None), &["--from-username", "chartferry repo add"]),
            (at_repository(denied(), Some("cdn.example")), &["--pass-credentials", "cdn.example"]),
            (at_museum(denied().with_hint("give --username")), &["--to-username"]),
        ] {
            let hint = error.hint().unwrap_or_default();
            assert!(parts.iter().all(|part| hint.contains(part)), "{hint}");
        }
        let gone = || Error::not_found("404 Not Found");
        for error in
            [at_registry(gone(), Side::From), at_repository(gone(), None), at_museum(gone())]
        {
            assert_eq!(error.hint(), None);
        }
    }
}
