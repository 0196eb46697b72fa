//! Requests of those who may not come in.

use std::net::IpAddr;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use portcullis_testing::TestIssuer;

use crate::callers::Shot;
use crate::good::right;
use crate::model::{CHANGING, Expect, Server};
use crate::random::Random;
use crate::world::{FILE_USERS, PEOPLE, World, password};

/// A token of this issuer that is wrong, with what is wrong with it, and whether newer keys may be asked for because of it.
fn wrong_token(issuer: &TestIssuer, random: &mut Random) -> (&'static str, String, bool) {
    let token = || right(issuer.token()).subject("mallory");
    match random.below(12) {
        0 => ("expired", token().claim("exp", 1_000_000_000).sign(), false),
        1 => ("another audience", token().audience("another").sign(), false),
        2 => ("no audience", token().without_claim("aud").sign(), false),
        3 => ("another issuer", token().issuer("https://evil.example").sign(), false),
        4 => ("no expiry", token().without_claim("exp").sign(), false),
        5 => {
            let signed = token().header("alg", "none").sign();
            let unsigned = signed.rsplit_once('.').expect("three parts").0;
            ("not signed", format!("{unsigned}."), false)
        }
        6 => ("the algorithm of a secret", token().header("alg", "HS256").sign(), false),
        7 => ("an unknown key", token().kid(&random.word(8)).sign(), true),
        8 => {
            // Signed, and the claims of somebody else put in.
            let signed = right(issuer.token()).subject("small").sign();
            let parts: Vec<&str> = signed.split('.').collect();
            let other = token().claim("scope", "hello admin").sign();
            let claims = other.split('.').nth(1).expect("three parts");
            ("claims put in", format!("{}.{claims}.{}", parts[0], parts[2]), true)
        }
        9 => {
            let signed = token().sign();
            let (text, signature) = signed.rsplit_once('.').expect("three parts");
            let mut bytes = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
            let place = random.below(bytes.len());
            bytes[place] ^= 1 << random.below(8);
            ("a signature of one other bit", format!("{text}.{}", URL_SAFE_NO_PAD.encode(bytes)), true)
        }
        10 => ("not valid yet", token().claim("nbf", 32_000_000_000_u64).sign(), false),
        _ => {
            let mut signed = token().sign();
            signed.truncate(random.below(signed.len() - 1).max(1));
            ("cut off", signed, true)
        }
    }
}

pub(crate) fn token_of_fixed(world: &World, random: &mut Random, _: IpAddr) -> Shot {
    let (what, token, _) = wrong_token(&world.fixed, random);
    let path = *random.choose(&["/fixed", "/fixed/x", "/maybe", "/fixed/admin"]);
    Shot::new("JWT of fixed keys, wrong", path, Expect::only(401)).bearer(&token).said(what)
}

pub(crate) fn token_of_keys(world: &World, random: &mut Random, from: IpAddr) -> Shot {
    let (what, token, asks) = wrong_token(&world.issuer, random);
    let mut expect = Expect::only(401);
    if asks {
        expect = expect.or_503_without(Server::Issuer).guess(from, &[]);
    }
    Shot::new("JWT of fetched keys, wrong", "/keys", expect).bearer(&token).said(what)
}

/// To all elements at once, so that servers are asked about it.
pub(crate) fn token_anywhere(world: &World, random: &mut Random, from: IpAddr) -> Shot {
    let issuer = *random.choose(&[&world.fixed, &world.issuer]);
    let (what, token, _) = wrong_token(issuer, random);
    let expect = Expect::only(401).or_503_without(Server::Issuer).or_503_without(Server::Introspection);
    Shot::new("wrong token, shown to all", "/any", expect.guess(from, &[])).bearer(&token).said(what)
}

pub(crate) fn random_token(_: &World, random: &mut Random, from: IpAddr) -> Shot {
    let expect = Expect::only(401).or_503_without(Server::Introspection).guess(from, &[]);
    Shot::new("opaque token, made up", "/opaque", expect).bearer(&random.word(40))
}

