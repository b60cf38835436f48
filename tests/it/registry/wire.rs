//! HTTP by hand: one request a connection, written as given and read to its end, so that a test
//! sees exactly what was said and can say what no client library would.

use serde_json::Value;
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// An answer, whole.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// Asserts its status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self}");
        self
    }

    /// Asserts its status and the code of its error.
    #[track_caller]
    pub(crate) fn refused(self, status: u16, code: &str) -> Self {
        let answer = self.expect(status);
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.json()["errors"][0]["code"], code, "{answer}");
        answer
    }

    /// Asserts a header's value.
    #[track_caller]
    pub(crate) fn has(self, name: &str, value: &str) -> Self {
        assert_eq!(self.header(name), Some(value), "{name} of {self}");
        self
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value.as_str())
    }

    /// Where it sends the client; always a path here.
    #[track_caller]
    pub(crate) fn location(&self) -> String {
        let location = self.header("location").unwrap_or_else(|| panic!("no location: {self}"));
        assert!(location.starts_with("/v2/"), "{self}");
        location.to_owned()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self}"))
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let body = String::from_utf8_lossy(&self.body[..self.body.len().min(500)]);
        write!(f, "{} {:?} {body}", self.status, self.headers)
    }
}

/// Sends a request with a body of known length and reads the answer.
#[track_caller]
pub(crate) fn send(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Answer {
    let mut stream = open(address, method, path, headers, body.len());
    // A server that refuses may close before it has read all; its answer is what counts.
    let _ = stream.write_all(body);
    read(stream, method)
}

/// Sends the head of a request, for a body of `length` bytes that is the caller's to send.
#[track_caller]
pub(crate) fn open(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    length: usize,
) -> TcpStream {
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    if length > 0 || matches!(method, "POST" | "PUT" | "PATCH") {
        head.push_str(&format!("Content-Length: {length}\r\n"));
    }
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    raw(address, head.as_bytes())
}

/// Sends whatever bytes and leaves the connection open.
#[track_caller]
pub(crate) fn raw(address: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    // A bound for a server that hangs; nothing waits it out.
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream.write_all(bytes).unwrap();
    stream
}

/// Reads an answer to the end of its connection, and checks that it is as long as it says.
#[track_caller]
pub(crate) fn read(mut stream: impl Read, method: &str) -> Answer {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
    let end = end.unwrap_or_else(|| panic!("no answer: {:?}", String::from_utf8_lossy(&bytes)));
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines
        .map(|line| line.split_once(':').unwrap())
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect();
    let answer = Answer { status, headers, body: bytes[end + 4..].to_vec() };
    if method == "HEAD" || status == 204 || status == 304 {
        assert_eq!(answer.body, b"", "{answer}");
    } else {
        let length = answer.header("content-length").map(|length| length.parse().unwrap());
        assert_eq!(length, Some(answer.body.len()), "{answer}");
    }
    answer
}

/// Gives what one tag of a repository leads to another tag too, as `crane tag` does; gives its
/// manifest.
#[track_caller]
pub(crate) fn retag(address: &str, repository: &str, from: &str, to: &str) -> Vec<u8> {
    let address = address.parse().unwrap();
    let path = |tag: &str| format!("/v2/{repository}/manifests/{tag}");
    let found = send(address, "GET", &path(from), &[("Accept", "*/*")], b"").expect(200);
    let kind = found.header("content-type").unwrap().to_owned();
    send(address, "PUT", &path(to), &[("Content-Type", &kind)], &found.body).expect(201);
    found.body
}

/// Puts an image index with nothing in it but what a tag leads to under another tag; gives the
/// digest of the former.
#[track_caller]
pub(crate) fn index(address: &str, repository: &str, of: &str, tag: &str) -> String {
    let address = address.parse().unwrap();
    let path = |tag: &str| format!("/v2/{repository}/manifests/{tag}");
    let found = send(address, "GET", &path(of), &[("Accept", "*/*")], b"").expect(200);
    let digest = found.header("docker-content-digest").unwrap().to_owned();
    let kind = "application/vnd.oci.image.index.v1+json";
    let index = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": kind,
        "manifests": [{
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": digest,
            "size": found.body.len(),
        }],
    });
    let index = index.to_string();
    send(address, "PUT", &path(tag), &[("Content-Type", kind)], index.as_bytes()).expect(201);
    digest
}

/// Removes a tag.
#[track_caller]
pub(crate) fn untag(address: &str, repository: &str, tag: &str) {
    let path = format!("/v2/{repository}/manifests/{tag}");
    send(address.parse().unwrap(), "DELETE", &path, &[], b"").expect(202);
}
