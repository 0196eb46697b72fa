//! Files that exist and cannot be read, or are none at all.

use std::{fs, os::unix::fs::symlink, path::Path, process::Command, time::Duration};

use portcullis::{Live, LiveAuth};

use super::{Folder, basic, status};

const ODD: [Odd; 6] = [Odd::Folder, Odd::Dangling, Odd::Circle, Odd::Pipe, Odd::LinkToPipe, Odd::Unreadable];

/// What stands in the place of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Odd {
    Folder,
    /// A link to what is not there.
    Dangling,
    /// A link to itself.
    Circle,
    Pipe,
    LinkToPipe,
    /// A regular file that can be opened by everybody, whoever that is, and not read.
    Unreadable,
}

impl Odd {
    fn put(self, path: &Path) {
        fs::remove_file(path).unwrap();
        match self {
            Self::Folder => fs::create_dir(path).unwrap(),
            Self::Dangling => symlink("nowhere", path).unwrap(),
            Self::Circle => symlink(path, path).unwrap(),
            Self::Pipe => pipe(path),
            Self::LinkToPipe => {
                let beside = path.with_extension("pipe");
                if !beside.exists() {
                    pipe(&beside);
                }
                symlink(beside, path).unwrap();
            }
            Self::Unreadable => symlink(UNREADABLE, path).unwrap(),
        }
    }

    fn remove(self, path: &Path) {
        match self {
            Self::Folder => fs::remove_dir(path).unwrap(),
            _ => fs::remove_file(path).unwrap(),
        }
    }
}

/// The first page of a process's memory is nobody's.
#[cfg(target_os = "linux")]
const UNREADABLE: &str = "/proc/self/mem";
#[cfg(not(target_os = "linux"))]
const UNREADABLE: &str = "/dev/null/nothing";

fn pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// A secret, a key, and a configuration that names both.
fn folder() -> Folder {
    let folder = Folder::new(&text(""));
    folder.write("secret", "first");
    folder.write("issuer.pem", KEYS[0]);
    folder
}

const KEYS: [&str; 2] = [
    include_str!("../../../keys/tests/data/keys/rsa.public.pem"),
    include_str!("../../../keys/tests/data/keys/p256.public.pem"),
];

fn text(manners: &str) -> String {
    format!(
        r#"
        [[auth.users]]
        username = "alice"
        password = {{ file = "secret" }}
        scopes = ["hello"]
        [services."/foo"]
        {manners}
        auth = [
          {{ scopes = "hello", fileUserStoreConfig = {{}} }},
          {{ scopes = "hello", jwtValidatorConfig = {{ issuer = "i", audience = "a", signatureConfig = {{ certFile = "issuer.pem" }} }} }},
        ]
        "#
    )
}

/// Two looks: the outcome of the second. Whoever opened a pipe would wait for ever.
async fn look_twice(live: &Live) -> Option<Result<portcullis::Reloaded, portcullis::ConfigError>> {
    assert!(soon(live.check()).await.is_none(), "somebody may still be writing");
    soon(live.check()).await
}

async fn soon<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), work).await.expect("nobody waits for a pipe")
}

async fn alice(service: &LiveAuth) -> u16 {
    status(service, "/foo", &basic("alice:first")).await
}

#[tokio::test]
async fn what_cannot_be_read_leaves_the_version_in_use_and_is_taken_up_when_it_can() {
    let changed = [text("realm = \"other\""), "second".to_owned(), KEYS[1].to_owned()];
    for (name, changed) in ["Config.toml", "secret", "issuer.pem"].into_iter().zip(changed) {
        for odd in ODD {
            let folder = folder();
            let live = folder.live();
            let foo = live.service("/foo").unwrap().build().await.unwrap();
            let path = folder.path(name);
            let right = fs::read_to_string(&path).unwrap();
            odd.put(&path);
            let error = look_twice(&live).await.unwrap().unwrap_err().to_string();
            assert!(error.contains(&format!("{}", path.display())), "{name} {odd:?}: {error}");
            let is_pipe = matches!(odd, Odd::Pipe | Odd::LinkToPipe);
            assert_eq!(error.contains("it is no regular file"), is_pipe, "{name} {odd:?}: {error}");
            assert_eq!(alice(&foo).await, 200, "{name} {odd:?}");
            let state = live.state();
            assert_eq!((state.generation, state.refused, state.up_to_date), (1, 1, false), "{name} {odd:?}");
            for _ in 0..3 {
                assert!(soon(live.check()).await.is_none(), "{name} {odd:?}: it was said");
            }
            assert_eq!(live.state().refused, 1);
            assert!(soon(live.reload()).await.is_err(), "who asks is told again");
            // What it was comes back, and then something else.
            odd.remove(&path);
            folder.write(name, &right);
            assert!(soon(live.check()).await.is_none());
            assert_eq!((live.state().generation, live.state().up_to_date), (1, true), "{name} {odd:?}");
            odd.put(&path);
            assert!(look_twice(&live).await.unwrap().is_err());
            odd.remove(&path);
            folder.write(name, &changed);
            assert_eq!(look_twice(&live).await.unwrap().unwrap().generation, 2, "{name} {odd:?}");
            assert_eq!(alice(&foo).await, if name == "secret" { 401 } else { 200 }, "{name} {odd:?}");
        }
    }
}

#[tokio::test]
async fn a_configuration_that_names_a_pipe_is_for_programs_that_are_restarted() {
    for name in ["secret", "issuer.pem"] {
        let folder = folder();
        let (path, content) = (folder.path(name), fs::read_to_string(folder.path(name)).unwrap());
        Odd::Pipe.put(&path);
        let writer = std::thread::spawn(move || fs::write(path, content));
        let live = folder.live();
        writer.join().unwrap().unwrap();
        let foo = live.service("/foo").unwrap().build().await.unwrap();
        assert!(soon(live.check()).await.is_none(), "it is not looked at");
        assert!(!soon(live.reload()).await.unwrap().changed);
        folder.write("Config.toml", &text("realm = \"other\""));
        let error = look_twice(&live).await.unwrap().unwrap_err().to_string();
        assert!(error.contains("no regular file") && error.contains("restart the program"), "{error}");
        assert!(error.contains(name) && error.contains("Config.toml:"), "{error}");
        assert_eq!(alice(&foo).await, 200);
        // A file in its place will do.
        fs::remove_file(folder.path(name)).unwrap();
        folder.write(name, if name == "secret" { "first" } else { KEYS[0] });
        assert_eq!(soon(live.reload()).await.unwrap().generation, 2);
        assert_eq!(alice(&foo).await, 200);
    }
}

#[tokio::test]
async fn a_configuration_that_is_a_pipe_is_read_once() {
    let folder = folder();
    let path = folder.path("Config.toml");
    Odd::Pipe.put(&path);
    let writer = std::thread::spawn(move || fs::write(path, text("")));
    let live = folder.live();
    writer.join().unwrap().unwrap();
    assert!(soon(live.check()).await.is_none());
    assert!(!soon(live.reload()).await.unwrap().changed);
}
