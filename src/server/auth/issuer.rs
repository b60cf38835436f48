//! Tokens of another issuer, as in ChartMuseum: JSON web tokens signed with RS256. Their claims
//! contain the allowed actions for each namespace; [`ActionsPath`] finds them.
//! [`crate::server::Access`] decides which clients a server accepts.

use super::{
    Anonymous,
    actions::{ActionsPath, ENTRY_TYPE},
};
use crate::{Error, Result};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use rustls_pki_types::{CertificateDer, SubjectPublicKeyInfoDer, pem::PemObject};
use serde::Deserialize;
use serde_json::Value;
use std::{
    fs::File,
    io::Read,
    path::Path,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

/// Maximum size in bytes of a file with a key or a certificate.
const MAX_KEY_FILE: u64 = 1024 * 1024;
/// Maximum length of a token in characters.
const MAX_TOKEN: usize = 64 * 1024;
/// Name of the root namespace in a token.
const ROOT: &str = "repo";

/// Signer of the tokens, and the address that issues them. All clones share one state.
#[derive(Clone)]
pub struct Issuer(Arc<Inner>);

struct Inner {
    realm: String,
    service: String,
    key: UnparsedPublicKey<Vec<u8>>,
    anonymous: Anonymous,
    actions: ActionsPath,
}

impl std::fmt::Debug for Issuer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Issuer").field(&self.0.realm).finish()
    }
}

/// First part of a token.
#[derive(Deserialize)]
struct Header {
    alg: String,
}

/// Validity times of a token. Another type reads the actions that the token allows.
#[derive(Deserialize)]
struct Times {
    exp: Option<f64>,
    nbf: Option<f64>,
    iat: Option<f64>,
}

impl Issuer {
    /// Makes an issuer from a PEM file with its public key or certificate.
    ///
    /// # Errors
    /// `Io`, or `Invalid` if the file holds neither an RSA key nor a certificate with one.
    pub fn open(
        realm: impl Into<String>,
        service: impl Into<String>,
        key: &Path,
        anonymous: Anonymous,
    ) -> Result<Self> {
        let mut pem = Vec::new();
        File::open(key)
            .and_then(|file| file.take(MAX_KEY_FILE).read_to_end(&mut pem))
            .map_err(|error| Error::io("read key", key, error))?;
        let modulus = public_key(&pem).ok_or_else(|| {
            Error::invalid(format!("`{}` holds no RSA public key", key.display()))
                .with_hint("it must be PEM: `BEGIN PUBLIC KEY` or `BEGIN CERTIFICATE`")
        })?;
        let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, modulus);
        let (realm, service) = (realm.into(), service.into());
        let actions = ActionsPath::default();
        Ok(Self(Arc::new(Inner { realm, service, key, anonymous, actions })))
    }

    /// Returns the same issuer with another path to the actions in its tokens.
    #[must_use]
    pub fn with_actions(self, actions: ActionsPath) -> Self {
        let Inner { realm, service, key, anonymous, .. } = &*self.0;
        let (realm, service, key) = (realm.clone(), service.clone(), key.clone());
        Self(Arc::new(Inner { realm, service, key, anonymous: *anonymous, actions }))
    }

    /// Returns true if an `Authorization` header allows `action` in `namespace`. Without an action,
    /// any valid token suffices.
    pub(crate) fn allows(
        &self,
        authorization: Option<&str>,
        namespace: &str,
        action: Option<&str>,
    ) -> bool {
        if self.0.anonymous == Anonymous::MayPull && action.is_none_or(|action| action == "pull") {
            return true;
        }
        let Some(claims) = authorization.and_then(|header| self.claims(header)) else {
            return false;
        };
        let Some(action) = action else { return true };
        self.grants(&claims, namespace, action)
    }

    /// Returns the claims of an `Authorization` header.
    pub(crate) fn reader(&self, authorization: Option<&str>) -> Claims {
        let claims = authorization.and_then(|header| self.claims(header));
        Claims { issuer: self.clone(), claims }
    }

    /// Returns true if claims allow `action` in `namespace`. No token can name the namespace
    /// `repo`, because that name means the root. As in ChartMuseum, a token for either allows both.
    fn grants(&self, claims: &Value, namespace: &str, action: &str) -> bool {
        namespace != ROOT && self.0.actions.allows(claims, named(namespace), action)
    }

    /// Returns the challenge: the address that issues tokens, and the scope to ask for.
    pub(crate) fn challenge(&self, namespace: &str, action: &str) -> String {
        let Inner { realm, service, .. } = &*self.0;
        let namespace = named(namespace);
        format!(
            "Bearer realm=\"{realm}\",service=\"{service}\",scope=\"{ENTRY_TYPE}:{namespace}:{action}\""
        )
    }

    /// Returns the claims of a token, if the issuer signed it and it is valid now.
    fn claims(&self, authorization: &str) -> Option<Value> {
        if authorization.len() > MAX_TOKEN {
            return None;
        }
        // ChartMuseum also accepts a token without its scheme, and some scripts send it so.
        let token = match authorization.get(..7) {
            Some(scheme) if scheme.eq_ignore_ascii_case("bearer ") => &authorization[7..],
            _ => authorization,
        };
        let (signed, signature) = token.trim().rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let header: Header = part(header)?;
        if header.alg != "RS256" {
            return None;
        }
        let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).ok()?;
        self.0.key.verify(signed.as_bytes(), &signature).ok()?;
        let claims: Value = part(claims)?;
        let times = Times::deserialize(&claims).ok()?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs_f64();
        let good = times.exp.is_none_or(|end| now < end)
            && times.nbf.is_none_or(|start| now >= start)
            && times.iat.is_none_or(|made| now >= made);
        good.then_some(claims)
    }
}

