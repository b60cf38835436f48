//! The first pass through a bundle. It finds the entries and the manifests, and checks each blob
//! against the digest in its name.

use super::{
    BASE, Entry, INDEX, MARK,
    read::{Name, Reader, check_part, from_io},
};
use crate::{
    Error, ErrorKind, Result,
    error::Context as _,
    limits::{Limits, MIB},
    oci::{Descriptor, Digest, Manifest},
    store::layout::{index::Index, ref_name::RefName},
};
use bytes::Bytes;
use std::{
    collections::{HashMap, HashSet},
    io::{self, BufRead, Read},
};

/// The content of a bundle that is whole and valid.
#[derive(Debug)]
pub(crate) struct Surveyed {
    pub(crate) entries: Vec<Entry>,
    pub(crate) base: Option<String>,
    pub(crate) identity: Digest,
    pub(crate) manifests: HashMap<Digest, Manifest>,
    pub(crate) blobs: HashMap<Digest, u64>,
}

/// The facts that the first pass collects.
pub(crate) struct Survey<'a> {
    limits: &'a Limits,
    mark: bool,
    index: Option<(Index, Digest)>,
    listed: HashSet<Digest>,
    /// The manifests, and the blobs that may be manifests: until the index is known, every small
    /// blob that looks like JSON.
    documents: HashMap<Digest, Bytes>,
    held: u64,
    blobs: HashMap<Digest, u64>,
}

impl<'a> Survey<'a> {
    pub(crate) fn new(limits: &'a Limits) -> Self {
        Self {
            limits,
            mark: false,
            index: None,
            listed: HashSet::new(),
            documents: HashMap::new(),
            held: 0,
            blobs: HashMap::new(),
        }
    }

    pub(crate) fn file(&mut self, name: Name, size: u64, content: &mut Reader) -> Result<()> {
        match name {
            Name::Other => Ok(()),
            Name::Mark => {
                let text = read_small(content, size, MARK, MIB)?;
                check_mark(&text)?;
                self.mark = true;
                Ok(())
            }
            Name::Index => {
                let text = read_small(content, size, INDEX, self.limits.layout_index_bytes)?;
                let index = Index::parse(&text).map_err(|error| {
                    Error::invalid(format!("its `{INDEX}` is not an image index"))
                        .with_source(error)
                })?;
                self.listed = index.descriptors().map(|entry| entry.digest.clone()).collect();
                self.index = Some((index, Digest::sha256(&text)));
                self.documents.retain(|digest, _| self.listed.contains(digest));
                self.held = self.documents.values().map(|bytes| bytes.len() as u64).sum();
                Ok(())
            }
            Name::Blob(digest) => {
                self.blobs.insert(digest.clone(), size);
                let may_be_manifest = match &self.index {
                    Some(_) => self.listed.contains(&digest),
                    None => content.fill_buf().map_err(from_io)?.first() == Some(&b'{'),
                };
                if !may_be_manifest || size > self.limits.manifest_bytes {
                    return check_part(&digest, size, content, &mut io::sink());
                }
                self.held += size;
                if self.held > self.limits.bundle_manifests_bytes {
                    let most = self.limits.bundle_manifests_bytes;
                    let message = format!("its manifests have more than {most} bytes in all");
                    return Err(Error::new(ErrorKind::Limit, message));
                }
                let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
                check_part(&digest, size, content, &mut bytes)?;
                self.documents.insert(digest, bytes.into());
                Ok(())
            }
        }
    }

    pub(crate) fn finish(self) -> Result<Surveyed> {
        let hint = "a bundle is a tar of an OCI image layout, plain or with zstd";
        let lacks = |what| Error::invalid(format!("it has no `{what}`")).with_hint(hint);
        if !self.mark {
            return Err(lacks(MARK));
        }
        let (index, identity) = self.index.ok_or_else(|| lacks(INDEX))?;
        let mut manifests = HashMap::new();
        let mut entries = Vec::new();
        for descriptor in index.descriptors() {
            if let Some(bytes) = self.documents.get(&descriptor.digest) {
                if bytes.len() as u64 != descriptor.size {
                    return Err(Error::new(
                        ErrorKind::Integrity,
                        format!(
                            "its `{INDEX}` says that `{}` has {} bytes, but it has {}",
                            descriptor.digest,
                            descriptor.size,
                            bytes.len()
                        ),
                    ));
                }
                let manifest = Manifest::parse(bytes.clone(), Some(&descriptor.media_type))
                    .context(|| format!("its manifest `{}` is bad", descriptor.digest))?;
                check_sizes(&manifest, &self.blobs)?;
                manifests.insert(descriptor.digest.clone(), manifest);
            }
            entries.push(Entry { name: RefName::of(descriptor), manifest: descriptor.clone() });
        }
        let base = index.annotation(BASE).map(str::to_owned);
        Ok(Surveyed { entries, base, identity, manifests, blobs: self.blobs })
    }
}

/// Checks that the blobs of a manifest have the sizes in the manifest.
fn check_sizes(manifest: &Manifest, blobs: &HashMap<Digest, u64>) -> Result<()> {
    let document = manifest.document();
    for Descriptor { digest, size, .. } in document.config.iter().chain(document.layers()) {
        match blobs.get(digest) {
            Some(found) if found != size => {
                return Err(Error::new(
                    ErrorKind::Integrity,
                    format!(
                        "its manifest says that `{digest}` has {size} bytes, but it has {found}"
                    ),
                ));
            }
            _ => {}
        }
    }
    Ok(())
}

fn check_mark(text: &[u8]) -> Result<()> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Mark {
        image_layout_version: String,
    }
    let mark: Mark = serde_json::from_slice(text)
        .map_err(|error| Error::invalid(format!("its `{MARK}` is bad")).with_source(error))?;
    if mark.image_layout_version.starts_with("1.") {
        return Ok(());
    }
    let version = mark.image_layout_version;
    Err(Error::invalid(format!(
        "it is a layout of version `{version}`, but only version 1 is supported"
    )))
}

fn read_small(content: &mut Reader, size: u64, name: &str, most: u64) -> Result<Vec<u8>> {
    if size > most {
        let message = format!("its `{name}` has {size} bytes, more than {most}");
        return Err(Error::new(ErrorKind::Limit, message));
    }
    let mut bytes = Vec::new();
    content.read_to_end(&mut bytes).map_err(from_io)?;
    Ok(bytes)
}
