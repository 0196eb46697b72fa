//! The shop: it has callers of its own, and asks the stock in their names.

use std::error::Error;

use axum::{
    Router,
    extract::{Path, State},
    http::StatusCode,
    middleware::map_response,
    response::{IntoResponse, Response},
    routing::get,
};
use portcullis::{AuthLayer, Caller, Config, client::ReqwestClient};

use crate::say;

/// Two clients for one service: they show different credentials.
#[derive(Clone)]
struct Stock {
    for_callers: ReqwestClient,
    for_us: ReqwestClient,
}

pub(crate) async fn app(config: &Config) -> Result<Router, Box<dyn Error>> {
    let stock = Stock {
        for_callers: config.client("stock")?.reqwest().await?,
        for_us: config.client("stock-health")?.reqwest().await?,
    };
    let app = Router::new()
        .route("/shop/items/{id}", get(item))
        .route("/shop/health", get(health))
        .with_state(stock)
        .layer(AuthLayer::new(config.service("/shop")?.build().await?))
        // Outside of the guard: it sees refusals, too.
        .layer(map_response(async |answer: Response| {
            say(format_args!("  shop: answers {}", answer.status()));
            answer
        }));
    Ok(app)
}

async fn item(State(stock): State<Stock>, Path(id): Path<u32>, caller: Caller) -> Result<Response, Problem> {
    say(format_args!("  shop: item {id}? asks {}", caller.subject().unwrap_or("nobody")));
    // Who showed no token is an error here. The shop's own name never stands in for a caller's.
    let stock = stock.for_callers.on_behalf_of(&caller)?;
    let reply = stock.get(format!("/items/{id}")).send().await?;
    match reply.status() {
        // What the caller may not do is the caller's to know.
        status @ (StatusCode::OK | StatusCode::FORBIDDEN) => {
            Ok((status, reply.text().await?).into_response())
        }
        // Anything else is between the stock and us.
        status => Err(Problem(format!("the stock answered {status}").into())),
    }
}

/// Nobody in particular asks, so the shop does.
async fn health(State(stock): State<Stock>) -> Result<String, Problem> {
    say("  shop: is asked how it is");
    let reply = stock.for_us.get("/health").send().await?.error_for_status()?;
    Ok(format!("the stock is {}", reply.text().await?))
}

/// The caller did nothing wrong.
struct Problem(Box<dyn Error + Send + Sync>);

impl<E: Into<Box<dyn Error + Send + Sync>>> From<E> for Problem {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        // For the operator alone, with all its causes: they name endpoints.
        eprintln!("the stock cannot be asked: {:?}", self.0);
        StatusCode::BAD_GATEWAY.into_response()
    }
}
