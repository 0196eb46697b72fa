use super::*;

const MAX: usize = 200;

fn headers(lines: &[&str]) -> HeaderMap {
    lines.iter().map(|line| (SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_str(line).unwrap())).collect()
}

fn token(lines: &[&str]) -> Result<Option<String>, Kind> {
    match read(&headers(lines), MAX) {
        Ok(Some(Credential::Bearer(bearer))) => Ok(Some(bearer.token().to_owned())),
        Ok(Some(other)) => panic!("{other:?}"),
        Ok(None) => Ok(None),
        Err(error) => Err(error.kind()),
    }
}

/// What the handler is offered, and what the answer selects where the handler selected `handler`.
fn concealed(lines: &[&str], handler: Option<&str>) -> Option<(Vec<String>, Option<String>)> {
    let mut request = headers(lines);
    let offered = conceal(&Method::GET, &mut request, MAX)?;
    assert!(!format!("{offered:?}").contains("t0ken"));
    let mut response = headers(handler.as_slice());
    offered.answer(StatusCode::SWITCHING_PROTOCOLS, &mut response);
    let texts = |headers: &HeaderMap| -> Vec<String> {
        let lines = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
        lines.map(|line| line.to_str().unwrap().to_owned()).collect()
    };
    let selected = texts(&response);
    assert!(selected.len() < 2);
    Some((texts(&request), selected.into_iter().next()))
}

#[test]
fn the_token_follows_bearer_wherever_that_stands() {
    for lines in [
        &["bearer, t0ken"][..],
        &["bearer,t0ken"],
        &["chat, bearer,\t t0ken , json"],
        &["bearer, t0ken, chat"],
        &["chat", "bearer", "t0ken"],
        &["chat, bearer", "t0ken, json"],
    ] {
        assert_eq!(token(lines), Ok(Some("t0ken".to_owned())), "{lines:?}");
    }
    assert_eq!(token(&["bearer, a.b-c_d~e+f"]), Ok(Some("a.b-c_d~e+f".to_owned())));
}

#[test]
fn one_entry_holds_the_token_in_base64url_beside_another_protocol() {
    let (plain, padded) = (URL_SAFE_NO_PAD.encode("t0ken"), URL_SAFE_NO_PAD.encode("a/b+c=="));
    for (lines, expected) in [
        (&[&*format!("chat, base64url.bearer.{plain}")][..], "t0ken"),
        (&[&*format!("base64url.bearer.{plain},chat")], "t0ken"),
        (&["chat", &*format!("base64url.bearer.{padded}")], "a/b+c=="),
    ] {
        assert_eq!(token(lines), Ok(Some(expected.to_owned())), "{lines:?}");
    }
}

#[test]
fn other_lists_hold_no_token() {
    for lines in
        [&[][..], &["chat"], &["chat, json"], &["bearers, x"], &["x.bearer, y"], &["base64url.bearer"]]
    {
        assert_eq!(token(lines), Ok(None), "{lines:?}");
        assert_eq!(concealed(lines, None), None, "{lines:?}");
    }
}

#[test]
fn whatever_can_be_read_in_two_ways_is_refused_for_its_own_reason() {
    let encoded = |token: &[u8]| format!("base64url.bearer.{}", URL_SAFE_NO_PAD.encode(token));
    let one = encoded(b"t0ken");
    for (line, kind) in [
        ("", Kind::MalformedProtocols),
        ("bearer, ", Kind::MalformedProtocols),
        ("chat,, bearer, t0ken", Kind::MalformedProtocols),
        ("bearer t0ken", Kind::MalformedProtocols),
        ("bearer, t0/ken", Kind::MalformedProtocols),
        ("bearer, t0ken==", Kind::MalformedProtocols),
        ("bearer, \"t0ken\"", Kind::MalformedProtocols),
        ("bearer; t0ken", Kind::MalformedProtocols),
        ("bearer, t0ken, chat, chat", Kind::RepeatedProtocol),
        ("bearer, bearer", Kind::RepeatedProtocol),
        ("bearer, t0ken, bearer, t1", Kind::RepeatedProtocol),
        ("bearer", Kind::BearerWithoutToken),
        ("chat, bearer", Kind::BearerWithoutToken),
        ("Bearer, t0ken", Kind::MisspelledBearer),
        ("BEARER, t0ken", Kind::MisspelledBearer),
        ("chat, Base64URL.bearer.dDBrZW4", Kind::MisspelledBearer),
        (&format!("bearer, t0ken, {one}"), Kind::SeveralTokens),
        (&format!("{one}, bearer, t0ken"), Kind::SeveralTokens),
        (&format!("bearer, {one}"), Kind::SeveralTokens),
        (&format!("chat, {one}, {}", encoded(b"t1")), Kind::SeveralTokens),
        (&one, Kind::LoneToken),
        ("bearer, t0!ken", Kind::NotToken68),
        (&format!("chat, {}", encoded(b"t0 ken")), Kind::TrailingWords),
        (&format!("chat, {}", encoded(b"t0\0ken")), Kind::ForbiddenByte),
        (&format!("chat, {}", encoded(b"\xff")), Kind::NotToken68),
        ("chat, base64url.bearer.", Kind::Empty),
        ("chat, base64url.bearer.eyJhbGciOiJub25lIn0.e30.", Kind::NotBase64Url),
        ("chat, base64url.bearer.dDBrZW5", Kind::NotBase64Url),
        ("chat, base64url.bearer.dDBr+W4", Kind::NotBase64Url),
        ("chat, base64url.bearer.authorization.k8s.io.dDBrZW4", Kind::NotBase64Url),
    ] {
        assert_eq!(token(&[line]), Err(kind), "{line}");
    }
    let mut beyond_ascii = HeaderMap::new();
    beyond_ascii.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_bytes(b"bearer, t\xff").unwrap());
    assert_eq!(read(&beyond_ascii, MAX).unwrap_err().kind(), Kind::ForbiddenByte);
}

