//! What one login asks of the directory, over whichever connections there are.

use std::time::Duration;

use ldap3::asn1::Tag;
use portcullis_core::fair::Party;

use crate::{
    connection::{
        Found, MAX_ANSWERS,
        deadline::Deadline,
        pool::{Lease, Purpose},
    },
    failure::{Failure, shown},
    filter,
    login::Directory,
    wire::{Entry, Scope, Search, Verdict},
};

/// A server that does not keep to the size limit may send so many entries more before it is given up.
const SURPLUS: usize = 1_000;

/// Parts in which a server hands out the values of one attribute, at most.
const MAX_PARTS: usize = 32;

/// Active Directory, and its lightweight relative, say so of themselves.
const ACTIVE_DIRECTORY: [&str; 2] = ["1.2.840.113556.1.4.800", "1.2.840.113556.1.4.1851"];

/// The way to the directory of one login.
pub(crate) struct Session<'d> {
    pub(crate) directory: &'d Directory,
    deadline: Deadline,
    /// Who logs in: connections are shared out by that.
    party: Party,
    /// Without pooling: the connection on which this login searches.
    held: Option<Lease>,
    /// What all further answers together may take, in bytes.
    room: usize,
}

impl<'d> Session<'d> {
    pub(crate) const fn new(directory: &'d Directory, deadline: Deadline, party: Party) -> Self {
        Self { directory, deadline, party, held: None, room: MAX_ANSWERS }
    }

    /// Until when the login has to be over.
    pub(crate) const fn deadline(&self) -> &Deadline {
        &self.deadline
    }

    /// Searches. Where the server has more than `size_limit` entries, the verdict says so.
    pub(crate) async fn search(
        &mut self,
        base: &str,
        scope: Scope,
        filter: Tag,
        attributes: &[&str],
        size_limit: u32,
    ) -> Result<Found, Failure> {
        let time_limit = self.directory.settings.time_limit();
        let search = Search { base, scope, filter, attributes, size_limit, time_limit };
        let most = usize::try_from(size_limit).unwrap_or(usize::MAX).saturating_add(SURPLUS);
        for fresh in [false, true] {
            let mut lease = match self.held.take() {
                Some(lease) => lease,
                None => self.directory.pool.take(Purpose::Search, fresh, self.party, &self.deadline).await?,
            };
            let (server, span) = (lease.connection.server, self.span(&lease));
            let done = self.deadline.within(span, lease.connection.search(&search, most, self.room)).await;
            if let Some(found) = self.settle(lease, done, fresh, "a search")? {
                self.room = self.room.saturating_sub(found.size);
                if !fresh && self.goes_elsewhere(server, &found.verdict) {
                    continue;
                }
                if found.referred {
                    self.directory.health.referred(&self.directory.settings.domain, base);
                }
                return Ok(found);
            }
        }
        Err(Failure::Closed)
    }

    /// Binds as a user.
    pub(crate) async fn bind(&mut self, dn: &str, password: &str) -> Result<Verdict, Failure> {
        for fresh in [false, true] {
            let mut lease =
                self.directory.pool.take(Purpose::Bind, fresh, self.party, &self.deadline).await?;
            let (server, span) = (lease.connection.server, self.span(&lease));
            let done = self.deadline.within(span, lease.connection.bind(dn, password)).await;
            if let Some(verdict) = self.settle(lease, done, fresh, "the bind of a user")? {
                if !fresh && self.goes_elsewhere(server, &verdict) {
                    continue;
                }
                return Ok(verdict);
            }
        }
        Err(Failure::Closed)
    }

    /// The values of an attribute of an entry. Active Directory hands out long lists in parts, such as
    /// `memberOf;range=0-1499`.
    pub(crate) async fn values(&mut self, entry: &Entry, attribute: &str) -> Result<Vec<String>, Failure> {
        let mut values: Vec<String> = entry.texts(attribute).map(str::to_owned).collect();
        let mut next = part(entry, attribute, &mut values).flatten();
        for _ in 0..MAX_PARTS {
            let Some(from) = next else { return Ok(values) };
            let rest = format!("{attribute};range={from}-*");
            let found = self.search(&entry.dn, Scope::Base, filter::any(), &[&rest], 1).await?;
            if found.verdict.code != 0 {
                return Err(Failure::search(&entry.dn, &found.verdict));
            }
            let Some(read) = found.entries.first().and_then(|entry| part(entry, attribute, &mut values))
            else {
                return Err(Failure::Unusable(format!(
                    "{attribute} of an entry comes in parts, and one is missing"
                )));
            };
            next = read;
        }
        Err(Failure::Unusable(format!("{attribute} of an entry comes in more than {MAX_PARTS} parts")))
    }

