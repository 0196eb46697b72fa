//! `portcullis check --online`, against servers that are right, away, or refuse our secret.

use portcullis_tests::{AuthlibServer, Finished, OidcProvider, Program, temp_dir, write};

use crate::gateway::config;
use crate::jwks::{basic, by_discovery, by_introspection};

fn check(auth: &str, arguments: &[&str]) -> Finished {
    let folder = temp_dir();
    let file = write(&folder, "Config.toml", config(&format!("respond = \"Hello\"\nauth = [{auth}]")));
    Program::new("portcullis").args(["check"]).args(arguments).arg(file).run()
}

/// The line of the table for this server.
fn line<'a>(finished: &'a Finished, url: &str) -> &'a str {
    let found = finished.stdout.lines().find(|line| line.contains(url));
    found.unwrap_or_else(|| panic!("nothing about {url} in:\n{}\n{}", finished.stdout, finished.stderr))
}

fn authlib(server: &AuthlibServer, client: &str) -> String {
    format!(
        r#"{{ scopes = "hello", oauth2IntrospectionConfig = {{
            url = "{}",
            clientConfig = {{ secureSocket = {{ cert = {:?} }}, {client} }},
        }} }}"#,
        server.url("/introspect"),
        server.certificate(),
    )
}

#[test]
fn servers_that_are_right_are_told_with_what_they_answered() {
    let (provider, server) = (OidcProvider::start(), AuthlibServer::start());
    let jwt = by_discovery(provider.issuer(), "");
    let opaque = by_introspection(&provider.url("/token/introspection"), "");
    let header = format!("customHeaders = {{ Authorization = \"{}\" }}", basic(("basic", "basic-secret")));
    let finished = check(&[jwt, opaque, authlib(&server, &header)].join(", "), &["--online"]);
    assert_eq!(finished.code, Some(0), "{}\n{}", finished.stdout, finished.stderr);
    assert!(line(&finished, provider.issuer()).contains("4 keys"), "{}", finished.stdout);
    line(&finished, &provider.url("/token/introspection"));
    line(&finished, &server.url("/introspect"));
    assert!(!finished.stdout.contains(OidcProvider::API.1) && !finished.stderr.contains(OidcProvider::API.1));
}

#[test]
fn a_server_that_is_away_and_one_that_refuses_our_secret_are_told_beside_the_right_one() {
    let (provider, mut down) = (OidcProvider::start(), OidcProvider::start());
    let server = AuthlibServer::start();
    let gone = by_introspection(&down.url("/token/introspection"), "");
    down.kill();
    let right = by_discovery(provider.issuer(), "");
    let header = format!("customHeaders = {{ Authorization = \"{}\" }}", basic(("basic", "wrong-secret")));
    let finished = check(&[right, gone, authlib(&server, &header)].join(", "), &["--online"]);
    assert_eq!(finished.code, Some(1), "{}\n{}", finished.stdout, finished.stderr);
    assert!(line(&finished, provider.issuer()).contains("4 keys"), "{}", finished.stdout);
    let away = line(&finished, &down.url("/token/introspection"));
    assert!(away.contains("refused"), "{away}");
    let secret = line(&finished, &server.url("/introspect"));
    assert!(secret.contains("401"), "{secret}");
    let all = finished.stdout + &finished.stderr;
    assert!(!all.contains("wrong-secret") && !all.contains(&basic(("basic", "wrong-secret"))), "{all}");
}

#[test]
fn without_online_no_server_is_asked() {
    let provider = OidcProvider::start();
    let finished = check(&by_discovery(provider.issuer(), "preload = true"), &[]);
    assert_eq!(finished.code, Some(0), "{}\n{}", finished.stdout, finished.stderr);
    assert_eq!(provider.asked(), []);
}
