//! Clients that show a certificate (RFC 8705 §2).

use std::{path::PathBuf, time::Duration};

use portcullis_tests::OidcProvider;

use crate::{
    grants::{parameter, token_requests},
    service::{Service, ask, client, clock, failure},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_client_is_known_by_its_certificate_of_an_authority_or_its_own() {
    let provider = OidcProvider::start_https();
    let service = Service::introspecting(&provider).await;
    let auth = |id: &str, (certificate, key): (PathBuf, PathBuf)| {
        format!(
            "tokenUrl = \"{}\", clientId = \"{id}\", scopes = \"hello\", optionalParams = {{ ttl = \"60\" }}, clientConfig = {{ \
             secureSocket = {{ cert = {:?}, key = {{ certFile = {certificate:?}, keyFile = {key:?} }} }} }}",
            provider.url("/token"),
            provider.certificate()
        )
    };
    let clock = clock();
    for (id, identity) in
        [("tls", provider.tls_client()), ("tls-self-signed", provider.tls_self_signed_client())]
    {
        let orders = client(&clock, service.origin(), &auth(id, identity)).await;
        assert_eq!(ask(&orders).await, (200, id.into()));
        clock.advance(Duration::from_secs(60));
        assert_eq!(ask(&orders).await, (200, id.into()));
    }
    let requests = token_requests(provider.asked());
    assert_eq!(requests.len(), 4);
    for request in requests {
        assert!(parameter(&request, "client_id").is_some_and(|id| id.starts_with("tls")));
        assert_eq!((parameter(&request, "client_secret"), request.header("authorization")), (None, None));
    }
    for (id, identity) in
        [("tls", provider.tls_self_signed_client()), ("tls-self-signed", provider.tls_client())]
    {
        let error = failure(&client(&clock, service.origin(), &auth(id, identity)).await).await;
        assert!(error.contains("invalid_client") && error.contains(&provider.url("/token")), "{error}");
    }
}
