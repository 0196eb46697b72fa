//! `portcullis init` and `portcullis hash`
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

#[allow(dead_code, unreachable_pub, reason = "shared by all tests of commands; none needs everything")]
mod command;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use command::Folder;
use serde_json::json;

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

#[test]
fn a_hash_verifies_the_password_that_it_was_made_from_and_no_other() {
    let folder = Folder::new();
    let run = folder.run_with("pass word é\r\n", ["hash"]);
    run.assert_code(0);
    let hash = run.stdout.trim_end();
    assert!(hash.starts_with("$argon2id$v=19$m="), "{run:?}");
    assert_eq!(run.stdout.lines().count(), 1);
    folder.file(
        "c.toml",
        format!(
            "[[auth.users]]\nusername = \"zoë\"\npasswordHash = \"{hash}\"\nscopes = [\"hello\"]\n\
             [services.\"/foo\"]\nauth = [{{ scopes = \"hello\", fileUserStoreConfig = {{}} }}]\n"
        ),
    );
    for (password, code) in [("pass word é", 0), ("pass word é\n", 1), ("pass word e", 1)] {
        let arguments = ["explain", "--config", "c.toml", "--path", "/foo", "--header", "@-"];
        folder.run_with(basic("zoë", password), arguments).assert_code(code);
    }
}

/// What a terminal shows of `portcullis hash` when these two are typed, and the exit code.
fn typed(first: &str, again: &str) -> (String, Option<i32>) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/command/terminal.py");
    let output = std::process::Command::new("python3")
        .args([script, env!("CARGO_BIN_EXE_portcullis"), "hash", "--", "Password: ", first, "Again: ", again])
        .output()
        .expect("python3 is there: run cargo xtask test");
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    (String::from_utf8(output.stdout).unwrap(), output.status.code())
}

#[test]
fn in_a_terminal_it_asks_twice_and_shows_nothing_of_the_password() {
    let (shown, code) = typed("canary-7f3a", "canary-7f3a");
    assert_eq!(code, Some(0), "{shown}");
    assert!(
        shown.contains("Password: ") && shown.contains("Again: ") && !shown.contains("canary"),
        "{shown}"
    );
    let hash = shown.lines().find(|line| line.starts_with("$argon2id$")).expect("a hash");
    let folder = Folder::new();
    folder.file(
        "c.toml",
        format!(
            "[[auth.users]]\nusername = \"alice\"\npasswordHash = \"{hash}\"\n\
             [services.\"/foo\"]\nauth = [{{ scopes = \"*\", fileUserStoreConfig = {{}} }}]\n"
        ),
    );
    let arguments = ["explain", "--config", "c.toml", "--path", "/foo", "--header", "@-"];
    folder.run_with(basic("alice", "canary-7f3a"), arguments).assert_code(0);

    let (shown, code) = typed("canary-7f3a", "canary-7f3b");
    assert_eq!(code, Some(2), "{shown}");
    assert!(shown.contains("the two passwords differ") && !shown.contains("canary"), "{shown}");
}

#[test]
fn a_hash_is_told_in_json_and_never_the_same() {
    let folder = Folder::new();
    let one = folder.run_with("canary", ["hash", "--json"]).json();
    let other = folder.run_with("canary", ["hash", "--json"]).json();
    assert!(one["passwordHash"].as_str().unwrap().starts_with("$argon2id$"));
    assert_ne!(one, other);
}

