//! The commands, one file each. Each prints what it was asked for and says by its [`Exit`] how it went.

pub mod agents;
pub mod calibrate;
pub mod check;
pub mod compare;
pub mod import;
pub mod list;
mod outcome;
mod reach;
pub mod report;
pub mod run;
pub mod schema;

use std::io;

use miette::miette;

use crate::{exit::Exit, output, screen::Screen, stop::Stop};

/// Runs `work` on a runtime of its own. The first signal raises the wish to stop, which `work` heeds; the
/// runtime has threads besides this one, so that the second signal gets through whatever `work` does.
fn on_runtime(screen: &Screen, work: impl AsyncFnOnce(Stop) -> Exit) -> Exit {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            screen.error(&miette!("cannot start: {error}"));
            return Exit::Incomplete;
        }
    };
    let exit = runtime.block_on(async {
        let asked = screen.clone();
        let note = move || asked.line("stopping; what was measured is kept (once more to end at once)");
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
    // Nothing that is still under way, such as a name being resolved, may keep us.
    runtime.shutdown_background();
    exit
}

/// Prints what was asked for.
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
