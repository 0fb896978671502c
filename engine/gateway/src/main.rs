//! The `wasmill` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    wasmill::allocator::tune();
    wasmill::cli::main(std::env::args_os())
}