    /// Whether the directory follows chains of groups by itself.
    pub(crate) async fn in_chain(&mut self) -> Result<bool, Failure> {
        if let Some(known) = self.directory.pool.in_chain() {
            return Ok(known);
        }
        // RFC 4512 §5.1: the root DSE says what a server can.
        let found = self.search("", Scope::Base, filter::any(), &["supportedCapabilities"], 1).await?;
        let mut capabilities = found.entries.iter().flat_map(|entry| entry.texts("supportedCapabilities"));
        let in_chain = capabilities.any(|capability| ACTIVE_DIRECTORY.contains(&capability));
        if found.verdict.code == 0 {
            self.directory.pool.know_in_chain(in_chain);
        }
        Ok(in_chain)
    }

    /// Ends well: what is still held is given back.
    pub(crate) fn end(self) {
        if let Some(lease) = self.held {
            self.directory.pool.give_back(lease, self.deadline.clock());
        }
    }

    /// How long the next answer on a connection may take.
    fn span(&self, lease: &Lease) -> Duration {
        let settings = &self.directory.settings;
        if lease.is_stale() {
            settings.read_timeout.min(settings.connection_timeout)
        } else {
            settings.read_timeout
        }
    }

    /// Whether a server says that it cannot answer now, and there is another one to ask.
    fn goes_elsewhere(&mut self, server: usize, verdict: &Verdict) -> bool {
        // busy, unavailable
        if !matches!(verdict.code, 51 | 52) || self.directory.settings.urls.len() < 2 {
            return false;
        }
        self.held = None;
        self.directory.pool.failed(
            server,
            self.deadline.now(),
            format!("it answers with {}", shown(verdict)),
        );
        true
    }

    /// What became of an operation: `None` where it is worth a second attempt, on a new connection. A connection on which
    /// anything went wrong is closed.
    fn settle<T>(
        &mut self,
        lease: Lease,
        done: Option<Result<T, Failure>>,
        fresh: bool,
        what: &'static str,
    ) -> Result<Option<T>, Failure> {
        let server = lease.connection.server;
        let failure = match done {
            Some(Ok(answer)) => {
                self.directory.pool.answered(server, lease.purpose(), self.deadline.now());
                if self.directory.settings.pooling || lease.purpose() == Purpose::Bind {
                    self.directory.pool.give_back(lease, self.deadline.clock());
                } else {
                    self.held = Some(lease);
                }
                return Ok(Some(answer));
            }
            Some(Err(failure)) if failure.is_of_connection() && !fresh => return Ok(None),
            None if lease.is_stale() && !fresh && !self.deadline.is_over() => return Ok(None),
            Some(Err(failure)) => failure,
            None => Failure::TimedOut(what),
        };
        self.directory.pool.failed(server, self.deadline.now(), failure.to_string());
        Err(failure)
    }
}

/// Adds the values of a part of a list, if the entry has one; the number of the value that comes after it, if any does.
fn part(entry: &Entry, attribute: &str, values: &mut Vec<String>) -> Option<Option<u32>> {
    let range_of = |name: &str| {
        let (base, options) = name.split_once(';')?;
        let lower = options.to_ascii_lowercase();
        let range = lower.strip_prefix("range=")?;
        let next = match range.split_once('-')? {
            (_, "*") => None,
            (_, last) => Some(last.parse::<u32>().ok()?.checked_add(1)?),
        };
        base.eq_ignore_ascii_case(attribute).then_some(next)
    };
    let (name, next) =
        entry.attributes.iter().find_map(|(name, _)| range_of(name).map(|next| (name.as_str(), next)))?;
    values.extend(entry.texts(name).map(str::to_owned));
    Some(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_list_are_told_apart() {
        let entry = |name: &str| Entry {
            dn: "cn=a".to_owned(),
            attributes: vec![(name.to_owned(), vec![b"cn=x".to_vec()])],
        };
        for (name, next, found) in [
            ("memberOf;range=0-1499", Some(Some(1500)), 1),
            ("MEMBEROF;Range=1500-*", Some(None), 1),
            ("memberOf", None, 0),
            ("member;range=0-9", None, 0),
            ("memberOf;binary", None, 0),
            ("memberOf;range=x", None, 0),
            ("memberOf;range=0-x", None, 0),
            ("memberOf;range=0-4294967295", None, 0),
        ] {
            let mut values = Vec::new();
            assert_eq!((part(&entry(name), "memberOf", &mut values), values.len()), (next, found), "{name}");
        }
    }
}
