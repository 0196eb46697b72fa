//! What Active Directory does otherwise than others, by the directory in process.

use portcullis_testing::{DirectoryOperation, TestDirectory, TestEntry};

use crate::record::{Record, SERVICE, fill, group, user};
use crate::service::{Log, Service};

async fn started() -> TestDirectory {
    let directory = TestDirectory::builder().active_directory().start().await;
    fill(&directory);
    directory
}

fn filters(directory: &TestDirectory) -> Vec<String> {
    let each = directory.requests().into_iter();
    each.filter_map(|request| match request.operation {
        DirectoryOperation::Search { filter, .. } => Some(filter),
        _ => None,
    })
    .collect()
}

#[tokio::test]
async fn the_reasons_of_49_go_to_the_log_and_never_to_the_caller() {
    let directory = started().await;
    let service = Service::new(&Record::in_process(&directory).element()).await;
    let plain = service.login("alice", "wrong").await;
    for (sub_code, reason) in [
        ("52e", "wrong-password"),
        ("525", "unknown-user"),
        ("530", "login-not-permitted"),
        ("531", "login-not-permitted"),
        ("532", "password-expired"),
        ("533", "account-disabled"),
        ("701", "account-expired"),
        ("773", "must-change-password"),
        ("775", "account-locked"),
    ] {
        let log = Log::start();
        directory.answer_bind(&user("alice"), 49, &TestDirectory::active_directory_text(sub_code));
        let answer = service.login("alice", "alice@123").await;
        assert_eq!(
            (answer.status, &answer.headers, answer.body.as_str()),
            (401, &plain.headers, ""),
            "{sub_code}"
        );
        assert!(log.text().contains(reason), "{sub_code}: {}", log.text());
        directory.recover();
    }
    assert_eq!(service.status("alice", "alice@123").await, 200);
}

#[tokio::test]
async fn chains_of_groups_are_followed_by_the_directory_itself() {
    let directory = started().await;
    directory.add_group(&group("staff"), [group("hello").as_str()]);
    directory.add_group(&group("everybody"), [group("staff").as_str(), group("everybody").as_str()]);
    let record = Record::in_process(&directory);
    let direct = Service::new(&record.element()).await;
    assert_eq!(direct.told("alice", "alice@123").await, "alice of ballerina.io: admin hello");
    assert!(!filters(&directory).iter().any(|filter| filter.contains("1.2.840.113556.1.4.1941")));

    let nested = Service::new(&record.set("nestedGroups", "true").element()).await;
    assert_eq!(nested.told("alice", "alice@123").await, "alice of ballerina.io: admin everybody hello staff");
    assert_eq!(nested.told("bob", "bob@123").await, "bob of ballerina.io: ");
    let chains =
        filters(&directory).iter().filter(|filter| filter.contains(":1.2.840.113556.1.4.1941:=")).count();
    assert_eq!(chains, 2, "one search for each login: {:?}", filters(&directory));
}

#[tokio::test]
async fn the_rule_is_used_only_where_the_directory_names_itself() {
    let directory = TestDirectory::start().await;
    fill(&directory);
    directory.add_group(&group("staff"), [group("hello").as_str()]);
    let record = Record::in_process(&directory).set("nestedGroups", "true");
    let service = Service::new(&record.element()).await;
    assert_eq!(service.told("alice", "alice@123").await, "alice of ballerina.io: admin hello staff");
    assert!(!filters(&directory).iter().any(|filter| filter.contains("1.2.840.113556.1.4.1941")));
}

#[tokio::test]
async fn the_service_may_be_named_as_its_users_are() {
    let directory = started().await;
    directory
        .add(TestEntry::new(SERVICE).password("secret").attribute("userPrincipalName", ["svc@ballerina.io"]));
    let record = Record::in_process(&directory).text("connectionName", "svc@ballerina.io");
    assert_eq!(Service::new(&record.element()).await.status("alice", "alice@123").await, 200);
}

#[tokio::test]
async fn members_that_come_in_parts_are_all_read() {
    let directory = TestDirectory::builder().active_directory().max_values(5).start().await;
    fill(&directory);
    for number in 0..12 {
        directory.add_group(&group(&format!("g{number}")), [user("bob").as_str()]);
    }
    let record = Record::in_process(&directory).text("userMembershipAttribute", "memberOf");
    let service = Service::new(&record.element()).await;
    let told = service.told("bob", "bob@123").await;
    assert_eq!(told.split_once(": ").unwrap().1.split(' ').count(), 12, "{told}");
}

#[tokio::test]
async fn an_unauthenticated_bind_which_it_takes_for_nobodys_lets_nobody_in() {
    let directory = started().await;
    let service = Service::new(&Record::in_process(&directory).element()).await;
    assert_eq!(service.status("alice", "").await, 401);
    assert_eq!(service.status("alice", " ").await, 401);
    assert_eq!(directory.binds(), 0);
}
