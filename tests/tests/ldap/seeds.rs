//! The seeds' LDAP configuration, the address changed, as it stands: 200, 401 and 403 as the seeds say.

use portcullis_tests::{Slapd, Transport};

use crate::gateway::Gateway;
use crate::record::seeds;
use crate::service::Service;

/// User, password, and the answer.
const LOGINS: [(&str, &str, u16); 11] = [
    ("alice", "alice@123", 200),
    ("carol", "carol@123", 200),
    ("john", "john@123", 200),
    ("hash", "hash@123", 200),
    ("quoted", "quoted@123", 200),
    ("zoë", "pässwörd", 200),
    ("bob", "bob@123", 403),
    ("alice", "Alice@123", 401),
    ("nobody", "alice@123", 401),
    ("nopass", "nopass@123", 401),
    ("twin", "twin@123", 401),
];

#[tokio::test(flavor = "multi_thread")]
async fn the_record_of_the_seeds_runs_in_the_library_over_every_transport() {
    let slapd = Slapd::start();
    for transport in Transport::ALL {
        let service = Service::new(&seeds(&slapd, transport)).await;
        let nobody = service.ask(None).await;
        assert_eq!((nobody.status, nobody.body.as_str()), (401, ""), "{transport:?}");
        assert_eq!(nobody.headers["www-authenticate"], "Basic realm=\"portcullis\", charset=\"UTF-8\"");
        for (user, password, status) in LOGINS {
            let answer = service.login(user, password).await;
            assert_eq!(answer.status, status, "{user} over {transport:?}");
            if status == 200 {
                assert!(answer.body.starts_with(&format!("{user} of ballerina.io: ")), "{}", answer.body);
            } else {
                assert_eq!(answer.body, "", "{user} over {transport:?}");
            }
        }
        assert_eq!(service.told("alice", "alice@123").await, "alice of ballerina.io: admin hello");
    }
}

#[test]
fn the_record_of_the_seeds_runs_in_the_program_over_every_transport() {
    let mut slapd = Slapd::start();
    for transport in Transport::ALL {
        let mut gateway = Gateway::start(&seeds(&slapd, transport));
        // Its times are milliseconds where seconds are meant.
        gateway.logged(&["connectionTimeout", "5000"]);
        gateway.logged(&["readTimeout", "60000"]);
        let nobody = gateway.ask();
        assert_eq!(nobody.status, 401);
        assert_eq!(nobody.header("content-length"), Some("0"));
        assert_eq!(nobody.header("content-type"), Some("text/plain"));
        for (user, password, status) in LOGINS {
            let answer = gateway.login(user, password);
            assert_eq!(answer.status, status, "{user} over {transport:?}");
            if status == 200 {
                assert_eq!(answer.text(), "Hello, World!");
            } else {
                assert_eq!((answer.header("content-length"), answer.text()), (Some("0"), ""));
            }
        }
        let log = gateway.stop();
        for (_, password, _) in LOGINS {
            assert!(!log.contains(password), "{log}");
        }
    }
    let tls = slapd.traffic();
    let encrypted =
        tls.connections.values().filter(|seen| seen.contains(&portcullis_tests::Seen::Tls)).count();
    assert!(encrypted > 0, "TLS was spoken where it was asked for");
}
