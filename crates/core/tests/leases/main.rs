//! How long a connection may stay open: until its credential expires, or its server takes it back.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod script;
mod told;
mod versions;

use std::{sync::Arc, time::Duration};

use http::{
    HeaderMap, HeaderValue, Method,
    header::{AUTHORIZATION, CONNECTION, SEC_WEBSOCKET_PROTOCOL, UPGRADE},
};
use portcullis_core::{
    Admission, Auth, AuthBuilder, CredentialSources, Ended, Identity, Provider, RequestHead, Resource,
    UnixTime,
};

use self::script::{AWAY, Answer, CLIENT, INTERVAL, PausedClock, START, Scripted, TIMEOUT, alice, until};

/// A GET that opens a WebSocket.
fn opening() -> HeaderMap {
    HeaderMap::from_iter([
        (AUTHORIZATION, HeaderValue::from_static("Bearer s3cr3t")),
        (CONNECTION, HeaderValue::from_static("Upgrade")),
        (UPGRADE, HeaderValue::from_static("websocket")),
    ])
}

/// A GET that opens a WebSocket for servers that read `Connection` carelessly.
fn sloppy(connection: &'static str) -> HeaderMap {
    let mut headers = opening();
    headers.insert(CONNECTION, HeaderValue::from_static(connection));
    headers
}

async fn admitted(auth: &Auth, method: &Method, headers: &HeaderMap) -> Admission {
    let request = RequestHead::new(method, "/", headers).with_client(Some(CLIENT));
    auth.decided(&request).await.unwrap()
}

fn asking_again(provider: &Arc<Scripted>, clock: &Arc<PausedClock>) -> AuthBuilder {
    let provider: Arc<dyn Provider> = provider.clone();
    Auth::builder()
        .element(provider, "hello")
        .clock(clock.clone())
        .decision_timeout(Duration::from_secs(TIMEOUT))
        .revalidate_interval(Duration::from_secs(INTERVAL))
}

/// Opens a WebSocket; why and after how many seconds it ends, and when the provider was asked again. Ten days are for ever.
///
/// It is first asked somewhere in the second half of the interval: that and what follows from it is told as if it had been
/// asked at its end.
async fn ends(answers: impl IntoIterator<Item = Answer>) -> (Option<Ended>, u64, Vec<u64>) {
    let clock = PausedClock::new();
    let provider = Arc::new(Scripted::new(answers));
    let auth = asking_again(&provider, &clock).build().unwrap();
    let lease = admitted(&auth, &Method::GET, &opening()).await.lease();
    let for_ever = Duration::from_secs(10 * 24 * 60 * 60);
    // As a task of its own, as handlers and gateways hold it.
    let ended = tokio::spawn(tokio::time::timeout(for_ever, lease.ended())).await.unwrap().ok();
    let (mut after, asked) = (clock.start.elapsed(), provider.asked());
    let interval = Duration::from_secs(INTERVAL);
    let early = asked.first().map_or(Duration::ZERO, |first| {
        // Timers go by whole milliseconds.
        assert!((interval / 2..=interval + Duration::from_millis(1)).contains(first), "{first:?}");
        interval.saturating_sub(*first)
    });
    if ended != Some(Ended::Expired) {
        after += early;
    }
    let rounded = |span: Duration| (span + Duration::from_millis(100)).as_secs();
    (ended, rounded(after), asked.into_iter().map(|when| rounded(when + early)).collect())
}

/// The same, without asking again: an identity that expires or does not.
async fn expires(identity: Identity) -> (Option<Ended>, u64) {
    let clock = PausedClock::new();
    let provider = Scripted::new([Answer::Known(identity)]);
    let auth = Auth::builder().element(provider, "hello").clock(clock.clone()).build().unwrap();
    let admission = admitted(&auth, &Method::GET, &opening()).await;
    let for_ever = Duration::from_secs(10 * 24 * 60 * 60);
    let expired = admission.principal().unwrap().expired();
    let (ended, expired) = tokio::join!(
        tokio::time::timeout(for_ever, admission.lease().ended()),
        tokio::time::timeout(for_ever, expired)
    );
    assert_eq!(ended.is_ok(), expired.is_ok());
    (ended.ok(), clock.start.elapsed().as_secs())
}

#[tokio::test(start_paused = true)]
async fn a_lease_ends_when_the_credential_is_no_longer_accepted() {
    let at = |seconds| alice().with_expiry(UnixTime::from_secs(START + seconds));
    assert_eq!(expires(at(100)).await, (Some(Ended::Expired), 100));
    assert_eq!(expires(at(100).with_leeway(Duration::from_secs(5))).await, (Some(Ended::Expired), 105));
    assert_eq!(expires(at(0)).await, (Some(Ended::Expired), 0));
    assert_eq!(
        expires(alice().with_expiry(UnixTime::from_secs(3))).await,
        (Some(Ended::Expired), 0),
        "long ago"
    );
    assert_eq!(expires(alice()).await.0, None);
    assert_eq!(expires(alice().with_expiry(UnixTime::MAX)).await.0, None);
}

