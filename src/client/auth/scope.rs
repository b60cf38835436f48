//! Scopes of a token, `type:name:action,action`, in sets that can be joined. The registry's own
//! scopes (from its challenge) and ours (from the next action) become one sorted set. The set is
//! also the key of the token cache.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// Set of scopes. It joins the actions on one resource.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Scopes(BTreeMap<String, BTreeSet<String>>);

impl Scopes {
    /// Parses the scopes of a text, separated by spaces.
    pub(crate) fn parse(text: &str) -> Self {
        let mut scopes = Self::default();
        for scope in text.split_ascii_whitespace() {
            // The name may contain colons of its own, `repository:host:5000/x:pull`.
            let (resource, actions) = match scope.rsplit_once(':') {
                Some((resource, actions)) if resource.contains(':') => (resource, actions),
                _ => (scope, ""),
            };
            let own = scopes.0.entry(resource.to_owned()).or_default();
            own.extend(actions.split(',').filter(|action| !action.is_empty()).map(str::to_owned));
        }
        scopes
    }

    /// Adds another set. Returns true if that changed this one.
    pub(crate) fn join(&mut self, other: &Self) -> bool {
        let before = self.clone();
        for (resource, actions) in &other.0 {
            self.0.entry(resource.clone()).or_default().extend(actions.iter().cloned());
        }
        *self != before
    }

    /// Returns each scope as text, in order.
    pub(crate) fn list(&self) -> Vec<String> {
        self.0
            .iter()
            .map(|(resource, actions)| {
                let actions: Vec<_> = actions.iter().map(String::as_str).collect();
                if actions.is_empty() {
                    resource.clone()
                } else {
                    format!("{resource}:{}", actions.join(","))
                }
            })
            .collect()
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.list().join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_join_sorted_and_without_doubles() {
        for (a, b, joined) in [
            ("repository:x:pull", "repository:x:push,pull", "repository:x:pull,push"),
            ("repository:b:pull", "repository:a:pull", "repository:a:pull repository:b:pull"),
            ("registry:catalog:*", "", "registry:catalog:*"),
            ("repository:h:5000/x:pull", "", "repository:h:5000/x:pull"),
            ("aws", "repository:x:", "aws repository:x"),
        ] {
            let mut set = Scopes::parse(a);
            set.join(&Scopes::parse(b));
            assert_eq!(set.to_string(), joined);
            assert!(!set.join(&Scopes::parse(b)), "the second time adds nothing");
        }
    }
}
