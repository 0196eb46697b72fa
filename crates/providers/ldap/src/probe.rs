//! A look at the directory for people: `portcullis check --online`.

use std::sync::Arc;

use ldap3::asn1::Tag;
use portcullis_core::{Clock, Probe};

use crate::{
    connection::{Connection, GOODBYE, MAX_ANSWERS, deadline::Deadline},
    failure::Failure,
    filter,
    login::Directory,
    wire::{Scope, Search},
};

/// Entries are counted up to this.
const COUNT: u32 = 1_000;

impl Directory {
    /// Asks each server: connects, binds as the service, and counts the users and groups that it sees.
    pub(crate) async fn probe(&self, clock: &Arc<dyn Clock>) -> Vec<Probe> {
        let mut probes = Vec::new();
        for (server, url) in self.settings.urls.iter().enumerate() {
            let begun = clock.monotonic();
            let deadline = Deadline::after(clock, self.settings.patience());
            let result = self.look(server, &deadline).await;
            let took = clock.monotonic().saturating_sub(begun);
            probes.push(Probe::new("directory", url.to_string(), took, result));
        }
        probes
    }

    async fn look(&self, server: usize, deadline: &Deadline) -> Result<String, String> {
        let settings = &self.settings;
        let opened = self.pool.open_to_server(server, deadline).await;
        let mut connection = opened.map_err(|failure| failure.to_string())?;
        let mut seen = Vec::new();
        let users = settings.user_list.clone().unwrap_or_else(|| filter::present(&settings.user_name));
        let mut anybody = false;
        for base in &settings.user_bases {
            let count = self.count(&mut connection, base, &users, deadline).await?;
            anybody |= count != "no";
            seen.push(format!("{count} users below {base}"));
        }
        let groups = settings.groups.list.clone().unwrap_or_else(|| filter::present(&settings.groups.name));
        for (base, _) in &settings.groups.bases {
            let count = self.count(&mut connection, base, &groups, deadline).await?;
            seen.push(format!("{count} groups below {base}"));
        }
        deadline.within(GOODBYE, connection.close()).await;
        let seen = seen.join(", ");
        if anybody {
            Ok(seen)
        } else {
            Err(format!(
                "the service sees {seen}: correct `userSearchBase` and `userNameListFilter`, or give it the right to read them"
            ))
        }
    }

    /// How many entries meet the filter, in words.
    async fn count(
        &self,
        connection: &mut Connection,
        base: &str,
        filter: &Tag,
        deadline: &Deadline,
    ) -> Result<String, String> {
        let search = Search {
            base,
            scope: Scope::Subtree,
            filter: filter.clone(),
            // RFC 4511 §4.5.1.8: no attributes at all.
            attributes: &["1.1"],
            size_limit: COUNT,
            time_limit: self.settings.time_limit(),
        };
        let most = 2 * usize::try_from(COUNT).unwrap_or(usize::MAX);
        let searching = connection.search(&search, most, MAX_ANSWERS);
        let found = deadline.within(self.settings.read_timeout, searching).await;
        let found =
            found.unwrap_or(Err(Failure::TimedOut("a search"))).map_err(|failure| failure.to_string())?;
        match (found.verdict.code, found.entries.len()) {
            (0, 0) => Ok("no".to_owned()),
            (0, count) => Ok(count.to_string()),
            (4, count @ 1..) => Ok(format!("{count} or more")),
            _ => Err(Failure::search(base, &found.verdict).to_string()),
        }
    }
}
