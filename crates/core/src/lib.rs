//! The vocabulary of portcullis: credentials, providers, scopes, the chain, and the proof of who is calling.
//!
//! Depend on this crate alone to bring a provider of your own. Services use the `portcullis` crate, which
//! re-exports what they need.
//!
//! - [`Credential`]: what a caller presents, read strictly.
//! - [`Provider`]: tells whether a credential is right. Answers an [`Outcome`].
//! - [`Element`], [`Resource`], [`Policy`]: who may call what.
//! - [`Auth`]: a guarded service. Decides, explains. [`LiveAuth`]: one whose configuration changes while it runs.
//! - [`Principal`]: the proof that a caller went through the chain; [`Rejection`]: why one did not.
//! - [`TokenSource`], [`Authorization`], [`OnBehalfOf`]: the client's side, what outgoing requests show.
//! - [`claims`]: members of tokens and answers, each held to its type.
//! - [`json`]: how texts of tokens and identity providers are read.
//! - [`config`]: how a provider reads its section of a configuration file.
//!
//! Nothing here does I/O.

mod admission;
mod auth;
mod chain;
pub mod claims;
mod client;
mod clock;
pub mod config;
mod context;
pub mod credential;
mod error;
pub mod fair;
mod identity;
pub mod json;
mod lanes;
mod lease;
mod live;
mod observe;
mod policy;
mod principal;
mod provider;
mod reason;
mod rejection;
mod scopes;
mod secret;
mod server;
mod shown;
mod throttle;

use std::{future::Future, pin::Pin};

pub use self::{
    admission::{Admission, Asker},
    auth::{Auth, AuthBuilder, RequestHead, ResourceView, authenticate_header, authorize},
    chain::{Deciding, Decision, ElementReport, Explanation, Looked, Step},
    client::{
        AssertionPurpose, AssertionReader, AssertionSigner, Authorization, OnBehalfOf, RefreshObserver,
        RefreshObservers, Refreshed, TokenError, TokenLease, TokenSource, UnfitForHeader,
    },
    clock::{Clock, SystemClock, UnixTime},
    context::{Contact, Context},
    credential::{
        Basic, Bearer, Credential, CredentialError, CredentialErrorKind, CredentialSources,
        DEFAULT_MAX_CREDENTIAL_BYTES, OfferedProtocols, Scheme,
    },
    error::BuildError,
    identity::{ClaimsSource, Identity},
    lanes::Lanes,
    lease::{Ended, Expired, Lease},
    live::{Derived, LiveAuth, Now, Opening, Replacement, SettledPolicies, Standing},
    observe::{Answer, Asked, ConnectionEnded, Decided, Observer, TurnedAway},
    policy::{Element, Override, Policy, Resource},
    principal::Principal,
    provider::{Accounts, IntoProvider, Outcome, Provider, Recall, Refusal, Unavailable, Vouch},
    reason::Reason,
    rejection::{Protocol, Rejection, RejectionKind},
    scopes::{RequiredScopes, Scopes},
    secret::Secret,
    server::{Probe, QueueState, ServerState},
    shown::Shown,
    throttle::{Call, Guess, Held, Throttle},
};

/// A boxed future, for traits whose implementations are known at run time only.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
