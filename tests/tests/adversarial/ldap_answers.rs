//! Directories: groups, names, and what the results of a bind say.

use portcullis_testing::{TestDirectory, TestEntry};
use portcullis_tests::{Slapd, Transport};

use crate::{
    ldap::{PROVIDER, SERVICE, USERS, element, fill, group, started, telling, told, user},
    support_http::Sheet,
};

#[tokio::test]
async fn line_42_groups_end_although_they_hold_one_another() {
    let mut sheet = Sheet::new(42, "Groups in circles, in depth, and in parts");
    let (directory, site) = started("nestedGroups = true").await;
    directory.add_group(&group("a"), [user("bob").as_str(), group("c").as_str()]);
    directory.add_group(&group("b"), [group("a").as_str()]);
    directory.add_group(&group("c"), [group("b").as_str()]);
    sheet.row("a circle of three", told(&site, "bob", "bob@123").await, "200 bob [a b c]");
    directory.add_group(&group("self"), [group("self").as_str(), user("alice").as_str()]);
    sheet.row("a group that holds itself", told(&site, "alice", "alice@123").await, "200 alice [hello self]");
    directory.add_user(&user("deep"), "deep@123");
    let mut below = user("deep");
    for level in 1..=30 {
        let own = group(&format!("level{level:02}"));
        directory.add_group(&own, [below.as_str()]);
        below = own;
    }
    let seen = told(&site, "deep", "deep@123").await;
    let levels = seen.matches("level").count();
    sheet.row(
        "a chain of thirty, followed",
        format!("{} with {levels} of them", &seen[..3]),
        "200 with 11 of them",
    );
    let parted = TestDirectory::builder().active_directory().max_values(2).start().await;
    fill(&parted);
    let groups: Vec<String> = (0..5).map(|number| group(&format!("g{number}"))).collect();
    for own in &groups {
        parted.add_group(own, [user("carol").as_str()]);
    }
    parted.add(
        TestEntry::new(user("carol"))
            .attribute("uid", ["carol"])
            .attribute("objectClass", ["person"])
            .attribute("memberOf", groups.iter().map(String::as_str))
            .password("carol@123"),
    );
    let site = telling(&element(&parted.url(), "userMembershipAttribute = \"memberOf\"")).await;
    sheet.row(
        "a list that comes two at a time",
        told(&site, "carol", "carol@123").await,
        "200 carol [g0 g1 g2 g3 g4]",
    );
    sheet.shown_by(
        "a part that is missing",
        &format!("{PROVIDER}/groups.rs::a_list_with_a_part_missing_lets_nobody_in"),
    );
    sheet.shown_by(
        "more groups than are taken",
        &format!("{PROVIDER}/groups.rs::whoever_is_in_too_many_groups_is_not_let_in_with_some_of_them"),
    );
    sheet.settle();
}

#[tokio::test]
async fn line_43_the_name_is_that_of_the_directory_however_it_was_typed() {
    let mut sheet = Sheet::new(43, "A name in other letters than the directory's");
    let slapd = Slapd::start();
    let text = element(&slapd.url(Transport::Plain), "").replace(SERVICE, "uid=admin,ou=system");
    let site = telling(&text).await;
    for name in ["alice", "ALICE", "Alice", "\u{ff21}\u{ff2c}\u{ff29}\u{ff23}\u{ff25}"] {
        sheet.row(format!("`{name}`"), told(&site, name, "alice@123").await, "200 alice [admin hello]");
    }
    sheet.row(
        "`ALICE` with the password in capitals",
        told(&site, "ALICE", "ALICE@123").await,
        "401 wrong-password",
    );
    sheet.shown_by(
        "an entry with several names",
        &format!("{PROVIDER}/names.rs::of_several_names_one_is_chosen_that_does_not_depend_on_their_order"),
    );
    sheet.settle();
}

#[tokio::test]
async fn line_44_results_that_say_nothing_of_the_password_are_no_401() {
    let mut sheet = Sheet::new(44, "What a directory answers to a bind");
    let (directory, site) = started("").await;
    for (code, what, expected) in [
        (0, "success", "200 alice [hello]"),
        (49, "invalid credentials", "401 wrong-password"),
        (19, "constraint violation", "401 bind-refused"),
        (53, "unwilling to perform, at a user's bind", "401 bind-refused"),
        (52, "unavailable", "503 unavailable"),
        (51, "busy", "503 unavailable"),
        (80, "other", "503 unusable-answer"),
        (1, "operations error", "503 unusable-answer"),
        (10, "referral", "503 unusable-answer"),
    ] {
        if code > 0 {
            directory.answer_bind(&user("alice"), code, "");
        }
        let seen = told(&site, "alice", "alice@123").await;
        directory.recover();
        sheet.row(format!("{code}, {what}"), seen, expected);
    }
    for code in [49, 53, 52, 51] {
        let directory = TestDirectory::start().await;
        fill(&directory);
        directory.answer_bind(SERVICE, code, "");
        let site = telling(&element(&directory.url(), "")).await;
        sheet.row(
            format!("{code} at the bind of the service itself"),
            told(&site, "alice", "alice@123").await,
            "503 unavailable",
        );
    }
    for code in [53, 52, 51] {
        directory.answer_search(USERS, code, "");
        sheet.row(
            format!("{code} at the search"),
            told(&site, "alice", "alice@123").await,
            "503 unavailable",
        );
        directory.recover();
    }
    let hold = directory.hold();
    sheet.row("no answer in time", told(&site, "alice", "alice@123").await, "503 timed-out");
    hold.release();
    sheet.shown_by(
        "every other result",
        &format!("{PROVIDER}/results.rs::only_some_results_of_a_users_bind_refuse"),
    );
    sheet.settle();
}
