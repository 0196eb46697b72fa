//! What a program plugs in panics: the version is refused or stands, it is logged, and watching goes on.

use std::{
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use portcullis::{
    BoxFuture, BuildError, Clock as _, Commit, Config, FileUserStore, Follow, Live, SystemClock, User,
    section::Section,
};
use portcullis_core::Derived;
use tracing_subscriber::fmt::MakeWriter;

use super::{ALICE, BOB, Folder, basic, clock, status, users};

/// Where a follower panics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum At {
    #[default]
    Nowhere,
    Called,
    Polled,
    Dropped,
    Commit,
}

#[derive(Default)]
struct Follower {
    at: Mutex<At>,
    asked: AtomicU32,
    committed: Arc<AtomicU32>,
}

struct PanicsWhenDropped;

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        panic!("canary: dropped");
    }
}

impl Follower {
    fn at(&self, at: At) {
        *self.at.lock().unwrap() = at;
    }

    fn counts(&self) -> (u32, u32) {
        (self.asked.load(Relaxed), self.committed.load(Relaxed))
    }

    async fn of(live: &Live) -> Arc<Self> {
        live.follow(async |_| Ok::<_, BuildError>(Arc::new(Self::default()))).await.unwrap()
    }
}

impl Follow for Follower {
    fn prepare<'a>(&'a self, _: &'a Arc<Config>) -> BoxFuture<'a, Result<Commit, BuildError>> {
        let at = *self.at.lock().unwrap();
        self.asked.fetch_add(1, Relaxed);
        assert_ne!(at, At::Called, "canary");
        let committed = Arc::clone(&self.committed);
        let commit: Commit = Box::new(move || {
            assert_ne!(at, At::Commit, "canary");
            committed.fetch_add(1, Relaxed);
        });
        let kept = (at == At::Dropped).then(|| PanicsWhenDropped);
        let mut waited = false;
        let mut commit = Some(commit);
        Box::pin(std::future::poll_fn(move |task| {
            let _ = &kept;
            if !std::mem::replace(&mut waited, true) {
                task.waker().wake_by_ref();
                return std::task::Poll::Pending;
            }
            assert_ne!(at, At::Polled, "canary");
            std::task::Poll::Ready(Ok(commit.take().unwrap()))
        }))
    }
}

/// What this thread logs.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for Log {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        self.clone()
    }
}

