//! What a request costs with portcullis in front of a service, with its peers, and with nothing.
//!
//! Every number is measured in a process of its own: `bench` starts itself, under callgrind for instructions and pinned to one
//! core for times, and the program `allocations`, which counts them. All of them get the same keys and tokens, see
//! [`fixtures`].

pub mod budget;
pub mod builds;
pub mod cases;
pub mod cold;
pub mod document;
pub mod fixtures;
pub mod load;
pub mod measure;
pub mod memory;
pub mod picture;
pub mod programs;
pub mod report;
pub mod rows;
pub mod startup;
pub mod threads;

/// What anything ends with: a value, or one sentence for the person at the terminal.
pub type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;
