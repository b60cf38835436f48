//! Routes of paths, as ChartMuseum finds them. The namespace is the first part of the path, or
//! follows the first segment below `/api`. The depth gives its number of segments.

use super::options::{Api, Compat, Depth, Options};
use http::Method;
use percent_encoding::percent_decode_str;

/// Object of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Welcome,
    Info,
    Health,
    Static,
    Index,
    File,
    ArtifactHub,
    Charts,
    Chart,
    Version,
    Templates,
    Values,
    Upload,
    UploadProvenance,
    Delete,
}

/// Right that a request needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    Nothing,
    Pull,
    Push,
}

/// Route of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) kind: Kind,
    /// Pattern of the route, for a label of the metrics.
    pub(super) pattern: &'static str,
    /// Namespace, empty for the root.
    pub(super) namespace: String,
    /// Last segments: the name of a file, or the name and version of a chart.
    pub(super) names: Vec<String>,
    /// Path without the context path.
    pub(super) path: String,
    /// Marker of a path below `/api`.
    pub(super) api: bool,
}

/// All routes in the order of the search. `:repo` is the namespace.
const TABLE: [(Method, &str, Kind); 16] = [
    (Method::GET, "/", Kind::Welcome),
    (Method::GET, "/info", Kind::Info),
    (Method::GET, "/health", Kind::Health),
    (Method::GET, "/:repo/index.yaml", Kind::Index),
    (Method::HEAD, "/:repo/index.yaml", Kind::Index),
    (Method::GET, "/:repo/charts/:filename", Kind::File),
    (Method::GET, "/artifacthub-repo.yml", Kind::ArtifactHub),
    (Method::GET, "/api/:repo/charts", Kind::Charts),
    (Method::HEAD, "/api/:repo/charts/:name", Kind::Chart),
    (Method::GET, "/api/:repo/charts/:name", Kind::Chart),
    (Method::HEAD, "/api/:repo/charts/:name/:version", Kind::Version),
    (Method::GET, "/api/:repo/charts/:name/:version", Kind::Version),
    (Method::GET, "/api/:repo/charts/:name/:version/templates", Kind::Templates),
    (Method::GET, "/api/:repo/charts/:name/:version/values", Kind::Values),
    (Method::POST, "/api/:repo/charts", Kind::Upload),
    (Method::POST, "/api/:repo/prov", Kind::UploadProvenance),
];

const DELETE: (Method, &str, Kind) =
    (Method::DELETE, "/api/:repo/charts/:name/:version", Kind::Delete);

/// Returns true if two hexadecimal digits follow every `%` of a path.
pub(super) fn is_sound(path: &str) -> bool {
    let hex = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_hexdigit);
    let bytes = path.as_bytes();
    path.match_indices('%').all(|(at, _)| hex(bytes.get(at + 1)) && hex(bytes.get(at + 2)))
}

impl Kind {
    /// Returns the right that the request needs.
    pub(super) fn need(self) -> Need {
        match self {
            Self::Info | Self::Health => Need::Nothing,
            Self::Upload | Self::UploadProvenance | Self::Delete => Need::Push,
            _ => Need::Pull,
        }
    }
}

impl Route {
    /// Finds the route of a request, if there is one.
    pub(super) fn find(method: &Method, path: &str, options: &Options) -> Option<Self> {
        if !is_sound(path) {
            return None;
        }
        // The path is decoded first: an escaped slash separates segments, as in ChartMuseum.
        let path = percent_decode_str(path).decode_utf8().ok()?;
        let path = within_context(&path, options)?;
        // In strict mode, HEAD has few routes of its own.
        let method = match (method, options.compat) {
            (&Method::HEAD, Compat::Improved) => &Method::GET,
            (method, _) => method,
        };
        if *method == Method::GET {
            if path == "/health" {
                return Some(Self::plain(Kind::Health, "/health", path));
            }
            if options.pages.is_some() && path.starts_with("/static") {
                return Some(Self::plain(Kind::Static, "/static", path));
            }
        }
        let api = path.starts_with("/api/")
            && ![".yaml", ".tgz", ".prov"].iter().any(|end| path.ends_with(end));
        let routes = || table(options);
        let depth = match options.depth {
            Depth::Exactly(depth) => depth,
            Depth::Any | Depth::Dynamic => {
                routes().find_map(|(_, pattern, _)| depth_by(path, pattern, api))?
            }
        };
        let mut start: Vec<&str> = path.split('/').collect();
        let before = if api { 2 } else { 1 };
        let rest = if start.len() >= depth + before {
            Some(start.split_off(depth + before))
        } else {
            None
        };
        let namespace = start.get(before..).map(|parts| parts.join("/")).unwrap_or_default();
        // ChartMuseum has no depth by default, and so no namespace without a name.
        if options.depth == Depth::Any
            && options.compat == Compat::Strict
            && start.iter().skip(before).any(|segment| segment.is_empty())
        {
            return None;
        }
        for (wanted, pattern, kind) in routes().filter(|(wanted, ..)| wanted == method) {
            debug_assert_eq!(wanted, method);
            if pattern == path {
                return Some(Self::plain(kind, pattern, path));
            }
            let Some(rest) = &rest else { continue };
            if let Some(names) = names_by(rest, pattern, api) {
                let path = path.to_owned();
                return Some(Self { kind, pattern, namespace, names, path, api });
            }
        }
        None
    }

