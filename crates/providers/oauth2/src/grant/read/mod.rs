//! The record of a grant read from a configuration.

pub(crate) mod client;
pub(crate) mod records;
pub(crate) mod settings;

use std::sync::Arc;

use portcullis_core::{TokenSource, config::Section};

use self::{client::Who, settings::Settled};

/// A grant, and the keys that no other grant has.
struct Grant {
    name: &'static str,
    telling: &'static [&'static str],
    /// What its record needs, for messages.
    needs: &'static str,
}

const CLIENT_CREDENTIALS: Grant =
    Grant { name: "client_credentials", telling: &[], needs: "`tokenUrl`, `clientId` and `clientSecret`" };
const PASSWORD: Grant = Grant {
    name: "password",
    telling: &["username", "password", "refreshConfig"],
    needs: "`tokenUrl`, `username` and `password`",
};
const REFRESH_TOKEN: Grant = Grant {
    name: "refresh_token",
    telling: &["refreshUrl", "refreshToken"],
    needs: "`refreshUrl`, `refreshToken` and `clientId`",
};
const JWT_BEARER: Grant =
    Grant { name: "jwt_bearer", telling: &["assertion"], needs: "`tokenUrl` and `assertion`" };
const GRANTS: [&Grant; 4] = [&CLIENT_CREDENTIALS, &PASSWORD, &REFRESH_TOKEN, &JWT_BEARER];

/// Records of another kind, which `grant` names.
const TOKEN_EXCHANGE: &str = "token_exchange";
const ON_BEHALF_OF: &str = "on_behalf_of";

/// Any one of these makes a record that of a grant. `username` and `password` are not among them: alone they are another's.
const KEYS: [&str; 9] = [
    "grant",
    "tokenUrl",
    "refreshUrl",
    "refreshToken",
    "refreshConfig",
    "assertion",
    "clientId",
    "clientSecret",
    "clientAssertion",
];

/// Whether a record is that of a grant by the keys it has: `tokenUrl`, say, or `refreshToken`. Asks for none of them.
///
/// `username` and `password` alone are no grant's, but what a client shows by HTTP Basic.
#[must_use]
pub fn is_grant(section: &Section<'_>) -> bool {
    KEYS.iter().any(|key| section.has(key))
}

/// Reads the record of a grant, and makes the source of its tokens. Notes all that is wrong at its place, and answers
/// `None` if anything is.
///
/// Records are told apart by their keys, or named by `grant`: `client_credentials`, `password`, `refresh_token`,
/// `jwt_bearer`. Those that exchange the tokens of callers are read by [`exchange::read`](crate::exchange::read): here there
/// are no callers.
#[must_use]
pub fn read(section: &Section<'_>) -> Option<Arc<dyn TokenSource>> {
    let names = GRANTS.map(|grant| grant.name);
    let [one, two, three, four] = names;
    let named = section.choice("grant", &[one, two, three, four, TOKEN_EXCHANGE, ON_BEHALF_OF]);
    if let Some(name @ (TOKEN_EXCHANGE | ON_BEHALF_OF)) = named {
        section.problem(
            "grant",
            format!("`{name}` exchanges the tokens of callers, and there are none here: use another grant"),
        );
        return silenced(section);
    }
    let grant = grant(section, named)?;
    match grant.name {
        "password" => records::password(section),
        "refresh_token" => records::refresh_token(section),
        "jwt_bearer" => records::jwt_bearer(section),
        _ => records::client_credentials(section),
    }
}

/// Which grant it is. Notes where it is none, or two.
fn grant(section: &Section<'_>, named: Option<&str>) -> Option<&'static Grant> {
    let mut found: Vec<(&str, &Grant)> = Vec::new();
    found.extend(
        named
            .and_then(|name| GRANTS.into_iter().find(|grant| grant.name == name))
            .map(|grant| ("grant", grant)),
    );
    for grant in GRANTS {
        let told = grant.telling.iter().find(|key| section.has(key)).map(|key| (*key, grant));
        found.extend(told.filter(|_| found.iter().all(|(_, known)| known.name != grant.name)));
    }
    // All others have a `tokenUrl`.
    if let [(_, only)] = found.as_slice()
        && only.name == REFRESH_TOKEN.name
        && section.has("tokenUrl")
    {
        found.push(("tokenUrl", &CLIENT_CREDENTIALS));
    }
    match found.as_slice() {
        [(_, only)] => Some(only),
        [(key, grant), (other_key, other), ..] => {
            section.problem(
                other_key,
                format!(
                    "`{other_key}` belongs to the grant `{}` ({}), and `{key}` says `{}` ({}): keep the keys of one of them",
                    other.name, other.needs, grant.name, grant.needs
                ),
            );
            silenced(section)
        }
        [] if section.has("grant") => silenced(section),
        [] if is_grant(section) => Some(&CLIENT_CREDENTIALS),
        [] => {
            let needs = GRANTS.map(|grant| format!("`{}` has {}", grant.name, grant.needs));
            section.problem_here(format!("is the record of no grant: {}", needs.join("; ")));
            // So that a misspelling of them is suggested.
            KEYS.iter().chain(PASSWORD.telling).for_each(|key| _ = section.node(key));
            None
        }
    }
}

/// One mistake is enough: which keys are known depends on it.
fn silenced<T>(section: &Section<'_>) -> Option<T> {
    section.keys().for_each(|key| _ = section.node(key));
    None
}
