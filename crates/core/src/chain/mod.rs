//! The chain: elements are asked in order, and the first that both authenticates and authorizes lets the
//! request in.
//!
//! | some element was unavailable | some element authenticated | answer |
//! |---|---|---|
//! | yes | – | 503: it might have said yes |
//! | no | yes | 403 |
//! | no | no | 401 |

mod blame;
pub(crate) mod contain;
mod deciding;
mod explain;
mod guess;
mod log;
mod recall;
mod span;
mod tell;
#[cfg(test)]
mod tests;
mod verdict;
mod walk;

pub use self::{
    deciding::{Deciding, Decision, Step},
    explain::{ElementReport, Explanation, Looked},
};
pub(crate) use self::{
    deciding::{Subject, decide, late, refuse_unasked},
    explain::explain,
    log::About,
    tell::narrowed,
};
