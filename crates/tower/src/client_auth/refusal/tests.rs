use http::HeaderValue;

use super::*;

fn headers(lines: &[(HeaderName, &'static str)]) -> HeaderMap {
    lines.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
}

fn challenged(values: &[&'static str]) -> bool {
    let lines: Vec<_> = values.iter().map(|value| (WWW_AUTHENTICATE, *value)).collect();
    is_refusal(StatusCode::UNAUTHORIZED, &headers(&lines), false)
}

#[test]
fn of_all_answers_401_is_a_refusal_with_and_without_a_challenge() {
    assert!(challenged(&[]));
    assert!(challenged(&["Bearer"]));
    assert!(challenged(&["Bearer realm=\"orders\", error=\"invalid_token\""]));
    for status in [200, 204, 302, 400, 403, 404, 407, 500, 503] {
        let status = StatusCode::from_u16(status).unwrap();
        assert!(
            !is_refusal(status, &headers(&[(WWW_AUTHENTICATE, "Bearer error=\"invalid_token\"")]), true),
            "{status}"
        );
    }
}

#[test]
fn grpc_says_unauthenticated_in_place_of_trailers() {
    const UNAUTHENTICATED: (HeaderName, &str) = (GRPC_STATUS, "16");
    let grpc = |value| (CONTENT_TYPE, value);
    for content_type in ["application/grpc", "application/grpc+proto", "application/grpc-web+proto"] {
        let headers = headers(&[grpc(content_type), UNAUTHENTICATED]);
        assert!(is_refusal(StatusCode::OK, &headers, true));
        assert!(!is_refusal(StatusCode::OK, &headers, false), "the request was none of gRPC");
    }
    for lines in [
        &[grpc("application/grpc"), (GRPC_STATUS, "7")][..],
        &[grpc("application/grpc"), (GRPC_STATUS, "0")],
        &[grpc("application/grpc"), (GRPC_STATUS, "160")],
        &[grpc("application/grpc")],
        &[grpc("application/json"), UNAUTHENTICATED],
        &[UNAUTHENTICATED],
        &[
            grpc("application/grpc"),
            UNAUTHENTICATED,
            (WWW_AUTHENTICATE, "Bearer error=\"insufficient_scope\""),
        ],
    ] {
        assert!(!is_refusal(StatusCode::OK, &headers(lines), true), "{lines:?}");
    }
    let unauthenticated = headers(&[grpc("application/grpc"), UNAUTHENTICATED]);
    assert!(!is_refusal(StatusCode::BAD_GATEWAY, &unauthenticated, true));
}

#[test]
fn a_credential_that_allows_too_little_is_not_refused() {
    for values in [
        &["Bearer error=\"insufficient_scope\""][..],
        &["Bearer error=insufficient_scope"],
        &["bearer   ERROR = \"insufficient_scope\""],
        &["BEARER realm=\"a\", error=\"insufficient_scope\", scope=\"x y\""],
        &["Bearer realm=\"a, b\\\" c\",error=\"insufficient_scope\""],
        &["Bearer error=\"insufficient\\_scope\""],
        &[",, ,Bearer ,, realm=a,,error=insufficient_scope,"],
        &["Basic realm=\"a\", Bearer error=\"insufficient_scope\""],
        &["Bearer error=\"insufficient_scope\", Basic realm=\"a\""],
        &["Bearer realm=\"a\", Bearer realm=\"b\", error=\"insufficient_scope\""],
        &["Negotiate abc/+def==, Bearer error=\"insufficient_scope\""],
        &["Negotiate, Bearer error=\"insufficient_scope\""],
        &["Basic realm=\"a\"", "Bearer error=\"insufficient_scope\""],
        &["Bearer error=\"insufficient_scope\"", "Basic realm=\"a\""],
        // Not as it should be, and clear enough.
        &["Bearer realm=\"a\" error=\"insufficient_scope\""],
        &["Bearer realm=https://id.example/x, error=\"insufficient_scope\""],
        &["Bearer realm=, error=\"insufficient_scope\""],
        &["Bearer =, error=\"insufficient_scope\""],
        &["Bearer \"junk, error\" , error=\"insufficient_scope\""],
    ] {
        assert!(!challenged(values), "{values:?}");
    }
}

#[test]
fn the_word_elsewhere_in_a_challenge_means_nothing() {
    for values in [
        &["Bearer realm=\"error=insufficient_scope\""][..],
        &["Bearer realm=\"x\\\", error=insufficient_scope\""],
        &["Bearer error_description=\"insufficient_scope\""],
        &["Bearer error=\"insufficient_scopes\""],
        &["Bearer error=\"not insufficient_scope\""],
        &["Bearer error=\"Insufficient_Scope\""],
        &["Bearer error=\"\", scope=\"insufficient_scope\""],
        &["Bearer insufficient_scope"],
        &["Bearer, insufficient_scope"],
        &["Basic realm=\"Bearer error=insufficient_scope\""],
        &["Basic error=\"insufficient_scope\""],
        &["Bearer realm=\"a\", Basic error=\"insufficient_scope\""],
        &["Bearer realm=\"never closed, error=insufficient_scope"],
        &["error=\"insufficient_scope\""],
        &["Bearer=x, error=\"insufficient_scope\""],
        &["", ",", "=", "\"", "\\", "Bearer", "Bearer =", "Bearer error", "Bearer error=", "Bearer error=\""],
    ] {
        assert!(challenged(values), "{values:?}");
    }
}

#[test]
fn any_bytes_are_read_to_the_end_in_one_go() {
    for piece in [
        "Bearer ",
        "a ",
        "a=",
        "a,",
        "\"",
        "\\",
        "=",
        "==,",
        " ",
        ",",
        "Bearer a=\"",
        "/",
        "\u{e9}",
        "a b",
        "@",
        "Bearer x=\"y\\",
    ] {
        let value = piece.repeat(20_000);
        assert!(!Challenges::new(value.as_bytes()).lack_scope(), "{piece:?}");
    }
}
