//! The commands `plugin install|uninstall`, which register this program as two Helm plugins.
//!
//! - `chart` makes `helm chart push …` work again.
//!
//! - `chart-getter` lets `helm repo add` accept `cm://` and `ocirepo://`.
//!
//! They are separate, because a plugin with getters has no command in Helm 4. Their files have the
//! legacy format, which Helm 3 and 4 both load. One v1 file makes Helm 3 load no plugin at all
//! (helm.md 6).

pub(super) mod getter;

use crate::cli::{
    Run,
    shell::{exit::Exit, output},
};
use crate::{
    Error, ErrorKind, Result,
    limits::Limits,
    yaml::{self, Duplicates, Value},
};
use clap::Subcommand;
use std::{
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum PluginCommand {
    /// Install the plugins `chart` and `chart-getter` in Helm's plugin folder
    Install,
    /// Remove the plugins
    Uninstall,
}

/// A plugin.
#[derive(Clone, Copy, Debug)]
struct Kind {
    /// The name of the plugin, which is Helm's verb.
    name: &'static str,
    /// The command that the plugin runs.
    call: &'static str,
}

const VERBS: Kind = Kind { name: "chart", call: "chartferry chart" };
const GETTER: Kind = Kind { name: "chart-getter", call: "chartferry getter" };

pub(in crate::cli) fn plugin(run: &Run, command: PluginCommand) -> Result<Exit> {
    let folder = |kind: Kind| run.env.plugins().join(kind.name);
    match command {
        PluginCommand::Install => {
            // If one of the two cannot be installed, neither is.
            for kind in [VERBS, GETTER] {
                check(kind, &folder(kind))?;
            }
            for kind in [VERBS, GETTER] {
                install(kind, &folder(kind))?;
            }
        }
        PluginCommand::Uninstall => {
            // `helm plugin uninstall chart` removes one of the two.
            let placed: Vec<Kind> =
                [VERBS, GETTER].into_iter().filter(|kind| folder(*kind).exists()).collect();
            if placed.is_empty() {
                let folder = run.env.plugins();
                let message = format!("plugin: {} not found in `{}`", VERBS.name, folder.display());
                return Err(Error::not_found(message));
            }
            for kind in &placed {
                check_ours(*kind, &folder(*kind))?;
            }
            for kind in placed {
                uninstall(kind, &folder(kind))?;
            }
        }
    }
    Ok(Exit::Ok)
}

impl Kind {
    /// Returns the plugin's file. Helm splits `command` at spaces before it replaces the variable,
    /// so a folder with spaces works. It searches a getter's command in the plugin's folder.
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

/// Refuses to replace another's plugin, and to place a second one of its name: with two, Helm 3
/// runs no command at all.
fn check(kind: Kind, folder: &Path) -> Result<()> {
    if let Some(other) = plugin_of_kind(kind, folder) {
        let message = format!("`{}` holds a plugin `{}` already", other.display(), kind.name);
        return Err(Error::new(ErrorKind::Conflict, message)
            .with_hint(format!("remove it with `helm plugin uninstall {}` first", kind.name)));
    }
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
    // The plugin gets a copy, because Helm runs it later and a link would break when the program
    // moves.
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

/// Makes a folder readable for others. A temporary folder is private; a plugin's is not.
#[cfg(unix)]
fn open_to_others(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))
}

#[cfg(not(unix))]
fn open_to_others(_folder: &Path) -> io::Result<()> {
    Ok(())
}

/// Returns a different folder beside `folder` whose plugin has the same name, such as a checkout
/// that Helm installed.
fn plugin_of_kind(kind: Kind, folder: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(folder.parent()?).ok()?;
    let mut paths: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path != folder)
        .collect();
    paths.sort();
    paths.into_iter().find(|path| manifest(path, "name").is_some_and(|name| name == kind.name))
}

/// Refuses to remove another's plugin.
fn check_ours(kind: Kind, folder: &Path) -> Result<()> {
    if is_ours(kind, folder) {
        return Ok(());
    }
    let message = format!("`{}` holds another plugin; it is left alone", folder.display());
    Err(Error::new(ErrorKind::Conflict, message))
}

fn uninstall(kind: Kind, folder: &Path) -> Result<()> {
    fs::remove_dir_all(folder).map_err(|error| Error::io("remove", folder, error))?;
    output::println(format!("Uninstalled plugin: {}", kind.name))
}

/// Returns true if [`install`] created `folder`: it has a plugin of this name and command, and a
/// copy of this program. Other plugins may mention chartferry too.
fn is_ours(kind: Kind, folder: &Path) -> bool {
    manifest(folder, "name").is_some_and(|name| name == kind.name)
        && manifest(folder, "command")
            .is_some_and(|command| command == format!("$HELM_PLUGIN_DIR/{}", kind.call))
        && folder.join("chartferry").is_file()
}

/// Returns a text of the plugin.yaml in `folder`.
fn manifest(folder: &Path, key: &str) -> Option<String> {
    let limits = Limits::default();
    let file = fs::File::open(folder.join("plugin.yaml")).ok()?;
    let mut bytes = Vec::new();
    file.take(limits.chart_document_bytes).read_to_end(&mut bytes).ok()?;
    match yaml::parse(&bytes, Duplicates::LastWins, &limits).ok()?.get(key)? {
        Value::String(text) => Some(text.clone()),
        _ => None,
    }
}
