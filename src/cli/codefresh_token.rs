//! The token in the file of Codefresh's command line. `helm cm-push` sends it if it has no other
//! credentials. Here only `cm://` repositories get it, because any other address may belong to
//! anybody.

use crate::{
    client::Secret,
    limits::Limits,
    yaml::{self, Duplicates, Value},
};
use std::{fs::File, io::Read, path::Path};

/// The largest size in bytes. The file names a few contexts.
const MAX_FILE: u64 = 1 << 20;

/// Returns the token of the file's current context, if the file has one. The user did not ask for
/// it, so no problem is an error.
pub(super) fn token(path: &Path) -> Option<Secret> {
    let mut text = Vec::new();
    File::open(path).ok()?.take(MAX_FILE).read_to_end(&mut text).ok()?;
    let found = of_current(&text);
    if found.is_none() {
        tracing::debug!("`{}` names no token", path.display());
    }
    found.map(Secret::new)
}

fn of_current(text: &[u8]) -> Option<String> {
    let file = yaml::parse(text, Duplicates::LastWins, &Limits::default()).ok()?;
    let current = file.get("current-context")?;
    let Value::Map(contexts) = file.get("contexts")? else { return None };
    // Contexts are found by the name that they contain; the key may differ.
    let (_, context) = contexts.iter().find(|(_, one)| one.get("name") == Some(current))?;
    match context.get("token")? {
        Value::String(token) if !token.is_empty() => Some(token.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_that_of_the_current_context() {
        let contexts = "contexts:\n  default:\n    name: default\n    token: one\n  b:\n    name: work\n    token: two\n";
        for (current, token) in
            [("default", Some("one")), ("work", Some("two")), ("b", None), ("~", None)]
        {
            let text = format!("{contexts}current-context: {current}\n");
            assert_eq!(of_current(text.as_bytes()).as_deref(), token, "{current}");
        }
        for text in ["", "[", "current-context: a\n", "contexts: []\ncurrent-context: a\n"] {
            assert_eq!(of_current(text.as_bytes()), None, "{text}");
        }
        assert!(token(Path::new("/no/such/file")).is_none());
    }
}
