use std::any::type_name;

use axum::extract::FromRequestParts;
use http::request::Parts;
use serde::de::DeserializeOwned;

use super::{
    ClaimsRejection,
    rejection::{CallerRejection, Cause},
};

/// The claims of the caller, as a type of yours.
///
/// ```
/// use portcullis_axum::Claims;
///
/// #[derive(serde::Deserialize)]
/// struct Tenant {
///     tenant: u64,
/// }
///
/// async fn of_tenant(Claims(claims): Claims<Tenant>) -> String {
///     format!("tenant {}", claims.tenant)
/// }
/// # let _: axum::Router = axum::Router::new().route("/", axum::routing::get(of_tenant));
/// ```
///
/// The claims are those of a token that an element accepted, or none for users of a file. Where they do not have
/// the type's shape the answer is 500 and an error in the log: the token is good, so what the service expects and
/// what its issuer writes have come apart, and the caller can do nothing about it. Make fields that not every
/// token has an `Option`. The log tells what is missing or of another type and never the value.
///
/// Without a caller it refuses as [`Caller`](super::Caller) does.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "taken apart in the arguments of handlers")]
pub struct Claims<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Claims<T> {
    type Rejection = ClaimsRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ClaimsRejection> {
        let principal = super::caller(parts, "Claims")
            .map_err(|rejection| ClaimsRejection(Cause::NoCaller(CallerRejection::from(rejection))))?;
        principal.claims_as().map(Self).map_err(|error| {
            tracing::error!(
                target: "portcullis",
                status = 500,
                asker = "Claims",
                expected = type_name::<T>(),
                cause = without_values(&error.to_string()),
                remedy = "make the type fit what the issuer writes; fields that not every token has are an Option",
                "the claims do not have the shape that the handler asks for"
            );
            ClaimsRejection(Cause::OtherShape)
        })
    }
}

/// What serde says of a mismatch, without the claim's value, which may be personal data.
fn without_values(text: &str) -> String {
    const KINDS: [&str; 4] = ["invalid type", "invalid value", "invalid length", "unknown variant"];
    // These name fields: ours, or the names of claims.
    if ["missing field", "duplicate field", "unknown field"].iter().any(|kind| text.starts_with(kind)) {
        return text.escape_debug().to_string();
    }
    let expected = text.rfind(", expected ").and_then(|at| text.get(at..));
    match (KINDS.iter().find(|kind| text.starts_with(**kind)), expected) {
        (Some(kind), Some(expected)) => format!("{kind}{}", expected.escape_debug()),
        (Some(kind), None) => (*kind).to_owned(),
        (None, _) => "a value does not fit".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use serde::Deserialize;
    use serde_json::{Value, json};

    use super::*;

    fn told<T: DeserializeOwned + Debug>(claims: Value) -> String {
        without_values(&serde_json::from_value::<T>(claims).unwrap_err().to_string())
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "read by no one")]
    struct Shape {
        tenant: u64,
        role: Option<Role>,
    }

    #[derive(Debug, Deserialize)]
    enum Role {
        Admin,
        Guest,
    }

    #[test]
    fn the_log_names_the_mismatch_and_no_value() {
        assert_eq!(told::<Shape>(json!({})), "missing field `tenant`");
        assert_eq!(told::<Shape>(json!({ "tenant": "canary" })), "invalid type, expected u64");
        assert_eq!(told::<Shape>(json!({ "tenant": -7 })), "invalid value, expected u64");
        assert_eq!(
            told::<Shape>(json!({ "tenant": "a, expected b\n" })),
            "invalid type, expected u64",
            "the value cannot pass itself off as what is expected"
        );
        assert_eq!(
            told::<Shape>(json!({ "tenant": 1, "role": "canary" })),
            "unknown variant, expected `Admin` or `Guest`"
        );
        assert_eq!(
            told::<Shape>(json!({ "tenant": 1, "x\ny": 1 })),
            "unknown field `x\\ny`, expected `tenant` or `role`"
        );
        assert_eq!(without_values("canary is not for sale"), "a value does not fit");
    }
}
