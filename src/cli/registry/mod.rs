//! The commands `registry login|logout|check`; the first two are also `login` and `logout`.

pub(super) mod check;
pub(super) mod login;
