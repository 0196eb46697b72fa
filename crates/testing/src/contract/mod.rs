//! What every provider and every source of tokens promises, as checks that each one's tests run against it.

mod provider;
mod secrets;
mod token_source;

pub use self::{
    provider::{Case, provider_keeps_its_contract},
    secrets::shows_no_secret,
    token_source::{SourceCase, token_source_keeps_its_contract},
};
