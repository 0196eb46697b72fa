//! Area ldap: Ballerina's own LDIF in slapd.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use portcullis::{
    Clock, Config, CredentialErrorKind, Principal, Provider, Rejection, RejectionKind, SystemClock, UnixTime,
    authenticate_header, authorize,
};
use portcullis_testing::{ManualClock, TestDirectory, TestTls};
use portcullis_tests::{Slapd, Transport};

use super::setting::{Service, basic};

/// The record of Ballerina's tests; the address is changed, and `more` is added.
fn record(url: &str, more: &str) -> String {
    format!(
        r#"ldapUserStoreConfig = {{
            domainName = "avix.lk",
            connectionUrl = "{url}",
            connectionName = "cn=admin,dc=avix,dc=lk",
            connectionPassword = "avix123",
            userSearchBase = "ou=Users,dc=avix,dc=lk",
            userEntryObjectClass = "inetOrgPerson",
            userNameAttribute = "uid",
            userNameSearchFilter = "(&(objectClass=inetOrgPerson)(uid=?))",
            userNameListFilter = "(objectClass=inetOrgPerson)",
            groupSearchBase = ["ou=Groups,dc=avix,dc=lk"],
            groupEntryObjectClass = "groupOfNames",
            groupNameAttribute = "cn",
            groupNameSearchFilter = "(&(objectClass=groupOfNames)(cn=?))",
            groupNameListFilter = "(objectClass=groupOfNames)",
            membershipAttribute = "member",
            userRolesCacheEnabled = true,
            connectionPoolingEnabled = false,
            connectionTimeout = 5,
            readTimeout = 60,
            {more}
        }}"#
    )
}

fn provider(record: &str) -> Arc<dyn Provider> {
    let config =
        Config::parse(&format!("[providers.avix]\n{record}\n"), portcullis_tests::data("ballerina/data"));
    let config = config.unwrap();
    let (_, provider) = config.providers().next().unwrap();
    Arc::clone(provider)
}

async fn ask(provider: &Arc<dyn Provider>, pair: &str) -> Result<Principal, Rejection> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    authenticate_header(provider, &HeaderValue::from_str(&basic(pair)).unwrap(), &clock).await
}

async fn refused(pair: &str) -> RejectionKind {
    let slapd = Slapd::start();
    ask(&provider(&record(&slapd.url(Transport::Plain), "")), pair).await.unwrap_err().kind()
}

#[tokio::test]
async fn auth_ldap_02() {
    assert_eq!(refused("dave:123").await, RejectionKind::Refused);
}

#[tokio::test]
async fn auth_ldap_03() {
    assert_eq!(refused("alice:invalid").await, RejectionKind::Refused);
}

#[tokio::test]
async fn auth_ldap_05() {
    let slapd = Slapd::start();
    let provider = provider(&record(&slapd.url(Transport::Plain), ""));
    let principal = ask(&provider, "ldclakmal:ldclakmal@123").await.unwrap();
    assert_eq!((principal.subject(), principal.issuer()), (Some("ldclakmal"), Some("avix.lk")));
    assert_eq!(principal.scopes().iter().collect::<Vec<_>>(), ["admin", "developer"]);
    let principal = ask(&provider, "alice:alice@123").await.unwrap();
    assert_eq!(principal.scopes().iter().collect::<Vec<_>>(), ["developer"]);
}

/// What is refused without asking anybody: there is no directory at this address.
async fn malformed(pair: &str) -> RejectionKind {
    ask(&provider(&record("ldap://127.0.0.1:9", "")), pair).await.unwrap_err().kind()
}

#[tokio::test]
async fn auth_ldap_06() {
    assert_eq!(malformed(":xxx").await, RejectionKind::Malformed(CredentialErrorKind::EmptyUsername));
}

#[tokio::test]
async fn auth_ldap_07() {
    assert_eq!(malformed("alice:").await, RejectionKind::Malformed(CredentialErrorKind::EmptyPassword));
}

#[tokio::test]
async fn auth_ldap_08() {
    assert_eq!(malformed("invalid:").await, RejectionKind::Malformed(CredentialErrorKind::EmptyPassword));
}

