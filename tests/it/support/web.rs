//! A web server for classic repositories: files in memory, validators, basic credentials,
//! redirects, and every request written down. Blocking, a thread a connection, so that programs can
//! be run against it.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

/// A request as it came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

/// What lies at a path.
#[derive(Clone, Debug)]
pub(crate) enum File {
    /// These bytes.
    Bytes(Vec<u8>),
    /// These bytes, under an ETag that is asked for again.
    Tagged(&'static str, Vec<u8>),
    /// These bytes, with headers.
    With(Vec<(&'static str, String)>, Vec<u8>),
    /// Elsewhere.
    Redirect(String),
    /// This status.
    Status(u16, &'static str),
    /// This status, with headers and a body.
    Answer(u16, Vec<(&'static str, String)>, Vec<u8>),
}

#[derive(Default)]
struct State {
    files: BTreeMap<String, File>,
    /// The credentials that are wanted, as the header has them.
    wanted: Option<String>,
    seen: Vec<Seen>,
}

/// A running server. It goes on until the process ends; it holds nothing that matters.
#[derive(Clone)]
pub(crate) struct Web {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Web {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state: Arc<Mutex<State>> = Arc::default();
        let held = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let state = Arc::clone(&held);
                thread::spawn(move || serve(stream, &state));
            }
        });
        Self { address, state }
    }

    /// `127.0.0.1:PORT`
    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    /// `http://127.0.0.1:PORT`
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Puts something at a path.
    pub(crate) fn put(&self, path: &str, file: File) -> &Self {
        self.state.lock().unwrap().files.insert(path.to_owned(), file);
        self
    }

    /// Puts bytes at a path.
    pub(crate) fn file(&self, path: &str, bytes: impl Into<Vec<u8>>) -> &Self {
        self.put(path, File::Bytes(bytes.into()))
    }

    /// Whose requests are answered; `Basic …` or a token.
    pub(crate) fn want(&self, header: &str) -> &Self {
        self.state.lock().unwrap().wanted = Some(header.to_owned());
        self
    }

    /// The requests since the last call.
    pub(crate) fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut self.state.lock().unwrap().seen)
    }

    /// The same as `METHOD TARGET`.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.take().iter().map(|seen| format!("{} {}", seen.method, seen.target)).collect()
    }
}

fn serve(stream: TcpStream, state: &Mutex<State>) {
    let mut writer = stream.try_clone().unwrap();
    let mut reader = BufReader::new(stream);
    while let Some(seen) = read(&mut reader) {
        let (status, headers, body) = {
            let mut state = state.lock().unwrap();
            let answer = answer(&state, &seen);
            state.seen.push(seen.clone());
            answer
        };
        let mut text = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n", body.len());
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str("\r\n");
        let mut bytes = text.into_bytes();
        if seen.method != "HEAD" {
            bytes.extend_from_slice(&body);
        }
        if writer.write_all(&bytes).is_err() {
            return;
        }
    }
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Seen> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let mut words = line.split(' ');
    let mut seen = Seen {
        method: words.next()?.to_owned(),
        target: words.next()?.to_owned(),
        ..Seen::default()
    };
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        seen.headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = seen.header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    if length > 0 {
        seen.body = vec![0; length];
        reader.read_exact(&mut seen.body).ok()?;
    } else if seen.header("transfer-encoding") == Some("chunked") {
        seen.body = chunks(reader)?;
    }
    Some(seen)
}

fn chunks(reader: &mut BufReader<TcpStream>) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let length = usize::from_str_radix(line.trim(), 16).ok()?;
        let mut chunk = vec![0; length + 2];
        reader.read_exact(&mut chunk).ok()?;
        if length == 0 {
            return Some(body);
        }
        body.extend_from_slice(&chunk[..length]);
    }
}

type Answer = (u16, Vec<(&'static str, String)>, Vec<u8>);

fn answer(state: &State, seen: &Seen) -> Answer {
    if let Some(wanted) = &state.wanted
        && seen.header("authorization") != Some(wanted)
    {
        return (401, Vec::new(), b"no".to_vec());
    }
    let path = seen.target.split('?').next().unwrap();
    match state.files.get(path) {
        None => (404, Vec::new(), b"gone".to_vec()),
        Some(File::Bytes(bytes)) => (200, Vec::new(), bytes.clone()),
        Some(File::Tagged(tag, _)) if seen.header("if-none-match") == Some(tag) => {
            (304, Vec::new(), Vec::new())
        }
        Some(File::Tagged(tag, bytes)) => (200, vec![("etag", (*tag).to_owned())], bytes.clone()),
        Some(File::With(headers, bytes)) => (200, headers.clone(), bytes.clone()),
        Some(File::Redirect(to)) => (302, vec![("location", to.clone())], Vec::new()),
        Some(File::Status(status, text)) => (*status, Vec::new(), text.as_bytes().to_vec()),
        Some(File::Answer(status, headers, body)) => (*status, headers.clone(), body.clone()),
    }
}
