//! Certificates that are trusted as they are, without an authority.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod common;

use std::sync::Arc;

use common::path;
use common::tls::{
    At, Authority, Failed, NOW, VERSIONS, anchors, assert_expired, assert_wrong_name, handshake, identity,
    invalid, now, params, plain_client, plain_server, refused, self_signed,
};
use portcullis_keys::{ClientTls, Identity, ServerTls, TrustAnchors};
use rcgen::{BasicConstraints, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::CertificateError;
use rustls::version::TLS13;

/// What `cert = "server.crt"` means to who writes it, whoever issued the certificate.
#[test]
fn the_servers_own_certificate_can_be_what_is_trusted() {
    let authority = Authority::new("authority");
    let mut ca_bit = params(&["localhost"]);
    ca_bit.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let mut no_ca_bit = params(&["localhost"]);
    no_ca_bit.is_ca = IsCa::ExplicitNoCa;
    for (what, server) in [
        ("issued by an authority", authority.server()),
        ("self-signed", self_signed(&params(&["localhost"]))),
        ("self-signed and no authority", self_signed(&no_ca_bit)),
        ("self-signed and an authority, as `openssl req -x509` makes it", self_signed(&ca_bit)),
    ] {
        let client = |now| {
            ClientTls::new(anchors([server.certificate()])).time_provider(Arc::new(At(now))).build().unwrap()
        };
        for version in VERSIONS {
            let config = plain_server(version, &server);
            handshake(client(NOW), &config, "localhost").unwrap_or_else(|error| panic!("{what}: {error:?}"));
            assert_wrong_name(&refused(handshake(client(NOW), &config, "example.org")));
            assert_expired(&refused(handshake(client(NOW * 2), &config, "localhost")));
            // A new key for the same name is not the certificate that was named.
            let other = plain_server(version, &self_signed(&params(&["localhost"])));
            refused(handshake(client(NOW), &other, "localhost"));
        }
    }
}

#[test]
fn a_pinned_certificate_is_held_to_its_purpose() {
    let mut for_clients = params(&["localhost"]);
    for_clients.is_ca = IsCa::ExplicitNoCa;
    for_clients.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let server = self_signed(&for_clients);
    let client = ClientTls::new(anchors([server.certificate()])).time_provider(now()).build().unwrap();
    let failed = refused(handshake(client, &plain_server(&TLS13, &server), "localhost"));
    assert_eq!(failed, Failed::Client(invalid(CertificateError::InvalidPurpose)));
}

/// Who may present a certificate may not issue others with its key.
#[test]
fn a_pinned_certificate_is_no_authority() {
    let mut leaf = params(&["localhost"]);
    leaf.is_ca = IsCa::ExplicitNoCa;
    let mut authority_for_signatures_only = params(&["localhost"]);
    authority_for_signatures_only.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority_for_signatures_only.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    for leaf in [leaf, authority_for_signatures_only] {
        let key = KeyPair::generate().unwrap();
        let pinned = identity(&key, leaf.self_signed(&key).unwrap().der());
        let forged = Authority { certificate: pinned.certificate().clone(), issuer: Issuer::new(leaf, key) }
            .issue(&params(&["example.org"]));
        let client = ClientTls::new(anchors([pinned.certificate()])).time_provider(now()).build().unwrap();
        let failed = refused(handshake(client, &plain_server(&TLS13, &forged), "example.org"));
        assert_eq!(failed, Failed::Client(invalid(CertificateError::UnknownIssuer)));
    }
}

#[test]
fn a_clients_own_certificate_can_be_what_is_trusted() {
    let authority = Authority::new("authority");
    let mut ca_bit = params(&["someone"]);
    ca_bit.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    for known in [self_signed(&ca_bit), authority.issue(&params(&["someone"]))] {
        let server = ServerTls::new(authority.server())
            .require_client_certificate(anchors([known.certificate()]))
            .time_provider(now())
            .build()
            .unwrap();
        for version in VERSIONS {
            let client = |identity: &Identity| plain_client(version, &authority.certificate, Some(identity));
            handshake(client(&known), &server, "localhost").unwrap();
            let other = authority.issue(&params(&["someone"]));
            let failed = refused(handshake(client(&other), &server, "localhost"));
            assert_eq!(failed, Failed::Server(invalid(CertificateError::UnknownIssuer)));
        }
    }
}

/// Their certificate names `localhost` in its common name only, which no check of names looks at.
#[test]
fn the_certificate_of_ballerina_serves_as_a_clients_and_not_as_a_servers() {
    let ballerina =
        Identity::from_files(path("ballerina/public.crt"), path("ballerina/private.key"), None).unwrap();
    let trusted = || TrustAnchors::from_file(path("ballerina/public.crt")).unwrap();
    let client = ClientTls::new(trusted()).time_provider(now()).build().unwrap();
    assert_wrong_name(&refused(handshake(client, &plain_server(&TLS13, &ballerina), "localhost")));

    let authority = Authority::new("authority");
    let server =
        ServerTls::new(authority.server()).require_client_certificate(trusted()).time_provider(now()).build();
    let server = server.unwrap();
    for version in VERSIONS {
        handshake(plain_client(version, &authority.certificate, Some(&ballerina)), &server, "localhost")
            .unwrap();
    }
}
