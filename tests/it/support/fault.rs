//! A registry that fails as it is told: HTTP/1.1 by hand over TCP or TLS, so that connections can
//! be reset, cut, stalled and lied on at any byte. What it answers when it is not failing is in
//! [`super::fault_registry`].

use super::fault_registry::{Answer, Registry, Setup};
use bytes::{Bytes, BytesMut};
use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

/// When to fail, how often and how.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    method: &'static str,
    part: String,
    after: usize,
    times: usize,
    fired: usize,
    act: Act,
}

/// How to fail.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// Resets the connection before any answer.
    Reset,
    /// Resets it after so many bytes of the request's body.
    ResetRequest(usize),
    /// Takes no more than so many bytes of the request's body, and keeps the connection.
    StallRequest(usize),
    /// Resets it after that part of the answer's body, in percent.
    ResetAt(usize),
    /// Closes it there.
    CloseAt(usize),
    /// Falls silent there, and keeps the connection.
    StallAt(usize),
    /// Sends the answer's body byte by byte, but never its last, and keeps the connection.
    Drip,
    /// Sends that many bytes of it beyond those that were there before, and closes.
    Sip(usize),
    /// Announces so many bytes more than there are, then closes.
    Longer(usize),
    /// Flips one bit in the middle of the answer's body.
    Flip,
    /// Answers this instead, and does nothing.
    Instead(Answer),
    /// Does what was asked, and answers this all the same.
    Though(Answer),
    /// Does what was asked, with other headers; an empty value takes one away.
    Headers(Vec<(&'static str, String)>),
    /// Answers with the whole blob though a part was asked for.
    WholeForPart,
    /// The same under another ETag, as if the blob had changed.
    OtherForPart,
    /// Answers with a part that begins this much too early.
    EarlierPart(usize),
    /// All tokens given until now are worth nothing from here on.
    Revoke,
    /// All open uploads are forgotten.
    Forget,
    /// Sends the client to storage on another port, which fails so often before it works.
    Storage(usize),
}

impl Fault {
    /// `on` is a method and a part of the path, such as `GET /blobs/`. Once, unless said otherwise.
    pub(crate) fn new(on: &'static str, act: Act) -> Self {
        let (method, part) = on.split_once(' ').unwrap();
        Self { method, part: part.to_owned(), after: 0, times: 1, fired: 0, act }
    }

    /// So many times.
    pub(crate) fn times(self, times: usize) -> Self {
        Self { times, ..self }
    }

    /// Every time.
    pub(crate) fn always(self) -> Self {
        self.times(usize::MAX)
    }

    /// Not before so many fitting requests have passed.
    pub(crate) fn after(self, after: usize) -> Self {
        Self { after, ..self }
    }

    fn due(&mut self, request: &Request) -> bool {
        if self.method != request.method || !request.target.contains(&self.part) {
            return false;
        }
        if self.after > 0 {
            self.after -= 1;
            return false;
        }
        if self.times == 0 {
            return false;
        }
        self.times -= 1;
        self.fired += 1;
        true
    }
}

/// A request, and what the registry saw of it.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn path(&self) -> &str {
        let path = self.target.split('?').next().unwrap();
        // A proxy is asked for a whole address.
        match path.strip_prefix("http://") {
            Some(rest) => &rest[rest.find('/').unwrap()..],
            None => path,
        }
    }

    pub(crate) fn query(&self, name: &str) -> Option<String> {
        let (_, query) = self.target.split_once('?')?;
        url::form_urlencoded::parse(query.as_bytes())
            .find(|(own, _)| own == name)
            .map(|(_, value)| value.into_owned())
    }
}

/// A running registry. It ends with the runtime it was started on.
#[derive(Clone)]
pub(crate) struct FaultRegistry {
    address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
}

struct Shared {
    registry: Registry,
    faults: Vec<Fault>,
    seen: Vec<(Request, u16)>,
    connections: usize,
    storage_failures: usize,
}

impl FaultRegistry {
    /// Starts one behind a proxy: it is asked in plain text, and for a tunnel answers as the TLS
    /// server at its end.
    pub(crate) async fn start_proxy(setup: Setup, tls: TlsAcceptor) -> Self {
        Self::listen(setup, Front::Proxy(tls)).await
    }

    /// Starts one that speaks plain HTTP.
    pub(crate) async fn start(setup: Setup) -> Self {
        Self::listen(setup, Front::Plain).await
    }

    /// Starts one that speaks TLS with this certificate and key.
    pub(crate) async fn start_tls(setup: Setup, tls: TlsAcceptor) -> Self {
        Self::listen(setup, Front::Tls(tls)).await
    }

