//! A proxy between the product and slapd that drops, hangs, half-closes, answers garbage, or refuses; and slapd itself, frozen.

use std::time::{Duration, Instant};

use portcullis_testing::{Fault, FaultProxy};
use portcullis_tests::{Slapd, Transport};

use crate::gateway::Gateway;
use crate::record::Record;

/// A gateway that asks slapd by way of a proxy.
async fn behind_a_proxy(slapd: &Slapd, transport: Transport) -> (Gateway, FaultProxy) {
    let (server, scheme) = match transport {
        Transport::Ldaps => (slapd.ldaps_address(), "ldaps"),
        Transport::Plain | Transport::StartTls => (slapd.address(), "ldap"),
    };
    let proxy = FaultProxy::start(server).await;
    let record = Record::of(slapd, transport)
        .text("connectionUrl", &format!("{scheme}://localhost:{}", proxy.address().port()))
        .set("connectionTimeout", "\"500ms\"")
        .set("readTimeout", "\"500ms\"");
    (Gateway::start(&record.element()), proxy)
}

fn is_right(gateway: &Gateway, what: &str) {
    assert_eq!(gateway.status("alice", "alice@123"), 200, "{what}");
    assert_eq!(gateway.status("alice", "wrong"), 401, "{what}");
}

fn is_unavailable(gateway: &Gateway, what: &str) {
    for password in ["alice@123", "wrong"] {
        let start = Instant::now();
        let answer = gateway.login("alice", password);
        assert_eq!(answer.status, 503, "{what}");
        assert!(answer.header("retry-after").is_some(), "{what}");
        assert!(start.elapsed() < Duration::from_secs(10), "{what} took {:?}", start.elapsed());
    }
    assert_eq!(gateway.ask().status, 401, "nobody is nobody in an outage, too");
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_goes_wrong_between_is_503_and_is_right_again_at_once() {
    let slapd = Slapd::start();
    for transport in Transport::ALL {
        let (gateway, proxy) = behind_a_proxy(&slapd, transport).await;
        is_right(&gateway, "before");
        for fault in [
            Fault::CutAfter(0),
            Fault::CutAfter(5),
            Fault::Garbage,
            Fault::HalfClose,
            Fault::BlackHole,
            Fault::Delay(Duration::from_secs(20)),
            Fault::Drip(Duration::from_millis(200)),
            Fault::Refuse,
        ] {
            let what = format!("{fault:?} over {transport:?}");
            proxy.set(fault).await;
            is_unavailable(&gateway, &what);
            proxy.set(Fault::None).await;
            is_right(&gateway, &format!("after {what}"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_cut_between_logins_fails_none() {
    let slapd = Slapd::start();
    for transport in Transport::ALL {
        let (gateway, proxy) = behind_a_proxy(&slapd, transport).await;
        for _ in 0..5 {
            is_right(&gateway, "as before");
            proxy.cut().await;
        }
        is_right(&gateway, "in the end");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_directory_is_waited_for() {
    let slapd = Slapd::start();
    let (gateway, proxy) = behind_a_proxy(&slapd, Transport::Plain).await;
    proxy.set(Fault::Delay(Duration::from_millis(20))).await;
    is_right(&gateway, "slow");
}

#[test]
fn a_frozen_directory_is_503_within_the_time_outs_and_right_when_it_goes_on() {
    let slapd = Slapd::start();
    for transport in Transport::ALL {
        let gateway = Gateway::start(
            &Record::of(&slapd, transport)
                .set("connectionTimeout", "\"500ms\"")
                .set("readTimeout", "\"500ms\"")
                .element(),
        );
        is_right(&gateway, "before");
        slapd.freeze();
        is_unavailable(&gateway, "frozen");
        slapd.thaw();
        is_right(&gateway, "after");
    }
}

#[test]
fn it_starts_without_the_directory_says_so_and_serves_once_it_is_there() {
    let mut slapd = Slapd::start();
    slapd.kill();
    let mut gateway = Gateway::start(&Record::of(&slapd, Transport::Plain).element());
    gateway.logged(&["directory", &slapd.url(Transport::Plain)]);
    is_unavailable(&gateway, "away");
    slapd.start_again();
    is_right(&gateway, "there");
}

#[test]
fn a_service_that_is_refused_is_503_for_everybody_and_its_log_says_what_to_correct() {
    let slapd = Slapd::start();
    let record = Record::of(&slapd, Transport::Plain).text("connectionPassword", "canary");
    let mut gateway = Gateway::start(&record.element());
    is_unavailable(&gateway, "refused");
    gateway.logged(&["connectionPassword"]);
    let log = gateway.stop();
    assert!(!log.contains("canary") && !log.contains("alice@123"), "{log}");
}