    fn plain(kind: Kind, pattern: &'static str, path: &str) -> Self {
        let (namespace, names) = (String::new(), Vec::new());
        Self { kind, pattern, namespace, names, path: path.to_owned(), api: false }
    }
}

/// Returns the routes that the options allow.
fn table(options: &Options) -> impl Iterator<Item = (Method, &'static str, Kind)> {
    let (api, hub) = (options.api, !options.artifact_hub.is_empty());
    TABLE.into_iter().chain([DELETE]).filter(move |(_, pattern, kind)| match kind {
        Kind::ArtifactHub => hub,
        Kind::Delete => api == Api::Whole,
        _ => api != Api::Off || !pattern.starts_with("/api"),
    })
}

/// Returns the path after the context path, or `None` if the path is outside of it.
fn within_context<'a>(path: &'a str, options: &Options) -> Option<&'a str> {
    let before = options.context_path.as_str();
    if before.is_empty() {
        return Some(path);
    }
    let rest = path.strip_prefix(before)?;
    match (rest.as_bytes().first(), options.compat) {
        (None, _) => Some("/"),
        // ChartMuseum does not check where a segment ends: `/museumx/index.yaml` is its index too.
        (Some(b'/'), _) | (Some(_), Compat::Strict) => Some(rest),
        (Some(_), Compat::Improved) => None,
    }
}

/// Returns the depth of the namespace if `path` has the shape of `pattern`.
fn depth_by(path: &str, pattern: &str, api: bool) -> Option<usize> {
    if api != pattern.starts_with("/api") {
        return None;
    }
    let parts: Vec<&str> = path.split('/').collect();
    let Some((before, after)) = pattern.split_once("/:repo") else {
        return (path == pattern).then_some(0);
    };
    let (before, after) = (before.split('/').count(), after.split('/').skip(1));
    let after: Vec<&str> = after.collect();
    let depth = parts.len().checked_sub(before + after.len())?;
    let tail = &parts[before + depth..];
    let fits = tail.iter().zip(&after).all(|(part, wanted)| match wanted.strip_prefix(':') {
        Some(_) => !part.is_empty(),
        None => part == wanted,
    });
    fits.then_some(depth)
}

