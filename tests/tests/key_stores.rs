//! Keys, certificates and stores made on the spot by keytool and openssl, used over HTTPS.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

use std::path::Path;

use portcullis_tests::{Program, Running, TempDir, curl, temp_dir, tool, try_curl, write};

/// Runs keytool or openssl in a folder.
fn run(folder: &Path, program: &str, arguments: &str) {
    let script = format!("cd '{}' && {program} {arguments}", folder.display());
    tool("sh", ["-c", &script]);
}

/// A gateway that answers, with this `secureSocket` and these elements.
fn serve(folder: &TempDir, socket: &str, auth: &str) -> (Running, String) {
    let config = format!(
        r#"
[listener]
address = "127.0.0.1:0"
secureSocket = {socket}

[[auth.users]]
username = "alice"
password = "password1"
scopes = ["hello"]

[services."/foo"]
respond = "Hello, World!"
auth = [{auth}]
"#
    );
    let file = write(folder, "Config.toml", config);
    let mut running = Program::new("portcullis").arg("serve").arg("--config").arg(file).start();
    let url = format!("https://localhost:{}/foo", running.address().port());
    (running, url)
}

const FILE: &str = "{ scopes = \"hello\", fileUserStoreConfig = {} }";

const NAMES: &str = "-ext SAN=dns:localhost,ip:127.0.0.1";

#[test]
fn a_listener_shows_the_certificate_of_any_store() {
    let folder = temp_dir();
    let path = folder.path();
    let pair = format!(
        "-genkeypair -alias server -keyalg RSA -keysize 2048 -dname CN=localhost {NAMES} -validity 30 -storetype PKCS12 -storepass changeit"
    );
    run(path, "keytool", &format!("{pair} -keystore java.p12"));
    run(path, "keytool", &format!("-J-Dkeystore.pkcs12.legacy {pair} -keystore legacy.p12"));
    run(
        path,
        "keytool",
        &format!(
            "{} -keystore ec.p12",
            pair.replace("-keyalg RSA -keysize 2048", "-keyalg EC -groupname secp256r1")
        ),
    );
    run(
        path,
        "openssl",
        "req -x509 -newkey rsa:2048 -keyout key.pem -out cert.pem -days 30 -nodes -subj /CN=localhost -addext subjectAltName=DNS:localhost -batch",
    );
    run(
        path,
        "openssl",
        "pkcs12 -export -inkey key.pem -in cert.pem -name server -passout pass:changeit -out openssl.p12",
    );
    run(path, "openssl", "pkcs8 -topk8 -in key.pem -v2 aes256 -passout pass:keypass -out key.pbes2.pem");
    run(
        path,
        "openssl",
        "pkcs8 -topk8 -in key.pem -v1 PBE-SHA1-3DES -passout pass:keypass -out key.pbe3des.pem",
    );
    run(path, "openssl", "rsa -in key.pem -aes256 -traditional -passout pass:keypass -out key.proctype.pem");
    for (socket, certificate) in [
        ("{ key = { path = \"java.p12\", password = \"changeit\" } }", None),
        ("{ key = { path = \"legacy.p12\", password = \"changeit\", alias = \"server\" } }", None),
        ("{ key = { path = \"ec.p12\", password = \"changeit\" } }", None),
        ("{ key = { path = \"openssl.p12\", password = \"changeit\" } }", Some("cert.pem")),
        ("{ key = { certFile = \"cert.pem\", keyFile = \"key.pem\" } }", Some("cert.pem")),
        (
            "{ key = { certFile = \"cert.pem\", keyFile = \"key.pbes2.pem\", keyPassword = \"keypass\" } }",
            Some("cert.pem"),
        ),
        (
            "{ key = { certFile = \"cert.pem\", keyFile = \"key.pbe3des.pem\", keyPassword = \"keypass\" } }",
            Some("cert.pem"),
        ),
        (
            "{ key = { certFile = \"cert.pem\", keyFile = \"key.proctype.pem\", keyPassword = \"keypass\" } }",
            Some("cert.pem"),
        ),
    ] {
        let (_running, url) = serve(&folder, socket, FILE);
        for version in ["--tlsv1.2", "--tlsv1.3"] {
            let maximum = version.trim_start_matches("--tlsv");
            let answer = curl(["-k", version, "--tls-max", maximum, "-u", "alice:password1", &url]);
            assert_eq!((answer.status, answer.text()), (200, "Hello, World!"), "{socket} {version}");
        }
        if let Some(certificate) = certificate {
            // Not `-k`: curl checks chain and name.
            let certificate = path.join(certificate).display().to_string();
            assert_eq!(curl(["--cacert", &certificate, &url]).status, 401, "{socket}");
        }
    }
}

