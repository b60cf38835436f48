//! The faults of a transfer, on either side of a copy from registry to registry and on both. A blob
//! is read while it is sent: no file lies between, and no upload stays open at the destination.

use super::{Bench, Kind, Payload, Row, Way, rows, run, tag, user};
use crate::support::{
    fault::{Act, Fault, FaultRegistry},
    fault_registry::{Answer, Auth, Setup},
};
use chartferry::{
    ErrorKind, Result,
    client::{Given, Intent, Options, Repository},
    oci::Digest,
    ops::{
        any_repository::AnyRepository,
        copy::{self, Report, Side},
    },
};
use std::time::Duration;

/// Two registries, of which one or both misbehave, and the clients of each.
struct Pair {
    source: FaultRegistry,
    target: FaultRegistry,
    from: Bench,
    to: Bench,
}

impl Pair {
    async fn new(source: Setup, target: Setup, change: impl Fn(&mut Options)) -> Self {
        let bench = || {
            Bench::with(|options| {
                options.keyring.given = Some(Given { credential: user(), registry: None });
                change(options);
            })
        };
        Self {
            source: FaultRegistry::start(source).await,
            target: FaultRegistry::start(target).await,
            from: bench(),
            to: bench(),
        }
    }

    async fn copy(&self) -> Result<Report> {
        let any = |repository: Repository| AnyRepository::Registry(repository);
        let (source, target) = (any(self.from.repository(&self.source)), any(self.writer()));
        let from = Side { repository: &source, name: "source" };
        let to = Side { repository: &target, name: "target" };
        let tags = ["1.0.0".parse().unwrap()];
        // One blob at a time, so that each fault meets the request that it is meant for.
        let mut options = copy::Options::default();
        options.at_once = 1;
        copy::copy(from, to, &tag("1.0.0"), &tags, &options, &|_| ()).await
    }

    fn writer(&self) -> Repository {
        self.to.repository(&self.target).with_intent(Intent::Writing)
    }

    /// The files that the clients left in their caches.
    fn files(&self) -> usize {
        let count = |bench: &Bench| walkdir(bench.cache.path());
        count(&self.from) + count(&self.to)
    }
}

fn walkdir(folder: &std::path::Path) -> usize {
    std::fs::read_dir(folder).map_or(0, |entries| {
        entries
            .map(|entry| entry.unwrap().path())
            .map(|path| if path.is_dir() { walkdir(&path) } else { 1 })
            .sum()
    })
}

fn faults(row: &Row) -> Vec<Fault> {
    let faults = row.faults.iter().cloned();
    match row.name {
        // A copy asks for the tag first, so its first POST has a token already.
        "401 on POST" => faults.map(|fault| fault.after(1)).collect(),
        _ => faults.collect(),
    }
}

fn setup(row: Option<&Row>) -> Setup {
    Setup {
        auth: row.map_or(Auth::Open, |row| row.auth),
        single_post: false,
        faults: row.map(faults).unwrap_or_default(),
        ..Setup::default()
    }
}

/// Copies a chart or a blob with the faults of these rows.
async fn copied(kind: Kind, source: Option<&Row>, target: Option<&Row>) -> Result<()> {
    let name = [source, target].map(|row| row.map_or("none", |row| row.name)).join(" and ");
    let stall = [source, target].into_iter().flatten().map(|row| row.stall).min().unwrap();
    let pair = Pair::new(setup(source), setup(target), |options| {
        options.stall = stall;
        options.headers = stall;
        options.commit = stall;
    })
    .await;
    let payload = Payload::new(kind);
    payload.hold(&pair.source);
    let report = pair.copy().await?;
    assert_eq!(report.lost, Vec::<String>::new(), "{name}");
    pair.target.with(|registry| {
        let digest = &payload.layer_of().digest;
        assert!(registry.blobs[digest.as_str()] == payload.layer, "{name}: other bytes");
        assert_eq!(registry.manifest("1.0.0").as_ref(), Some(payload.manifest.bytes()), "{name}");
        assert_eq!(registry.uploads.len(), 0, "{name}: an upload stays open");
    });
    assert_eq!(pair.files(), 0, "{name}: a file was written");
    for registry in [&pair.source, &pair.target] {
        assert!(registry.idle().is_empty(), "{name}: never happened: {:?}", registry.idle());
    }
    Ok(())
}

#[test]
fn a_copy_survives_every_fault_of_either_side() {
    let rows = rows();
    let mut failed = Vec::new();
    println!("{:45} {:6} {:6} {:6}", "fault", "side", "chart", "blob");
    for row in &rows {
        let (side, source, target) = match row.way {
            Way::Pull => ("source", Some(row), None),
            Way::Push => ("target", None, Some(row)),
        };
        let marks = [Kind::Chart, Kind::Blob].map(|kind| match run(copied(kind, source, target)) {
            Ok(()) => "pass",
            Err(error) => {
                failed.push(format!("{} ({kind:?}): {error:?}", row.name));
                "FAIL"
            }
        });
        println!("{:45} {side:6} {:6} {:6}", row.name, marks[0], marks[1]);
    }
    assert!(failed.is_empty(), "\n{}", failed.join("\n"));
}

#[test]
fn a_copy_survives_faults_of_both_sides_at_once() {
    let rows = rows();
    let (pulls, pushes): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row.way == Way::Pull);
    let mut failed = Vec::new();
    // Each fault of the source with one of the target's, and the other way round.
    let count = pulls.len().max(pushes.len());
    for number in 0..count {
        let (source, target) = (pulls[number % pulls.len()], pushes[number % pushes.len()]);
        if let Err(error) = run(copied(Kind::Blob, Some(source), Some(target))) {
            failed.push(format!("{} and {}: {error:?}", source.name, target.name));
        }
    }
    assert!(failed.is_empty(), "\n{}", failed.join("\n"));
}

#[test]
fn a_source_that_fails_for_good_cancels_the_upload() {
    run(async {
        for (faults, kind, words) in [
            (Fault::new("GET /blobs/", Act::Flip).always(), ErrorKind::Integrity, "digest"),
            (
                Fault::new("GET /blobs/", Act::Instead(Answer::error(403, "DENIED"))),
                ErrorKind::Denied,
                "fetch blob",
            ),
        ] {
            // The first request of the row with a refusal begins the blob, and breaks off.
            let begun = Fault::new("GET /blobs/", Act::ResetAt(50));
            let faults = match kind {
                ErrorKind::Denied => vec![begun, faults.always()],
                _ => vec![faults],
            };
            let source = Setup { faults, ..setup(None) };
            let pair = Pair::new(source, setup(None), |options| {
                options.stall = Duration::from_secs(20);
            })
            .await;
            let payload = Payload::new(Kind::Blob);
            payload.hold(&pair.source);
            let error = pair.copy().await.expect_err(words);
            assert_eq!(error.kind(), kind, "{error:?}");
            assert!(error.chain().contains(words), "{}", error.chain());
            pair.target.with(|registry| {
                assert_eq!(registry.uploads.len(), 0, "{words}: an upload stays open");
                let digest: &Digest = &payload.layer_of().digest;
                assert!(!registry.blobs.contains_key(digest.as_str()));
                assert_eq!(registry.manifest("1.0.0"), None);
            });
            assert_eq!(pair.files(), 0);
        }
    });
}
