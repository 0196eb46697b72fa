//! A directory, as logins use it.

mod groups;
pub(crate) mod refusal;
mod session;

use std::{sync::Arc, time::Duration};

use portcullis_core::{Basic, Clock, Guess, Identity, Outcome, Refusal, Unavailable, fair::Party};

use self::{groups::groups_of, session::Session};
use crate::{
    config::settings::Settings,
    connection::{deadline::Deadline, pool::Pool},
    dn::naming_value,
    failure::Failure,
    health::Health,
    memory::{GroupNames, Roles, prf::random_bytes},
    wire::{Entry, Scope},
};

/// The directory of one store.
#[derive(Debug)]
pub(crate) struct Directory {
    pub(crate) settings: Arc<Settings>,
    pub(crate) pool: Pool,
    pub(crate) health: Health,
    pub(crate) roles: Option<Roles>,
}

/// A user's entry.
pub(crate) struct User {
    pub(crate) entry: Entry,
}

/// What came of a login.
pub(crate) struct Login {
    pub(crate) outcome: Outcome,
    /// The entry's distinguished name, where the caller is known.
    pub(crate) dn: Option<Arc<str>>,
}

impl From<Outcome> for Login {
    fn from(outcome: Outcome) -> Self {
        Self { outcome, dn: None }
    }
}

/// Who logs in, and what may be made of memories while the login is answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memories {
    pub(crate) party: Party,
    pub(crate) may_recall: bool,
    pub(crate) may_remember: bool,
}

/// For so long is looked below further bases for who was found.
const FURTHER: Duration = Duration::from_secs(2);

/// Who was looked for.
enum Search {
    /// Below which of the bases he was found.
    One(User, usize),
    Nobody(Refusal),
}

impl Directory {
    /// Whether the credential is right, and whose it is.
    pub(crate) async fn login(
        &self,
        basic: &Basic,
        clock: &Arc<dyn Clock>,
        memories: Memories,
        guess: &Guess,
    ) -> Login {
        let number = self.health.begin();
        let mut session =
            Session::new(self, Deadline::after(clock, self.settings.patience()), memories.party);
        match self.answer(&mut session, basic, clock, memories, guess).await {
            Ok(login) => {
                session.end();
                self.health.answered(number, &self.settings.domain);
                login
            }
            Err(failure) => {
                if failure.is_of_directory() {
                    self.health.failed(number, &self.settings.domain, &failure.to_string());
                }
                Outcome::from(Unavailable::from(&failure)).into()
            }
        }
    }

    async fn answer(
        &self,
        session: &mut Session<'_>,
        basic: &Basic,
        clock: &Arc<dyn Clock>,
        memories: Memories,
        guess: &Guess,
    ) -> Result<Login, Failure> {
        let (user, base) = match self.find(session, basic.username()).await? {
            Search::One(user, base) => (user, base),
            Search::Nobody(refusal) => {
                // As many questions as a wrong password takes: who is a user cannot be told by their number.
                self.bind_as_nobody(session).await?;
                return Ok(Outcome::from(refusal).into());
            }
        };
        // Guesses at an entry are counted together, whatever name it was found by.
        let held = match guess.at(&user.entry.dn) {
            Ok(held) => held,
            Err(unavailable) => return Ok(Outcome::from(unavailable).into()),
        };
        let verdict = session.bind(&user.entry.dn, basic.password()).await?;
        if let Some(refusal) = refusal::of_bind(&verdict)? {
            held.wrong();
            // Whoever is nowhere is looked for below every base. What comes of it changes nothing, and is not waited for long.
            let deadline = session.deadline().clone();
            let search = self.find_below(session, basic.username(), base.saturating_add(1));
            _ = deadline.within(FURTHER, search).await;
            return Ok(Outcome::from(refusal).into());
        }
        held.right();
        let Some(name) = self.name_of(&user, basic.username()) else {
            return Err(Failure::Unusable(format!(
                "the entry of a user has no {}: name an attribute that all users have, and that the service may read, in \
                 `userNameAttribute`",
                self.settings.user_name
            )));
        };
        let groups = self.groups(session, &user, &name, clock.monotonic(), memories).await?;
        let identity = Identity::new(name)
            .with_issuer(self.settings.domain.as_str())
            .with_scopes(groups.iter().cloned());
        Ok(Login { outcome: Outcome::known(identity), dn: Some(user.entry.dn.as_str().into()) })
    }

