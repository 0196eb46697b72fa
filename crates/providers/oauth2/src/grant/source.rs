//! How a grant's type is a source of tokens.

/// A [`TokenSource`](portcullis_core::TokenSource) of a type with a `keeper`.
macro_rules! token_source {
    ($grant:ident) => {
        impl portcullis_core::TokenSource for $grant {
            fn try_token(&self) -> Option<portcullis_core::Authorization> {
                self.keeper.try_token()
            }

            fn lease(&self) -> Option<std::sync::Arc<portcullis_core::TokenLease>> {
                self.keeper.lease()
            }

            fn token(
                &self,
            ) -> portcullis_core::BoxFuture<
                '_,
                Result<portcullis_core::Authorization, portcullis_core::TokenError>,
            > {
                self.keeper.token()
            }

            fn refused(&self, token: &portcullis_core::Authorization) -> bool {
                self.keeper.refused(token)
            }

            fn expires_in(&self) -> Option<std::time::Duration> {
                self.keeper.expires_in()
            }

            fn watch_refreshes(&self, observer: std::sync::Arc<dyn portcullis_core::RefreshObserver>) {
                self.keeper.watch_refreshes(observer);
            }

            fn probe(&self) -> portcullis_core::BoxFuture<'_, Vec<portcullis_core::Probe>> {
                self.keeper.probe()
            }
        }
    };
}
pub(crate) use token_source;
