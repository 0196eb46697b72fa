//! The users of one moment, as they are looked up.

use std::{
    collections::{HashMap, hash_map::Entry},
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use portcullis_core::{BuildError, Identity};

use crate::{
    hash::{Parameters, PasswordHash},
    user::{Password, User, password_problem, scopes_problem, username_problem},
    verify::{self, Digest, Prf, Stored},
};

pub(crate) struct Snapshot {
    /// No other snapshot of the process has it.
    number: u64,
    users: HashMap<Box<str>, Record>,
    /// Who is let in by what: by the fingerprint of the hash that a credential was verified against, or by the digest of the
    /// credential where it stands in clear text.
    callers: HashMap<Digest, Arc<Identity>>,
    /// Every kind of hash among the users, once. Empty where all passwords are clear text.
    equalised: Arc<[Parameters]>,
}

/// A user. No password rests here: a clear text one is known by the digest of the credential it belongs to.
pub(crate) struct Record {
    pub(crate) identity: Arc<Identity>,
    pub(crate) password: Known,
    /// The same in every store of the process that has the user with the same password.
    pub(crate) mark: [u8; 32],
}

/// Two are equal where the same password is right for both, because it is the same hash of one user.
#[derive(PartialEq)]
pub(crate) enum Known {
    /// The digest that the right credential has.
    Clear(Digest),
    Hashed(Stored),
}

impl Snapshot {
    /// Reads the users.
    ///
    /// # Errors
    ///
    /// With everything that is wrong, each mistake on a line of its own.
    pub(crate) fn new(users: Vec<User>, prf: &Prf) -> Result<Self, BuildError> {
        let mut problems = Vec::new();
        let mut records = HashMap::with_capacity(users.len());
        let mut callers = HashMap::with_capacity(users.len());
        let mut equalised = Vec::new();
        if users.is_empty() {
            problems.push("the file user store has no users and would refuse everybody: add at least one ([[auth.users]] in Config.toml)".to_owned());
        }
        for (position, user) in users.into_iter().enumerate() {
            let mut problem = |text: &str| problems.push(format!("{}: {text}", named(&user, position)));
            if let Some(text) = username_problem(&user.username) {
                problem(text);
            }
            if let Some(text) = scopes_problem(&user.scopes) {
                problem(text);
            }
            let password = match read(&user, prf) {
                Ok(password) => password,
                Err(text) => {
                    problem(&text);
                    continue;
                }
            };
            let mark = verify::mark(&user)?;
            if let Known::Hashed(stored) = &password {
                let parameters = stored.hash.parameters();
                if !equalised.contains(&parameters) {
                    equalised.push(parameters);
                }
            }
            match records.entry(user.username.as_str().into()) {
                Entry::Occupied(_) => problem("is there twice: user names are unique, remove one of them"),
                Entry::Vacant(vacant) => {
                    let identity = Arc::new(Identity::new(user.username.as_str()).with_scopes(user.scopes));
                    callers.insert(password.digest(), Arc::clone(&identity));
                    vacant.insert(Record { identity, password, mark });
                }
            }
        }
        if problems.is_empty() {
            static NEXT: AtomicU64 = AtomicU64::new(0);
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            Ok(Self { number, users: records, callers, equalised: equalised.into() })
        } else {
            Err(BuildError::new(problems.join("\n")))
        }
    }

    pub(crate) fn user(&self, username: &str) -> Option<&Record> {
        self.users.get(username)
    }

    /// Who is let in by a digest, see [`Known::digest`].
    pub(crate) fn caller(&self, digest: &Digest) -> Option<&Arc<Identity>> {
        self.callers.get(digest)
    }

    /// What tells it from every other snapshot.
    pub(crate) const fn number(&self) -> u64 {
        self.number
    }

    /// Whether there is a hash to verify a password against.
    pub(crate) fn has_hashes(&self) -> bool {
        !self.equalised.is_empty()
    }

    pub(crate) const fn equalised(&self) -> &Arc<[Parameters]> {
        &self.equalised
    }
}

fn read(user: &User, prf: &Prf) -> Result<Known, String> {
    match &user.password {
        Password::Clear(password) => match password_problem(password.expose()) {
            Some(problem) => Err(problem.to_owned()),
            None => Ok(Known::Clear(prf.credential_of(&user.username, password.expose()))),
        },
        Password::Hash(text) => {
            let hash = match &user.hash {
                Some(hash) => Arc::clone(hash),
                None => PasswordHash::parse(text.expose())
                    .map(Arc::new)
                    .map_err(|error| format!("the password hash {error}"))?,
            };
            Ok(Known::Hashed(Stored { hash, fingerprint: prf.fingerprint(&user.username, text.expose()) }))
        }
    }
}

fn named(user: &User, position: usize) -> String {
    if user.username.is_empty() {
        format!("user at position {}", position + 1)
    } else {
        format!("user {:?}", user.username)
    }
}

impl Known {
    /// What tells it from the password of every other user, and from every other one of the same user.
    const fn digest(&self) -> Digest {
        match self {
            Self::Clear(digest) => *digest,
            Self::Hashed(stored) => stored.fingerprint,
        }
    }
}

impl Record {
    /// The stored hash, where there is one.
    pub(crate) const fn stored(&self) -> Option<&Stored> {
        match &self.password {
            Known::Hashed(stored) => Some(stored),
            Known::Clear(_) => None,
        }
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot")
            .field("users", &self.users.len())
            .field("equalised", &self.equalised)
            .finish()
    }
}
