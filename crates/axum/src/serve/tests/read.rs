//! `[listener]` as a configuration writes it.

use std::{path::Path, time::Duration};

use portcullis_core::{
    UnixTime,
    config::{Node, Reader, Table},
};
use rcgen::{CertificateParams, KeyPair};

use crate::serve::ListenerConfig;

const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

fn table<N: Into<Node>>(entries: impl IntoIterator<Item = (&'static str, N)>) -> Table {
    let mut table = Table::default();
    for (key, node) in entries {
        table.insert(key, node);
    }
    table
}

/// What is read, the problems, and the warnings.
fn read_in(base: &Path, table: &Table) -> (Option<ListenerConfig>, Vec<String>, Vec<String>) {
    let reader = Reader::new(base);
    let section = reader.section(table, "listener");
    let config = ListenerConfig::read_at(Some(&section), NOW);
    drop(section);
    let warnings = reader.warnings().iter().map(ToString::to_string).collect();
    (config, reader.into_problems().iter().map(ToString::to_string).collect(), warnings)
}

fn read(table: &Table) -> (Option<ListenerConfig>, Vec<String>, Vec<String>) {
    read_in(Path::new("/nowhere"), table)
}

/// A folder with `server.crt` and `server.key`, good for `days` around now.
fn folder(days: i64) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let now = rcgen::date_time_ymd(2027, 1, 15);
    params.not_before = now - Duration::from_secs(86_400 * 365);
    params.not_after = if days < 0 {
        now - Duration::from_secs(86_400 * days.unsigned_abs())
    } else {
        now + Duration::from_secs(86_400 * days.unsigned_abs())
    };
    let certificate = params.self_signed(&key).unwrap();
    std::fs::write(folder.path().join("server.crt"), certificate.pem()).unwrap();
    std::fs::write(folder.path().join("server.key"), key.serialize_pem()).unwrap();
    restrict(&folder.path().join("server.key"));
    folder
}

#[cfg(unix)]
fn restrict(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

#[cfg(not(unix))]
fn restrict(_: &Path) {}

fn key_files() -> Table {
    table([("certFile", "server.crt"), ("keyFile", "server.key")])
}

#[test]
fn without_a_section_it_is_plain_http_on_loopback() {
    let config = ListenerConfig::read(None).unwrap();
    assert_eq!(config.address().to_string(), "127.0.0.1:9090");
    assert!(!config.is_secure());
    assert_eq!(config.admin_address(), None);
    let (config, problems, warnings) = read(&Table::default());
    assert_eq!(config.unwrap().address().to_string(), "127.0.0.1:9090");
    assert_eq!((problems, warnings), (vec![], vec![]));
}

#[test]
fn every_limit_is_read() {
    let (config, problems, warnings) = read(&table([
        ("address", Node::from("[::1]:8443")),
        ("handshakeTimeout", 5.into()),
        ("headerTimeout", "500ms".into()),
        ("idleTimeout", "2m".into()),
        ("maxConnections", 7.into()),
        ("maxHeaderBytes", 16384.into()),
        ("maxConcurrentStreams", 9.into()),
        ("trustedProxies", vec!["10.0.0.0/8", "2001:db8::1"].into()),
        ("admin", table([("address", "localhost:9091")]).into()),
    ]));
    assert_eq!((problems, warnings), (vec![], vec![]));
    let config = config.unwrap();
    assert_eq!(config.address().to_string(), "[::1]:8443");
    assert_eq!(config.limits.handshake, Duration::from_secs(5));
    assert_eq!(config.limits.header, Duration::from_millis(500));
    assert_eq!(config.limits.idle, Duration::from_secs(120));
    assert_eq!(config.limits.connections, 7);
    assert_eq!(config.limits.header_bytes, 16384);
    assert_eq!(config.limits.streams, 9);
    assert!(config.trusted_proxies().contains([10, 1, 1, 1].into()));
    assert_eq!(config.admin_address().unwrap().to_string(), "127.0.0.1:9091");
}

#[test]
fn all_mistakes_are_told_at_once() {
    let (config, mut problems, _) = read(&table([
        ("address", Node::from("example.org:9090")),
        ("port", 9090.into()),
        ("idleTimeout", 0.into()),
        ("headerTimeout", "2d".into()),
        ("maxConnections", 0.into()),
        ("maxHeaderBytes", 100.into()),
        ("maxConcurrentStreams", (-1).into()),
        ("trustedProxies", vec!["10.0.0.0/8", "proxy"].into()),
        ("secureSockets", table::<Node>([]).into()),
        ("admin", table::<Node>([]).into()),
    ]));
    assert!(config.is_none());
    problems.sort();
    assert_eq!(
        problems,
        [
            "listener.address: \"example.org:9090\" is not an address to listen on: write an IP address and a port, such as \"127.0.0.1:9090\", \"0.0.0.0:9090\" or \"[::1]:9090\"",
            "listener.admin.address: required, and missing",
            "listener.headerTimeout: a time-out is more than zero and at most a day: nothing waits for ever",
            "listener.idleTimeout: a time-out is more than zero and at most a day: nothing waits for ever",
            "listener.maxConcurrentStreams: -1 is out of bounds: from 1 to 10000",
            "listener.maxConnections: 0 is out of bounds: from 1 to 1000000",
            "listener.maxHeaderBytes: 100 is out of bounds: from 8192 to 262144",
            "listener.port: does not belong here: write it into `listener.address`, as in \"127.0.0.1:9090\"",
            "listener.secureSockets: unknown key; did you mean `secureSocket`?",
            "listener.trustedProxies: \"proxy\" is neither an address nor a network in CIDR notation, such as \"10.0.0.0/8\"",
        ]
    );
}

#[test]
fn plain_http_that_other_machines_reach_is_refused_unless_allowed_by_name() {
    for address in ["0.0.0.0:9090", "[::]:9090", "192.0.2.1:80"] {
        let (config, problems, _) = read(&table([("address", address)]));
        assert!(config.is_none());
        assert_eq!(
            problems,
            [
                "listener.address: other machines reach this address, and plain HTTP would show them every credential: set `secureSocket`, listen on 127.0.0.1, or, where a proxy ends TLS, set `allowInsecureHttp = true`"
            ]
        );
        let (config, problems, warnings) =
            read(&table([("address", Node::from(address)), ("allowInsecureHttp", true.into())]));
        assert!(config.is_some());
        assert_eq!(problems, Vec::<String>::new());
        assert_eq!(
            warnings,
            [
                "listener.allowInsecureHttp: credentials cross the network in clear text up to the proxy that ends TLS"
            ]
        );
    }
    for address in ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "[::ffff:127.0.0.1]:1", "localhost:1"] {
        assert_eq!(read(&table([("address", address)])).1, Vec::<String>::new(), "{address}");
    }
}

