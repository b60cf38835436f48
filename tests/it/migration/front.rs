//! What stands before a server: it writes down each request with its answer's status, may answer
//! itself, and tells somebody when so many have come. Requests and answers of a connection
//! alternate; nothing is pipelined.

use chartferry::client::VirtualClock;
use std::{
    fmt::Write as _,
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

/// A request, and what was answered.
#[derive(Clone, Debug)]
pub(super) struct Passed {
    /// `METHOD /path`.
    pub(super) line: String,
    /// The answer's status; 0 while there is none.
    pub(super) status: u16,
    /// The virtual time at which it came.
    pub(super) at: Duration,
}

/// Whom to call when so many requests have come since.
type Alarm = (usize, Box<dyn FnOnce() + Send>);

#[derive(Default)]
struct State {
    passed: Vec<Passed>,
    /// Every so many requests one is told to wait.
    limit: Option<usize>,
    count: usize,
    alarm: Option<Alarm>,
    lie: Option<Lie>,
}

/// How a registry behaves that is not as others.
#[derive(Clone, Debug)]
pub(super) enum Lie {
    /// It makes no repository by a push: there are those that the lines of this file end with.
    Unmade(PathBuf),
    /// It answers HEAD with 400, as GitLab does.
    Headless,
    /// It lets nobody see what this tag leads to.
    Barred(&'static str),
}

impl Lie {
    /// What a request is answered without asking the registry.
    fn answer(&self, request: &str) -> Option<String> {
        let (method, target) = request.split_once(' ')?;
        let target = target.split(' ').next()?;
        let (path, rest) = target.strip_prefix("/v2/").map(|path| {
            let kinds = ["/manifests/", "/blobs/", "/tags/"];
            let at = kinds.iter().find_map(|kind| path.find(kind)).unwrap_or(path.len());
            path.split_at(at)
        })?;
        let (status, body) = match self {
            Self::Unmade(made) => {
                let made = std::fs::read_to_string(made).unwrap_or_default();
                let made = made.lines().any(|line| line.rsplit(' ').next() == Some(path));
                let unmade = !rest.is_empty() && !made;
                let body = r#"{"errors":[{"code":"NAME_UNKNOWN","message":"the repository does not exist"}]}"#;
                unmade.then_some(("404 Not Found", body))?
            }
            Self::Headless => (method == "HEAD" && rest.starts_with("/manifests/"))
                .then_some(("400 Bad Request", ""))?,
            Self::Barred(tag) => (rest.strip_prefix("/manifests/") == Some(*tag))
                .then_some(("403 Forbidden", r#"{"errors":[{"code":"DENIED"}]}"#))?,
        };
        let mut answer = format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\n");
        let _ = write!(answer, "content-length: {}\r\n\r\n{body}", body.len());
        Some(answer)
    }
}

/// A running front.
#[derive(Clone)]
pub(super) struct Front {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    clock: VirtualClock,
}

/// How long a limited client is told to wait.
pub(super) const WINDOW: Duration = Duration::from_secs(7);

impl Front {
    pub(super) fn to(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let front = Self { address, state: Arc::default(), clock: VirtualClock::default() };
        let (server, held) = (server.to_owned(), front.clone());
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let (server, front) = (server.clone(), held.clone());
                // Either side may hang up when it likes.
                thread::spawn(move || drop(front.carry(&client, &server)));
            }
        });
        front
    }

    pub(super) fn address(&self) -> String {
        self.address.to_string()
    }

    /// The clock by which requests are written down.
    pub(super) fn clock(&self) -> VirtualClock {
        self.clock.clone()
    }

    /// Answers every `nth` request with 429 and `Retry-After`.
    pub(super) fn limit(&self, nth: usize) {
        self.state.lock().unwrap().limit = Some(nth);
    }

    /// Behaves otherwise than the registry behind it.
    pub(super) fn lie(&self, lie: Lie) {
        self.state.lock().unwrap().lie = Some(lie);
    }

    /// Calls `act` when so many more requests have come, before the last of them goes on.
    pub(super) fn after(&self, requests: usize, act: impl FnOnce() + Send + 'static) {
        self.state.lock().unwrap().alarm = Some((requests, Box::new(act)));
    }

    /// What has passed since the last call.
    pub(super) fn take(&self) -> Vec<Passed> {
        std::mem::take(&mut self.state.lock().unwrap().passed)
    }

    fn carry(&self, client: &TcpStream, server: &str) -> io::Result<()> {
        let upstream = TcpStream::connect(server)?;
        client.set_nodelay(true)?;
        upstream.set_nodelay(true)?;
        let (mut requests, mut answers) = (BufReader::new(client), BufReader::new(&upstream));
        if requests.fill_buf()?.first().is_some_and(|byte| !byte.is_ascii_uppercase()) {
            // A client that tries TLS first; no server of these tests speaks it.
            return client.shutdown(std::net::Shutdown::Both);
        }
        while let Some(request) = Message::read(&mut requests, None)? {
            let method = request.first.split(' ').next().unwrap_or_default().to_owned();
            let (at, limited) = self.note(&request.first);
            if limited {
                self.state.lock().unwrap().passed[at].status = 429;
                let wait = WINDOW.as_secs();
                write!(
                    &mut &*client,
                    "HTTP/1.1 429 Too Many Requests\r\nretry-after: {wait}\r\ncontent-length: 0\r\n\r\n"
                )?;
                continue;
            }
            let lie = self.state.lock().unwrap().lie.clone();
            if let Some(answer) = lie.and_then(|lie| lie.answer(&request.first)) {
                let status = answer[9..12].parse().unwrap();
                self.state.lock().unwrap().passed[at].status = status;
                (&mut &*client).write_all(answer.as_bytes())?;
                continue;
            }
            (&upstream).write_all(&request.bytes)?;
            let Some(answer) = Message::read(&mut answers, Some(&method))? else { return Ok(()) };
            let status = answer.first.split(' ').nth(1).and_then(|text| text.parse().ok());
            if let Some(passed) = self.state.lock().unwrap().passed.get_mut(at) {
                passed.status = status.unwrap_or(0);
            }
            (&mut &*client).write_all(&answer.bytes)?;
        }
        Ok(())
    }

    /// Writes a request down; its place in the list, and whether it is told to wait.
    fn note(&self, first: &str) -> (usize, bool) {
        let (alarm, noted) = {
            let mut state = self.state.lock().unwrap();
            let line = first.rsplit_once(' ').map_or(first, |(line, _)| line).to_owned();
            state.passed.push(Passed { line, status: 0, at: self.clock.waited() });
            state.count += 1;
            let limited = state.limit.is_some_and(|nth| state.count.is_multiple_of(nth));
            let noted = (state.passed.len() - 1, limited);
            let due = match &mut state.alarm {
                Some((left, _)) => {
                    *left = left.saturating_sub(1);
                    *left == 0
                }
                None => false,
            };
            (if due { state.alarm.take() } else { None }, noted)
        };
        if let Some((_, act)) = alarm {
            act();
        }
        noted
    }
}

/// A whole message: its first line, and all its bytes.
struct Message {
    first: String,
    bytes: Vec<u8>,
}

impl Message {
    /// Reads one; of an answer, `method` is that of its request.
    fn read(stream: &mut impl BufRead, method: Option<&str>) -> io::Result<Option<Self>> {
        let (mut bytes, mut first) = (Vec::new(), String::new());
        let (mut length, mut chunked) = (0_u64, false);
        loop {
            let start = bytes.len();
            if stream.read_until(b'\n', &mut bytes)? == 0 {
                return Ok(None);
            }
            let line = String::from_utf8_lossy(&bytes[start..]).trim_end().to_owned();
            if start == 0 {
                first = line;
                continue;
            }
            let lower = line.to_ascii_lowercase();
            if let Some(text) = lower.strip_prefix("content-length:") {
                length = text.trim().parse().map_err(io::Error::other)?;
            } else if lower.starts_with("transfer-encoding:") {
                chunked = true;
            } else if line.is_empty() {
                break;
            }
        }
        let empty = method == Some("HEAD") || first.contains(" 204 ") || first.contains(" 304 ");
        if empty {
            return Ok(Some(Self { first, bytes }));
        }
        stream.take(length).read_to_end(&mut bytes)?;
        while chunked {
            let start = bytes.len();
            stream.read_until(b'\n', &mut bytes)?;
            let line = String::from_utf8_lossy(&bytes[start..]).into_owned();
            let digits = line.trim_end().split(';').next().unwrap_or_default();
            let size = u64::from_str_radix(digits, 16).map_err(io::Error::other)?;
            stream.take(size + 2).read_to_end(&mut bytes)?;
            chunked = size > 0;
        }
        Ok(Some(Self { first, bytes }))
    }
}
