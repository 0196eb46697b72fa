//! The stock, which knows of no shop: it answers whoever its `stock.toml` lets in.

use std::error::Error;

use axum::{Router, extract::Path, middleware::map_response, response::Response, routing::get};
use portcullis::{AuthLayer, Caller, Config};

use crate::say;

pub(crate) async fn app(config: &Config) -> Result<Router, Box<dyn Error>> {
    let app = Router::new()
        .route("/stock/items/{id}", get(item))
        .route("/stock/health", get(health))
        .layer(AuthLayer::new(config.service("/stock")?.build().await?))
        // Outside of the guard: it sees refusals, too.
        .layer(map_response(async |answer: Response| {
            say(format_args!("    stock: answers {}", answer.status()));
            answer
        }));
    Ok(app)
}

async fn item(Path(id): Path<u32>, caller: Caller) -> String {
    say(format_args!("    stock: item {id}? asks {}", who(&caller)));
    format!("12 of item {id}, for {}", caller.subject().unwrap_or("nobody"))
}

async fn health(caller: Caller) -> &'static str {
    say(format_args!("    stock: how are you? asks {}", who(&caller)));
    "well"
}

/// The caller, and who acts for them (RFC 8693 §4.1).
fn who(caller: &Caller) -> String {
    let name = caller.subject().unwrap_or("nobody");
    match caller.claims().get("act").and_then(|actor| actor.get("sub")?.as_str()) {
        Some(actor) => format!("{name}, by way of {actor}"),
        None => name.to_owned(),
    }
}