#[test]
fn an_admin_address_that_other_machines_reach_is_refused_unless_allowed_by_name() {
    let admin = |entries: Vec<(&'static str, Node)>| table([("admin", table(entries))]);
    let (_, problems, _) = read(&admin(vec![("address", "0.0.0.0:9091".into())]));
    assert_eq!(
        problems,
        [
            "listener.admin.address: other machines reach this address, and metrics are shown without a credential: listen on 127.0.0.1, or set `admin.allowRemote = true`"
        ]
    );
    let (config, problems, warnings) =
        read(&admin(vec![("address", "0.0.0.0:9091".into()), ("allowRemote", true.into())]));
    assert!(config.is_some() && problems.is_empty(), "{problems:?}");
    assert_eq!(
        warnings,
        ["listener.admin.allowRemote: whoever reaches this address reads the metrics, without a credential"]
    );
    let (_, problems, _) = read(&admin(vec![("address", "127.0.0.1:9090".into())]));
    assert_eq!(
        problems,
        ["listener.admin.address: this is the address of the service itself: choose another port"]
    );
}

#[test]
fn whoever_trusts_everybody_is_told() {
    let (config, _, warnings) = read(&table([("trustedProxies", "0.0.0.0/0")]));
    assert!(config.is_some());
    assert_eq!(
        warnings,
        ["listener.trustedProxies: \"0.0.0.0/0\" is everybody: any client can then claim any address"]
    );
}

#[test]
fn a_certificate_and_its_key_make_https_also_for_other_machines() {
    let folder = folder(100);
    let (config, problems, warnings) = read_in(
        folder.path(),
        &table([
            ("address", Node::from("0.0.0.0:443")),
            ("secureSocket", table([("key", key_files())]).into()),
        ]),
    );
    assert_eq!((problems, warnings), (vec![], vec![]));
    assert!(config.unwrap().is_secure());
}

#[test]
fn an_expired_certificate_is_served_and_warned_of() {
    let folder = folder(-3);
    let (config, problems, warnings) =
        read_in(folder.path(), &table([("secureSocket", table([("key", key_files())]))]));
    assert!(config.is_some(), "{problems:?}");
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(
        warnings[0].starts_with("listener.secureSocket.key.certFile: the certificate of "),
        "{warnings:?}"
    );
    assert!(warnings[0].contains(" expired on 2027-01-12T"), "{warnings:?}");
}

#[test]
fn a_self_signed_certificate_is_made_and_warned_of() {
    let (config, problems, warnings) = read(&table([("secureSocket", table([("selfSigned", true)]))]));
    assert!(config.unwrap().is_secure());
    assert_eq!(problems, Vec::<String>::new());
    assert_eq!(
        warnings,
        [
            "listener.secureSocket.selfSigned: the certificate is made anew at every start and nobody trusts it: for trying things out only"
        ]
    );
}

#[test]
fn what_makes_no_certificate_is_told_where_and_why() {
    let folder = folder(100);
    std::fs::write(folder.path().join("empty"), "").unwrap();
    let files = |cert: &str, key: &str| table([("certFile", Node::from(cert)), ("keyFile", key.into())]);
    let store = |entries: Vec<(&'static str, Node)>| table([("key", table(entries))]);
    let cases: Vec<(Table, &str)> = vec![
        (table::<Node>([]), "listener.secureSocket: needs a certificate: `key = "),
        (table([("selfSigned", false)]), "listener.secureSocket: needs a certificate: `key = "),
        (
            table([("selfSigned", Node::from(true)), ("key", key_files().into())]),
            "listener.secureSocket.selfSigned: `key` and `selfSigned = true` exclude each other: keep one of them",
        ),
        (store(vec![]), "listener.secureSocket.key: needs exactly one of `certFile` and `path`"),
        (
            store(vec![("certFile", "a".into()), ("path", "b".into())]),
            "listener.secureSocket.key.path: `certFile` and `path` exclude each other: keep one of them",
        ),
        (
            store(vec![("certFile", "server.crt".into())]),
            "listener.secureSocket.key.keyFile: required, and missing",
        ),
        (
            store(vec![("path", "server.p12".into())]),
            "listener.secureSocket.key.password: required, and missing",
        ),
        (table([("key", files("nowhere.crt", "server.key"))]), "listener.secureSocket.key.certFile: "),
        (table([("key", files("empty", "server.key"))]), "empty: the file is empty"),
        (
            store(vec![("path", "server.crt".into()), ("password", "canary-secret".into())]),
            "server.crt: the file is not a PKCS#12 key store",
        ),
        (
            table([("key", Node::from(key_files())), ("protocol", table([("name", "http:SSL")]).into())]),
            "listener.secureSocket.protocol.name: \"http:SSL\" is not offered: \"TLS\" is",
        ),
        (
            table([
                ("key", Node::from(key_files())),
                ("protocol", table([("versions", vec!["TLSv1.1", "TLSv1.2"])]).into()),
            ]),
            "listener.secureSocket.protocol.versions: TLS 1.2 and 1.3 are offered, always both: name \"TLSv1.2\" and \"TLSv1.3\", or remove `protocol`",
        ),
        (
            table([("key", Node::from(key_files())), ("protocol", table([("versions", "TLSv1.3")]).into())]),
            "listener.secureSocket.protocol.versions: TLS 1.2 and 1.3 are offered, always both",
        ),
        (
            table([("key", Node::from(key_files())), ("ciphers", "TLS_RSA_WITH_AES_128_CBC_SHA".into())]),
            "listener.secureSocket.ciphers: \"TLS_RSA_WITH_AES_128_CBC_SHA\" is not offered. Those that are need no configuration: remove `ciphers`",
        ),
        (
            table([("key", Node::from(key_files())), ("mutualSsl", table::<Node>([]).into())]),
            "listener.secureSocket.mutualSsl.cert: required, and missing",
        ),
        (
            table([
                ("key", Node::from(key_files())),
                ("mutualSsl", table([("cert", "server.crt"), ("verifyClient", "NEVER")]).into()),
            ]),
            "listener.secureSocket.mutualSsl.verifyClient: \"NEVER\" is not one of \"REQUIRE\", \"OPTIONAL\"",
        ),
        (
            table([("key", Node::from(key_files())), ("handshakeTimeout", 5.into())]),
            "listener.secureSocket.handshakeTimeout: does not belong here: move it to `listener`",
        ),
        (
            table([("key", Node::from(key_files())), ("certValidation", table::<Node>([]).into())]),
            "listener.secureSocket.certValidation: unknown key",
        ),
    ];
    for (socket, expected) in cases {
        let (config, problems, _) = read_in(folder.path(), &table([("secureSocket", socket)]));
        assert_eq!(problems.len(), 1, "{expected}: {problems:?}");
        assert!(problems[0].contains(expected), "{expected}: {problems:?}");
        assert!(!problems[0].contains("canary"), "{problems:?}");
        assert!(config.is_none() || problems[0].contains("unknown key"), "{problems:?}");
    }
}

#[test]
fn what_ballerina_writes_of_tls_is_taken_where_it_is_what_is_offered() {
    let folder = folder(100);
    let mutual = |verify: &'static str| table([("verifyClient", verify), ("cert", "server.crt")]);
    for (key, node, warning) in [
        (
            "protocol",
            Node::from(table([
                ("name", Node::from("http:TLS")),
                ("versions", vec!["TLSv1.3", "TLSv1.2"].into()),
            ])),
            None,
        ),
        (
            "ciphers",
            vec!["TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"].into(),
            Some("listener.secureSocket.ciphers: accepted and not needed: always offered are "),
        ),
        ("mutualSsl", mutual("http:REQUIRE").into(), None),
        ("mutualSsl", mutual("OPTIONAL").into(), None),
        ("mutualSsl", table([("cert", "server.crt")]).into(), None),
    ] {
        let socket = table([("key", Node::from(key_files())), (key, node)]);
        let (config, problems, warnings) = read_in(folder.path(), &table([("secureSocket", socket)]));
        assert!(config.is_some(), "{key}: {problems:?}");
        assert_eq!(warnings.len(), usize::from(warning.is_some()), "{warnings:?}");
        assert!(warning.is_none_or(|warning| warnings[0].starts_with(warning)), "{warnings:?}");
    }
}
