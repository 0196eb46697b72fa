//! What observers are told of the end of a connection.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use http::Method;
use portcullis_core::{ConnectionEnded, Decided, Ended, Identity, Observer, RequestHead};

use super::{
    admitted, asking_again, opening,
    script::{AWAY, Answer, CLIENT, INTERVAL, PausedClock, Scripted, TIMEOUT, alice, until},
};

/// What it was told, in words.
#[derive(Debug, Default)]
struct Notes(Mutex<Vec<String>>);

impl Notes {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Observer for Notes {
    fn decided(&self, decided: &Decided<'_>) {
        self.0.lock().unwrap().push(decided.outcome().to_owned());
    }

    fn ended(&self, ended: &ConnectionEnded<'_>) {
        let note = format!(
            "{} {} {} {} {} {:?} {:?} {} s",
            ended.reason,
            ended.policy.label(),
            ended.element.map_or("-", |element| element.name()),
            ended.scheme.map_or("-", |scheme| scheme.as_str()),
            ended.caller.and_then(Identity::subject).unwrap_or("-"),
            ended.request,
            ended.client,
            ended.took.as_secs(),
        );
        self.0.lock().unwrap().push(note);
    }
}

/// Opens a WebSocket whose element is asked again and again; why it ends, and what is told of it.
async fn told(answers: impl IntoIterator<Item = Answer>) -> (Option<Ended>, Vec<String>) {
    let (clock, notes) = (PausedClock::new(), Arc::new(Notes::default()));
    let provider = Arc::new(Scripted::new(answers));
    // Another one, so that there are several.
    let auth = asking_again(&provider, &clock).observer(notes.clone()).observer(Arc::new(Notes::default()));
    let auth = auth.build().unwrap();
    let admission = admitted(&auth, &Method::GET, &opening()).await;
    let headers = opening();
    let request = RequestHead::new(&Method::GET, "/feed", &headers).with_client(Some(CLIENT));
    let lease = admission.lease().for_request(&request);
    assert_eq!(notes.take(), ["admitted"]);
    let for_ever = Duration::from_secs(10 * 24 * 60 * 60);
    let ended = tokio::time::timeout(for_ever, lease.ended()).await.ok();
    (ended, notes.take())
}

#[tokio::test(start_paused = true)]
async fn the_end_is_told_once_with_its_reason_and_nothing_before() {
    let known = || Answer::Known(alice());
    let late = format!("timed-out {TIMEOUT}");
    for (answers, ended, reason) in [
        (vec![until(10)], Ended::Expired, "expired 0"),
        (vec![known(), known(), known(), Answer::Refused], Ended::Revoked, "inactive 0"),
        (vec![known(), Answer::Known(alice().with_scopes(["hello"]))], Ended::Revoked, "withdrawn 0"),
        (vec![known(), AWAY, known(), AWAY, AWAY], Ended::Unavailable, "unavailable 0"),
        (vec![known(), AWAY, Answer::None], Ended::Unavailable, &*late),
        (vec![until(INTERVAL * 3), known(), AWAY, Answer::Refused], Ended::Revoked, "inactive 0"),
    ] {
        let (reason, took) = reason.split_once(' ').unwrap();
        let note = format!(
            "{reason} service / scripted Bearer alice Some((GET, \"/feed\")) Some({CLIENT}) {took} s"
        );
        assert_eq!(told(answers).await, (Some(ended), vec![note]));
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_told_of_a_lease_that_is_not_awaited_nor_of_the_end_of_a_principal() {
    let (clock, notes) = (PausedClock::new(), Arc::new(Notes::default()));
    let provider = Arc::new(Scripted::new([until(100)]));
    let auth = asking_again(&provider, &clock).observer(notes.clone()).build().unwrap();
    let admission = admitted(&auth, &Method::GET, &opening()).await;
    notes.take();
    let lease = admission.lease();
    admission.principal().unwrap().expired().await;
    drop(lease.clone());
    assert_eq!(notes.take(), Vec::<String>::new());
    assert_eq!(lease.ended().await, Ended::Expired);
    // Of the request nothing is known but where the element was asked from.
    assert_eq!(notes.take(), [format!("expired service / scripted Bearer alice None Some({CLIENT}) 0 s")]);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_loses_what_it_rests_on_beside_the_credential_is_told_of_too() {
    let (clock, notes) = (PausedClock::new(), Arc::new(Notes::default()));
    let provider = Arc::new(Scripted::new([Answer::Known(alice())]));
    let auth = asking_again(&provider, &clock).observer(notes.clone()).build().unwrap();
    let lease = admitted(&auth, &Method::GET, &opening()).await.lease();
    notes.take();
    lease.tell_withdrawn();
    assert_eq!(notes.take(), [format!("withdrawn service / scripted Bearer alice None Some({CLIENT}) 0 s")]);
    // Where nobody observes, nobody is told.
    let provider = Arc::new(Scripted::new([Answer::Known(alice())]));
    let auth = asking_again(&provider, &clock).build().unwrap();
    admitted(&auth, &Method::GET, &opening()).await.lease().tell_withdrawn();
    assert_eq!(notes.take(), Vec::<String>::new());
}
