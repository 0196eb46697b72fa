//! Tokens about which a server is asked.

use std::time::Duration;

use super::{super::Call, Attempt, Attempted, Door, Ended, STORE, Throttle, Verdict};

#[test]
fn a_token_counts_for_the_address_where_a_server_was_asked() {
    let door = Door::new();
    let token = |asks: bool, ended: Ended| {
        let client = Some("192.0.2.1".parse().unwrap());
        let attempt = Attempt::bearer(&door.throttle, &door.clock, client);
        let permitted = if asks {
            Attempted::of(&attempt, STORE).permit_call().map(drop).map_err(|wait| wait.retry_after())
        } else {
            Ok(())
        };
        attempt.settle(ended, |_| Verdict::Wrong);
        permitted
    };
    for _ in 0..100 {
        token(false, Ended::Refused).unwrap();
        token(true, Ended::Known).unwrap();
        token(true, Ended::Unavailable).unwrap();
    }
    for _ in 0..6 {
        token(true, Ended::Refused).unwrap();
    }
    assert_eq!(token(true, Ended::Known).unwrap_err(), Some(Duration::from_secs(1)));
    token(false, Ended::Known).unwrap();
    assert_eq!(door.right("192.0.2.1", "alice"), Some(1), "passwords wait as well");
    assert!(door.seconds(1).right("192.0.2.1", "alice").is_none());
    token(true, Ended::Refused).unwrap();
    assert_eq!(token(true, Ended::Known).unwrap_err(), Some(Duration::from_secs(2)));
}

fn asking(door: &Door) -> (Attempt, Call) {
    let attempt = Attempt::bearer(&door.throttle, &door.clock, Some("192.0.2.1".parse().unwrap()));
    let call = Attempted::of(&attempt, STORE).permit_call().unwrap();
    (attempt, call)
}

#[test]
fn a_caller_who_has_gone_counts_once_where_the_server_refuses_the_token() {
    let counts = |act: fn(Attempt, Call)| {
        let door = Door::by(Throttle::new().per_address(2));
        let (attempt, call) = asking(&door);
        act(attempt, call);
        let counted = door.throttle.counted()[0];
        // A second one has him wait, if the first one counted.
        let (attempt, _call) = asking(&door);
        attempt.settle(Ended::Refused, |_| Verdict::Wrong);
        assert_eq!(door.right("192.0.2.1", "alice").is_some(), counted == 1);
        counted
    };
    let gone_first = |attempt: Attempt, call: Call| {
        drop(attempt);
        call.refused();
    };
    let refused_first = |attempt: Attempt, call: Call| {
        call.refused();
        drop(attempt);
    };
    let thrice = |attempt: Attempt, call: Call| {
        call.clone().refused();
        drop(attempt);
        call.clone().refused();
        call.refused();
    };
    for act in [gone_first, refused_first, thrice] as [fn(Attempt, Call); 3] {
        assert_eq!(counts(act), 1);
    }
    assert_eq!(counts(|attempt, _| drop(attempt)), 0, "the server knows it, or did not answer");
    let waited = |attempt: Attempt, call: Call| {
        call.clone().refused();
        attempt.settle(Ended::Refused, |_| Verdict::Wrong);
        call.refused();
    };
    assert_eq!(counts(waited), 1);
    let known_to_another_server = |attempt: Attempt, call: Call| {
        call.clone().refused();
        attempt.settle(Ended::Known, |_| Verdict::Untold);
        call.refused();
    };
    assert_eq!(counts(known_to_another_server), 0);
    Call::untold().refused();
}

/// The time for a decision may be over before the server answers.
#[test]
fn a_token_that_is_refused_when_nobody_waits_any_more_counts() {
    for (ended, counts) in [(Ended::Unavailable, 1), (Ended::Overloaded, 1), (Ended::Known, 0)] {
        let door = Door::by(Throttle::new().per_address(2));
        let (attempt, call) = asking(&door);
        attempt.settle(ended, |_| Verdict::Untold);
        assert_eq!(door.throttle.counted()[0], 0);
        call.clone().refused();
        call.refused();
        assert_eq!(door.throttle.counted()[0], counts, "{ended:?}");
        // The server has refused it, but another one cannot tell.
        let (attempt, call) = asking(&door);
        call.clone().refused();
        attempt.settle(Ended::Unavailable, |_| Verdict::Untold);
        call.refused();
        assert_eq!(door.right("192.0.2.1", "alice"), None, "{ended:?}");
    }
}

#[test]
fn whoever_takes_the_answer_to_anothers_question_is_not_counted() {
    let door = Door::by(Throttle::new().per_address(2));
    for _ in 0..100 {
        let (attempt, call) = asking(&door);
        call.joined();
        attempt.settle(Ended::Refused, |_| Verdict::Wrong);
        let (attempt, call) = asking(&door);
        call.joined();
        drop(attempt);
    }
    assert_eq!(door.throttle.counted()[0], 0);
    // Of two servers one was asked.
    let (attempt, call) = asking(&door);
    Attempted::of(&attempt, STORE).permit_call().unwrap();
    call.joined();
    attempt.settle(Ended::Refused, |_| Verdict::Wrong);
    assert_eq!(door.throttle.counted()[0], 1);
    Call::untold().joined();
}