#[tokio::test(start_paused = true)]
async fn civil_time_may_be_set_while_a_connection_is_open() {
    for (set_to, ends_after) in [
        // The hour has passed at once; that is found out within half a minute.
        (2 * 3600, 30),
        // An hour more to go than there was.
        (0, 3600 + 20),
    ] {
        let clock = PausedClock::new();
        let provider = Scripted::new([Answer::Known(alice().with_expiry(UnixTime::from_secs(START + 3600)))]);
        let auth = Auth::builder().element(provider, "hello").clock(clock.clone()).build().unwrap();
        let lease = admitted(&auth, &Method::GET, &opening()).await.lease();
        let ended = tokio::spawn(lease.ended());
        tokio::time::sleep(Duration::from_secs(20)).await;
        clock.set(set_to);
        assert_eq!(ended.await.unwrap(), Ended::Expired);
        assert_eq!(clock.start.elapsed().as_secs(), ends_after);
    }
}

#[tokio::test(start_paused = true)]
async fn the_server_is_asked_after_each_interval_until_it_takes_the_credential_back() {
    let known = || Answer::Known(alice());
    assert_eq!(ends([known(), Answer::Refused]).await, (Some(Ended::Revoked), 30, vec![30]));
    assert_eq!(
        ends([known(), known(), known(), Answer::Refused]).await,
        (Some(Ended::Revoked), 90, vec![30, 60, 90])
    );
}

