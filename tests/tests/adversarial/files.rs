//! Keys and key stores made to cost much, and files that change while they are read.

use std::{
    fmt::Display,
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
};

use portcullis_keys::{KeyStore, KeyWarning, MAX_FILE_BYTES, PrivateKey};
use portcullis_tests::temp_dir;

use crate::{
    line::root,
    support_der::{data, encrypted, encrypted_key, pbe, pbkdf2, scrypt, shrouded, store},
    support_http::{Sheet, Site, users},
};

const HOSTILE: &str = "crates/keys/tests/hostile.rs";
const ROUNDS: u64 = (1 << 31) - 1;

/// A file of the tests of keys.
fn kept(name: &str) -> PathBuf {
    root().join("crates/keys/tests/data").join(name)
}

/// What became of it, by the part of the error that has to be there.
fn refused<T>(result: Result<T, impl Display>, part: &str) -> String {
    match result {
        Ok(_) => "opened".to_owned(),
        Err(error) if error.to_string().contains(part) => format!("refused: {part}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn line_56_a_key_store_costs_no_more_than_it_may() {
    let mut sheet = Sheet::new(56, "PKCS#12 stores");
    let mut open = |what: &str, bytes: &[u8], part: &str| {
        let result = KeyStore::from_bytes(bytes, "changeit").and_then(|store| store.identity(None, None));
        let expected = if part.is_empty() { "opened".to_owned() } else { format!("refused: {part}") };
        sheet.row(what, refused(result, part), expected);
    };
    let empty = data(&[0x30, 0x00]);
    open("2^31 - 1 rounds for its MAC", &store(empty.clone(), Some(ROUNDS)), "2147483647");
    open(
        "2^31 - 1 rounds for what is encrypted, by PBKDF2",
        &store(encrypted(pbkdf2(ROUNDS)), None),
        "2147483647",
    );
    open("and by the older way", &store(encrypted(pbe(ROUNDS)), None), "2147483647");
    open(
        "2^31 - 1 rounds for the key within, by PBKDF2",
        &store(shrouded(pbkdf2(ROUNDS)), None),
        "2147483647",
    );
    open("and by the older way", &store(shrouded(pbe(ROUNDS)), None), "2147483647");
    open("2^63 rounds", &store(empty, Some(1 << 63)), "9223372036854775808");
    open("scrypt that takes 4 GiB", &store(encrypted(scrypt(1 << 22, 8, 1)), None), "4294967296");
    open(
        "scrypt that takes 2^31 times as long",
        &store(encrypted(scrypt(2, 1, 1 << 31)), None),
        "549755813888",
    );
    let three: Vec<u8> = (0..3).flat_map(|_| encrypted(pbkdf2(4_000_000))).collect();
    open("three parts that each cost what one may", &store(three, None), "12000000");
    open("bytes that are none", b"\x30\x84\xff\xff\xff\xff", "damaged");
    open("nothing", b"", "empty");
    for (what, name) in [
        ("a store of OpenSSL", "stores/openssl.default.p12"),
        ("RC2 and 3DES, as stores were written for long", "stores/openssl.legacy.p12"),
        ("no MAC, and encrypted", "stores/openssl.nomac-encrypted.p12"),
        ("no MAC, and only the key encrypted", "stores/openssl.nomac.p12"),
    ] {
        let store = KeyStore::open(kept(name), "changeit").and_then(|store| store.identity(None, None));
        sheet.row(format!("{what}, with its password"), refused(store, ""), "opened");
        let store = KeyStore::open(kept(name), "wrong").and_then(|store| store.identity(None, None));
        sheet.row(format!("{what}, with another"), refused(store, "password"), "refused: password");
    }
    let several = KeyStore::open(kept("stores/java.several.p12"), "changeit").unwrap();
    sheet.row("several keys, and no alias", refused(several.identity(None, None), "alias"), "refused: alias");
    sheet.row(
        "several keys, and the alias of one",
        refused(several.identity(Some("server"), None), ""),
        "opened",
    );
    sheet.row(
        "several keys, and the alias of none",
        refused(several.identity(Some("nobody"), None), "nobody"),
        "refused: nobody",
    );
    let folder = temp_dir();
    let huge = folder.path().join("huge.p12");
    fs::File::create(&huge).unwrap().set_len(100 << 20).unwrap();
    const { assert!(MAX_FILE_BYTES < 100 << 20) };
    sheet.row("a file of 100 MiB", refused(KeyStore::open(&huge, "changeit"), "larger"), "refused: larger");
    sheet.row(
        "a file without end",
        refused(KeyStore::open("/dev/zero", "changeit"), "larger"),
        "refused: larger",
    );
    for (what, test) in [
        ("every number of rounds, everywhere", "too_many_iterations_anywhere_in_a_key_store_are_refused"),
        ("parts that are small and many", "many_small_parts_take_linear_time"),
        ("values within values", "deeply_nested_values_do_not_overflow_the_stack"),
        ("bytes that are changed", "mutated_key_stores_never_panic"),
    ] {
        sheet.shown_by(what, &format!("{HOSTILE}::{test}"));
    }
    sheet.settle();
}

#[test]
fn line_57_a_key_file_holds_one_key_and_costs_no_more_than_it_may() {
    let mut sheet = Sheet::new(57, "Encrypted keys, several blocks, and who may read the file");
    for (what, algorithm, part) in [
        ("2^31 - 1 rounds of PBKDF2", pbkdf2(ROUNDS), "2147483647"),
        ("2^31 - 1 rounds of the older way", pbe(ROUNDS), "2147483647"),
        ("scrypt that takes 4 GiB", scrypt(1 << 22, 8, 1), "4294967296"),
        ("scrypt whose cost is no power of two", scrypt(3, 1, 1), "scrypt"),
        ("no rounds at all", pbkdf2(0), "zero"),
    ] {
        let seen = refused(PrivateKey::from_bytes(&encrypted_key(algorithm), Some("key-password")), part);
        sheet.row(what, seen, format!("refused: {part}"));
    }
    for (what, name, password, part) in [
        ("an encrypted key with its password", "keys/encrypted.pbes2-default.pem", Some("key-password"), ""),
        ("with another", "keys/encrypted.pbes2-default.pem", Some("wrong"), "password"),
        ("without", "keys/encrypted.pbes2-default.pem", None, "keyPassword"),
        ("two keys in one file", "keys/two-keys.pem", None, "2 private keys"),
        ("certificates only", "certs/chain.pem", None, "no private key"),
        ("a key of a type that is not used", "keys/ed448.pkcs8.pem", None, ""),
        ("a certificate before the key", "certs/certificate-and-key.pem", None, ""),
    ] {
        let result = PrivateKey::from_file(kept(name), password);
        let expected = match (part, name) {
            (_, "keys/ed448.pkcs8.pem") => "refused: ",
            ("", _) => "opened",
            (part, _) => &format!("refused: {part}"),
        };
        sheet.row(what, refused(result, part), expected.to_owned());
    }
    let folder = temp_dir();
    let file = folder.path().join("private.key");
    fs::copy(kept("keys/p256.pkcs8.pem"), &file).unwrap();
    for (mode, expected) in [
        (0o600, "opened"),
        (0o640, "opened"),
        (0o644, "opened, with a warning"),
        (0o604, "opened, with a warning"),
    ] {
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        let warning = PrivateKey::from_file(&file, None).unwrap().warning();
        let seen = match warning {
            None => "opened",
            Some(KeyWarning::ReadableByOthers(_)) => "opened, with a warning",
            Some(_) => "opened, with another warning",
        };
        sheet.row(format!("a key file of mode {mode:o}"), seen, expected);
    }
    sheet.shown_by(
        "every number of rounds",
        &format!("{HOSTILE}::too_many_iterations_of_a_key_file_are_refused"),
    );
    sheet.shown_by(
        "each kind of encryption that is not read",
        "crates/keys/tests/private_keys.rs::encryptions_that_are_not_read_are_named",
    );
    sheet.settle();
}

/// Alice with this password, taken from a file beside it.
fn service(more: &str) -> String {
    format!(
        "[[auth.users]]\nusername = \"alice\"\npassword = {{ file = \"password\" }}\nscopes = \"hello\"\n{}[services.\"/\"]\nauth = [{{ scopes = \"hello\", fileUserStoreConfig = {{}} }}]\n{more}",
        users(&[("bob", "clear", "hello")])
    )
}

#[tokio::test]
async fn line_58_a_reload_takes_up_what_is_whole_and_right_or_nothing() {
    let mut sheet = Sheet::new(58, "Files that change while the service runs");
    let inside = || axum::Router::new().fallback(async || "inside");
    let site = Site::beside(&[("password", b"first")], &service(""), inside()).await;
    let path = |name: &str| site.folder.path().join(name);
    let both = async |what: &str, sheet: &mut Sheet, alice: &str, expected: &str| {
        let seen = format!(
            "{}, {}",
            site.login("alice", alice).await.status,
            site.login("bob", "clear").await.status
        );
        sheet.row(what, seen, expected);
    };
    both("before", &mut sheet, "first", "200, 200").await;

    let whole = service("realm = \"other\"\n");
    let mut taken = 0;
    for end in (0..whole.len()).step_by(29) {
        fs::write(path("Config.toml"), &whole[..end]).unwrap();
        taken += usize::from(site.live.check().await.is_some());
    }
    both(
        &format!("a file that is written piece by piece, of which {taken} were taken up"),
        &mut sheet,
        "first",
        "200, 200",
    )
    .await;
    assert_eq!(taken, 0);
    fs::write(path("Config.toml"), &whole[..whole.len() / 2]).unwrap();
    let half = site.live.reload().await;
    both("half a file, when a reload is asked for", &mut sheet, "first", "200, 200").await;
    sheet.holds(
        "what that reload says",
        half.is_err() && !site.live.state().up_to_date,
        "an error, and that it is not up to date",
    );
    let users_gone = "[services.\"/\"]\nauth = [{ scopes = \"hello\", fileUserStoreConfig = {} }]\n";
    for (what, text) in [
        ("a file without users", users_gone.to_owned()),
        ("a file with an unknown key", service("nonsense = true\n")),
        ("a file without the service", users(&[("bob", "clear", "hello")])),
        ("an empty file", String::new()),
    ] {
        fs::write(path("Config.toml"), text).unwrap();
        let refused = site.live.reload().await.is_err();
        both(
            &format!("{what}, which is {}", if refused { "refused" } else { "taken" }),
            &mut sheet,
            "first",
            "200, 200",
        )
        .await;
        assert!(refused, "{what}");
    }
    fs::remove_file(path("Config.toml")).unwrap();
    sheet.holds("a file that is deleted", site.live.reload().await.is_err(), "an error");
    both("the service then", &mut sheet, "first", "200, 200").await;
    fs::write(path("Config.toml"), service("")).unwrap();
    fs::remove_file(path("password")).unwrap();
    sheet.holds("a file with a secret that is deleted", site.live.reload().await.is_err(), "an error");
    both("the service then", &mut sheet, "first", "200, 200").await;
    fs::write(path("password"), "").unwrap();
    sheet.holds("a file with a secret that is empty", site.live.reload().await.is_err(), "an error");
    both("the service then", &mut sheet, "first", "200, 200").await;

    // As Kubernetes does it: everything is a link through `..data`, which is turned.
    for (version, password) in [("..v1", "second"), ("..v2", "third")] {
        fs::create_dir(path(version)).unwrap();
        fs::write(path(version).join("Config.toml"), service("")).unwrap();
        fs::write(path(version).join("password"), password).unwrap();
    }
    let turn = |version: &str| {
        symlink(version, path("..data_tmp")).unwrap();
        fs::rename(path("..data_tmp"), path("..data")).unwrap();
    };
    turn("..v1");
    for name in ["Config.toml", "password"] {
        fs::remove_file(path(name)).unwrap();
        symlink(Path::new("..data").join(name), path(name)).unwrap();
    }
    site.live.reload().await.unwrap();
    both("links in the place of the files", &mut sheet, "second", "200, 200").await;
    turn("..v2");
    assert!(site.live.check().await.is_none(), "somebody may still be writing");
    site.live.check().await.unwrap().unwrap();
    both("a link that was turned, with the old password", &mut sheet, "second", "401, 200").await;
    both("with the new one", &mut sheet, "third", "200, 200").await;
    sheet.holds("what is said of it then", site.live.state().up_to_date, "that it is up to date");
    for (what, test) in [
        (
            "a version every 100 ms under load, in a program",
            "crates/portcullis/tests/reload/load.rs::a_version_every_100_ms_gives_no_wrong_answer_and_breaks_no_connection",
        ),
        (
            "a SIGHUP every 100 ms under load, to the gateway",
            "crates/cli/tests/cmd_reload.rs::a_sighup_every_100_ms_under_load_gives_no_wrong_answer_and_breaks_no_connection",
        ),
        (
            "keys and certificates, over the wire",
            "crates/cli/tests/cmd_reload.rs::a_new_certificate_is_shown_after_sighup",
        ),
    ] {
        sheet.shown_by(what, test);
    }
    sheet.settle();
}
