//! Operations. Each file has one command, which takes options and returns a report. An operation
//! never prints.

pub mod any_repository;
pub mod artifact;
pub mod bundle;
pub mod chart_archive;
pub mod chart_manifest;
pub mod chartmuseum;
pub mod copy;
pub mod dependency;
pub mod images;
pub mod index;
pub mod lint;
pub mod lost_tags;
pub mod object;
pub mod package;
pub mod pull;
pub mod push;
pub mod registry_check;
pub mod repository;
pub mod saved;
pub mod show;
pub mod tag_not_found;
pub mod tag_order;
pub mod tags;

pub use any_repository::AnyRepository;
pub use index::{Options as IndexOptions, Report as IndexReport, index};
pub use lint::{Options as LintOptions, Report as LintReport};
pub use package::{Options as PackageOptions, Packaged};
pub use pull::{Provenance, Pulled, pull, save as save_pulled};
pub use push::{
    Existing, Options as PushOptions, Outgoing, Report as PushReport, Verify,
    prepare::{Beside, from_archive, from_source},
    push,
};
pub use tags::ChartRequest;
