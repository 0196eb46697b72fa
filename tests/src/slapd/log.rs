//! What slapd says of its connections: `conn=1001 op=1 SRCH base="…" scope=2 deref=0 filter="(uid=alice)"`.

use std::collections::{BTreeMap, BTreeSet};

use super::Slapd;

/// What a directory did.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Traffic {
    /// The connections in the order of their numbers, each with what came on it. Those of [`Slapd::ADMIN`], which are the
    /// harness's own, are not among them.
    pub connections: BTreeMap<u64, Vec<Seen>>,
    /// The most connections that were open at one time.
    pub peak: usize,
    /// How many are open now.
    pub open: usize,
}

/// An event of a connection.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Seen {
    /// A bind as this name.
    Bind(String),
    /// A search below this base, with this filter as the server understood it.
    Search(String, String),
    /// TLS was agreed on.
    Tls,
    /// The end, with the server's reason where it has one.
    Closed(String),
}

impl Traffic {
    pub(super) fn of(lines: &[String]) -> Self {
        let own: BTreeSet<u64> = lines
            .iter()
            .filter_map(|line| connection(line))
            .filter(|(_, rest)| matches!(seen(rest), Some(Seen::Bind(name)) if name == Slapd::ADMIN.0))
            .map(|(number, _)| number)
            .collect();
        let Self { mut connections, mut peak, mut open } = Self::default();
        for line in lines {
            let Some((number, rest)) = connection(line).filter(|(number, _)| !own.contains(number)) else {
                continue;
            };
            // A connection may ask before the log says that it was accepted.
            let events = connections.entry(number).or_insert_with(|| {
                open += 1;
                peak = peak.max(open);
                Vec::new()
            });
            if let Some(seen) = seen(rest) {
                open -= usize::from(matches!(seen, Seen::Closed(_)));
                events.push(seen);
            }
        }
        Self { connections, peak, open }
    }

    /// All that came, on whatever connection.
    pub fn all(&self) -> impl Iterator<Item = &Seen> {
        self.connections.values().flatten()
    }

    /// How many binds as this name there were.
    #[must_use]
    pub fn binds(&self, name: &str) -> usize {
        self.all().filter(|seen| matches!(seen, Seen::Bind(dn) if dn == name)).count()
    }

    /// How many searches below this base there were.
    #[must_use]
    pub fn searches(&self, below: &str) -> usize {
        self.all().filter(|seen| matches!(seen, Seen::Search(base, _) if base == below)).count()
    }
}

fn connection(line: &str) -> Option<(u64, &str)> {
    let (_, rest) = line.split_once("conn=")?;
    let (number, rest) = rest.split_once(' ')?;
    Some((number.parse().ok()?, rest))
}

fn seen(rest: &str) -> Option<Seen> {
    let (_, event) = rest.split_once(' ')?;
    if let Some(bind) = event.strip_prefix("BIND dn=") {
        // Said twice of a bind that succeeds; this is what came.
        let (name, _) = bind.rsplit_once(" method=")?;
        return Some(Seen::Bind(unquoted(name)));
    }
    if let Some(search) = event.strip_prefix("SRCH base=") {
        let (base, rest) = search.split_once(" scope=")?;
        let (_, filter) = rest.split_once(" filter=")?;
        return Some(Seen::Search(unquoted(base), unquoted(filter)));
    }
    if event.starts_with("TLS established") {
        return Some(Seen::Tls);
    }
    let why = event.strip_prefix("closed")?;
    Some(Seen::Closed(why.trim().trim_start_matches('(').trim_end_matches(')').to_owned()))
}

fn unquoted(text: &str) -> String {
    text.trim_matches('"').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_told_apart_and_counted() {
        let lines = [
            "6b02 0x7f conn=1001 op=0 BIND dn=\"uid=a,ou=b\" method=128",
            "6b02 0x7f conn=1001 fd=14 ACCEPT from IP=127.0.0.1:34434 (IP=127.0.0.1:13389)",
            "6b02 0x7f conn=1001 op=0 BIND dn=\"uid=a,ou=b\" mech=SIMPLE bind_ssf=0 ssf=0",
            "6b02 0x7f conn=1002 fd=15 ACCEPT from IP=127.0.0.1:34435 (IP=127.0.0.1:13389)",
            "6b02 0x7f conn=1002 fd=15 TLS established tls_ssf=256 ssf=256 tls_proto=TLS1.3",
            "6b02 0x7f conn=1001 op=1 SRCH base=\"ou=b\" scope=2 deref=0 filter=\"(uid=a)\"",
            "6b02 0x7f conn=1001 op=1 SRCH attr=uid",
            "6b02 0x7f conn=1001 op=2 UNBIND",
            "6b02 0x7f conn=1001 fd=14 closed",
            "6b02 0x7f conn=1003 fd=14 ACCEPT from IP=127.0.0.1:34436 (IP=127.0.0.1:13389)",
            "6b02 0x7f conn=1003 fd=14 closed (idletimeout)",
            "6b02 0x7f conn=1004 fd=14 ACCEPT from IP=127.0.0.1:34437 (IP=127.0.0.1:13389)",
            "6b02 0x7f conn=1004 op=0 BIND dn=\"cn=admin,dc=ballerina,dc=io\" method=128",
            "6b02 0x7f slapd starting",
        ];
        let traffic = Traffic::of(&lines.map(str::to_owned));
        assert_eq!((traffic.connections.len(), traffic.peak, traffic.open), (3, 2, 1));
        assert_eq!(
            traffic.connections[&1001],
            [
                Seen::Bind("uid=a,ou=b".into()),
                Seen::Search("ou=b".into(), "(uid=a)".into()),
                Seen::Closed(String::new()),
            ]
        );
        assert_eq!(traffic.connections[&1002], [Seen::Tls]);
        assert_eq!(traffic.connections[&1003], [Seen::Closed("idletimeout".into())]);
        assert_eq!((traffic.binds("uid=a,ou=b"), traffic.searches("ou=b")), (1, 1));
    }
}
