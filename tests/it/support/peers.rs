//! The real tools of others, which `peers/install` installs. One that is absent is a failure: the
//! tests that need them are ignored by default and never pass without having asked.

use std::{
    env,
    path::{Path, PathBuf},
};

/// The program of a peer: in `$CHARTFERRY_PEERS`, in `target/peers`, or on the search path.
#[track_caller]
pub(crate) fn find(name: &str) -> PathBuf {
    let given = env::var_os("CHARTFERRY_PEERS").map(PathBuf::from);
    let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers");
    let path = env::var_os("PATH").unwrap_or_default();
    given
        .into_iter()
        .chain([installed])
        .chain(env::split_paths(&path))
        .map(|folder| folder.join(name))
        .find(|program| program.is_file())
        .unwrap_or_else(|| panic!("`{name}` is not here: run peers/install {name}"))
}
