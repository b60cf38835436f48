//! Every cap in one struct, each with its number and its reason. Nothing reads without one of
//! these.

/// One kibibyte.
pub const KIB: u64 = 1024;
/// One mebibyte.
pub const MIB: u64 = 1024 * KIB;

/// Repositories that a mount without a source looks at. Each costs one look for a file; a thousand
/// take some 5 ms.
pub const MOUNT_SOURCES: usize = 1_000;

/// Referrers that are looked at for one page of a list. Each costs up to two looks at small files.
pub const REFERRERS_LOOKED_AT: usize = 10_000;
/// Bytes of one page of a list of referrers. ORAS reads 4 MiB of one.
pub const REFERRERS_PAGE: u64 = 3 * MIB;
/// Repositories of one registry whose credentials and tokens a client remembers. A bridge lives for
/// months, and strangers may make it ask for any name; a token with its key takes about 4 KB. No
/// known namespace has as many repositories.
pub const REMEMBERED: usize = 8192;

/// Bytes of one PEM file of certificates or of a key. The largest bundle of a system has 0.5 MB.
pub const PEM_BYTES: u64 = 16 * MIB;

/// Total time to wait for the other side during one body, in addition to the time from
/// [`BODY_BYTES_A_SECOND`]: the server waits for request bodies, the client for response bodies.
pub const BODY_GRACE: std::time::Duration = std::time::Duration::from_secs(60);
/// Bytes of a body for which its receiver waits one more second: less than a modem of 1998 sends.
/// Without a least rate, a body that comes byte by byte would hold its connection for ever.
pub const BODY_BYTES_A_SECOND: u64 = 4 * KIB;

/// Bytes before a form's first part, or of one part's header. Browsers and Helm's plugins send some
/// 200; without a cap, a header that never ends would be held in memory.
pub const PART_HEADER_BYTES: i64 = 64 * KIB as i64;

/// Bytes of requests' bodies that a server holds in memory at once, of one kind of request, beside
/// [`SMALL_BODY`] of each. Unfinished bodies count as they come.
pub const BODIES_HELD: usize = 64 * MIB as usize;
/// Bytes of a body that may always be held: nearly every manifest is smaller, and is taken even
/// while large ones have all of [`BODIES_HELD`].
pub const SMALL_BODY: usize = 64 * KIB as usize;

/// Entries of an image index that are looked at to find the chart among them. An image for every
/// platform that Go knows has about 45, each with an attestation that is looked at only if nothing
/// likelier is a chart.
pub const INDEX_LOOKS: usize = 128;

/// Bytes of the manifests in an image index after which the search for the chart among them ends.
/// An image's manifest has a few KiB; without a cap, an index of 20 KiB would make a server parse
/// 128 manifests of 4 MiB.
pub const INDEX_LOOK_BYTES: usize = 16 * MIB as usize;

/// Tags that fit a range and lead to no chart, before the search for the newest chart is given up:
/// each costs a request.
pub const PASSED_TAGS: usize = 32;