    /// The entry of the user called `name`: the only one below the first base that has any.
    async fn find(&self, session: &mut Session<'_>, name: &str) -> Result<Search, Failure> {
        self.find_below(session, name, 0).await
    }

    /// The same below the bases from the one at `first` on.
    async fn find_below(
        &self,
        session: &mut Session<'_>,
        name: &str,
        first: usize,
    ) -> Result<Search, Failure> {
        let Settings { user_filter, user_bases, user_name, groups, .. } = &*self.settings;
        let Some(filter) = user_filter.fill(name) else {
            return Err(Failure::Unusable(
                "the name cannot be put into a filter: please report this".to_owned(),
            ));
        };
        let mut attributes = vec![user_name.as_str()];
        attributes.extend(groups.user_membership.as_deref());
        for (position, base) in user_bases.iter().enumerate().skip(first) {
            // Two are enough to see that it is not one.
            let found = session.search(base, Scope::Subtree, filter.clone(), &attributes, 2).await?;
            let cut = found.verdict.code == 4;
            if found.verdict.code != 0 && !cut {
                return Err(Failure::search(base, &found.verdict));
            }
            let mut entries = found.entries.into_iter();
            match (entries.next(), entries.next()) {
                (None, _) if cut => return Err(Failure::search(base, &found.verdict)),
                (None, _) => {}
                (Some(entry), None) if !cut => {
                    // A bind without a name is one of nobody, and succeeds at many servers.
                    if entry.dn.trim().is_empty() {
                        return Err(Failure::Unusable(
                            "the directory found a user without a name".to_owned(),
                        ));
                    }
                    return Ok(Search::One(User { entry }, position));
                }
                (Some(_), _) => return Ok(Search::Nobody(refusal::ambiguous_user())),
            }
        }
        Ok(Search::Nobody(refusal::unknown_user()))
    }

    /// A bind that no server grants, and that counts against nobody. A directory that cannot tell about a user cannot tell about
    /// nobody either: both are answered alike.
    async fn bind_as_nobody(&self, session: &mut Session<'_>) -> Result<(), Failure> {
        let random = || random_bytes::<16>().map(u128::from_be_bytes);
        let (Ok(name), Ok(password)) = (random(), random()) else {
            return Err(Failure::Unusable("the operating system gave no randomness".to_owned()));
        };
        let base = self.settings.user_bases.last().map(String::as_str).unwrap_or_default();
        let dn = format!("{}=portcullis-{name:032x},{base}", self.settings.user_name);
        let verdict = session.bind(&dn, &format!("{password:032x}")).await?;
        refusal::of_bind(&verdict).map(drop)
    }

    /// What the directory calls the user. Of several names it is the one that names the entry, else the one that was typed,
    /// else the first in the order of letters: never one by chance, since values have no order.
    fn name_of(&self, user: &User, typed: &str) -> Option<String> {
        let attribute = &self.settings.user_name;
        let mut names: Vec<&str> = user.entry.texts(attribute).filter(|name| !name.is_empty()).collect();
        names.sort_unstable();
        let naming = naming_value(&user.entry.dn, attribute);
        let chosen = names
            .iter()
            .find(|name| naming.as_ref().is_some_and(|naming| naming.eq_ignore_ascii_case(name)))
            .or_else(|| names.iter().find(|name| name.eq_ignore_ascii_case(typed)))
            .or_else(|| names.first());
        chosen.map(|name| (*name).to_owned())
    }

    async fn groups(
        &self,
        session: &mut Session<'_>,
        user: &User,
        name: &str,
        now: Duration,
        memories: Memories,
    ) -> Result<GroupNames, Failure> {
        let remembered = self.roles.as_ref().filter(|_| memories.may_recall);
        if let Some(groups) = remembered.and_then(|roles| roles.get(&user.entry.dn, name, now)) {
            return Ok(groups);
        }
        let groups: GroupNames = groups_of(session, user, name).await?.into();
        if let Some(roles) = self.roles.as_ref().filter(|_| memories.may_remember) {
            roles.put(&user.entry.dn, name, Arc::clone(&groups), now);
        }
        Ok(groups)
    }
}
