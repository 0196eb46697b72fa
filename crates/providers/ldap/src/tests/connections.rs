//! Connections: how many, for what, and what happens when they break.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};

use portcullis_core::{Provider as _, Reason};

use super::{
    ALICE, Bench,
    server::{Reply, Request, SERVICE, entry, message, reference, result},
    until,
};

const READ: Duration = Duration::from_secs(60);
const CONNECT: Duration = Duration::from_secs(5);

#[tokio::test]
async fn connections_are_used_again_and_users_bind_on_none_that_searches() {
    let bench = Bench::new().await;
    bench.add_user("bob");
    for _ in 0..20 {
        bench.known("alice", "secret").await;
        bench.known("bob", "secret").await;
        bench.code("alice", "wrong").await;
    }
    assert_eq!(bench.server.accepted(), 2);
    assert_eq!(bench.store.open_connections(), (1, 1));
    let requests = bench.server.requests();
    let on = |wanted: fn(&Request) -> bool| {
        let found = requests.iter().filter(|(_, request)| wanted(request));
        found.map(|(connection, _)| *connection).collect::<BTreeSet<_>>()
    };
    let searching = on(|request| matches!(request, Request::Search { .. }));
    let service = on(|request| matches!(request, Request::Bind { dn, .. } if dn == SERVICE));
    let users = on(|request| matches!(request, Request::Bind { dn, .. } if dn != SERVICE));
    assert_eq!(searching, service);
    assert!(searching.is_disjoint(&users), "{searching:?} {users:?}");
    let binds = |request: &Request| matches!(request, Request::Bind { dn, .. } if dn == SERVICE);
    assert_eq!(requests.iter().filter(|(_, request)| binds(request)).count(), 1);
}

#[tokio::test]
async fn a_thousand_logins_at_one_time_keep_to_the_bound_and_are_all_answered() {
    let bench = Bench::with(|config| config.max_connections(4)).await;
    for user in 0..100 {
        bench.add_user(&format!("user{user}"));
    }
    let logins: Vec<_> = (0..1_000)
        .map(|number| {
            let password = if number < 100 { "secret".to_owned() } else { format!("wrong{number}") };
            (number, bench.begin(&format!("user{}", number % 100), &password))
        })
        .collect();
    for (number, login) in logins {
        let outcome = login.await.unwrap();
        if number < 100 {
            assert_eq!(super::known(outcome).subject(), Some(format!("user{number}").as_str()));
        } else {
            assert_eq!(super::code(outcome), "wrong-password");
        }
    }
    assert_eq!((bench.server.accepted(), bench.server.most_open()), (4, 4));
    assert_eq!(bench.store.open_connections(), (2, 2));
}

#[tokio::test]
async fn without_pooling_every_login_has_its_own_connections_within_the_bound() {
    let bench = Bench::with(|config| config.max_connections(4).pooling(false)).await;
    for number in 0..50 {
        bench.add_user(&format!("user{number}"));
    }
    let logins: Vec<_> = (0..50).map(|number| bench.begin(&format!("user{number}"), "secret")).collect();
    for login in logins {
        super::known(login.await.unwrap());
    }
    until("the end of all connections", || bench.store.open_connections() == (0, 0)).await;
    assert_eq!(bench.server.accepted(), 100, "one to search for the user and the groups, one to bind");
    assert!(bench.server.most_open() <= 4, "{}", bench.server.most_open());
    let requests = bench.server.requests();
    assert_eq!(requests.iter().filter(|(_, request)| *request == Request::Unbind).count(), 100);
}

#[tokio::test]
async fn that_all_connections_are_in_use_and_none_is_answered_is_an_outage() {
    let bench = Bench::with(|config| config.max_connections(2)).await;
    bench.add_user("bob");
    bench.server.script(|request| matches!(request, Request::Search { .. }).then(Vec::new));
    let first = bench.begin("alice", "secret");
    until("the search", || bench.server.searches() == 1).await;
    let second = bench.begin("bob", "secret");
    let waiting = || {
        let queues = bench.store.queues();
        assert_eq!((queues.len(), queues[0].queue, queues[0].limit), (1, "connections", 16_384));
        queues[0].depth
    };
    until("the other to wait", || waiting() == 1).await;
    assert!(!second.is_finished());
    bench.manual.advance(CONNECT);
    let portcullis_core::Outcome::Unavailable(unavailable) = second.await.unwrap() else {
        panic!("no place")
    };
    assert_eq!(unavailable.reason(), Reason::TimedOut);
    assert!(unavailable.text().contains("every answer took longer than it may"), "{unavailable}");
    assert_eq!(waiting(), 0);
    assert!(!bench.store.servers()[0].usable);
    assert!(!first.is_finished());
    first.abort();
}

