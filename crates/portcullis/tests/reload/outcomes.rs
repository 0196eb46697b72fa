//! What is said of a version, and what is not.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU32, Ordering::Relaxed},
};

use portcullis::{BoxFuture, BuildError, Commit, Config, Follow, UnixTime};

use super::{ALICE, BOB, Folder, basic, status, users};

#[tokio::test]
async fn a_wrong_version_is_refused_with_all_its_mistakes_and_without_its_secrets() {
    let folder = Folder::new(&users(&[ALICE]));
    let live = folder.live();
    let foo = live.service("/foo").unwrap().build().await.unwrap();
    let told = Arc::new(Mutex::new(Vec::new()));
    let heard = told.clone();
    live.on_reload(move |outcome| {
        heard.lock().unwrap().push(outcome.clone().map_err(|error| error.to_string()))
    });
    let wrong = users(&[("alice", "c4n4ry-1", "hello"), ("alice", "c4n4ry-2", "hello")])
        + "publik = true\nrealm = 7\n[listener]\nport = 1\n";
    folder.write("Config.toml", &wrong);
    let error = live.reload().await.unwrap_err();
    let text = format!("{error} {error:?}");
    for part in ["publik", "realm", "listener.port"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(!text.contains("c4n4ry"), "{text}");
    assert!(error.problems().iter().filter(|problem| problem.at().is_some()).count() >= 3, "{text}");
    assert_eq!(status(&foo, "/foo", &basic("alice:password1")).await, 200);
    let state = live.state();
    assert_eq!((state.generation, state.refused, state.taken, state.up_to_date), (1, 1, 0, false));
    assert_eq!(state.last, Some(UnixTime::from_secs(1_000_000)));

    folder.write("Config.toml", &users(&[BOB]));
    live.reload().await.unwrap();
    let state = live.state();
    assert_eq!((state.generation, state.refused, state.taken, state.up_to_date), (2, 1, 1, true));
    let told = told.lock().unwrap();
    assert!(matches!(&told[..], [Err(_), Ok(reloaded)] if reloaded.generation == 2), "{told:?}");
}

#[tokio::test]
async fn a_version_without_a_service_that_the_program_serves_is_refused() {
    let folder = Folder::new(&users(&[ALICE]));
    let live = folder.live();
    let foo = live.service("/foo").unwrap().build().await.unwrap();
    folder.write("Config.toml", &users(&[ALICE]).replace("/foo", "/bar"));
    let error = live.reload().await.unwrap_err().to_string();
    assert!(error.contains("the program serves /foo, and the new version has no such service"), "{error}");
    assert_eq!(status(&foo, "/foo", &basic("alice:password1")).await, 200);
}

#[tokio::test]
async fn services_that_come_and_go_are_named() {
    let folder = Folder::new(&users(&[ALICE]));
    let live = folder.live();
    folder.write("Config.toml", &users(&[ALICE]).replace("/foo", "/bar"));
    let reloaded = live.reload().await.unwrap();
    assert_eq!((reloaded.added, reloaded.removed), (vec!["/bar".to_owned()], vec!["/foo".to_owned()]));
    assert!(live.service("/foo").is_err() && live.service("/bar").is_ok());
}

#[tokio::test]
async fn a_mistake_that_comes_back_is_told_again() {
    let folder = Folder::new(&users(&[ALICE]));
    let live = folder.live();
    for refused in 1..3 {
        folder.write("Config.toml", "wrong");
        assert!(live.check().await.is_none());
        assert!(live.check().await.unwrap().is_err());
        assert_eq!((live.state().refused, live.state().up_to_date), (refused, false));
        folder.write("Config.toml", &users(&[ALICE]));
        assert!(live.check().await.is_none());
        assert!(live.state().up_to_date);
    }
}

/// Follows a configuration, and is ready for a version or not.
#[derive(Default)]
struct Follower {
    refuses: AtomicU32,
    committed: Arc<AtomicU32>,
}

impl Follow for Follower {
    fn prepare<'a>(&'a self, _: &'a Arc<Config>) -> BoxFuture<'a, Result<Commit, BuildError>> {
        let committed = self.committed.clone();
        Box::pin(async move {
            if self.refuses.load(Relaxed) > 0 {
                self.refuses.fetch_sub(1, Relaxed);
                return Err(BuildError::new("a server that has to be there is not"));
            }
            let commit: Commit = Box::new(move || _ = committed.fetch_add(1, Relaxed));
            Ok(commit)
        })
    }
}

#[tokio::test]
async fn nobody_takes_up_a_version_that_somebody_is_not_ready_for_and_it_is_tried_again() {
    let folder = Folder::new(&users(&[ALICE]));
    let live = folder.live();
    let foo = live.service("/foo").unwrap().build().await.unwrap();
    let [ready, unready] = [0, 2].map(|refuses| Follower { refuses: refuses.into(), ..Follower::default() });
    let ready = live.follow(async |_| Ok::<_, BuildError>(Arc::new(ready))).await.unwrap();
    live.follow(async |_| Ok::<_, BuildError>(Arc::new(unready))).await.unwrap();
    folder.write("Config.toml", &users(&[BOB]));
    assert!(live.check().await.is_none());
    let error = live.check().await.unwrap().unwrap_err().to_string();
    assert!(error.contains("a server that has to be there is not"), "{error}");
    assert_eq!(
        (ready.committed.load(Relaxed), status(&foo, "/foo", &basic("bob:password2")).await),
        (0, 401)
    );
    assert!(live.check().await.is_none(), "the same is not said twice");
    assert_eq!(live.state().refused, 1);
    assert!(live.check().await.unwrap().is_ok());
    assert_eq!(
        (ready.committed.load(Relaxed), status(&foo, "/foo", &basic("bob:password2")).await),
        (1, 200)
    );
}

#[tokio::test]
async fn the_interval_is_a_key_with_bounds() {
    let folder = Folder::new(&users(&[ALICE]));
    let live = folder.live();
    let reload = live.config().reload();
    assert_eq!((reload.watch, reload.interval.as_secs()), (true, 2));
    folder.write(
        "Config.toml",
        &("[reload]\nwatch = false\ninterval = \"500ms\"\n".to_owned() + &users(&[ALICE])),
    );
    live.reload().await.unwrap();
    let reload = live.config().reload();
    assert_eq!((reload.watch, reload.interval.as_millis()), (false, 500));
    for (interval, refused) in [("99ms", true), ("100ms", false), ("1h", false), ("3601s", true)] {
        folder.write("Config.toml", &format!("[reload]\ninterval = {interval:?}\n{}", users(&[ALICE])));
        let outcome = live.reload().await;
        assert_eq!(outcome.is_err(), refused, "{interval}");
        if let Err(error) = outcome {
            assert!(error.to_string().contains("reload.interval: from 100 ms to an hour"), "{error}");
        }
    }
}

#[tokio::test]
async fn a_new_interval_holds_at_once() {
    use portcullis::{Clock as _, SystemClock};

    let folder = Folder::new(&("[reload]\ninterval = \"1h\"\n".to_owned() + &users(&[ALICE])));
    let live = portcullis::Live::load(folder.path("Config.toml")).unwrap();
    let watching = tokio::spawn(live.watch());
    folder.write("Config.toml", &("[reload]\ninterval = \"100ms\"\n".to_owned() + &users(&[ALICE])));
    live.reload().await.unwrap();
    folder.write("Config.toml", &("[reload]\ninterval = \"100ms\"\n".to_owned() + &users(&[BOB])));
    let late = SystemClock::new().sleep(std::time::Duration::from_secs(60));
    let taken = async {
        while live.state().generation < 3 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        () = taken => {}
        () = late => panic!("nobody looked"),
    }
    watching.abort();
}

#[tokio::test]
async fn it_is_known_since_when_a_version_is_in_use() {
    let folder = Folder::new(&users(&[ALICE]));
    let clock = portcullis_testing::ManualClock::at(UnixTime::from_secs(1_000_000));
    let own = clock.clone();
    let builder = move || Config::builder().clock(Arc::new(own.clone()));
    let live = portcullis::Live::load_with(folder.path("Config.toml"), builder).unwrap();
    assert_eq!(live.state().in_use_since, Some(UnixTime::from_secs(1_000_000)));
    clock.advance(std::time::Duration::from_secs(5));
    folder.write("Config.toml", "wrong");
    live.reload().await.unwrap_err();
    assert_eq!(live.state().in_use_since, Some(UnixTime::from_secs(1_000_000)));
    assert_eq!(live.state().last, Some(UnixTime::from_secs(1_000_005)));
    folder.write("Config.toml", &users(&[BOB]));
    live.reload().await.unwrap();
    assert_eq!(live.state().in_use_since, Some(UnixTime::from_secs(1_000_005)));
}

#[cfg(feature = "metrics")]
#[tokio::test]
async fn what_became_of_versions_is_counted() {
    use portcullis::metrics::{AuthMetrics, PrometheusText};

    let text = Arc::new(PrometheusText::new());
    let metrics = AuthMetrics::new(text.clone());
    let folder = Folder::new(&users(&[ALICE]));
    let live = folder.live();
    metrics.watch_reloads(&live);
    let page = || {
        metrics.collect();
        let page = text.render();
        let lines = page.lines().filter(|line| line.starts_with("portcullis_reload"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let expected = |success: u32, failure: u32, up_to_date: u32| {
        [
            "portcullis_reload_last_success_timestamp_seconds 1000000".to_owned(),
            format!("portcullis_reload_up_to_date {up_to_date}"),
            format!("portcullis_reloads_total{{outcome=\"failure\"}} {failure}"),
            format!("portcullis_reloads_total{{outcome=\"success\"}} {success}"),
        ]
    };
    assert_eq!(page(), expected(0, 0, 1));
    folder.write("Config.toml", "wrong");
    live.reload().await.unwrap_err();
    assert_eq!(page(), expected(0, 1, 0));
    folder.write("Config.toml", &users(&[ALICE]));
    assert!(!live.reload().await.unwrap().changed);
    assert_eq!(page(), expected(0, 1, 1));
    folder.write("Config.toml", &users(&[BOB]));
    live.reload().await.unwrap();
    assert_eq!(page(), expected(1, 1, 1));
}

#[tokio::test]
async fn what_follows_can_be_spawned() {
    fn can_be<T: Send + 'static>(_: T) {}
    let folder = Folder::new(&users(&[ALICE]));
    let live = folder.live();
    can_be(live.watch());
    can_be(live.reload_on_hangup().unwrap());
    let clone = live.clone();
    can_be(async move { clone.reload().await });
    can_be(async move { portcullis::serve_live(axum::Router::new(), &live).await });
}
