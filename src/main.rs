//! The `ringway` program: a global allocator, and the command line.

/// Handshakes allocate and free in bursts; mimalloc gives memory back after one, and is quicker in it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    ringway::cli::run()
}
