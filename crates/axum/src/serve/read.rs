//! `[listener]` of a configuration.

use std::net::SocketAddr;

use portcullis_core::{Clock, SystemClock, UnixTime, config::Section};

use super::{
    ListenerConfig, TrustedProxies,
    config::{
        INSECURE, LONGEST, MAX_CONNECTIONS, MAX_HEADER_BYTES, MIN_HEADER_BYTES, REMOTE_ADMIN, is_loopback,
    },
    read_tls,
};

const LIMITS: [&str; 6] = [
    "handshakeTimeout",
    "headerTimeout",
    "idleTimeout",
    "maxConnections",
    "maxHeaderBytes",
    "maxConcurrentStreams",
];

impl ListenerConfig {
    /// Reads `[listener]`; absent, it is the default. Key files are read, too, and a self-signed certificate is made.
    ///
    /// `None` where something is wrong, which is then noted with the section's reader.
    #[must_use]
    pub fn read(section: Option<&Section<'_>>) -> Option<Self> {
        Self::read_at(section, SystemClock::new().now())
    }

    /// The same at another time: it decides whether a certificate is still good.
    #[must_use]
    pub fn read_at(section: Option<&Section<'_>>, now: UnixTime) -> Option<Self> {
        let mut config = Self::default();
        let Some(section) = section else { return Some(config) };

        for (key, where_to) in [
            ("port", "write it into `listener.address`, as in \"127.0.0.1:9090\""),
            ("host", "write it into `listener.address`, as in \"127.0.0.1:9090\""),
        ] {
            section.belongs_elsewhere(key, where_to);
        }

        if let Some(address) = address(section, "address") {
            config.address = address;
        }
        config.allow_insecure_http = section.boolean("allowInsecureHttp", false);
        read_limits(section, &mut config);
        if let Some(proxies) = section.strings("trustedProxies") {
            config.trusted_proxies = trusted_proxies(section, &proxies);
        }
        if let Some(socket) = section.section("secureSocket") {
            // After Ballerina, where this one limit stands inside.
            for limit in LIMITS {
                socket.belongs_elsewhere(limit, "move it to `listener`");
            }
            config.tls = read_tls::read(&socket, now);
        } else if !section.has("secureSocket") && !is_loopback(config.address.ip()) {
            if config.allow_insecure_http {
                section.warn(
                    "allowInsecureHttp",
                    "credentials cross the network in clear text up to the proxy that ends TLS",
                );
            } else {
                section.problem("address", INSECURE);
            }
        }
        if let Some(admin) = section.section("admin") {
            read_admin(&admin, &mut config);
        }
        (!section.failed()).then_some(config)
    }
}

fn read_limits(section: &Section<'_>, config: &mut ListenerConfig) {
    let limits = &mut config.limits;
    for (key, limit) in [
        ("handshakeTimeout", &mut limits.handshake),
        ("headerTimeout", &mut limits.header),
        ("idleTimeout", &mut limits.idle),
    ] {
        match section.duration(key) {
            Some(span) if span.is_zero() || span > LONGEST => {
                section
                    .problem(key, "a time-out is more than zero and at most a day: nothing waits for ever");
            }
            Some(span) => *limit = span,
            None => {}
        }
    }
    if let Some(count) = section.size("maxConnections", 1..=MAX_CONNECTIONS) {
        limits.connections = count;
    }
    if let Some(bytes) = section.size("maxHeaderBytes", MIN_HEADER_BYTES..=MAX_HEADER_BYTES) {
        limits.header_bytes = bytes;
    }
    if let Some(count) = section.size("maxConcurrentStreams", 1..=10_000) {
        limits.streams = u32::try_from(count).unwrap_or(limits.streams);
    }
}

fn read_admin(section: &Section<'_>, config: &mut ListenerConfig) {
    config.allow_remote_admin = section.boolean("allowRemote", false);
    if !section.has("address") {
        section.problem("address", "required, and missing");
    }
    let Some(address) = address(section, "address") else { return };
    if !is_loopback(address.ip()) {
        if config.allow_remote_admin {
            section
                .warn("allowRemote", "whoever reaches this address reads the metrics, without a credential");
        } else {
            section.problem("address", REMOTE_ADMIN);
        }
    }
    if address == config.address && address.port() != 0 {
        section.problem("address", "this is the address of the service itself: choose another port");
    }
    config.admin = Some(address);
}

fn address(section: &Section<'_>, key: &str) -> Option<SocketAddr> {
    let text = section.string(key)?;
    // The one name that means the same everywhere; any other would need a look-up.
    let number = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
    let parsed = number.as_deref().unwrap_or(&text).parse();
    if parsed.is_err() {
        section.problem(
            key,
            format!("{text:?} is not an address to listen on: write an IP address and a port, such as \"127.0.0.1:9090\", \"0.0.0.0:9090\" or \"[::1]:9090\""),
        );
    }
    parsed.ok()
}

fn trusted_proxies(section: &Section<'_>, texts: &[String]) -> TrustedProxies {
    let mut nets = Vec::with_capacity(texts.len());
    for text in texts {
        match TrustedProxies::parse(text) {
            Ok(net) => {
                if net.prefix_len() == 0 {
                    section.warn(
                        "trustedProxies",
                        format!("{text:?} is everybody: any client can then claim any address"),
                    );
                }
                nets.push(net);
            }
            Err(error) => section.problem("trustedProxies", error.to_string()),
        }
    }
    TrustedProxies::from(nets)
}
