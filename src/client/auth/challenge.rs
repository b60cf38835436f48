//! `WWW-Authenticate`: a list of challenges, in one header or several. Only the `=` after a
//! parameter's name distinguishes parameters from challenges (RFC 9110, 11.6.1). The parser also
//! accepts incorrect headers that registries send: it skips odd characters, and keeps unknown
//! schemes and parameters.

/// Challenge of a server: a scheme with parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// Scheme in the server's spelling, such as `Bearer`.
    pub scheme: String,
    /// Parameters in their order, with names in lower case.
    pub parameters: Vec<(String, String)>,
}

impl Challenge {
    /// Parses every challenge of the header's values.
    ///
    /// ```
    /// use chartferry::client::Challenge;
    /// let list = Challenge::parse([r#"Bearer realm="https://a/token",service="a", Basic realm=b"#]);
    /// assert_eq!(list.len(), 2);
    /// assert_eq!(list[0].parameter("service"), Some("a"));
    /// ```
    pub fn parse<'a>(values: impl IntoIterator<Item = &'a str>) -> Vec<Self> {
        let mut challenges = Vec::new();
        for value in values {
            Cursor(value).challenges(&mut challenges);
        }
        challenges
    }

    /// Returns the value of a parameter: the first with that name.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// Returns true if the scheme is `scheme`, in any case.
    pub fn is(&self, scheme: &str) -> bool {
        self.scheme.eq_ignore_ascii_case(scheme)
    }
}

struct Cursor<'a>(&'a str);

impl Cursor<'_> {
    fn challenges(mut self, out: &mut Vec<Challenge>) {
        loop {
            self.skip(|c| c.is_ascii_whitespace() || c == ',');
            let scheme = self.token();
            if scheme.is_empty() {
                let mut rest = self.0.chars();
                if rest.next().is_none() {
                    return;
                }
                self.0 = rest.as_str();
                continue;
            }
            let mut challenge = Challenge { scheme, parameters: Vec::new() };
            while let Some(parameter) = self.parameter() {
                challenge.parameters.push(parameter);
            }
            out.push(challenge);
        }
    }

    /// Parses a parameter. If the next challenge follows, the parser returns `None` and consumes no
    /// input.
    fn parameter(&mut self) -> Option<(String, String)> {
        let start = self.0;
        self.skip(|c| c.is_ascii_whitespace() || c == ',');
        let name = self.token().to_ascii_lowercase();
        self.skip(|c| c.is_ascii_whitespace());
        match self.0.strip_prefix('=') {
            Some(rest) if !name.is_empty() => {
                self.0 = rest;
                self.skip(|c| c.is_ascii_whitespace());
                Some((name, self.value()))
            }
            _ => {
                self.0 = start;
                None
            }
        }
    }

    fn value(&mut self) -> String {
        let Some(quoted) = self.0.strip_prefix('"') else {
            return self.take(|c| c != ',' && !c.is_ascii_whitespace()).to_owned();
        };
        let mut value = String::new();
        let mut rest = quoted.chars();
        loop {
            match rest.next() {
                // An unclosed string ends with the header.
                None | Some('"') => break,
                Some('\\') => value.extend(rest.next()),
                Some(c) => value.push(c),
            }
        }
        self.0 = rest.as_str();
        value
    }

    fn token(&mut self) -> String {
        self.take(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)).to_owned()
    }

    fn skip(&mut self, wanted: impl Fn(char) -> bool) {
        self.take(wanted);
    }

    fn take(&mut self, wanted: impl Fn(char) -> bool) -> &str {
        let end = self.0.find(|c| !wanted(c)).unwrap_or(self.0.len());
        let (taken, rest) = self.0.split_at(end);
        self.0 = rest;
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(values: &[&str]) -> String {
        Challenge::parse(values.iter().copied())
            .iter()
            .map(|c| {
                let parameters: Vec<_> =
                    c.parameters.iter().map(|(n, v)| format!("{n}={v}")).collect();
                format!("{}[{}]", c.scheme, parameters.join(";"))
            })
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn challenges_are_told_apart() {
        for (values, expected) in [
            (vec![], ""),
            (vec![""], ""),
            (vec!["Basic"], "Basic[]"),
            (vec![r#"Basic realm="a b""#], "Basic[realm=a b]"),
            (
                vec![r#"Bearer realm="https://t/x",service="s",scope="a:b:pull,push c:d:pull""#],
                "Bearer[realm=https://t/x;service=s;scope=a:b:pull,push c:d:pull]",
            ),
            (
                vec![r#"bearer Realm = "u" , error="invalid_token",x=y, BASIC realm=z"#],
                "bearer[realm=u;error=invalid_token;x=y] BASIC[realm=z]",
            ),
            (vec![r#"Bearer realm="u""#, r#"Basic realm="v""#], "Bearer[realm=u] Basic[realm=v]"),
            (vec![r#"Bearer realm="a\"b\\c""#], r#"Bearer[realm=a"b\c]"#),
            (vec![r#"Bearer realm="open"#], "Bearer[realm=open]"),
            (vec!["Negotiate, Basic realm=x"], "Negotiate[] Basic[realm=x]"),
            (vec!["Negotiate YWJj, Basic realm=x"], "Negotiate[] YWJj[] Basic[realm=x]"),
            (vec![",, =\u{e9} Basic realm=x,"], "Basic[realm=x]"),
        ] {
            assert_eq!(shown(&values), expected, "{values:?}");
        }
    }

    proptest! {
        #[test]
        fn parsing_never_panics_and_ends(text in "\\PC{0,80}") {
            Challenge::parse([text.as_str()]);
        }

        #[test]
        fn what_is_written_is_read(realm in "[ -~]{0,30}", scope in "[a-z:,/ ]{0,30}") {
            let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
            let header = format!("Bearer realm={},scope={}, Basic realm=x", quoted(&realm), quoted(&scope));
            let list = Challenge::parse([header.as_str()]);
            prop_assert_eq!(list.len(), 2);
            prop_assert_eq!(list[0].parameter("realm"), Some(realm.as_str()));
            prop_assert_eq!(list[0].parameter("scope"), Some(scope.as_str()));
        }
    }
}
