//! `coordinator schema`: JSON Schemas.

use super::print;
use crate::{
    analysis,
    cli::{Schema, SchemaArgs},
    exit::Exit,
    scenario,
    screen::Screen,
};

/// Runs the command.
#[must_use]
pub fn schema(args: &SchemaArgs, screen: &Screen) -> Exit {
    let schema = match args.of {
        Schema::Scenario => scenario::schema(),
        Schema::Summary => analysis::summary_schema(),
    };
    print(screen, &format!("{schema:#}"))
}
