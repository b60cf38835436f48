//! An image layout in one tar file, as `docker save`, skopeo's `oci-archive` and ORAS know it. It
//! is unpacked to a folder to be used, and packed again after changes.

use crate::{Error, ErrorKind, Result, atomic_file::write_file, oci::Digest};
use std::{
    fs::{self, File},
    io::{self, BufReader, BufWriter, Write},
    path::{Component, Path, PathBuf},
};

/// The folder of the blobs.
const BLOBS: &str = "blobs";
/// The files of a layout beside its blobs, in the order in which they are packed.
const FILES: [&str; 2] = ["oci-layout", "index.json"];

/// Unpacks the files of a layout from `file` into `folder`. Other entries are passed over, such as
/// the `manifest.json` of Docker. A reader of the layout checks each blob against its digest.
///
/// # Errors
/// `Io`; `Invalid` for a file that is no tar, or has no layout in it.
pub fn unpack(file: &Path, folder: &Path) -> Result<()> {
    let open = File::open(file).map_err(|error| Error::input("open archive", file, error))?;
    let mut archive = tar::Archive::new(BufReader::new(open));
    let bad = |error: io::Error| {
        let message = format!("`{}` is no tar file of an image layout", file.display());
        Error::new(ErrorKind::Invalid, message).with_source(error)
    };
    let mut found = 0;
    for entry in archive.entries().map_err(bad)? {
        let mut entry = entry.map_err(bad)?;
        if entry.header().entry_type() != tar::EntryType::Regular {
            continue;
        }
        let Some(name) = place(&entry.path().map_err(bad)?) else { continue };
        found += usize::from(FILES.iter().any(|known| Path::new(known) == name));
        let path = folder.join(&name);
        let fail = |error| Error::io("write", &path, error);
        fs::create_dir_all(path.parent().unwrap_or(folder)).map_err(fail)?;
        let mut out = File::create(&path).map_err(fail)?;
        io::copy(&mut entry, &mut out).map_err(bad)?;
    }
    if found < FILES.len() {
        let message = format!("`{}` has no image layout in it", file.display());
        return Err(Error::new(ErrorKind::Invalid, message)
            .with_hint("a layout has the files `oci-layout` and `index.json`"));
    }
    Ok(())
}

/// Returns the place of a file of a layout, or `None` for any other path.
fn place(path: &Path) -> Option<PathBuf> {
    let mut parts = Vec::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::Normal(part) => parts.push(part.to_str()?),
            Component::Prefix(_) | Component::RootDir | Component::ParentDir => return None,
        }
    }
    match parts.as_slice() {
        [file] if FILES.contains(file) => Some(PathBuf::from(file)),
        [BLOBS, algorithm, hex] => {
            let digest: Digest = format!("{algorithm}:{hex}").parse().ok()?;
            Some([BLOBS, digest.algorithm().as_str(), digest.hex()].iter().collect())
        }
        _ => None,
    }
}

/// Packs the layout in `folder` into `file`, which is replaced when it is whole. Equal layouts make
/// equal bytes.
///
/// # Errors
/// `Io`.
pub fn pack(folder: &Path, file: &Path) -> Result<()> {
    let mut names: Vec<PathBuf> = FILES.iter().map(PathBuf::from).collect();
    for algorithm in sorted(&folder.join(BLOBS))? {
        for hex in sorted(&folder.join(BLOBS).join(&algorithm))? {
            let name = Path::new(BLOBS).join(&algorithm).join(hex);
            // A writer that was killed leaves files with other names.
            names.extend(place(&name));
        }
    }
    write_file(file, |out| {
        let mut builder = tar::Builder::new(BufWriter::new(out));
        for name in &names {
            let content = File::open(folder.join(name))?;
            let mut header = tar::Header::new_ustar();
            header.set_size(content.metadata()?.len());
            header.set_mode(0o644);
            builder.append_data(&mut header, name, content)?;
        }
        builder.into_inner()?.flush()
    })
}

/// Returns the names in a folder, sorted. A folder that does not exist has none.
fn sorted(folder: &Path) -> Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io("read folder", folder, error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| Error::io("read folder", folder, error))?;
        names.extend(entry.file_name().into_string());
    }
    names.sort_unstable();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(folder: &Path) -> Digest {
        let digest = Digest::sha256(b"blob");
        let blobs = folder.join("blobs/sha256");
        fs::create_dir_all(&blobs).expect("folder");
        fs::write(folder.join("oci-layout"), "{}").expect("file");
        fs::write(folder.join("index.json"), "{}").expect("file");
        fs::write(blobs.join(digest.hex()), "blob").expect("file");
        fs::write(blobs.join("unfinished"), "x").expect("file");
        digest
    }

    #[test]
    fn a_packed_layout_is_unpacked_as_it_was() {
        let (one, two) = (tempfile::tempdir().expect("one"), tempfile::tempdir().expect("two"));
        let digest = layout(one.path());
        let file = two.path().join("x.tar");
        pack(one.path(), &file).expect("packed");
        let first = fs::read(&file).expect("tar");
        unpack(&file, two.path()).expect("unpacked");
        let blob = two.path().join("blobs/sha256").join(digest.hex());
        assert_eq!(fs::read(blob).expect("blob"), b"blob");
        assert!(!two.path().join("blobs/sha256/unfinished").exists());
        pack(two.path(), &file).expect("packed again");
        assert_eq!(fs::read(&file).expect("tar"), first);
    }

    #[test]
    fn other_paths_are_passed_over() {
        for (path, expected) in [
            ("./index.json", Some("index.json")),
            ("manifest.json", None),
            ("../index.json", None),
            ("/index.json", None),
            ("blobs/sha256/abc", None),
            ("blobs/../../x", None),
        ] {
            assert_eq!(place(Path::new(path)), expected.map(PathBuf::from), "{path}");
        }
    }

    #[test]
    fn what_is_no_layout_is_refused() {
        let folder = tempfile::tempdir().expect("folder");
        let file = folder.path().join("x.tar");
        fs::write(&file, "no tar at all, but longer than a header has to be".repeat(20))
            .expect("file");
        let error = unpack(&file, folder.path()).expect_err("no tar");
        assert_eq!(error.kind(), ErrorKind::Invalid);
        tar::Builder::new(File::create(&file).expect("file")).finish().expect("an empty tar");
        let error = unpack(&file, folder.path()).expect_err("no layout");
        assert!(error.message().contains("no image layout"), "{error}");
    }
}
