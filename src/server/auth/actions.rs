//! Allowed actions in the claims of a token: ChartMuseum's list of entries, or the result of a
//! JMESPath expression. [`super::issuer`] checks the token itself.

use crate::{Error, Result};
use serde::Deserialize;
use serde_json::Value;

/// Type of the entries in `access` that concern charts.
pub(crate) const ENTRY_TYPE: &str = "artifact-repository";
/// Placeholder for the namespace in an expression. A second placeholder is for the type of the
/// entry.
const NAMESPACE: &str = "$NAMESPACE";
const ACCESS_ENTRY_TYPE: &str = "$ACCESS_ENTRY_TYPE";

/// Place in a token's claims of the actions that the token allows in a namespace.
#[derive(Clone, Debug, Default)]
pub enum ActionsPath {
    /// Claim `access`: `access[?name=='$NAMESPACE' && type=='$ACCESS_ENTRY_TYPE'].actions[]`.
    #[default]
    Access,
    /// Result of a JMESPath expression.
    Search(Search),
}

/// JMESPath expression. Each request replaces `$NAMESPACE` and `$ACCESS_ENTRY_TYPE` in it.
#[derive(Clone, Debug)]
pub struct Search(String);

impl ActionsPath {
    /// Parses an expression. An empty one means the usual path, as in ChartMuseum.
    ///
    /// # Errors
    /// `Usage` if the expression is not JMESPath. ChartMuseum starts with such an expression, and
    /// then refuses every request.
    pub fn parse(expression: &str) -> Result<Self> {
        if expression.is_empty() {
            return Ok(Self::Access);
        }
        let search = Search(expression.to_owned());
        // A namespace can be in quotes or not. A name that is valid in both places tests the rest.
        jmespath::compile(&search.in_namespace("repo")).map_err(|error| {
            Error::usage(format!("`{expression}` is not a JMESPath expression"))
                .with_source(error)
                .with_hint("such as `access[?name=='$NAMESPACE'].actions[]`")
        })?;
        Ok(Self::Search(search))
    }

    /// Returns true if the claims allow `action` in `namespace`.
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

    /// Returns true if the expression finds a list with that action. Any other result allows
    /// nothing.
    fn finds(&self, claims: &Value, namespace: &str, action: &str) -> bool {
        // A quote in the namespace would end its text in the expression: the client could write the
        // rule.
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
