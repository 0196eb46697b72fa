use std::io;

use super::*;

fn chain(error: &dyn Error) -> Vec<String> {
    let mut texts = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(error) = cause {
        texts.push(error.to_string());
        cause = error.source();
    }
    texts
}

#[test]
fn an_error_names_the_client_what_is_wrong_and_the_remedy() {
    use ClientAuthErrorKind as Kind;

    for (kind, to, text) in [
        (Kind::NoCredential, "", "client `orders`: there is no credential to send"),
        (
            Kind::ForeignOrigin,
            "https://evil.example",
            "client `orders`: its credential is not for https://evil.example; add that origin to `origins`, or call it \
             without this client",
        ),
        (
            Kind::PlainHttp,
            "http://orders.example",
            "client `orders`: its credential would be readable on the way to http://orders.example; call it over https, \
             or set `allowInsecureHttp`",
        ),
        (
            Kind::Scheme,
            "",
            "client `orders`: its credential travels over https, http, wss and ws only, and the request's URL has \
             another scheme",
        ),
        (
            Kind::NoOrigin,
            "",
            "client `orders`: the request's URL does not say where the credential would go; give it scheme and host, \
             or say `bound_to_url` where the client's url is all that is called",
        ),
        (
            Kind::NoSubject,
            "",
            "client `orders`: the caller showed no token, so there is nobody on whose behalf to call; ask callers for \
             bearer tokens, or call under the service's own name",
        ),
        (
            Kind::NotOnBehalf,
            "",
            "client `orders`: its credential is the service's own and acts on behalf of nobody; configure a token \
             exchange",
        ),
    ] {
        let error = ClientAuthError::new(Some("orders"), kind).going_to(to);
        assert_eq!((error.to_string(), format!("{error:?}")), (text.to_owned(), text.to_owned()));
        assert_eq!((error.kind(), error.client()), (kind, Some("orders")));
        assert!(!error.is_transient() && error.retry_after().is_none() && error.source().is_none());
    }
    let nameless = ClientAuthError::new(None, Kind::NoCredential);
    assert_eq!(
        (nameless.to_string(), nameless.client()),
        ("client: there is no credential to send".into(), None)
    );
}

#[test]
fn without_a_credential_the_source_says_why_once_and_whether_waiting_helps() {
    let cause = || {
        TokenError::transient("https://id.example/token did not answer")
            .with_source(io::Error::other("reset"))
    };
    let error =
        ClientAuthError::no_credential(Some("orders"), cause().with_retry_after(Duration::from_secs(3)));
    assert!(error.is_transient());
    assert_eq!(error.retry_after(), Some(Duration::from_secs(3)));
    let texts = [
        "client `orders`: there is no credential to send",
        "https://id.example/token did not answer",
        "reset",
    ];
    assert_eq!(chain(&error), texts);
    assert_eq!(format!("{error:?}"), texts.join(": "));

    let error =
        ClientAuthError::no_credential(Some("orders"), TokenError::permanent("the client secret is refused"));
    assert!(!error.is_transient() && error.retry_after().is_none());
}

#[test]
fn whatever_failed_reads_as_it_does_by_itself() {
    let auth = || ClientAuthError::no_credential(None, TokenError::permanent("no"));
    let texts = ["client: there is no credential to send", "no"];
    let error = SendError::<io::Error>::from(auth());
    assert!(matches!(&error, SendError::Auth(_)));
    assert_eq!(chain(&error), texts);
    assert_eq!(format!("{error:?}"), texts.join(": "));

    let error = SendError::Service(io::Error::other("reset"));
    assert_eq!((error.to_string(), chain(&error)), ("reset".to_owned(), vec!["reset".to_owned()]));
    assert_eq!(format!("{error:?}"), format!("{:?}", io::Error::other("reset")));
}

#[test]
fn it_can_be_boxed_whether_or_not_the_error_of_the_service_is_boxed() {
    let plain: Box<dyn Error + Send + Sync> = SendError::Service(io::Error::other("reset")).into();
    assert_eq!(plain.to_string(), "reset");
    let boxed = SendError::Service::<Box<dyn Error + Send + Sync>>("reset".into()).into_boxed();
    assert_eq!(boxed.to_string(), "reset");
    let auth = ClientAuthError::new(None, ClientAuthErrorKind::NoCredential);
    let boxed = SendError::<Box<dyn Error + Send + Sync>>::Auth(auth).into_boxed();
    assert!(boxed.is::<ClientAuthError>(), "{boxed}");
}
