//! What the directory answers, and what becomes of it: a refusal of the user is 401, all else is an outage.

use portcullis_testing::TestDirectory;

use crate::record::{Record, SERVICE, fill, user};
use crate::service::{Log, Service};

const REFUSED: [u16; 7] = [49, 19, 32, 34, 48, 50, 53];
const UNAVAILABLE: [u16; 14] = [1, 2, 3, 4, 7, 8, 10, 11, 13, 14, 51, 52, 54, 80];

async fn started() -> (TestDirectory, Service) {
    let directory = TestDirectory::start().await;
    fill(&directory);
    let service = Service::new(&Record::in_process(&directory).element()).await;
    (directory, service)
}

#[tokio::test]
async fn the_results_of_a_users_bind_refuse_him_or_say_nothing_of_him() {
    let (directory, service) = started().await;
    for (codes, status) in [(&REFUSED[..], 401), (&UNAVAILABLE[..], 503)] {
        for code in codes {
            directory.answer_bind(&user("alice"), *code, "");
            let answer = service.login("alice", "alice@123").await;
            assert_eq!(answer.status, status, "{code}");
            assert_eq!(answer.headers.contains_key("retry-after"), status == 503, "{code}");
            assert_eq!(service.status("bob", "bob@123").await, 200, "{code} is alice's alone");
            directory.recover();
        }
    }
    assert_eq!(service.status("alice", "alice@123").await, 200);
}

#[tokio::test]
async fn a_refusal_of_the_service_is_an_outage_and_not_everybodys_401() {
    let directory = TestDirectory::start().await;
    fill(&directory);
    for code in REFUSED.into_iter().chain(UNAVAILABLE) {
        directory.answer_bind(SERVICE, code, "");
        let service = Service::new(&Record::in_process(&directory).element()).await;
        for (user, password) in [("alice", "alice@123"), ("alice", "wrong"), ("nobody", "x")] {
            assert_eq!(service.status(user, password).await, 503, "{code}: {user}");
        }
        directory.recover();
        assert_eq!(service.status("alice", "alice@123").await, 200, "after {code}");
    }
    let log = Log::start();
    let wrong = Record::in_process(&directory).text("connectionPassword", "canary-of-the-service");
    let service = Service::new(&wrong.element()).await;
    assert_eq!(service.status("alice", "canary-of-alice").await, 503);
    let log = log.text();
    assert!(log.contains("connectionPassword"), "it says what to correct: {log}");
    assert!(!log.contains("canary"), "{log}");
}

#[tokio::test]
async fn the_results_of_searches_are_outages() {
    let (directory, service) = started().await;
    for base in ["ou=Users,dc=ballerina,dc=io", "ou=Groups,dc=ballerina,dc=io"] {
        for code in REFUSED.into_iter().chain(UNAVAILABLE) {
            directory.answer_search(base, code, "");
            assert_eq!(service.status("alice", "alice@123").await, 503, "{code} below {base}");
            directory.recover();
            assert_eq!(service.status("alice", "alice@123").await, 200, "after {code} below {base}");
        }
    }
}

#[tokio::test]
async fn a_list_that_is_cut_short_lets_nobody_in() {
    let directory = TestDirectory::builder().max_entries(3).start().await;
    fill(&directory);
    let service = Service::new(&Record::in_process(&directory).element()).await;
    assert_eq!(service.status("alice", "alice@123").await, 200, "two groups");
    for name in ["one", "two"] {
        directory.add_group(&crate::record::group(name), [user("alice").as_str()]);
    }
    assert_eq!(service.status("alice", "alice@123").await, 503, "four, of which the directory gives three");
    assert_eq!(service.status("bob", "bob@123").await, 200);
}

#[tokio::test]
async fn an_entry_without_a_name_is_the_operators_mistake() {
    let (directory, _) = started().await;
    let record = Record::in_process(&directory).text("userNameAttribute", "sAMAccountName");
    let service = Service::new(&record.element()).await;
    assert_eq!(service.status("alice", "alice@123").await, 503);
}
