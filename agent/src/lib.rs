//! The agent.

/// The agent inside the coordinator.
pub mod embedded {
    use std::{path::PathBuf, process::ExitCode};

    /// Serves on the socket that is the standard input.
    #[must_use]
    pub fn serve(data_dir: PathBuf) -> ExitCode {
        eprintln!("this build has no agent yet ({})", data_dir.display());
        ExitCode::FAILURE
    }
}
