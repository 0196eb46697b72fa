//! What is right: the verdicts that a request may get, from what was so when it began and when it was answered.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

/// A server that providers depend on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Server {
    Issuer,
    Introspection,
    Directory,
}

impl Server {
    pub(crate) const ALL: [Self; 3] = [Self::Issuer, Self::Introspection, Self::Directory];
}

/// How long after a server's return its provider may still answer 503: calls that began before have up to
/// `requestTimeout`, or `connectionTimeout` and `readTimeout`, and the machine is busy.
pub(crate) const GRACE: Duration = Duration::from_secs(6);
/// How long somebody waits at most whom nobody could tell about.
const UNTOLD: Duration = Duration::from_secs(4);
/// `cacheConfig.defaultMaxAge` of introspection, of the key set, and `rolesMaxAge`.
pub(crate) const MAX_AGE: Duration = Duration::from_secs(4);
/// What a busy machine may add before somebody's memory is written.
pub(crate) const SLACK: Duration = Duration::from_secs(2);
/// `throttle.perAddress` and `throttle.perUser`.
pub(crate) const PER_ADDRESS: u32 = 100;
pub(crate) const PER_USER: u32 = 10;
/// The user whose password each version changes.
pub(crate) const CHANGING: &str = "turner";

/// When a server was away.
#[derive(Debug, Default)]
struct Weather(Mutex<Vec<(Instant, Option<Instant>)>>);

impl Weather {
    /// Whether it may have been away at any time between these, or shortly before.
    fn bad(&self, from: Instant, to: Instant) -> bool {
        let spells = self.0.lock().unwrap();
        let near = spells.iter().rev().take(8);
        near.into_iter().any(|(began, ended)| *began <= to && ended.is_none_or(|ended| ended + GRACE >= from))
    }
}

/// A key of the issuer.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) kid: String,
    pub(crate) published: Instant,
    retired: Option<Instant>,
    /// When it was first seen that the gateway has it.
    pub(crate) known: Option<Instant>,
}

/// An opaque token that was granted.
#[derive(Clone, Debug)]
pub(crate) struct Opaque {
    pub(crate) token: String,
    pub(crate) subject: String,
    revoked: Option<Instant>,
}

/// The version of the configuration that is in use, and the one that is written.
#[derive(Debug)]
pub(crate) struct Versions {
    pub(crate) in_use: AtomicU64,
    pub(crate) written: AtomicU64,
    since: Mutex<Instant>,
}

#[derive(Debug)]
pub(crate) struct Model {
    weather: [Weather; 3],
    keys: Mutex<Vec<Key>>,
    opaque: Mutex<HashMap<String, Opaque>>,
    live: Mutex<Vec<String>>,
    revoked: Mutex<Vec<String>>,
    pub(crate) versions: Versions,
    /// How often each address, and each user of each store, was guessed at. What began counts, so this is never too low.
    addresses: Mutex<HashMap<IpAddr, u32>>,
    users: Mutex<HashMap<String, u32>>,
    /// When each user of the file was last let in.
    let_in: Mutex<HashMap<String, Instant>>,
}

/// What a request is, as far as its verdict depends on it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Expect {
    /// What is right whatever happens.
    right: Vec<u16>,
    /// What is right too while a server is or may be away.
    without: Vec<(Server, u16)>,
    /// Somebody guesses: from here, at these users (`store/name`).
    guess: Option<(IpAddr, Vec<String>)>,
    special: Option<Special>,
    /// Whom the server behind has to be told of, where the request is let in.
    pub(crate) subject: Option<String>,
}

#[derive(Clone, Debug)]
enum Special {
    Key(String),
    Opaque(String),
    FileUser(String),
    /// A user whose password is this in one version alone, and the version that was in use before the request was sent.
    Version(u64, u64),
}

impl Expect {
    /// Exactly this.
    pub(crate) fn only(status: u16) -> Self {
        Self { right: vec![status], ..Self::default() }
    }

