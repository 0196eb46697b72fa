//! What is noticed of a change, and what is not looked at twice.

use std::{
    collections::VecDeque,
    io,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use portcullis::{
    BoxFuture, Clock, Config, FileUserStore, Live, UnixTime, User,
    section::{Section, Source},
};
use tokio::sync::Notify;

use super::{ALICE, BOB, Folder, basic, clock, status, users};

/// A configuration of which is counted how often it is looked at, once, or read, twice more.
fn counted(folder: &Folder) -> (Live, impl Fn() -> usize) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let builder = move || {
        count.fetch_add(1, SeqCst);
        Config::builder().clock(clock())
    };
    let live = Live::load_with(folder.path("Config.toml"), builder).unwrap();
    (live, move || asked.swap(0, SeqCst))
}

fn with_password_in(file: &str) -> String {
    format!(
        "[[auth.users]]\nusername = \"alice\"\npassword = {{ file = {file:?} }}\nscopes = [\"hello\"]\n{}",
        users(&[])
    )
}

#[tokio::test]
async fn a_refused_version_is_read_again_when_a_file_changes_that_only_it_names() {
    let folder = Folder::new(&with_password_in("first"));
    folder.write("first", "password1");
    let (live, asked) = counted(&folder);
    let foo = live.service("/foo").unwrap().build().await.unwrap();
    folder.write("Config.toml", &with_password_in("second"));
    assert!(live.check().await.is_none());
    assert!(live.check().await.unwrap().is_err(), "there is no such file");
    asked();
    for _ in 0..4 {
        assert!(live.check().await.is_none());
    }
    assert_eq!(asked(), 4, "it is looked at, and not read");
    folder.write("second", "password2");
    assert!(live.check().await.is_none());
    let reloaded = live.check().await.unwrap().unwrap();
    assert_eq!(asked(), 4, "two looks, and read once");
    let files = ["Config.toml", "first", "second"].map(|name| folder.path(name));
    assert_eq!(reloaded.files, files, "one is not read any more, one was not read before");
    assert_eq!(status(&foo, "/foo", &basic("alice:password2")).await, 200);
    // The first is nobody's now.
    folder.write("first", "other");
    assert!(live.check().await.is_none());
    let nothing = live.reload().await.unwrap();
    assert_eq!(
        (nothing.changed, nothing.generation, nothing.users, nothing.parts, nothing.kept),
        (false, 2, 1, 1, 1)
    );
    assert!(nothing.files.is_empty());
}

#[tokio::test]
async fn a_mistake_that_comes_back_after_another_version_is_told_again() {
    let folder = Folder::new(&users(&[ALICE]));
    let live = folder.live();
    for round in 1..=2 {
        folder.write("Config.toml", "wrong");
        assert!(live.check().await.is_none());
        assert!(live.check().await.unwrap().is_err());
        assert_eq!((live.state().refused, live.state().up_to_date), (round, false));
        folder.write("Config.toml", &format!("{}# {round}", users(&[BOB])));
        assert!(live.check().await.is_none());
        assert_eq!(live.check().await.unwrap().unwrap().generation, round + 1);
    }
}

#[tokio::test]
async fn a_change_that_was_taken_back_has_to_be_found_twice_anew() {
    let folder = Folder::new(&users(&[ALICE]));
    let live = folder.live();
    for _ in 0..3 {
        folder.write("Config.toml", &users(&[BOB]));
        assert!(live.check().await.is_none());
        folder.write("Config.toml", &users(&[ALICE]));
        assert!(live.check().await.is_none());
    }
    assert_eq!(live.state().generation, 1);
}

