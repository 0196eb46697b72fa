//! What a search finds.

use std::borrow::Cow;

use ldap3_proto::{
    control::LdapControl,
    proto::{
        LdapMsg, LdapOp, LdapPartialAttribute, LdapResult, LdapResultCode, LdapSearchRequest,
        LdapSearchResultEntry, LdapSearchResultReference, LdapSearchScope,
    },
};

use super::{
    Shared, State,
    answer::{self, Outcome},
    dn::Dn,
    entry::{PASSWORD, TestEntry},
    filter,
    store::{MEMBER_OF, Store},
};
use crate::server::lock;

pub(super) const PAGED_RESULTS: &str = "1.2.840.113556.1.4.319";

/// Entries, references, and the result.
pub(super) fn answers(
    shared: &Shared,
    bound: Option<&str>,
    id: i32,
    request: &LdapSearchRequest,
    controls: &[LdapControl],
) -> Vec<LdapMsg> {
    let state = lock(&shared.state);
    let search = Search { shared, state: &state, request, page: Page::of(controls) };
    let found = match search.refusal(bound, controls) {
        Some(result) => Found { result, ..Found::default() },
        None if request.base.is_empty() && request.scope == LdapSearchScope::Base => search.root(),
        None => search.below_base(controls),
    };
    let message = |op: LdapOp| LdapMsg::new(id, op);
    let mut messages: Vec<LdapMsg> =
        found.entries.into_iter().map(|entry| message(LdapOp::SearchResultEntry(entry))).collect();
    messages.extend(
        found
            .references
            .into_iter()
            .map(|url| message(LdapOp::SearchResultReference(LdapSearchResultReference { uris: vec![url] }))),
    );
    let done = LdapOp::SearchResultDone(found.result);
    messages.push(LdapMsg::new_with_ctrls(id, done, found.cookie.into_iter().collect()));
    messages
}

struct Search<'s> {
    shared: &'s Shared,
    state: &'s State,
    request: &'s LdapSearchRequest,
    page: Option<Page>,
}

struct Found {
    entries: Vec<LdapSearchResultEntry>,
    references: Vec<String>,
    result: LdapResult,
    cookie: Option<LdapControl>,
}

impl Default for Found {
    fn default() -> Self {
        let result = Outcome::success().result();
        Self { entries: Vec::new(), references: Vec::new(), result, cookie: None }
    }
}

