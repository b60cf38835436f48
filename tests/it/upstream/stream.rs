//! A registry's blob passed on as it comes: whole and right, or an error before the last byte.

use crate::{
    faults::{Bench, noise, run},
    support::{
        fault::{Act, Fault, FaultRegistry},
        fault_registry::Setup,
    },
};
use chartferry::{
    ErrorKind, Result,
    client::Redirects,
    oci::Descriptor,
    store::{Opened, StreamBlob as _},
};
use futures_util::StreamExt as _;
use std::ops::RangeInclusive;

const SIZE: usize = 1_000_000;

struct Stage {
    registry: FaultRegistry,
    bench: Bench,
    blob: Descriptor,
    bytes: Vec<u8>,
}

impl Stage {
    async fn new(setup: Setup, faults: impl IntoIterator<Item = Fault>) -> Self {
        let registry = FaultRegistry::start(setup).await;
        let bytes = noise(SIZE);
        let blob = registry.with(|registry| registry.hold("t", bytes.clone()));
        faults.into_iter().for_each(|fault| registry.fail(fault));
        Self { registry, bench: Bench::new(), blob, bytes }
    }

    async fn open(&self, part: Option<RangeInclusive<u64>>) -> Result<Opened> {
        self.bench.repository(&self.registry).open_blob(&self.blob, part).await
    }

    /// Everything that came, and how it ended.
    async fn read(&self, part: Option<RangeInclusive<u64>>) -> (Vec<u8>, Result<()>) {
        let mut stream = match self.open(part).await {
            Ok(Opened::Stream(stream)) => stream,
            Ok(other) => panic!("{other:?}"),
            Err(error) => return (Vec::new(), Err(error)),
        };
        let mut bytes = Vec::new();
        while let Some(chunk) = stream.next().await {
            match chunk {
                Ok(chunk) => bytes.extend_from_slice(&chunk),
                Err(error) => return (bytes, Err(error)),
            }
        }
        (bytes, Ok(()))
    }
}

fn on(act: Act) -> Fault {
    Fault::new("GET /blobs/", act)
}

#[test]
fn what_breaks_off_goes_on_where_it_was() {
    run(async {
        for acts in [vec![], vec![Act::ResetAt(50)], vec![Act::CloseAt(10), Act::ResetAt(90)]] {
            let broken = acts.len();
            let stage = Stage::new(Setup::default(), acts.into_iter().map(on)).await;
            let (bytes, ended) = stage.read(None).await;
            ended.unwrap();
            assert!(bytes == stage.bytes, "byte for byte");
            let seen = stage.registry.take();
            assert_eq!(seen.len(), broken + 1, "{seen:?}");
            for (request, status) in &seen[1..] {
                assert!(request.header("range").is_some());
                assert!(*status == 206 || *status == 0, "{status}");
            }
        }
    });
}

#[test]
fn what_is_wrong_never_comes_whole() {
    run(async {
        for (act, kind) in [
            (Act::Flip, ErrorKind::Integrity),
            (Act::Longer(5), ErrorKind::Protocol),
            (Act::CloseAt(30), ErrorKind::Network),
        ] {
            let told = format!("{act:?}");
            let stage = Stage::new(Setup::default(), [on(act).always()]).await;
            let (bytes, ended) = stage.read(None).await;
            assert_eq!(ended.expect_err(&told).kind(), kind, "{told}");
            assert!(bytes.len() < SIZE, "{told}: {} bytes", bytes.len());
        }
        let stage = Stage::new(Setup::default(), []).await;
        let absent = Descriptor::of("t", b"another");
        let repository = stage.bench.repository(&stage.registry);
        let error = repository.open_blob(&absent, None).await.expect_err("absent");
        assert_eq!(error.kind(), ErrorKind::NotFound);
    });
}

#[test]
fn a_part_is_that_part_or_an_error() {
    run(async {
        for (part, faults) in [
            (1000..=1999, vec![]),
            (500_000..=999_999, vec![on(Act::CloseAt(50))]),
            (0..=0, vec![]),
        ] {
            for ranges in [true, false] {
                let setup = Setup { ranges, ..Setup::default() };
                let stage = Stage::new(setup, faults.clone()).await;
                let (bytes, ended) = stage.read(Some(part.clone())).await;
                ended.unwrap();
                let (start, end) = (*part.start() as usize, *part.end() as usize);
                assert!(bytes == stage.bytes[start..=end], "{part:?}, ranges {ranges}");
            }
        }
        let stage = Stage::new(Setup::default(), [on(Act::EarlierPart(10)).always()]).await;
        let (bytes, ended) = stage.read(Some(500_000..=999_999)).await;
        assert_eq!(ended.expect_err("another part").kind(), ErrorKind::Protocol);
        assert!(bytes.is_empty());
    });
}

#[test]
fn storage_elsewhere_is_followed_or_handed_over() {
    run(async {
        let stage = Stage::new(Setup::default(), [on(Act::Storage(0)).always()]).await;
        let (bytes, ended) = stage.read(None).await;
        ended.unwrap();
        assert!(bytes == stage.bytes);
        let repository = stage.bench.repository(&stage.registry);
        let opened =
            repository.with_redirects(Redirects::HandOver).open_blob(&stage.blob, None).await;
        let Ok(Opened::Elsewhere(url)) = opened else { panic!("{opened:?}") };
        assert!(url.starts_with("http://") && !url.contains(&stage.registry.address()), "{url}");
    });
}
