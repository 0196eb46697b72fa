//! What is remembered, for how long, and who asks again.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use portcullis_core::{Basic, Contact, Credential, Outcome, Provider as _, Recall};

use super::{
    ALICE, Bench, ask, known, scopes,
    server::{Reply, Request, TestEntry},
    until,
};

const AGE: Duration = Duration::from_secs(60);

fn rename_group(bench: &Bench, name: &str) {
    bench.server.add(TestEntry::new("cn=hello,ou=Groups,dc=x").with("cn", &[name]).with("member", &[ALICE]));
}

#[tokio::test]
async fn without_a_memory_everything_is_asked_every_time() {
    let bench = Bench::new().await;
    for round in 1..=3 {
        bench.known("alice", "secret").await;
        assert_eq!((bench.server.user_binds().len(), bench.server.searches()), (round, 2 * round));
    }
}

#[tokio::test]
async fn a_remembered_credential_asks_nobody_until_its_age_is_over() {
    let bench = Bench::with(|config| config.remember_credentials(AGE)).await;
    bench.known("alice", "secret").await;
    let asked = bench.server.requests().len();
    bench.server.add(TestEntry::new(ALICE).with("uid", &["alice"]).password("changed"));
    bench.manual.advance(AGE - Duration::from_nanos(1));
    bench.known("alice", "secret").await;
    assert_eq!(bench.server.requests().len(), asked);
    bench.manual.advance(Duration::from_nanos(1));
    assert_eq!(bench.code("alice", "secret").await, "wrong-password");
    bench.known("alice", "changed").await;
}

#[tokio::test]
async fn a_refused_password_is_never_remembered_as_good_or_bad() {
    let bench = Bench::with(|config| config.remember_credentials(AGE)).await;
    for _ in 0..2 {
        assert_eq!(bench.code("alice", "wrong").await, "wrong-password");
    }
    assert_eq!(bench.server.user_binds().len(), 2);
    assert_eq!(bench.store.servers()[0].holds, Some(0));
    bench.server.add(TestEntry::new(ALICE).with("uid", &["alice"]).password("wrong"));
    bench.known("alice", "wrong").await;
    assert_eq!(bench.store.servers()[0].holds, Some(1));
}

#[tokio::test]
async fn a_remembered_credential_is_recalled_by_the_text_of_its_header() {
    let bench = Bench::with(|config| config.remember_credentials(AGE)).await;
    let recalled = |text: &str| match bench.store.recall(text.as_bytes(), &bench.cx()) {
        Recall::Unasked => "unasked".to_owned(),
        Recall::Nothing | Recall::NothingIn(_) => "nothing".to_owned(),
        Recall::Answer(outcome) => known(outcome).subject().unwrap_or_default().to_owned(),
    };
    // `alice:secret`, and `bob:secret` with padding and without.
    let (alice, padded, bob) = ("YWxpY2U6c2VjcmV0", "Ym9iOnNlY3JldA==", "Ym9iOnNlY3JldA");
    assert_eq!(recalled(alice), "nothing");
    bench.known("alice", "secret").await;
    assert_eq!([alice, padded, bob].map(recalled), ["alice", "nothing", "nothing"]);
    for (text, expected) in [("Ym9iOnNlY3JldA=", "unasked"), ("YWxpY2U6c2VjcmV1", "nothing"), ("", "nothing")]
    {
        assert_eq!(recalled(text), expected, "{text}");
    }
    let asked = bench.server.requests().len();
    bench.manual.advance(AGE);
    assert_eq!(recalled(alice), "nothing");
    assert_eq!(bench.server.requests().len(), asked);
    let forgetful = Bench::new().await;
    forgetful.known("alice", "secret").await;
    assert!(matches!(forgetful.store.recall(alice.as_bytes(), &forgetful.cx()), Recall::Unasked));
}

