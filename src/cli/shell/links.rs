//! The flag `--allow-outside-links`, for commands that read a chart's folder.

use crate::archive::dir::Outside;
use clap::Args;

#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct LinkArgs {
    /// Follow symbolic links that point outside the chart's folder, as Helm does
    #[arg(long)]
    allow_outside_links: bool,
}

impl LinkArgs {
    /// Returns the policy for links out of a chart that leaves this machine: refused unless the
    /// user allows them.
    pub(crate) fn strictly(self) -> Outside {
        if self.allow_outside_links { Outside::Follow } else { Outside::Refuse }
    }

    /// Returns the policy for links out of a chart that is only read: skipped with a warning unless
    /// the user allows them.
    pub(crate) fn leniently(self) -> Outside {
        if self.allow_outside_links { Outside::Follow } else { Outside::Skip }
    }
}
