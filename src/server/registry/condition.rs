//! Conditions of a PUT: `If-Match` and `If-None-Match` (RFC 9110, 13.1) over the entity tag of a
//! manifest, which is its digest in quotes.

use crate::oci::Digest;
use http::{HeaderMap, HeaderName, header};

/// The conditions of one request. Both must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Condition {
    /// Values of `If-Match`; the manifest must have one of them.
    matching: Option<Vec<String>>,
    /// Values of `If-None-Match`; the manifest must have none of them.
    differing: Option<Vec<String>>,
}

impl Condition {
    /// Reads the conditions from the headers of a request.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        Self {
            matching: values(headers, &header::IF_MATCH),
            differing: values(headers, &header::IF_NONE_MATCH),
        }
    }

    /// Returns true if the request has no conditions.
    pub(super) fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Returns true if a target that refers to `current` fulfils the conditions. A value that is no
    /// strong entity tag, such as `W/"…"`, matches nothing.
    pub(super) fn holds(&self, current: Option<&Digest>) -> bool {
        let is_current = |values: &Vec<String>| {
            current.is_some_and(|digest| {
                let tag = format!("\"{digest}\"");
                values.iter().any(|value| value == "*" || *value == tag)
            })
        };
        self.matching.as_ref().is_none_or(is_current)
            && !self.differing.as_ref().is_some_and(is_current)
    }
}

/// Returns the values of a list header; `None` without the header. Digests have no commas.
fn values(headers: &HeaderMap, name: &HeaderName) -> Option<Vec<String>> {
    headers.contains_key(name).then(|| {
        headers
            .get_all(name)
            .iter()
            .flat_map(|value| value.to_str().unwrap_or_default().split(','))
            .map(|value| value.trim().to_owned())
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_hold_as_the_entity_tags_say() {
        let (here, other) = (Digest::sha256(b"here"), Digest::sha256(b"other"));
        let quoted = |digest: &Digest| format!("\"{digest}\"");
        for (name, value, absent, present) in [
            ("if-match", "*".to_owned(), false, true),
            ("if-match", quoted(&here), false, true),
            ("if-match", quoted(&other), false, false),
            ("if-match", format!("{}, {}", quoted(&other), quoted(&here)), false, true),
            ("if-match", format!("W/{}", quoted(&here)), false, false),
            ("if-match", here.to_string(), false, false),
            ("if-none-match", "*".to_owned(), true, false),
            ("if-none-match", quoted(&here), true, false),
            ("if-none-match", quoted(&other), true, true),
            ("if-none-match", format!("W/{}", quoted(&here)), true, true),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(HeaderName::from_static(name), value.parse().expect("value"));
            let condition = Condition::of(&headers);
            assert!(!condition.is_none());
            assert_eq!(condition.holds(None), absent, "{name}: {value}, absent");
            assert_eq!(condition.holds(Some(&here)), present, "{name}: {value}, present");
        }
        let none = Condition::of(&HeaderMap::new());
        assert!(none.is_none() && none.holds(None) && none.holds(Some(&here)));
    }
}