#[tokio::test]
async fn what_needs_no_directory_is_answered_without_waiting() {
    let bench = Bench::with(|config| config.remember_credentials(AGE)).await;
    let cx = bench.cx();
    let credential = |password: &str| {
        Credential::Basic(Basic::decode(&STANDARD.encode(format!("alice:{password}"))).unwrap())
    };
    let at_once = |password: &str| bench.store.try_authenticate(&credential(password), &cx);
    assert_eq!(bench.store.kind(), "ldap");
    assert_eq!(super::code(at_once(" ").unwrap()), "blank-password");
    assert!(at_once("secret").is_none());
    bench.known("alice", "secret").await;
    assert_eq!(known(at_once("secret").unwrap()).subject(), Some("alice"));
    assert!(at_once("wrong").is_none());
}

#[tokio::test]
async fn an_outage_forgets_nothing_and_remembers_nothing() {
    let bench = Bench::with(|config| config.remember_credentials(AGE)).await;
    bench.known("alice", "secret").await;
    bench.server.stop().await;
    bench.known("alice", "secret").await;
    bench.unavailable("alice", "other").await;
    assert_eq!(bench.store.servers()[0].holds, Some(1));
}

#[tokio::test]
async fn groups_are_remembered_for_their_age_and_passwords_are_not() {
    let bench = Bench::with(|config| config.remember_roles(AGE)).await;
    assert_eq!(scopes(&*bench.known("alice", "secret").await), ["hello"]);
    rename_group(&bench, "renamed");
    bench.manual.advance(AGE - Duration::from_nanos(1));
    assert_eq!(scopes(&*bench.known("alice", "secret").await), ["hello"]);
    assert_eq!(bench.code("alice", "wrong").await, "wrong-password");
    bench.manual.advance(Duration::from_nanos(1));
    assert_eq!(scopes(&*bench.known("alice", "secret").await), ["renamed"]);
}

#[tokio::test]
async fn who_asks_afresh_is_answered_by_the_directory() {
    let bench = Bench::with(|config| config.remember_credentials(AGE).remember_roles(AGE)).await;
    bench.known("alice", "secret").await;
    rename_group(&bench, "renamed");
    let afresh = bench.cx().afresh();
    assert_eq!(scopes(&known(ask(&bench.store, "alice", "secret", &afresh).await)), ["renamed"]);
    // What was learned is remembered.
    assert_eq!(scopes(&*bench.known("alice", "secret").await), ["renamed"]);
    bench.server.add(TestEntry::new(ALICE).with("uid", &["alice"]).password("changed"));
    assert!(matches!(ask(&bench.store, "alice", "secret", &afresh).await, Outcome::Refused(_)));
    assert_eq!(bench.code("alice", "secret").await, "wrong-password", "the memory is gone too");
}

#[tokio::test]
async fn an_explanation_leaves_no_trace_and_may_be_kept_from_asking() {
    let bench = Bench::with(|config| config.remember_credentials(AGE).remember_roles(AGE)).await;
    let cx = bench.cx();
    for _ in 0..2 {
        known(ask(&bench.store, "alice", "secret", &cx.explaining(Contact::Allowed)).await);
    }
    assert_eq!((bench.server.user_binds().len(), bench.server.searches()), (2, 4));
    assert_eq!(bench.store.servers()[0].holds, Some(0));
    rename_group(&bench, "renamed");
    let explained = ask(&bench.store, "alice", "secret", &cx.explaining(Contact::Allowed)).await;
    assert_eq!(scopes(&known(explained)), ["renamed"]);
    let forbidden = ask(&bench.store, "alice", "secret", &cx.explaining(Contact::Forbidden)).await;
    assert!(matches!(forbidden, Outcome::Unavailable(_)), "{forbidden:?}");
    assert_eq!(bench.server.user_binds().len(), 3);
    rename_group(&bench, "again");
    assert_eq!(scopes(&*bench.known("alice", "secret").await), ["again"], "no groups were remembered either");
}

#[tokio::test]
async fn identical_logins_at_one_time_are_one_and_different_ones_are_not() {
    let bench = Bench::new().await;
    bench.server.script(|request| matches!(request, Request::Search { .. }).then(Vec::new));
    let same: Vec<_> = (0..20).map(|_| bench.begin("alice", "secret")).collect();
    until("the search", || bench.server.searches() == 1).await;
    let other = bench.begin("alice", "wrong");
    until("the other search", || bench.server.searches() == 2).await;
    bench.server.stop().await;
    bench.server.unscripted();
    bench.server.restart().await;
    for login in same {
        known(login.await.unwrap());
    }
    assert_eq!(super::code(other.await.unwrap()), "wrong-password");
    assert_eq!(bench.server.user_binds().len(), 2);
}

