//! `coordinator schema`: prints JSON Schemas.

use clap::{Args, ValueEnum};

use super::print;
use crate::{
    analysis::calibration::calibration_schema, exit::Exit, report::summary_schema, scenario::scenario_schema,
    screen::Screen,
};

/// Print the JSON Schema of scenarios, summary.json or calibration.json.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Example:\n  coordinator schema scenario > scenario.schema.json")]
pub struct SchemaArgs {
    /// The format to describe.
    #[arg(value_enum)]
    pub of: Schema,
}

/// Formats with a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Schema {
    /// A scenario, for completion in an editor.
    Scenario,
    /// summary.json.
    Summary,
    /// calibration.json.
    Calibration,
}

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