/// Says what it is told to, one after the other, and then the last again and again.
#[derive(Clone, Debug)]
struct Vault(Arc<Mutex<VecDeque<&'static str>>>);

impl Source for Vault {
    fn variable(&self, _: &str) -> Option<String> {
        None
    }

    fn file(&self, _: &Path) -> io::Result<Vec<u8>> {
        let mut says = self.0.lock().unwrap();
        let next = if says.len() > 1 { says.pop_front() } else { says.front().copied() };
        Ok(next.unwrap().into())
    }
}

#[tokio::test]
async fn a_file_that_changes_between_two_readings_of_it_is_not_used_in_both_versions() {
    let two = with_password_in("p") + &with_password_in("p").replace("alice", "bob");
    let text = two.replacen(&users(&[]), "", 1);
    let folder = Folder::new(&text);
    let vault = Vault(Arc::new(Mutex::new(VecDeque::from(["first"]))));
    let source = vault.clone();
    let builder = move || Config::builder().clock(clock()).source(source.clone());
    let live = Live::load_with(folder.path("Config.toml"), builder).unwrap();
    let foo = live.service("/foo").unwrap().build().await.unwrap();
    // The look, Alice's password, and Bob's.
    *vault.0.lock().unwrap() = VecDeque::from(["second", "second", "third"]);
    assert!(live.reload().await.unwrap().changed);
    let mut statuses = Vec::new();
    for pair in ["alice:second", "bob:second", "alice:third", "bob:third"] {
        statuses.push(status(&foo, "/foo", &basic(pair)).await);
    }
    assert_eq!(statuses, [401, 401, 200, 200]);
    assert!(!live.reload().await.unwrap().changed);
}

#[tokio::test]
async fn what_could_not_be_read_in_one_piece_is_read_again_though_it_did_not_change_since() {
    let element = "{ scopes = \"hello\", fileUserStoreConfig = {} }";
    let text = with_password_in("password").replace(element, &format!("{element}, {{ otherConfig = {{}} }}"));
    let folder = Folder::new(&text);
    folder.write("password", "first");
    let (is_torn, path) = (Arc::new(AtomicBool::new(false)), folder.path("password"));
    let writes = Arc::clone(&is_torn);
    // Alice's password is read between the two.
    let builder = move || {
        let write = |path: &Path, writes: &AtomicBool, text| {
            if writes.load(SeqCst) {
                std::fs::write(path, text).unwrap();
            }
        };
        write(&path, &writes, "second");
        let (path, writes) = (path.clone(), writes.clone());
        Config::builder().clock(clock()).provider("otherConfig", move |_: &Section<'_>| {
            write(&path, &writes, "between");
            Ok(FileUserStore::new([User::with_password("bob", "b")]))
        })
    };
    let live = Live::load_with(folder.path("Config.toml"), builder).unwrap();
    let foo = live.service("/foo").unwrap().build().await.unwrap();
    is_torn.store(true, SeqCst);
    let error = live.reload().await.unwrap_err().to_string();
    assert!(error.contains("changed again and again while they were read"), "{error}");
    is_torn.store(false, SeqCst);
    folder.write("password", "second");
    assert_eq!(live.check().await.unwrap().unwrap().generation, 2);
    assert_eq!(status(&foo, "/foo", &basic("alice:second")).await, 200);
}

#[tokio::test]
async fn a_provider_is_another_one_when_a_value_of_whatever_kind_changed() {
    let text = |value: &str| {
        format!("[services.\"/foo\"]\nauth = [{{ scopes = \"a\", ownConfig = {{ value = {value} }} }}]\n")
    };
    let folder = Folder::new(&text("{ a = 0 }"));
    let builder = || {
        Config::builder().clock(clock()).provider("ownConfig", |section: &Section<'_>| {
            let _ = section.node("value");
            if let Some(inner) = section.section("value") {
                let _ = ["a", "b"].map(|key| inner.node(key).is_some());
            }
            Ok(FileUserStore::new([User::with_password("bob", "b")]))
        })
    };
    let live = Live::load_with(folder.path("Config.toml"), builder).unwrap();
    let foo = live.service("/foo").unwrap().build().await.unwrap();
    let mut before = foo.now().providers().remove(0);
    for value in [
        "{ a = 1 }",
        "{ b = 1 }",
        "{ a = 2 }",
        "{ a = { b = 2 } }",
        "{ a = [], b = 2 }",
        "{ a = [true, false] }",
        "{ a = [false, true] }",
        "{ a = [true], b = false }",
        "{ a = [[true], false] }",
        "{ a = [[true, false]] }",
        "{ a = 1.5 }",
        "{ a = 2.5 }",
        "{ a = \"2.5\" }",
        "{ a = \"2\", b = \"5\" }",
        "{ a = \"25\" }",
        "{}",
    ] {
        for is_kept in [false, true] {
            folder.write("Config.toml", &format!("{}# {is_kept}", text(value)));
            let reloaded = live.reload().await.unwrap();
            let now = foo.now().providers().remove(0);
            assert_eq!(Arc::ptr_eq(&before, &now), is_kept, "{value}");
            assert_eq!(reloaded.kept, usize::from(is_kept), "{value}");
            before = now;
        }
    }
}

/// Sleeps so many times, each for no time at all.
#[derive(Debug)]
struct Ticks {
    left: AtomicUsize,
    over: Notify,
}

impl Clock for Ticks {
    fn now(&self) -> UnixTime {
        UnixTime::from_secs(1_000_000)
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }

    fn sleep(&self, span: Duration) -> BoxFuture<'static, ()> {
        assert_eq!(span, Duration::from_millis(100), "as the configuration says");
        if self.left.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_ok() {
            return Box::pin(std::future::ready(()));
        }
        self.over.notify_one();
        Box::pin(std::future::pending())
    }
}

#[tokio::test]
async fn files_are_looked_at_after_each_interval_unless_nobody_wants_it() {
    for (watch, looks) in [(true, 5), (false, 0)] {
        let folder =
            Folder::new(&format!("[reload]\nwatch = {watch}\ninterval = \"100ms\"\n{}", users(&[ALICE])));
        let ticks = Arc::new(Ticks { left: AtomicUsize::new(5), over: Notify::new() });
        let asked = Arc::new(AtomicUsize::new(0));
        let (clock, count) = (Arc::clone(&ticks), Arc::clone(&asked));
        let builder = move || {
            count.fetch_add(1, SeqCst);
            Config::builder().clock(clock.clone())
        };
        let live = Live::load_with(folder.path("Config.toml"), builder).unwrap();
        asked.store(0, SeqCst);
        tokio::select! {
            () = live.watch() => panic!("it goes on for ever"),
            () = ticks.over.notified() => {}
        }
        assert_eq!(asked.load(SeqCst), looks, "watch = {watch}");
    }
}