/// Returns the variable segments after the namespace, if they match `pattern`.
fn names_by(rest: &[&str], pattern: &str, api: bool) -> Option<Vec<String>> {
    if api != pattern.starts_with("/api") {
        return None;
    }
    let after = pattern.trim_start_matches("/api").trim_start_matches("/:repo");
    let wanted: Vec<&str> = after.split('/').skip(1).collect();
    // A namespace alone equals `/`.
    let rest = if rest.is_empty() { &[""] } else { rest };
    if wanted.len() != rest.len() {
        return None;
    }
    let mut names = Vec::new();
    for (part, wanted) in rest.iter().zip(wanted) {
        if wanted.starts_with(':') {
            names.push((*part).to_owned());
        } else if wanted != *part {
            return None;
        }
    }
    Some(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(method: Method, path: &str, options: &Options) -> Option<(Kind, String, Vec<String>)> {
        Route::find(&method, path, options).map(|found| (found.kind, found.namespace, found.names))
    }

    fn at(depth: Depth) -> Options {
        Options { depth, ..Options::default() }
    }

    #[test]
    fn the_namespace_has_as_many_segments_as_the_depth_says() {
        let get = Method::GET;
        for (depth, path, kind, namespace, names) in [
            (0, "/index.yaml", Kind::Index, "", vec![]),
            (0, "/charts/a-1.tgz", Kind::File, "", vec!["a-1.tgz"]),
            (1, "/org/index.yaml", Kind::Index, "org", vec![]),
            (1, "/api/index.yaml", Kind::Index, "api", vec![]),
            (1, "/api/org/charts/a/1.0.0", Kind::Version, "org", vec!["a", "1.0.0"]),
            (2, "/org/team/charts/a-1.tgz", Kind::File, "org/team", vec!["a-1.tgz"]),
            (2, "/api/org/team/charts/a/1/values", Kind::Values, "org/team", vec!["a", "1"]),
            // As many segments as the namespace has are the namespace. An empty rest equals `/`.
            (2, "/x/index.yaml", Kind::Welcome, "x/index.yaml", vec![]),
            (1, "/org/info", Kind::Info, "org", vec![]),
            (3, "/info", Kind::Info, "", vec![]),
            (0, "/api/charts/", Kind::Chart, "", vec![""]),
        ] {
            let found = find(get.clone(), path, &at(Depth::Exactly(depth)));
            let names = names.into_iter().map(str::to_owned).collect();
            assert_eq!(found, Some((kind, namespace.to_owned(), names)), "{depth} {path}");
        }
        for (depth, path) in [(0, "/org/index.yaml"), (1, "/api/charts"), (2, "/a/b/c/index.yaml")]
        {
            assert_eq!(find(get.clone(), path, &at(Depth::Exactly(depth))), None, "{depth} {path}");
        }
    }

    #[test]
    fn at_any_depth_the_end_of_the_path_decides() {
        for (path, kind, namespace) in [
            ("/index.yaml", Kind::Index, ""),
            ("/a/b/c/index.yaml", Kind::Index, "a/b/c"),
            ("/a/charts/x-1.tgz.prov", Kind::File, "a"),
            ("/api/charts", Kind::Charts, ""),
            ("/api/a/b/charts/x/1/templates", Kind::Templates, "a/b"),
            ("/", Kind::Welcome, ""),
        ] {
            let found = find(Method::GET, path, &Options::default()).expect(path);
            assert_eq!((found.0, found.1.as_str()), (kind, namespace), "{path}");
        }
        assert_eq!(find(Method::GET, "/favicon.ico", &Options::default()), None);
        assert_eq!(find(Method::GET, "/org", &Options::default()), None);
    }

    #[test]
    fn head_has_few_routes_of_its_own_strictly() {
        let strict = Options { compat: Compat::Strict, ..at(Depth::Exactly(0)) };
        let improved = at(Depth::Exactly(0));
        for (path, strictly) in [
            ("/index.yaml", true),
            ("/charts/a-1.tgz", false),
            ("/", false),
            ("/api/charts", false),
        ] {
            assert_eq!(find(Method::HEAD, path, &strict).is_some(), strictly, "{path}");
            assert!(find(Method::HEAD, path, &improved).is_some(), "{path}");
        }
    }

    #[test]
    fn two_slashes_are_no_namespace_strictly() {
        for (compat, depth, found) in [
            (Compat::Strict, Depth::Any, false),
            (Compat::Strict, Depth::Exactly(0), false),
            (Compat::Strict, Depth::Exactly(1), true),
            (Compat::Strict, Depth::Dynamic, true),
            (Compat::Improved, Depth::Any, true),
        ] {
            let options = Options { compat, ..at(depth) };
            let route = find(Method::GET, "//index.yaml", &options);
            assert_eq!(route.is_some(), found, "{compat:?} {depth:?}");
        }
        let strict = Options { compat: Compat::Strict, ..Options::default() };
        for path in ["/index.yaml", "/org/index.yaml", "/api/charts", "/api/org/charts"] {
            assert!(find(Method::GET, path, &strict).is_some(), "{path}");
        }
    }

    #[test]
    fn what_is_switched_off_is_not_there() {
        let without = Options { api: Api::WithoutDelete, ..Options::default() };
        assert_eq!(find(Method::DELETE, "/api/charts/a/1", &without), None);
        assert!(find(Method::POST, "/api/charts", &without).is_some());
        let off = Options { api: Api::Off, ..Options::default() };
        assert_eq!(find(Method::POST, "/api/charts", &off), None);
        assert_eq!(find(Method::GET, "/api/charts", &off), None);
        assert!(find(Method::GET, "/index.yaml", &off).is_some());
    }

    #[test]
    fn a_path_before_all_ends_where_a_segment_does() {
        let options = Options { context_path: "/m".to_owned(), ..Options::default() };
        assert!(find(Method::GET, "/m", &options).is_some());
        assert!(find(Method::GET, "/m/index.yaml", &options).is_some());
        assert_eq!(find(Method::GET, "/mx/index.yaml", &options), None);
        assert_eq!(find(Method::GET, "/index.yaml", &options), None);
    }

    proptest::proptest! {
        #[test]
        fn no_path_panics(path in "(/(api|charts|prov|index.yaml|a|%2f|%ff|)){0,8}", depth in 0_usize..4) {
            for options in [at(Depth::Any), at(Depth::Exactly(depth))] {
                for method in [Method::GET, Method::HEAD, Method::POST, Method::DELETE] {
                    let _ = Route::find(&method, &path, &options);
                }
            }
        }
    }
}