pub(crate) fn revoked_token(world: &World, random: &mut Random, from: IpAddr) -> Shot {
    let Some(opaque) = world.model.revoked_token(|count| random.below(count)) else {
        return random_token(world, random, from);
    };
    let expect = Expect::of_opaque(&opaque).guess(from, &[]);
    Shot::new("opaque token, revoked", "/opaque", expect).bearer(&opaque.token)
}

pub(crate) fn retired_key(world: &World, random: &mut Random, from: IpAddr) -> Shot {
    let Some(kid) = world.model.retired_key() else { return token_of_keys(world, random, from) };
    let token = right(world.issuer.token()).key(&kid).subject("joe").sign();
    let expect = Expect::of_key(&kid, "joe").guess(from, &[]);
    Shot::new("JWT of a retired key", "/keys", expect).bearer(&token)
}

fn wrong_password(random: &mut Random) -> String {
    match random.below(4) {
        0 => "password2".to_owned(),
        1 => "x".repeat(random.below(200) + 1),
        2 => "pässword 2".to_owned(),
        _ => random.word(12),
    }
}

pub(crate) fn password_of_file(_: &World, random: &mut Random, from: IpAddr) -> Shot {
    // Work is shed where more want to have a password hashed than there is room for.
    let refused = Expect::any(&[401, 503]);
    if random.one_in(3) {
        let name = format!("nobody-{}", random.word(10));
        return Shot::new("user whom the file does not have", "/file", refused.guess(from, &[]))
            .basic(&name, &wrong_password(random));
    }
    let (name, _) = *random.choose(&FILE_USERS);
    let expect = refused.guess(from, &[&format!("file/{name}")]);
    Shot::new("password of the file, wrong", "/file", expect).basic(name, &wrong_password(random)).said(name)
}

/// The password of a version that was in use before.
pub(crate) fn old_password(world: &World, _: &mut Random, from: IpAddr) -> Shot {
    let in_use = world.model.versions.in_use.load(SeqCst);
    let old = in_use.wrapping_sub(1);
    let expect = Expect::of_version(old, in_use, CHANGING).guess(from, &[&format!("file/{CHANGING}")]);
    Shot::new("password that changed, the old one", "/file", expect).basic(CHANGING, &password(old))
}

pub(crate) fn password_of_people(_: &World, random: &mut Random, from: IpAddr) -> Shot {
    let (name, _) = *random.choose(&PEOPLE);
    let spellings = [name.to_owned(), name.to_uppercase(), format!("{name}*"), format!("{name})(uid=*")];
    let written = random.choose(&spellings);
    let expect = Expect::only(401).or_503_without(Server::Directory);
    let expect = expect.guess(from, &[&format!("people/{name}")]);
    Shot::new("password of the directory, wrong", "/people", expect)
        .basic(written, &wrong_password(random))
        .said(name)
}

pub(crate) fn nobody_of_people(world: &World, random: &mut Random, from: IpAddr) -> Shot {
    let name = format!("nobody-{}-{}", world.number(), random.word(4));
    let expect = Expect::only(401).or_503_without(Server::Directory).guess(from, &[]);
    Shot::new("user whom the directory does not have", "/people", expect).basic(&name, "password")
}

const MALFORMED: &[&str] = &[
    "",
    "Basic",
    "Basic ",
    "Bearer",
    "Bearer  ",
    "Basic !!!!",
    "Basic YWxpY2U=",
    "Basic OnBhc3N3b3Jk",
    "Basic YWxpY2U6",
    "Basic YWxpY2U6cGFzc3dvcmQx YWxpY2U6cGFzc3dvcmQx",
    "Basic YWxpY2U6cGFzc3dvcmQx, Bearer x",
    "Basic /v7+Ov7+",
    "Basic YWxpY2UAOngA",
    "Bearer a b",
    "Bearer a,b",
    "Bearer \"a\"",
    "Bearer a;b",
    "Digest username=alice",
    "Negotiate YII=",
    "bearer",
    "Token abc",
    "Bearer\ta",
    "alice:password1",
    "Basic alice:password1",
    "=",
    ",",
    "Bearer =",
    "Bearer ....",
    "Bearer ..",
    "Bearer e30.e30.",
    "Bearer e30.e30.e30",
    "Bearer \u{fc}",
    "Basic=YWxpY2U6cGFzc3dvcmQx",
];

