//! Media types and annotation keys, as their specifications and Helm spell them.

/// OCI image manifest.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// OCI image index.
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// Docker's manifest, schema 2.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// Docker's manifest list.
pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// The empty descriptor's type.
pub const EMPTY: &str = "application/vnd.oci.empty.v1+json";
/// An image's config.
pub const IMAGE_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// Docker's image config.
pub const DOCKER_IMAGE_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
/// An image layer, gzipped.
pub const IMAGE_LAYER_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
/// An image layer.
pub const IMAGE_LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
/// Docker's image layer.
pub const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";

/// A chart's config: Chart.yaml as JSON.
pub const CHART_CONFIG: &str = "application/vnd.cncf.helm.config.v1+json";
/// A chart's content: the `.tgz` as it is.
pub const CHART_CONTENT: &str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";
/// A chart's provenance: the `.prov` as it is.
pub const CHART_PROVENANCE: &str = "application/vnd.cncf.helm.chart.provenance.v1.prov";

/// Types under which charts were stored in the past or by mistake, read but never written: Helm up
/// to 3.6 (`application/tar+gzip`), widely copied guides (`application/helm.chart.v1.tar+gzip`),
/// hand-made ORAS pushes, and plain image layers.
pub const CHART_CONTENT_FOREIGN: [&str; 6] = [
    "application/tar+gzip",
    "application/helm.chart.v1.tar+gzip",
    "application/x-tar+gzip",
    IMAGE_LAYER_GZIP,
    IMAGE_LAYER,
    DOCKER_LAYER,
];

/// State of a mirror between runs: an artifact in the destination that is not a chart. `list` and
/// the index never contain it.
pub const MIRROR_STATE: &str = "application/vnd.chartferry.mirror.state.v1";
/// Its one layer: lines of JSON, gzipped.
pub const MIRROR_STATE_LAYER: &str = "application/vnd.chartferry.mirror.state.v1.jsonl+gzip";

/// Value of the `Accept` header for manifests. Without it some registries answer 404 for an OCI
/// manifest (distribution); others choose by its order.
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
/// `org.opencontainers.image.ref.name`: an image layout's name for a descriptor.
pub const REF_NAME: &str = "org.opencontainers.image.ref.name";
