//! `plugin install|uninstall`: this program as Helm's plugins: `chart`, so that `helm chart push …` works again, and
//! `chart-getter`, so that `helm repo add` takes `cm://` and `ocirepo://`. They are two, since a plugin with getters has no
//! verb in Helm 4. Their files have the legacy form, which Helm 3 and 4 both load; one v1 file makes Helm 3 load no plugin
//! at all (helm.md 6).

use super::{Run, exit::Exit, output};
use crate::{Error, ErrorKind, Result};
use clap::Subcommand;
use std::{
    fs, io,
    path::{Path, PathBuf},
};

#[derive(Debug, Subcommand)]
pub(super) enum PluginCommand {
    /// Place the plugins `chart` and `chart-getter` in Helm's plugin folder
    Install,
    /// Remove them
    Uninstall,
}

/// One of the plugins.
#[derive(Clone, Copy, Debug)]
struct Kind {
    /// Its name, and so Helm's verb.
    name: &'static str,
    /// How it is called; its plugin.yaml is known by that.
    call: &'static str,
}

const VERBS: Kind = Kind { name: "chart", call: "chartferry chart" };
const GETTER: Kind = Kind { name: "chart-getter", call: "chartferry getter" };

pub(super) fn plugin(run: &Run, command: PluginCommand) -> Result<Exit> {
    let folder = |kind: Kind| run.env.plugins().join(kind.name);
    match command {
        PluginCommand::Install => {
            // Neither is placed where one could not be.
            for kind in [VERBS, GETTER] {
                check(kind, &folder(kind))?;
            }
            for kind in [VERBS, GETTER] {
                install(kind, &folder(kind))?;
            }
        }
        PluginCommand::Uninstall => {
            uninstall(VERBS, &folder(VERBS))?;
            if folder(GETTER).exists() {
                uninstall(GETTER, &folder(GETTER))?;
            }
        }
    }
    Ok(Exit::Ok)
}

impl Kind {
    /// The plugin's file. `command` is split at spaces before the variable is replaced, so a folder with spaces works;
    /// a getter's command is looked for in the plugin's folder.
    fn manifest(self) -> String {
        let Self { name, call } = self;
        let version = env!("CARGO_PKG_VERSION");
        if name == VERBS.name {
            return format!(
                "name: {name}\nversion: {version}\nusage: save, push, pull, export, show and list charts in registries\n\
                 description: The verbs of chartferry, and those of the old `helm chart`\n\
                 command: $HELM_PLUGIN_DIR/{call}\n"
            );
        }
        format!(
            "name: {name}\nversion: {version}\nusage: chart repositories by cm:// and ocirepo://\n\
             description: Lets helm repo add take cm://HOST/PATH, a ChartMuseum, and ocirepo://HOST/NAMESPACE, a registry\n\
             command: $HELM_PLUGIN_DIR/{call}\ndownloaders:\n- command: {call}\n  protocols:\n  - cm\n  - ocirepo\n"
        )
    }
}

/// Refuses to replace another's plugin.
fn check(kind: Kind, folder: &Path) -> Result<()> {
    if !folder.exists() || is_ours(kind, folder) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Conflict, format!("`{}` holds another plugin", folder.display()))
        .with_hint(format!("remove it with `helm plugin uninstall {}` first", kind.name)))
}

fn install(kind: Kind, folder: &Path) -> Result<()> {
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
    fs::write(&file, kind.manifest()).map_err(|error| Error::io("write", &file, error))?;
    open_to_others(staged.path())
        .map_err(|error| Error::io("set the mode of", staged.path(), error))?;
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(|error| Error::io("replace", folder, error))?;
    }
    fs::rename(staged.path(), folder).map_err(|error| Error::io("create", folder, error))?;
    // The folder has moved; there is nothing left to remove.
    let _ = staged.keep();
    output::println(format!("Installed plugin: {} in {}", kind.name, folder.display()))
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

fn uninstall(kind: Kind, folder: &Path) -> Result<()> {
    if !folder.exists() {
        return Err(Error::not_found(format!(
            "plugin: {} not found in `{}`",
            kind.name,
            parent(folder).display()
        )));
    }
    if !is_ours(kind, folder) {
        return Err(Error::new(
            ErrorKind::Conflict,
            format!("`{}` holds another plugin; it is left alone", folder.display()),
        ));
    }
    fs::remove_dir_all(folder).map_err(|error| Error::io("remove", folder, error))?;
    output::println(format!("Uninstalled plugin: {}", kind.name))
}

fn parent(folder: &Path) -> PathBuf {
    folder.parent().unwrap_or(folder).to_owned()
}

fn is_ours(kind: Kind, folder: &Path) -> bool {
    fs::read_to_string(folder.join("plugin.yaml")).is_ok_and(|text| text.contains(kind.call))
}
