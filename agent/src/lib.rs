//! The agent.

pub mod topology;
