//! The JOSE header: what is read of it, and what is refused because it is there.

use portcullis_core::json::{Json, Members};

use super::json;
use crate::refusal::{Refused, code, refuse, shown};

/// What a token says of itself. Nothing of it is believed before the signature is verified, and `alg` not even then:
/// it has to be what the key allows.
///
/// `jku`, `jwk`, `x5u`, `x5c` and all other parameters are not looked at: keys come from the configuration.
#[derive(Clone, Debug)]
pub(crate) struct Header {
    pub(crate) alg: String,
    pub(crate) kid: Option<String>,
    pub(crate) typ: Option<String>,
}

/// The parameters that are looked at.
const READ: [&str; 7] = ["alg", "b64", "crit", "cty", "kid", "typ", "zip"];

impl Header {
    pub(crate) fn read(text: &[u8]) -> Refused<Self> {
        let mut members = json::members(text, "the header", |name| READ.contains(&name))?;
        // RFC 7515 §4.1.11: "If any of the listed extension Header Parameters are not understood and supported by the
        // recipient, then the JWS is invalid." No extension is supported, and an empty list is not allowed.
        if members.get("crit").is_some() {
            return refuse(
                code::CRITICAL_HEADER,
                "the header has `crit`, and no extension of JWS is supported",
            );
        }
        for name in ["b64", "zip"] {
            if members.get(name).is_some() {
                return refuse(
                    code::UNSUPPORTED_HEADER,
                    format!("the header has `{name}`, which is not supported"),
                );
            }
        }
        let Some(alg) = members.take("alg") else {
            return refuse(code::UNSUPPORTED_ALGORITHM, "the header has no `alg`");
        };
        let Json::Text(alg) = alg else {
            return refuse(code::UNSUPPORTED_ALGORITHM, "`alg` in the header is not a string");
        };
        let mut text = |name| take_text(&mut members, name);
        text("cty")?;
        Ok(Self { alg: alg.into_owned(), kid: text("kid")?, typ: text("typ")? })
    }

    /// Whether `typ` is one of `types`; or absent, unless it is `required`.
    ///
    /// RFC 7515 §4.1.9: "A recipient using the media type value MUST treat it as if "application/" were prepended to
    /// any "typ" value not containing a '/'." Media types are compared without regard to case.
    pub(crate) fn has_type_of(&self, types: &[String], required: bool) -> Refused<()> {
        let Some(typ) = &self.typ else {
            if !required {
                return Ok(());
            }
            let expected = types.join(", ");
            return refuse(code::WRONG_TYPE, format!("the token has no `typ`, expected one of: {expected}"));
        };
        let same = |wanted: &String| short_type(wanted).eq_ignore_ascii_case(short_type(typ));
        if types.iter().any(same) {
            return Ok(());
        }
        let expected = types.join(", ");
        refuse(code::WRONG_TYPE, format!("`typ` is {}, expected one of: {expected}", shown(typ)))
    }
}

/// Whether this `typ` is that of access tokens: RFC 9068 §2.1.
pub(crate) fn is_access_token_type(typ: &str) -> bool {
    short_type(typ).eq_ignore_ascii_case("at+jwt")
}

/// The media type without `application/`, where nothing else in it needs the prefix.
fn short_type(typ: &str) -> &str {
    const PREFIX: &str = "application/";
    match (typ.get(..PREFIX.len()), typ.get(PREFIX.len()..)) {
        (Some(prefix), Some(rest)) if prefix.eq_ignore_ascii_case(PREFIX) && !rest.contains('/') => rest,
        _ => typ,
    }
}

fn take_text(members: &mut Members<'_>, name: &'static str) -> Refused<Option<String>> {
    match members.take(name) {
        None => Ok(None),
        Some(Json::Text(text)) => Ok(Some(text.into_owned())),
        Some(_) => refuse(code::MALFORMED, format!("`{name}` in the header is not a string")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code_of(text: &str) -> &'static str {
        Header::read(text.as_bytes()).unwrap_err().code()
    }

    #[test]
    fn the_header_is_read_and_parameters_that_bring_keys_are_not_looked_at() {
        let header = Header::read(
            br#"{"alg":"RS256","typ":"JWT","kid":"1","cty":"x","jku":"https://evil.example","x5u":1,"x5c":[],"jwk":{}}"#,
        )
        .unwrap();
        assert_eq!(
            (header.alg.as_str(), header.typ.as_deref(), header.kid.as_deref()),
            ("RS256", Some("JWT"), Some("1"))
        );
    }

    #[test]
    fn alg_is_one_string() {
        for alg in ["1", "null", "true", "[\"RS256\"]", "{}", "[]"] {
            assert_eq!(code_of(&format!("{{\"alg\":{alg}}}")), "unsupported-algorithm", "{alg}");
        }
        assert_eq!(code_of("{}"), "unsupported-algorithm");
        assert_eq!(code_of(r#"{"Alg":"RS256"}"#), "unsupported-algorithm");
        assert_eq!(code_of(r#"{"alg":"none","alg":"RS256"}"#), "duplicate-member");
    }

    #[test]
    fn crit_is_refused_whatever_it_holds() {
        for crit in ["[]", "[\"exp\"]", "[\"b64\"]", "null", "\"\"", "1", "{}", "false"] {
            assert_eq!(
                code_of(&format!("{{\"alg\":\"RS256\",\"crit\":{crit}}}")),
                "critical-header",
                "{crit}"
            );
        }
    }

    #[test]
    fn b64_and_zip_are_refused_whatever_they_hold() {
        for member in ["\"b64\":false", "\"b64\":true", "\"b64\":1", "\"zip\":\"DEF\"", "\"zip\":null"] {
            assert_eq!(code_of(&format!("{{\"alg\":\"RS256\",{member}}}")), "unsupported-header", "{member}");
        }
    }

    #[test]
    fn typ_kid_and_cty_are_strings() {
        for name in ["typ", "kid", "cty"] {
            for value in ["1", "null", "[\"JWT\"]", "{}", "true"] {
                assert_eq!(
                    code_of(&format!("{{\"alg\":\"RS256\",\"{name}\":{value}}}")),
                    "malformed-token",
                    "{name} {value}"
                );
            }
        }
        assert_eq!(code_of("[]"), "malformed-token");
        assert_eq!(code_of("\"RS256\""), "malformed-token");
    }

    #[test]
    fn types_are_compared_as_media_types() {
        let header =
            |typ: Option<&str>| Header { alg: String::new(), kid: None, typ: typ.map(str::to_owned) };
        let types = ["JWT".to_owned(), "application/at+jwt".to_owned()];
        for typ in ["JWT", "jwt", "application/jwt", "Application/JWT", "at+jwt", "application/AT+jwt"] {
            assert!(header(Some(typ)).has_type_of(&types, false).is_ok(), "{typ}");
        }
        assert!(header(None).has_type_of(&types, false).is_ok(), "a token need not say its type");
        assert_eq!(
            header(None).has_type_of(&types, true).unwrap_err().code(),
            "wrong-type",
            "unless it has to"
        );
        for typ in [
            "",
            "dpop+jwt",
            "logout+jwt",
            "JWT ",
            "application/",
            "application/application/jwt",
            "applications/JWT",
            "xpplication/JWT",
            "application.JWT",
            "text/jwt",
            "at+jwt;a=b",
        ] {
            assert_eq!(
                header(Some(typ)).has_type_of(&types, false).unwrap_err().code(),
                "wrong-type",
                "{typ}"
            );
        }
    }
}
