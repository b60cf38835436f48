//! Allowed actions in the claims of a token: ChartMuseum's list of entries, or the result of a
//! JMESPath expression. [`super::issuer`] checks the token itself.

use crate::{Error, Result};
use serde::Deserialize;
use serde_json::Value;

/// The type of the entries in `access` that speak of charts.
pub(crate) const ENTRY_TYPE: &str = "artifact-repository";
/// The placeholder for the namespace in an expression. Another one is for the type of entry.
const NAMESPACE: &str = "$NAMESPACE";
const ACCESS_ENTRY_TYPE: &str = "$ACCESS_ENTRY_TYPE";

/// The place in a token's claims of the actions that it allows in a namespace.
#[derive(Clone, Debug, Default)]
pub enum ActionsPath {
    /// In the claim `access`:
    /// `access[?name=='$NAMESPACE' && type=='$ACCESS_ENTRY_TYPE'].actions[]`.
    #[default]
    Access,
    /// The result of a JMESPath expression.
    Search(Search),
}

/// A JMESPath expression in which `$NAMESPACE` and `$ACCESS_ENTRY_TYPE` stand for themselves until
/// a request comes.
#[derive(Clone, Debug)]
pub struct Search(String);

impl ActionsPath {
    /// The path that an expression is; the empty one is the usual path, as with ChartMuseum.
    ///
    /// # Errors
    /// `Usage` when it is no JMESPath. ChartMuseum starts with it, and refuses everybody.
    pub fn parse(expression: &str) -> Result<Self> {
        if expression.is_empty() {
            return Ok(Self::Access);
        }
        let search = Search(expression.to_owned());
        // A namespace can be in quotes or not; one that fits everywhere tells whether the rest is
        // right.
        jmespath::compile(&search.in_namespace("repo")).map_err(|error| {
            Error::usage(format!("`{expression}` is not a JMESPath expression"))
                .with_source(error)
                .with_hint("such as `access[?name=='$NAMESPACE'].actions[]`")
        })?;
        Ok(Self::Search(search))
    }

    /// Reports whether the claims allow `action` in `namespace`.
    pub(crate) fn allows(&self, claims: &Value, namespace: &str, action: &str) -> bool {
        match self {
            Self::Access => entries(claims).iter().any(|entry| {
                entry.kind == ENTRY_TYPE
                    && entry.name == namespace
                    && entry.actions.iter().any(|one| one == action)
            }),
            Self::Search(search) => search.finds(claims, namespace, action),
        }
    }
}

impl Search {
    fn in_namespace(&self, namespace: &str) -> String {
        self.0.replace(NAMESPACE, namespace).replace(ACCESS_ENTRY_TYPE, ENTRY_TYPE)
    }

    /// Reports whether the expression finds a list with that action. Any other result allows
    /// nothing.
    fn finds(&self, claims: &Value, namespace: &str, action: &str) -> bool {
        // Put into the expression, a quote would end the text it stands in: who asks would write
        // the rule.
        if namespace.contains(['\'', '"', '`', '\\', '$']) {
            return false;
        }
        let found = jmespath::compile(&self.in_namespace(namespace))
            .and_then(|expression| expression.search(claims));
        let Ok(found) = found else { return false };
        found.as_array().is_some_and(|all| {
            all.iter().any(|one| one.as_string().is_some_and(|text| text == action))
        })
    }
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    actions: Vec<String>,
}

fn entries(claims: &Value) -> Vec<Entry> {
    claims.get("access").and_then(|all| Vec::deserialize(all).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_path_finds_a_list_of_actions() {
        let claims = json!({
            "access": [{"type": "artifact-repository", "name": "org", "actions": ["pull"]}],
            "charts": {"org": ["pull", "push"], "word": "pull", "nested": [["pull"]], "odd": [1, null, "pull"]},
            "groups": ["pull"],
        });
        for (path, namespace, allowed) in [
            ("", "org", true),
            ("", "team", false),
            ("groups", "any", true),
            ("charts.$NAMESPACE", "org", true),
            ("charts.\"$NAMESPACE\"", "org", true),
            ("charts.$NAMESPACE", "team", false),
            ("charts.$NAMESPACE", "word", false),
            ("charts.$NAMESPACE", "nested", false),
            ("charts.$NAMESPACE[]", "nested", true),
            ("charts.$NAMESPACE", "odd", true),
            ("charts", "org", false),
            ("nothing", "org", false),
            ("charts.$NAMESPACE", "no/word", false),
            ("access[?name=='$NAMESPACE' && type=='$ACCESS_ENTRY_TYPE'].actions[]", "org", true),
            ("access[?name=='$NAMESPACE' && type=='$ACCESS_ENTRY_TYPE'].actions[]", "team", false),
            ("abs('x')", "org", false),
        ] {
            let allows = ActionsPath::parse(path).expect(path).allows(&claims, namespace, "pull");
            assert_eq!(allows, allowed, "{path} in {namespace}");
        }
    }

    #[test]
    fn a_namespace_is_no_part_of_the_expression() {
        let claims = json!({"access": [{"name": "org", "actions": ["push"]}]});
        let path = ActionsPath::parse("access[?name=='$NAMESPACE'].actions[]").expect("path");
        assert!(path.allows(&claims, "org", "push"));
        assert!(!path.allows(&claims, "x' || name=='org", "push"));
    }

    #[test]
    fn what_is_no_expression_is_told() {
        for bad in ["access[", "a b", "'"] {
            ActionsPath::parse(bad).expect_err(bad);
        }
    }

    proptest::proptest! {
        #[test]
        fn any_claims_and_namespaces_are_looked_at(namespace in ".{0,12}", text in ".{0,12}") {
            let path = ActionsPath::parse("access[?name=='$NAMESPACE'].actions[]").expect("path");
            let claims = json!({"access": [{"name": text, "actions": ["pull"]}]});
            let allowed = path.allows(&claims, &namespace, "pull");
            proptest::prop_assert!(!allowed || namespace == text);
        }
    }
}
