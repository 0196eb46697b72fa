//! How many connections are open, and what is done on each.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use portcullis_tests::{Seen, Slapd, Traffic, Transport};
use tokio::task::JoinSet;

use crate::record::{Record, user};
use crate::service::Service;

const SERVICE: &str = "uid=admin,ou=system";

/// How many log in at a time: more than there are connections, each somebody else, so that none waits for the answer of another.
const PEOPLE: usize = 40;

/// Adds those people, each with a password of his own.
fn add_people(slapd: &Slapd) {
    let person = |number| {
        format!(
            "dn: {}\nobjectClass: inetOrgPerson\nuid: p{number}\ncn: p\nsn: p\nuserPassword: own@{number}\n\n",
            user(&format!("p{number}"))
        )
    };
    slapd.add(&(0..PEOPLE).map(person).collect::<String>());
}

/// So many logins, `at_once` at a time: every fifth with a wrong password.
async fn log_in(service: &Service, count: usize, at_once: usize) {
    assert!(at_once <= PEOPLE);
    let next = Arc::new(AtomicUsize::new(0));
    let mut workers = JoinSet::new();
    for number in 0..at_once {
        let (service, next) = (service.clone(), Arc::clone(&next));
        workers.spawn(async move {
            let (name, own) = (format!("p{number}"), format!("own@{number}"));
            loop {
                let login = next.fetch_add(1, Ordering::Relaxed);
                if login >= count {
                    return;
                }
                let (password, status) = if login % 5 == 4 { ("wrong", 401) } else { (own.as_str(), 200) };
                assert_eq!(service.status(&name, password).await, status, "login {login}, of {name}");
            }
        });
    }
    workers.join_all().await;
}

/// How many times one of these people was bound as.
fn logins(traffic: &Traffic) -> usize {
    traffic.all().filter(|seen| matches!(seen, Seen::Bind(name) if name.starts_with("uid=p"))).count()
}

/// Nothing is done for the service on a connection where anybody else was bound.
fn judge(traffic: &Traffic) {
    let mut served = 0;
    for (number, events) in &traffic.connections {
        let users = events.iter().any(|seen| matches!(seen, Seen::Bind(name) if name != SERVICE));
        let service = events.contains(&Seen::Bind(SERVICE.to_owned()));
        let searches = events.iter().any(|seen| matches!(seen, Seen::Search(..)));
        assert!(!(users && service), "connection {number} was the service's and a user's: {events:?}");
        assert!(!(users && searches), "connection {number} of a user served a search: {events:?}");
        served += usize::from(users || service);
    }
    assert!(served > 1, "users and searches have connections of their own");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_logins_leave_no_more_than_max_connections_open_at_any_time() {
    let mut slapd = Slapd::start();
    add_people(&slapd);
    let service = Service::new(&Record::of(&slapd, Transport::Plain).element()).await;
    let before = slapd.traffic();
    log_in(&service, 10_000, PEOPLE).await;
    let traffic = slapd.traffic();
    judge(&traffic);
    assert_eq!(logins(&traffic), 10_000, "every login is a bind");
    assert!(traffic.peak <= 10, "{} were open", traffic.peak);
    let opened = traffic.connections.len() - before.connections.len();
    assert!(opened <= 10, "{opened} were opened");
    assert_eq!(traffic.open, opened, "and they are kept");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn max_connections_is_the_bound_over_every_transport() {
    let mut slapd = Slapd::start();
    add_people(&slapd);
    for transport in Transport::ALL {
        slapd.start_again();
        let record = Record::of(&slapd, transport).set("maxConnections", "3");
        let service = Service::new(&record.element()).await;
        log_in(&service, 400, 20).await;
        let traffic = slapd.traffic();
        judge(&traffic);
        assert_eq!(logins(&traffic), 400, "{transport:?}");
        assert!(traffic.peak <= 3, "{transport:?}: {} were open", traffic.peak);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_pooling_every_connection_ends_with_its_login() {
    let mut slapd = Slapd::start();
    add_people(&slapd);
    let record = Record::of(&slapd, Transport::Plain).set("connectionPoolingEnabled", "false");
    let service = Service::new(&record.element()).await;
    log_in(&service, 200, 20).await;
    let traffic = slapd.traffic();
    judge(&traffic);
    // slapd may say that it accepted one before it says that another has ended.
    assert!(traffic.peak <= 12, "{} were open", traffic.peak);
    assert!(traffic.binds(SERVICE) >= 200, "{} connections for searches", traffic.binds(SERVICE));
    while slapd.traffic().open > 0 {
        tokio::task::yield_now().await;
    }
}

/// The directory ends connections that are idle; whoever comes first in the morning notices nothing.
#[tokio::test(flavor = "multi_thread")]
async fn the_first_login_after_the_directory_dropped_idle_connections_works() {
    let mut slapd = Slapd::builder().line("idletimeout 1").start();
    for transport in Transport::ALL {
        slapd.start_again();
        let service = Service::new(&Record::of(&slapd, transport).element()).await;
        for _ in 0..2 {
            assert_eq!(service.status("alice", "alice@123").await, 200, "{transport:?}");
            assert_eq!(service.status("alice", "wrong").await, 401, "{transport:?}");
            slapd.logged(&["closed (idletimeout)"]);
            while slapd.traffic().open > 0 {
                tokio::task::yield_now().await;
            }
        }
        assert_eq!(service.status("alice", "alice@123").await, 200, "{transport:?}");
    }
}
