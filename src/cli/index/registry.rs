//! The command `index oci://host/ns`: it writes the index.yaml of a registry's namespace, from
//! manifests and configs alone.

use super::IndexArgs;
use crate::{
    Advice, Error, ErrorKind, Result,
    atomic_file::write_file,
    cli::{
        Run,
        shell::{
            exit::Exit,
            output::{self, Format},
            remote::RemoteArgs,
        },
    },
    index::write,
    limits::Limits,
    oci::Reference,
    ops::repository::namespace::{Namespace, Urls},
};
use clap::Args;
use serde_json::json;
use std::{
    io::Write,
    path::{Path, PathBuf},
};

/// The flags for a registry in addition to those for a folder.
#[derive(Debug, Args)]
pub(crate) struct RegistryArgs {
    /// List these charts of a registry that does not list its own
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    charts: Vec<String>,
    /// Write the index of a registry to this file, `-` for stdout; default: index.yaml
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    remote: RemoteArgs,
}

impl RegistryArgs {
    /// Refuses these flags for a folder.
    pub(crate) fn refuse(&self) -> Result<()> {
        if self.charts.is_empty() && self.out.is_none() {
            return Ok(());
        }
        Err(Error::usage("`--charts` and `--out` are for a registry, and a folder was given")
            .with_hint("a namespace of a registry is written `oci://host/ns`"))
    }
}

pub(crate) fn index_registry(run: &Run, place: &str, args: &IndexArgs) -> Result<Exit> {
    let RegistryArgs { charts, out, remote } = &args.registry;
    let (host, name) = Reference::parse_namespace(place)?;
    let bare = name.map_or_else(|| host.to_string(), |name| format!("{host}/{name}"));
    let url = format!("ocirepo://{bare}?charts={}", charts.join(","));
    let client = remote.client(run)?;
    let namespace = Namespace::parse(&client, &url, None, Limits::default())?;
    let urls = if args.url.is_empty() { Urls::Oci } else { Urls::Below(args.url.clone()) };
    let made = run.block_on(async { namespace.entries(&urls).await });
    let (listing, generated) = made.map_err(|error| match error.kind() {
        ErrorKind::Network | ErrorKind::Denied => error,
        _ if charts.is_empty() => error.with_advice(Advice::NameCharts),
        _ => error,
    })?;
    if listing.is_empty() {
        // An empty index must not replace one with many charts.
        return Err(Error::not_found(format!("no chart in `oci://{bare}`; nothing was written"))
            .with_hint("`oci://HOST/NAMESPACE` has the charts' repositories"));
    }
    let text = if args.json {
        write::json(&listing, &generated)
    } else {
        write::yaml(&listing, &generated)
    };
    let path = out.as_deref().unwrap_or(Path::new("index.yaml"));
    if path == Path::new("-") {
        output::print_content(text)?;
        return Ok(Exit::Ok);
    }
    write_file(path, |file| file.write_all(text.as_bytes()))?;
    if args.output != Format::Text {
        let versions: usize = listing.iter().map(|(_, entries)| entries.len()).sum();
        output::print_value(
            args.output,
            &json!({ "path": path, "charts": listing.len(), "versions": versions }),
        )?;
    }
    Ok(Exit::Ok)
}
