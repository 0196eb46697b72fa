//! Everything that is measured, by name.

#[cfg(feature = "peers")]
use crate::cases::peers;
use crate::cases::{Bench, Case, client, growth, ours, plain, told};
use crate::fixtures::Keyed;

/// One line of the table.
pub struct Row {
    /// By which it is asked for.
    pub id: &'static str,
    pub title: &'static str,
    /// The row that stands for the cost of everything else.
    pub over: Option<&'static str>,
    pub pace: Pace,
    pub make: fn(&Bench) -> Box<dyn Case>,
}

/// How many requests it takes to measure one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// Less than a microsecond each: thousands.
    Fast,
    /// A signature each, and no token twice: dozens.
    Slow,
}

impl Pace {
    /// How many requests come first, and how many are counted then.
    pub const fn counted(self) -> (usize, usize) {
        match self {
            Self::Fast => (100, 1_000),
            Self::Slow => (16, 96),
        }
    }

    /// How many requests one reading of the clock spans.
    pub const fn timed(self) -> usize {
        match self {
            Self::Fast => 20_000,
            Self::Slow => crate::fixtures::TOKENS,
        }
    }
}

fn rsa(bench: &Bench) -> &Keyed {
    &bench.fixtures.rsa
}

fn p256(bench: &Bench) -> &Keyed {
    &bench.fixtures.p256
}

fn ed25519(bench: &Bench) -> &Keyed {
    &bench.fixtures.ed25519
}

const fn row(id: &'static str, title: &'static str, make: fn(&Bench) -> Box<dyn Case>) -> Row {
    Row { id, title, over: Some("route"), pace: Pace::Fast, make }
}

impl Row {
    const fn over(mut self, baseline: &'static str) -> Self {
        self.over = Some(baseline);
        self
    }

    const fn by_itself(mut self) -> Self {
        self.over = None;
        self
    }

    const fn slow(mut self) -> Self {
        self.pace = Pace::Slow;
        self
    }

    /// Whether it is about good tokens that were never seen: of ours, of a peer, or their signatures alone.
    pub fn is_of_unseen_tokens(&self) -> bool {
        let ours = ["-cold", "-uncached", "-raw"].iter().any(|end| self.id.ends_with(end));
        self.pace == Pace::Slow && (ours || self.is_of_a_peer())
    }

    pub fn is_of_a_peer(&self) -> bool {
        PEERS.iter().any(|peer| self.id.starts_with(peer))
    }
}

/// How the rows of other crates begin.
const PEERS: [&str; 4] = ["tower-oauth2", "jwt-authorizer", "oauth-resource-server", "huskarl"];

