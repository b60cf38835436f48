//! Loose versions, as Masterminds/semver reads them: see helm.md 5.1.
