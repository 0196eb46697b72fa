//! Users who change, and files in which there are none.

use portcullis_tests::write;

use crate::{
    basic::{BCRYPT, SERVICE, SEVENTY_TWO, hashed, mistake, users},
    support_http::{Sheet, Site},
};

#[tokio::test]
async fn line_35_a_password_that_was_changed_is_forgotten_at_once() {
    let mut sheet =
        Sheet::new(35, "Passwords that were changed and users who were removed, while they are remembered");
    let other = SEVENTY_TWO;
    let bob = ("bob", "password = \"clear\"");
    let site = Site::open(&users(&[("alice", &hashed(BCRYPT)), bob], "")).await;
    let old = "p\u{e4}ssword 1";
    for time in ["first", "second"] {
        sheet.row(format!("the password, for the {time} time"), site.login("alice", old).await, "200");
    }
    let change = async |text: String| {
        write(&site.folder, "Config.toml", text);
        site.live.reload().await.unwrap();
    };
    change(users(&[("alice", &hashed(other)), bob], "")).await;
    sheet.row(
        "the old password, once another is configured",
        site.login("alice", old).await,
        "401 wrong-password",
    );
    sheet.row("the new one", site.login("alice", &"a".repeat(72)).await, "200");
    change(users(&[bob], "")).await;
    sheet.row(
        "the new one, once the user is removed",
        site.login("alice", &"a".repeat(72)).await,
        "401 unknown-user",
    );
    change(users(&[("alice", &hashed(other)), bob], "").replacen(
        "scopes = \"hello\"",
        "scopes = \"other\"",
        1,
    ))
    .await;
    sheet.row(
        "once the user is back with other scopes",
        site.login("alice", &"a".repeat(72)).await,
        "403 insufficient-scope",
    );
    sheet.row("a user whom nothing of it concerns", site.login("bob", "clear").await, "200");
    sheet.shown_by(
        "a password that changes while it is verified",
        "crates/providers/file/src/tests/memory.rs::a_verification_under_way_does_not_outlive_the_password",
    );
    sheet.shown_by(
        "users in a program's own store",
        "crates/providers/file/src/tests/stored.rs::a_remembered_password_is_held_against_the_record_of_now",
    );
    sheet.shown_by(
        "connections that are open",
        "crates/portcullis/tests/reload/leases.rs::a_user_is_held_to_name_password_and_scopes",
    );
    sheet.settle();
}

#[test]
fn line_36_a_file_without_users_or_with_an_empty_password_opens_nothing() {
    let mut sheet = Sheet::new(36, "Configurations with nobody in them");
    let mut check = |what: &str, text: &str, part: &str| {
        let told = mistake(text);
        let expected = if part.is_empty() { "taken".to_owned() } else { format!("refused: {part}") };
        let seen = if !part.is_empty() && told.contains(part) { expected.clone() } else { told };
        sheet.row(what, seen, expected);
    };
    check("one user with a password", &users(&[("alice", "password = \"x\"")], ""), "");
    check("no users", SERVICE, "user");
    check("an empty list of users", &format!("auth.users = []\n{SERVICE}"), "user");
    check("an empty password", &users(&[("alice", "password = \"\"")], ""), "password");
    check(
        "a password of an empty variable",
        &users(&[("alice", "password = { env = \"PORTCULLIS_NO_SUCH_VARIABLE\" }")], ""),
        "password",
    );
    check("an empty hash", &users(&[("alice", "passwordHash = \"\"")], ""), "passwordHash");
    check("no password at all", &users(&[("alice", "")], ""), "password");
    check("an empty name", &users(&[("", "password = \"x\"")], ""), "username");
    check(
        "a name twice",
        &users(&[("alice", "password = \"x\""), ("alice", "password = \"y\"")], ""),
        "unique",
    );
    check("a service without elements", "[services.\"/\"]\nauth = []\n", "auth");
    check("a service that says nothing", "[services.\"/\"]\n", "auth");
    check("an element without a provider", "[services.\"/\"]\nauth = [{ scopes = \"hello\" }]\n", "auth");
    sheet.shown_by(
        "a store of a program without users",
        "crates/providers/file/src/tests/users.rs::a_store_without_users_is_an_error_and_never_open",
    );
    sheet.settle();
}
