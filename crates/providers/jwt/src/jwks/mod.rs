//! Keys that are fetched: `jwksConfig`.
//!
//! | file | holds |
//! |---|---|
//! | `config`, `read` | what may be configured, in code and in a file |
//! | `source` | the key set in use: requests look at it, wait for newer keys, begin a fetch |
//! | `state`, `bucket` | who may begin a fetch and who waits, without I/O |
//! | `held`, `freshness` | how long a set is used |
//! | `fetch` | what a fetch gives; `http_fetch`, `discovery`: from servers |
//! | `report`, `log` | how it stands, for people |
//!
//! Sets are read by `keys/fetched`; what a token needs of them is decided in `validate/fetched`.

mod bucket;
mod config;
mod discovery;
mod fetch;
mod freshness;
mod held;
mod http_fetch;
mod log;
mod read;
mod report;
mod seats;
mod source;
mod state;
#[cfg(test)]
mod tests;

#[cfg(feature = "fuzzing")]
pub(crate) use self::discovery::discovered;
pub(crate) use self::{
    bucket::Share,
    config::Jwks,
    source::{KeySource, Looked, Settled},
};
pub use self::{config::JwksConfig, report::JwksState};
