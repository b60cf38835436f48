//! Removal of empty path flags. Scripts write `--ca-file "$CA"` whether or not `CA` is set, and
//! Helm ignores an empty path. Clap refuses an empty path, so this removes such a flag first.

use clap::builder::ValueParser;
use std::{any::TypeId, collections::BTreeSet, ffi::OsString, path::PathBuf};

/// Returns the arguments without optional path flags whose value is empty. It keeps a flag that
/// takes a path in one command and something else in another.
pub(crate) fn without_empty_paths(
    command: impl FnOnce() -> clap::Command,
    args: impl IntoIterator<Item = OsString>,
) -> Vec<OsString> {
    let args: Vec<OsString> = args.into_iter().collect();
    if !args.iter().any(|arg| arg.is_empty() || arg.as_encoded_bytes().ends_with(b"=")) {
        return args;
    }
    let (mut paths, mut others) = (BTreeSet::new(), BTreeSet::new());
    let mut command = command();
    // The flags of a command are defined when it is built.
    command.build();
    sort(&command, &mut paths, &mut others);
    let is_path = |name: &str| paths.contains(name) && !others.contains(name);
    let mut kept = Vec::with_capacity(args.len());
    let mut args = args.into_iter().peekable();
    while let Some(arg) = args.next() {
        if arg == "--" {
            kept.push(arg);
            kept.extend(args);
            break;
        }
        let name = arg.to_str().and_then(|text| text.strip_prefix("--"));
        match name {
            Some(name) if name.strip_suffix('=').is_some_and(is_path) => {}
            Some(name) if is_path(name) && args.peek().is_some_and(|next| next.is_empty()) => {
                args.next();
            }
            _ => kept.push(arg),
        }
    }
    kept
}

/// Sorts the long flags of a command and those below it by the type of their value.
fn sort<'c>(
    command: &'c clap::Command,
    paths: &mut BTreeSet<&'c str>,
    others: &mut BTreeSet<&'c str>,
) {
    for arg in command.get_arguments() {
        let Some(name) = arg.get_long() else { continue };
        let is_path = takes_path(arg.get_value_parser()) && !arg.is_required_set();
        if is_path {
            paths.insert(name)
        } else {
            others.insert(name)
        };
    }
    for inner in command.get_subcommands() {
        sort(inner, paths, others);
    }
}

fn takes_path(parser: &ValueParser) -> bool {
    parser.type_id() == TypeId::of::<PathBuf>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{Arg, ArgAction, Command, value_parser};

    #[test]
    fn only_empty_values_of_path_flags_are_left_out() {
        let path =
            |name: &'static str| Arg::new(name).long(name).value_parser(value_parser!(PathBuf));
        let command = Command::new("x").arg(path("ca-file")).arg(path("both")).subcommand(
            Command::new("y")
                .arg(path("keyring"))
                .arg(Arg::new("user").long("user"))
                .arg(Arg::new("both").long("both").action(ArgAction::SetTrue)),
        );
        for (line, kept) in [
            ("x y --ca-file _ --user a", "x y --user a"),
            ("x y --keyring= --ca-file=", "x y"),
            ("x y --ca-file f --keyring _", "x y --ca-file f"),
            ("x y --user _", "x y --user _"),
            ("x y --both _", "x y --both _"),
            ("x y -- --ca-file _", "x y -- --ca-file _"),
        ] {
            let words = |line: &str| -> Vec<OsString> {
                line.split(' ').map(|word| if word == "_" { "" } else { word }.into()).collect()
            };
            assert_eq!(without_empty_paths(|| command.clone(), words(line)), words(kept), "{line}");
        }
        assert!(!takes_path(&ValueParser::string()));
    }
}