pub(crate) fn malformed(_: &World, random: &mut Random, _: IpAddr) -> Shot {
    let path = *random.choose(&["/file", "/fixed", "/fixed/admin", "/maybe"]);
    let shot = Shot::new("malformed credential", path, Expect::only(401));
    match random.below(8) {
        0 => shot.bearer("a").bearer("b").said("two lines"),
        1 => shot.basic("alice", "password1").basic("alice", "password1").said("a right line twice"),
        2 => shot.basic("alice", "password1").bearer("x").said("a right line and another"),
        3 => shot.bearer(&"x".repeat(17 * 1024)).said("17 KiB"),
        _ => {
            let number = random.below(MALFORMED.len());
            let value = MALFORMED[number];
            // `Authorization` with nothing in it may count as none, where none is needed.
            let none = path == "/maybe" && value.is_empty();
            let expect = if none { Expect::any(&[200, 401]) } else { Expect::only(401) };
            Shot { expect, ..shot }.authorization(value.to_owned()).said(&format!("form {number}"))
        }
    }
}

const PATHS: &[&str] = &[
    "/file/Admin",
    "/file/admin/",
    "/file//admin",
    "/file/./admin",
    "/file/x/../admin",
    "/file/%61dmin",
    "/file/admin%2f",
    "/file%2fadmin",
    "/file/admin;x",
    "/file/admin%3bx",
    "/file/%2e%2e/file/admin",
    "/file/admin%00",
    "/file/admin%20",
    "/file/admin.",
    "/file\\admin",
    "/FILE/admin",
    "/files",
    "/file/admin%3fx",
    "/file/admin%23",
    "/file/%2561dmin",
    "/file/adm%69n/",
    "//file/admin",
    "/./file/admin",
    "/status/../file/admin",
    "/status/..%2ffile/admin",
    "/maybe/../file",
    "/file/admin?x=/status",
    "/nothing",
    "/file/%ff",
    "/file/%c0%afadmin",
    "/file/%",
    "*",
    "http:///file/admin",
];

/// Carla, who is no administrator, and mallory, who is nobody, look for another way to what administrators alone may see.
pub(crate) fn path(_: &World, random: &mut Random, from: IpAddr) -> Shot {
    let path = *random.choose(PATHS);
    let expect = Expect::any(&[400, 401, 403, 404]);
    if !random.one_in(3) {
        return Shot::new("hostile path", path, expect);
    }
    // Others guess at her password, and she has not been let in here.
    let expect = Expect::any(&[400, 403, 404, 503]).guess(from, &["file/carla"]);
    Shot::new("hostile path", path, expect).basic("carla", FILE_USERS[2].1).said("as carla")
}

pub(crate) fn oversized(_: &World, random: &mut Random, _: IpAddr) -> Shot {
    // Where the answer comes before everything was sent, the connection may end under it.
    let expect = Expect::any(&[431, 400, 0]);
    let mut shot = Shot::new("oversized head", "/status", expect);
    match random.below(3) {
        0 => shot.headers.push(("x-long", "x".repeat(80 * 1024))),
        1 => shot.headers.extend((0..2_000).map(|_| ("x-many", "x".repeat(40)))),
        _ => shot.path = format!("/status/{}", "x".repeat(90 * 1024)),
    }
    if shot.path.len() > 1_000 {
        shot.expect = Expect::any(&[431, 414, 400, 0]);
    }
    shot
}

/// One that is sent and not waited for.
pub(crate) fn abandoned(world: &World, random: &mut Random, from: IpAddr) -> Shot {
    match random.below(12) {
        0 => password_of_file(world, random, from),
        1..4 => password_of_people(world, random, from),
        4..7 => random_token(world, random, from),
        7..9 => token_anywhere(world, random, from),
        _ => nobody_of_people(world, random, from),
    }
}

/// For how long a WebSocket's token is good.
pub(crate) const SHORT: Duration = Duration::from_secs(3);