    /// Any of these.
    pub(crate) fn any(statuses: &[u16]) -> Self {
        Self { right: statuses.to_vec(), ..Self::default() }
    }

    /// A caller who is let in, and whom the server behind is told of.
    pub(crate) fn caller(subject: &str) -> Self {
        Self { subject: Some(subject.to_owned()), ..Self::only(200) }
    }

    /// 503 is right, too, while this server is or may be away.
    pub(crate) fn or_503_without(mut self, server: Server) -> Self {
        self.without.push((server, 503));
        self
    }

    /// So is this.
    pub(crate) fn or_without(mut self, server: Server, status: u16) -> Self {
        self.without.push((server, status));
        self
    }

    /// A guess from here at these users. 429 is right once there were more than are free.
    pub(crate) fn guess(mut self, from: IpAddr, users: &[&str]) -> Self {
        self.guess = Some((from, users.iter().map(|&user| user.to_owned()).collect()));
        self
    }

    /// A token of this key of the issuer, right in everything else.
    pub(crate) fn of_key(kid: &str, subject: &str) -> Self {
        let special = Some(Special::Key(kid.to_owned()));
        Self { special, subject: Some(subject.to_owned()), ..Self::default() }
    }

    /// An opaque token that was granted once.
    pub(crate) fn of_opaque(opaque: &Opaque) -> Self {
        let special = Some(Special::Opaque(opaque.token.clone()));
        Self { special, subject: Some(opaque.subject.clone()), ..Self::default() }
            .or_503_without(Server::Introspection)
    }

    /// A user of the file with the right password.
    pub(crate) fn file_user(name: &str) -> Self {
        Self { special: Some(Special::FileUser(name.to_owned())), ..Self::caller(name) }
    }

    /// The user whose password changes with the version, with that of `version`, while `in_use` is in use.
    pub(crate) fn of_version(version: u64, in_use: u64, subject: &str) -> Self {
        let special = Some(Special::Version(version, in_use));
        Self { special, subject: Some(subject.to_owned()), ..Self::default() }
    }
}

