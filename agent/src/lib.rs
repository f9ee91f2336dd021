//! The agent.

pub mod preflight;
pub mod target;
pub mod topology;
