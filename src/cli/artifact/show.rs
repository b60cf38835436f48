//! The command `artifact show`.

use super::{
    discover::grow,
    place::{Place, Use},
    tree::Tree,
};
use crate::{
    Result,
    cli::{
        Run,
        shell::{
            exit::Exit,
            output::{self, Format},
            remote::RemoteArgs,
        },
    },
    oci::media,
    ops::artifact::{
        discover::{MAX_DEPTH, discover},
        kind::Kind,
    },
};
use clap::Args;
use serde_json::json;

#[derive(Debug, Args)]
pub(in crate::cli) struct ShowArgs {
    /// Show `host/ns/name:tag`, `host/ns/name@digest`, `oci://…` or `layout:DIR:tag`
    reference: String,
    /// Write the result in this format
    #[arg(long, short = 'o', value_enum, default_value_t)]
    output: Format,
    #[command(flatten)]
    remote: RemoteArgs,
}

pub(super) fn show(run: &Run, args: ShowArgs) -> Result<Exit> {
    let place = Place::open(run, &args.reference, &args.remote, Use::Read)?;
    let (manifest, referrers) = run.block_on(async {
        let manifest = place.manifest(run).await?;
        let found = discover(&place.repository, manifest.digest(), None, MAX_DEPTH).await?;
        Ok((manifest, found))
    })?;
    let document = manifest.document();
    let kind = Kind::of(&manifest);
    if args.output != Format::Text {
        let listed: Vec<_> = referrers.iter().map(|one| &one.descriptor).collect();
        let value = json!({
            "reference": place.by_digest(manifest.digest()),
            "kind": kind.words().trim_start_matches("an ").trim_start_matches("a "),
            "mediaType": manifest.media_type(),
            "digest": manifest.digest(),
            "size": manifest.bytes().len(),
            "artifactType": document.effective_artifact_type(),
            "annotations": document.annotations,
            "config": document.config,
            "layers": document.layers(),
            "manifests": document.manifests(),
            "subject": document.subject,
            "referrers": listed,
        });
        output::print_value(args.output, &value)?;
        return Ok(Exit::Ok);
    }
    let mut text = format!(
        "Reference: {}\nKind: {}\nType: {}\n",
        place.by_digest(manifest.digest()),
        kind.words(),
        document.effective_artifact_type().unwrap_or("none")
    );
    if let Some(subject) = &document.subject {
        text.push_str(&format!("Subject: {}\n", subject.digest));
    }
    for (key, value) in &document.annotations {
        text.push_str(&format!("Annotation: {key}={value}\n"));
    }
    for part in document.layers().iter().chain(document.manifests()) {
        let shown = part.annotations.get(media::TITLE).map_or("", String::as_str);
        let line = format!("Layer: {} {} {} {shown}", part.digest, part.size, part.media_type);
        text.push_str(line.trim_end());
        text.push('\n');
    }
    if !referrers.is_empty() {
        let mut tree = Tree::new("Attached:");
        grow(&mut tree, &referrers);
        text.push_str(&tree.draw());
    }
    output::print(text)?;
    Ok(Exit::Ok)
}
