//! Tokens of an issuer, signed with the key of `testdata/attacks`, which guards nothing else.

use crate::support::source_tree;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chartferry::server::{Anonymous, Issuer};
use ring::{rand::SystemRandom, signature};
use serde_json::{Value, json};

/// The issuer that takes these tokens.
pub(super) fn issuer(anonymous: Anonymous) -> Issuer {
    let key = source_tree("testdata/attacks/issuer.pem");
    Issuer::open("https://issuer.example/token", "charts", &key, anonymous).unwrap()
}

/// The claim that allows `actions` in each of `namespaces`.
pub(super) fn access(namespaces: &[&str], actions: &[&str]) -> Value {
    let entry =
        |name: &&str| json!({"type": "artifact-repository", "name": name, "actions": actions});
    json!({ "access": namespaces.iter().map(entry).collect::<Vec<_>>() })
}

/// A good token with those claims, as an `Authorization` header.
pub(super) fn bearer(claims: &Value) -> String {
    format!("Bearer {}", signed(&json!({"alg": "RS256", "typ": "JWT"}), claims))
}

/// A token with that header, whatever it says, signed with RS256.
pub(super) fn signed(header: &Value, claims: &Value) -> String {
    let der = std::fs::read(source_tree("testdata/attacks/issuer-key.der")).unwrap();
    let key = signature::RsaKeyPair::from_der(&der).unwrap();
    let text = unsigned(header, claims);
    let mut bytes = vec![0; key.public().modulus_len()];
    let (padding, random) = (&signature::RSA_PKCS1_SHA256, SystemRandom::new());
    key.sign(padding, &random, text.as_bytes(), &mut bytes).unwrap();
    format!("{text}.{}", BASE64_URL_SAFE_NO_PAD.encode(bytes))
}

/// The part of a token that is signed.
pub(super) fn unsigned(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", part(header), part(claims))
}
