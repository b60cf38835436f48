//! The constraint language of Masterminds/semver: see helm.md 5.2.