/// In the order of the table.
pub const ROWS: &[Row] = &[
    row("route", "the unprotected route", plain::route).by_itself(),
    row("route-no-header", "the same, asked without a credential", plain::route_without_header).by_itself(),
    row("idle-layer", "a layer that does nothing", plain::idle_layer),
    row("tower-http", "tower-http, one static token compared", plain::tower_http_bearer),
    // Warm
    row("jwt-warm", "JWT seen before", ours::jwt_warm),
    row("jwt-warm-outside", "JWT seen before, in front of the whole Router", ours::jwt_warm_outside),
    row("jwt-warm-fetched", "JWT seen before, keys fetched", ours::jwt_warm_fetched),
    row("jwt-warm-metrics", "JWT seen before, metrics on", told::jwt_warm_metrics),
    row("jwt-warm-audit", "JWT seen before, audit events on", told::jwt_warm_audit),
    row("introspection-warm", "opaque token seen before", ours::introspection_warm),
    row("introspection-warm-long", "the same, 870 bytes long", ours::introspection_warm_long),
    row("basic-warm", "Basic, argon2id, seen before", ours::basic_warm),
    row("basic-clear", "Basic, the password in clear text", ours::basic_clear),
    // Cold
    row("rs256-cold", "JWT never seen, RS256", |bench| ours::jwt_cold(bench, rsa)).slow(),
    row("es256-cold", "JWT never seen, ES256", |bench| ours::jwt_cold(bench, p256)).slow(),
    row("eddsa-cold", "JWT never seen, EdDSA", |bench| ours::jwt_cold(bench, ed25519)).slow(),
    row("basic-cold", "Basic, argon2id, nothing remembered", ours::basic_cold).slow(),
    row("rs256-uncached", "the same, nothing remembered, RS256", |bench| ours::jwt_uncached(bench, rsa))
        .slow(),
    row("es256-uncached", "the same, nothing remembered, ES256", |bench| ours::jwt_uncached(bench, p256))
        .slow(),
    row("eddsa-uncached", "the same, nothing remembered, EdDSA", |bench| ours::jwt_uncached(bench, ed25519))
        .slow(),
    row("rs256-raw", "the signature alone, RS256", |bench| plain::raw(&bench.fixtures.rsa))
        .by_itself()
        .slow(),
    row("es256-raw", "the signature alone, ES256", |bench| plain::raw(&bench.fixtures.p256))
        .by_itself()
        .slow(),
    row("eddsa-raw", "the signature alone, EdDSA", |bench| plain::raw(&bench.fixtures.ed25519))
        .by_itself()
        .slow(),
    // Refused
    row("refused-none", "refused: no credential", ours::refused_without).over("route-no-header"),
    row("refused-random", "refused: 1 KiB that is no JWT", ours::refused_random),
    row("refused-forged", "refused: a forged signature, RS256", ours::refused_forged).slow(),
    row("refused-expired", "refused: expired, RS256", ours::refused_expired).slow(),
    row("refused-scopes", "refused: JWT seen before, without the scope", ours::forbidden),
    row("refused-inactive", "refused: opaque token seen before, not active", ours::refused_inactive),
    row("refused-password", "refused: wrong password, argon2id", ours::refused_password).slow(),
    row("refused-clear", "refused: wrong password, clear text", ours::refused_clear),
    // Growth
    row("users-1", "Basic among 1 user", |bench| growth::users(bench, 1)),
    row("users-100000", "Basic among 100,000 users", |bench| growth::users(bench, 100_000)),
    row("route-resource", "the unprotected route at a longer path", growth::open_resource).by_itself(),
    row("resources-1", "JWT, 1 resource", |bench| growth::resources(bench, 1)).over("route-resource"),
    row("resources-1000", "JWT, 1,000 resources", |bench| growth::resources(bench, 1_000))
        .over("route-resource"),
    row("tokens-1", "JWT, 1 remembered", |bench| growth::tokens(bench, 1)),
    row("tokens-100000", "JWT, 100,000 remembered", |bench| growth::tokens(bench, 100_000)),
    row("keys-1", "JWT, 1 fetched key", |bench| growth::keys(bench, 1)),
    row("keys-50", "JWT, 50 fetched keys", |bench| growth::keys(bench, 50)),
    row("elements-0", "JWT, no other element", |bench| growth::elements(bench, 0)),
    row("elements-3", "JWT behind 3 elements of the other scheme", |bench| growth::elements(bench, 3)),
    // Clients
    row("client-bare", "a client, no credential", client::bare).by_itself(),
    row("client-token", "a client, its token fetched before", client::token).over("client-bare"),
    row("client-token-once", "the same, where no request is sent twice", client::token_once)
        .over("client-bare"),
    row("client-signed", "a client, its JWT signed before", client::signed).over("client-bare"),
    row("client-signed-once", "the same, where no request is sent twice", client::signed_once)
        .over("client-bare"),
    row("client-basic", "a client, Basic", client::basic).over("client-bare"),
    // Peers
    #[cfg(feature = "peers")]
    row("route-axum-07", "the unprotected route of axum 0.7", peers::route_of_axum_07).by_itself(),
    #[cfg(feature = "peers")]
    row("tower-oauth2", "tower-oauth2-resource-server 0.12, RS256", |bench| peers::tower_oauth2(bench, rsa))
        .slow(),
    #[cfg(feature = "peers")]
    row("tower-oauth2-es256", "tower-oauth2-resource-server 0.12, ES256", |bench| {
        peers::tower_oauth2(bench, p256)
    })
    .slow(),
    #[cfg(feature = "peers")]
    row("tower-oauth2-eddsa", "tower-oauth2-resource-server 0.12, EdDSA", |bench| {
        peers::tower_oauth2(bench, ed25519)
    })
    .slow(),
    #[cfg(feature = "peers")]
    row("jwt-authorizer", "jwt-authorizer 0.15, RS256", |bench| peers::jwt_authorizer(bench, rsa))
        .over("route-axum-07")
        .slow(),
    #[cfg(feature = "peers")]
    row("jwt-authorizer-es256", "jwt-authorizer 0.15, ES256", |bench| peers::jwt_authorizer(bench, p256))
        .over("route-axum-07")
        .slow(),
    #[cfg(feature = "peers")]
    row("jwt-authorizer-eddsa", "jwt-authorizer 0.15, EdDSA", |bench| peers::jwt_authorizer(bench, ed25519))
        .over("route-axum-07")
        .slow(),
    #[cfg(feature = "peers")]
    row("oauth-resource-server", "oauth-resource-server 0.4, RS256", |bench| {
        peers::oauth_resource_server(bench, rsa)
    })
    .slow(),
    #[cfg(feature = "peers")]
    row("oauth-resource-server-es256", "oauth-resource-server 0.4, ES256", |bench| {
        peers::oauth_resource_server(bench, p256)
    })
    .slow(),
    #[cfg(feature = "peers")]
    row("oauth-resource-server-eddsa", "oauth-resource-server 0.4, EdDSA", |bench| {
        peers::oauth_resource_server(bench, ed25519)
    })
    .slow(),
    #[cfg(feature = "peers")]
    row("huskarl", "huskarl-resource-server 0.11, RS256", |bench| peers::huskarl(bench, rsa)).slow(),
    #[cfg(feature = "peers")]
    row("huskarl-es256", "huskarl-resource-server 0.11, ES256", |bench| peers::huskarl(bench, p256)).slow(),
    #[cfg(feature = "peers")]
    row("huskarl-eddsa", "huskarl-resource-server 0.11, EdDSA", |bench| peers::huskarl(bench, ed25519))
        .slow(),
];

pub fn find(id: &str) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.id == id)
}
