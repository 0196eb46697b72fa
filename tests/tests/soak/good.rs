//! Requests of those who may come in, or who do no harm.

use std::net::IpAddr;
use std::sync::Mutex;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use portcullis_testing::TestToken;

use crate::callers::Shot;
use crate::model::{CHANGING, Expect, Key, MAX_AGE, SLACK, Server};
use crate::random::Random;
use crate::world::{AUDIENCE, FILE_USERS, PEOPLE, World, password};

fn of_file(name: &'static str, random: &mut Random) -> Shot {
    let password = FILE_USERS.iter().find(|(user, _)| *user == name).expect("a user of the file").1;
    let path = *random.choose(&["/file", "/file/a/b", "/any"]);
    Shot::new("password of the file, right", path, Expect::file_user(name)).basic(name, password)
}

pub(crate) fn alice(_: &World, random: &mut Random, _: IpAddr) -> Shot {
    let mut shot = of_file("alice", random);
    if random.one_in(4) {
        (shot.path, shot.what) = ("/file/admin".to_owned(), "/file/admin".to_owned());
    }
    shot
}

pub(crate) fn bob(_: &World, random: &mut Random, _: IpAddr) -> Shot {
    of_file("bob", random)
}

pub(crate) fn carla(_: &World, random: &mut Random, _: IpAddr) -> Shot {
    of_file("carla", random)
}

pub(crate) fn dora(_: &World, random: &mut Random, _: IpAddr) -> Shot {
    of_file("dora", random)
}

/// The user whose password changes with each version, with that of the one in use.
pub(crate) fn changing(world: &World, _: &mut Random, _: IpAddr) -> Shot {
    let version = world.model.versions.in_use.load(SeqCst);
    let expect = Expect::of_version(version, version, CHANGING);
    Shot::new("password that changes, right", "/file", expect).basic(CHANGING, &password(version))
}

/// Bob at another place, who mistypes.
pub(crate) fn careless(_: &World, random: &mut Random, from: IpAddr) -> Shot {
    if random.one_in(4) {
        let expect = Expect::any(&[401, 503]).guess(from, &["file/bob"]);
        return Shot::new("password mistyped, wrong", "/file", expect).basic("bob", "passwrod 1");
    }
    let expect = Expect::file_user("bob").guess(from, &["file/bob"]);
    Shot::new("password mistyped, right", "/file", expect).basic("bob", FILE_USERS[1].1)
}

fn people(which: usize, random: &mut Random) -> Shot {
    let (name, password) = PEOPLE[which];
    // While the directory is away, what nobody can tell is counted, for a delay of four seconds at most.
    let expect = Expect::caller(name).or_503_without(Server::Directory).or_without(Server::Directory, 429);
    if random.one_in(12) {
        return Shot::new("password of the directory behind the file, right", "/any", expect)
            .basic(name, password);
    }
    Shot::new("password of the directory, right", "/people", expect).basic(name, password)
}

pub(crate) fn ann(_: &World, random: &mut Random, _: IpAddr) -> Shot {
    people(0, random)
}

pub(crate) fn ben(_: &World, random: &mut Random, _: IpAddr) -> Shot {
    people(1, random)
}