#[test]
fn a_store_that_cannot_be_opened_is_told_with_the_remedy_and_without_the_password() {
    let folder = temp_dir();
    run(
        folder.path(),
        "keytool",
        "-genkeypair -alias server -keyalg EC -groupname secp256r1 -dname CN=localhost -storetype PKCS12 -storepass changeit -keystore java.p12",
    );
    run(
        folder.path(),
        "keytool",
        "-genkeypair -alias server -keyalg EC -groupname secp256r1 -dname CN=localhost -storetype JKS -storepass changeit -keystore old.jks",
    );
    for (key, expected) in [
        ("path = \"java.p12\", password = \"canary-7f3a\"", "password"),
        ("path = \"java.p12\", password = \"changeit\", alias = \"other\"", "server"),
        ("path = \"old.jks\", password = \"changeit\"", "-deststoretype pkcs12"),
        ("path = \"missing.p12\", password = \"changeit\"", "missing.p12"),
    ] {
        let config = format!(
            "[listener]\nsecureSocket = {{ key = {{ {key} }} }}\n[services.\"/foo\"]\npublic = true\nrespond = \"x\"\n"
        );
        let file = write(&folder, "Config.toml", config);
        let finished = Program::new("portcullis").arg("check").arg(file).run();
        assert_eq!(finished.code, Some(1), "{key}");
        let said = format!("{}{}", finished.stdout, finished.stderr);
        assert!(said.contains(expected) && said.contains("listener.secureSocket.key"), "{key}: {said}");
        assert!(!said.contains("canary"), "{said}");
    }
}

/// An authority, a certificate by it, and one by another authority.
fn authority(folder: &Path) {
    for name in ["ca", "other"] {
        run(
            folder,
            "openssl",
            &format!(
                "req -x509 -newkey rsa:2048 -keyout {name}.key -out {name}.pem -days 30 -nodes -subj /CN={name} -addext keyUsage=critical,keyCertSign -batch"
            ),
        );
        run(
            folder,
            "openssl",
            &format!(
                "req -newkey rsa:2048 -keyout {name}-client.key -out {name}-client.csr -nodes -subj /CN={name}-client -batch"
            ),
        );
        write(folder, "client.ext", "basicConstraints=CA:FALSE\nextendedKeyUsage=clientAuth\n");
        run(
            folder,
            "openssl",
            &format!(
                "x509 -req -in {name}-client.csr -CA {name}.pem -CAkey {name}.key -CAcreateserial -days 30 -extfile client.ext -out {name}-client.pem"
            ),
        );
    }
    run(
        folder,
        "keytool",
        "-importcert -noprompt -alias ca -file ca.pem -storetype PKCS12 -storepass changeit -keystore trust.p12",
    );
}

