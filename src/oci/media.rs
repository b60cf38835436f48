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

/// What a mirror remembers between its runs: an artifact in the destination that is no chart and is
/// never listed as one.
pub const MIRROR_STATE: &str = "application/vnd.chartferry.mirror.state.v1";
/// Its one layer: lines of JSON, gzipped.
pub const MIRROR_STATE_LAYER: &str = "application/vnd.chartferry.mirror.state.v1.jsonl+gzip";

/// What we accept as a manifest, in one header line. Some registries answer 404 for an OCI
/// manifest without it (distribution), others pick by its order.
pub const ACCEPT_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, \
     application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json, */*;q=0.1";

/// `org.opencontainers.image.title`
pub const TITLE: &str = "org.opencontainers.image.title";
/// `org.opencontainers.image.version`
pub const VERSION: &str = "org.opencontainers.image.version";
/// `org.opencontainers.image.created`
pub const CREATED: &str = "org.opencontainers.image.created";
/// `org.opencontainers.image.description`
pub const DESCRIPTION: &str = "org.opencontainers.image.description";
/// `org.opencontainers.image.url`
pub const URL: &str = "org.opencontainers.image.url";
/// `org.opencontainers.image.source`
pub const SOURCE: &str = "org.opencontainers.image.source";
/// `org.opencontainers.image.authors`
pub const AUTHORS: &str = "org.opencontainers.image.authors";
/// `org.opencontainers.image.ref.name`: an image layout's name for a descriptor.
pub const REF_NAME: &str = "org.opencontainers.image.ref.name";
