//! The flags of a command with two sides: `--from-…` for the source, `--to-…` for the destination.

use super::remote::{RemoteArgs, TransportArgs};
use crate::{Result, cli::Run};
use clap::Args;
use std::path::PathBuf;

/// Flags for each side.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct SideArgs {
    /// Use this user name for the source
    #[arg(long, value_name = "NAME", help_heading = "Source")]
    from_username: Option<String>,
    /// Use this password for the source
    #[arg(long, value_name = "PASSWORD", help_heading = "Source")]
    from_password: Option<String>,
    /// Read the source's password from stdin
    #[arg(long, conflicts_with = "to_password_stdin", help_heading = "Source")]
    from_password_stdin: bool,
    /// Read the source's credentials from this file
    #[arg(long, value_name = "FILE", help_heading = "Source")]
    from_registry_config: Option<PathBuf>,
    /// Trust these certificates of the source beside the system's
    #[arg(long, value_name = "FILE", help_heading = "Source")]
    from_ca_file: Option<PathBuf>,
    /// Do not verify the source's certificate
    #[arg(long, help_heading = "Source")]
    from_insecure: bool,
    /// Use HTTP without TLS for the source
    #[arg(long, help_heading = "Source")]
    from_plain_http: bool,
    /// Send this header to the source's registry, and to no other origin
    #[arg(long, value_name = "NAME: VALUE", help_heading = "Source")]
    from_header: Vec<String>,
    /// Use this user name for the destination
    #[arg(long, value_name = "NAME", help_heading = "Destination")]
    to_username: Option<String>,
    /// Use this password for the destination
    #[arg(long, value_name = "PASSWORD", help_heading = "Destination")]
    to_password: Option<String>,
    /// Read the destination's password from stdin
    #[arg(long, help_heading = "Destination")]
    to_password_stdin: bool,
    /// Read the destination's credentials from this file
    #[arg(long, value_name = "FILE", help_heading = "Destination")]
    to_registry_config: Option<PathBuf>,
    /// Trust these certificates of the destination beside the system's
    #[arg(long, value_name = "FILE", help_heading = "Destination")]
    to_ca_file: Option<PathBuf>,
    /// Do not verify the destination's certificate
    #[arg(long, help_heading = "Destination")]
    to_insecure: bool,
    /// Use HTTP without TLS for the destination
    #[arg(long, help_heading = "Destination")]
    to_plain_http: bool,
    /// Send this header to the destination's registry, and to no other origin
    #[arg(long, value_name = "NAME: VALUE", help_heading = "Destination")]
    to_header: Vec<String>,
}

/// The context and the flags of one side.
pub(crate) struct OneSide {
    pub(crate) run: Run,
    pub(crate) remote: RemoteArgs,
}

impl SideArgs {
    /// Returns both sides. The flags without a prefix apply to both.
    ///
    /// # Errors
    /// The errors of the client's options.
    pub(crate) fn both(&self, run: &Run, base: &RemoteArgs) -> Result<(OneSide, OneSide)> {
        if !self.is_given() {
            // Both sides share a client, and so its tokens; a registry can then mount blobs.
            base.client(run)?;
            let side = || OneSide { run: run.clone(), remote: base.clone() };
            return Ok((side(), side()));
        }
        let from = one(
            run,
            base,
            (&self.from_username, &self.from_password, self.from_password_stdin),
            &self.from_registry_config,
            (&self.from_ca_file, self.from_insecure, self.from_plain_http),
            &self.from_header,
        );
        let to = one(
            run,
            base,
            (&self.to_username, &self.to_password, self.to_password_stdin),
            &self.to_registry_config,
            (&self.to_ca_file, self.to_insecure, self.to_plain_http),
            &self.to_header,
        );
        if !self.has_credentials() && from.is_like(&to) {
            from.remote.client(run)?;
            let remote = from.remote.clone();
            return Ok((from, OneSide { run: run.clone(), remote }));
        }
        Ok((from, to))
    }

    fn is_given(&self) -> bool {
        self.has_credentials()
            || self.from_ca_file.is_some()
            || self.to_ca_file.is_some()
            || self.from_insecure
            || self.to_insecure
            || self.from_plain_http
            || self.to_plain_http
    }

    fn has_credentials(&self) -> bool {
        self.from_username.is_some()
            || self.to_username.is_some()
            || self.from_password.is_some()
            || self.to_password.is_some()
            || self.from_password_stdin
            || self.to_password_stdin
            || self.from_registry_config.is_some()
            || self.to_registry_config.is_some()
            || !self.from_header.is_empty()
            || !self.to_header.is_empty()
    }
}

impl OneSide {
    /// Returns true if both sides reach their registries in the same way.
    fn is_like(&self, other: &Self) -> bool {
        let of = |side: &Self| {
            let TransportArgs { plain_http, insecure_skip_tls_verify, ca_file, .. } =
                side.remote.transport.clone();
            (plain_http, insecure_skip_tls_verify, ca_file)
        };
        of(self) == of(other)
    }
}

fn one(
    run: &Run,
    base: &RemoteArgs,
    (username, password, stdin): (&Option<String>, &Option<String>, bool),
    registry_config: &Option<PathBuf>,
    (ca_file, insecure, plain_http): (&Option<PathBuf>, bool, bool),
    header: &[String],
) -> OneSide {
    let mut run = run.clone();
    if registry_config.is_some() {
        run.global.registry_config.clone_from(registry_config);
    }
    let mut remote = base.nameless();
    let own = username.is_some() || password.is_some() || stdin;
    (remote.username, remote.password, remote.password_stdin) = match own {
        true => (username.clone(), password.clone(), stdin),
        false => (base.username.clone(), base.password.clone(), base.password_stdin),
    };
    if ca_file.is_some() {
        remote.transport.ca_file.clone_from(ca_file);
    }
    remote.transport.insecure_skip_tls_verify |= insecure;
    remote.transport.plain_http |= plain_http;
    remote.header = base.header.iter().chain(header).cloned().collect();
    OneSide { run, remote }
}
