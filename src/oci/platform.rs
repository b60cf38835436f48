//! Platform of an image: the operating system, the architecture and its variant.

use serde_json::Value;
use std::{fmt, str::FromStr};

/// A platform, written `os/arch[/variant][:os-version]`, such as `linux/arm64`.
///
/// ```
/// use chartferry::oci::Platform;
///
/// let platform: Platform = "linux/arm/v7".parse()?;
/// assert_eq!(platform.to_string(), "linux/arm/v7");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Platform {
    /// The operating system, in Go's names.
    pub os: String,
    /// The architecture, in Go's names.
    pub architecture: String,
    /// The variant of the architecture, such as `v7`.
    pub variant: Option<String>,
    /// The version of the operating system, which Windows images have.
    pub os_version: Option<String>,
}

impl Platform {
    /// Returns true if the `platform` of a descriptor, or the config of an image, is this one. What
    /// this platform leaves open may have any value, as in ORAS.
    pub fn matches(&self, found: &Value) -> bool {
        let is = |field: &str, wanted: &str| found[field].as_str() == Some(wanted);
        is("os", &self.os)
            && is("architecture", &self.architecture)
            && self.variant.as_ref().is_none_or(|variant| is("variant", variant))
            && self.os_version.as_ref().is_none_or(|version| is("os.version", version))
    }

    /// Returns the platform in the form of a config or a descriptor. The order of the fields is
    /// that of Go's struct.
    pub fn to_json(&self) -> Value {
        let mut fields = serde_json::Map::new();
        fields.insert("architecture".into(), self.architecture.as_str().into());
        fields.insert("os".into(), self.os.as_str().into());
        if let Some(version) = &self.os_version {
            fields.insert("os.version".into(), version.as_str().into());
        }
        if let Some(variant) = &self.variant {
            fields.insert("variant".into(), variant.as_str().into());
        }
        fields.into()
    }

    /// Returns the `platform` of a descriptor, or that of an image's config, if it has one.
    pub fn of_json(value: &Value) -> Option<Self> {
        let text = |field: &str| {
            value[field].as_str().filter(|text| !text.is_empty()).map(ToOwned::to_owned)
        };
        Some(Self {
            os: text("os")?,
            architecture: text("architecture")?,
            variant: text("variant"),
            os_version: text("os.version"),
        })
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        if let Some(variant) = &self.variant {
            write!(f, "/{variant}")?;
        }
        if let Some(version) = &self.os_version {
            write!(f, ":{version}")?;
        }
        Ok(())
    }
}

/// An error for a text that is not a platform.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a platform")]
pub struct ParsePlatformError(String);

impl From<ParsePlatformError> for crate::Error {
    fn from(error: ParsePlatformError) -> Self {
        Self::usage(error.to_string())
            .with_hint("write `os/arch[/variant][:os-version]`, such as `linux/arm64`")
    }
}

impl FromStr for Platform {
    type Err = ParsePlatformError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (platform, os_version) = match text.split_once(':') {
            Some((platform, version)) => (platform, Some(version.to_owned())),
            None => (text, None),
        };
        let parts: Vec<&str> = platform.split('/').collect();
        let (os, architecture, variant) = match parts.as_slice() {
            [os, architecture] => (*os, *architecture, None),
            [os, architecture, variant] => (*os, *architecture, Some((*variant).to_owned())),
            _ => return Err(ParsePlatformError(text.to_owned())),
        };
        if os.is_empty() || architecture.is_empty() || variant.as_deref() == Some("") {
            return Err(ParsePlatformError(text.to_owned()));
        }
        Ok(Self { os: os.to_owned(), architecture: architecture.to_owned(), variant, os_version })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_platform_leaves_open_what_it_does_not_name() {
        let found = json!({ "os": "linux", "architecture": "arm64", "variant": "v8" });
        for (text, matches) in [
            ("linux/arm64", true),
            ("linux/arm64/v8", true),
            ("linux/arm64/v7", false),
            ("linux/amd64", false),
            ("windows/arm64", false),
            ("linux/arm64:10.0", false),
        ] {
            let platform: Platform = text.parse().expect(text);
            assert_eq!(platform.matches(&found), matches, "{text}");
            assert_eq!(platform.to_string(), text);
        }
    }

    #[test]
    fn other_forms_are_refused() {
        for text in ["", "linux", "linux/", "/amd64", "linux/arm/", "a/b/c/d"] {
            assert!(text.parse::<Platform>().is_err(), "{text}");
        }
    }
}
