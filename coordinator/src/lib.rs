//! The coordinator: reads scenarios, runs them on agents, and says what can be concluded.
//!
//! The path of the data: [`scenario`] -> [`plan`] -> cluster -> [`store`] -> [`analysis`] -> [`report`].

pub mod analysis;
pub mod plan;
pub mod report;
pub mod scenario;
pub mod store;