#[test]
fn passwords_that_no_client_can_send_are_not_hashed() {
    let folder = Folder::new();
    for (password, words) in [
        (&b""[..], "is empty"),
        (b"\n", "is empty"),
        (b"canary\n\n", "control character"),
        (b"canary\0", "control character"),
        (b"canary\xff", "not UTF-8"),
        (&[b'x'; 70_000], "longer than 64 KiB"),
    ] {
        let run = folder.run_with(password, ["hash"]);
        run.assert_code(2);
        assert!(run.stderr.contains(words), "{run:?}");
        assert_eq!(run.stdout, "");
        assert!(!run.stderr.contains("canary"), "{run:?}");
    }
    for words in [
        &["canary"][..],
        &["canary", "canary two"],
        &["--canary"],
        &["-canary"],
        &["--password=canary"],
        &["--password", "canary"],
        &["--json", "--canary"],
        &["--", "--canary"],
    ] {
        let run = folder.run(["hash"].iter().chain(words));
        run.assert_code(2);
        assert!(run.stderr.contains("not taken from the command line"), "{run:?}");
        assert!(!run.stderr.contains("canary") && run.stdout.is_empty(), "{run:?}");
    }
}

#[test]
fn init_writes_a_file_that_check_and_explain_accept_with_the_password_that_it_showed() {
    let folder = Folder::new();
    let run = folder.run(["init"]);
    run.assert_code(0);
    let password = run.line("password").split(' ').nth(1).unwrap().to_owned();
    assert_eq!(run.line("user"), "user alice");
    assert_eq!(run.line("portcullis serve"), "portcullis serve --config Config.toml");
    assert_eq!(run.line("curl -k"), "curl -k -u alice https://localhost:9090/foo/bar");

    let written = std::fs::read_to_string(folder.path().join("Config.toml")).unwrap();
    assert!(!written.contains(&password), "the password is in the file");
    let check = folder.run(["check", "Config.toml"]);
    check.assert_code(0);
    assert_eq!(check.line("listener"), "listener https://127.0.0.1:9090");
    for (path, password, code) in [
        ("/foo/bar", &*password, 0),
        ("/foo/bar", "x", 1),
        ("/foo/admin", &*password, 1),
        ("/foo/health", "x", 0),
    ] {
        let arguments = ["explain", "--config", "Config.toml", "--path", path, "--header", "@-"];
        folder.run_with(basic("alice", password), arguments).assert_code(code);
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(folder.path().join("Config.toml")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn what_init_shows_as_comments_works_as_well() {
    let folder = Folder::new();
    folder.run(["init"]).assert_code(0);
    let written = std::fs::read_to_string(folder.path().join("Config.toml")).unwrap();
    let upstream = written
        .replace("# upstream = ", "upstream = ")
        .replace("respond = ", "# respond = ")
        .replace("# key = ", "key = ")
        .replace("selfSigned = ", "# selfSigned = ")
        .replace("  # { scopes", "  { scopes")
        .replace("  #   ", "    ")
        .replace("  # } },", "  } },");
    let key = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    folder.file("server.crt", key.cert.pem());
    folder.file("server.key", key.signing_key.serialize_pem());
    folder.file("issuer.crt", key.cert.pem());
    folder.file("other.toml", upstream);
    let check = folder.run(["check", "other.toml"]);
    check.assert_code(0);
    assert_eq!(check.line("service /foo"), "service /foo forwards to http://127.0.0.1:8080/");
    assert_eq!(check.line("[1] jwt Bearer hello"), "[1] jwt Bearer hello");
}

#[test]
fn init_never_overwrites() {
    let folder = Folder::new();
    let file = folder.file("mine.toml", "precious");
    let run = folder.run(["init", "--output", "mine.toml"]);
    run.assert_code(2);
    assert!(run.stderr.contains("mine.toml exists and is left as it is"), "{run:?}");
    assert_eq!(run.stdout, "");
    assert_eq!(std::fs::read_to_string(file).unwrap(), "precious");
    let run = folder.run(["init", "--output", "absent/Config.toml"]);
    run.assert_code(2);
    assert!(run.stderr.contains("its folder does not exist"), "{run:?}");
}

#[test]
fn init_tells_in_json() {
    let folder = Folder::new();
    let run = folder.run(["init", "--json", "--output", "c.toml"]);
    run.assert_code(0);
    let told = run.json();
    assert_eq!((&told["file"], &told["username"]), (&json!("c.toml"), &json!("alice")));
    assert_eq!(told["password"].as_str().unwrap().len(), 23);
}