#[test]
fn client_certificates_are_required_or_optional_and_never_a_principal() {
    let folder = temp_dir();
    let path = folder.path();
    authority(path);
    let file = |name: &str| path.join(name).display().to_string();
    let (good, good_key) = (file("ca-client.pem"), file("ca-client.key"));
    let (bad, bad_key) = (file("other-client.pem"), file("other-client.key"));
    for cert in ["\"ca.pem\"", "{ path = \"trust.p12\", password = \"changeit\" }"] {
        for mode in ["REQUIRE", "OPTIONAL"] {
            let socket = format!(
                "{{ selfSigned = true, mutualSsl = {{ verifyClient = \"{mode}\", cert = {cert} }} }}"
            );
            let (_running, url) = serve(&folder, &socket, FILE);
            let ask = |more: &[&str]| {
                let mut all = vec!["-k"];
                all.extend(more);
                all.push(&url);
                try_curl(all).map(|answer| answer.status)
            };
            assert_eq!(
                ask(&["-E", &good, "--key", &good_key, "-u", "alice:password1"]),
                Ok(200),
                "{mode} {cert}"
            );
            // The certificate alone makes no caller.
            assert_eq!(ask(&["-E", &good, "--key", &good_key]), Ok(401), "{mode} {cert}");
            // A bad one fails the handshake in both modes.
            assert!(ask(&["-E", &bad, "--key", &bad_key, "-u", "alice:password1"]).is_err(), "{mode} {cert}");
            let without = ask(&["-u", "alice:password1"]);
            if mode == "REQUIRE" {
                assert!(without.is_err(), "{mode} {cert}");
            } else {
                assert_eq!(without, Ok(200), "{mode} {cert}");
            }
        }
    }
}

#[test]
fn a_token_is_verified_by_the_certificate_of_a_trust_store() {
    let folder = temp_dir();
    let path = folder.path();
    let pair = "-genkeypair -alias signer -keyalg RSA -keysize 2048 -dname CN=signer -validity 30 -storetype PKCS12 -storepass changeit";
    for (flag, name) in [("", "java"), ("-J-Dkeystore.pkcs12.legacy", "legacy")] {
        run(path, "keytool", &format!("{flag} {pair} -keystore {name}.p12"));
        run(
            path,
            "keytool",
            &format!(
                "-exportcert -rfc -alias signer -storepass changeit -keystore {name}.p12 -file {name}.pem"
            ),
        );
        run(
            path,
            "keytool",
            &format!(
                "{flag} -importcert -noprompt -alias Trusted -file {name}.pem -storetype PKCS12 -storepass changeit -keystore {name}-trust.p12"
            ),
        );
    }
    let token = |name: &str| {
        let issuer = format!(
            "issuer = \"wso2\"\naudience = \"ballerina\"\nusername = \"john\"\ncustomClaims = {{ scp = \"hello\" }}\n\
             signatureConfig = {{ algorithm = \"RS256\", config = {{ keyStore = {{ path = \"{name}.p12\", password = \"changeit\" }}, keyAlias = \"signer\", keyPassword = \"changeit\" }} }}\n"
        );
        let file = write(&folder, "issuer.toml", issuer);
        let finished = Program::new("portcullis").args(["token", "issue", "--config"]).arg(file).run();
        assert_eq!(finished.code, Some(0), "{}", finished.stderr);
        format!("Authorization: Bearer {}", finished.stdout.trim())
    };
    let element = |name: &str| {
        format!(
            "{{ scopes = \"hello\", jwtValidatorConfig = {{ issuer = \"wso2\", audience = \"ballerina\", scopeKey = \"scp\", \
             signatureConfig = {{ trustStoreConfig = {{ trustStore = {{ path = \"{name}-trust.p12\", password = \"changeit\" }}, certAlias = \"trusted\" }} }} }} }}"
        )
    };
    for (name, other) in [("java", "legacy"), ("legacy", "java")] {
        let (_running, url) = serve(&folder, "{ selfSigned = true }", &element(name));
        assert_eq!(curl(["-k", "-H", &token(name), &url]).status, 200, "{name}");
        assert_eq!(curl(["-k", "-H", &token(other), &url]).status, 401, "{name}");
    }
}
