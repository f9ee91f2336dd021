//! The commands, one file each, with their arguments. Each prints its result and returns its exit code ([`Exit`]).
//!
//! To add a command, add a file here and a line to the list below.

pub mod agents;
pub mod args;
pub mod calibrate;
pub mod check;
pub mod compare;
mod execute;
pub mod import;
pub mod list;
mod outcome;
pub mod pki;
mod reach;
pub mod report;
pub mod resume;
pub mod run;
pub mod schema;
pub mod verify;
mod views;

use std::{io, path::PathBuf, process::ExitCode};

use clap::Subcommand;
use miette::miette;

use crate::{cluster::EMBEDDED_SUBCOMMAND, exit::Exit, output, screen::Screen, stop::Stop};

/// Declares the module of each command, the subcommands and what runs them.
macro_rules! commands {
    ($($variant:ident: $module:ident::$function:ident($args:ident),)+) => {
        /// The subcommands, in the order of `--help`. Their help is that of their arguments.
        #[derive(Debug, Subcommand)]
        pub(crate) enum Command {
            $(
                #[allow(missing_docs, reason = "the arguments' documentation is the command's help")]
                $variant($module::$args),
            )+
            /// Runs the embedded agent on the socket that is its standard input.
            #[command(name = EMBEDDED_SUBCOMMAND, hide = true)]
            Agent {
                #[arg(long)]
                data_dir: PathBuf,
            },
        }

        impl Command {
            /// Runs the command.
            pub(crate) fn execute(&self, screen: &Screen) -> ExitCode {
                match self {
                    $(Self::$variant(args) => $module::$function(args, screen).into(),)+
                    // The embedded agent is a separate process that sets up its own logging.
                    Self::Agent { data_dir } => agent::server::serve_embedded(data_dir),
                }
            }
        }
    };
}

commands! {
    Run: run::run(RunArgs),
    Resume: resume::resume(ResumeArgs),
    Calibrate: calibrate::calibrate(CalibrateArgs),
    Check: check::check(CheckArgs),
    Agents: agents::agents(AgentsArgs),
    Report: report::report(ReportArgs),
    Verify: verify::verify(VerifyArgs),
    Compare: compare::compare(CompareArgs),
    List: list::list(ListArgs),
    Import: import::import(ImportArgs),
    Pki: pki::pki(PkiArgs),
    Schema: schema::schema(SchemaArgs),
}

/// Runs `work` on a new runtime. The first signal requests a stop, which `work` observes. The runtime has
/// additional threads, so that a second signal is handled even while `work` blocks.
fn on_runtime(screen: &Screen, work: impl AsyncFnOnce(Stop) -> Exit) -> Exit {
    let runtime = match agent::runtime::start(2) {
        Ok(runtime) => runtime,
        Err(error) => {
            let help = "raise the limit of processes of this user (ulimit -u, TasksMax= of a systemd unit)";
            screen.error(&miette!(help = help, "cannot start: {error}"));
            return Exit::Incomplete;
        }
    };
    let exit = runtime.block_on(async {
        let shown = screen.clone();
        let note =
            move || shown.line("stopping; finished trials are kept (press Ctrl-C again to quit at once)");
        match Stop::on_signals(note) {
            Ok(stop) => {
                let exit = work(stop.clone()).await;
                if stop.is_requested() { exit.strongest(Exit::Interrupted) } else { exit }
            }
            Err(error) => {
                screen.error(&miette!("cannot listen for signals: {error}"));
                Exit::Incomplete
            }
        }
    });
    // Do not wait for tasks that are still running, such as name resolution.
    runtime.shutdown_background();
    exit
}

/// Prints the result of a command.
fn print(screen: &Screen, text: &str) -> Exit {
    printed(screen, output::print(text))
}

fn printed(screen: &Screen, printed: io::Result<()>) -> Exit {
    match printed {
        Ok(()) => Exit::Done,
        Err(error) => {
            screen.error(&miette!("cannot write to standard output: {error}"));
            Exit::Incomplete
        }
    }
}
