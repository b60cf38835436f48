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

/// Writes a JSON document: the bytes as they are, or indented. `-` and no path mean stdout.
pub(in crate::cli) fn write(bytes: &[u8], pretty: bool, path: Option<&Path>) -> Result<Exit> {
    let indented = match pretty {
        true => Some(indented(bytes)?),
        false => None,
    };
    let shown = indented.as_deref().unwrap_or(bytes);
    match path.filter(|path| *path != Path::new("-")) {
        Some(path) => write_file(path, |file| file.write_all(shown))?,
        None => output::print_content(shown)?,
    }
    Ok(Exit::Ok)
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
    let bytes = json::to_vec(&shown);
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