/// Claims of a token, to check against many namespaces.
#[derive(Debug)]
pub(crate) struct Claims {
    issuer: Issuer,
    /// Claims of a valid token. `None` means that there is none.
    claims: Option<Value>,
}

impl Claims {
    pub(crate) fn allow(&self, namespace: &str, action: &str) -> bool {
        let reads = action == "pull" && self.issuer.0.anonymous == Anonymous::MayPull;
        let granted = |claims| self.issuer.grants(claims, namespace, action);
        reads || self.claims.as_ref().is_some_and(granted)
    }
}

fn named(namespace: &str) -> &str {
    if namespace.is_empty() { ROOT } else { namespace }
}

fn part<T: serde::de::DeserializeOwned>(text: &str) -> Option<T> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// Returns the RSA key of a PEM file in the form of `ring`: modulus and exponent (RFC 8017, A.1.1).
fn public_key(pem: &[u8]) -> Option<Vec<u8>> {
    if let Ok(key) = SubjectPublicKeyInfoDer::from_pem_slice(pem) {
        return rsa_key(&key);
    }
    let certificate = CertificateDer::from_pem_slice(pem).ok()?;
    // Certificate ::= SEQUENCE { tbs SEQUENCE { [0] version, serial, algorithm, issuer, validity,
    // subject, key, … } … }
    let (_, outer, _) = der(&certificate)?;
    let (_, mut tbs, _) = der(outer)?;
    let (tag, _, rest) = der(tbs)?;
    if tag == 0xa0 {
        tbs = rest;
    }
    for _ in 0..5 {
        tbs = der(tbs)?.2;
    }
    let (_, _, rest) = der(tbs)?;
    rsa_key(&tbs[..tbs.len() - rest.len()])
}

/// Returns the bit string of `SubjectPublicKeyInfo ::= SEQUENCE { algorithm, BIT STRING }`, if the
/// algorithm is rsaEncryption.
fn rsa_key(info: &[u8]) -> Option<Vec<u8>> {
    const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
    let (0x30, inner, _) = der(info)? else { return None };
    let (0x30, algorithm, rest) = der(inner)? else { return None };
    let (0x06, RSA, _) = der(algorithm)? else { return None };
    let (0x03, bits, _) = der(rest)? else { return None };
    bits.strip_prefix(&[0]).map(<[u8]>::to_vec)
}

/// Splits DER after its first element: tag, content, and the rest.
fn der(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x83 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first - 0x80))?;
            (digits.iter().fold(0, |sum, digit| sum << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixture(name: &str) -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/chartmuseum/fixtures").join(name)
    }

    #[test]
    fn keys_and_certificates_hold_the_same_key() {
        let read = |name| std::fs::read(fixture(name)).expect(name);
        let key = public_key(&read("issuer.pem")).expect("key");
        assert_eq!(public_key(&read("issuer-cert.pem")), Some(key));
        assert_eq!(public_key(&read("text.txt")), None);
    }

    #[test]
    fn the_challenge_names_the_root_repo() {
        let issuer = Issuer::open("https://a/t", "s", &fixture("issuer.pem"), Anonymous::Refused)
            .expect("issuer");
        assert_eq!(
            issuer.challenge("", "pull"),
            "Bearer realm=\"https://a/t\",service=\"s\",scope=\"artifact-repository:repo:pull\""
        );
        assert!(issuer.challenge("a/b", "push").ends_with("artifact-repository:a/b:push\""));
    }

    #[test]
    fn nobody_is_let_in_by_junk() {
        let issuer =
            Issuer::open("r", "s", &fixture("issuer.pem"), Anonymous::Refused).expect("issuer");
        for header in [
            None,
            Some(""),
            Some("Bearer"),
            Some("Bearer a.b.c"),
            Some("Bearer eyJhbGciOiJub25lIn0.e30."),
        ] {
            assert!(!issuer.allows(header, "", Some("pull")), "{header:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_no_key_or_one(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..64)) {
            let _ = rsa_key(&bytes);
        }
    }
}
