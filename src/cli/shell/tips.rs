//! Tips for flags that Helm and others have and this program does not. Clap's own tip, to pass the
//! flag as a value, does not help here.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use std::ffi::OsString;

/// Commands by their first words, other programs' flags, and the alternatives.
const TIPS: &[(&str, &[&str], &str)] = &[
    (
        "lint",
        &["--set-json", "--set-file", "--set-literal", "--kube-version"],
        "`chartferry lint` renders no templates; `helm lint` takes all of these",
    ),
    (
        "version",
        &["--short", "-c", "--client"],
        "`chartferry version` prints one line; leave the flag out",
    ),
    ("version", &["--template"], "`chartferry version | cut -d' ' -f2` prints the version alone"),
    (
        "dependency list",
        &["-o", "--output"],
        "the list is a table only; `chartferry show chart CHART` prints the dependencies as YAML",
    ),
    ("dependency", &["--verify"], "chartferry does not verify signatures yet; leave the flag out"),
    (
        "push",
        &["--sign"],
        "chartferry does not sign yet; sign the pushed digest with `cosign sign`",
    ),
    (
        "",
        &[
            "-n",
            "--namespace",
            "--kube-context",
            "--kubeconfig",
            "--kube-apiserver",
            "--burst-limit",
            "--qps",
        ],
        "chartferry talks to no cluster; leave the flag out",
    ),
];

/// Commands of Helm, ORAS and crane that this program has by another name or not at all, and the
/// alternatives.
const COMMANDS: &[(&str, &str)] = &[
    ("cp", "`chartferry copy` copies artifacts; `chartferry oras cp` takes the flags of ORAS"),
    ("attach", "`chartferry artifact attach` attaches files to an artifact"),
    ("discover", "`chartferry artifact discover` lists what is attached"),
    ("tree", "`chartferry artifact discover` lists what is attached, as a tree"),
    ("catalog", "`chartferry repo list HOST` lists the repositories of a registry"),
    ("verify", "chartferry does not verify signatures yet; `helm verify` and `cosign verify` do"),
    ("sign", "chartferry does not sign yet; `cosign sign` signs what chartferry pushed"),
    ("attest", "chartferry does not attest yet; `cosign attest` works on what chartferry pushed"),
    ("template", "chartferry renders no templates; `helm template` does"),
    ("install", "chartferry installs nothing; `helm install` takes the same `oci://` references"),
    ("upgrade", "chartferry installs nothing; `helm upgrade` takes the same `oci://` references"),
    ("create", "`helm create` makes a new chart"),
    ("env", "the variables that chartferry reads are in its manual, and in docs/environment.md"),
];

/// Returns the error with a useful tip instead of clap's.
pub(crate) fn improve(mut error: clap::Error, args: &[OsString]) -> clap::Error {
    let words: Vec<&str> = args.iter().skip(1).filter_map(|arg| arg.to_str()).collect();
    let tip = match error.kind() {
        ErrorKind::UnknownArgument => {
            let Some(flag) = text(&error, ContextKind::InvalidArg) else { return error };
            let flag = flag.split(['=', ' ']).next().unwrap_or_default();
            if text(&error, ContextKind::SuggestedArg).is_none() {
                // This is the text `to pass '--flag' as a value, use '-- --flag'`.
                error.remove(ContextKind::Suggested);
            }
            let path = verbs(&words);
            let of = |begin: &str| {
                begin.is_empty() || path == begin || path.starts_with(&format!("{begin} "))
            };
            let known = TIPS.iter().find(|(begin, flags, _)| of(begin) && flags.contains(&flag));
            known.map(|(_, _, tip)| (*tip).to_owned())
        }
        ErrorKind::InvalidValue => {
            let arg = text(&error, ContextKind::InvalidArg).unwrap_or_default();
            let value = text(&error, ContextKind::InvalidValue).unwrap_or_default();
            let is_pull =
                ["pull", "fetch"].contains(&verbs(&words).split(' ').next().unwrap_or_default());
            (is_pull && arg.starts_with("--output")).then(|| {
                format!("`-o` chooses how the result is printed; the folder for the chart is `-d {value}`")
            })
        }
        ErrorKind::InvalidSubcommand => {
            let name = text(&error, ContextKind::InvalidSubcommand).unwrap_or_default();
            let known = COMMANDS.iter().find(|(command, _)| *command == name);
            known.map(|(_, tip)| (*tip).to_owned())
        }
        _ => None,
    };
    if let Some(tip) = tip {
        for kind in [
            ContextKind::SuggestedArg,
            ContextKind::SuggestedSubcommand,
            ContextKind::SuggestedValue,
        ] {
            error.remove(kind);
        }
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
    }
    error
}

fn text(error: &clap::Error, kind: ContextKind) -> Option<String> {
    match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        Some(ContextValue::Strings(texts)) => texts.first().cloned(),
        _ => None,
    }
}

/// Returns the first words of a command line that are not flags, without a leading `chart`. Aliases
/// are replaced by their names.
fn verbs(words: &[&str]) -> String {
    let plain = words.iter().copied().filter(|word| !word.starts_with('-'));
    let plain = plain.skip_while(|word| *word == "chart").take(2).map(|word| match word {
        "dep" | "dependencies" => "dependency",
        "ls" => "list",
        "inspect" => "show",
        word => word,
    });
    plain.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use crate::cli::parse;
    use std::ffi::OsString;

    #[test]
    fn flags_of_helm_get_a_tip_that_can_be_followed() {
        for (line, tip) in [
            ("lint c --set-json a=b", Some("`helm lint` takes all of these")),
            ("lint c --kube-version=1", Some("`helm lint` takes all of these")),
            ("chart lint c --set-file a=b", Some("`helm lint` takes all of these")),
            ("version --short", Some("leave the flag out")),
            ("version --template x", Some("cut -d' ' -f2")),
            ("dependency list -o json", Some("chartferry show chart CHART")),
            ("dep ls --output json", Some("chartferry show chart CHART")),
            ("dep up --verify", Some("does not verify signatures yet")),
            ("pull oci://h/x -o DIR", Some("`-d DIR`")),
            ("chart pull h/x -o DIR", Some("`-d DIR`")),
            ("pull x --kube-context y", Some("talks to no cluster")),
            ("verify x", Some("`cosign verify`")),
            ("install x", Some("`helm install`")),
            ("cp a b", Some("`chartferry copy`")),
            ("attach a b", Some("`chartferry artifact attach`")),
            ("discover a", Some("`chartferry artifact discover`")),
            ("push a b --nope", None),
            ("push a b --verison x", None),
        ] {
            let args: Vec<OsString> =
                std::iter::once("chartferry").chain(line.split(' ')).map(Into::into).collect();
            let error = parse(&args, crate::cli::shell::called::Caller::Shell).expect_err(line);
            let text = super::improve(error, &args).render().to_string();
            match tip {
                Some(tip) => assert!(text.contains(tip), "{line}: {text}"),
                None => assert!(!text.contains("as a value"), "{line}: {text}"),
            }
            assert!(text.matches("tip:").count() <= 1, "{line}: {text}");
        }
    }
}
