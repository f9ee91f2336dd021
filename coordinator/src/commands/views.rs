//! Opens the views of the running trials before anything is measured.

use miette::miette;

use super::args::ViewArgs;
use crate::{
    exit::Exit,
    exporter::Exporter,
    screen::{Screen, full::FullScreen},
};

/// Checks that the requested views can be shown.
pub(super) fn check(args: &ViewArgs, screen: &Screen) -> Result<(), Exit> {
    if args.tui && !FullScreen::is_possible() {
        screen.error(&miette!(
            help = "leave out --tui: without it, progress is shown as lines",
            "--tui needs a terminal on standard error, and a TERM other than `dumb`"
        ));
        return Err(Exit::Usage);
    }
    Ok(())
}

/// Opens the port of `--metrics`, if it is requested.
pub(super) async fn exporter(args: &ViewArgs, screen: &Screen) -> Result<Option<Exporter>, Exit> {
    let Some(address) = args.metrics else { return Ok(None) };
    match Exporter::start(address).await {
        Ok(exporter) => {
            screen.line(&format!("metrics at http://{}{}", exporter.address(), proto::scrape::PATH));
            Ok(Some(exporter))
        }
        Err(error) => {
            screen.error(&miette!(
                help = "choose another address with --metrics ADDR:PORT; port 0 picks a free one",
                "cannot serve metrics on {address}: {error}"
            ));
            Err(Exit::Usage)
        }
    }
}
