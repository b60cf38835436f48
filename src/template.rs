//! Templates with the Handlebars library: text with `{{names}}` in it, for destination paths,
//! formats and pages. Values are not escaped, and a name that does not exist is an error.

use crate::{Error, Result};
use handlebars::{Handlebars, RenderErrorReason};
use serde::Serialize;
use std::fmt;

const ONLY: &str = "it";

/// Operations of templates on a text. The macro makes types that no other module sees.
#[allow(missing_docs)]
mod with {
    use handlebars::handlebars_helper;

    handlebars_helper!(lower: |text: str| text.to_lowercase());
    handlebars_helper!(replace: |text: str, from: str, to: str| text.replace(from, to));
}

/// A parsed template. In addition to the given names, it has `{{lower x}}` and `{{replace x "from"
/// "to"}}`.
///
/// ```
/// use chartferry::template::Template;
///
/// let template = Template::parse("{{lower name}}-{{version}}.tgz")?;
/// let values = serde_json::json!({ "name": "Demo", "version": "1.0.0" });
/// assert_eq!(template.render(&values)?, "demo-1.0.0.tgz");
/// # Ok::<(), chartferry::Error>(())
/// ```
#[derive(Clone)]
pub struct Template {
    engine: Handlebars<'static>,
    text: String,
}

impl Template {
    /// Parses a template.
    ///
    /// # Errors
    /// `Usage`, with the position of the fault.
    pub fn parse(text: &str) -> Result<Self> {
        let mut engine = Handlebars::new();
        engine.set_strict_mode(true);
        engine.register_escape_fn(handlebars::no_escape);
        engine.register_helper("lower", Box::new(with::lower));
        engine.register_helper("replace", Box::new(with::replace));
        engine.register_template_string(ONLY, text).map_err(|error| {
            Error::usage(format!("`{text}` is not a template"))
                .with_source(error.reason().to_string())
        })?;
        Ok(Self { engine, text: text.to_owned() })
    }

    /// Returns the text of the template.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Fills in the names.
    ///
    /// # Errors
    /// `Usage` if the template names a value that `values` does not have.
    pub fn render(&self, values: &impl Serialize) -> Result<String> {
        self.engine.render(ONLY, values).map_err(|error| {
            if let RenderErrorReason::MissingVariable(Some(name)) = error.reason() {
                return Error::usage(format!("the template `{}` names `{name}`", self.text))
                    .with_source(format!("there is no such name; there are {}", names(values)));
            }
            Error::usage(format!("cannot fill in the template `{}`", self.text))
                .with_source(error.reason().to_string())
        })
    }
}

/// Returns the names that a template may use.
fn names(values: &impl Serialize) -> String {
    match serde_json::to_value(values) {
        Ok(serde_json::Value::Object(names)) => {
            names.keys().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
        }
        _ => "none".to_owned(),
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Template({})", self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_are_filled_in_and_unknown_ones_refused() {
        let values = json!({"repo": "Grafana", "chart": "a<b>"});
        for (text, expected) in [
            ("{{chart}}", "a<b>"),
            ("{{lower repo}}/{{chart}}", "grafana/a<b>"),
            (r#"{{replace chart "<b>" "-"}}"#, "a-"),
        ] {
            let template = Template::parse(text).expect(text);
            assert_eq!(template.render(&values).expect(text), expected);
        }
        Template::parse("{{chart").expect_err("not closed");
        let unknown = Template::parse("{{charts}}").expect("parsed").render(&values);
        let unknown = unknown.expect_err("unknown").chain();
        assert!(unknown.contains("names `charts`") && unknown.contains("`chart`"), "{unknown}");
    }
}
