//! The listener over pipes in memory, where time passes only when everybody waits.

mod client_addr;
mod limits;
mod memory;
mod read;
mod requests;
mod stopping;
mod time_outs;
