//! Web pages: the welcome page, the user's page in its place, and its static files. The page shows
//! no stored charts.

use super::{
    ChartMuseum,
    answer::{Denial, json_answer, typed},
};
use crate::store::blocking;
use axum::response::Response;
use serde_json::json;
use std::{
    fs::File,
    io::Read,
    path::{Component, Path, PathBuf},
};

/// Maximum size in bytes of a page or of a static file.
const MAX_FILE: u64 = 16 * 1024 * 1024;

const WELCOME: &str = "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>chartferry</title></head>\n\
    <body>\n<h1>A chart repository</h1>\n<p>Add it to Helm: <code>helm repo add NAME URL</code>, with the URL of this page.</p>\n\
    </body>\n</html>\n";

impl<C> ChartMuseum<C> {
    /// Handles `GET /`.
    pub(super) async fn welcome(&self) -> Response {
        if let Some(folder) = &self.options.pages
            && let Some(page) = read(folder.join("index.html")).await
        {
            return typed("text/html; charset=utf-8", page);
        }
        typed("text/html", WELCOME)
    }

    /// Handles `GET /static…`.
    pub(super) async fn static_file(&self, path: &str) -> Result<Response, Denial> {
        let absent = || Denial::not_found("not found");
        let folder = self.options.pages.as_deref().ok_or_else(absent)?;
        let file = within(folder, path).ok_or_else(absent)?;
        let content_type = content_type(&file);
        let content = read(file).await.ok_or_else(absent)?;
        Ok(typed(content_type, content))
    }

    /// Handles `GET /info`.
    pub(super) fn info(&self) -> Response {
        json_answer(&json!({ "version": concat!("v", env!("CARGO_PKG_VERSION")) }))
    }

    /// Handles `GET /artifacthub-repo.yml`.
    pub(super) fn artifact_hub(&self, namespace: &str) -> Result<Response, Denial> {
        let id = self.options.artifact_hub.get(namespace);
        let id = id.ok_or_else(|| Denial::not_found("Artifact Hub repository ID not found"))?;
        use crate::yaml::{Value, emit};
        let document = Value::Map(vec![("repositoryID".to_owned(), Value::String(id.clone()))]);
        Ok(typed("application/x-yaml", emit(&document)))
    }
}

/// Returns the file below `folder` for the path of a URL, unless the path points outside of it.
fn within(folder: &Path, path: &str) -> Option<PathBuf> {
    let path = Path::new(path.trim_start_matches('/'));
    let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
    (plain && path.starts_with("static")).then(|| folder.join(path))
}

async fn read(path: PathBuf) -> Option<Vec<u8>> {
    blocking(move || {
        let mut content = Vec::new();
        let file = File::open(&path).ok()?;
        if !file.metadata().ok()?.is_file() {
            return None;
        }
        file.take(MAX_FILE).read_to_end(&mut content).ok()?;
        Some(content)
    })
    .await
}

fn content_type(path: &Path) -> &'static str {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("ico") => "image/x-icon",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_leads_out_of_the_folder() {
        let folder = Path::new("/pages");
        assert_eq!(within(folder, "/static/a/b.css"), Some(PathBuf::from("/pages/static/a/b.css")));
        for path in
            ["/static/../index.html", "/static/../../etc/passwd", "/staticx/a", "/static/./../x"]
        {
            assert_eq!(within(folder, path), None, "{path}");
        }
    }
}