#[tokio::test]
async fn who_finds_no_connection_in_time_where_others_are_answered_is_told_to_come_again() {
    let bench = Bench::with(|config| config.max_connections(2)).await;
    let places = 3;
    for user in 0..places {
        bench.add_user(&format!("user{user}"));
    }
    // Each is found after four seconds, and holds up those behind him.
    let (manual, searches) = (bench.manual.clone(), AtomicUsize::new(0));
    bench.server.script(move |request| {
        if matches!(request, Request::Search { base, .. } if base == "ou=Users,dc=x")
            && searches.fetch_add(1, Ordering::SeqCst) < 2
        {
            manual.advance(CONNECT * 4 / 5);
        }
        None
    });
    let logins: Vec<_> = (0..places).map(|user| bench.begin(&format!("user{user}"), "secret")).collect();
    let mut told = Vec::new();
    for login in logins {
        if let portcullis_core::Outcome::Unavailable(unavailable) = login.await.unwrap() {
            told.push((unavailable.reason(), unavailable.retry_after()));
            assert!(unavailable.text().contains("raise `maxConnections`"), "{unavailable}");
        }
    }
    assert!(!told.is_empty());
    assert!(told.iter().all(|told| *told == (Reason::Overloaded, Some(Duration::from_secs(1)))), "{told:?}");
    // That says nothing about the directory.
    assert!(bench.store.servers()[0].usable);
}

#[tokio::test]
async fn a_restarted_directory_fails_no_login() {
    let bench = Bench::with(|config| config.max_connections(6)).await;
    for number in 0..6 {
        bench.add_user(&format!("user{number}"));
    }
    let all: Vec<_> = (0..6).map(|number| bench.begin(&format!("user{number}"), "secret")).collect();
    for login in all {
        super::known(login.await.unwrap());
    }
    for _ in 0..3 {
        bench.server.stop().await;
        bench.server.restart().await;
        let all: Vec<_> = (0..6).map(|number| bench.begin(&format!("user{number}"), "secret")).collect();
        for login in all {
            super::known(login.await.unwrap());
        }
    }
}

#[tokio::test]
async fn a_connection_that_breaks_under_a_question_is_replaced_once() {
    let bench = Bench::new().await;
    bench.known("alice", "secret").await;
    for broken in ["search", "bind"] {
        let at = AtomicUsize::new(0);
        bench.server.script(move |request| {
            let this = match request {
                Request::Search { .. } => "search",
                Request::Bind { dn, .. } if dn == ALICE => "bind",
                _ => return None,
            };
            let first = this == broken && at.fetch_add(1, Ordering::SeqCst) == 0;
            first.then(|| vec![Reply::Close])
        });
        bench.known("alice", "secret").await;
    }
    assert_eq!(bench.server.accepted(), 4, "each was replaced by a new one");
    bench.server.script(|request| matches!(request, Request::Search { .. }).then(|| vec![Reply::Close]));
    let reason = bench.unavailable("alice", "secret").await;
    assert!(reason.contains("the server closed the connection"), "{reason}");
    assert_eq!(bench.server.accepted(), 5);
}

#[tokio::test]
async fn a_connection_that_was_closed_meanwhile_is_not_tried() {
    let bench = Bench::new().await;
    bench.known("alice", "secret").await;
    bench.server.stop().await;
    bench.server.restart().await;
    // Whoever hears of this has heard of the end of the others before.
    bench.store.probe().await;
    let asked = AtomicUsize::new(0);
    bench.server.script(move |request| {
        let first = matches!(request, Request::Search { .. }) && asked.fetch_add(1, Ordering::SeqCst) == 0;
        first.then(|| vec![Reply::Close])
    });
    bench.known("alice", "secret").await;
}

#[tokio::test]
async fn a_goodbye_is_the_end_of_a_connection() {
    let bench = Bench::new().await;
    bench.known("alice", "secret").await;
    // Said before the answer, with and without closing.
    let goodbye = || message(0, result(24, 52, "shutting down"));
    let said = AtomicUsize::new(0);
    bench.server.script(move |request| {
        let first = matches!(request, Request::Search { .. }) && said.fetch_add(1, Ordering::SeqCst) == 0;
        first.then(|| vec![Reply::Raw(goodbye())])
    });
    bench.known("alice", "secret").await;
    assert_eq!(bench.server.accepted(), 3);
}

#[tokio::test]
async fn a_connection_that_is_too_old_is_not_used_again() {
    let bench = Bench::with(|config| config.idle_timeout(Duration::from_secs(300))).await;
    bench.known("alice", "secret").await;
    bench.manual.advance(Duration::from_secs(300) - Duration::from_nanos(1));
    bench.known("alice", "secret").await;
    assert_eq!(bench.server.accepted(), 2);
    bench.manual.advance(Duration::from_secs(300));
    bench.known("alice", "secret").await;
    assert_eq!(bench.server.accepted(), 4);
    until("the end of the old ones", || bench.server.open() == 2).await;
}

