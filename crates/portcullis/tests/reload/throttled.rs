//! What is counted of users who were guessed at, while their directory is replaced. Nobody answers there: what no store can
//! tell counts for the user as well.

use super::{Folder, basic, status};

fn text(url: &str, timeout: u32, base: &str) -> String {
    format!(
        r#"
        [services."/foo"]
        throttle = {{ perUser = 2 }}
        auth = [{{ scopes = "hello", ldapUserStoreConfig = {{
            domainName = "x", connectionUrl = {url:?}, connectionName = "cn=foo", connectionPassword = "p",
            userSearchBase = {base:?}, userNameAttribute = "uid", userNameSearchFilter = "(uid=?)", readTimeout = {timeout},
        }} }}]
        "#
    )
}

#[tokio::test]
async fn what_a_throttle_counts_of_a_directorys_users_outlives_a_change_of_its_record_and_of_nothing_else() {
    let (here, there) = ("ldap://127.0.0.1:1", "ldap://127.0.0.1:2");
    let folder = Folder::new(&text(here, 60, "ou=P"));
    let live = folder.live();
    let foo = live.service("/foo").unwrap().build().await.unwrap();
    let guess = async || status(&foo, "/foo", &basic("alice:wrong")).await;
    assert_eq!([guess().await, guess().await, guess().await], [503, 503, 429]);
    for (url, timeout, base, expected) in [
        (here, 59, "ou=P", [429, 429, 429]),
        (there, 59, "ou=P", [503, 503, 429]),
        (here, 60, "ou=P", [429, 429, 429]),
        (here, 60, "ou=Q", [503, 503, 429]),
        (there, 58, "ou=P", [429, 429, 429]),
    ] {
        folder.write("Config.toml", &text(url, timeout, base));
        let reloaded = live.reload().await.unwrap();
        assert_eq!((reloaded.parts, reloaded.kept), (1, 0), "it is another provider");
        assert_eq!([guess().await, guess().await, guess().await], expected, "{url} {timeout} {base}");
    }
    // Other limits are other limits of the same counts.
    folder.write("Config.toml", &text(there, 58, "ou=P").replace("perUser = 2", "perUser = 3"));
    live.reload().await.unwrap();
    assert_eq!([guess().await, guess().await], [503, 429]);
}
