//! The command `package PATH…`, which packages chart sources.

use super::{
    Run, dependency,
    shell::{
        exit::Exit,
        links::LinkArgs,
        output::Format,
        progress::Progress,
        remote::RemoteArgs,
        repository_flags::MismatchArgs,
        results::{Printed, conclude},
    },
};
use crate::{Error, Result, ops::package as op};
use clap::Args;
use serde_json::json;
use std::{path::PathBuf, sync::atomic::Ordering};

#[derive(Debug, Args)]
pub(super) struct PackageArgs {
    /// Package these chart sources
    #[arg(value_name = "CHART_PATH")]
    paths: Vec<PathBuf>,
    /// Write the archives to this folder, which is created
    #[arg(long, short = 'd', value_name = "DIR", default_value = ".")]
    destination: PathBuf,
    /// Set the chart's version
    #[arg(long)]
    version: Option<String>,
    /// Set the chart's appVersion
    #[arg(long)]
    app_version: Option<String>,
    /// Update the dependencies first
    #[arg(long, short = 'u')]
    dependency_update: bool,
    #[command(flatten)]
    links: LinkArgs,
    #[command(flatten)]
    mismatch: MismatchArgs,
    /// Sign the package; not supported yet
    #[arg(long, hide = true)]
    sign: bool,
    /// Sign with the key of this name
    #[arg(long, value_name = "NAME", hide = true)]
    key: Option<String>,
    /// Read the keys from this file
    #[arg(long, value_name = "FILE", hide = true)]
    keyring: Option<PathBuf>,
    /// Read the key's passphrase from this file
    #[arg(long, value_name = "FILE", hide = true)]
    passphrase_file: Option<PathBuf>,
    /// Write the result in this format
    #[arg(long, short = 'o', value_enum, default_value_t)]
    output: Format,
    #[command(flatten)]
    remote: RemoteArgs,
}

pub(super) fn package(run: &Run, args: PackageArgs) -> Result<Exit> {
    if args.paths.is_empty() {
        return Err(Error::usage("need at least one argument, the path to the chart"));
    }
    // Without `--sign` Helm ignores the other three.
    if args.sign {
        return Err(Error::usage("`--sign` is not supported yet; nothing was packaged")
            .with_hint("package without `--sign`, or use `helm package --sign`"));
    }
    if args.dependency_update {
        for path in &args.paths {
            dependency::update_quietly(run, path, args.links, args.mismatch, &args.remote)?;
        }
    }
    let options = op::Options {
        version: args.version.clone(),
        app_version: args.app_version.clone(),
        outside: args.links.strictly(),
        ..op::Options::new(run.epoch()?)
    };
    let progress = Progress::start(run, "packaged", "charts", args.paths.len());
    let counts = progress.counts();
    let results =
        op::package(&args.paths, &args.destination, &options, &|done: op::Progress<'_>| {
            counts.items.store(done.done as u64, Ordering::Relaxed);
        });
    drop(progress);
    for op::Saved { package, .. } in results.iter().flatten() {
        package.notes.iter().for_each(|note| run.talk.info(note));
        package.warnings.iter().for_each(|warning| run.talk.warn(warning));
    }
    let inputs = args.paths.iter().map(|path| path.display().to_string());
    let printed = |saved: op::Saved| {
        let op::Packaged { metadata, digest, size, .. } = &saved.package;
        let file = &saved.path;
        let text = format!("Successfully packaged chart and saved it to: {}\n", file.display());
        let fields = json!({
            "status": "packaged", "name": metadata.name, "version": metadata.version,
            "archiveDigest": digest, "size": size, "file": file,
        });
        Printed::new(text, fields)
    };
    let results = results.into_iter().map(|result| result.map(printed));
    conclude(run, args.output, "packaged", inputs.zip(results).collect())
}