impl Search<'_> {
    /// Why nothing is looked for.
    fn refusal(&self, bound: Option<&str>, controls: &[LdapControl]) -> Option<LdapResult> {
        let settings = &self.shared.settings;
        let root = self.request.base.is_empty() && self.request.scope == LdapSearchScope::Base;
        if bound.is_none() && !settings.allow_anonymous && !root {
            let outcome = if settings.active_directory {
                let text = "000004DC: LdapErr: DSID-0C090A5C, comment: In order to perform this operation a \
                            successful bind must be completed on the connection., data 0, v4563\0";
                Outcome::new(LdapResultCode::OperationsError, text)
            } else {
                Outcome::new(LdapResultCode::InsufficentAccessRights, "bind first")
            };
            return Some(outcome.result());
        }
        // RFC 4511 §4.1.11: a critical control that is not known ends the operation.
        let unknown =
            |control: &LdapControl| matches!(control, LdapControl::Unknown { criticality: true, .. });
        if controls.iter().any(unknown) {
            let text = "critical extension is not recognized";
            return Some(Outcome::new(LdapResultCode::UnavailableCriticalExtension, text).result());
        }
        let Some(base) = Dn::parse(&self.request.base) else {
            return Some(Outcome::new(LdapResultCode::InvalidDNSyntax, "invalid DN").result());
        };
        let forced = self.state.searches.iter().rev().find(|(at, _)| *at == base);
        forced.map(|(_, outcome)| outcome.clone().result())
    }

    fn root(&self) -> Found {
        let root = answer::root(self.shared);
        let found = filter::matches(&self.state.store, &self.request.filter, &root);
        let shown = |attribute: &(String, Vec<Vec<u8>>)| LdapPartialAttribute {
            atype: attribute.0.clone(),
            vals: attribute.1.clone(),
        };
        let entry = LdapSearchResultEntry {
            dn: String::new(),
            attributes: root.attributes().iter().map(shown).collect(),
        };
        Found { entries: found.then_some(entry).into_iter().collect(), ..Found::default() }
    }

    fn below_base(&self, controls: &[LdapControl]) -> Found {
        let store = &self.state.store;
        // Refused before where it is no name.
        let base = Dn::parse(&self.request.base).unwrap_or_else(|| panic!("the base was read before"));
        let follows = !controls.iter().any(|control| matches!(control, LdapControl::ManageDsaIT { .. }));
        if let Some(url) = store.held_elsewhere(&base).filter(|_| follows) {
            let mut result = Outcome::new(LdapResultCode::Referral, "").result();
            result.referral.push(url.to_owned());
            return Found { result, ..Found::default() };
        }
        if base.depth() == 0 || !store.exists(&base) {
            let result = Outcome::new(LdapResultCode::NoSuchObject, "").result();
            return Found { result, ..Found::default() };
        }
        let in_scope = |name: &Dn| {
            let below = name.depth().saturating_sub(base.depth());
            name.is_within(&base)
                && match self.request.scope {
                    LdapSearchScope::Base => below == 0,
                    LdapSearchScope::OneLevel => below == 1,
                    LdapSearchScope::Subtree => true,
                    LdapSearchScope::Children => below > 0,
                }
        };
        let matching: Vec<&TestEntry> = store
            .entries()
            .iter()
            .filter(|entry| in_scope(entry.name()) && filter::matches(store, &self.request.filter, entry))
            .collect();
        let mut found = self.limited(&matching);
        if follows {
            let within = store.referrals_within(&base).filter(|(at, _)| in_scope(at));
            found.references = within.map(|(_, url)| url.clone()).collect();
        }
        found
    }

    /// As much as the client and the server permit.
    fn limited(&self, matching: &[&TestEntry]) -> Found {
        let asked = usize::try_from(self.request.sizelimit).ok().filter(|limit| *limit > 0);
        let most = [asked, self.shared.settings.max_entries].into_iter().flatten().min();
        let show = |entry: &&TestEntry| self.shown(entry);
        let Some(page) = &self.page else {
            let entries = matching.iter().take(most.unwrap_or(usize::MAX)).map(show).collect();
            let result = match most {
                Some(most) if most < matching.len() => Outcome::new(LdapResultCode::SizeLimitExceeded, ""),
                _ => Outcome::success(),
            };
            return Found { entries, result: result.result(), ..Found::default() };
        };
        let size = most.map_or(page.size, |most| most.min(page.size));
        let entries: Vec<_> = matching.iter().skip(page.from).take(size).map(show).collect();
        let next = page.from + entries.len();
        let cookie = if next < matching.len() { next.to_string().into_bytes() } else { Vec::new() };
        Found {
            entries,
            cookie: Some(LdapControl::SimplePagedResults { size: 0, cookie }),
            ..Found::default()
        }
    }

    /// An entry with the attributes that are asked for.
    fn shown(&self, entry: &TestEntry) -> LdapSearchResultEntry {
        let store = &self.state.store;
        let asked = &self.request.attrs;
        let all = asked.is_empty() || asked.iter().any(|name| name == "*");
        let operational = asked.iter().any(|name| name == "+");
        let own = entry.attributes().iter().map(|(name, _)| name.as_str());
        let computed = [MEMBER_OF, "entryDN"].into_iter().filter(|name| {
            let computed = *name != MEMBER_OF || store.tells_groups();
            computed && entry.values(name).next().is_none()
        });
        let attributes = own.map(|name| (name, false)).chain(computed.map(|name| (name, true)));
        let shown = attributes.filter(|(name, _)| !name.eq_ignore_ascii_case(PASSWORD)).filter_map(
            |(name, worked_out)| {
                let from = asked.iter().find_map(|asked| range_from(asked, name));
                let wanted = if worked_out { operational } else { all };
                (wanted || from.is_some()).then(|| self.attribute(store, entry, name, from.unwrap_or(0)))?
            },
        );
        LdapSearchResultEntry { dn: entry.dn().to_owned(), attributes: shown.collect() }
    }

    /// The values of an attribute from this one on, as many as the server gives at once.
    fn attribute(
        &self,
        store: &Store,
        entry: &TestEntry,
        name: &str,
        from: usize,
    ) -> Option<LdapPartialAttribute> {
        let values = store.values(entry, name);
        let most = self.shared.settings.max_values.unwrap_or(usize::MAX);
        if values.is_empty() {
            return None;
        }
        let rest = values.get(from..).unwrap_or_default();
        let atype = match (from, rest.len() > most) {
            (0, false) => name.to_owned(),
            (from, false) => format!("{name};range={from}-*"),
            (from, true) => format!("{name};range={from}-{}", from + most - 1),
        };
        let vals = match self.request.typesonly {
            true => Vec::new(),
            false => rest.iter().take(most).cloned().map(Cow::into_owned).collect(),
        };
        Some(LdapPartialAttribute { atype, vals })
    }
}

/// Where the values start that are asked for: `member` and `member;range=100-*` both ask for `member`.
fn range_from(asked: &str, name: &str) -> Option<usize> {
    let (own, option) = asked.split_once(';').map_or((asked, None), |(own, option)| (own, Some(option)));
    if !own.eq_ignore_ascii_case(name) {
        return None;
    }
    match option {
        None => Some(0),
        Some(option) => option.to_ascii_lowercase().strip_prefix("range=")?.split('-').next()?.parse().ok(),
    }
}

/// A part of the entries (RFC 2696).
struct Page {
    size: usize,
    from: usize,
}

impl Page {
    fn of(controls: &[LdapControl]) -> Option<Self> {
        controls.iter().find_map(|control| match control {
            LdapControl::SimplePagedResults { size, cookie } => Some(Self {
                size: usize::try_from(*size).unwrap_or_default(),
                from: String::from_utf8_lossy(cookie).parse().unwrap_or_default(),
            }),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_read_from_what_is_asked_for() {
        assert_eq!(range_from("MEMBER", "member"), Some(0));
        assert_eq!(range_from("member;range=1500-*", "member"), Some(1500));
        assert_eq!(range_from("member;Range=10-19", "member"), Some(10));
        assert_eq!(range_from("member;binary", "member"), None);
        assert_eq!(range_from("cn", "member"), None);
    }
}