/// The caps on what is read, expanded and kept. [`Limits::default`] is what the command line uses.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of one chart archive once inflated. Helm's `MaxDecompressedChartSize`.
    pub chart_bytes: u64,
    /// Bytes of one file of a chart. Helm's `MaxDecompressedFileSize`.
    pub chart_file_bytes: u64,
    /// Bytes of a file of a chart that is parsed whole: Chart.yaml, values.yaml, a lock.
    pub chart_document_bytes: u64,
    /// Bytes of Chart.yaml. On this machine no fewer than of any other document; servers take
    /// [`Self::upload_metadata_bytes`].
    pub chart_metadata_bytes: u64,
    /// Bytes of Chart.yaml in an upload to the ChartMuseum API: it stays in memory as long as the
    /// version is there. The largest public one has 60 kB.
    pub upload_metadata_bytes: u64,
    /// Bytes of one version's entry in an index that a server makes, all of which are in memory. As
    /// many as of a Chart.yaml in an upload: `keywords: [a,a,…]` is four times as long as an entry,
    /// and an upload of it has 500 bytes. The largest public Chart.yaml has 60 kB.
    pub entry_bytes: usize,
    /// Bytes of Chart.yaml, lock and subchart names of a chart and all its subcharts together,
    /// which stay in memory even when nothing else of the chart does. The largest public chart has
    /// 60 kB.
    pub chart_held_bytes: u64,
    /// Bytes of a chart archive as it lies on disk or in a registry. No chart that inflates within
    /// `chart_bytes` is larger: deflate adds 5 bytes in 16 KiB to what it cannot compress.
    pub archive_bytes: u64,
    /// Files and directories of one chart, its subcharts included. The largest public chart
    /// has about 600; a million empty entries would otherwise cost a gigabyte of headers.
    pub chart_entries: u64,
    /// Bytes of a file's path within a chart. Linux's `PATH_MAX`.
    pub path_bytes: usize,
    /// Archives within archives. Helm sets no bound and gives each level a new budget; real charts
    /// nest two.
    pub nesting: usize,
    /// Bytes of all `charts/*.tgz` of one chart, inflated, at every depth together: content,
    /// headers, padding and whatever follows the end of an archive. One budget for all of them,
    /// neither one a level nor one an archive.
    pub nested_bytes: u64,
    /// Directories within directories of a chart's source.
    pub depth: usize,
    /// Nodes of one small YAML document (Chart.yaml, values.yaml, plugin.yaml). The largest public
    /// values.yaml has about 12,000; this many take 40 MB for a moment.
    pub yaml_nodes: usize,
    /// Nesting of one YAML document. Helm stops at 10,000 by stack size; no chart needs 64.
    pub yaml_depth: usize,
    /// Bytes that a YAML document's aliases may expand to in all (the "billion laughs").
    pub yaml_alias_bytes: usize,
    /// Bytes of a manifest or index. The specification asks for 4 MiB at least; ORAS takes 4.
    pub manifest_bytes: u64,
    /// Bytes of a chart repository's index.yaml once decoded. The largest public one has 46 MB, the
    /// largest known of 140 MB.
    pub index_bytes: u64,
    /// Entries of a chart repository's index. The largest that is known of has about 120,000; one
    /// that is read takes some 250 bytes beside its text.
    pub index_entries: usize,
    /// Bytes of an image layout's `index.json`: at 300 bytes an entry, more than 200,000 of them.
    pub layout_index_bytes: u64,
    /// Members of a bundle. Four for a signed version; the largest public repository has 40,000
    /// versions.
    pub bundle_entries: u64,
    /// Bytes of the manifests of a bundle together, which are in memory while it is read: at 1 KiB
    /// each, 400,000.
    pub bundle_manifests_bytes: u64,
    /// Bytes of a bundle that are no member's content: its headers and padding, at most 1 KiB a
    /// member.
    pub bundle_overhead_bytes: u64,
    /// Bytes of a config blob of a chart. It is Chart.yaml as JSON, so at most a chart file, and
    /// JSON escapes.
    pub config_bytes: u64,
    /// Bytes of a provenance file: Chart.yaml, a digest and a signature.
    pub provenance_bytes: u64,
    /// Bytes of an answer that only tells something: an error body, a token, a page of tags.
    pub answer_bytes: u64,
    /// Pages of a list that we follow before we believe the registry is lying.
    pub pages: usize,
    /// Redirects followed for one request. Go's number.
    pub redirects: usize,
    /// A blob up to this size is held in memory on its way; a larger one goes through a file.
    pub memory_blob: u64,
    /// Bytes of a mirror's state as it is stored, gzipped: about 100 a version, so half a million
    /// of them.
    pub state_bytes: u64,
    /// Bytes of a blob that a registry of ours takes in one upload.
    pub upload_bytes: u64,
    /// Upload sessions of a registry of ours that are open at once. A push opens one a blob, for a
    /// second or two, so that hundreds of pushes at once need no more.
    pub upload_sessions: usize,
}

/// Longest that values are held against a schema. Schemas of real charts take milliseconds.
pub const SCHEMA_TIME: std::time::Duration = std::time::Duration::from_secs(10);

impl Default for Limits {
    fn default() -> Self {
        Self {
            chart_bytes: 100 * MIB,
            chart_file_bytes: 5 * MIB,
            chart_document_bytes: 5 * MIB,
            chart_metadata_bytes: 5 * MIB,
            upload_metadata_bytes: 256 * KIB,
            entry_bytes: 256 * 1024,
            chart_held_bytes: 16 * MIB,
            archive_bytes: 101 * MIB,
            chart_entries: 65_536,
            path_bytes: 4096,
            nesting: 8,
            nested_bytes: 200 * MIB,
            depth: 64,
            yaml_nodes: 250_000,
            yaml_depth: 128,
            yaml_alias_bytes: 10 * 1024 * 1024,
            manifest_bytes: 8 * MIB,
            index_bytes: 512 * MIB,
            index_entries: 1_000_000,
            layout_index_bytes: 64 * MIB,
            bundle_entries: 1_000_000,
            bundle_manifests_bytes: 400 * MIB,
            bundle_overhead_bytes: 1024 * MIB,
            config_bytes: 8 * MIB,
            provenance_bytes: 8 * MIB,
            answer_bytes: 8 * MIB,
            pages: 10_000,
            redirects: 10,
            memory_blob: 4 * MIB,
            state_bytes: 64 * MIB,
            upload_bytes: 64 * 1024 * MIB,
            upload_sessions: 2_000,
        }
    }
}
