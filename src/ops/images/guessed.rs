//! Images that a chart's values suggest, by the forms that most charts use: a mapping with
//! `registry`, `repository`, `tag` and `digest`, or a name, under a key that ends in `image`.

use super::{Certainty, Found, Image, ImageName};
use crate::{archive::Chart, chart::values, limits::Limits};
use serde_json::{Map, Value};

/// Levels of values that are looked at. The deepest known chart has 12.
const MAX_DEPTH: usize = 64;

/// The values of a chart, merged with those of its parents.
#[derive(Clone, Debug, Default)]
pub(super) struct Values(Map<String, Value>);

impl Values {
    /// Returns the values of a subchart: its own, overridden by its parent's.
    pub(super) fn of_subchart(&self, name: &str, own: Self) -> Self {
        let mut merged = own.0;
        if let Some(Value::Object(over)) = self.0.get(name) {
            values::merge(&mut merged, over.clone());
        }
        if let Some(Value::Object(global)) = self.0.get("global") {
            let over = Map::from_iter([("global".to_owned(), Value::Object(global.clone()))]);
            values::merge(&mut merged, over);
        }
        Self(merged)
    }

    /// Returns the registry that the whole chart uses, if it names one.
    fn registry(&self) -> Option<&str> {
        let global = self.0.get("global")?;
        let named = global.get("imageRegistry")?.as_str()?;
        Some(named).filter(|named| !named.is_empty())
    }
}

/// Reads the values of a chart. A file that cannot be read suggests nothing.
pub(super) fn values_of(chart: &Chart, limits: &Limits, warnings: &mut Vec<String>) -> Values {
    let Some(file) = chart.file("values.yaml") else { return Values::default() };
    match values::read(&file.data, limits) {
        Ok(Value::Object(fields)) => Values(fields),
        Ok(_) => Values::default(),
        Err(error) => {
            let name = &chart.metadata.name;
            warnings.push(format!("`{name}`: values.yaml suggests nothing: {}", error.chain()));
            Values::default()
        }
    }
}

pub(super) fn add(chart: &Chart, path: &str, values: &Values, found: &mut Found) {
    let subcharts: Vec<&str> =
        chart.subcharts.iter().map(|subchart| subchart.metadata.name.as_str()).collect();
    let looking = Looking { chart, path, registry: values.registry() };
    for (key, value) in &values.0 {
        // The values of a subchart are looked at with the subchart.
        if !subcharts.contains(&key.as_str()) && key != "global" {
            looking.at(key, value, key, 0, found);
        }
    }
}

/// The search through the values of one chart.
struct Looking<'a> {
    chart: &'a Chart,
    path: &'a str,
    registry: Option<&'a str>,
}

impl Looking<'_> {
    fn at(&self, key: &str, value: &Value, place: &str, depth: usize, found: &mut Found) {
        if depth > MAX_DEPTH {
            return;
        }
        let named = key.eq_ignore_ascii_case("image") || key.ends_with("Image");
        match value {
            Value::Object(fields) => {
                if named || fields.contains_key("repository") {
                    self.mapping(fields, place, named, found);
                }
                for (inner, value) in fields {
                    self.at(inner, value, &format!("{place}.{inner}"), depth + 1, found);
                }
            }
            Value::Array(values) => {
                for (number, value) in values.iter().enumerate() {
                    self.at("", value, &format!("{place}[{number}]"), depth + 1, found);
                }
            }
            Value::String(name) if named => self.name(name, place, found),
            _ => {}
        }
    }

    /// Takes a mapping as an image if its fields make a name. One under another key needs a tag or
    /// a registry, since charts have repositories of other kinds.
    fn mapping(&self, fields: &Map<String, Value>, place: &str, named: bool, found: &mut Found) {
        let text = |name: &str| match fields.get(name) {
            Some(Value::String(text)) => Some(text.trim()).filter(|text| !text.is_empty()),
            _ => None,
        };
        let tag = match fields.get("tag") {
            // `tag: 1.25` is a number in YAML.
            Some(Value::Number(number)) => Some(number.to_string()),
            _ => text("tag").map(str::to_owned),
        };
        let Some(repository) = text("repository") else { return };
        let is_image = named || fields.contains_key("tag") || text("registry").is_some();
        if !is_image || repository.contains("://") {
            return;
        }
        let registry = self.registry.or(text("registry"));
        let mut name = match registry {
            Some(registry) => format!("{}/{repository}", registry.trim_end_matches('/')),
            None => repository.to_owned(),
        };
        let digest = text("digest").or(text("sha256")).map(|digest| match digest.contains(':') {
            true => digest.to_owned(),
            false => format!("sha256:{digest}"),
        });
        let has_tag = name.rsplit('/').next().is_some_and(|last| last.contains([':', '@']));
        let app_version = self.chart.metadata.app_version.trim();
        let by_app_version =
            tag.is_none() && digest.is_none() && !has_tag && !app_version.is_empty();
        match tag {
            Some(tag) => name.push_str(&format!(":{tag}")),
            None if by_app_version => name.push_str(&format!(":{app_version}")),
            None => {}
        }
        if let Some(digest) = digest {
            name.push_str(&format!("@{digest}"));
        }
        self.push(&name, place, by_app_version, found);
    }

    /// Takes a text as an image if it is a name with a tag, a digest or a path.
    fn name(&self, text: &str, place: &str, found: &mut Found) {
        let text = text.trim();
        if text.contains([':', '/']) && !text.contains("://") {
            self.push(text, place, false, found);
        }
    }

    fn push(&self, name: &str, place: &str, by_app_version: bool, found: &mut Found) {
        // A guess that is no name, such as a template, was none.
        let Ok(image) = name.parse::<ImageName>() else { return };
        found.images.push(Image {
            image: image.to_string(),
            certainty: Certainty::Guessed,
            chart: self.path.to_owned(),
            source: format!("values {place}"),
            by_app_version,
        });
    }
}
