//! Attacks by slowness: answers that never end, though a byte comes now and then.

use crate::{
    faults::named::assert_says,
    faults::{Bench, noise, run, tag},
    support::{
        fault::{Act, Fault, FaultRegistry},
        fault_registry::Setup,
    },
};
use chartferry::{
    ErrorKind,
    oci::{Descriptor, media},
    store::{Fetch, Opened, StreamBlob, Tags},
};
use futures_util::TryStreamExt;
use std::time::Duration;

/// The client bounded silence only: a byte now and then held it for ever.
#[test]
fn a_dripped_answer_does_not_hang() {
    for what in ["/tags/list", "/_catalog", "/manifests/", "/blobs/", "/blobs/ streamed"] {
        run(async {
            let registry = FaultRegistry::start(Setup::default()).await;
            let bytes = noise(100);
            let blob = Descriptor::of("t", &bytes);
            registry.with(|registry| {
                registry.hold_manifest("1", media::MANIFEST, "{}");
                registry.hold_file(&blob.digest.to_string(), bytes.clone());
            });
            let (part, streamed) = what.split_once(' ').unwrap_or((what, ""));
            let on: &'static str = Box::leak(format!("GET {part}").into_boxed_str());
            registry.fail(Fault::new(on, Act::Drip).always());
            let bench = Bench::with(|options| {
                // No silence is too long, but no waiting is free either.
                (options.stall, options.grace) = (Duration::from_secs(1 << 20), Duration::ZERO);
            });
            let repository = bench.repository(&registry);
            let done = match part {
                "/tags/list" => repository.tags().await.map(drop),
                "/_catalog" => {
                    let host = registry.address().parse().expect("host");
                    bench.client.catalog(&host).await.map(drop)
                }
                "/manifests/" => repository.fetch_manifest(&tag("1")).await.map(drop),
                _ if streamed.is_empty() => repository.fetch_blob_file(&blob).await.map(drop),
                _ => match repository.open_blob(&blob, None).await.expect("it begins") {
                    Opened::Stream(parts) => parts.try_collect::<Vec<_>>().await.map(drop),
                    _ => panic!("elsewhere"),
                },
            };
            let error = done.expect_err(what);
            assert_says(&error, ErrorKind::Network, &["the connection stalls", "too slowly"]);
            let tries = registry.take().len();
            // What comes of a blob is kept, and each quarter of the rest grants tries anew.
            let most = if part == "/blobs/" { 200 } else { 8 };
            assert!((8..=most).contains(&tries), "{what}: {tries} tries");
        });
    }
}

/// Each byte counted as progress, which grants all tries anew.
#[test]
fn a_byte_a_connection_is_no_progress() {
    for streamed in [false, true] {
        run(async {
            let registry = FaultRegistry::start(Setup::default()).await;
            let bytes = noise(1000);
            let blob = Descriptor::of("t", &bytes);
            registry.with(|registry| registry.hold_file(&blob.digest.to_string(), bytes.clone()));
            registry.fail(Fault::new("GET /blobs/", Act::Sip(1)).always());
            let bench = Bench::new();
            let repository = bench.repository(&registry);
            let done = match streamed {
                false => repository.fetch_blob_file(&blob).await.map(drop),
                true => match repository.open_blob(&blob, None).await.expect("it begins") {
                    Opened::Stream(parts) => parts.try_collect::<Vec<_>>().await.map(drop),
                    _ => panic!("elsewhere"),
                },
            };
            let error = done.expect_err("it does not end");
            assert_says(&error, ErrorKind::Network, &["breaks off"]);
            assert_eq!(registry.take().len(), 8, "streamed: {streamed}");
        });
    }
}
