//! The agent.

pub mod target;
pub mod topology;
