//! How files change, and when that is taken up.

use std::{
    fs,
    os::unix::fs::symlink,
    path::Path,
    sync::{Arc, Mutex},
};

use portcullis::{Config, Live, section::Source};

use super::{ALICE, BOB, Folder, basic, clock, status, users};

#[tokio::test]
async fn a_change_is_taken_up_once_two_looks_found_the_same() {
    let folder = Folder::new(&users(&[ALICE]));
    let live = folder.live();
    let foo = live.service("/foo").unwrap().build().await.unwrap();
    let bob = basic("bob:password2");
    assert!(live.check().await.is_none(), "nothing changed");
    folder.write("Config.toml", &users(&[ALICE, BOB]));
    assert!(live.check().await.is_none(), "somebody may still be writing");
    assert_eq!(status(&foo, "/foo", &bob).await, 401);
    folder.write("Config.toml", &users(&[BOB]));
    assert!(live.check().await.is_none(), "somebody is");
    assert_eq!(status(&foo, "/foo", &bob).await, 401);
    let reloaded = live.check().await.unwrap().unwrap();
    assert_eq!((reloaded.generation, reloaded.users), (2, 1));
    assert_eq!(reloaded.files, [folder.path("Config.toml")]);
    assert_eq!(status(&foo, "/foo", &bob).await, 200);
    assert_eq!(status(&foo, "/foo", &basic("alice:password1")).await, 401);
    assert!(live.check().await.is_none());
}

#[tokio::test]
async fn a_reload_that_is_asked_for_takes_effect_at_once() {
    let folder = Folder::new(&users(&[ALICE]));
    let live = folder.live();
    let foo = live.service("/foo").unwrap().build().await.unwrap();
    assert!(!live.reload().await.unwrap().changed);
    folder.write("Config.toml", &users(&[BOB]));
    assert!(live.reload().await.unwrap().changed);
    assert_eq!(status(&foo, "/foo", &basic("bob:password2")).await, 200);
}

#[tokio::test]
async fn a_file_written_in_place_is_taken_up_when_it_is_whole() {
    let folder = Folder::new(&users(&[ALICE]));
    let live = folder.live();
    let foo = live.service("/foo").unwrap().build().await.unwrap();
    let whole = users(&[ALICE, BOB]);
    // As by an editor that writes block by block: every look finds another piece.
    for end in (0..whole.len()).step_by(37).chain([whole.len()]) {
        fs::write(folder.path("Config.toml"), &whole[..end]).unwrap();
        assert!(live.check().await.is_none(), "{end} bytes");
        assert_eq!(status(&foo, "/foo", &basic("alice:password1")).await, 200, "{end} bytes");
    }
    assert!(live.check().await.unwrap().is_ok());
    assert_eq!(status(&foo, "/foo", &basic("bob:password2")).await, 200);
}

#[tokio::test]
async fn kubernetes_turns_a_link_and_everything_changes_at_once() {
    let folder = Folder::new("");
    fs::remove_file(folder.path("Config.toml")).unwrap();
    let version = |name: &str, password: &str| {
        fs::create_dir(folder.path(name)).unwrap();
        let text = format!(
            "[[auth.users]]\nusername = \"alice\"\npassword = {{ file = \"password\" }}\nscopes = [\"hello\"]\n{}",
            &users(&[])
        );
        fs::write(folder.path(name).join("Config.toml"), text).unwrap();
        fs::write(folder.path(name).join("password"), password).unwrap();
    };
    version("..2026_01", "first");
    symlink("..2026_01", folder.path("..data")).unwrap();
    for name in ["Config.toml", "password"] {
        symlink(Path::new("..data").join(name), folder.path(name)).unwrap();
    }
    let live = folder.live();
    let foo = live.service("/foo").unwrap().build().await.unwrap();
    assert_eq!(status(&foo, "/foo", &basic("alice:first")).await, 200);

    version("..2026_02", "second");
    symlink("..2026_02", folder.path("..data_tmp")).unwrap();
    fs::rename(folder.path("..data_tmp"), folder.path("..data")).unwrap();
    fs::remove_dir_all(folder.path("..2026_01")).unwrap();

    assert!(live.check().await.is_none());
    let reloaded = live.check().await.unwrap().unwrap();
    assert_eq!(reloaded.files, [folder.path("password")], "the text is the same");
    assert_eq!(status(&foo, "/foo", &basic("alice:first")).await, 401);
    assert_eq!(status(&foo, "/foo", &basic("alice:second")).await, 200);
}

