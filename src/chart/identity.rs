//! The check that a chart is the requested one. The claims of an index, tag or config about an
//! archive hold only if the archive's own Chart.yaml agrees.

use super::Metadata;
use crate::version::Version;

impl Metadata {
    /// Returns a sentence about a chart that differs from `name` at `version`, or `None` if it
    /// matches. Versions are compared as versions, so that `v1.0` is `1.0.0`; an empty one matches
    /// all.
    pub fn other_than(&self, name: &str, version: &str) -> Option<String> {
        if self.name != name {
            return Some(format!("its Chart.yaml says that it is `{}`, not `{name}`", self.name));
        }
        let same = version.is_empty()
            || self.version == version
            || match (Version::parse_loose(&self.version), Version::parse_loose(version)) {
                (Ok(own), Ok(asked)) => own == asked,
                _ => false,
            };
        (!same).then(|| format!("its Chart.yaml says version `{}`, not `{version}`", self.version))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_is_known_by_its_name_and_version() {
        let chart = |version: &str| Metadata {
            name: "demo".to_owned(),
            version: version.to_owned(),
            ..Metadata::default()
        };
        for (own, name, version, other) in [
            ("1.0.0", "demo", "1.0.0", None),
            ("1.0.0", "demo", "v1.0", None),
            ("1.0.0+a", "demo", "1.0.0", None),
            ("today", "demo", "today", None),
            ("1.0.0", "demo", "", None),
            ("1.0.0", "Demo", "1.0.0", Some("its Chart.yaml says that it is `demo`, not `Demo`")),
            ("1.0.1", "demo", "1.0.0", Some("its Chart.yaml says version `1.0.1`, not `1.0.0`")),
            ("today", "demo", "1.0.0", Some("its Chart.yaml says version `today`, not `1.0.0`")),
        ] {
            assert_eq!(chart(own).other_than(name, version).as_deref(), other, "{own} {version}");
        }
    }
}
