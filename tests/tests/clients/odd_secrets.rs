//! A client whose identifier and secret hold what headers and forms have to encode.

use portcullis_tests::{OidcProvider, ZOE};

use crate::{
    grants::{oidc, parameter, token_requests},
    service::{Service, ask, client, clock, failure},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_with_colons_percent_signs_and_letters_beyond_ascii_authenticates_both_ways() {
    let provider = OidcProvider::start();
    let service = Service::introspecting(&provider).await;
    let (id, secret) = OidcProvider::ODD;
    for character in [':', '%', '&', '+', '=', 'ä', '✓'] {
        assert!(secret.contains(character), "{character}");
    }
    let clock = clock();
    let (name, password) = ZOE;
    for bearer in ["AUTH_HEADER_BEARER", "POST_BODY_BEARER"] {
        let own =
            format!("{}, scopes = \"hello\", credentialBearer = \"{bearer}\"", oidc(&provider, (id, secret)));
        let orders = client(&clock, service.origin(), &own).await;
        assert_eq!(ask(&orders).await, (200, id.into()), "{bearer}");
        let of_user = format!("{own}, username = \"{name}\", password = \"{password}\"");
        let orders = client(&clock, service.origin(), &of_user).await;
        assert_eq!(ask(&orders).await, (200, name.into()), "{bearer}");
        let request = token_requests(provider.asked()).pop().unwrap();
        assert_eq!(request.header("authorization").is_some(), bearer == "AUTH_HEADER_BEARER");
        assert_eq!(parameter(&request, "client_secret").is_some(), bearer == "POST_BODY_BEARER");

        // A character less is another secret.
        let short: String = secret.chars().take(secret.chars().count() - 1).collect();
        let wrong = format!("{}, credentialBearer = \"{bearer}\"", oidc(&provider, (id, &short)));
        let error = failure(&client(&clock, service.origin(), &wrong).await).await;
        assert!(error.contains("invalid_client"), "{error}");
    }
}
