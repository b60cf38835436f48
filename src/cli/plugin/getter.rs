//! The command `getter CERT KEY CA URL`, with which Helm calls its getter plugin for `cm://` and
//! `ocirepo://` (helm.md 6.6). The file's bytes go to stdout, everything else to stderr.

use crate::cli::{
    Run,
    shell::{
        exit::Exit,
        output,
        remote::TransportArgs,
        repository_flags::{with_client, with_museum_tokens},
    },
};
use crate::{
    Error, Result,
    client::{Client, EventSink, repository::index::Fetched},
    index::{Index, config::RepositoryEntry},
    limits::Limits,
    ops::{
        pull::Provenance,
        repository::open::{Opener, file_name},
    },
};
use bytes::Bytes;
use clap::Args;
use std::io::{Read, Write};

#[derive(Debug, Args)]
pub(in crate::cli) struct GetterArgs {
    /// Use this client certificate (mTLS); may be empty
    certificate: String,
    /// Use this key of the certificate; may be empty
    key: String,
    /// Trust these certificates; may be empty
    authority: String,
    /// Get this URL: an index.yaml, an archive or a provenance file
    url: String,
}

pub(in crate::cli) fn getter(run: &Run, args: &GetterArgs) -> Result<Exit> {
    let file = file_name(&args.url)?;
    let repository = repository(run, args)?;
    let opener = opener(run, &repository)?;
    run.block_on(async {
        let repository = opener.open(&repository)?;
        if file == "index.yaml" {
            return match repository.index(None).await? {
                Fetched::Index { bytes, .. } => {
                    some_chart(&args.url, &bytes)?;
                    output::print_content(bytes)
                }
                Fetched::NotModified => {
                    Err(Error::not_found(format!("failed to fetch {}", args.url)))
                }
            };
        }
        if let Some(archive) = args.url.strip_suffix(".prov") {
            return match repository.provenance(archive).await? {
                Some(bytes) => output::print_content(bytes),
                None => {
                    Err(Error::not_found(format!("failed to fetch {} : 404 Not Found", args.url)))
                }
            };
        }
        let got = repository.archive(&args.url, Provenance::Leave).await?;
        copy(&mut *got.archive.reader()?)
    })?;
    Ok(Exit::Ok)
}

/// Returns the repository of the file: its folder, with the credentials that Helm passes on.
fn repository(run: &Run, args: &GetterArgs) -> Result<RepositoryEntry> {
    let env = &run.env;
    let (path, query) = args.url.split_once('?').unwrap_or((&args.url, ""));
    let (folder, _) = path
        .rsplit_once('/')
        .ok_or_else(|| Error::usage(format!("`{}` names no file", args.url)))?;
    let url = if query.is_empty() { folder.to_owned() } else { format!("{folder}?{query}") };
    let say =
        |plugin: &str, own: &str| env.text(plugin).or_else(|| env.text(own)).unwrap_or_default();
    let file = |given: &str, variable: &str| {
        if given.is_empty() { env.text(variable).unwrap_or_default() } else { given.to_owned() }
    };
    Ok(RepositoryEntry {
        name: String::new(),
        url,
        username: say("HELM_PLUGIN_USERNAME", "HELM_REPO_USERNAME"),
        password: say("HELM_PLUGIN_PASSWORD", "HELM_REPO_PASSWORD"),
        cert_file: file(&args.certificate, "HELM_REPO_CERT_FILE"),
        key_file: file(&args.key, "HELM_REPO_KEY_FILE"),
        ca_file: file(&args.authority, "HELM_REPO_CA_FILE"),
        insecure_skip_tls_verify: env.flag("HELM_REPO_INSECURE"),
        pass_credentials_all: env.flag("HELM_PLUGIN_PASS_CREDENTIALS_ALL"),
    })
}

/// Returns the opener with the repository's certificates, for a registry too. [`Opener::open`] adds
/// the credentials, for the repository's own host.
fn opener(run: &Run, repository: &RepositoryEntry) -> Result<Opener> {
    let path = |text: &str| (!text.is_empty()).then(|| text.into());
    let transport = TransportArgs {
        insecure_skip_tls_verify: repository.insecure_skip_tls_verify,
        ca_file: path(&repository.ca_file),
        cert_file: path(&repository.cert_file),
        key_file: path(&repository.key_file),
        ..TransportArgs::default()
    };
    let mut options = transport.options(run)?;
    options.notify = EventSink::default();
    let trust = options.trust.clone();
    Ok(with_museum_tokens(run, with_client(run, Client::new(options)?, trust)))
}

/// Refuses the index of a namespace without charts. Helm would add a mistyped URL.
fn some_chart(url: &str, index: &Bytes) -> Result<()> {
    let Some((place, query)) = url.strip_prefix("ocirepo://").map(|rest| {
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        (path.trim_end_matches("/index.yaml"), query)
    }) else {
        return Ok(());
    };
    // A chart that the URL names may still have no version.
    let named = query.split('&').any(|pair| pair.starts_with("charts="));
    if named || Index::read(index.clone(), url, &Limits::default())?.versions() > 0 {
        return Ok(());
    }
    Err(Error::not_found(format!("no chart in `oci://{place}`"))
        .with_hint("check the namespace: `ocirepo://HOST/NAMESPACE` has the charts' repositories"))
}

fn copy(from: &mut dyn Read) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    std::io::copy(from, &mut stdout)
        .and_then(|_| stdout.flush())
        .map_err(|error| Error::io("write to", "stdout", error))
}