    async fn listen(mut setup: Setup, front: Front) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let storage = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let scheme = if matches!(front, Front::Tls(_)) { "https" } else { "http" };
        let faults = std::mem::take(&mut setup.faults);
        let registry = Registry::new(
            setup,
            format!("{scheme}://{address}"),
            format!("{scheme}://{}", storage.local_addr().unwrap()),
        );
        let shared = Arc::new(Mutex::new(Shared {
            registry,
            faults,
            seen: Vec::new(),
            connections: 0,
            storage_failures: 0,
        }));
        for listener in [listener, storage] {
            let (shared, front) = (Arc::clone(&shared), front.clone());
            tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    let (shared, front) = (Arc::clone(&shared), front.clone());
                    tokio::spawn(async move {
                        shared.lock().unwrap().connections += 1;
                        // A client may hang up when it likes.
                        let _ = serve(stream, front, &shared).await;
                    });
                }
            });
        }
        Self { address, shared }
    }

    /// Host and port.
    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    /// The registry itself, to put things in and to look at what has come.
    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut Registry) -> T) -> T {
        act(&mut self.shared.lock().unwrap().registry)
    }

    /// Adds a fault.
    pub(crate) fn fail(&self, fault: Fault) {
        self.shared.lock().unwrap().faults.push(fault);
    }

    /// Every request, as `METHOD /path?query -> status`, and forgets them. A broken answer's status
    /// is 0.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.take()
            .iter()
            .map(|(r, status)| format!("{} {} -> {status}", r.method, r.target))
            .collect()
    }

    /// Every request with its status, and forgets them.
    pub(crate) fn take(&self) -> Vec<(Request, u16)> {
        std::mem::take(&mut self.shared.lock().unwrap().seen)
    }

    /// The faults that never happened.
    pub(crate) fn idle(&self) -> Vec<String> {
        let shared = self.shared.lock().unwrap();
        shared.faults.iter().filter(|f| f.fired == 0).map(|f| format!("{:?}", f.act)).collect()
    }

    /// How many connections were made.
    pub(crate) fn connections(&self) -> usize {
        self.shared.lock().unwrap().connections
    }
}

/// How it is spoken to.
#[derive(Clone)]
enum Front {
    Plain,
    Tls(TlsAcceptor),
    Proxy(TlsAcceptor),
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    async fn read(&mut self, into: &mut BytesMut) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read_buf(into).await,
            Self::Tls(stream) => stream.read_buf(into).await,
        }
    }

    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.write_all(bytes).await,
            Self::Tls(stream) => {
                stream.write_all(bytes).await?;
                stream.flush().await
            }
        }
    }

    /// Takes nothing more until the client has gone.
    async fn hang(self) -> io::Result<()> {
        if let Self::Plain(stream) = &self {
            stream.ready(tokio::io::Interest::ERROR).await?;
        }
        Ok(())
    }

    /// Makes the coming end a reset.
    fn reset(self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.set_zero_linger(),
            Self::Tls(stream) => stream.get_ref().0.set_zero_linger(),
        }
    }
}

async fn serve(stream: TcpStream, front: Front, shared: &Mutex<Shared>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = match &front {
        Front::Plain | Front::Proxy(_) => Stream::Plain(stream),
        Front::Tls(tls) => Stream::Tls(Box::new(tls.accept(stream).await?)),
    };
    let mut buffer = BytesMut::new();
    loop {
        let Some((mut request, length)) = read_head(&mut stream, &mut buffer).await? else {
            return Ok(());
        };
        let fault = due(shared, &request);
        if let Some(Act::Reset) = fault {
            note(shared, request, 0);
            return stream.reset();
        }
        if let (Front::Proxy(tls), "CONNECT", None) = (&front, request.method.as_str(), &fault) {
            note(shared, request, 200);
            stream.write(b"HTTP/1.1 200 OK\r\n\r\n").await?;
            if let Stream::Plain(plain) = stream {
                stream = Stream::Tls(Box::new(tls.accept(plain).await?));
            }
            continue;
        }
        if let Some(Act::ResetRequest(bytes)) = fault {
            while buffer.len() < bytes && stream.read(&mut buffer).await? > 0 {}
            note(shared, request, 0);
            return stream.reset();
        }
        if let Some(Act::StallRequest(bytes)) = fault {
            while buffer.len() < bytes && stream.read(&mut buffer).await? > 0 {}
            note(shared, request, 0);
            return stream.hang().await;
        }
        while buffer.len() < length {
            if stream.read(&mut buffer).await? == 0 {
                note(shared, request, 0);
                return Ok(());
            }
        }
        request.body = buffer.split_to(length).freeze();
        let mut answer = answer(shared, &mut request, fault.as_ref());
        let head_only = request.method == "HEAD";
        let flip = matches!(fault, Some(Act::Flip));
        if flip {
            let mut body = answer.body.to_vec();
            let middle = body.len() / 2;
            body[middle] ^= 1;
            answer.body = body.into();
        }
        let announced =
            answer.body.len() + if let Some(Act::Longer(more)) = fault { more } else { 0 };
        let part = |percent: usize| &answer.body[..answer.body.len() * percent / 100];
        stream.write(&answer.head(announced)).await?;
        let status = answer.status;
        match fault {
            Some(Act::ResetAt(percent)) => {
                stream.write(part(percent)).await?;
                note(shared, request, status);
                // The client takes in what has come before it sees the reset.
                let _ = drained(&mut stream).await;
                return stream.reset();
            }
            Some(Act::CloseAt(percent)) => {
                stream.write(part(percent)).await?;
                note(shared, request, status);
                return Ok(());
            }
            Some(Act::StallAt(percent)) => {
                stream.write(part(percent)).await?;
                note(shared, request, status);
                while stream.read(&mut buffer).await? > 0 {}
                return Ok(());
            }
            Some(Act::Drip) => {
                note(shared, request, status);
                for byte in answer.body.iter().take(answer.body.len().saturating_sub(1)) {
                    stream.write(&[*byte]).await?;
                    tokio::task::yield_now().await;
                }
                while stream.read(&mut buffer).await? > 0 {}
                return Ok(());
            }
            Some(Act::Sip(bytes)) => {
                stream.write(&answer.body[..bytes.min(answer.body.len())]).await?;
                note(shared, request, status);
                return Ok(());
            }
            Some(Act::Longer(_)) => {
                stream.write(&answer.body).await?;
                note(shared, request, status);
                return Ok(());
            }
            _ => {}
        }
        note(shared, request, status);
        if !head_only {
            stream.write(&answer.body).await?;
        }
    }
}

