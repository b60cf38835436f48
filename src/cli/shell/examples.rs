//! Examples of every command, for its `--help` and its manual page.

use clap::Command;

/// Commands by their words, with their examples, without the program's name.
const EXAMPLES: &[(&str, &[&str])] = &[
    (
        "package",
        &[
            "package mychart",
            "package charts/* -d dist",
            "package mychart --version 1.2.0 --app-version 3.1",
        ],
    ),
    ("show all", &["show all mychart-1.0.0.tgz"]),
    ("show chart", &["show chart oci://registry.example.com/charts/mychart:1.0.0"]),
    ("show values", &["show values stable/mychart --version '^1.0'"]),
    ("show readme", &["show readme mychart"]),
    ("show crds", &["show crds mychart-1.0.0.tgz"]),
    ("dependency list", &["dependency list mychart"]),
    ("dependency update", &["dependency update mychart"]),
    ("dependency build", &["dependency build mychart"]),
    ("lint", &["lint mychart", "lint charts/* --strict"]),
    (
        "push",
        &[
            "push mychart-1.0.0.tgz oci://registry.example.com/charts",
            "push dist/a-1.0.0.tgz dist/b-2.0.0.tgz oci://registry.example.com/charts",
            "push --chart mychart registry.example.com/charts/mychart:1.0.0",
        ],
    ),
    (
        "pull",
        &[
            "pull oci://registry.example.com/charts/mychart --version '^1.0' -d downloads",
            "pull mychart --repo https://charts.example.com --untar",
            "pull oci://registry.example.com/charts/mychart:1.0.0 --prov",
        ],
    ),
    ("export", &["export oci://registry.example.com/charts/mychart:1.0.0 extracted"]),
    ("save", &["save mychart registry.example.com/charts/mychart:1.0.0"]),
    ("list", &["list"]),
    (
        "artifact push",
        &[
            "artifact push registry.example.com/team/config:1.0.0 config.json:application/json",
            "artifact push registry.example.com/team/model:1,latest model/ --artifact-type application/vnd.example.model",
        ],
    ),
    ("artifact pull", &["artifact pull registry.example.com/team/config:1.0.0 -d out"]),
    (
        "artifact attach",
        &[
            "artifact attach registry.example.com/team/app:1.0.0 sbom.json --artifact-type application/spdx+json",
        ],
    ),
    ("artifact discover", &["artifact discover registry.example.com/team/app:1.0.0"]),
    ("artifact show", &["artifact show registry.example.com/team/app:1.0.0"]),
    (
        "copy",
        &[
            "copy registry.example.com/dev/app:1.0.0 registry.example.com/prod/app",
            "copy registry.example.com/dev/app:1.0.0 layout:app",
            "copy registry.example.com/team/** backup.example.com/team",
        ],
    ),
    (
        "manifest fetch",
        &["manifest fetch registry.example.com/team/app:1.0.0 --platform linux/arm64"],
    ),
    ("manifest fetch-config", &["manifest fetch-config registry.example.com/team/app:1.0.0"]),
    ("manifest push", &["manifest push registry.example.com/team/app:1.0.0,stable manifest.json"]),
    ("manifest delete", &["manifest delete registry.example.com/team/app:1.0.0 --force"]),
    (
        "manifest index create",
        &["manifest index create registry.example.com/team/app:1.0.0 amd64 arm64"],
    ),
    (
        "manifest index update",
        &["manifest index update registry.example.com/team/app:1.0.0 --add s390x"],
    ),
    ("blob fetch", &["blob fetch registry.example.com/team/app@sha256:… --to file.bin"]),
    ("blob push", &["blob push registry.example.com/team/app file.bin"]),
    ("blob delete", &["blob delete registry.example.com/team/app@sha256:… --force"]),
    (
        "tag",
        &[
            "tag registry.example.com/team/app:1.0.0 stable",
            "tag rm registry.example.com/team/app:stable",
        ],
    ),
    ("images", &["images ./demo", "images oci://registry.example.com/charts/demo --names"]),
    ("registry check", &["registry check oci://registry.example.com/team"]),
    ("untag", &["untag registry.example.com/team/app:stable"]),
    (
        "promote",
        &[
            "promote registry.example.com/dev/app:1.0.0 registry.example.com/prod/app:1.0.0",
            "promote registry.example.com/app:1.0.0 :stable --replaces none",
        ],
    ),
    ("oras", &["oras push registry.example.com/team/config:1.0.0 config.json:application/json"]),
    ("remove", &["remove registry.example.com/charts/mychart:1.0.0"]),
    ("tags", &["tags oci://registry.example.com/charts/mychart"]),
    (
        "search",
        &["search repo nginx --versions", "search oci://registry.example.com/charts/mychart"],
    ),
    ("resolve", &["resolve -l oci://registry.example.com/charts/mychart:1.0.0"]),
    ("version", &["version"]),
    ("login", &["login registry.example.com -u ann --password-stdin < password.txt"]),
    ("logout", &["logout registry.example.com"]),
    (
        "registry login",
        &["registry login registry.example.com -u ann --password-stdin < password.txt"],
    ),
    ("registry logout", &["registry logout registry.example.com"]),
    ("repo add", &["repo add stable https://charts.example.com"]),
    ("repo update", &["repo update", "repo update stable"]),
    ("repo list", &["repo list -o json"]),
    ("repo remove", &["repo remove stable"]),
    ("repo index", &["repo index dist --url https://charts.example.com"]),
    ("repo tags", &["repo tags registry.example.com/charts/mychart"]),
    ("museum push", &["museum push mychart-1.0.0.tgz https://museum.example.com"]),
    ("museum delete", &["museum delete mychart 1.0.0 https://museum.example.com"]),
    (
        "cm-push",
        &["cm-push mychart-1.0.0.tgz mymuseum", "cm-push mychart mymuseum --version 1.2.0 --force"],
    ),
    (
        "index",
        &[
            "index dist --url https://charts.example.com",
            "index oci://registry.example.com/charts --out -",
        ],
    ),
    (
        "bundle save",
        &["bundle save charts.tar.zst oci://registry.example.com/charts/mychart:1.0.0"],
    ),
    ("bundle load", &["bundle load charts.tar.zst oci://inner.example.com/charts"]),
    ("bundle list", &["bundle list charts.tar.zst"]),
    ("bundle verify", &["bundle verify charts.tar.zst"]),
    (
        "mirror",
        &[
            "mirror https://charts.example.com oci://registry.example.com/charts --dry-run",
            "mirror https://charts.example.com oci://registry.example.com/charts",
            "mirror -f mirror.yaml --check",
        ],
    ),
    (
        "serve",
        &[
            "serve",
            "serve --listen 0.0.0.0:5000 --open",
            "serve --storage data --htpasswd users --anonymous-pull",
            "serve --upstream oci://registry.example.com/charts",
        ],
    ),
    ("tour", &["tour"]),
    ("plugin install", &["plugin install"]),
    ("plugin uninstall", &["plugin uninstall"]),
    ("completion", &["completion bash > chartferry.bash"]),
    ("man", &["man pages"]),
];

