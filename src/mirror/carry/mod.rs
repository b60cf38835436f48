//! Carrying one version: compared, copied, verified, and tagged again when only a tag moved.

pub(super) mod compare;
pub(super) mod preflight;
pub(super) mod retag;
pub(super) mod second_tag;
pub(super) mod work;