#[tokio::test]
async fn a_connection_that_was_dropped_in_silence_is_replaced_after_the_time_to_connect() {
    let bench = Bench::new().await;
    bench.known("alice", "secret").await;
    bench.manual.advance(Duration::from_secs(60));
    let asked = bench.server.searches();
    let silent = AtomicBool::new(true);
    bench.server.script(move |request| {
        let is_first = matches!(request, Request::Search { .. }) && silent.swap(false, Ordering::SeqCst);
        is_first.then(Vec::new)
    });
    let login = bench.begin("alice", "secret");
    until("the question", || bench.server.searches() == asked + 1).await;
    bench.manual.advance(CONNECT);
    super::known(login.await.unwrap());
}

#[tokio::test]
async fn where_one_connection_was_dropped_in_silence_no_other_old_one_is_tried() {
    let bench = Bench::with(|config| config.max_connections(4)).await;
    bench.add_user("bob");
    let both = [bench.begin("alice", "secret"), bench.begin("bob", "secret")];
    for login in both {
        super::known(login.await.unwrap());
    }
    assert_eq!(bench.store.open_connections().0, 2);
    bench.manual.advance(Duration::from_secs(60));
    let asked = bench.server.searches();
    let renewed = AtomicBool::new(false);
    bench.server.script(move |request| {
        if matches!(request, Request::Bind { dn, .. } if dn == SERVICE) {
            renewed.store(true, Ordering::SeqCst);
        }
        let lost = matches!(request, Request::Search { .. }) && !renewed.load(Ordering::SeqCst);
        lost.then(Vec::new)
    });
    let login = bench.begin("alice", "secret");
    until("the question", || bench.server.searches() == asked + 1).await;
    bench.manual.advance(CONNECT);
    until("the answer", || login.is_finished()).await;
    super::known(login.await.unwrap());
}

#[tokio::test]
async fn a_slow_answer_is_waited_for_within_the_time_to_read_and_not_longer() {
    let bench = Bench::new().await;
    bench.server.script(|request| matches!(request, Request::Search { .. }).then(Vec::new));
    let login = bench.begin("alice", "secret");
    until("the question", || bench.server.searches() == 1).await;
    bench.manual.advance(READ - Duration::from_nanos(1));
    tokio::task::yield_now().await;
    assert!(!login.is_finished());
    bench.manual.advance(Duration::from_nanos(1));
    until("the answer", || login.is_finished()).await;
    let reason = super::unavailable(login.await.unwrap());
    assert!(reason.contains("a search took longer than it may"), "{reason}");
    assert_eq!(bench.server.searches(), 1, "what took too long is not asked again");
    assert_eq!(bench.store.open_connections(), (0, 0), "an answer may come on it yet");
}

#[tokio::test]
async fn a_login_as_a_whole_takes_no_longer_than_both_time_outs() {
    let bench = Bench::with(|config| {
        config.connection_timeout(Duration::from_secs(2)).read_timeout(Duration::from_secs(3))
    })
    .await;
    bench.server.script(|request| {
        matches!(request, Request::Search { base, .. } if base == "ou=Groups,dc=x").then(Vec::new)
    });
    let login = bench.begin("alice", "secret");
    until("the search for groups", || bench.server.searches() == 2).await;
    bench.manual.advance(Duration::from_secs(3));
    super::unavailable(login.await.unwrap());
    // Each step is in time, all of them are not.
    bench
        .server
        .script(|request| matches!(request, Request::Search { .. } | Request::Bind { .. }).then(Vec::new));
    let asked = bench.server.requests().len();
    let login = bench.begin("alice", "secret");
    until("the first question", || bench.server.requests().len() == asked + 1).await;
    bench.manual.advance(Duration::from_secs(5));
    super::unavailable(login.await.unwrap());
}