#[tokio::test]
async fn a_deleted_file_leaves_the_version_in_use_and_its_return_changes_nothing() {
    let text = users(&[ALICE]);
    let folder = Folder::new(&text);
    let live = folder.live();
    let foo = live.service("/foo").unwrap().build().await.unwrap();
    fs::remove_file(folder.path("Config.toml")).unwrap();
    assert!(live.check().await.is_none());
    let error = live.check().await.unwrap().unwrap_err();
    assert!(error.to_string().contains("cannot read the configuration"), "{error}");
    assert_eq!(status(&foo, "/foo", &basic("alice:password1")).await, 200);
    let state = live.state();
    assert_eq!((state.generation, state.up_to_date, state.refused), (1, false, 1));
    assert!(live.check().await.is_none(), "it was said");
    folder.write("Config.toml", &text);
    assert!(live.check().await.is_none());
    assert_eq!((live.state().generation, live.state().up_to_date), (1, true));
}

#[tokio::test]
async fn a_named_file_that_comes_back_with_another_content_is_taken_up() {
    let text = format!(
        "[[auth.users]]\nusername = \"alice\"\npassword = {{ file = \"secret\" }}\nscopes = [\"hello\"]\n{}",
        users(&[])
    );
    let folder = Folder::new(&text);
    folder.write("secret", "first");
    let live = folder.live();
    let foo = live.service("/foo").unwrap().build().await.unwrap();
    assert_eq!(live.config().files(), [folder.path("Config.toml"), folder.path("secret")]);
    fs::remove_file(folder.path("secret")).unwrap();
    assert!(live.check().await.is_none());
    assert!(live.check().await.unwrap().is_err());
    assert_eq!(status(&foo, "/foo", &basic("alice:first")).await, 200);
    folder.write("secret", "second");
    assert!(live.check().await.is_none());
    assert!(live.check().await.unwrap().is_ok());
    assert_eq!(status(&foo, "/foo", &basic("alice:second")).await, 200);
}

