//! Entry point of the program: it runs the command line and returns its exit code.

use std::process::ExitCode;

/// The global allocator. It is faster for JSON and YAML of large documents, and for every
/// allocation of the static musl build.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    chartferry::command_line(std::env::args_os())
}