/// Waits until the other side's system has taken what was written: a reset throws away what it has
/// not.
async fn drained(stream: &mut Stream) -> io::Result<()> {
    let Stream::Plain(stream) = stream else { return Ok(()) };
    for _ in 0..64 {
        tokio::task::yield_now().await;
        stream.writable().await?;
    }
    Ok(())
}

fn due(shared: &Mutex<Shared>, request: &Request) -> Option<Act> {
    let mut shared = shared.lock().unwrap();
    shared.faults.iter_mut().find_map(|fault| fault.due(request).then(|| fault.act.clone()))
}

fn note(shared: &Mutex<Shared>, request: Request, status: u16) {
    shared.lock().unwrap().seen.push((request, status));
}

fn answer(shared: &Mutex<Shared>, request: &mut Request, fault: Option<&Act>) -> Answer {
    let mut guard = shared.lock().unwrap();
    let shared: &mut Shared = &mut guard;
    let registry = &mut shared.registry;
    match fault {
        Some(Act::Instead(answer)) => return answer.clone(),
        Some(Act::Revoke) => registry.revoke(),
        Some(Act::Forget) => registry.forget_uploads(),
        Some(Act::WholeForPart | Act::OtherForPart) => {
            request.headers.retain(|(name, _)| name != "range");
        }
        Some(Act::Storage(failures)) => {
            shared.storage_failures = *failures;
            return registry.to_storage(request);
        }
        _ => {}
    }
    if request.path().starts_with("/storage/") && shared.storage_failures > 0 {
        shared.storage_failures -= 1;
        return Answer::new(403, "<Error><Code>AccessDenied</Code></Error>");
    }
    let mut answer = registry.answer(request);
    match fault {
        Some(Act::Though(instead)) => return instead.clone(),
        Some(Act::OtherForPart) => answer = answer.with("etag", "\"other\""),
        Some(Act::Headers(changes)) => {
            for (name, value) in changes {
                answer = answer.with(name, value);
            }
        }
        Some(Act::EarlierPart(by)) => {
            let range = request.header("range").unwrap_or("bytes=0-").to_owned();
            let start: usize = range[6..].trim_end_matches('-').parse().unwrap();
            let early = start.saturating_sub(*by);
            request.headers.retain(|(name, _)| name != "range");
            request.headers.push(("range".to_owned(), format!("bytes={early}-")));
            answer = registry.answer(request);
        }
        _ => {}
    }
    answer
}

/// The head of the next request and the length of its body; `None` when the client has hung up.
async fn read_head(
    stream: &mut Stream,
    buffer: &mut BytesMut,
) -> io::Result<Option<(Request, usize)>> {
    loop {
        if buffer.first().is_some_and(|first| !first.is_ascii_uppercase()) {
            // As Go's server and most others answer a TLS handshake.
            stream
                .write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n400 Bad Request")
                .await?;
            return Ok(None);
        }
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = buffer.split_to(end + 4);
            let text = String::from_utf8_lossy(&head);
            let mut lines = text.trim_end().split("\r\n");
            let mut first = lines.next().unwrap().split(' ');
            let method = first.next().unwrap().to_owned();
            let target = first.next().unwrap().to_owned();
            let headers: Vec<_> = lines
                .map(|line| {
                    let (name, value) = line.split_once(':').unwrap();
                    (name.to_ascii_lowercase(), value.trim().to_owned())
                })
                .collect();
            let request = Request { method, target, headers, body: Bytes::new() };
            assert_eq!(request.header("transfer-encoding"), None, "bodies have a length");
            let length = request.header("content-length").map_or(0, |l| l.parse().unwrap());
            return Ok(Some((request, length)));
        }
        if stream.read(buffer).await? == 0 {
            return Ok(None);
        }
    }
}
