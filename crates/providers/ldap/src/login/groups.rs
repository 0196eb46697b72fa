//! Which groups a user is in: the scopes.

use std::collections::HashSet;

use ldap3::asn1::Tag;
use tracing::info;

use crate::{
    config::{check::is_member_uid, settings::Groups},
    dn::{Dn, naming_value},
    failure::Failure,
    filter,
    login::{User, session::Session},
    wire::{Entry, Scope},
};

/// Groups of one user, at most. Whoever has more is not let in with some of them.
const MAX_GROUPS: usize = 5_000;
/// Groups within groups, at most.
const MAX_DEPTH: usize = 10;
/// Groups that one search asks for.
const AT_A_TIME: usize = 50;

/// The names of the groups that `user`, called `name`, is in; each once.
pub(crate) async fn groups_of(
    session: &mut Session<'_>,
    user: &User,
    name: &str,
) -> Result<Vec<Box<str>>, Failure> {
    let groups = &session.directory.settings.groups;
    let mut found = FoundGroups::default();
    if let Some(membership) = groups.searchable()
        && groups.nested
        && session.in_chain().await?
    {
        let filter = filter::holds_in_chain(membership, &user.entry.dn);
        search(session, groups, &filter, &mut found).await?;
    } else if let Some(attribute) = &groups.user_membership {
        named_by_user(session, groups, attribute, &user.entry, &mut found).await?;
        walk(session, groups, &mut found).await?;
    } else if let Some(membership) = groups.searchable() {
        let member = if is_member_uid(membership) { name } else { &user.entry.dn };
        search(session, groups, &filter::equals_one_of(membership, &[member]), &mut found).await?;
        walk(session, groups, &mut found).await?;
    }
    Ok(found.names)
}

/// The groups that were found, and those among them whose own groups were not looked for yet.
#[derive(Default)]
struct FoundGroups {
    names: Vec<Box<str>>,
    known_names: HashSet<Box<str>>,
    known: HashSet<Dn>,
    frontier: Vec<String>,
}

impl FoundGroups {
    /// Notes a group that was not met before.
    fn meet(&mut self, dn: &str) -> Result<bool, Failure> {
        // What cannot be taken apart is no name of an entry.
        let Some(parsed) = Dn::parse(dn) else { return Ok(false) };
        if self.known.contains(&parsed) {
            return Ok(false);
        }
        if self.known.len() >= MAX_GROUPS {
            return Err(too_many());
        }
        self.known.insert(parsed);
        self.frontier.push(dn.to_owned());
        Ok(true)
    }

    fn name(&mut self, name: &str) -> Result<(), Failure> {
        if name.is_empty() || self.known_names.contains(name) {
            return Ok(());
        }
        if self.names.len() >= MAX_GROUPS {
            return Err(too_many());
        }
        self.known_names.insert(name.into());
        self.names.push(name.into());
        Ok(())
    }

    fn entry(&mut self, entry: &Entry, groups: &Groups) -> Result<(), Failure> {
        if self.meet(&entry.dn)? {
            entry.texts(&groups.name).try_for_each(|name| self.name(name))?;
        }
        Ok(())
    }
}

fn too_many() -> Failure {
    Failure::Unusable(format!("a user is in more than {MAX_GROUPS} groups"))
}

/// Adds the groups below all bases that meet `filter`.
async fn search(
    session: &mut Session<'_>,
    groups: &Groups,
    filter: &Tag,
    found: &mut FoundGroups,
) -> Result<(), Failure> {
    let narrowed = match &groups.list {
        Some(list) => filter::all_of(vec![list.clone(), filter.clone()]),
        None => filter.clone(),
    };
    let limit = u32::try_from(MAX_GROUPS).unwrap_or(u32::MAX);
    for (base, _) in &groups.bases {
        let answer = session.search(base, Scope::Subtree, narrowed.clone(), &[&groups.name], limit).await?;
        // A list that was cut short is not half as good: who is in which group would depend on chance.
        if answer.verdict.code != 0 {
            return Err(Failure::search(base, &answer.verdict));
        }
        answer.entries.iter().try_for_each(|entry| found.entry(entry, groups))?;
    }
    Ok(())
}

/// Adds the groups that an entry names itself.
async fn named_by_user(
    session: &mut Session<'_>,
    groups: &Groups,
    attribute: &str,
    entry: &Entry,
    found: &mut FoundGroups,
) -> Result<(), Failure> {
    for value in session.values(entry, attribute).await? {
        if Dn::parse(&value).is_some_and(|dn| dn != Dn::default()) {
            add_named(session, groups, &value, found).await?;
        } else {
            // Some directories hold plain names there.
            found.name(&value)?;
            if let Some(filter) = groups.by_name.as_ref().filter(|_| groups.nested) {
                let Some(filter) = filter.fill(&value) else { continue };
                search(session, groups, &filter, found).await?;
            }
        }
    }
    Ok(())
}

/// Adds the group of this name, where it stands below one of the bases.
async fn add_named(
    session: &mut Session<'_>,
    groups: &Groups,
    dn: &str,
    found: &mut FoundGroups,
) -> Result<(), Failure> {
    let Some(parsed) = Dn::parse(dn) else { return Ok(()) };
    let inside = groups.bases.is_empty() || groups.bases.iter().any(|(_, base)| parsed.is_within(base));
    if !inside || !found.meet(dn)? {
        return Ok(());
    }
    if let Some(name) = naming_value(dn, &groups.name) {
        return found.name(&name);
    }
    let answer = session.search(dn, Scope::Base, filter::any(), &[&groups.name], 1).await?;
    match answer.verdict.code {
        0 => answer
            .entries
            .iter()
            .flat_map(|entry| entry.texts(&groups.name))
            .try_for_each(|name| found.name(name)),
        // A name that was left behind by a group that is gone.
        32 => Ok(()),
        _ => Err(Failure::search(dn, &answer.verdict)),
    }
}

/// Adds the groups that hold the groups that were found, and so on.
async fn walk(session: &mut Session<'_>, groups: &Groups, found: &mut FoundGroups) -> Result<(), Failure> {
    if !groups.nested {
        return Ok(());
    }
    for _ in 0..MAX_DEPTH {
        let frontier = std::mem::take(&mut found.frontier);
        if frontier.is_empty() {
            return Ok(());
        }
        if let Some(membership) = groups.searchable() {
            for some in frontier.chunks(AT_A_TIME) {
                let members: Vec<&str> = some.iter().map(String::as_str).collect();
                search(session, groups, &filter::equals_one_of(membership, &members), found).await?;
            }
        } else if let Some(attribute) = &groups.user_membership {
            for dn in &frontier {
                let answer = session.search(dn, Scope::Base, filter::any(), &[attribute], 1).await?;
                // 32: a name that was left behind by a group that is gone.
                if !matches!(answer.verdict.code, 0 | 32) {
                    return Err(Failure::search(dn, &answer.verdict));
                }
                for entry in &answer.entries {
                    for parent in session.values(entry, attribute).await? {
                        add_named(session, groups, &parent, found).await?;
                    }
                }
            }
        }
    }
    if !found.frontier.is_empty() {
        info!(
            target: "portcullis",
            domain = session.directory.settings.domain,
            depth = MAX_DEPTH,
            "groups are nested deeper than is looked at"
        );
    }
    Ok(())
}
