//! The structure of a PKCS#12 file (RFC 7292, section 4).
//!
//! The crates that read it do so with few limits: a scrypt parameter of zero makes them panic, and they bound the
//! iterations of each part but not their number, so that one small file can take hours. Here every derivation is paid
//! from one budget before any is done, and private keys stay encrypted until they are asked for.

use pkcs8::der::Tag;
use pkcs8::der::asn1::ObjectIdentifier;
use zeroize::Zeroizing;

use super::mac::Mac;
use crate::algorithm::name;
use crate::asn1::{Fields, context};
use crate::encryption::{Budget, Password, Scheme};
use crate::error::KeyErrorKind;
use crate::file;

const DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");
const ENCRYPTED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.6");
const KEY_BAG: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.10.1.1");
const SHROUDED_KEY_BAG: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.10.1.2");
const CERTIFICATE_BAG: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.10.1.3");
const X509_CERTIFICATE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.22.1");
const FRIENDLY_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.20");
const LOCAL_KEY_ID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.21");
/// Java's mark of a certificate that is trusted; its value says what for, and is always "anything".
const TRUSTED_KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.113894.746875.1.1");

const WHAT: &str = "the PKCS#12 structure cannot be parsed";

/// What a store holds, in its order.
#[derive(Default)]
pub(super) struct Pfx {
    pub(super) keys: Vec<KeyBag>,
    pub(super) certificates: Vec<CertificateBag>,
}

pub(super) struct KeyBag {
    pub(super) name: Option<String>,
    pub(super) local_key_id: Option<Vec<u8>>,
    /// An `EncryptedPrivateKeyInfo` where `encrypted`, else a `PrivateKeyInfo`.
    pub(super) der: Zeroizing<Vec<u8>>,
    pub(super) encrypted: bool,
}

pub(super) struct CertificateBag {
    pub(super) name: Option<String>,
    pub(super) local_key_id: Option<Vec<u8>>,
    pub(super) trusted: bool,
    pub(super) der: Vec<u8>,
}

/// ```text
/// PFX ::= SEQUENCE { version INTEGER {v3(3)}, authSafe ContentInfo, macData MacData OPTIONAL }
/// ContentInfo ::= SEQUENCE { contentType OBJECT IDENTIFIER, content [0] EXPLICIT ANY OPTIONAL }
/// AuthenticatedSafe ::= SEQUENCE OF ContentInfo
/// ```
pub(super) fn open(bytes: &[u8], password: &Password<'_>) -> Result<Pfx, KeyErrorKind> {
    if file::is_jks(bytes) {
        return Err(KeyErrorKind::Jks);
    }
    if bytes.starts_with(&[0x30, 0x80]) {
        return Err(KeyErrorKind::Malformed(
            "it is in BER with indefinite lengths, not DER; write it anew with `openssl pkcs12` or keytool",
        ));
    }
    let mut fields = Fields::of_sequence(bytes, WHAT).map_err(|error| match bytes.first() {
        Some(0x30) => error,
        Some(_) => KeyErrorKind::NotPkcs12,
        None => KeyErrorKind::Empty,
    })?;
    if fields.peek() != Some(Tag::Integer) {
        return Err(KeyErrorKind::NotPkcs12);
    }
    if fields.integer()? != 3 || fields.peek() != Some(Tag::Sequence) {
        return Err(KeyErrorKind::NotPkcs12);
    }
    let mut auth_safe = fields.sequence()?;
    let content_type = auth_safe.oid()?;
    if content_type != DATA {
        let how = format!("of the type {} (signed with a key instead of a password)", name(content_type));
        return Err(KeyErrorKind::UnsupportedEncryption(how));
    }
    let contents = auth_safe.explicit(0)?.octets()?;
    let mut budget = Budget::new();
    let mac = if fields.is_finished() { None } else { Some(Mac::new(fields.sequence()?, &mut budget)?) };
    fields.finish()?;
    // All of them are looked at before work is spent on any.
    let mut safes = Vec::new();
    let mut fields = Fields::of_sequence(contents, WHAT)?;
    while !fields.is_finished() {
        safes.push(Safe::new(fields.sequence()?, &mut budget)?);
    }

    if let Some(mac) = &mac {
        mac.verify(contents, password)?;
    }
    let mut pfx = Pfx::default();
    for safe in safes {
        match safe {
            Safe::Clear(content) => bags(content, &mut pfx)?,
            Safe::Encrypted { scheme, data } => {
                let content = scheme.decrypt(data, password)?;
                // Now and then a wrong password gives right padding; a MAC would have told before.
                let wrong_password = |error| if mac.is_some() { error } else { KeyErrorKind::WrongPassword };
                bags(&content, &mut pfx).map_err(wrong_password)?;
            }
        }
    }
    Ok(pfx)
}

