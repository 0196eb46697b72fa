//! Why a credential is refused. For the log: on the wire all of these are the same.

use portcullis_core::{Reason, Refusal};

use crate::verify::Finding;

pub(crate) fn unknown_user() -> Refusal {
    Refusal::new(Reason::UnknownUser, "there is no user of this name")
}

pub(crate) fn wrong_password() -> Refusal {
    Refusal::new(Reason::WrongPassword, "the password is not the user's")
}

pub(crate) fn of(finding: Finding) -> Refusal {
    match finding {
        Finding::Right | Finding::Wrong => wrong_password(),
        Finding::Unfit => Refusal::new(
            Reason::UnfitPassword,
            "the user's hash is bcrypt, and the password holds a NUL or more than the 72 bytes that bcrypt looks at",
        ),
    }
}

pub(crate) fn not_basic() -> Refusal {
    Refusal::new(Reason::OtherScheme, "users are known by Basic credentials")
}
