//! Areas client-basic, client-bearer, client-jwt and client-oauth2: what a client shows to a service. Rows of client-jwt that
//! sign and call nobody stand in `crates/providers/jwt/tests/ballerina/client.rs`.

mod addresses;
mod basic;
mod bearer;
mod edges;
mod jwt;
mod oauth2;
mod setting;
