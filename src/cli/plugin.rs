//! `plugin install|uninstall`: this program as Helm's plugin `chart`, so that `helm chart push …` works again. The plugin's
//! file has the legacy form, which Helm 3 and 4 both load; one v1 file makes Helm 3 load no plugin at all (helm.md 6).

use super::{Run, exit::Exit, output};
use crate::{Error, ErrorKind, Result};
use clap::Subcommand;
use std::{
    fs, io,
    path::{Path, PathBuf},
};

#[derive(Debug, Subcommand)]
pub(super) enum PluginCommand {
    /// Place the plugin `chart` in Helm's plugin folder
    Install,
    /// Remove it
    Uninstall,
}

/// The plugin's name, and so Helm's verb.
const NAME: &str = "chart";

pub(super) fn plugin(run: &Run, command: PluginCommand) -> Result<Exit> {
    let folder = run.env.plugins().join(NAME);
    match command {
        PluginCommand::Install => install(&folder)?,
        PluginCommand::Uninstall => uninstall(&folder)?,
    }
    Ok(Exit::Ok)
}

/// The plugin's file. `command` is split at spaces before the variable is replaced, so a folder with spaces works.
fn manifest() -> String {
    format!(
        "name: {NAME}\nversion: {}\nusage: save, push, pull, export, show and list charts in registries\n\
         description: The verbs of chartferry, and those of the old `helm chart`\n\
         command: $HELM_PLUGIN_DIR/chartferry chart\n",
        env!("CARGO_PKG_VERSION")
    )
}

fn install(folder: &Path) -> Result<()> {
    if folder.exists() && !is_ours(folder) {
        return Err(Error::new(
            ErrorKind::Conflict,
            format!("`{}` holds another plugin", folder.display()),
        )
        .with_hint("remove it with `helm plugin uninstall chart` first"));
    }
    let parent = folder.parent().unwrap_or(folder);
    fs::create_dir_all(parent).map_err(|error| Error::io("create folder", parent, error))?;
    let program =
        std::env::current_exe().map_err(|error| Error::io("find", "this program", error))?;
    let staged = tempfile::Builder::new()
        .prefix(".chart-")
        .tempdir_in(parent)
        .map_err(|error| Error::io("create a folder in", parent, error))?;
    let copy = staged.path().join("chartferry");
    // A copy: a link would break when the program moves, and Helm runs it later.
    fs::copy(&program, &copy).map_err(|error| Error::io("copy this program to", &copy, error))?;
    let file = staged.path().join("plugin.yaml");
    fs::write(&file, manifest()).map_err(|error| Error::io("write", &file, error))?;
    open_to_others(staged.path())
        .map_err(|error| Error::io("set the mode of", staged.path(), error))?;
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(|error| Error::io("replace", folder, error))?;
    }
    fs::rename(staged.path(), folder).map_err(|error| Error::io("create", folder, error))?;
    // The folder has moved; there is nothing left to remove.
    let _ = staged.keep();
    output::println(format!("Installed plugin: {NAME} in {}", folder.display()))
}

/// A temporary folder is private; a plugin's is not.
#[cfg(unix)]
fn open_to_others(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))
}

#[cfg(not(unix))]
fn open_to_others(_folder: &Path) -> io::Result<()> {
    Ok(())
}

fn uninstall(folder: &Path) -> Result<()> {
    if !folder.exists() {
        return Err(Error::not_found(format!(
            "plugin: {NAME} not found in `{}`",
            parent(folder).display()
        )));
    }
    if !is_ours(folder) {
        return Err(Error::new(
            ErrorKind::Conflict,
            format!("`{}` holds another plugin; it is left alone", folder.display()),
        ));
    }
    fs::remove_dir_all(folder).map_err(|error| Error::io("remove", folder, error))?;
    output::println(format!("Uninstalled plugin: {NAME}"))
}

fn parent(folder: &Path) -> PathBuf {
    folder.parent().unwrap_or(folder).to_owned()
}

fn is_ours(folder: &Path) -> bool {
    fs::read_to_string(folder.join("plugin.yaml"))
        .is_ok_and(|text| text.contains("chartferry chart"))
}