#[tokio::test]
async fn a_pipe_is_read_once_and_not_looked_at() {
    let text = format!(
        "[[auth.users]]\nusername = \"alice\"\npassword = {{ file = \"pipe\" }}\nscopes = [\"hello\"]\n{}",
        users(&[])
    );
    let folder = Folder::new(&text);
    let pipe = folder.path("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let writer = std::thread::spawn(move || fs::write(pipe, "from the pipe"));
    let live = folder.live();
    writer.join().unwrap().unwrap();
    let foo = live.service("/foo").unwrap().build().await.unwrap();
    assert_eq!(status(&foo, "/foo", &basic("alice:from the pipe")).await, 200);
    // Nobody writes any more: who looked would wait for ever.
    assert!(live.check().await.is_none());
    assert!(!live.reload().await.unwrap().changed);
}

#[tokio::test]
async fn what_is_no_configuration_at_all_is_refused_and_said_once() {
    let text = users(&[ALICE]);
    let folder = Folder::new(&text);
    let live = folder.live();
    let foo = live.service("/foo").unwrap().build().await.unwrap();
    let mut refused = 0;
    let wrong = [
        (b"\xff\xfeu\0s\0e\0r\0".to_vec(), "cannot read the configuration: it is not UTF-8"),
        ([text.as_bytes(), b"\0"].concat(), "not TOML"),
        (Vec::new(), "cannot read the configuration: it is larger than 64 MiB"),
    ];
    for (version, (content, says)) in (1..).zip(wrong) {
        fs::write(folder.path("Config.toml"), &content).unwrap();
        if content.is_empty() {
            let file = fs::File::options().write(true).open(folder.path("Config.toml")).unwrap();
            file.set_len((64 << 20) + 1).unwrap();
        }
        assert!(live.check().await.is_none());
        let error = live.check().await.unwrap().unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
        assert!(live.check().await.is_none(), "it was said");
        refused += 1;
        let error = live.reload().await.unwrap_err().to_string();
        assert!(error.contains(says), "who asks is told again: {error}");
        refused += 1;
        assert_eq!((live.state().generation, live.state().refused), (version, refused));
        assert_eq!(status(&foo, "/foo", &basic("alice:password1")).await, 200);
        // From there to what is right.
        folder.write("Config.toml", &format!("{text}# {version}"));
        assert!(live.check().await.is_none());
        assert!(live.check().await.unwrap().unwrap().changed);
    }
}

#[tokio::test]
async fn a_secret_that_is_none_is_refused() {
    let text = format!(
        "[[auth.users]]\nusername = \"alice\"\npassword = {{ file = \"secret\" }}\nscopes = [\"hello\"]\n{}",
        users(&[])
    );
    let folder = Folder::new(&text);
    folder.write("secret", "first");
    let live = folder.live();
    let foo = live.service("/foo").unwrap().build().await.unwrap();
    for (content, says) in [
        (vec![b'x'; (1 << 20) + 1], "it is larger than 1 MiB"),
        (b"\xff".to_vec(), "is not UTF-8"),
        (Vec::new(), "an empty secret protects nothing"),
    ] {
        fs::write(folder.path("secret"), content).unwrap();
        let error = live.reload().await.unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
        assert_eq!(status(&foo, "/foo", &basic("alice:first")).await, 200);
    }
    fs::remove_file(folder.path("secret")).unwrap();
    fs::create_dir(folder.path("secret")).unwrap();
    assert!(live.reload().await.is_err());
    fs::remove_dir(folder.path("secret")).unwrap();
    folder.write("secret", "first");
    assert!(!live.reload().await.unwrap().changed);
}

#[tokio::test]
async fn neither_times_nor_sizes_hide_a_change() {
    let folder = Folder::new(&users(&[ALICE]));
    let live = folder.live();
    let path = folder.path("Config.toml");
    let then = fs::metadata(&path).unwrap().modified().unwrap();
    for (password, back) in [("password2", 0), ("password3", 3600)] {
        let (_, name, scope) = (ALICE.1, ALICE.0, ALICE.2);
        let text = users(&[(name, password, scope)]);
        assert_eq!(text.len() as u64, fs::metadata(&path).unwrap().len());
        fs::write(&path, text).unwrap();
        let file = fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(then - std::time::Duration::from_secs(back)).unwrap();
        assert!(live.check().await.is_none());
        assert!(live.check().await.unwrap().unwrap().changed);
    }
}

#[tokio::test]
async fn what_a_look_did_not_find_is_not_taken_up_at_once() {
    let folder = Folder::new(&users(&[ALICE]));
    let path = folder.path("Config.toml");
    let (written, next) = (Arc::new(Mutex::new(None::<String>)), Arc::new(Mutex::new(0)));
    let (file, text, builders) = (path.clone(), written.clone(), next.clone());
    let live = Live::load_with(&path, move || {
        *builders.lock().unwrap() += 1;
        // A writer who goes on between the look and the reading, which asks for a builder first.
        if *builders.lock().unwrap() == 4
            && let Some(text) = text.lock().unwrap().take()
        {
            fs::write(&file, text).unwrap();
        }
        Config::builder().clock(clock())
    })
    .unwrap();
    fs::write(&path, users(&[BOB])).unwrap();
    *written.lock().unwrap() = Some(users(&[ALICE, BOB]));
    assert!(live.check().await.is_none(), "the first look");
    assert!(live.check().await.is_none(), "somebody is still writing");
    assert!(*next.lock().unwrap() >= 4 && written.lock().unwrap().is_none(), "it was read");
    assert!(live.check().await.is_none(), "the first look at that");
    assert_eq!(live.check().await.unwrap().unwrap().users, 2);
}

/// A vault that says what a test tells it to.
#[derive(Clone, Debug)]
struct Vault(Arc<Mutex<String>>);

impl Source for Vault {
    fn variable(&self, _: &str) -> Option<String> {
        Some(self.0.lock().unwrap().clone())
    }

    fn file(&self, _: &Path) -> std::io::Result<Vec<u8>> {
        Err(std::io::Error::other("no files here"))
    }
}

#[tokio::test]
async fn a_source_of_secrets_of_ones_own_is_looked_at_as_well() {
    let folder = Folder::new(&format!(
        "[[auth.users]]\nusername = \"alice\"\npassword = {{ env = \"ALICE\" }}\nscopes = [\"hello\"]\n{}",
        users(&[])
    ));
    let vault = Vault(Arc::new(Mutex::new("first".to_owned())));
    let source = vault.clone();
    let builder = move || Config::builder().clock(clock()).source(source.clone());
    let live = Live::load_with(folder.path("Config.toml"), builder).unwrap();
    let foo = live.service("/foo").unwrap().build().await.unwrap();
    assert_eq!(status(&foo, "/foo", &basic("alice:first")).await, 200);
    *vault.0.lock().unwrap() = "second".to_owned();
    let reloaded = live.reload().await.unwrap();
    assert!(reloaded.changed && reloaded.files.is_empty());
    assert_eq!(status(&foo, "/foo", &basic("alice:first")).await, 401);
    assert_eq!(status(&foo, "/foo", &basic("alice:second")).await, 200);
}
