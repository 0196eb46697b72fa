//! What follows on a refusal, by whichever door the request was sent.

use http::{HeaderMap, header::AUTHORIZATION};
use portcullis_core::{Authorization, TokenError};
use tracing::{debug, warn};

use super::{ClientAuth, Target};

impl ClientAuth {
    /// Whether an answer that `by` gave was given to the credential, which was sent to `asked`. On the way to another origin
    /// redirects lose it, and whoever is there could have it renewed at will.
    pub(super) fn was_shown_to(&self, by: &Target<'_>, asked: Option<&Target<'_>>) -> bool {
        match (by.locate(), asked.map(Target::locate)) {
            (Ok(by), Some(Ok(asked))) => by.same_origin(&asked),
            _ => self.check(by, false).is_ok(),
        }
    }

    /// Puts the newer credential on a copy of the request. `false` where there is none: the first answer stands.
    pub(super) fn renewed(
        &self,
        refused: &Authorization,
        result: Result<Authorization, TokenError>,
        headers: &mut HeaderMap,
    ) -> bool {
        match result {
            Ok(token) if token != *refused => {
                debug!(
                    target: "portcullis",
                    client = self.name(),
                    "the credential was refused; the request is sent once more with a newer one"
                );
                headers.insert(AUTHORIZATION, token.header().clone());
                true
            }
            Ok(_) => false,
            Err(error) => {
                warn!(
                    target: "portcullis",
                    client = self.name(),
                    ?error,
                    "the credential was refused, and there is no newer one"
                );
                false
            }
        }
    }
}
