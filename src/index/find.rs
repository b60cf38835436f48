//! Helm's way to find a version (helm.md 4.4): an exact text first, else the newest that a range
//! takes.

use super::{Index, Line};
use crate::constraint::Constraint;
use crate::version::Version;
use crate::{Error, Result};

impl Index {
    /// The version of chart `name` that `version` means: one that is written just so, else the
    /// newest within it as a range, where nothing means `*`. So `1.2` finds 1.2.5 ([`is_range`]
    /// tells whether that was meant).
    ///
    /// # Errors
    /// Helm's text, where there is no such chart or version, or `version` is no range.
    pub fn find(&self, name: &str, version: &str) -> Result<&Line> {
        let chart = self.chart(name).ok_or_else(|| Error::not_found("no chart name found"))?;
        if chart.versions().is_empty() {
            return Err(Error::not_found("no chart version found"));
        }
        find(chart.versions(), version, Line::version)?
            .ok_or_else(|| Error::not_found(format!("no chart version found for {name}-{version}")))
    }
}

/// The lookup among `items` in their order.
pub(super) fn find<'i, T>(
    items: &'i [T],
    version: &str,
    written: impl Fn(&T) -> &str,
) -> Result<Option<&'i T>> {
    let constraint = Constraint::parse(if version.is_empty() { "*" } else { version })
        .map_err(|error| Error::invalid(error.to_string()))?;
    if !version.is_empty()
        && let Some(exact) = items.iter().find(|item| written(item) == version)
    {
        return Ok(Some(exact));
    }
    Ok(items.iter().find(|item| {
        Version::parse_loose(written(item)).is_ok_and(|version| constraint.matches(&version))
    }))
}

/// Returns true if Helm reads `version` as a range. Only an exact version needs a warning when
/// another one is selected.
pub fn is_range(version: &str) -> bool {
    let core = version.split(['-', '+']).next().unwrap_or_default();
    version.contains(['^', '~', '<', '>', '=', '!', '*'])
        || version.contains("||")
        || version.contains(" - ")
        || core.contains(['x', 'X'])
}