impl Model {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            weather: Default::default(),
            keys: Mutex::default(),
            opaque: Mutex::default(),
            live: Mutex::default(),
            revoked: Mutex::default(),
            versions: Versions {
                in_use: AtomicU64::new(0),
                written: AtomicU64::new(0),
                since: Mutex::new(now),
            },
            addresses: Mutex::default(),
            users: Mutex::default(),
            let_in: Mutex::default(),
        }
    }

    /// Said before anything goes wrong.
    pub(crate) fn goes(&self, server: Server) {
        self.weather[server as usize].0.lock().unwrap().push((Instant::now(), None));
    }

    /// Said after everything is right again.
    pub(crate) fn comes_back(&self, server: Server) {
        if let Some(spell) = self.weather[server as usize].0.lock().unwrap().last_mut() {
            spell.1 = Some(Instant::now());
        }
    }

    pub(crate) fn is_published(&self, kid: &str) {
        let (kid, published) = (kid.to_owned(), Instant::now());
        self.keys.lock().unwrap().push(Key { kid, published, retired: None, known: None });
    }

    /// Said before the oldest key is retired: its name, where the gateway has another.
    pub(crate) fn retires(&self) -> Option<String> {
        let mut keys = self.keys.lock().unwrap();
        let known =
            keys.iter().rev().take_while(|key| key.retired.is_none()).position(|key| key.known.is_some())?;
        let newest = keys.len() - 1 - known;
        let oldest = keys[..newest].iter_mut().find(|key| key.retired.is_none())?;
        oldest.retired = Some(Instant::now());
        Some(oldest.kid.clone())
    }

    /// The keys that are published, oldest first.
    pub(crate) fn live_keys(&self) -> Vec<Key> {
        self.keys.lock().unwrap().iter().filter(|key| key.retired.is_none()).cloned().collect()
    }

    /// One of those that are not any more: the last.
    pub(crate) fn retired_key(&self) -> Option<String> {
        let keys = self.keys.lock().unwrap();
        keys.iter().rev().find(|key| key.retired.is_some()).map(|key| key.kid.clone())
    }

    pub(crate) fn is_granted(&self, token: &str, subject: &str) -> Opaque {
        let opaque = Opaque { token: token.to_owned(), subject: subject.to_owned(), revoked: None };
        self.opaque.lock().unwrap().insert(token.to_owned(), opaque.clone());
        opaque
    }

    /// From now on this token is among those that callers use.
    pub(crate) fn is_used(&self, token: &str) {
        self.live.lock().unwrap().push(token.to_owned());
    }

    /// Said before the oldest token is revoked: which.
    pub(crate) fn revokes(&self) -> Option<String> {
        let mut live = self.live.lock().unwrap();
        if live.len() < 2 {
            return None;
        }
        let token = live.remove(0);
        if let Some(opaque) = self.opaque.lock().unwrap().get_mut(&token) {
            opaque.revoked = Some(Instant::now());
        }
        self.revoked.lock().unwrap().push(token.clone());
        Some(token)
    }

    /// A token in use; `pick` chooses.
    pub(crate) fn live_token(&self, pick: impl FnOnce(usize) -> usize) -> Opaque {
        let live = self.live.lock().unwrap();
        let token = &live[pick(live.len())];
        self.opaque.lock().unwrap()[token].clone()
    }

    pub(crate) fn revoked_token(&self, pick: impl FnOnce(usize) -> usize) -> Option<Opaque> {
        let revoked = self.revoked.lock().unwrap();
        let token = revoked.get(pick(revoked.len().max(1)))?;
        self.opaque.lock().unwrap().get(token).cloned()
    }

    pub(crate) fn is_in_use(&self, version: u64) {
        *self.versions.since.lock().unwrap() = Instant::now();
        self.versions.in_use.store(version, SeqCst);
    }

    /// Said before a request is sent.
    pub(crate) fn sends(&self, expect: &Expect) {
        if let Some((from, users)) = &expect.guess {
            *self.addresses.lock().unwrap().entry(*from).or_default() += 1;
            let mut counts = self.users.lock().unwrap();
            for user in users {
                *counts.entry(user.clone()).or_default() += 1;
            }
        }
    }

    /// What is right for a request that was sent and answered at these times.
    pub(crate) fn right(&self, expect: &Expect, sent: Instant, answered: Instant) -> Vec<u16> {
        let mut right = expect.right.clone();
        match &expect.special {
            None => {}
            Some(Special::Key(kid)) => right.extend(self.right_for_key(kid, sent, answered)),
            Some(Special::Opaque(token)) => right.extend(self.right_for_opaque(token, sent, answered)),
            Some(Special::FileUser(name)) => right.extend(self.also_right_after_reload(name, sent)),
            Some(Special::Version(version, from)) => {
                right.extend(self.right_for_version(*version, *from, sent))
            }
        }
        for (server, status) in &expect.without {
            let after = if *status == 429 { UNTOLD } else { Duration::ZERO };
            if self.weather[*server as usize].bad(sent - after, answered) {
                right.push(*status);
            }
        }
        if expect.guess.as_ref().is_some_and(|(from, users)| self.may_have_to_wait(*from, users)) {
            right.push(429);
        }
        right
    }

    /// What is learnt of an answer that is right.
    pub(crate) fn learns(&self, expect: &Expect, sent: Instant, status: u16) {
        let name = match &expect.special {
            _ if status != 200 => return,
            Some(Special::Key(kid)) => {
                let mut keys = self.keys.lock().unwrap();
                if let Some(key) = keys.iter_mut().find(|key| key.kid == *kid) {
                    key.known.get_or_insert_with(Instant::now);
                }
                return;
            }
            Some(Special::FileUser(name)) => name,
            Some(Special::Version(..)) => CHANGING,
            _ => return,
        };
        // As of when it was sent: what was sent before a version was in use may have been decided by the one before.
        let mut let_in = self.let_in.lock().unwrap();
        let last = let_in.entry(name.to_owned()).or_insert(sent);
        *last = sent.max(*last);
    }

    fn right_for_key(&self, kid: &str, sent: Instant, answered: Instant) -> &'static [u16] {
        let keys = self.keys.lock().unwrap();
        let key = keys.iter().find(|key| key.kid == kid).expect("a key of the issuer");
        let issuer = &self.weather[Server::Issuer as usize];
        if let Some(retired) = key.retired.filter(|retired| *retired <= answered) {
            // The set is fetched anew when it is old, where there is somebody to ask.
            let settled = retired + MAX_AGE + SLACK;
            return match () {
                () if settled > sent => &[200, 401, 503],
                () if issuer.bad(sent - MAX_AGE, answered) => &[200, 401, 503],
                () => &[401],
            };
        }
        let known = key.known.is_some_and(|known| known <= sent);
        // Where no fetch may begin, the last set is the truth; then it is old.
        let settled = key.published + MAX_AGE + SLACK <= sent && !issuer.bad(sent - MAX_AGE, answered);
        if known || settled { &[200] } else { &[200, 401, 503] }
    }

    fn right_for_opaque(&self, token: &str, sent: Instant, answered: Instant) -> &'static [u16] {
        match self.opaque.lock().unwrap()[token].revoked {
            Some(revoked) if revoked + MAX_AGE + SLACK < sent => &[401],
            Some(revoked) if revoked <= answered => &[200, 401],
            _ => &[200],
        }
    }

    /// A store that is replaced knows nobody: the password is hashed again, and until it was right once more the user may have
    /// to wait for those who guess.
    fn also_right_after_reload(&self, name: &str, sent: Instant) -> Vec<u16> {
        let versions = &self.versions;
        let since = *versions.since.lock().unwrap();
        let replaced = versions.in_use.load(SeqCst) != versions.written.load(SeqCst);
        let let_in = self.let_in.lock().unwrap().get(name).copied();
        if !replaced && since <= sent && let_in.is_some_and(|let_in| let_in > since && let_in <= sent) {
            return Vec::new();
        }
        // Where there was no room for hashes, that counts for the user as well.
        vec![429, 503]
    }

    fn right_for_version(&self, version: u64, from: u64, sent: Instant) -> Vec<u16> {
        let mut right = self.also_right_after_reload(CHANGING, sent);
        let to = self.versions.written.load(SeqCst);
        if (from..=to).contains(&version) {
            right.push(200);
        }
        if from != version || to != version {
            right.extend([401, 503]);
        }
        right
    }

    fn may_have_to_wait(&self, from: IpAddr, users: &[String]) -> bool {
        if self.addresses.lock().unwrap().get(&from).is_some_and(|count| *count > PER_ADDRESS) {
            return true;
        }
        let counts = self.users.lock().unwrap();
        users.iter().any(|user| counts.get(user).is_some_and(|count| *count > PER_USER))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    /// A moment that is so many seconds after the start of everything.
    fn at(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn a_503_is_right_only_while_the_server_is_away_and_shortly_after() {
        let (start, expect) = (Instant::now(), Expect::only(401).or_503_without(Server::Directory));
        let model = Model::new(start);
        assert_eq!(model.right(&expect, at(start, 1), at(start, 2)), [401]);
        model.goes(Server::Directory);
        assert_eq!(model.right(&expect, at(start, 1), at(start, 2)), [401, 503]);
        model.comes_back(Server::Directory);
        assert_eq!(model.right(&expect, at(start, 5), at(start, 6)), [401, 503]);
        assert_eq!(model.right(&expect, at(start, 8), at(start, 9)), [401]);
        let other = Expect::only(401).or_503_without(Server::Issuer);
        assert_eq!(model.right(&other, at(start, 1), at(start, 2)), [401]);
    }

    #[test]
    fn a_429_is_right_only_for_those_who_guessed_more_often_than_is_free() {
        let (start, users) = (Instant::now(), ["file/alice"]);
        let model = Model::new(start);
        let guess = Expect::only(401).guess(HERE, &users);
        for _ in 0..PER_USER {
            model.sends(&guess);
        }
        assert_eq!(model.right(&guess, start, start), [401]);
        model.sends(&guess);
        assert_eq!(model.right(&guess, start, start), [401, 429]);
        let another = Expect::only(401).guess(HERE, &["file/bob"]);
        assert_eq!(model.right(&another, start, start), [401]);
        for _ in 0..PER_ADDRESS {
            model.sends(&another);
        }
        assert_eq!(model.right(&Expect::only(401).guess(HERE, &[]), start, start), [401, 429]);
        assert_eq!(model.right(&Expect::caller("alice"), start, start), [200], "she never guesses");
    }

    #[test]
    fn a_key_is_right_from_when_it_is_known_until_it_is_retired_and_forgotten() {
        let start = Instant::now();
        let model = Model::new(start);
        model.is_published("one");
        model.is_published("two");
        let one = Expect::of_key("one", "jack");
        assert_eq!(model.right(&one, at(start, 1), at(start, 2)), [200, 401, 503]);
        assert_eq!(model.right(&one, at(start, 60), at(start, 61)), [200]);
        assert_eq!(model.retires(), None, "the gateway has no other");
        model.learns(&Expect::of_key("two", "jack"), start, 200);
        assert_eq!(model.right(&Expect::of_key("two", "jack"), at(start, 1), at(start, 2)), [200]);
        assert_eq!(model.retires(), Some("one".to_owned()));
        assert_eq!(model.right(&one, at(start, 1), at(start, 2)), [200, 401, 503]);
        assert_eq!(model.right(&one, at(start, 60), at(start, 61)), [401]);
    }

    #[test]
    fn a_revoked_token_is_remembered_for_so_long_and_no_longer() {
        let start = Instant::now();
        let model = Model::new(start);
        for token in ["one", "two"] {
            model.is_granted(token, "olga");
            model.is_used(token);
        }
        let one = Expect::of_opaque(&model.live_token(|_| 0));
        assert_eq!(model.right(&one, at(start, 1), at(start, 2)), [200]);
        assert_eq!(model.revokes(), Some("one".to_owned()));
        assert_eq!(model.right(&one, at(start, 1), at(start, 2)), [200, 401]);
        assert_eq!(model.right(&one, at(start, 60), at(start, 61)), [401]);
        assert_eq!(model.revokes(), None, "somebody uses the last");
    }

    #[test]
    fn a_password_is_right_in_its_version_alone() {
        let start = Instant::now();
        let model = Model::new(start);
        model.is_in_use(0);
        let (now, later) = (Instant::now(), Instant::now());
        let of = |version| Expect::of_version(version, 0, CHANGING);
        assert_eq!(model.right(&of(0), now, later), [429, 503, 200], "hashed, which may be too much");
        model.learns(&of(0), Instant::now(), 200);
        let (now, later) = (Instant::now(), Instant::now());
        assert_eq!(model.right(&of(0), now, later), [200]);
        assert_eq!(model.right(&of(7), now, later), [401, 503]);
        model.versions.written.store(1, SeqCst);
        assert_eq!(model.right(&of(0), now, later), [429, 503, 200, 401, 503]);
        assert_eq!(model.right(&of(1), now, later), [429, 503, 200, 401, 503]);
        model.is_in_use(1);
        let of = |version| Expect::of_version(version, 1, CHANGING);
        assert_eq!(model.right(&of(0), Instant::now(), Instant::now()), [429, 503, 401, 503]);
    }
}
