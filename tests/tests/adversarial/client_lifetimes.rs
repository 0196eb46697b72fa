//! Clients: how long a token is good, and requests that bring a credential of their own.

use std::time::Duration;

use http::Request;
use portcullis::{ClientAuth, client::Authorization};
use portcullis_testing::{GrantType, ManualClock, TestResource, TestTokenEndpoint};
use serde_json::{Value, json};

use crate::{
    client::{TOKEN, client, grant, shown},
    support::NOW,
    support_http::Sheet,
};

#[tokio::test]
async fn line_62_a_lifetime_that_makes_no_sense_breaks_nothing() {
    let mut sheet = Sheet::new(62, "`expires_in` of every kind, and clocks that jump");
    let resource = TestResource::start().await;
    for (what, value, expected) in [
        ("60", json!(60), "1 at once, 2 after an hour"),
        ("left out, where the default is an hour", Value::Null, "1 at once, 2 after an hour"),
        ("0", json!(0), "2 at once, 3 after an hour"),
        ("-1", json!(-1), "1 at once, 2 after an hour, with errors"),
        ("\"60\", a text", json!("60"), "1 at once, 2 after an hour"),
        ("\"soon\"", json!("soon"), "1 at once, 2 after an hour, with errors"),
        ("60.9", json!(60.9), "1 at once, 2 after an hour"),
        ("1e300", json!(1e300), "1 at once, 1 after an hour"),
        ("2^64 - 1", json!(u64::MAX), "1 at once, 1 after an hour"),
        ("an array", json!([60]), "1 at once, 2 after an hour, with errors"),
    ] {
        let clock = ManualClock::at(NOW);
        let endpoint = TestTokenEndpoint::start().await;
        endpoint.without_expires_in();
        if !value.is_null() {
            endpoint.member("expires_in", value);
        }
        let orders = client(&clock, &resource.origin(), &grant(&endpoint)).await;
        let mut errors = 0;
        let mut counts = Vec::new();
        for span in [0, 3601] {
            clock.advance(Duration::from_secs(span));
            for _ in 0..2 {
                errors += usize::from(orders.auth().generate_token().await.is_err());
                if span > 0 {
                    break;
                }
            }
            counts.push(endpoint.count(GrantType::ClientCredentials));
        }
        let seen = format!(
            "{} at once, {} after an hour{}",
            counts[0],
            counts[1],
            if errors > 0 { ", with errors" } else { "" }
        );
        sheet.row(format!("{what}: how often a token is fetched"), seen, expected);
    }
    let clock = ManualClock::at(NOW);
    let endpoint = TestTokenEndpoint::start().await;
    endpoint.expires_in(Some(3600));
    let orders = client(&clock, &resource.origin(), &grant(&endpoint)).await;
    orders.auth().generate_token().await.unwrap();
    for (what, seconds) in
        [("a day back", NOW.as_secs() - 86_400), ("a year ahead", NOW.as_secs() + 31_536_000)]
    {
        clock.set(portcullis::UnixTime::from_secs(seconds));
        orders.auth().generate_token().await.unwrap();
        sheet.row(
            format!("the calendar jumps {what}: tokens that were fetched"),
            endpoint.count(GrantType::ClientCredentials),
            1,
        );
    }
    sheet.shown_by("jumps before, in and after a renewal", "crates/providers/oauth2/src/grant/tests/keeping/renewing.rs::jumps_of_the_calendar_neither_end_a_token_nor_prolong_it");
    sheet.settle();
}

#[tokio::test]
async fn line_65_a_requests_own_authorization_is_left_alone() {
    let mut sheet = Sheet::new(65, "Requests that bring an `Authorization` of their own");
    let clock = ManualClock::at(NOW);
    let (endpoint, own, foreign) =
        (TestTokenEndpoint::start().await, TestResource::start().await, TestResource::start().await);
    let orders = client(&clock, &own.origin(), &grant(&endpoint)).await;
    for (what, resource) in [("to the own origin", &own), ("to another one", &foreign)] {
        let request = orders.get(resource.url()).header("authorization", "Bearer of-the-caller");
        let status = request.send().await.unwrap().status().as_u16();
        sheet.row(
            format!("{what}: the answer, and all that was shown"),
            format!("{status}, {}", shown(resource)),
            "401, Bearer of-the-caller",
        );
    }
    sheet.row("tokens that were fetched for it", endpoint.call_count(), 0);
    let token = Authorization::bearer(&TOKEN.into()).unwrap();
    let auth = ClientAuth::builder(token).name("orders").url("https://orders.example").build().unwrap();
    for (what, values, expected) in
        [("none", &[][..], 1), ("one", &["Bearer a"], 1), ("two", &["Bearer a", "Bearer b"], 2)]
    {
        let mut request = Request::get("https://orders.example/v2");
        for value in values {
            request = request.header("authorization", *value);
        }
        let mut request = request.body(()).unwrap();
        auth.enrich(&mut request).await.unwrap();
        sheet.row(
            format!("{what}, enriched by hand: how many there are"),
            request.headers().get_all("authorization").iter().count(),
            expected,
        );
    }
    sheet.shown_by("any service below the layer", "crates/tower/tests/client/layer.rs::a_request_with_an_authorization_of_its_own_goes_as_it_is_wherever_it_goes");
    sheet.settle();
}