#[tokio::test]
async fn who_hangs_up_leaves_the_login_to_those_who_wait_for_it_and_nothing_behind() {
    let bench = Bench::new().await;
    bench.server.script(|request| matches!(request, Request::Search { .. }).then(Vec::new));
    let (one, other) = (bench.begin("alice", "secret"), bench.begin("alice", "secret"));
    until("the search", || bench.server.searches() == 1).await;
    one.abort();
    _ = one.await;
    assert_eq!(bench.store.open_connections(), (1, 0));
    other.abort();
    _ = other.await;
    // The connection on which an answer is still to come is gone.
    assert_eq!(bench.store.open_connections(), (0, 0));
    until("the end of the connection", || bench.server.open() == 0).await;
    bench.server.script(|request| match request {
        Request::Unbind => Some(vec![Reply::Close]),
        _ => None,
    });
    bench.known("alice", "secret").await;
}

#[tokio::test]
async fn groups_are_remembered_for_each_name_of_an_entry() {
    let bench = Bench::with(|config| config.remember_roles(AGE).membership_attribute("memberUid")).await;
    let carol = TestEntry::new("cn=Carol,ou=Users,dc=x").with("uid", &["cc", "carol"]).password("secret");
    bench.server.add(carol);
    let group = |name: &str, member: &str| {
        let dn = format!("cn={name},ou=Groups,dc=x");
        bench.server.add(TestEntry::new(&dn).with("cn", &[name]).with("memberuid", &[member]));
    };
    group("of-cc", "cc");
    group("of-carol", "carol");
    for _ in 0..2 {
        assert_eq!(scopes(&*bench.known("cc", "secret").await), ["of-cc"]);
        assert_eq!(scopes(&*bench.known("carol", "secret").await), ["of-carol"]);
    }
}

#[tokio::test]
async fn the_age_of_a_credential_begins_when_the_directory_is_asked() {
    let bench = Bench::with(|config| config.remember_credentials(AGE)).await;
    bench.server.script(|request| matches!(request, Request::Search { .. }).then(Vec::new));
    let login = bench.begin("alice", "secret");
    until("the search", || bench.server.searches() == 1).await;
    let answered_after = Duration::from_secs(3);
    bench.manual.advance(answered_after);
    bench.server.stop().await;
    bench.server.unscripted();
    bench.server.restart().await;
    known(login.await.unwrap());
    bench.manual.advance(AGE - answered_after - Duration::from_nanos(1));
    bench.known("alice", "secret").await;
    assert_eq!(bench.server.user_binds().len(), 1);
    bench.manual.advance(Duration::from_nanos(1));
    bench.known("alice", "secret").await;
    assert_eq!(bench.server.user_binds().len(), 2);
}

#[tokio::test]
async fn who_asks_afresh_or_for_an_explanation_shares_no_answer_that_is_on_its_way() {
    let bench = Bench::new().await;
    bench.server.script(|request| matches!(request, Request::Search { .. }).then(Vec::new));
    let login = bench.begin("alice", "secret");
    until("the search", || bench.server.searches() == 1).await;
    let begin = |afresh: bool| {
        let (store, clock) = (bench.store.clone(), std::sync::Arc::clone(&bench.clock));
        tokio::spawn(async move {
            let cx = portcullis_core::Context::new(&clock);
            let cx = if afresh { cx.afresh() } else { cx.explaining(Contact::Allowed) };
            ask(&store, "alice", "secret", &cx).await
        })
    };
    let afresh = begin(true);
    until("the second search", || bench.server.searches() == 2).await;
    let explained = begin(false);
    until("the third search", || bench.server.searches() == 3).await;
    bench.server.stop().await;
    bench.server.unscripted();
    bench.server.restart().await;
    for login in [login, afresh, explained] {
        known(login.await.unwrap());
    }
    assert_eq!(bench.server.user_binds().len(), 3);
}
