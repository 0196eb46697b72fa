//! Which record an `auth` of a client holds.

use portcullis_core::config::Section;

/// What a client shows, and where that comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Record {
    /// `CredentialsConfig`: user name and password.
    Basic,
    /// `BearerTokenConfig`: a token that somebody configured.
    Bearer,
    /// `JwtIssuerConfig`: JWTs that the client signs itself.
    Jwt,
    /// An OAuth2 grant.
    Grant,
    /// An exchange of callers' tokens. Only its name tells it from a grant.
    Exchange,
}

impl Record {
    /// Whether keys that tell `self` may stand in a record of this kind.
    fn fits(self, named: Self) -> bool {
        self == named || (self == Self::Grant && named == Self::Exchange)
    }
}

/// What `grant` may say, and the record that it names.
const NAMES: [(&str, Record); 9] = [
    ("basic", Record::Basic),
    ("bearer", Record::Bearer),
    ("jwt", Record::Jwt),
    ("client_credentials", Record::Grant),
    ("password", Record::Grant),
    ("refresh_token", Record::Grant),
    ("jwt_bearer", Record::Grant),
    ("token_exchange", Record::Exchange),
    ("on_behalf_of", Record::Exchange),
];

/// Keys that tell a record.
const TELLING: [(&str, Record); 4] = [
    ("signatureConfig", Record::Jwt),
    ("tokenUrl", Record::Grant),
    ("refreshUrl", Record::Grant),
    ("token", Record::Bearer),
];

/// Keys that tell it where none of the above is there: one of those is then what is missing.
const HINTING: [(&str, Record); 16] = [
    ("clientId", Record::Grant),
    ("clientSecret", Record::Grant),
    ("clientAssertion", Record::Grant),
    ("refreshToken", Record::Grant),
    ("refreshConfig", Record::Grant),
    ("assertion", Record::Grant),
    ("credentialBearer", Record::Grant),
    ("clientConfig", Record::Grant),
    ("scopes", Record::Grant),
    ("issuer", Record::Jwt),
    ("audience", Record::Jwt),
    ("customClaims", Record::Jwt),
    ("expTime", Record::Jwt),
    ("jwtId", Record::Jwt),
    ("keyId", Record::Jwt),
    ("username", Record::Basic),
];

const ALL: &str = "`username` and `password`; `token`; `signatureConfig` (a JWT that is signed here); `tokenUrl` or \
     `refreshUrl` (an OAuth2 grant)";

/// What `grant` names: at the client, or in its `auth`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) name: &'static str,
    pub(super) record: Record,
}

/// Reads `grant`. `Err` where it cannot be read, which was noted.
pub(super) fn named(section: &Section<'_>) -> Result<Option<Named>, ()> {
    let words = NAMES.map(|(name, _)| name);
    match section.choice("grant", &words) {
        None if section.has("grant") => Err(()),
        None => Ok(None),
        Some(found) => Ok(NAMES
            .into_iter()
            .find(|(name, _)| *name == found)
            .map(|(name, record)| Named { name, record })),
    }
}

/// The record that `auth` holds. Notes a mistake where that is none, or two of them, or another than `grant` names; then
/// nothing else in it is judged.
pub(super) fn told(auth: &Section<'_>, named: Option<Named>) -> Option<Record> {
    let mut found: Vec<(&str, Record)> = TELLING.into_iter().filter(|(key, _)| auth.has(key)).collect();
    // The password grant has the keys of a user, too.
    if auth.has("password") && !found.iter().any(|(_, record)| *record == Record::Grant) {
        found.push(("password", Record::Basic));
    }
    if let Some(Named { name, record }) = named {
        let Some((key, _)) = found.into_iter().find(|(_, told)| !told.fits(record)) else {
            return Some(record);
        };
        auth.problem(
            key,
            format!("does not belong to the record that `grant = \"{name}\"` names: keep one of them"),
        );
        known(auth);
        return None;
    }
    match found.as_slice() {
        [] => hinted(auth),
        [(_, record), others @ ..] => {
            let Some((other, _)) = others.iter().find(|(_, told)| told != record) else {
                return Some(*record);
            };
            let keys: Vec<String> = found.iter().map(|(key, _)| format!("`{key}`")).collect();
            auth.problem(
                other,
                format!("{} belong to different records: keep the keys of one of them", keys.join(" and ")),
            );
            known(auth);
            None
        }
    }
}

fn hinted(auth: &Section<'_>) -> Option<Record> {
    let hinted = HINTING.into_iter().find(|(key, _)| auth.has(key)).map(|(_, record)| record);
    if hinted.is_none() {
        auth.problem_here(format!("needs the keys of exactly one record: {ALL}"));
        // Asked for, so that a misspelling of one is suggested.
        for key in TELLING.map(|(key, _)| key).into_iter().chain(["username", "password"]) {
            auth.node(key);
        }
    }
    hinted
}

/// Asks for all keys: where the record is not known, none of them is unknown. One mistake is enough.
pub(super) fn known(auth: &Section<'_>) {
    auth.keys().for_each(|key| _ = auth.node(key));
}

/// The keys by which records are told, and `password`.
pub(super) fn keys() -> impl Iterator<Item = &'static str> {
    let telling = TELLING.into_iter().map(|(key, _)| key);
    telling.chain(HINTING.into_iter().map(|(key, _)| key)).chain(["password"])
}

/// What the grant is called that `auth` holds.
pub(super) fn grant_name(auth: &Section<'_>) -> &'static str {
    if auth.has("refreshUrl") {
        "refresh_token"
    } else if auth.has("assertion") {
        "jwt_bearer"
    } else if auth.has("username") {
        "password"
    } else {
        "client_credentials"
    }
}
