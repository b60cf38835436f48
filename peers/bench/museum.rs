//! `compare museum`: many small uploads by four clients while the index is read, to
//! `chartferry serve` and to the real ChartMuseum, whose binary `$CHARTMUSEUM` names. Both keep
//! their data on the same disk; ours has every upload on it before it says so, ChartMuseum does not
//! sync. Without the binary, figures recorded earlier are printed as such.

use crate::support::daemon::Daemon;
use std::{
    env,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// Clients that upload, each on one connection.
const CLIENTS: usize = 4;
/// Versions of each chart.
const VERSIONS: usize = 50;
/// The pause between two reads of the index.
const PAUSE: Duration = Duration::from_millis(100);

/// What one server came to.
struct Measured {
    seconds: f64,
    /// Milliseconds of each upload, in the order in which they began.
    uploads: Vec<f64>,
    /// Milliseconds of each read of the index.
    reads: Vec<f64>,
    /// Milliseconds of an answer to who has the index; `None` when it is sent all the same.
    unchanged: Option<f64>,
}

/// Measures `uploads` uploads to each.
pub(crate) fn run(uploads: usize) {
    println!(
        "\nmuseum: {uploads} uploads by {CLIENTS} clients, index.yaml read every {} ms",
        PAUSE.as_millis()
    );
    let charts: Vec<Vec<u8>> = (0..uploads).map(chart).collect();
    let charts = Arc::new(charts);
    let ours = {
        let server = Daemon::chartferry(["--depth", "0", "-q"]);
        measure(server.address().parse().unwrap(), &charts)
    };
    report("chartferry", &ours);
    let Some(program) = env::var_os("CHARTMUSEUM") else {
        println!(
            "  ChartMuseum: not measured ($CHARTMUSEUM is not set); recorded on 2 cores for 5,000 uploads: 583 s, \
             9 a second and falling, median 460 ms; it knows no 304"
        );
        return;
    };
    let (_server, address, _root) = chartmuseum(Path::new(&program));
    let theirs = measure(address, &charts);
    report("ChartMuseum", &theirs);
    println!("  ratio: {:.1}x", theirs.seconds / ours.seconds);
}

fn report(name: &str, measured: &Measured) {
    let Measured { seconds, uploads, reads, unchanged } = measured;
    let hundred = 100.min(uploads.len());
    let (first, last) = (&uploads[..hundred], &uploads[uploads.len() - hundred..]);
    println!(
        "  {name}: {seconds:.1} s, {:.0} uploads a second; median {:.1} ms, 99 of 100 under {:.1}; first hundred {:.1}, last hundred {:.1}",
        uploads.len() as f64 / seconds,
        quantile(uploads, 0.5),
        quantile(uploads, 0.99),
        quantile(first, 0.5),
        quantile(last, 0.5),
    );
    let unchanged = unchanged.map_or("none".to_owned(), |time| format!("{time:.2} ms"));
    println!(
        "    {} reads of the index, median {:.1} ms; 304: {unchanged}",
        reads.len(),
        quantile(reads, 0.5)
    );
}

fn quantile(samples: &[f64], part: f64) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(((sorted.len() as f64 - 1.0) * part).round() as usize).copied().unwrap_or_default()
}

fn measure(address: SocketAddr, charts: &Arc<Vec<Vec<u8>>>) -> Measured {
    let done = Arc::new(AtomicBool::new(false));
    let reader = {
        let done = Arc::clone(&done);
        thread::spawn(move || {
            let (mut connection, mut reads) = (Connection::open(address), Vec::new());
            while !done.load(Ordering::Acquire) {
                let begun = Instant::now();
                let (status, _) = connection.ask("GET", "/index.yaml", &[], b"");
                assert_eq!(status, 200);
                reads.push(begun.elapsed().as_secs_f64() * 1e3);
                thread::sleep(PAUSE);
            }
            reads
        })
    };
    let next = Arc::new(AtomicUsize::new(0));
    let begun = Instant::now();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (next, charts) = (Arc::clone(&next), Arc::clone(charts));
            thread::spawn(move || {
                let (mut connection, mut times) = (Connection::open(address), Vec::new());
                loop {
                    let number = next.fetch_add(1, Ordering::AcqRel);
                    let Some(chart) = charts.get(number) else { return times };
                    let begun = Instant::now();
                    let (status, _) = connection.ask("POST", "/api/charts", &[], chart);
                    assert_eq!(status, 201, "upload {number}");
                    times.push((number, begun.elapsed().as_secs_f64() * 1e3));
                }
            })
        })
        .collect();
    let mut times: Vec<(usize, f64)> =
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect();
    let seconds = begun.elapsed().as_secs_f64();
    done.store(true, Ordering::Release);
    let reads = reader.join().unwrap();
    times.sort_by_key(|(number, _)| *number);
    let uploads = times.into_iter().map(|(_, time)| time).collect();
    Measured { seconds, uploads, reads, unchanged: unchanged(address) }
}

