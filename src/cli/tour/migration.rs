//! The second half of the tour: it moves a whole chart repository into the registry. The commands
//! of its users do not change.

use super::{
    Chart,
    sandbox::{Server, Stage},
    shown,
};
use crate::{Error, ErrorKind, Result};

/// Moves the charts from a ChartMuseum of the tour into the registry, and pulls them in the old way
/// and the new.
pub(crate) fn move_house(stage: &Stage, registry: &Server, charts: &[Chart]) -> Result<()> {
    stage.heading("Start an old chart repository, with ChartMuseum's API and the same charts")?;
    let old = Server::start(stage, &["--storage", "old"])?;
    let old_url = format!("http://{}", old.address());
    let mut command = vec!["museum".to_owned(), "push".into()];
    command.extend(charts.iter().map(|chart| shown(stage, &chart.archive)));
    command.push(old_url.clone());
    stage.run(&command)?;

    stage.heading("Mirror it into the registry: every byte unchanged, every digest checked")?;
    let target = format!("oci://{}/moved", registry.address());
    let mirror = ["mirror".to_owned(), old_url.clone(), target.clone()];
    let report = stage.run(&mirror)?;
    let count = |what: &str| format!("{} {what}", charts.len());
    stage.check(report.contains(&count("sent")), "every version was sent")?;

    stage.heading("Mirror again: the index has not changed, so the registry is only asked for the stored state")?;
    let report = stage.run(&mirror)?;
    stage.check(report.contains(&count("recorded")), "every version is recorded")?;

    stage.heading("Serve an index.yaml over the registry, for clients that need one")?;
    let bridge = Server::start(stage, &["--upstream", &target, "--plain-http"])?;
    let bridge_url = format!("http://{}", bridge.address());
    for (name, url) in [("old", &old_url), ("new", &bridge_url)] {
        stage.run(&["repo".into(), "add".into(), name.into(), url.clone()])?;
    }
    stage.run(&["search".into(), "repo".into(), "new/".into()])?;

    stage.heading("Pull the same bytes from the old address and the new")?;
    // Without a version, the name means the newest one, so charts with several versions are left
    // out.
    let single = |chart: &&Chart| charts.iter().filter(|one| one.name == chart.name).count() == 1;
    let single: Vec<&Chart> = charts.iter().filter(single).collect();
    let mut bytes = 0;
    for name in ["old", "new"] {
        let mut command = vec!["pull".to_owned()];
        // The name alone selects a chart with one version; prereleases need an explicit version.
        let one_version = charts
            .iter()
            .all(|chart| charts.iter().filter(|other| other.name == chart.name).count() == 1);
        stage.check(one_version, "each chart of the tour has one version")?;
        command.extend(charts.iter().map(|chart| format!("{name}/{}", chart.name)));
        command.extend(["--devel".into(), "-d".into(), format!("by-{name}")]);
        stage.run(&command)?;
        for chart in charts {
            let pulled = stage.path(&format!("by-{name}/{}-{}.tgz", chart.name, chart.version));
            let pulled = stage.read(&pulled)?;
            bytes += pulled.len();
            if pulled != stage.read(&chart.archive)? {
                return Err(Error::new(
                    ErrorKind::Integrity,
                    format!("{} {} came back changed from `{name}`", chart.name, chart.version),
                ));
            }
        }
    }
    stage.say(&format!("compared {} archives, {bytes} bytes: all equal\n", 2 * single.len()))?;
    bridge.stop()?;
    old.stop()
}