impl Log {
    fn start() -> (Self, tracing::subscriber::DefaultGuard) {
        let log = Self::default();
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(log.clone()).finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

#[tokio::test]
async fn a_follower_that_panics_refuses_the_version_and_the_next_good_one_is_taken_up() {
    for at in [At::Called, At::Polled] {
        let (log, _guard) = Log::start();
        let folder = Folder::new(&users(&[ALICE]));
        let live = folder.live();
        let foo = live.service("/foo").unwrap().build().await.unwrap();
        let (before, broken, after) =
            (Follower::of(&live).await, Follower::of(&live).await, Follower::of(&live).await);
        broken.at(at);
        folder.write("Config.toml", &users(&[BOB]));
        assert!(live.check().await.is_none());
        let error = live.check().await.unwrap().unwrap_err().to_string();
        assert!(
            error.contains("what follows the configuration panicked while it was made ready"),
            "{at:?}: {error}"
        );
        assert!(!error.contains("canary"), "{error}");
        assert_eq!([&before, &broken, &after].map(|one| one.counts()), [(1, 0); 3], "all are asked");
        assert_eq!(status(&foo, "/foo", &basic("bob:password2")).await, 401);
        let state = live.state();
        assert_eq!((state.generation, state.refused, state.up_to_date), (1, 1, false));
        // It is asked again at each look, like one that waits for its server, and nothing is said of it.
        assert!(live.check().await.is_none());
        assert_eq!((broken.counts(), live.state().refused), ((2, 0), 1));
        let said = log.text();
        assert_eq!(said.matches("is refused, and the one before stays in use").count(), 1, "{said}");
        assert!(said.contains("panicked while it was made ready") && !said.contains("canary"), "{said}");
        broken.at(At::Nowhere);
        folder.write("Config.toml", &users(&[ALICE, BOB]));
        assert!(live.check().await.is_none());
        assert_eq!(live.check().await.unwrap().unwrap().generation, 2);
        assert_eq!(status(&foo, "/foo", &basic("bob:password2")).await, 200);
        assert_eq!([&before, &broken, &after].map(|one| one.counts().1), [1; 3]);
    }
}

#[tokio::test]
async fn what_a_follower_drops_changes_nothing_and_what_it_puts_in_use_is_its_own_matter() {
    for at in [At::Dropped, At::Commit] {
        let (log, _guard) = Log::start();
        let folder = Folder::new(&users(&[ALICE]));
        let live = folder.live();
        let foo = live.service("/foo").unwrap().build().await.unwrap();
        let (broken, other) = (Follower::of(&live).await, Follower::of(&live).await);
        broken.at(at);
        folder.write("Config.toml", &users(&[BOB]));
        assert_eq!(live.reload().await.unwrap().generation, 2, "{at:?}");
        assert_eq!(status(&foo, "/foo", &basic("bob:password2")).await, 200);
        assert_eq!(other.counts(), (1, 1), "{at:?}");
        assert_eq!(live.config().services().len(), 1);
        let said = log.text();
        let reported = said
            .contains("something that is called for a new version of the configuration panicked")
            && said.contains("method=\"commit\"");
        assert_eq!(reported, at == At::Commit, "{said}");
        broken.at(At::Nowhere);
        folder.write("Config.toml", &users(&[ALICE]));
        assert_eq!(live.reload().await.unwrap().generation, 3);
        assert_eq!(other.counts(), (2, 2));
    }
}

#[tokio::test]
async fn a_listener_that_panics_is_logged_and_the_others_are_told() {
    let (log, _guard) = Log::start();
    let folder = Folder::new(&users(&[ALICE]));
    let live = folder.live();
    let foo = live.service("/foo").unwrap().build().await.unwrap();
    let told = Arc::new(Mutex::new(Vec::new()));
    for name in ["first", "broken", "last"] {
        let told = Arc::clone(&told);
        live.on_reload(move |outcome| {
            told.lock().unwrap().push((name, outcome.is_ok()));
            assert_ne!(name, "broken", "canary");
        });
    }
    let all = |outcome| ["first", "broken", "last"].map(|name| (name, outcome));
    folder.write("Config.toml", &users(&[BOB]));
    assert!(live.check().await.is_none());
    assert!(live.check().await.unwrap().is_ok());
    assert_eq!(std::mem::take(&mut *told.lock().unwrap_or_else(|told| told.into_inner())), all(true));
    assert_eq!(status(&foo, "/foo", &basic("bob:password2")).await, 200);
    told.clear_poison();
    folder.write("Config.toml", "wrong");
    assert!(live.reload().await.is_err());
    assert_eq!(std::mem::take(&mut *told.lock().unwrap_or_else(|told| told.into_inner())), all(false));
    told.clear_poison();
    let said = log.text();
    assert_eq!(said.matches("method=\"on_reload\"").count(), 2, "{said}");
    assert!(!said.contains("canary"), "{said}");
    folder.write("Config.toml", &users(&[ALICE]));
    assert_eq!(live.reload().await.unwrap().generation, 3);
    assert_eq!((live.state().taken, live.state().refused), (2, 1));
}

#[tokio::test]
async fn what_is_derived_from_a_service_may_panic_for_a_version() {
    let folder = Folder::new(&users(&[ALICE]));
    let live = folder.live();
    let foo = live.service("/foo").unwrap().build().await.unwrap();
    let panics = Arc::new(AtomicBool::new(false));
    let now = Arc::clone(&panics);
    let derived = foo
        .derive(move |auth| {
            assert!(!now.load(Relaxed), "canary");
            Ok(Derived::of(auth.clone()))
        })
        .unwrap();
    panics.store(true, Relaxed);
    folder.write("Config.toml", &users(&[BOB]));
    let error = live.reload().await.unwrap_err().to_string();
    assert!(error.contains("what derives from the service panicked"), "{error}");
    for service in [&foo, &derived] {
        assert_eq!(status(service, "/foo", &basic("alice:password1")).await, 200);
    }
    panics.store(false, Relaxed);
    folder.write("Config.toml", &users(&[BOB, ALICE]));
    live.reload().await.unwrap();
    for service in [&foo, &derived] {
        assert_eq!(status(service, "/foo", &basic("bob:password2")).await, 200);
    }
}

#[tokio::test]
async fn who_panics_while_the_files_are_read_is_asked_again_when_they_change() {
    let text = |note: &str| {
        format!("[services.\"/foo\"]\nauth = [{{ scopes = \"a\", otherConfig = {{ note = {note:?} }} }}]\n")
    };
    let folder = Folder::new(&text("first"));
    let panics = Arc::new(AtomicBool::new(false));
    let now = Arc::clone(&panics);
    let builder = move || {
        assert!(!now.load(Relaxed), "canary: the builder");
        Config::builder().clock(clock()).provider("otherConfig", |section: &Section<'_>| {
            assert_ne!(section.string("note").as_deref(), Some("panic"), "canary: the provider");
            Ok(FileUserStore::new([User::with_password("bob", "b")]))
        })
    };
    let live = Live::load_with(folder.path("Config.toml"), builder).unwrap();
    let refused = async |number: u64| {
        assert!(live.check().await.is_none());
        let error = live.check().await.unwrap().unwrap_err().to_string();
        assert!(error.contains("the program panicked while the configuration was read"), "{error}");
        assert!(live.check().await.is_none(), "it was said");
        assert_eq!((live.state().refused, live.state().up_to_date), (number, false));
    };
    folder.write("Config.toml", &text("panic"));
    refused(1).await;
    folder.write("Config.toml", &text("second"));
    assert!(live.check().await.is_none());
    assert_eq!(live.check().await.unwrap().unwrap().generation, 2);
    panics.store(true, Relaxed);
    folder.write("Config.toml", &text("third"));
    refused(2).await;
    panics.store(false, Relaxed);
    assert!(live.check().await.is_none());
    assert_eq!(live.check().await.unwrap().unwrap().generation, 3);
}

#[tokio::test]
async fn who_watches_goes_on_watching() {
    let manner = "[reload]\ninterval = \"100ms\"\n";
    let folder = Folder::new(&format!("{manner}{}", users(&[ALICE])));
    let live = Live::load(folder.path("Config.toml")).unwrap();
    let foo = live.service("/foo").unwrap().build().await.unwrap();
    let broken = Follower::of(&live).await;
    broken.at(At::Called);
    live.on_reload(|_| panic!("canary"));
    let watching = tokio::spawn(live.watch());
    folder.write("Config.toml", &format!("{manner}{}", users(&[BOB])));
    let stands = async |reached: fn(&portcullis::ReloadState) -> bool| {
        let reached = async {
            while !reached(&live.state()) {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            () = reached => {}
            () = SystemClock::new().sleep(Duration::from_secs(60)) => panic!("nobody looked: {:?}", live.state()),
        }
    };
    stands(|state| state.refused == 1).await;
    broken.at(At::Nowhere);
    stands(|state| state.generation == 2).await;
    folder.write("Config.toml", &format!("{manner}{}", users(&[ALICE, BOB])));
    stands(|state| state.generation == 3).await;
    assert_eq!(status(&foo, "/foo", &basic("bob:password2")).await, 200);
    assert!(!watching.is_finished());
    watching.abort();
}