/// A token that a validator of this audience lets in.
pub(crate) fn right(token: TestToken<'_>) -> TestToken<'_> {
    token.audience(AUDIENCE).scope("hello")
}

/// A token that is used again and again.
struct Kept(Mutex<Option<(Instant, String, String)>>);

impl Kept {
    /// What is kept for at most a minute, by a name that has to be the same.
    fn token(&self, name: &str, make: impl FnOnce() -> String) -> String {
        let mut kept = self.0.lock().unwrap();
        match &*kept {
            Some((made, of, token)) if of == name && made.elapsed() < Duration::from_secs(60) => {
                token.clone()
            }
            _ => {
                let token = make();
                *kept = Some((Instant::now(), name.to_owned(), token.clone()));
                token
            }
        }
    }
}

pub(crate) fn fixed_again(world: &World, random: &mut Random, _: IpAddr) -> Shot {
    static KEPT: Kept = Kept(Mutex::new(None));
    let token = KEPT.token("", || right(world.fixed.token()).subject("fay").sign());
    let path = *random.choose(&["/fixed", "/any", "/maybe", "/fixed/x"]);
    Shot::new("JWT of fixed keys, again", path, Expect::caller("fay")).bearer(&token)
}

pub(crate) fn fixed_anew(world: &World, _: &mut Random, _: IpAddr) -> Shot {
    let subject = format!("fay-{}", world.number());
    let token = right(world.fixed.token()).subject(&subject).sign();
    Shot::new("JWT of fixed keys, new", "/fixed", Expect::caller(&subject)).bearer(&token)
}

/// A key that the gateway has, or should have.
fn settled_key(world: &World) -> Key {
    let keys = world.model.live_keys();
    let settled = keys
        .iter()
        .rev()
        .find(|key| key.known.is_some() || key.published.elapsed() > MAX_AGE + SLACK + crate::model::GRACE);
    settled.or_else(|| keys.first()).expect("there is always a key").clone()
}

pub(crate) fn key_again(world: &World, random: &mut Random, _: IpAddr) -> Shot {
    static KEPT: Kept = Kept(Mutex::new(None));
    let key = settled_key(world);
    let token = KEPT.token(&key.kid, || right(world.issuer.token()).key(&key.kid).subject("jack").sign());
    let path = *random.choose(&["/keys", "/keys/x"]);
    Shot::new("JWT of fetched keys, again", path, Expect::of_key(&key.kid, "jack")).bearer(&token)
}

pub(crate) fn key_anew(world: &World, _: &mut Random, _: IpAddr) -> Shot {
    let key = settled_key(world);
    let subject = format!("jack-{}", world.number());
    let token = right(world.issuer.token()).key(&key.kid).subject(&subject).sign();
    Shot::new("JWT of fetched keys, new", "/keys", Expect::of_key(&key.kid, &subject)).bearer(&token)
}

/// By the key that was published last, at once.
pub(crate) fn newest_key(world: &World, _: &mut Random, from: IpAddr) -> Shot {
    let keys = world.model.live_keys();
    let key = keys.last().expect("there is always a key");
    let token = right(world.issuer.token()).key(&key.kid).subject("julia").sign();
    let expect = Expect::of_key(&key.kid, "julia").guess(from, &[]);
    Shot::new("JWT of the newest key", "/keys", expect).bearer(&token)
}

pub(crate) fn opaque_again(world: &World, random: &mut Random, _: IpAddr) -> Shot {
    let opaque = world.model.live_token(|count| random.below(count));
    Shot::new("opaque token, again", "/opaque", Expect::of_opaque(&opaque)).bearer(&opaque.token)
}

pub(crate) fn opaque_anew(world: &World, random: &mut Random, _: IpAddr) -> Shot {
    let token = world.grant();
    let number = token.strip_prefix("granted-").expect("its number");
    let path = *random.choose(&["/opaque", "/opaque", "/any"]);
    let expect = Expect::caller(&format!("olga-{number}")).or_503_without(Server::Introspection);
    Shot::new("opaque token, new", path, expect).bearer(&token)
}

pub(crate) fn nobody(_: &World, random: &mut Random, _: IpAddr) -> Shot {
    match random.below(4) {
        0 => Shot::new("public", "/status", Expect::caller("nobody")).bearer("whatever"),
        1 => Shot::new("public", "/status/x", Expect::caller("nobody")),
        2 => Shot::new("optional without credential", "/maybe", Expect::caller("nobody")),
        _ => {
            let path =
                *random.choose(&["/file", "/fixed", "/keys", "/opaque", "/people", "/any", "/file/admin"]);
            Shot::new("no credential", path, Expect::only(401))
        }
    }
}

pub(crate) fn without_scope(world: &World, random: &mut Random, _: IpAddr) -> Shot {
    let token = world.fixed.token().audience(AUDIENCE).subject("fay");
    let (path, token) = match random.below(3) {
        0 => ("/fixed", token),
        1 => ("/fixed", token.scope("hell hello2 HELLO")),
        _ => ("/fixed/admin", token.scope("hello")),
    };
    Shot::new("JWT without the scope", path, Expect::only(403)).bearer(&token.sign())
}
