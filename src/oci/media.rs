//! Media types and annotation keys, in the spelling of their specifications and of Helm.

/// OCI image manifest.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// OCI image index.
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// Docker's manifest, schema 2.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// Docker's manifest list.
pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// Type of the empty descriptor.
pub const EMPTY: &str = "application/vnd.oci.empty.v1+json";
/// Config of an image.
pub const IMAGE_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// Docker's config of an image.
pub const DOCKER_IMAGE_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
/// Layer of an image, gzipped.
pub const IMAGE_LAYER_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
/// Layer of an image.
pub const IMAGE_LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
/// Docker's layer of an image.
pub const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";

/// Config of a chart: Chart.yaml as JSON.
pub const CHART_CONFIG: &str = "application/vnd.cncf.helm.config.v1+json";
/// Content of a chart: the unchanged `.tgz`.
pub const CHART_CONTENT: &str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";
/// Provenance of a chart: the unchanged `.prov`.
pub const CHART_PROVENANCE: &str = "application/vnd.cncf.helm.chart.provenance.v1.prov";

/// Types under which charts were stored in the past or by mistake. They are read but never written:
/// Helm up to 3.6 (`application/tar+gzip`), widely copied guides
/// (`application/helm.chart.v1.tar+gzip`), hand-made ORAS pushes, and plain image layers.
pub const CHART_CONTENT_FOREIGN: [&str; 6] = [
    "application/tar+gzip",
    "application/helm.chart.v1.tar+gzip",
    "application/x-tar+gzip",
    IMAGE_LAYER_GZIP,
    IMAGE_LAYER,
    DOCKER_LAYER,
];

/// State of a mirror between runs: an artifact in the destination that is not a chart. `list` and
/// The text that cosign signs, which names the signed manifest and its repository.
pub const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// the index skip it.
pub const MIRROR_STATE: &str = "application/vnd.chartferry.mirror.state.v1";
/// The only layer of that state: lines of JSON, gzipped.
pub const MIRROR_STATE_LAYER: &str = "application/vnd.chartferry.mirror.state.v1.jsonl+gzip";

/// Value of the `Accept` header for manifests. Without it, distribution answers 404 for an OCI
/// manifest. Other registries choose a type by the order of the value.
pub const ACCEPT_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, \
     application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json, */*;q=0.1";

/// Annotation `org.opencontainers.image.title`: the chart's name.
pub const TITLE: &str = "org.opencontainers.image.title";
/// Annotation `org.opencontainers.image.version`: the chart's version.
pub const VERSION: &str = "org.opencontainers.image.version";
/// Annotation `org.opencontainers.image.created`: an RFC 3339 time.
pub const CREATED: &str = "org.opencontainers.image.created";
/// Annotation `org.opencontainers.image.description`: the chart's description.
pub const DESCRIPTION: &str = "org.opencontainers.image.description";
/// Annotation `org.opencontainers.image.url`: the chart's home page.
pub const URL: &str = "org.opencontainers.image.url";
/// Annotation `org.opencontainers.image.source`: the first source URL.
pub const SOURCE: &str = "org.opencontainers.image.source";
/// Annotation `org.opencontainers.image.authors`: the maintainers.
pub const AUTHORS: &str = "org.opencontainers.image.authors";
/// Annotation `org.opencontainers.image.ref.name`: the name of a descriptor in an image layout.
pub const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// Bytes of one half of a media type, from RFC 6838.
const MAX_PART: usize = 127;

/// Returns true if a text is a media type by RFC 6838: `type/subtype`, and perhaps parameters after
/// a semicolon.
pub fn is_valid(text: &str) -> bool {
    let name = text.split(';').next().unwrap_or(text).trim_end();
    let part = |part: &str| {
        let first = part.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
        let rest = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte);
        first && part.len() <= MAX_PART && part.bytes().all(rest)
    };
    name.split_once('/').is_some_and(|(kind, subtype)| part(kind) && part(subtype))
        && !text.chars().any(char::is_control)
}
