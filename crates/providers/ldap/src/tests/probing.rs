//! What `check --online` is told.

use super::{
    Bench,
    server::{Reply, Request, SERVICE, entry, result},
};
use portcullis_core::Provider as _;

async fn probed(bench: &Bench) -> Result<String, String> {
    let mut probes = bench.store.probe().await;
    assert_eq!(probes.len(), 1);
    let probe = probes.remove(0);
    assert_eq!((probe.role, probe.url), ("directory", bench.server.url()));
    probe.result
}

#[tokio::test]
async fn users_and_groups_are_counted_as_the_list_filters_see_them() {
    let bench = Bench::new().await;
    bench.add_user("bob");
    assert_eq!(
        probed(&bench).await.unwrap(),
        "3 users below ou=Users,dc=x, 2 groups below ou=Groups,dc=x",
        "the entries of the bases are entries, too"
    );
    let narrow =
        Bench::with(|config| config.user_name_list_filter("(uid=*)").group_name_list_filter("(cn=*)")).await;
    assert_eq!(probed(&narrow).await.unwrap(), "1 users below ou=Users,dc=x, 1 groups below ou=Groups,dc=x");
    narrow.server.script(|request| match request {
        Request::Search { attributes, size_limit, .. } => {
            assert_eq!((attributes.as_slice(), *size_limit), (&["1.1".to_owned()][..], 1_000));
            None
        }
        _ => None,
    });
    probed(&narrow).await.unwrap();
    assert_eq!(narrow.store.open_connections(), (0, 0));
}

#[tokio::test]
async fn what_is_wrong_is_said_in_the_operators_words() {
    let bench = Bench::with(|config| config.user_name_list_filter("(kind=none)")).await;
    let problem = probed(&bench).await.unwrap_err();
    assert!(problem.starts_with("the service sees no users below ou=Users,dc=x"), "{problem}");
    assert!(problem.contains("correct `userSearchBase` and `userNameListFilter`"), "{problem}");

    let bench = Bench::with(|config| config.group_search_base(["ou=Gone,dc=x"])).await;
    let problem = probed(&bench).await.unwrap_err();
    assert!(problem.contains("\"ou=Gone,dc=x\" ended with 32 (no such object)"), "{problem}");

    let bench = Bench::new().await;
    bench.server.script(|request| match request {
        Request::Bind { dn, .. } if dn == SERVICE => Some(vec![Reply::Op(result(1, 49, ""))]),
        _ => None,
    });
    let problem = probed(&bench).await.unwrap_err();
    assert!(problem.contains("correct `connectionName` and `connectionPassword`"), "{problem}");

    bench.server.stop().await;
    assert!(probed(&bench).await.unwrap_err().starts_with("no connection: "));
}

#[tokio::test]
async fn more_users_than_are_counted_are_so_many_or_more() {
    let bench = Bench::new().await;
    for (count, code, expected) in [
        (999, 0, "999 users below "),
        (1_000, 4, "1000 or more users below "),
        // From those that do not keep to the limit, too, but not for ever.
        (2_000, 0, "2000 users below "),
        (2_001, 0, "the server does not speak LDAP: it sends more entries than were asked for"),
        (0, 4, "the search below \"ou=Users,dc=x\" ended with 4 (size limit exceeded)"),
    ] {
        bench.server.script(move |request| match request {
            Request::Search { .. } => {
                let found = |number| Reply::Op(entry(&format!("uid={number},ou=Users,dc=x"), &[]));
                Some((0..count).map(found).chain([Reply::Op(result(5, code, ""))]).collect())
            }
            _ => None,
        });
        let told = probed(&bench).await.unwrap_or_else(|problem| problem);
        assert!(told.starts_with(expected), "{told}");
    }
}

#[tokio::test]
async fn servers_are_told_as_they_were_last_seen() {
    let bench = Bench::new().await;
    let state = &bench.store.servers()[0];
    assert_eq!(state.to_string(), format!("directory {}: usable", bench.server.url()));
    bench.known("alice", "secret").await;
    bench.manual.advance(std::time::Duration::from_secs(7));
    let state = &bench.store.servers()[0];
    assert_eq!(state.to_string(), format!("directory {}: usable, 7 s old", bench.server.url()));
}