#[tokio::test]
async fn garbage_is_an_outage_and_ends_the_connection() {
    let whole = message(2, result(5, 0, ""));
    let nested: Vec<u8> = {
        let mut nested = Vec::new();
        for level in 1..=100_000_u32 {
            let [_, length @ ..] = (5 * (100_000 - level)).to_be_bytes();
            nested.extend_from_slice(&[0x30, 0x83]);
            nested.extend_from_slice(&length);
        }
        nested
    };
    let cases: Vec<(Vec<Reply>, &str)> = vec![
        (vec![Reply::Raw(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec())], "something else than LDAP messages"),
        (vec![Reply::Raw(vec![0x30, 0x84, 0x7f, 0xff, 0xff, 0xff])], "longer than 4 MiB"),
        (vec![Reply::Raw(vec![0x30, 0x80])], "not written as LDAP has it"),
        (vec![Reply::Raw(nested)], "another type than LDAP gives it"),
        (vec![Reply::Raw(vec![0x30, 0])], "lacks one of its parts"),
        (vec![Reply::Of(77, result(5, 0, ""))], "answers what was not asked"),
        (vec![Reply::Op(result(1, 0, ""))], "answers another operation"),
        (vec![Reply::Op(result(24, 0, ""))], "answers another operation"),
        (vec![Reply::Op(result(9, 0, ""))], "answers what nobody asks"),
        (vec![Reply::Raw(whole[..whole.len() - 1].to_vec()), Reply::Close], "closed the connection"),
    ];
    for (replies, expected) in cases {
        let bench = Bench::new().await;
        bench
            .server
            .script(move |request| matches!(request, Request::Search { .. }).then(|| replies.clone()));
        let reason = bench.unavailable("alice", "secret").await;
        assert!(reason.contains(expected), "{reason}");
        assert_eq!(bench.store.open_connections().0, 0, "{expected}");
        bench.server.unscripted();
        bench.known("alice", "secret").await;
    }
}

#[tokio::test]
async fn an_answer_that_comes_too_late_answers_nobody_else() {
    let bench = Bench::new().await;
    bench.add_user("bob");
    // Two answers to one bind: the second would be taken for the next user's.
    bench.server.script(|request| match request {
        Request::Bind { dn, .. } if dn == ALICE => {
            Some(vec![Reply::Op(result(1, 0, "")), Reply::Op(result(1, 0, ""))])
        }
        _ => None,
    });
    bench.known("alice", "secret").await;
    assert_eq!(bench.code("bob", "wrong").await, "wrong-password");
    assert_eq!(bench.code("bob", "wrong").await, "wrong-password");
}

#[tokio::test]
async fn endless_answers_are_given_up() {
    let bench = Bench::new().await;
    bench.server.script(|request| match request {
        Request::Search { base, .. } if base == "ou=Groups,dc=x" => {
            let names = vec!["x".repeat(2 * 1024 * 1024)];
            let found = |number| Reply::Op(entry(&format!("cn={number},dc=x"), &[("cn", &names)]));
            Some((0..9).map(found).chain([Reply::Op(result(5, 0, ""))]).collect())
        }
        _ => None,
    });
    let reason = bench.unavailable("alice", "secret").await;
    assert!(reason.contains("answers one login with more than 16 MiB"), "{reason}");
    // References have no end either, but the time has.
    bench.server.script(|request| match request {
        Request::Search { .. } => Some(vec![Reply::Op(reference()); 1_000]),
        _ => None,
    });
    let asked = bench.server.searches();
    let login = bench.begin("alice", "secret");
    until("the question", || bench.server.searches() == asked + 1).await;
    tokio::task::yield_now().await;
    bench.manual.advance(READ);
    super::unavailable(login.await.unwrap());
}

#[tokio::test]
async fn what_takes_memory_and_few_bytes_is_counted_as_it_takes_memory() {
    let bench = Bench::new().await;
    bench.server.script(|request| match request {
        Request::Search { base, .. } if base == "ou=Groups,dc=x" => {
            let none = Vec::new();
            let attributes = vec![("a", &none); 10_000];
            let mut replies: Vec<Reply> =
                (0..50).map(|number| Reply::Op(entry(&format!("cn={number},dc=x"), &attributes))).collect();
            replies.push(Reply::Op(result(5, 0, "")));
            Some(replies)
        }
        _ => None,
    });
    let reason = bench.unavailable("alice", "secret").await;
    assert!(reason.contains("answers one login with more than 16 MiB"), "{reason}");
}

#[tokio::test]
async fn all_answers_to_one_login_are_counted_together() {
    let bases = ["ou=A,dc=x", "ou=B,dc=x", "ou=C,dc=x"];
    let bench = Bench::with(|config| config.group_search_base(bases)).await;
    let answer = |count: usize| {
        bench.server.script(move |request| match request {
            Request::Search { base, .. } if base != "ou=Users,dc=x" => {
                let names = vec!["x".repeat(3 * 1024 * 1024)];
                let found = |number| Reply::Op(entry(&format!("cn={number},{base}"), &[("cn", &names)]));
                let mut replies: Vec<Reply> = (0..count).map(found).collect();
                replies.push(Reply::Op(result(5, 0, "")));
                Some(replies)
            }
            _ => None,
        });
    };
    answer(1);
    for _ in 0..2 {
        bench.known("alice", "secret").await;
    }
    answer(2);
    let reason = bench.unavailable("alice", "secret").await;
    assert!(reason.contains("answers one login with more than 16 MiB"), "{reason}");
}
