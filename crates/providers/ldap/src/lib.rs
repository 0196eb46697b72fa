//! The LDAP user store of portcullis: Basic credentials (RFC 7617) against a directory (RFC 4511).
//!
//! - [`LdapUserStore`]: the provider.
//! - [`LdapConfig`]: which directory is asked, and how; in code, or read from an `ldapUserStoreConfig`.
//!
//! # A login
//!
//! 1. Names that are empty, begin or end with white space or hold control characters, and passwords that are empty, blank or begin
//!    with NUL, are refused. Nobody is asked.
//! 2. The user is searched for below each `userSearchBase` in turn, with the name escaped in the place of `?`. The first base
//!    that has any entry decides, and it has to be exactly one. A base that cannot be searched ends the login as
//!    unavailable, since the user might stand there.
//! 3. The password is tried by a bind as that entry, exactly as the directory writes its name. Binds of users have
//!    connections of their own, on which nothing else is ever done. Where no user was found, a bind as nobody takes its place:
//!    both refusals ask as often. The log of the directory shows it as `uid=portcullis-` and 32 digits by chance; it counts
//!    against no account.
//! 4. The principal is called what `userNameAttribute` of the entry says, whatever was typed, and its issuer is `domainName`.
//!    Of several values it is the one that names the entry, else the one that was typed. An entry without the attribute
//!    is the operator's mistake: unavailable.
//! 5. Its scopes are the names of its groups: those below every `groupSearchBase` whose `membershipAttribute` holds the
//!    entry's distinguished name (with `memberUid`: the principal's name), or those that `userMembershipAttribute` of the entry
//!    names. A list that the directory cuts short, and more than 5,000 groups, end the login as unavailable.
//!
//! Referrals are not followed; that there are some is logged once for each base. Aliases are not followed either.
//!
//! # Results
//!
//! Of all that a directory can answer, these results of a user's own bind refuse: 49, 19, 32, 34, 48, 50 and 53. Every other one, and every failure of
//! the service's own bind or search, is an outage: 503. Outages are logged once when they begin and once when they end.
//!
//! | code | why |
//! |---|---|
//! | `malformed-username`, `blank-password` | step 1 |
//! | `unknown-user`, `ambiguous-user` | step 2: no entry, or several |
//! | `wrong-password` | 49, without a reason or with 52e |
//! | `account-locked`, `account-disabled`, `account-expired`, `password-expired`, `must-change-password`, `login-not-permitted` | 49, with the reason that Active Directory gives: 775, 533, 701, 532, 773, 530 or 531 |
//! | `bind-refused` | 19, 34, 48, 50, 53 |
//! | `other-scheme` | not a Basic credential at all |
//!
//! On the wire all of these are one 401.
//!
//! # Connections and time
//!
//! At most `maxConnections` are open, half of them for searches and half for binds of users; callers wait for one in the order in
//! which they came, `connectionTimeout` at most, then 503 with `Retry-After`. A connection that is not used for
//! `idleTimeout` is not used again. One that was closed by the server meanwhile is noticed before it is used or, if it breaks
//! under a question, replaced by a new one on which the question is asked again, once. One that was idle for ten seconds and does
//! not answer within `connectionTimeout` is taken for dead, too.
//!
//! Connecting takes `connectionTimeout` at most, an answer `readTimeout`, and a login as a whole both together. Several servers are
//! tried in order, those that were away within the last 30 seconds after the others; one that answers 51 (busy) or 52
//! (unavailable) leaves the question to the next.
//!
//! A message is at most 4 MiB long, and all that one login is answered takes at most 16 MiB. Whoever goes away takes the connection
//! with them on which an answer may still come, and nothing else.
//!
//! # TLS
//!
//! With `ldaps://` and `startTls` the server's certificate and its name are checked. Where StartTLS is refused, or anything in
//! clear follows it, nothing is sent: there is no way back to clear text. Nor is there one by way of a second server: no
//! list holds `ldaps://` beside clear text to another machine.

mod config;
mod connection;
mod dn;
mod failure;
mod filter;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod health;
mod login;
mod memory;
mod probe;
mod store;
#[cfg(test)]
mod tests;
mod wire;

pub use self::{config::LdapConfig, store::LdapUserStore};
