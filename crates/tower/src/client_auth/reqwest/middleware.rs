use http::{Extensions, header::AUTHORIZATION};
use reqwest::{Request, Response};
use reqwest_middleware::{Error, Middleware, Next, Result};

use crate::client_auth::{ClientAuth, Target, refusal::is_refusal, request::is_grpc_method};

/// Puts the credential on every request, by the [rules](crate::client_auth) of the layer. What stands after it in the
/// stack sees the request with it, and both requests where one is sent once more.
#[async_trait::async_trait]
impl Middleware for ClientAuth {
    async fn handle(
        &self,
        mut request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> Result<Response> {
        if request.headers().contains_key(AUTHORIZATION) {
            return next.run(request, extensions).await;
        }
        self.check(&Target::from(request.url()), false).map_err(Error::middleware)?;
        let token = self.authorization().await.map_err(Error::middleware)?;
        let url = request.url().clone();
        let may_be_grpc = is_grpc_method(request.method());
        let copy = if self.watches() { request.try_clone() } else { None };
        request.headers_mut().insert(AUTHORIZATION, token.header().clone());
        let response = next.clone().run(request, extensions).await?;

        let refused = self.watches()
            && is_refusal(response.status(), response.headers(), may_be_grpc)
            && self.was_shown_to(&Target::from(response.url()), Some(&Target::from(&url)))
            && self.refused(&token);
        let Some(mut again) = copy.filter(|_| refused) else { return Ok(response) };
        if !self.renewed(&token, self.token().await, again.headers_mut()) {
            return Ok(response);
        }
        drop(response);
        next.run(again, extensions).await
    }
}