/// Returns the examples of a command, by its words without the program's name.
pub(crate) fn of(path: &str) -> &'static [&'static str] {
    EXAMPLES.iter().find(|(name, _)| *name == path).map_or(&[], |(_, lines)| lines)
}

/// Returns a command with the examples of all commands below it. `called` is the full name of the
/// command itself.
pub(crate) fn added(mut command: Command, called: &str) -> Command {
    // The commands below a command are defined when it is built.
    command.build();
    below(command, called, "")
}

fn below(command: Command, called: &str, path: &str) -> Command {
    let lines: String = of(path).iter().map(|line| format!("\n  {called} {line}")).collect();
    let command =
        if lines.is_empty() { command } else { command.after_help(format!("Examples:{lines}")) };
    command.mut_subcommands(|inner| {
        let name = inner.get_name();
        let path = if path.is_empty() { name.to_owned() } else { format!("{path} {name}") };
        below(inner, called, &path)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;
    use clap::{CommandFactory, Parser};

    fn leaves(command: &Command, path: &str, found: &mut Vec<String>) {
        for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set()) {
            let name = inner.get_name();
            let path = if path.is_empty() { name.to_owned() } else { format!("{path} {name}") };
            if inner.has_subcommands() {
                leaves(inner, &path, found);
            } else if path != "chart" {
                found.push(path);
            }
        }
    }

    #[test]
    fn every_command_has_examples_that_the_parser_accepts() {
        let mut paths = Vec::new();
        let mut command = Cli::command().disable_help_subcommand(true);
        command.build();
        leaves(&command, "", &mut paths);
        for path in &paths {
            assert!(!of(path).is_empty(), "`{path}` has no example");
        }
        for (path, lines) in EXAMPLES {
            assert!(paths.iter().any(|known| known == path), "there is no command `{path}`");
            for line in *lines {
                assert!(line.starts_with(path), "{line}");
                let words = line.split([' ', '\'']).filter(|word| !word.is_empty());
                let words = words.take_while(|word| !matches!(*word, "<" | ">"));
                Cli::try_parse_from(std::iter::once("chartferry").chain(words))
                    .unwrap_or_else(|error| panic!("{line}: {error}"));
            }
        }
    }
}
