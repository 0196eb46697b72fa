//! Introspection at Authlib, which insists on how a client authenticates, over https with a private certificate.

use portcullis_tests::AuthlibServer;

use crate::gateway::Gateway;
use crate::jwks::basic;

/// An element with this `clientConfig`, which trusts the server's certificate.
fn element(server: &AuthlibServer, path: &str, client: &str) -> String {
    format!(
        r#"{{ scopes = "hello", oauth2IntrospectionConfig = {{
            url = "{}",
            issuer = "{}",
            audience = "{}",
            clientConfig = {{ secureSocket = {{ cert = {:?} }}, {client} }},
        }} }}"#,
        server.url(path),
        server.issuer(),
        portcullis_tests::AUDIENCE,
        server.certificate(),
    )
}

fn header(id: &str, secret: &str) -> String {
    format!("customHeaders = {{ Authorization = \"{}\" }}", basic((id, secret)))
}

#[test]
fn a_client_is_let_in_the_way_it_is_registered_for_and_in_no_other() {
    let server = AuthlibServer::start();
    let token = server.opaque("hello", 60);
    let other = server.opaque("admin", 60);
    let payload =
        |id: &str| format!("customPayload = {{ client_id = \"{id}\", client_secret = \"{id}-secret\" }}");
    for (client, expected) in [
        (header("basic", "basic-secret"), 200),
        (header("basic", "wrong"), 503),
        (header("post", "post-secret"), 503),
        (payload("post"), 200),
        (payload("basic"), 503),
    ] {
        let gateway = Gateway::start(&element(&server, "/introspect", &client));
        assert_eq!(gateway.status(&token), expected, "{client}");
        if expected == 200 {
            assert_eq!(gateway.status(&other), 403);
            assert_eq!(gateway.status("nobody-issued-this"), 401);
        }
    }
}

#[test]
fn its_certificate_is_trusted_by_name_only() {
    let server = AuthlibServer::start();
    let token = server.opaque("hello", 60);
    let client = header("basic", "basic-secret");
    let trusting = element(&server, "/introspect", &client);
    let certificate = format!("secureSocket = {{ cert = {:?} }},", server.certificate());
    let asked = server.count("/introspect");
    assert_eq!(Gateway::start(&trusting.replace(&certificate, "")).status(&token), 503);
    assert_eq!(server.count("/introspect"), asked, "it was shown no secret");
    assert_eq!(Gateway::start(&trusting).status(&token), 200);
    // Switched off on purpose: it works, and the log warns.
    let mut blind = Gateway::start(&trusting.replace(&certificate, "secureSocket = { disable = true },"));
    blind.logged(&["WARN", "secureSocket.disable"]);
    assert_eq!(blind.status(&token), 200);
}

#[test]
fn the_call_carries_a_token_of_its_own_that_is_fetched_once_and_again_when_it_is_refused() {
    let mut server = AuthlibServer::start();
    let auth = |server: &AuthlibServer| {
        format!(
            r#"auth = {{
                tokenUrl = "{}",
                clientId = "basic",
                clientSecret = "basic-secret",
                scopes = "introspect",
                clientConfig = {{ secureSocket = {{ cert = {:?} }} }},
            }}"#,
            server.url("/token"),
            server.certificate(),
        )
    };
    let gateway = Gateway::start(&element(&server, "/introspect/bearer", &auth(&server)));
    let token = server.opaque("hello", 60);
    assert_eq!(gateway.status(&token), 200);
    let fetched = server.count("/token");
    for _ in 0..10 {
        assert_eq!(gateway.status(&token), 200);
    }
    assert_eq!(gateway.status("nobody-issued-this"), 401);
    assert_eq!(server.count("/token"), fetched, "one token for all calls");

    // The server forgets every token when it starts, so ours is refused: that is nobody's wrong token, and is mended.
    server.start_again();
    let token = server.opaque("hello", 60);
    let first = gateway.status(&token);
    assert!([200, 503].contains(&first), "{first}");
    assert_eq!(gateway.status(&token), 200);

    // Without the scope that the endpoint wants, nobody can tell.
    let poor = auth(&server).replace("\"introspect\"", "\"admin\"");
    assert_eq!(Gateway::start(&element(&server, "/introspect/bearer", &poor)).status(&token), 503);
}