/// Whom a store that trusts something else than slapd's authority lets in: nobody, as long as it cannot ask.
async fn distrusts(secure_socket: &str) {
    let mut slapd = Slapd::start();
    let more = format!("secureSocket = {{ cert = {secure_socket} }}");
    let provider = provider(&record(&slapd.url(Transport::Ldaps), &more));
    for pair in ["alice:alice@123", "alice:invalid"] {
        assert_eq!(ask(&provider, pair).await.unwrap_err().status(), 503, "{pair}");
    }
    let said = provider.probe().await;
    let wrong = said[0].result.as_ref().unwrap_err();
    assert!(wrong.contains("certificate"), "{wrong}");
    assert_eq!(slapd.traffic().binds("uid=alice,ou=Users,dc=avix,dc=lk"), 0);
}

#[tokio::test]
async fn auth_ldap_10() {
    distrusts("\"pub--public.crt\"").await;
}

#[tokio::test]
async fn auth_ldap_11() {
    distrusts("{ path = \"ballerina-ts--ballerinaTruststore.p12\", password = \"ballerina\" }").await;
}

async fn service(slapd: &Slapd, transport: Transport) -> Service {
    let secure = format!("secureSocket = {{ cert = {:?} }}", slapd.certificate());
    let more = match transport {
        Transport::Plain => String::new(),
        Transport::Ldaps => secure,
        Transport::StartTls => format!("{secure}, startTls = true"),
    };
    let element = format!("auth = [{{ scopes = [\"admin\"], {} }}]", record(&slapd.url(transport), &more));
    let text = format!("[services.\"/basicAuthLdap\"]\n{element}\n");
    Service::with_clock(&text, "/basicAuthLdap", Arc::new(SystemClock::new())).await
}

#[tokio::test]
async fn http_decl_08() {
    let slapd = Slapd::start();
    for transport in Transport::ALL {
        let service = service(&slapd, transport).await;
        assert_eq!(service.get("/basicAuthLdap", Some(&basic("alice:alice@123"))).await, 403);
        // The pair, which Ballerina's suite has in another area.
        assert_eq!(service.get("/basicAuthLdap", Some(&basic("ldclakmal:ldclakmal@123"))).await, 200);
    }
}

#[tokio::test]
async fn http_decl_09() {
    let slapd = Slapd::start();
    for transport in Transport::ALL {
        let service = service(&slapd, transport).await;
        assert_eq!(service.get("/basicAuthLdap", Some(&basic("eve:eve@123"))).await, 401);
        assert_eq!(service.get("/basicAuthLdap", None).await, 401);
    }
}

#[tokio::test]
async fn http_hnd_05() {
    let slapd = Slapd::start();
    let provider = provider(&record(&slapd.url(Transport::Plain), ""));
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let header = HeaderValue::from_static("Basic bGRjbGFrbWFsOmxkY2xha21hbEAxMjM=");
    let principal = authenticate_header(&provider, &header, &clock).await.unwrap();
    for scope in ["admin", "developer"] {
        assert!(authorize(&principal, scope).is_ok(), "{scope}");
    }
    assert_eq!(authorize(&principal, "customer").unwrap_err().kind(), RejectionKind::InsufficientScope);
}

#[tokio::test]
async fn http_hnd_07() {
    let slapd = Slapd::start();
    let provider = provider(&record(&slapd.url(Transport::Plain), ""));
    let rejection = ask(&provider, "eve:eve@123").await.unwrap_err();
    assert_eq!((rejection.status().as_u16(), rejection.kind()), (401, RejectionKind::Refused));
    // Ballerina tells the caller why; here the reason goes to the log.
    let service = service(&slapd, Transport::Plain).await;
    for authorization in [Some(basic("eve:eve@123")), None] {
        let answer = service.ask("GET", "/basicAuthLdap", authorization.as_deref()).await;
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["content-length"]),
            (401, &"0".parse().unwrap())
        );
    }
}

