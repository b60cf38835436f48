//! Documents as the registry has them, on stdout or in a file.

use crate::{
    Error, Result,
    atomic_file::write_file,
    cli::shell::{exit::Exit, output},
    json,
    oci::Descriptor,
};
use serde_json::Value;
use std::{io::Write as _, path::Path};

/// Writes a JSON document. `-` and no path mean stdout, where it may be indented. A file gets the
/// bytes as they are, since their digest is that of the document; ORAS does the same.
pub(in crate::cli) fn write(bytes: &[u8], pretty: bool, path: Option<&Path>) -> Result<Exit> {
    match path.filter(|path| !is_stdout(path)) {
        Some(path) => write_file(path, |file| file.write_all(bytes))?,
        None if pretty => output::print_content(indented(bytes)?)?,
        None => output::print_content(bytes)?,
    }
    Ok(Exit::Ok)
}

/// Refuses a descriptor on stdout beside the content itself, as ORAS does: nobody could tell where
/// one ends.
pub(super) fn refuse_both(descriptor: bool, path: Option<&Path>) -> Result<()> {
    if descriptor && path.is_some_and(is_stdout) {
        return Err(Error::usage("the descriptor and the content cannot both go to stdout")
            .with_hint("name a file to write the content to"));
    }
    Ok(())
}

pub(super) fn is_stdout(path: &Path) -> bool {
    path == Path::new("-")
}

fn indented(bytes: &[u8]) -> Result<Vec<u8>> {
    let value: Value = serde_json::from_slice(bytes)
        .map_err(|error| Error::invalid("the content is not JSON").with_source(error))?;
    let mut out = json::to_vec_indented(&value);
    out.push(b'\n');
    Ok(out)
}

/// Prints a descriptor with its type, digest and size, and its platform and artifact type if it has
/// them.
pub(in crate::cli) fn print_descriptor(descriptor: &Descriptor, pretty: bool) -> Result<()> {
    let shown = Descriptor {
        platform: descriptor.platform.clone(),
        artifact_type: descriptor.artifact_type.clone(),
        ..Descriptor::new(&descriptor.media_type, descriptor.digest.clone(), descriptor.size)
    };
    print_whole(&shown, pretty)
}

/// Prints a descriptor with all its fields.
pub(super) fn print_whole(descriptor: &Descriptor, pretty: bool) -> Result<()> {
    let bytes = json::to_vec(descriptor);
    output::print_content(if pretty { indented(&bytes)? } else { bytes })
}

/// Returns a value with the keys of its mappings in byte order, as Go writes a map.
pub(in crate::cli) fn sorted(value: Value) -> Value {
    match value {
        Value::Array(all) => Value::Array(all.into_iter().map(sorted).collect()),
        Value::Object(fields) => {
            let mut fields: Vec<(String, Value)> =
                fields.into_iter().map(|(key, value)| (key, sorted(value))).collect();
            fields.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(fields.into_iter().collect())
        }
        other => other,
    }
}
