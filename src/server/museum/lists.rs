//! What the API says of charts: all of them by pages, one chart's versions, one version by a range, its templates and
//! values.

use super::{
    Museum,
    answer::{Denial, json_answer, typed},
};
use crate::{
    archive::{self, Keep},
    constraint::Constraint,
    ops::payload,
    server::view::Found,
    store::{Catalog, Fetch, blocking},
    version::Version,
    yaml::{self, Duplicates},
};
use axum::response::Response;
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::json;

const JSON: &str = "application/json; charset=utf-8";

impl<C: Catalog> Museum<C> {
    /// `GET /api/:repo/charts`, by pages of names.
    pub(super) fn charts(&self, namespace: &str, query: Option<&str>) -> Result<Response, Denial> {
        let query = query.unwrap_or_default();
        let value = |name: &str| {
            let mut pairs = url::form_urlencoded::parse(query.as_bytes());
            pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
        };
        let offset = match value("offset") {
            None => 0,
            Some(text) => number(&text, 0)
                .ok_or_else(|| Denial::bad_request("offset is not a valid non-negative integer"))?,
        };
        let limit = match value("limit") {
            None => None,
            Some(text) => Some(
                number(&text, 1)
                    .ok_or_else(|| Denial::bad_request("limit is not a valid positive integer"))?,
            ),
        };
        let view = self.shelf.view();
        let names = view.names(namespace);
        // ChartMuseum forgets that no limit means all once there is an offset.
        let taken = match limit {
            Some(limit) => limit,
            None if offset == 0 => names.len(),
            None => 0,
        };
        let mut text = String::from("{");
        for name in names.iter().skip(offset).take(taken) {
            let Some(versions) = view.versions(namespace, name) else { continue };
            if text.len() > 1 {
                text.push(',');
            }
            text.push_str(&String::from_utf8_lossy(&crate::json::to_vec(&**name)));
            text.push(':');
            push_list(&mut text, &versions);
        }
        text.push('}');
        Ok(typed(JSON, text))
    }

    /// `GET /api/:repo/charts/:name`
    pub(super) fn chart(&self, namespace: &str, name: &str) -> Result<Response, Denial> {
        let versions = self
            .shelf
            .view()
            .versions(namespace, name)
            .ok_or_else(|| Denial::not_found("chart not found"))?;
        let mut text = String::new();
        push_list(&mut text, &versions);
        Ok(typed(JSON, text))
    }

    /// `GET /api/:repo/charts/:name/:version`
    pub(super) fn version(
        &self,
        namespace: &str,
        name: &str,
        version: &str,
    ) -> Result<Response, Denial> {
        let found = self.find(namespace, name, version)?;
        Ok(typed(JSON, found.item.json.to_string()))
    }

    /// `GET …/:version/templates`
    pub(super) async fn templates(
        &self,
        namespace: &str,
        name: &str,
        version: &str,
    ) -> Result<Response, Denial> {
        let chart = self.open(namespace, name, version).await?;
        let mut templates = Vec::new();
        for file in chart.files.iter().filter(|file| file.name.starts_with("templates/")) {
            let data = BASE64_STANDARD.encode(&file.data);
            templates.push(json!({ "name": file.name, "data": data }));
        }
        let values = match chart.file("values.yaml") {
            None => serde_json::Value::Null,
            Some(file) => {
                let values = yaml::parse(&file.data, Duplicates::LastWins, &self.limits);
                match values.as_ref().map(crate::json::to_vec) {
                    Ok(text) if text == b"null" => json!({}),
                    Ok(text) => serde_json::from_slice(&text).unwrap_or_default(),
                    Err(_) => serde_json::Value::Null,
                }
            }
        };
        let templates = if templates.is_empty() { json!(null) } else { json!(templates) };
        Ok(json_answer(&json!({ "templates": templates, "values": values })))
    }

    /// `GET …/:version/values`
    pub(super) async fn values(
        &self,
        namespace: &str,
        name: &str,
        version: &str,
    ) -> Result<Response, Denial> {
        let chart = self.open(namespace, name, version).await?;
        let file = chart.file("values.yaml");
        let file = file.ok_or_else(|| Denial::not_found("values.yaml not found"))?;
        Ok(typed("application/yaml", file.data.clone()))
    }

    /// A version by its exact text, by a range, or as `latest`, as Helm looks one up.
    fn find(&self, namespace: &str, name: &str, asked: &str) -> Result<Found, Denial> {
        let view = self.shelf.view();
        let versions = view
            .versions(namespace, name)
            .ok_or_else(|| Denial::not_found("no chart name found"))?;
        let asked = if asked == "latest" { "" } else { asked };
        if !asked.is_empty()
            && let Some(found) = versions.iter().find(|found| &*found.item.version == asked)
        {
            return Ok(found.clone());
        }
        let range = if asked.is_empty() { "*" } else { asked };
        let range = Constraint::parse(range).map_err(|error| {
            // The Helm within ChartMuseum puts no quotes there yet.
            let text = error.to_string().replace(&crate::quote::go(range), range);
            Denial::not_found(text)
        })?;
        let fits = |found: &&Found| {
            Version::parse_loose(&found.item.version).is_ok_and(|version| range.matches(&version))
        };
        versions
            .iter()
            .find(fits)
            .cloned()
            .ok_or_else(|| Denial::not_found(format!("no chart version found for {name}-{asked}")))
    }

    /// A version's archive, read whole. Few at a time: each may take as much memory as a chart may be large.
    async fn open(
        &self,
        namespace: &str,
        name: &str,
        version: &str,
    ) -> Result<archive::Chart, Denial> {
        let found = self.find(namespace, name, version)?;
        let store = self.shelf.repository(namespace, &found)?;
        let Ok(_slot) = self.readers.acquire().await else {
            return Err(Denial::not_found("object not found"));
        };
        payload::check_size(&found.item.archive, &self.limits)?;
        let file = store.fetch_blob_file(&found.item.archive).await?;
        let limits = self.limits.clone();
        let chart =
            blocking(move || archive::read::open(file.path(), Keep::Everything, &limits)).await?;
        Ok(chart)
    }
}

fn push_list(text: &mut String, versions: &[Found]) {
    text.push('[');
    for (at, found) in versions.iter().enumerate() {
        if at > 0 {
            text.push(',');
        }
        text.push_str(&found.item.json);
    }
    text.push(']');
}

/// A whole number of at least `least`, as Go reads one.
fn number(text: &str, least: usize) -> Option<usize> {
    // Go takes `+1`, and so does Rust.
    text.parse::<i64>().ok().and_then(|number| usize::try_from(number).ok()).filter(|n| *n >= least)
}
