//! The steps for one version: comparison, copy, verification, and a new tag if only the tag moved.

pub(super) mod attached;
pub(super) mod compare;
pub(super) mod known_attached;
pub(super) mod preflight;
pub(super) mod retag;
pub(super) mod second_tag;
pub(super) mod work;