#[tokio::test(start_paused = true)]
async fn connections_that_were_opened_at_once_do_not_ask_at_once() {
    let clock = PausedClock::new();
    let open = async || {
        let provider = Arc::new(Scripted::new([Answer::Known(alice()), Answer::Refused]));
        let auth = asking_again(&provider, &clock).build().unwrap();
        let ended = tokio::spawn(admitted(&auth, &Method::GET, &opening()).await.lease().ended());
        (provider, ended)
    };
    let mut asked = Vec::new();
    let mut opened = Vec::new();
    for _ in 0..100 {
        opened.push(open().await);
    }
    for (provider, ended) in opened {
        assert_eq!(ended.await.unwrap(), Ended::Revoked);
        asked.extend(provider.asked().into_iter().map(|when| when.as_millis()));
    }
    asked.sort_unstable();
    assert_eq!(asked.len(), 100);
    assert!((15_000..18_750).contains(&asked[0]) && (26_250..=30_001).contains(&asked[99]), "{asked:?}");
    asked.dedup();
    assert!(asked.len() > 50, "{asked:?}");
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_is_no_longer_the_same_loses_the_connection() {
    let known = || Answer::Known(alice());
    for changed in [
        alice().with_scopes([""; 0]),
        alice().with_scopes(["more"]),
        alice().with_scopes(["hello"]),
        Identity::new("bob").with_issuer("https://issuer.example").with_scopes(["hello", "more"]),
        Identity::new("alice").with_issuer("https://other.example").with_scopes(["hello", "more"]),
        Identity::anonymous().with_issuer("https://issuer.example").with_scopes(["hello", "more"]),
    ] {
        let answers = [known(), known(), Answer::Known(changed)];
        assert_eq!(ends(answers).await, (Some(Ended::Revoked), 60, vec![30, 60]));
    }
    let more = Answer::Known(alice().with_scopes(["more", "hello", "admin"]));
    assert_eq!(ends([known(), more, Answer::Refused]).await, (Some(Ended::Revoked), 60, vec![30, 60]));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_cannot_be_had_is_waited_for_during_one_further_interval() {
    let known = || Answer::Known(alice());
    assert_eq!(ends([known(), AWAY, AWAY]).await, (Some(Ended::Unavailable), 60, vec![30, 60]));
    assert_eq!(
        ends([known(), AWAY, known(), AWAY, AWAY]).await,
        (Some(Ended::Unavailable), 120, vec![30, 60, 90, 120]),
        "each outage is one of its own"
    );
    assert_eq!(ends([known(), AWAY, Answer::Refused]).await, (Some(Ended::Revoked), 60, vec![30, 60]));
}

#[tokio::test(start_paused = true)]
async fn an_outage_never_outlasts_the_expiry() {
    assert_eq!(ends([until(45), AWAY]).await, (Some(Ended::Expired), 45, vec![30]));
    assert_eq!(ends([until(14)]).await, (Some(Ended::Expired), 14, vec![]));
    let (ended, _, asked) = ends([until(300), Answer::ForOneInterval]).await;
    assert_eq!((ended, asked), (Some(Ended::Expired), vec![30]), "expiry comes first");
    assert_eq!(ends([until(31), AWAY]).await, (Some(Ended::Expired), 31, vec![30]));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_answer_counts_as_unavailable_after_the_decision_time() {
    let known = || Answer::Known(alice());
    let hang = || Answer::None;
    assert_eq!(ends([known(), hang(), hang()]).await, (Some(Ended::Unavailable), 80, vec![30, 70]));
    assert_eq!(
        ends([known(), hang(), known(), Answer::Refused]).await,
        (Some(Ended::Revoked), 100, vec![30, 70, 100])
    );
    assert_eq!(
        ends([until(35), hang()]).await,
        (Some(Ended::Expired), 35, vec![30]),
        "in the middle of it or after it"
    );
}

#[tokio::test(start_paused = true)]
async fn the_expiry_moves_as_the_server_says() {
    assert_eq!(
        ends([until(40), until(300), Answer::Refused]).await,
        (Some(Ended::Revoked), 60, vec![30, 60])
    );
    assert_eq!(ends([until(300), until(40)]).await, (Some(Ended::Expired), 40, vec![30]));
    assert_eq!(
        ends([until(40), Answer::Known(alice()), Answer::Refused]).await,
        (Some(Ended::Revoked), 60, vec![30, 60]),
        "a credential that no longer expires"
    );
    assert_eq!(ends([until(40), AWAY]).await, (Some(Ended::Expired), 40, vec![30]));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_kept_of_a_credential_that_is_not_asked_about_again() {
    let plain = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static("Bearer s3cr3t"))]);
    for at_once in [true, false] {
        for (interval, revokes, method, headers, kept) in [
            (true, true, Method::GET, opening(), true),
            (true, true, Method::CONNECT, plain.clone(), true),
            (false, true, Method::GET, opening(), false),
            (true, false, Method::GET, opening(), false),
            (true, true, Method::GET, plain.clone(), false),
            // What opens nothing by RFC 6455 opens something here and there.
            (true, true, Method::POST, opening(), true),
            (true, true, Method::GET, sloppy("xupgrade"), true),
            (true, true, Method::GET, sloppy("close"), true),
        ] {
            let provider = Scripted { at_once, revokes, ..Scripted::new([Answer::Known(alice())]) };
            let mut auth = Auth::builder().element(provider, "hello");
            if interval {
                auth = auth.revalidate_interval(Duration::from_secs(INTERVAL));
            }
            let admission = admitted(&auth.build().unwrap(), &method, &headers).await;
            let lease = admission.lease();
            assert_eq!(lease.is_unlimited(), !kept, "{interval} {revokes} {method}");
            let debug = format!("{admission:?} {lease:?}");
            assert!(!debug.contains("s3cr3t"), "{debug}");
            assert_eq!(debug.matches("Again {").count(), if kept { 2 } else { 0 }, "{debug}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_caller_nothing_ends() {
    let auth = Auth::builder()
        .element(Scripted::new([]), "hello")
        .optional(true)
        .revalidate_interval(Duration::from_secs(INTERVAL))
        .resource(Resource::new("/open").public())
        .build()
        .unwrap();
    let mut headers = opening();
    headers.remove(AUTHORIZATION);
    for path in ["/", "/open"] {
        let admission = auth.decided(&RequestHead::new(&Method::GET, path, &headers)).await.unwrap();
        let lease = admission.lease();
        assert!(lease.is_unlimited(), "{path}");
        assert!(tokio::time::timeout(Duration::from_secs(1_000_000), lease.ended()).await.is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn the_element_that_let_the_caller_in_is_asked_with_the_same_token() {
    let clock = PausedClock::new();
    let answers = [Answer::Known(alice()), Answer::Refused];
    let second = Arc::new(Scripted { at_once: false, ..Scripted::new(answers) });
    let first: Arc<dyn Provider> = Arc::new(Scripted::new([Answer::Refused]));
    let last: Arc<dyn Provider> = Arc::new(Scripted::new([]));
    let auth = Auth::builder()
        .element(first, "hello")
        .elements(asking_again(&second, &clock).build().unwrap().policy().elements().to_vec())
        .element(last, "hello")
        .clock(clock.clone())
        .revalidate_interval(Duration::from_secs(INTERVAL))
        .credential_sources(CredentialSources::none().websocket_protocol())
        .build()
        .unwrap();
    let mut headers = opening();
    headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("bearer, from-the-protocol, chat"));
    let lease = admitted(&auth, &Method::GET, &headers).await.lease();
    assert_eq!(lease.ended().await, Ended::Revoked);
    assert!(matches!(&second.asked.lock().unwrap()[..], [(_, token)] if token == "from-the-protocol"));
}

#[test]
fn every_end_has_a_close_code_and_a_reason_that_fits_a_close_frame() {
    for (ended, code) in
        [(Ended::Expired, 1008), (Ended::Revoked, 1008), (Ended::Withdrawn, 1008), (Ended::Unavailable, 1013)]
    {
        assert_eq!(ended.close_code(), code);
        // RFC 6455 §5.5: a control frame holds 125 bytes, two of which are the code.
        assert!((1..=123).contains(&ended.reason().len()));
        assert_eq!(ended.to_string(), ended.reason());
    }
}
