//! Parse, run, report, exit code.

use std::process::ExitCode;

/// Helps where it matters: JSON and YAML of large documents, and every allocation of the static
/// musl build.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    chartferry::command_line(std::env::args_os())
}
