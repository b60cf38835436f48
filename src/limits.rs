//! Every cap in one struct, each with its number and its reason. Every read uses one of them.

/// Bytes of one kibibyte.
pub const KIB: u64 = 1024;
/// Bytes of one mebibyte.
pub const MIB: u64 = 1024 * KIB;

/// Repositories that a mount without a source examines. Each costs one look for a file; a thousand
/// take about 5 ms.
pub const MOUNT_SOURCES: usize = 1_000;

/// Referrers that are examined for one page of a list. Each costs up to two looks at small files.
pub const REFERRERS_LOOKED_AT: usize = 10_000;
/// Bytes of one page of a list of referrers. ORAS reads at most 4 MiB of a page.
pub const REFERRERS_PAGE: u64 = 3 * MIB;
/// Repositories of one registry whose credentials and tokens a client remembers. A bridge runs for
/// months, and clients may make it ask for any name; a token with its key takes about 4 KB. No
/// known namespace has so many repositories.
pub const REMEMBERED: usize = 8192;

/// Bytes of one PEM file of certificates or of a key. The largest bundle of an operating system has
/// 0.5 MB.
pub const PEM_BYTES: u64 = 16 * MIB;

/// Total time to wait for the other side during one body, in addition to the time from
/// [`BODY_BYTES_A_SECOND`]: the server waits for request bodies, the client for response bodies.
pub const BODY_GRACE: std::time::Duration = std::time::Duration::from_secs(60);
/// Bytes of a body for which its receiver waits one more second. A modem of 1998 sends more.
/// Without a minimum rate, a body that arrives byte by byte would hold its connection for ever.
pub const BODY_BYTES_A_SECOND: u64 = 4 * KIB;

/// Bytes before a form's first part, or of one part's header. Browsers and Helm's plugins send
/// about 200; without a cap, an endless header would fill the memory.
pub const PART_HEADER_BYTES: i64 = 64 * KIB as i64;

/// Bytes of request bodies that a server holds in memory at once, for one kind of request, in
/// addition to [`SMALL_BODY`] for each. Unfinished bodies count as they arrive.
pub const BODIES_HELD: usize = 64 * MIB as usize;
/// Bytes of a body that the server always accepts: nearly every manifest is smaller, and is
/// accepted even while large ones use all of [`BODIES_HELD`].
pub const SMALL_BODY: usize = 64 * KIB as usize;

/// Entries of an image index that are examined to find the chart among them. An image for every
/// platform of Go has about 45, each with an attestation that is examined only if no likelier entry
/// is a chart.
pub const INDEX_LOOKS: usize = 128;

/// Bytes of the manifests in an image index after which the search for a chart ends. An image's
/// manifest has a few KiB; without a cap, an index of 20 KiB would make a server parse 128
/// manifests of 4 MiB.
pub const INDEX_LOOK_BYTES: usize = 16 * MIB as usize;

/// Layers of one artifact. A manifest of 4 MiB has about 12,000.
pub const ARTIFACT_LAYERS: usize = 10_000;
/// Files, directories and links in one directory of an artifact. Each costs about 200 bytes of
/// memory, and a Linux kernel's source has 90,000.
pub const ARTIFACT_ENTRIES: usize = 1_000_000;
/// Bytes of all files that one pull unpacks: more than any known model or disk image.
pub const ARTIFACT_UNPACKED: u64 = 64 * 1024 * MIB;
/// The largest number of unpacked bytes for one packed byte. Deflate reaches 1,032 only for a file
/// of equal bytes; a source tree reaches 10.
pub const ARTIFACT_RATIO: u64 = 1_000;
/// Bytes of one segment of a title. No usual file system has longer names.
pub const TITLE_SEGMENT_BYTES: usize = 255;

/// Tags within a range that are not charts, after which the search for the newest chart ends. Each
/// costs a request.
pub const PASSED_TAGS: usize = 32;

