//! Helm's rule to find a version (helm.md 4.4): an exact text first, else the newest version that a
//! range accepts.

use super::{Index, Line};
use crate::constraint::Constraint;
use crate::version::Version;
use crate::{Error, Result};

impl Index {
    /// Returns the version of chart `name` for `version`: the one with exactly that text, else the
    /// newest within it as a range. An empty text means `*`. So `1.2` finds 1.2.5; [`is_range`]
    /// returns true if a range was intended.
    ///
    /// # Errors
    /// Helm's text, if the chart or version does not exist, or `version` is not a range.
    pub fn find(&self, name: &str, version: &str) -> Result<&Line> {
        let chart = self.chart(name).ok_or_else(|| Error::not_found("no chart name found"))?;
        if chart.versions().is_empty() {
            return Err(Error::not_found("no chart version found"));
        }
        find(chart.versions(), version, Line::version)?
            .ok_or_else(|| Error::not_found(format!("no chart version found for {name}-{version}")))
    }
}

/// Finds a version among `items` in their order.
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
