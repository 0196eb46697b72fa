//! Tokens where browsers can put them: they open the door, and go no further.

use portcullis_core::{Auth, CredentialSources};

use super::support::{By, Tokens, ask, clock, echo, echoes, forwards, refusal, serve};

/// A token that an upstream must never see.
const LASTING: &str = "lasting";

fn sources() -> CredentialSources {
    CredentialSources::header().websocket_protocol().cookie("token").origin("https://app.example")
}

#[tokio::test]
async fn a_token_among_the_subprotocols_opens_the_websocket_and_goes_no_further() {
    for by in By::ALL {
        let mut upstream = echo().await;
        let auth = Tokens::default().guard(&clock()).credential_sources(sources()).build().unwrap();
        let served = serve(by, [forwards(auth, upstream.address)]).await;
        // `bGFzdGluZw` is `lasting` in base64url. The upstream selects the last of what it is offered.
        for (offered, reaches, selected) in [
            ("bearer, lasting", &[][..], "bearer"),
            ("bearer, lasting, chat", &["chat"], "chat"),
            ("v1, bearer, lasting, v2", &["v1, v2"], "v2"),
            ("chat, base64url.bearer.bGFzdGluZw", &["chat"], "chat"),
        ] {
            let (mut socket, answer) =
                ask(&served, "/", &[("sec-websocket-protocol", offered)]).await.unwrap();
            echoes(&mut socket, "hello").await;
            let asked = upstream.asked().await;
            let got: Vec<_> = asked.headers().get_all("sec-websocket-protocol").iter().collect();
            assert_eq!(got, reaches, "{by:?} {offered}");
            assert_eq!(asked.headers()["x-auth-subject"], LASTING);
            let answered: Vec<_> = answer.get_all("sec-websocket-protocol").iter().collect();
            assert_eq!(answered, [selected], "{by:?} {offered}");
            drop(socket);
            upstream.ended().await;
        }
        for (offered, status) in [
            ("chat", 401),
            ("bearer", 401),
            ("bearer, nobody", 401),
            ("bearer, poor", 403),
            ("base64url.bearer.bGFzdGluZw", 401),
            ("Bearer, lasting", 401),
        ] {
            let headers = [("sec-websocket-protocol", offered)];
            assert_eq!(refusal(&served, "/", &headers).await, status, "{by:?} {offered}");
        }
        let both = [("sec-websocket-protocol", "bearer, lasting"), ("authorization", "Bearer lasting")];
        assert_eq!(refusal(&served, "/", &both).await, 401, "{by:?} two sources");
        assert!(upstream.is_untouched());
    }
}

#[tokio::test]
async fn a_token_in_a_cookie_opens_the_websocket_and_only_that_cookie_stays_behind() {
    for by in By::ALL {
        let mut upstream = echo().await;
        let auth = Tokens::default().guard(&clock()).credential_sources(sources()).build().unwrap();
        let served = serve(by, [forwards(auth, upstream.address)]).await;
        let cookie = ("cookie", "theme=dark; token=lasting; lang=en");
        let (mut socket, _) = ask(&served, "/", &[cookie, ("origin", "https://app.example")]).await.unwrap();
        echoes(&mut socket, "hello").await;
        let asked = upstream.asked().await;
        let cookies: Vec<_> = asked.headers().get_all("cookie").iter().collect();
        assert_eq!(cookies, ["theme=dark; lang=en"], "{by:?}");
        for headers in [
            &[cookie][..],
            &[cookie, ("origin", "https://evil.example")],
            &[cookie, ("origin", "https://app.example"), ("origin", "https://app.example")],
            &[cookie, ("origin", "null")],
            &[cookie, ("sec-fetch-site", "same-origin")],
        ] {
            assert_eq!(refusal(&served, "/", headers).await, 401, "{by:?} {headers:?}");
        }
    }
}

#[tokio::test]
async fn public_services_and_told_ones_forward_no_such_token_either() {
    let mut upstream = echo().await;
    let auth = Auth::builder().path("/").public().credential_sources(sources()).build().unwrap();
    let service = forwards(auth, upstream.address).forward_credential(true);
    let served = serve(By::Http1, [service]).await;
    let headers = [
        ("sec-websocket-protocol", "bearer, canary, chat"),
        ("cookie", "token=canary; theme=dark"),
        ("authorization", "Bearer told-to"),
    ];
    let (mut socket, _) = ask(&served, "/", &headers).await.unwrap();
    echoes(&mut socket, "hello").await;
    let asked = upstream.asked().await;
    assert!(!format!("{:?}", asked.headers()).contains("canary"), "{asked:?}");
    assert_eq!(asked.headers()["sec-websocket-protocol"], "chat");
    assert_eq!(asked.headers()["cookie"], "theme=dark");
    assert_eq!(asked.headers()["authorization"], "Bearer told-to");
}

#[tokio::test]
async fn requests_that_open_none_leave_such_tokens_here_as_well() {
    let mut upstream = crate::support::echo().await;
    let auth = Tokens::default().guard(&clock()).credential_sources(sources()).build().unwrap();
    let gateway = crate::support::gateway([forwards(auth, upstream.address)]).await;
    let head = "POST /\nContent-Length: 0\nOrigin: https://app.example\nCookie: token=lasting; theme=dark\n\
                Sec-WebSocket-Protocol: bearer, canary";
    assert_eq!(crate::support::raw(gateway, head).await.status, 200);
    let seen = upstream.reached_once();
    assert_eq!(seen.all("cookie"), ["theme=dark"]);
    assert_eq!(seen.all("x-auth-subject"), [LASTING]);
    assert!(!format!("{:?}", seen.headers).contains("canary"), "{seen:?}");
}

#[tokio::test]
async fn services_that_look_at_the_header_alone_pass_cookies_and_subprotocols_on() {
    let mut upstream = echo().await;
    let auth = Tokens::default().guard(&clock()).build().unwrap();
    let served = serve(By::Http1, [forwards(auth, upstream.address)]).await;
    let others = [("cookie", "token=x"), ("sec-websocket-protocol", "bearer, x")];
    assert_eq!(refusal(&served, "/", &others).await, 401);
    let headers = [others[0], others[1], ("authorization", "Bearer lasting")];
    let (mut socket, _) = ask(&served, "/", &headers).await.unwrap();
    echoes(&mut socket, "hello").await;
    let asked = upstream.asked().await;
    assert_eq!(asked.headers()["cookie"], "token=x");
    assert_eq!(asked.headers()["sec-websocket-protocol"], "bearer, x");
}