/// The caps on the data that chartferry reads, expands and keeps. The command line uses
/// [`Limits::default`].
///
/// ```
/// use chartferry::limits::{Limits, MIB};
///
/// let mut limits = Limits::default();
/// limits.archive_bytes = 16 * MIB;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of one inflated chart archive. The number is that of Helm's
    /// `MaxDecompressedChartSize`.
    pub chart_bytes: u64,
    /// Bytes of one file of a chart. The number is that of Helm's `MaxDecompressedFileSize`.
    pub chart_file_bytes: u64,
    /// Bytes of a chart's file that is parsed whole: Chart.yaml, values.yaml, a lock.
    pub chart_document_bytes: u64,
    /// Bytes of Chart.yaml. On this machine, as many as of any other document; servers use
    /// [`Self::upload_metadata_bytes`].
    pub chart_metadata_bytes: u64,
    /// Bytes of Chart.yaml in an upload to the ChartMuseum API. It stays in memory as long as the
    /// version exists. The largest public one has 60 kB.
    pub upload_metadata_bytes: u64,
    /// Bytes of one version's entry in an index that a server makes, all of which are in memory.
    /// The same as for Chart.yaml in an upload: with `keywords: [a,a,…]`, an entry is four times as
    /// long, and the upload has 500 bytes. The largest public Chart.yaml has 60 kB.
    pub entry_bytes: usize,
    /// Bytes of Chart.yaml, lock and subchart names of a chart and all its subcharts together. They
    /// stay in memory even if no other part of the chart does. The largest public chart has 60 kB.
    pub chart_held_bytes: u64,
    /// Bytes of a chart archive on disk or in a registry. No chart that inflates to `chart_bytes`
    /// is larger: deflate adds 5 bytes in 16 KiB to data that it cannot compress.
    pub archive_bytes: u64,
    /// Files and directories of one chart with its subcharts. The largest public chart has about
    /// 600; a million empty entries would otherwise cost a gigabyte of headers.
    pub chart_entries: u64,
    /// Bytes of a file's path within a chart. The number is Linux's `PATH_MAX`.
    pub path_bytes: usize,
    /// Depth of archives within archives. Helm sets no bound and gives each level a new budget;
    /// real charts have two levels.
    pub nesting: usize,
    /// Bytes of all `charts/*.tgz` of one chart, inflated, at every depth together: content,
    /// headers, padding and the bytes after the end of an archive. All archives and levels share
    /// this one budget.
    pub nested_bytes: u64,
    /// Depth of directories in a chart's source.
    pub depth: usize,
    /// Nodes of one small YAML document (Chart.yaml, values.yaml, plugin.yaml). The largest public
    /// values.yaml has about 12,000; this number takes 40 MB for a moment.
    pub yaml_nodes: usize,
    /// Depth of one YAML document. Helm stops at 10,000 by stack size; no chart needs 64.
    pub yaml_depth: usize,
    /// Bytes that all aliases of a YAML document may expand to (the "billion laughs").
    pub yaml_alias_bytes: usize,
    /// Bytes of a manifest or index. The specification requires at least 4 MiB; ORAS accepts 4 MiB.
    pub manifest_bytes: u64,
    /// Bytes of a decoded index.yaml of a chart repository. The largest public one has 46 MB, the
    /// largest known one 140 MB.
    pub index_bytes: u64,
    /// Entries of a chart repository's index. The largest known one has about 120,000. An entry
    /// takes about 250 bytes of memory beside its text.
    pub index_entries: usize,
    /// Bytes of an image layout's `index.json`: more than 200,000 entries of 300 bytes.
    pub layout_index_bytes: u64,
    /// Members of a bundle: four for a signed version. The largest public repository has 40,000
    /// versions.
    pub bundle_entries: u64,
    /// Bytes of all manifests of a bundle, which are in memory during the reading: 400,000 of 1
    /// KiB.
    pub bundle_manifests_bytes: u64,
    /// Bytes of a bundle outside of its members' content: headers and padding, at most 1 KiB for
    /// each member.
    pub bundle_overhead_bytes: u64,
    /// Bytes of a config blob of a chart. It is Chart.yaml as JSON, so at most a chart file, and
    /// JSON escapes.
    pub config_bytes: u64,
    /// Bytes of a provenance file: Chart.yaml, a digest and a signature.
    pub provenance_bytes: u64,
    /// Bytes of a short answer: an error body, a token, a page of tags.
    pub answer_bytes: u64,
    /// Pages of a list after which the registry counts as faulty.
    pub pages: usize,
    /// Redirects followed for one request. The number is Go's.
    pub redirects: usize,
    /// Bytes of a blob that is held in memory during a transfer. A larger one goes through a file.
    pub memory_blob: u64,
    /// Bytes of a mirror's stored state, gzipped: about 100 for each version, so half a million of
    /// them.
    pub state_bytes: u64,
    /// Bytes of a blob that our registry accepts in one upload.
    pub upload_bytes: u64,
    /// Upload sessions of our registry that are open at once. A push opens one for each blob, for a
    /// second or two, so that hundreds of concurrent pushes need no more.
    pub upload_sessions: usize,
}

/// Longest time for the validation of values against a schema. Schemas of real charts take
/// milliseconds.
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
