//! The caller of the program: a shell, or Helm for its plugin `chart`. Messages in a plugin name
//! commands as the user writes them there, because the program need not be on the search path.

use super::env::Env;

/// The caller of the program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Caller {
    /// A shell, or a script.
    #[default]
    Shell,
    /// Helm, for `helm chart …`.
    Helm,
}

/// The commands of both programs; `chartferry VERB` is `helm chart VERB`.
const VERBS: &[&str] = &[
    "chart",
    "package",
    "show",
    "inspect",
    "dependency",
    "lint",
    "push",
    "pull",
    "export",
    "save",
    "list",
    "remove",
    "tags",
    "search",
    "resolve",
];

impl Caller {
    pub(crate) fn of(env: &Env) -> Self {
        match env.text("HELM_PLUGIN_NAME").as_deref() {
            Some("chart") => Self::Helm,
            _ => Self::Shell,
        }
    }

    /// Returns the words before the commands of `chart`.
    pub(crate) fn chart(self) -> &'static str {
        match self {
            Self::Shell => "chartferry chart",
            Self::Helm => "helm chart",
        }
    }

    /// Returns a message with its commands as the caller writes them.
    pub(crate) fn words(self, text: &str) -> String {
        let mut text = text.to_owned();
        if self == Self::Shell || !text.contains("chartferry ") {
            return text;
        }
        for (ours, helms) in [
            ("chartferry chart ", "helm chart "),
            ("chartferry login", "helm registry login"),
            ("chartferry logout", "helm registry logout"),
            ("chartferry registry ", "helm registry "),
            ("chartferry repo tags ", "helm chart tags "),
            ("chartferry repo ", "helm repo "),
        ] {
            text = text.replace(ours, helms);
        }
        for verb in VERBS {
            for end in [" ", "`", "\n"] {
                text = text.replace(
                    &format!("chartferry {verb}{end}"),
                    &format!("helm chart {verb}{end}"),
                );
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_a_plugin_commands_are_helms() {
        for (text, as_plugin) in [
            (
                "`chartferry list` lists the saved charts; `chartferry pull h/x` downloads it",
                "`helm chart list` lists the saved charts; `helm chart pull h/x` downloads it",
            ),
            ("log in with `chartferry login h`", "log in with `helm registry login h`"),
            ("hint: chartferry repo update\n", "hint: helm repo update\n"),
            ("hint: chartferry push a b\n", "hint: helm chart push a b\n"),
            ("Usage: chartferry chart pull [OPTIONS]", "Usage: helm chart pull [OPTIONS]"),
            ("`chartferry mirror a b`", "`chartferry mirror a b`"),
            ("`chartferry listing`", "`chartferry listing`"),
        ] {
            assert_eq!(Caller::Helm.words(text), as_plugin);
            assert_eq!(Caller::Shell.words(text), text);
        }
    }
}
