# `just` lists the recipes; each is one line that works without just, too.

default:
    @just --list

# what CI runs
ci:
    .ci/run

# the tests that need nothing but Rust
test:
    cargo test

# a round trip through an embedded registry
tour:
    cargo run --release -- tour

# the real tools of others, and the tests against them
peers:
    peers/install
    cargo test --test it -- --ignored

# helm and chartferry in turn, with the ratio: package, show, push, pull, start or all
compare *ARGS:
    peers/compare {{ARGS}}

# our own parts, each by itself
bench *ARGS:
    cargo bench --bench archive -- {{ARGS}}

# licences, bans, sources and advisories of what we depend on
deny:
    cargo deny check
