//! What a version keeps of the one before.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering::Relaxed},
};

use portcullis::{
    BoxFuture, BuildError, Config, Context, Credential, Live, Outcome, Provider, Scheme, section::Section,
};

use super::{Folder, clock};

#[derive(Debug)]
struct Counted;

impl Provider for Counted {
    fn kind(&self) -> &'static str {
        "counted"
    }

    fn scheme(&self) -> Scheme {
        Scheme::Bearer
    }

    fn try_authenticate(&self, _: &Credential<'_>, _: &Context<'_>) -> Option<Outcome> {
        None
    }

    fn authenticate<'a>(&'a self, _: &'a Credential<'a>, _: &'a Context<'a>) -> BoxFuture<'a, Outcome> {
        unreachable!("nobody asks")
    }

    fn prepare(&self) -> BoxFuture<'_, Result<(), BuildError>> {
        PREPARED.fetch_add(1, Relaxed);
        Box::pin(std::future::ready(Ok(())))
    }
}

static PREPARED: AtomicU32 = AtomicU32::new(0);

fn read(section: &Section<'_>) -> Result<Counted, BuildError> {
    let (_, _) = (section.secret("key"), section.string("note"));
    Ok(Counted)
}

fn text(record: &str, rest: &str) -> String {
    format!(
        "[services.\"/foo\"]\n{rest}\nauth = [{{ scopes = \"a\", countedConfig = {{ key = {{ file = \"key\" }}, {record} }} }}]\n"
    )
}

#[tokio::test]
async fn a_provider_is_kept_while_its_record_and_all_files_of_it_are_the_same() {
    let folder = Folder::new(&text("note = \"a\"", ""));
    folder.write("key", "s3cr3t");
    let builder = || Config::builder().clock(clock()).provider("countedConfig", read);
    let live = Live::load_with(folder.path("Config.toml"), builder).unwrap();
    let foo = live.service("/foo").unwrap().build().await.unwrap();
    let provider = || foo.now().providers().remove(0);
    let mut now = provider();
    let change = |name: &str, text: &str| folder.write(name, text);
    for (name, content, is_kept) in [
        ("Config.toml", text("note = \"a\"", "realm = \"other\""), true),
        ("Config.toml", format!("# moved down\n\n{}", text("note = \"a\"", "")), true),
        ("Config.toml", text("note = \"b\"", ""), false),
        ("key", "an0ther".to_owned(), false),
        ("Config.toml", text("note = \"b\"", "realm = \"third\""), true),
    ] {
        change(name, &content);
        let reloaded = live.reload().await.unwrap();
        assert!(reloaded.changed);
        let then = std::mem::replace(&mut now, provider());
        assert_eq!(Arc::ptr_eq(&then, &now), is_kept, "{content}");
        assert_eq!(reloaded.kept, usize::from(is_kept), "{content}");
    }
    // At the start, and for each that is new: what is kept is ready, whatever became of its servers.
    assert_eq!(PREPARED.load(Relaxed), 3);
}

#[tokio::test]
async fn files_that_change_while_they_are_read_are_read_again() {
    use portcullis::{FileUserStore, User};

    use super::{basic, status};

    // The users are read before the service, whose provider writes their password.
    let text = "[[auth.users]]\nusername = \"alice\"\npassword = { file = \"password\" }\nscopes = [\"a\"]\n\
                [services.\"/foo\"]\nauth = [{ scopes = \"a\", fileUserStoreConfig = {} }, { scopes = \"a\", otherConfig = { } }]\n";
    let folder = Folder::new(text);
    folder.write("password", "first");
    let (writes, path) = (Arc::new(AtomicU32::new(0)), folder.path("password"));
    let left = writes.clone();
    let builder = move || {
        let (left, path) = (left.clone(), path.clone());
        Config::builder().clock(clock()).provider("otherConfig", move |_: &Section<'_>| {
            if left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok() {
                let number = left.load(Relaxed);
                std::fs::write(&path, format!("while it is read {number}")).unwrap();
            }
            Ok(FileUserStore::new([User::with_password("bob", "b")]))
        })
    };
    let live = Live::load_with(folder.path("Config.toml"), builder).unwrap();
    let foo = live.service("/foo").unwrap().build().await.unwrap();
    writes.store(1, Relaxed);
    folder.write("password", "second");
    assert!(live.reload().await.unwrap().changed);
    assert_eq!(status(&foo, "/foo", &basic("alice:while it is read 0")).await, 200);
    // Who only looks comes again.
    writes.store(1, Relaxed);
    folder.write("password", "third");
    assert!(live.check().await.is_none());
    assert!(live.check().await.is_none(), "it changed meanwhile");
    assert_eq!(status(&foo, "/foo", &basic("alice:while it is read 0")).await, 200);
    assert_eq!(status(&foo, "/foo", &basic("alice:third")).await, 401);
    // And one that never comes to rest is refused, where somebody asks.
    writes.store(1000, Relaxed);
    folder.write("password", "fourth");
    let error = live.reload().await.unwrap_err().to_string();
    assert!(error.contains("changed again and again while they were read"), "{error}");
}

