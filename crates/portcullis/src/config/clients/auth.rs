//! `auth` of a client: what it shows.

use std::sync::Arc;

use portcullis_core::{
    Authorization, TokenSource, UnfitForHeader,
    config::{Node, Section, Value},
};
use portcullis_oauth2::{exchange, grant};

use super::{
    misplaced,
    record::{self, Named, Record},
};

/// The source of a client's credential, and what it is called.
pub(super) struct Source {
    pub(super) source: Arc<dyn TokenSource>,
    pub(super) grant: &'static str,
}

/// Reads `grant` and `auth`. What is wrong is noted at its key.
pub(super) fn read(client: &Section<'_>) -> Option<Source> {
    let outer = record::named(client);
    misplaced::at_client(client);
    let Some(auth) = client.section("auth") else {
        if !client.has("auth") {
            client.problem(
                "auth",
                "required, and missing: what the client shows, such as { username, password }",
            );
        }
        return None;
    };
    let inner = record::named(&auth);
    let (Ok(outer), Ok(inner)) = (outer, inner) else {
        record::known(&auth);
        return None;
    };
    if outer.is_some() && inner.is_some() {
        auth.problem("grant", "is named at the client, too: keep one of them");
        record::known(&auth);
        return None;
    }
    let record = record::told(&auth, outer.or(inner))?;
    misplaced::in_auth(client, &auth, record);
    let name = outer.or(inner).map(|named| named.name);
    Some(match record {
        Record::Basic => Source { source: basic(&auth)?, grant: "basic" },
        Record::Bearer => Source { source: bearer(&auth)?, grant: "bearer" },
        Record::Jwt => Source { source: jwt(&auth)?, grant: "jwt" },
        Record::Grant => {
            let grant = name.unwrap_or_else(|| record::grant_name(&auth));
            Source { source: named_in(client, &auth, record, outer, grant::read)?, grant }
        }
        Record::Exchange => {
            let grant = name.unwrap_or("token_exchange");
            Source { source: named_in(client, &auth, record, outer, exchange::read)?, grant }
        }
    })
}

fn basic(auth: &Section<'_>) -> Option<Arc<dyn TokenSource>> {
    let (user, password) = (auth.required_string("username"), auth.required_secret("password"));
    let (user, password) = (user?, password?);
    let blank = |text: &str| text.trim().is_empty();
    if blank(&user) {
        auth.problem("username", "is blank: name the user");
    }
    if blank(password.expose()) {
        auth.problem("password", "is blank: set it");
    }
    if auth.failed() {
        return None;
    }
    let unfit = |error: UnfitForHeader| {
        let at_user = user.contains(':') || user.chars().any(char::is_control);
        auth.problem(if at_user { "username" } else { "password" }, error.to_string());
    };
    let credential = Authorization::basic(&user, &password).map_err(unfit).ok()?;
    Some(Arc::new(credential))
}

fn bearer(auth: &Section<'_>) -> Option<Arc<dyn TokenSource>> {
    let token = auth.required_secret("token")?;
    let credential = Authorization::bearer(&token).map_err(|error| auth.problem("token", error.to_string()));
    Some(Arc::new(credential.ok()?))
}

#[cfg(feature = "jwt")]
fn jwt(auth: &Section<'_>) -> Option<Arc<dyn TokenSource>> {
    portcullis_jwt::client::read(auth)
}

#[cfg(not(feature = "jwt"))]
fn jwt(auth: &Section<'_>) -> Option<Arc<dyn TokenSource>> {
    auth.problem_here(
        "a JWT is signed by the feature `jwt`, which this build lacks: add it to portcullis' features in Cargo.toml",
    );
    record::known(auth);
    None
}

/// Reads a record by `read`, which knows no clients: what is named at the client is named in the record for it.
fn named_in(
    client: &Section<'_>,
    auth: &Section<'_>,
    record: Record,
    outer: Option<Named>,
    read: fn(&Section<'_>) -> Option<Arc<dyn TokenSource>>,
) -> Option<Arc<dyn TokenSource>> {
    let (Some(named), Some(Value::Table(table))) = (outer, client.node("auth").map(Node::value)) else {
        return read(auth);
    };
    record::known(auth);
    let at = client.node("grant").and_then(Node::at);
    let mut table = table.clone();
    table.insert_at("grant", at, Node::new(Value::String(named.name.to_owned()), at));
    let named = auth.reader().section(&table, auth.path());
    misplaced::in_auth(client, &named, record);
    read(&named)
}
