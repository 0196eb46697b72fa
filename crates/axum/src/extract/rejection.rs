use std::{error::Error, fmt};

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use portcullis_core::Rejection;
use portcullis_tower::{EmptyBody, refuse};

/// Why [`Caller`](super::Caller) or [`Scoped`](super::Scoped) did not let a request through: 401 or 403 where it
/// is the caller's affair, 500 where no layer ran or the route is public.
///
/// As a response it looks as the layer's own refusals do: an empty body, challenges, and the [`Rejection`] in its
/// extensions. The hook of a layer is not asked; see [the crate's documentation](crate#bodies-of-refusals) for
/// how to give both the same body.
#[derive(Clone, Debug)]
pub struct CallerRejection(Rejection);

impl CallerRejection {
    /// The cause.
    #[must_use]
    pub const fn rejection(&self) -> &Rejection {
        &self.0
    }
}

impl From<Rejection> for CallerRejection {
    fn from(rejection: Rejection) -> Self {
        Self(rejection)
    }
}

impl fmt::Display for CallerRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for CallerRejection {}

impl IntoResponse for CallerRejection {
    fn into_response(self) -> Response {
        refuse::<Body, _>(self.0, &EmptyBody)
    }
}

/// Why [`Claims`](super::Claims) did not let a request through: there is no caller, as in [`CallerRejection`], or
/// the claims do not have the shape that the handler asks for, which is 500.
#[derive(Clone, Debug)]
pub struct ClaimsRejection(pub(super) Cause);

#[derive(Clone, Debug)]
pub(super) enum Cause {
    NoCaller(CallerRejection),
    OtherShape,
}

impl ClaimsRejection {
    /// The cause, where there is no caller; `None` where the claims have another shape.
    #[must_use]
    pub const fn rejection(&self) -> Option<&Rejection> {
        match &self.0 {
            Cause::NoCaller(rejection) => Some(rejection.rejection()),
            Cause::OtherShape => None,
        }
    }
}

impl fmt::Display for ClaimsRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Cause::NoCaller(rejection) => rejection.fmt(f),
            Cause::OtherShape => f.write_str(
                "the claims of the caller do not have the shape that the handler asks for: make the type fit \
                 what the issuer writes",
            ),
        }
    }
}

impl Error for ClaimsRejection {}

impl IntoResponse for ClaimsRejection {
    fn into_response(self) -> Response {
        match self.0 {
            Cause::NoCaller(rejection) => rejection.into_response(),
            Cause::OtherShape => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        }
    }
}
