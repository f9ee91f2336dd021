//! `coordinator schema`: JSON Schemas.

use super::print;
use crate::{
    analysis::calibration::calibration_schema,
    cli::{Schema, SchemaArgs},
    exit::Exit,
    scenario::scenario_schema,
    screen::Screen,
    summary::summary_schema,
};

/// Runs the command.
#[must_use]
pub fn schema(args: &SchemaArgs, screen: &Screen) -> Exit {
    let schema = match args.of {
        Schema::Scenario => scenario_schema(),
        Schema::Summary => summary_schema(),
        Schema::Calibration => calibration_schema(),
    };
    print(screen, &format!("{schema:#}"))
}
