//! Certificates and keys in PEM files. A certificate that cannot be read does not affect the others
//! of its file.

use crate::{Error, ErrorKind, Result, limits::PEM_BYTES};
use rustls::{
    RootCertStore,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
};
use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";
/// Byte order mark, which some editors put before a text.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// Reads the certificates of a file. The function calls `skip` for each that cannot be read.
///
/// # Errors
/// `NotFound` or `Io` for a file that cannot be read, `Limit` for one that is too long, `Usage` if
/// no certificate of the file can be used.
pub(crate) fn certificates(
    path: &Path,
    skip: &dyn Fn(String),
) -> Result<Vec<CertificateDer<'static>>> {
    let text = read(path, "certificates")?;
    let (mut good, mut bad) = (Vec::new(), 0_usize);
    for section in sections(&text) {
        match CertificateDer::from_pem_slice(section) {
            // A certificate that rustls cannot parse invalidates the whole set of roots on some
            // systems.
            Ok(one) if RootCertStore::empty().add(one.clone()).is_ok() => good.push(one),
            _ => bad += 1,
        }
    }
    let path = path.display();
    match (good.is_empty(), bad) {
        (true, 0) => Err(Error::usage(format!("`{path}` holds no certificate in PEM"))),
        (true, _) => Err(Error::usage(format!("`{path}` holds no readable certificate"))),
        (false, 0) => Ok(good),
        (false, _) => {
            skip(format!("`{path}`: {bad} of {} certificates cannot be read", good.len() + bad));
            Ok(good)
        }
    }
}

/// Reads the private key of a file.
///
/// # Errors
/// As [`certificates`].
pub(crate) fn key(path: &Path) -> Result<PrivateKeyDer<'static>> {
    let text = read(path, "private key")?;
    PrivateKeyDer::from_pem_slice(text.strip_prefix(MARK).unwrap_or(&text)).map_err(|error| {
        let message = format!("cannot read private key `{}`", path.display());
        match error {
            pem::Error::NoItemsFound => {
                Error::usage(format!("`{}` holds no private key in PEM", path.display()))
            }
            error => Error::usage(message).with_source(error),
        }
    })
}

/// Splits the text at the first line of each certificate.
fn sections(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let starts: Vec<usize> = text
        .windows(BEGIN.len())
        .enumerate()
        .filter(|(_, window)| *window == BEGIN)
        .map(|(at, _)| at)
        .collect();
    let ends = starts.clone().into_iter().skip(1).chain([text.len()]);
    starts.into_iter().zip(ends).map(|(start, end)| &text[start..end])
}

fn read(path: &Path, what: &str) -> Result<Vec<u8>> {
    let failed = |error: io::Error| {
        let kind = match error.kind() {
            io::ErrorKind::NotFound => ErrorKind::NotFound,
            _ => ErrorKind::Io,
        };
        Error::new(kind, format!("cannot read {what} `{}`", path.display())).with_source(error)
    };
    let mut text = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(PEM_BYTES + 1).read_to_end(&mut text).map_err(failed)?;
    if text.len() as u64 > PEM_BYTES {
        let message = format!("`{}` is longer than {PEM_BYTES} bytes", path.display());
        return Err(Error::new(ErrorKind::Limit, message));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    fn pem() -> String {
        let key = rcgen::KeyPair::generate().expect("key");
        let names = vec!["r.example".to_owned()];
        let made = rcgen::CertificateParams::new(names).expect("names").self_signed(&key);
        made.expect("certificate").pem()
    }

    #[test]
    fn what_can_be_read_of_a_bundle_is_used() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("ca.pem");
        let good = pem();
        let bad = "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n";
        let empty = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let cut = &good[..good.len() / 2];
        for (text, count, skipped) in [
            (good.clone(), 1, ""),
            (format!("\u{feff}{good}"), 1, ""),
            (format!("# a comment\r\n{}", good.replace('\n', "\r\n")), 1, ""),
            (format!("{bad}{good}"), 1, "1 of 2"),
            (format!("{good}{bad}{empty}{}", pem()), 2, "2 of 4"),
            (format!("{cut}\n{good}"), 1, "1 of 2"),
        ] {
            std::fs::write(&path, &text).expect("file");
            let told = RefCell::new(String::new());
            let list = certificates(&path, &|line| told.borrow_mut().push_str(&line));
            assert_eq!(list.expect(&text).len(), count, "{text}");
            let told = told.into_inner();
            assert_eq!(told.is_empty(), skipped.is_empty(), "{told}");
            assert!(told.contains(skipped) && (told.is_empty() || told.contains("ca.pem")));
        }
        for (text, words) in [("", "no certificate in PEM"), (bad, "no readable certificate")] {
            std::fs::write(&path, text).expect("file");
            let error = certificates(&path, &|_| {}).expect_err(text);
            assert!(error.kind() == ErrorKind::Usage && error.message().contains(words), "{error}");
        }
        let error = certificates(&folder.path().join("gone"), &|_| {}).expect_err("gone");
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }
}
