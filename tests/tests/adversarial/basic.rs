//! User names and passwords: their spellings, their cost, and those who guess them.

use std::{net::Ipv4Addr, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use portcullis::Config;

use crate::support_http::{Sheet, Site, basic, header, whole};

const HASHES: &str = "crates/providers/file/src/hash/tests.rs";

/// Of `pässword 1`, each cheap.
pub const BCRYPT: &str = "$2b$04$c2FsdHNhbHRzYWx0c2FsdO3qsAnPKj/uqzgpLZF/QruuDLhHKLID6";
const ARGON2: &str =
    "$argon2id$v=19$m=16,t=1,p=2$c2FsdHNhbHRzYWx0c2FsdA$2Tisq7J+VJQESgyoQHUA7b/vUwOEmljh6a8XW0gbbGs";
const SCRYPT: &str =
    "$scrypt$ln=4,r=8,p=1$c2FsdHNhbHRzYWx0c2FsdA$P9DXf5+NO1OwZ/YN32v3U83Ll+svJrF029wSGeh7PZ0";
/// Of 72 times `a`.
pub const SEVENTY_TWO: &str = "$2b$04$abcdefghijklmnopqrstuuBzzIgyKkz7xMWYSzkIjUSnxEQFQ0WNe";

pub const SERVICE: &str = "[services.\"/\"]\nauth = [{ scopes = \"hello\", fileUserStoreConfig = {} }]\n";

/// A configuration with these users, `password = …` or `passwordHash = …` as given, and these keys of the service.
pub fn users(users: &[(&str, &str)], more: &str) -> String {
    let users: String = users
        .iter()
        .map(|(name, secret)| {
            format!("[[auth.users]]\nusername = \"{name}\"\n{secret}\nscopes = \"hello\"\n")
        })
        .collect();
    format!("{users}{SERVICE}{more}\n")
}

pub fn hashed(hash: &str) -> String {
    format!("passwordHash = \"{hash}\"")
}

/// What is wrong with a configuration, in one line.
pub fn mistake(text: &str) -> String {
    match Config::parse(text, ".") {
        Ok(_) => "taken".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn line_30_a_user_and_a_password_have_one_spelling() {
    let mut sheet = Sheet::new(30, "Basic credentials that are spelled otherwise");
    let site = Site::open(&users(
        &[
            ("alice", "password = \"password12\""),
            ("colons", "password = \"a:b::c\""),
            ("zo\u{eb}", "password = \"p\u{e4}ssword\""),
        ],
        "",
    ))
    .await;
    let good = STANDARD.encode("alice:password12");
    let bare = good.trim_end_matches('=');
    let value = |text: String| format!("Authorization: {text}\r\n").into_bytes();
    let pair = |pair: &[u8]| format!("Authorization: Basic {}\r\n", STANDARD.encode(pair)).into_bytes();
    assert_ne!(bare, good, "it has padding");
    // Another last letter whose leftover bits are not zero.
    let odd = STANDARD.encode("alice:password");
    let mut leftover = odd.trim_end_matches('=').to_owned();
    let last = leftover.pop().unwrap();
    leftover.push(char::from(u8::try_from(last).unwrap() + 1));
    let rows: Vec<(&str, Vec<u8>, &str)> = vec![
        ("a good pair", value(format!("Basic {good}")), "200"),
        ("the scheme in capitals, and two spaces", value(format!("BASIC  {good}")), "200"),
        ("without padding", value(format!("Basic {bare}")), "200"),
        ("with more padding", value(format!("Basic {good}==")), "401 not-base64"),
        ("with the letters of URLs", value("Basic YWxpY2U6cGFzc3dvcmQ_-_8".into()), "401 not-base64"),
        ("with leftover bits", value(format!("Basic {leftover}")), "401 not-base64"),
        ("with a space within", value(format!("Basic {} {}", &good[..8], &good[8..])), "401 trailing-words"),
        ("with a comma within", value(format!("Basic {},{}", &good[..8], &good[8..])), "401 trailing-words"),
        ("no base64 at all", value("Basic alice:password12".into()), "401 not-base64"),
        ("nothing behind the scheme", value("Basic".into()), "401 empty-credential"),
        ("without a colon", pair(b"alicepassword12"), "401 no-colon"),
        ("a colon alone", pair(b":"), "401 empty-username"),
        ("an empty user", pair(b":password1"), "401 empty-username"),
        ("an empty password", pair(b"alice:"), "401 empty-password"),
        ("a password with colons", pair(b"colons:a:b::c"), "200"),
        ("the part before the second colon", pair(b"colons:a"), "401 wrong-password"),
        ("a password of Latin-1", pair(b"zo\xc3\xab:p\xe4ssword"), "401 not-utf8"),
        ("a name that is no UTF-8", pair(b"ali\xff:password1"), "401 not-utf8"),
        ("UTF-8 as it was configured", pair("zo\u{eb}:p\u{e4}ssword".as_bytes()), "200"),
        ("the name with a combining mark", pair("zoe\u{308}:p\u{e4}ssword".as_bytes()), "401 unknown-user"),
        (
            "the password with a combining mark",
            pair("zo\u{eb}:pa\u{308}ssword".as_bytes()),
            "401 wrong-password",
        ),
        ("a NUL behind the password", pair(b"alice:password12\0"), "401 control-character"),
        ("a line end in the name", pair(b"alice\r\n:password1"), "401 control-character"),
        ("64 KiB of password", pair(&[b"alice:".as_slice(), &[b'a'; 48 * 1024]].concat()), "431"),
        ("20 KiB of password", pair(&[b"alice:".as_slice(), &[b'a'; 20 * 1024]].concat()), "401 too-long"),
        (
            "8 KiB of password",
            pair(&[b"alice:".as_slice(), &[b'a'; 8 * 1024]].concat()),
            "401 wrong-password",
        ),
    ];
    for (what, lines, expected) in rows {
        let seen = site.send(lines).await;
        sheet.row(what, seen, expected);
    }
    sheet.shown_by(
        "every kind of mistake by itself",
        "crates/core/src/credential/basic.rs::every_malformed_pair_has_its_own_reason",
    );
    sheet.settle();
}

#[tokio::test]
async fn line_31_who_is_not_there_looks_like_who_has_another_password() {
    let mut sheet = Sheet::new(31, "Users who exist, and users who do not");
    let mixed =
        users(&[("alice", &hashed(BCRYPT)), ("bob", &hashed(ARGON2)), ("carol", &hashed(SCRYPT))], "");
    let clear = users(&[("alice", "password = \"p\u{e4}ssword 1\"")], "");
    for (what, text) in [("bcrypt, argon2 and scrypt in one file", mixed), ("a file of clear text", clear)] {
        let site = Site::open(&text).await;
        let good = site.login("alice", "p\u{e4}ssword 1").await;
        sheet.row(format!("{what}: the right password"), good, "200");
        let wrong = site.login("alice", "password 1").await;
        let unknown = site.login("mallory", "password 1").await;
        sheet.row(format!("{what}: another password"), &wrong, "401 wrong-password");
        sheet.row(format!("{what}: a user who is not there"), &unknown, "401 unknown-user");
        sheet.holds(
            format!("{what}: both answers, head and body"),
            whole(&wrong) == whole(&unknown),
            "are the same",
        );
    }
    for (what, test) in [
        (
            "hashes computed for an unknown user, and for a wrong password",
            "an_unknown_user_costs_what_a_wrong_password_costs",
        ),
        ("in a mixed file", "in_a_mixed_store_every_refusal_computes_each_kind_of_hash_once"),
        (
            "refusals that could be told from hashing by their time",
            "where_passwords_are_hashed_nothing_but_a_right_one_is_answered_at_once",
        ),
    ] {
        sheet.shown_by(what, &format!("crates/providers/file/src/tests/cost.rs::{test}"));
    }
    sheet.settle();
}

#[tokio::test]
async fn line_32_hashes_and_passwords_that_break_their_algorithms_break_nothing() {
    let mut sheet =
        Sheet::new(32, "Passwords that bcrypt cuts off, and hashes that are none or cost too much");
    let site = Site::open(&users(&[("long", &hashed(SEVENTY_TWO)), ("alice", &hashed(BCRYPT))], "")).await;
    let long = "a".repeat(72);
    let rows = [
        ("the right password of 72 bytes", basic("long", &long), "200"),
        ("one byte more", basic("long", format!("{long}a")), "401 unfit-password"),
        ("8 KiB of it", basic("long", "a".repeat(8192)), "401 unfit-password"),
        ("one byte less", basic("long", &long[1..]), "401 wrong-password"),
        ("a NUL within the password", basic("alice", b"p\0"), "401 control-character"),
        ("the right password, and a NUL", basic("alice", "p\u{e4}ssword 1\0"), "401 control-character"),
        ("the right password", basic("alice", "p\u{e4}ssword 1"), "200"),
    ];
    for (what, lines, expected) in rows {
        let seen = site.send(lines).await;
        sheet.row(what, seen, expected);
    }
    let salted = "$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNo";
    let bcrypt = &SEVENTY_TWO[7..];
    for (what, hash, part) in [
        (
            "a hash with a letter outside ASCII",
            format!("$2b$04${}\u{f6}", &bcrypt[..52]),
            "is no bcrypt hash",
        ),
        ("such a letter across a fixed offset", format!("$2b$0\u{f6}${bcrypt}"), "is no bcrypt hash"),
        (
            "such a letter in an argon2 hash",
            "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXN\u{f6}".to_owned(),
            "outside ASCII",
        ),
        ("half a hash", "$2b$04$abc".to_owned(), "is no bcrypt hash"),
        ("a clear text as a hash", "secret1".to_owned(), "is no PHC string"),
        ("an empty hash", String::new(), "is empty"),
        ("the faulty version of bcrypt", format!("$2x$04${bcrypt}"), "faulty version"),
        ("bcrypt of cost 31", format!("$2b$31${bcrypt}"), "out of bounds"),
        ("argon2 that takes 4 TiB", format!("$argon2id$v=19$m=4294967295,t=1,p=1{salted}"), "out of bounds"),
        (
            "argon2 of 2^32 - 1 passes",
            format!("$argon2id$v=19$m=64,t=4294967295,p=1{salted}"),
            "out of bounds",
        ),
        (
            "argon2 with 2^24 - 1 lanes",
            format!("$argon2id$v=19$m=4096,t=1,p=16777215{salted}"),
            "out of bounds",
        ),
        (
            "argon2 whose memory and passes are too much together",
            format!("$argon2id$v=19$m=1048576,t=64,p=1{salted}"),
            "out of bounds",
        ),
        ("scrypt of 2^63", format!("$scrypt$ln=63,r=8,p=1{salted}"), "out of bounds"),
        ("PBKDF2 of 2^31 - 1 rounds", format!("$pbkdf2-sha256$i=2147483647{salted}"), "out of bounds"),
    ] {
        let told = mistake(&users(&[("alice", &hashed(&hash))], ""));
        let refused = told.contains(part) && told.contains("passwordHash");
        sheet.row(
            format!("{what}, in the file"),
            if refused { format!("refused when it is read: {part}") } else { told },
            format_args!("refused when it is read: {part}"),
        );
    }
    sheet.shown_by("bytes of hashes, changed one by one", &format!("{HASHES}::no_mutation_of_a_hash_panics"));
    sheet.settle();
}

#[tokio::test]
async fn line_33_a_flood_of_logins_is_bounded_and_hurts_nobody_else() {
    let mut sheet = Sheet::new(33, "Many logins at once");
    let text = users(
        &[("alice", &hashed(BCRYPT)), ("bob", "password = \"clear\"")],
        "throttle = false\nresources.\"/open\" = { public = true }",
    );
    let site = Site::open(&text).await;
    let good = site.login("alice", "p\u{e4}ssword 1").await;
    sheet.row("the right password, before", good, "200");
    let guesses = (0..400).map(|guess| async move { (guess, basic("alice", format!("guess {guess}"))) });
    let answers = futures_util::future::join_all(guesses.map(|guess| async {
        let (guess, lines) = guess.await;
        site.send_from(Ipv4Addr::new(127, 0, 1, u8::try_from(guess % 200).unwrap() + 1), lines).await.status
    }));
    let others = async {
        let mut seen = Vec::new();
        for _ in 0..20 {
            seen.push(site.login("alice", "p\u{e4}ssword 1").await.status);
            seen.push(
                site.raw("GET /open HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.status,
            );
        }
        seen
    };
    let (answers, others) = tokio::join!(answers, others);
    let bounded = answers.iter().all(|status| [401, 503].contains(status)) && answers.contains(&401);
    sheet.holds("400 guesses at once", bounded, "401, or 503 where no place is left");
    sheet.holds(
        "a login that is remembered, and a public route, meanwhile",
        others.iter().all(|status| *status == 200),
        "200, all of them",
    );
    sheet.row("the right password, afterwards", site.login("alice", "p\u{e4}ssword 1").await, "200");
    for (what, test) in [
        (
            "more than may be computed and may wait",
            "over_the_bound_callers_are_told_to_come_back_and_others_are_not_affected",
        ),
        ("an address that asks for more than its share", "addresses_take_turns"),
        ("hashes that take much memory", "memory_bounds_what_runs_at_a_time_and_one_is_always_let_run"),
        ("the same credentials at the same time", "identical_credentials_at_the_same_time_cost_one_hash"),
    ] {
        sheet.shown_by(what, &format!("crates/providers/file/src/tests/bounds.rs::{test}"));
    }
    sheet.settle();
}

#[tokio::test]
async fn line_34_who_guesses_waits_and_nobody_is_locked_out_for_good() {
    let mut sheet = Sheet::new(34, "Guessing, and locking others out by guessing");
    let limits = "throttle = { perUser = 3, perAddress = 8, maxDelay = \"60s\" }";
    let own = Ipv4Addr::new(127, 0, 0, 9);
    let stranger = Ipv4Addr::new(127, 0, 0, 66);
    let site =
        Site::open(&users(&[("alice", "password = \"right\""), ("bob", "password = \"right\"")], limits))
            .await;
    let login = async |from, user: &str, password: &str| {
        let seen = site.send_from(from, basic(user, password)).await;
        match header(&seen, "retry-after") {
            Some(seconds) => format!("{} after {seconds} s", seen.status),
            None => seen.status.to_string(),
        }
    };
    sheet.row("alice, where she comes from", login(own, "alice", "right").await, "200");
    for name in ["alice", "ALICE", " alice"] {
        sheet.row(
            format!("a wrong password for {name:?}, from elsewhere"),
            login(stranger, name, "wrong").await,
            "401",
        );
    }
    for name in ["alice", "Alice", "alice ", "\u{ff21}lice", "al\u{ad}ice", "al\u{200b}ice", "\u{3000}ALICE"]
    {
        sheet.row(
            format!("then {name:?} with the right password"),
            login(stranger, name, "right").await,
            "429 after 1 s",
        );
    }
    sheet.row("another user from there", login(stranger, "bob", "right").await, "200");
    sheet.row(
        "alice from a third place, with the right password",
        login(Ipv4Addr::new(127, 0, 0, 67), "alice", "right").await,
        "429 after 1 s",
    );
    sheet.row("alice, where she comes from", login(own, "alice", "right").await, "200");
    site.clock.advance(Duration::from_secs(1));
    sheet.row(
        "alice from the third place, when the second is over",
        login(Ipv4Addr::new(127, 0, 0, 67), "alice", "right").await,
        "200",
    );
    let scan = Ipv4Addr::new(127, 0, 0, 68);
    let mut statuses = Vec::new();
    for number in 0..9 {
        statuses.push(login(scan, &format!("user{number}"), "wrong").await);
    }
    sheet.row(
        "nine users from one address, one password each",
        statuses.join(", "),
        "401, 401, 401, 401, 401, 401, 401, 401, 429 after 1 s",
    );
    sheet.row("a right password from there", login(scan, "bob", "right").await, "429 after 1 s");
    sheet.row("bob from elsewhere", login(stranger, "bob", "right").await, "200");
    let mut longest = 0;
    for _ in 0..40 {
        let seen = site.send_from(scan, basic("mallory", "wrong")).await;
        if let Some(seconds) = header(&seen, "retry-after") {
            let seconds: u64 = seconds.parse().unwrap();
            longest = longest.max(seconds);
            site.clock.advance(Duration::from_secs(seconds));
        }
    }
    sheet.row(
        "the longest wait of who never stops, where `maxDelay` is a minute",
        format!("{longest} s"),
        "60 s",
    );
    sheet.shown_by("a name in a directory, in all its spellings", "crates/providers/ldap/src/tests/throttled.rs::spellings_of_a_name_are_delayed_before_the_directory_is_asked");
    sheet.shown_by("the other names of an entry", "crates/providers/ldap/src/tests/throttled.rs::other_names_of_an_entry_are_delayed_before_its_password_is_tried");
    sheet.shown_by("a thousand guesses at one moment", "crates/providers/file/src/tests/throttled.rs::a_thousand_guesses_at_once_are_as_many_hashes_as_may_fail");
    sheet.settle();
}
