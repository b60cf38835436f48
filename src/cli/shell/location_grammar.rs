//! The grammar of a location on the command line. It looks at the text alone, never at files or
//! settings. Each command then decides which forms it accepts.

/// A location by its form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LocationText<'t> {
    /// `layout:…`, with the text after the colon.
    Layout(&'t str),
    /// `oci://…`, the whole text.
    Oci(&'t str),
    /// `http://…` or `https://…`, the whole text.
    Http(&'t str),
    /// Another scheme, such as `cm` or `ocirepo`, the whole text.
    OtherUrl(&'t str),
    /// A text without a scheme: a path, `repo/chart`, or a reference that starts with a host.
    Bare(&'t str),
}

impl<'t> LocationText<'t> {
    /// Reads the form of `text`. Schemes are in lower case, as in Helm.
    pub(crate) fn parse(text: &'t str) -> Self {
        if let Some(rest) = text.strip_prefix("layout:") {
            return Self::Layout(rest);
        }
        match text.split_once("://") {
            Some(("oci", _)) => Self::Oci(text),
            Some(("http" | "https", _)) => Self::Http(text),
            Some(_) => Self::OtherUrl(text),
            None => Self::Bare(text),
        }
    }

    /// Returns true for a text with `://`, so that it is neither a layout nor a bare text.
    pub(crate) fn is_url(self) -> bool {
        matches!(self, Self::Oci(_) | Self::Http(_) | Self::OtherUrl(_))
    }

    /// Returns true for a text without a scheme.
    pub(crate) fn is_bare(self) -> bool {
        matches!(self, Self::Bare(_))
    }
}

#[cfg(test)]
mod tests {
    use super::{LocationText::*, *};
    use proptest::prelude::*;

    #[test]
    fn the_form_follows_from_the_text_alone() {
        for (text, expected) in [
            ("layout:dir", Layout("dir")),
            ("layout:dir:1.0.0", Layout("dir:1.0.0")),
            ("layout:a://b", Layout("a://b")),
            ("layout:", Layout("")),
            ("oci://h/ns/demo:1.0.0", Oci("oci://h/ns/demo:1.0.0")),
            ("https://h/demo.tgz", Http("https://h/demo.tgz")),
            ("http://h", Http("http://h")),
            ("cm://h/repo", OtherUrl("cm://h/repo")),
            ("OCI://h/ns", OtherUrl("OCI://h/ns")),
            ("://", OtherUrl("://")),
            ("repo/demo", Bare("repo/demo")),
            ("./layout:dir", Bare("./layout:dir")),
            ("localhost:5000/demo:1.0.0", Bare("localhost:5000/demo:1.0.0")),
            ("demo.tgz", Bare("demo.tgz")),
            ("", Bare("")),
        ] {
            let form = LocationText::parse(text);
            assert_eq!(form, expected, "{text}");
            let url = text.contains("://") && !text.starts_with("layout:");
            assert_eq!((form.is_url(), form.is_bare()), (url, matches!(form, Bare(_))), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_has_a_form_that_keeps_it(text in ".*") {
            let kept = match LocationText::parse(&text) {
                Layout(rest) => format!("layout:{rest}"),
                Oci(whole) | Http(whole) | OtherUrl(whole) | Bare(whole) => whole.to_owned(),
            };
            prop_assert_eq!(kept, text);
        }
    }
}