#[tokio::test]
async fn users_are_kept_where_nothing_of_them_changed() {
    let one = super::users(&[super::ALICE]);
    let folder = Folder::new(&one);
    let live = folder.live();
    let foo = live.service("/foo").unwrap().build().await.unwrap();
    let provider = || foo.now().providers().remove(0);
    let first = provider();
    folder.write("Config.toml", &one.replace("/open", "/opened"));
    live.reload().await.unwrap();
    assert!(Arc::ptr_eq(&first, &provider()));
    folder.write("Config.toml", &super::users(&[super::ALICE, super::BOB]));
    live.reload().await.unwrap();
    assert!(!Arc::ptr_eq(&first, &provider()));
}

#[tokio::test]
async fn what_a_throttle_counts_of_users_outlives_their_changes() {
    let one = super::users(&[super::ALICE]);
    let folder = Folder::new(&one);
    let live = folder.live();
    let foo = live.service("/foo").unwrap().build().await.unwrap();
    let accounts = || foo.now().providers().remove(0).accounts();
    let first = accounts();
    assert!(first.is_some());
    folder.write("Config.toml", &super::users(&[super::ALICE, super::BOB]));
    assert_eq!(live.reload().await.unwrap().kept, 0);
    assert_eq!(accounts(), first);
    // Another configuration has other users.
    let other = folder.live().service("/foo").unwrap().build().await.unwrap();
    assert_ne!(other.now().providers().remove(0).accounts(), first);
}

#[cfg(feature = "client")]
#[tokio::test]
async fn a_refresh_token_that_the_program_writes_itself_is_no_new_version() {
    use portcullis::oauth2::grant::RotationHook;

    let client = |name: &str| {
        format!(
            "[clients.{name}]\nurl = \"https://{name}.example\"\nauth = {{ refreshUrl = \"https://id.example/token\", \
             refreshToken = {{ file = \"{name}.token\" }}, clientId = \"shop\", clientSecret = {{ file = \"{name}.secret\" }} }}\n"
        )
    };
    let folder = Folder::new(&(client("orders") + &client("stock")));
    for name in ["orders", "stock"] {
        folder.write(&format!("{name}.token"), "first");
        folder.write(&format!("{name}.secret"), "s3cr3t");
    }
    let builder = || {
        let hook = RotationHook::new(|_| async { Ok(()) });
        Config::builder().clock(clock()).rotation_hook("orders", hook)
    };
    let live = Live::load_with(folder.path("Config.toml"), builder).unwrap();
    assert!(!live.config().files().contains(&folder.path("orders.token")));
    // What the hook would do.
    folder.write("orders.token", "second");
    assert!(!live.reload().await.unwrap().changed);
    // Nobody but the operator writes these.
    for (name, kept) in [("stock.token", 1), ("orders.secret", 1)] {
        folder.write(name, "other");
        let reloaded = live.reload().await.unwrap();
        assert_eq!((reloaded.changed, reloaded.kept, reloaded.parts), (true, kept, 2), "{name}");
    }
}
