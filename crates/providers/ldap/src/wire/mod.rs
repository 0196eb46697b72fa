//! LDAP on the wire (RFC 4511): the messages that the user store sends, and those that it understands.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects, clippy::string_slice))]

pub(crate) mod ber;
mod request;
mod response;

pub(crate) use self::{
    ber::Malformed,
    request::{Scope, Search, bind, search, start_tls, unbind},
    response::{Entry, Message, Op, Verdict, read},
};