#[tokio::test]
async fn d_ldap_02() {
    let slapd = Slapd::start();
    let record = record(&slapd.url(Transport::Plain), "")
        .replace("\"ou=Users,dc=avix,dc=lk\"", "\"ou=Groups,dc=avix,dc=lk#ou=Users,dc=avix,dc=lk\"");
    assert_eq!(ask(&provider(&record), "alice:alice@123").await.unwrap().subject(), Some("alice"));
}

/// A directory in process, for what slapd would need another LDIF for.
async fn directory() -> TestDirectory {
    let directory = TestDirectory::start().await;
    let ldif = portcullis_tests::data("ballerina/data/auth-ldif--bootstrap.ldif");
    directory.add_ldif(&std::fs::read_to_string(ldif).unwrap());
    directory.add_user("cn=admin,dc=avix,dc=lk", "avix123");
    directory
}

#[tokio::test]
async fn d_ldap_04() {
    let directory = directory().await;
    let provider = provider(&record(&directory.url(), ""));
    assert!(ask(&provider, "alice:alice@123").await.is_ok());
    directory.add(
        portcullis_testing::TestEntry::new("uid=alice,ou=More,ou=Users,dc=avix,dc=lk")
            .attribute("objectClass", ["inetOrgPerson"])
            .password("alice@123"),
    );
    assert_eq!(ask(&provider, "alice:alice@123").await.unwrap_err().kind(), RejectionKind::Refused);
}

#[tokio::test]
async fn d_ldap_05() {
    let directory = directory().await;
    let record = record(&directory.url(), "").replace("connectionPoolingEnabled = false,", "");
    let (provider, alice) = (provider(&record), "uid=alice,ou=Users,dc=avix,dc=lk");
    for _ in 0..3 {
        assert!(ask(&provider, "alice:alice@123").await.is_ok());
    }
    directory.set_password(alice, "changed");
    assert_eq!(ask(&provider, "alice:alice@123").await.unwrap_err().kind(), RejectionKind::Refused);
    assert!(ask(&provider, "alice:changed").await.is_ok());
}

#[tokio::test]
async fn d_ldap_06() {
    // The wish for TLS belongs to the connecting, and is not answered.
    let directory = TestDirectory::builder().start_tls(TestTls::self_signed()).start().await;
    let record = record(&directory.url(), "startTls = true")
        .replace("connectionTimeout = 5,", "connectionTimeout = 0.5,");
    let clock = ManualClock::at(UnixTime::from_secs(1_700_000_000));
    let text = format!("[services.\"/foo\"]\nauth = [{{ scopes = \"*\", {record} }}]\n");
    let service = Arc::new(Service::with_clock(&text, "/foo", Arc::new(clock.clone())).await);
    let _hold = directory.hold();
    let asked = tokio::spawn({
        let service = Arc::clone(&service);
        async move { service.get("/foo", Some(&basic("alice:alice@123"))).await }
    });
    while directory.requests().is_empty() {
        tokio::task::yield_now().await;
    }
    clock.advance(Duration::from_millis(490));
    for _ in 0..64 {
        tokio::task::yield_now().await;
    }
    assert!(!asked.is_finished(), "half a second is waited for");
    clock.advance(Duration::from_millis(10));
    assert_eq!(asked.await.unwrap(), 503);
}

#[tokio::test]
async fn d_ldap_07() {
    let directory = directory().await;
    let provider = provider(&record(&directory.url(), ""));
    for _ in 0..3 {
        let principal = ask(&provider, "ldclakmal:ldclakmal@123").await.unwrap();
        assert_eq!(principal.scopes().iter().collect::<Vec<_>>(), ["admin", "developer"]);
    }
    assert_eq!(directory.searches(), 4, "the user each time, the groups once");
}

#[tokio::test]
async fn d_ldap_08() {
    let slapd = Slapd::start();
    // The authorities of the system count, and slapd's is none of them.
    let provider = provider(&record(&slapd.url(Transport::Ldaps), ""));
    assert_eq!(ask(&provider, "alice:alice@123").await.unwrap_err().status(), 503);
}
