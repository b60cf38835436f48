//! The ETag of an index.yaml: a sum over its entries, the form of the text and its coding. It needs
//! no text, so a request with `If-None-Match` is answered without composing the index.

use super::{Format, Settings, index::Coding, namespace::Sum};

/// Returns the ETag for one coding. Each coding has other bytes, and so another ETag.
pub(super) fn of(settings: &Settings, sum: Sum, coding: Coding) -> String {
    let shared = shared_part(settings, sum);
    match coding.name() {
        None => format!("\"{shared}\""),
        Some(name) => format!("\"{shared}-{name}\""),
    }
}

/// Returns the part of the ETag that all codings share: the sum of the entries, and the text around
/// them.
fn shared_part(settings: &Settings, sum: Sum) -> String {
    let form = match settings.format {
        Format::Yaml => "y",
        Format::Json => "j",
    };
    // The path is short and rarely set. In hex it cannot break the quotes.
    let path: String = settings.context_path.bytes().map(|byte| format!("{byte:02x}")).collect();
    format!("{sum}{form}{path}")
}

/// Returns true if `If-None-Match` names the current index in any coding, since the text is the
/// same.
pub(super) fn matches(if_none_match: &str, settings: &Settings, sum: Sum) -> bool {
    let shared = shared_part(settings, sum);
    if_none_match.split(',').map(str::trim).any(|tag| {
        let bare = tag.strip_prefix("W/").unwrap_or(tag).trim_matches('"');
        let bare =
            bare.strip_suffix("-gzip").or_else(|| bare.strip_suffix("-zstd")).unwrap_or(bare);
        tag == "*" || bare == shared
    })
}
