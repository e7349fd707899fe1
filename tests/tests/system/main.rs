//! The system tests: scripts that start nodes, treat them badly and look at what is left.
//!
//! One cluster runs at a time (the harness sees to that), so a deadline means something on a small machine.

mod bad_inputs;
mod clients;
mod command_line;
mod configuration;
mod crashes;
mod experiment;
mod founding;
mod joining;
mod lost_data;
mod payments;
mod prometheus;
mod secrets;
mod signals;
mod top;
mod traces;