/// How long who has the index waits to hear that.
fn unchanged(address: SocketAddr) -> Option<f64> {
    let mut connection = Connection::open(address);
    let (_, etag) = connection.ask("GET", "/index.yaml", &[], b"");
    let etag = etag?;
    let times: Vec<f64> = (0..200)
        .map(|_| {
            let begun = Instant::now();
            let (status, _) =
                connection.ask("GET", "/index.yaml", &[("If-None-Match", &etag)], b"");
            assert_eq!(status, 304);
            begun.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    Some(quantile(&times, 0.5))
}

/// A connection that stays open, as a client library's does.
struct Connection {
    stream: BufReader<TcpStream>,
    address: SocketAddr,
}

impl Connection {
    fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream: BufReader::new(stream), address }
    }

    /// Sends a request, and gives the status and the ETag of the answer.
    fn ask(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> (u16, Option<String>) {
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\n",
            self.address,
            body.len()
        );
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str("\r\n");
        let mut bytes = request.into_bytes();
        bytes.extend_from_slice(body);
        self.stream.get_mut().write_all(&bytes).unwrap();
        let status = self.line().split(' ').nth(1).unwrap().parse().unwrap();
        let (mut length, mut chunked, mut etag) = (0, false, None);
        loop {
            let line = self.line();
            let Some((name, value)) = line.split_once(':') else { break };
            let value = value.trim();
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.parse().unwrap(),
                "transfer-encoding" => chunked = true,
                "etag" => etag = Some(value.to_owned()),
                _ => {}
            }
        }
        if !chunked {
            self.skip(length);
        }
        while chunked {
            let size = usize::from_str_radix(&self.line(), 16).unwrap();
            self.skip(size);
            self.line();
            chunked = size > 0;
        }
        (status, etag)
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn skip(&mut self, length: usize) {
        std::io::copy(&mut (&mut self.stream).take(length as u64), &mut std::io::sink()).unwrap();
    }
}

/// One of many small charts: the next version of one of several.
fn chart(number: usize) -> Vec<u8> {
    let (name, version) = (format!("chart-{}", number / VERSIONS), number % VERSIONS);
    let files = [
        (
            "Chart.yaml",
            format!(
                "apiVersion: v2\nname: {name}\nversion: 1.{version}.0\nappVersion: \"{number}\"\ndescription: One of many small charts\nhome: https://example.com/{name}\nkeywords: [one, of, many]\nmaintainers:\n- name: Ann\n  email: ann@example.com\n"
            ),
        ),
        ("values.yaml", "replicas: 1\nimage:\n  repository: example\n  tag: latest\n".to_owned()),
        (
            "templates/deployment.yaml",
            "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: x\n".to_owned(),
        ),
    ];
    let mut archive = tar::Builder::new(flate2::write::GzEncoder::new(
        Vec::new(),
        flate2::Compression::default(),
    ));
    for (path, text) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, format!("{name}/{path}"), text.as_bytes()).unwrap();
    }
    archive.into_inner().unwrap().finish().unwrap()
}

/// The real one, ended when dropped, on a free port over an empty folder.
fn chartmuseum(program: &Path) -> (Killed, SocketAddr, tempfile::TempDir) {
    let root = tempfile::tempdir().unwrap();
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let child = Command::new(program)
        .args(["--storage", "local", "--listen-host", "127.0.0.1"])
        .arg(format!("--port={}", address.port()))
        .arg(format!("--storage-local-rootdir={}", root.path().display()))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let server = Killed(child);
    let begun = Instant::now();
    while TcpStream::connect(address).is_err() {
        assert!(begun.elapsed() < Duration::from_secs(30), "ChartMuseum does not listen");
        thread::sleep(Duration::from_millis(20));
    }
    (server, address, root)
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        drop((self.0.kill(), self.0.wait()));
    }
}
