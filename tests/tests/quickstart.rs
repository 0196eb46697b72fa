//! The quickstart, as a newcomer meets it: its printed lines are pasted into a shell.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

use std::{path::Path, process::Command};

use portcullis_tests::{Program, Running, TempDir, curl, temp_dir, write};

const CONFIG: &str = include_str!("../../examples/quickstart/Config.toml");

struct Quickstart {
    running: Running,
    port: u16,
    _folder: TempDir,
}

/// The quickstart on a free port, and otherwise as it is.
fn start() -> Quickstart {
    assert_eq!(CONFIG.matches("127.0.0.1:9090").count(), 1);
    let folder = temp_dir();
    let file = write(&folder, "Config.toml", CONFIG.replace("127.0.0.1:9090", "127.0.0.1:0"));
    let mut running = Program::new("quickstart").arg(file).start();
    let port = running.address().port();
    Quickstart { running, port, _folder: folder }
}

#[test]
fn every_printed_line_works_when_pasted() {
    let mut quickstart = start();
    let mut lines: Vec<String> = Vec::new();
    quickstart.running.stdout().wait_for("the last request to try", |line| {
        if line.trim_start().starts_with("curl ") {
            lines.push(line.trim().to_owned());
        }
        line.contains("Bearer").then_some(())
    });
    assert_eq!(lines.len(), 6, "{lines:?}");
    for line in lines {
        let promised = line.split(" # ").nth(1).unwrap()[..3].to_owned();
        let output = Command::new("sh")
            .args(["-c", &line.replace("curl ", "curl -sS --noproxy '*' ")])
            .output()
            .unwrap();
        let answer = String::from_utf8(output.stdout).unwrap();
        let status = answer.split(' ').nth(1).unwrap_or_default();
        assert_eq!(status, promised, "{line}\n{answer}");
    }
}

#[test]
fn a_refusal_is_empty_text_with_both_challenges() {
    let quickstart = start();
    let url = format!("https://localhost:{}/foo/bar", quickstart.port);
    let answer = curl(["-k", &url]);
    assert_eq!(answer.status, 401);
    assert_eq!(answer.body, b"");
    assert_eq!(answer.header("content-length"), Some("0"));
    assert_eq!(answer.header("content-type"), Some("text/plain"));
    assert_eq!(
        answer.all("www-authenticate"),
        ["Basic realm=\"portcullis\", charset=\"UTF-8\"", "Bearer realm=\"portcullis\""]
    );
    let answer = curl(["-k", "-u", "alice:password1", &url]);
    assert_eq!((answer.status, answer.body.as_slice()), (403, &b""[..]));
    let answer = curl(["-k", "-u", "bob:password2", &url]);
    assert_eq!((answer.status, answer.text()), (200, "Hello, World!"));
    assert_eq!(answer.header("content-length"), Some("13"));
    let answer = curl(["-k", "-H", "Authorization: Bearer nonsense", &url]);
    assert_eq!(answer.status, 401);
    assert_eq!(answer.all("www-authenticate")[1], "Bearer realm=\"portcullis\", error=\"invalid_token\"");
}

#[test]
fn it_is_about_forty_lines() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/quickstart/src/main.rs");
    let source = std::fs::read_to_string(source).unwrap();
    let code = source.lines().take_while(|line| !line.contains("fn print_requests")).count();
    assert!(code < 55, "{code} lines before what it prints");
}
