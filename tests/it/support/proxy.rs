//! A proxy that counts requests: plain TCP to one server, reading along just enough of HTTP/1.1 to
//! know where each request begins. It changes nothing and breaks nothing, except that one may die;
//! other faults are injected elsewhere.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

/// A running proxy. Its threads end with the connections they serve, the listener with the process.
pub(crate) struct Proxy {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// Starts one in front of `server`.
    pub(crate) fn to(server: &str) -> Self {
        Self::mortal(server, usize::MAX)
    }

    /// Starts one that dies after so many requests: it drops every connection and refuses all later
    /// ones.
    pub(crate) fn mortal(server: &str, requests: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let life = Arc::new(Life {
            server: server.to_owned(),
            address,
            requests,
            passed: AtomicUsize::new(0),
            clients: Mutex::default(),
        });
        let record = Arc::clone(&seen);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if life.is_over() {
                    return;
                }
                life.clients.lock().unwrap().push(client.try_clone().unwrap());
                let (life, record) = (Arc::clone(&life), Arc::clone(&record));
                thread::spawn(move || {
                    // Either side may hang up when it likes.
                    let _ = carry(&client, &life, &record);
                });
            }
        });
        Self { address, seen }
    }

    /// Its address: host and port.
    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    /// The requests since the last call, as `METHOD /path`.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }
}

/// How long a proxy lives, and what ends with it.
struct Life {
    server: String,
    address: SocketAddr,
    /// Requests before its end.
    requests: usize,
    passed: AtomicUsize,
    clients: Mutex<Vec<TcpStream>>,
}

impl Life {
    fn is_over(&self) -> bool {
        self.passed.load(Ordering::SeqCst) >= self.requests
    }

    /// Counts a request, and dies of one too many.
    fn pass(&self) -> io::Result<()> {
        if self.passed.fetch_add(1, Ordering::SeqCst) + 1 < self.requests {
            return Ok(());
        }
        // The listener ends once it has taken one more connection.
        let _ = TcpStream::connect(self.address);
        for client in self.clients.lock().unwrap().drain(..) {
            let _ = client.shutdown(std::net::Shutdown::Both);
        }
        Err(io::Error::other("dead"))
    }
}

fn carry(client: &TcpStream, life: &Life, seen: &Mutex<Vec<String>>) -> io::Result<()> {
    let upstream = TcpStream::connect(&life.server)?;
    client.set_nodelay(true)?;
    upstream.set_nodelay(true)?;
    let (mut answers, mut back) = (upstream.try_clone()?, client.try_clone()?);
    thread::spawn(move || {
        let _ = io::copy(&mut answers, &mut back);
        let _ = back.shutdown(std::net::Shutdown::Both);
    });
    let mut requests = BufReader::new(client);
    if requests.fill_buf()?.first().is_some_and(|byte| !byte.is_ascii_uppercase()) {
        // A client that tries TLS first: what the server says to that is the server's affair.
        io::copy(&mut requests, &mut &upstream)?;
        return upstream.shutdown(std::net::Shutdown::Write);
    }
    while let Some((line, head, body)) = read_head(&mut requests)? {
        seen.lock().unwrap().push(line);
        life.pass()?;
        (&upstream).write_all(&head)?;
        match body {
            Body::Length(length) => {
                io::copy(&mut (&mut requests).take(length), &mut &upstream)?;
            }
            Body::Chunked => copy_chunks(&mut requests, &upstream)?,
        }
    }
    upstream.shutdown(std::net::Shutdown::Write)
}

enum Body {
    Length(u64),
    Chunked,
}

/// One request's line without its version, its whole head, and how its body is framed.
fn read_head(requests: &mut impl BufRead) -> io::Result<Option<(String, Vec<u8>, Body)>> {
    let (mut head, mut body) = (Vec::new(), Body::Length(0));
    loop {
        let start = head.len();
        if requests.read_until(b'\n', &mut head)? == 0 {
            return Ok(None);
        }
        let line = String::from_utf8_lossy(&head[start..]).trim_end().to_ascii_lowercase();
        if let Some(length) = line.strip_prefix("content-length:") {
            body = Body::Length(length.trim().parse().map_err(io::Error::other)?);
        } else if line.starts_with("transfer-encoding:") && line.ends_with("chunked") {
            body = Body::Chunked;
        } else if line.is_empty() {
            let first = String::from_utf8_lossy(&head);
            let first = first.lines().next().unwrap_or_default();
            let first = first.rsplit_once(' ').map_or(first, |(request, _)| request);
            return Ok(Some((first.to_owned(), head, body)));
        }
    }
}

fn copy_chunks(requests: &mut impl BufRead, mut upstream: &TcpStream) -> io::Result<()> {
    loop {
        let mut line = String::new();
        requests.read_line(&mut line)?;
        let digits = line.trim_end().split(';').next().unwrap_or_default();
        let size = u64::from_str_radix(digits, 16).map_err(io::Error::other)?;
        upstream.write_all(line.as_bytes())?;
        // Each chunk ends with a line's end; so do the trailers, of which nobody sends any.
        io::copy(&mut requests.take(size + 2), &mut upstream)?;
        if size == 0 {
            return Ok(());
        }
    }
}