#[test]
fn all_lines_together_are_bounded() {
    let token = "t".repeat(92);
    let lines = [&*format!("bearer, {token}"), &*"c".repeat(100)];
    assert!(read(&headers(&lines), 200).unwrap().is_some());
    assert_eq!(read(&headers(&lines), 199).unwrap_err().kind(), Kind::TooLong);
}

#[test]
fn a_hostile_list_takes_no_more_than_its_length() {
    let names: Vec<String> = (0..200_000).map(|number| format!("{number:x}")).collect();
    let list = headers(&[&names.join(",")]);
    assert!(matches!(read(&list, usize::MAX), Ok(None)));
}

#[test]
fn the_handler_is_offered_the_other_protocols_and_the_answer_selects_one_of_them() {
    let one = format!("base64url.bearer.{}", URL_SAFE_NO_PAD.encode("t0ken"));
    let encoded = ["json", &one, "chat"];
    for (lines, handler, offered, selected) in [
        (&["bearer, t0ken"][..], None, &[][..], "bearer"),
        (&["bearer, t0ken"], Some("bearer"), &[], "bearer"),
        (&["bearer, t0ken"], Some("t0ken"), &[], "bearer"),
        (&["bearer, t0ken"], Some("chat"), &[], "bearer"),
        (&["bearer, t0ken, chat, json"], None, &["chat, json"], "chat"),
        (&["bearer, t0ken, chat, json"], Some("json"), &["chat, json"], "json"),
        (&["bearer, t0ken, chat, json"], Some("t0ken"), &["chat, json"], "chat"),
        (&["bearer, t0ken, chat, json"], Some("chat, json"), &["chat, json"], "chat"),
        (&["bearer, t0ken, chat, json"], Some("Chat"), &["chat, json"], "chat"),
        (&["chat", "bearer, t0ken", "json"], Some("json"), &["chat, json"], "json"),
        (&encoded, None, &["json, chat"], "json"),
        (&encoded, Some("chat"), &["json, chat"], "chat"),
        (&encoded, Some(&one), &["json, chat"], "json"),
    ] {
        let (left, chosen) = concealed(lines, handler).unwrap();
        assert_eq!(left, offered, "{lines:?}");
        assert_eq!(chosen.as_deref(), Some(selected), "{lines:?} {handler:?}");
    }
}

#[test]
fn a_token_that_is_no_good_is_taken_out_all_the_same() {
    for line in ["chat, base64url.bearer.eyJhbGci.t0ken.x", "bearer, t0ken!, chat"] {
        assert_eq!(concealed(&[line], None), Some((vec!["chat".into()], Some("chat".into()))), "{line}");
    }
}

#[test]
fn of_a_list_that_cannot_be_read_nothing_stays() {
    let long = format!("bearer, {}", "t0ken".repeat(50));
    for line in [
        "bearer t0ken",
        "Bearer, t0ken, chat",
        "bearer, t0ken, chat, chat",
        "base64url.bearer.dDBrZW4",
        &long,
    ] {
        for handler in [None, Some("chat"), Some("t0ken")] {
            assert_eq!(concealed(&[line], handler), Some((vec![], None)), "{line}");
        }
    }
}

#[test]
fn only_an_answer_that_opens_the_websocket_selects() {
    for (method, status, selects) in [
        (Method::GET, 101, true),
        (Method::GET, 200, false),
        (Method::GET, 401, false),
        (Method::CONNECT, 200, true),
        (Method::CONNECT, 204, true),
        (Method::CONNECT, 101, false),
        (Method::CONNECT, 403, false),
    ] {
        let offered = conceal(&method, &mut headers(&["bearer, t0ken"]), MAX).unwrap();
        let mut response = HeaderMap::new();
        offered.answer(StatusCode::from_u16(status).unwrap(), &mut response);
        assert_eq!(response.contains_key(SEC_WEBSOCKET_PROTOCOL), selects, "{method} {status}");
    }
}
