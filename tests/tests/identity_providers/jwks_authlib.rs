//! JWTs of Authlib, over https with a certificate that only this configuration trusts.

use portcullis_tests::{AUDIENCE, AuthlibServer};

use crate::gateway::Gateway;

fn element(server: &AuthlibServer, secure_socket: &str) -> String {
    let issuer = server.issuer();
    format!(
        r#"{{ scopes = "hello", jwtValidatorConfig = {{
            issuer = "{issuer}",
            audience = "{AUDIENCE}",
            signatureConfig = {{ jwksConfig = {{
                issuer = "{issuer}",
                clientConfig = {{ secureSocket = {{ {secure_socket} }} }},
            }} }},
        }} }}"#
    )
}

#[test]
fn keys_are_found_by_rfc_8414_where_there_is_no_openid_document_and_after_a_restart() {
    let mut server = AuthlibServer::start();
    let certificate = server.certificate();
    let gateway = Gateway::start(&element(&server, &format!("cert = {certificate:?}")));
    let first = server.jwt("hello", 60);
    assert_eq!(gateway.status(&first), 200);
    assert_eq!(gateway.status(&server.jwt("admin", 60)), 403);
    assert!(server.count("/.well-known/oauth-authorization-server") > 0);

    // It has a new key after each start.
    server.start_again();
    assert_eq!(gateway.status(&server.jwt("hello", 60)), 200);
    assert_eq!(gateway.status(&first), 401);
}

#[test]
fn a_certificate_that_is_not_trusted_is_an_outage_and_says_so() {
    let server = AuthlibServer::start();
    let mut gateway = Gateway::start(&element(&server, ""));
    let answer = gateway.ask(&server.jwt("hello", 60));
    assert_eq!(answer.status, 503);
    assert!(answer.header("retry-after").is_some());
    gateway.logged(&["certificate"]);
    assert_eq!(server.asked().iter().filter(|request| request.target.contains("well-known")).count(), 0);
}
