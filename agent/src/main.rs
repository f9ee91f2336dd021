//! The `agent` binary; the code is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    agent::cli::main()
}
