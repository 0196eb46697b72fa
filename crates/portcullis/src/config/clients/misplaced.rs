//! Keys that slipped into another table of a client, and where they belong.

use portcullis_core::config::Section;

use super::record::{self, Record};

/// Of the client, and of no record.
const OF_CLIENT: [&str; 4] = ["url", "origins", "anyOrigin", "retryOn401"];

/// Of the client for what it calls, and of `clientConfig` for the token endpoint.
const OF_CALLS: [&str; 5] =
    ["secureSocket", "httpVersion", "connectTimeout", "requestTimeout", "allowInsecureHttp"];

/// Of an exchange, which only its name tells from the other grants.
const OF_EXCHANGE: [&str; 6] =
    ["audience", "resource", "subjectTokenType", "requestedTokenType", "actor", "actorTokenType"];

/// Notes keys of a record that stand at the client.
pub(super) fn at_client(client: &Section<'_>) {
    let auth = client.path_of("auth");
    for key in record::keys() {
        if client.has(key) {
            // One mistake is enough: it is not unknown as well.
            _ = client.node(key);
            client
                .problem(key, format!("does not belong here: `{key}` is a key of `auth`: move it to {auth}"));
        }
    }
}

/// Says of keys that slip into `auth`, or into a table inside it, where they belong.
pub(super) fn in_auth(client: &Section<'_>, auth: &Section<'_>, record: Record) {
    let (to_client, to_auth) = (client.path(), auth.path());
    let of_client = |key: &str| {
        format!("`{key}` is a key of the client: move it to {to_client}, before the table of `auth`")
    };
    for key in OF_CLIENT {
        auth.belongs_elsewhere(key, of_client(key));
    }
    let is_grant = matches!(record, Record::Grant | Record::Exchange);
    for key in OF_CALLS {
        let where_to = if is_grant {
            format!(
                "`{key}` is a key of {to_auth}.clientConfig, for the token endpoint, and of {to_client}, for what it calls"
            )
        } else {
            of_client(key)
        };
        auth.belongs_elsewhere(key, where_to);
    }
    auth.belongs_elsewhere(
        "scopes",
        match record {
            Record::Grant | Record::Exchange => {
                format!("`scopes` is a key of the grant: move it to {to_auth}, before the tables in it")
            }
            Record::Jwt => "a token that is signed here has its scopes among `customClaims`".to_owned(),
            Record::Basic | Record::Bearer => "only a grant asks for scopes: remove it".to_owned(),
        },
    );
    if record == Record::Grant {
        for key in OF_EXCHANGE {
            auth.belongs_elsewhere(
                key,
                format!(
                    "`{key}` is a key of `grant = \"token_exchange\"`: name that, or send the parameter by `optionalParams`"
                ),
            );
        }
    }
}
