//! Chart names in provenance files, as ChartMuseum reads them. `verify` checks the signatures.

use bytes::Bytes;

/// Provenance file with the version that it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Provenance {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) bytes: Bytes,
}

impl Provenance {
    /// Parses a provenance file. The result is `None` for any other text.
    pub(super) fn parse(bytes: Bytes) -> Option<Self> {
        let text = String::from_utf8_lossy(&bytes);
        if !text.starts_with("-----BEGIN PGP SIGNED MESSAGE-----") {
            return None;
        }
        let (name, version) =
            (field(&text, "name:")?.to_owned(), field(&text, "version:")?.to_owned());
        Some(Self { name, version, bytes })
    }

    /// Returns the name of the file.
    pub(super) fn file_name(&self) -> String {
        format!("{}-{}.tgz.prov", self.name, self.version)
    }
}

/// Returns the rest of the first line that begins with `key` and one blank or star.
fn field<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines().skip(1).find_map(|line| {
        let rest = line.strip_prefix(key)?;
        let value = rest.strip_prefix([' ', '*'])?;
        (!value.is_empty()).then_some(value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_and_version_are_taken_from_the_signed_text() {
        let text = "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\napiVersion: v2\nname: a-b\nversion: 1.0.0\n";
        let read = Provenance::parse(Bytes::from_static(text.as_bytes())).expect("provenance");
        assert_eq!((read.name.as_str(), read.version.as_str()), ("a-b", "1.0.0"));
        assert_eq!(read.file_name(), "a-b-1.0.0.tgz.prov");
        for bad in [
            "",
            "name: a\nversion: 1\n",
            &text.replace("name: a-b\n", ""),
            &text.replace("1.0.0", ""),
        ] {
            assert_eq!(Provenance::parse(Bytes::from(bad.to_owned())), None, "{bad}");
        }
    }
}