enum Safe<'a> {
    Clear(&'a [u8]),
    Encrypted { scheme: Scheme<'a>, data: &'a [u8] },
}

impl<'a> Safe<'a> {
    /// ```text
    /// EncryptedData ::= SEQUENCE { version INTEGER, encryptedContentInfo SEQUENCE {
    ///     contentType OBJECT IDENTIFIER, contentEncryptionAlgorithm AlgorithmIdentifier,
    ///     encryptedContent [0] IMPLICIT OCTET STRING OPTIONAL } }
    /// ```
    fn new(mut content_info: Fields<'a>, budget: &mut Budget) -> Result<Self, KeyErrorKind> {
        match content_info.oid()? {
            DATA => Ok(Self::Clear(content_info.explicit(0)?.octets()?)),
            ENCRYPTED_DATA => {
                let mut encrypted = content_info.explicit(0)?.sequence()?;
                encrypted.integer()?;
                let mut info = encrypted.sequence()?;
                info.oid()?;
                let scheme = Scheme::new(info.raw()?, budget)?;
                Ok(Self::Encrypted { scheme, data: info.tagged(context(0, false))? })
            }
            other => Err(KeyErrorKind::UnsupportedEncryption(format!("of the type {}", name(other)))),
        }
    }
}

/// ```text
/// SafeContents ::= SEQUENCE OF SafeBag
/// SafeBag ::= SEQUENCE { bagId OBJECT IDENTIFIER, bagValue [0] EXPLICIT ANY,
///     bagAttributes SET OF SEQUENCE { attrId OBJECT IDENTIFIER, attrValues SET OF ANY } OPTIONAL }
/// ```
fn bags(safe: &[u8], pfx: &mut Pfx) -> Result<(), KeyErrorKind> {
    let mut bags = Fields::of_sequence(safe, WHAT)?;
    while !bags.is_finished() {
        let mut bag = bags.sequence()?;
        let id = bag.oid()?;
        let mut value = bag.explicit(0)?;
        let attributes = Attributes::read(&mut bag)?;
        match id {
            KEY_BAG | SHROUDED_KEY_BAG => pfx.keys.push(KeyBag {
                name: attributes.name,
                local_key_id: attributes.local_key_id,
                der: Zeroizing::new(value.raw()?.to_vec()),
                encrypted: id == SHROUDED_KEY_BAG,
            }),
            CERTIFICATE_BAG => {
                let mut certificate = value.sequence()?;
                if certificate.oid()? == X509_CERTIFICATE {
                    pfx.certificates.push(CertificateBag {
                        name: attributes.name,
                        local_key_id: attributes.local_key_id,
                        trusted: attributes.trusted,
                        der: certificate.explicit(0)?.octets()?.to_vec(),
                    });
                }
            }
            // Secret keys, revocation lists and what may come: nothing that is asked for here.
            _ => {}
        }
    }
    Ok(())
}

#[derive(Default)]
struct Attributes {
    name: Option<String>,
    local_key_id: Option<Vec<u8>>,
    trusted: bool,
}

impl Attributes {
    fn read(bag: &mut Fields<'_>) -> Result<Self, KeyErrorKind> {
        let mut attributes = Self::default();
        if bag.is_finished() {
            return Ok(attributes);
        }
        let mut set = Fields::new(bag.tagged(Tag::Set)?, WHAT)?;
        while !set.is_finished() {
            let mut attribute = set.sequence()?;
            let id = attribute.oid()?;
            let mut values = Fields::new(attribute.tagged(Tag::Set)?, WHAT)?;
            match id {
                FRIENDLY_NAME => attributes.name = Some(utf16(values.tagged(Tag::BmpString)?)),
                LOCAL_KEY_ID => attributes.local_key_id = Some(values.octets()?.to_vec()),
                TRUSTED_KEY_USAGE => attributes.trusted = true,
                _ => {}
            }
        }
        attributes.name = attributes.name.filter(|name| !name.is_empty());
        Ok(attributes)
    }
}

fn utf16(bytes: &[u8]) -> String {
    let units =
        bytes.chunks_exact(2).map(|pair| pair.iter().fold(0, |unit, byte| unit << 8 | u16::from(*byte)));
    char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}
