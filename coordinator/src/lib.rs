//! The coordinator: reads scenarios, runs them on agents and reports the conclusions.
//!
//! The path of the data: [`scenario`] -> [`plan`] -> [`cluster`], driven by [`run`] -> [`store`] ->
//! [`analysis`] -> [`report`].

pub mod analysis;
pub mod cli;
pub mod cluster;
pub mod commands;
#[cfg(test)]
mod docs;
mod errno;
pub mod exit;
pub mod exporter;
#[cfg(test)]
mod fuzz;
pub mod history;
pub mod import;
pub mod input;
pub mod metric;
pub mod output;
pub mod params;
pub mod pki;
pub mod plan;
pub mod report;
pub mod run;
pub mod scenario;
pub mod screen;
pub mod stats;
pub mod stop;
pub mod store;
pub mod summary;
pub mod tui;
pub mod units;
pub mod warning;
