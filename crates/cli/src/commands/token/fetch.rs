//! `portcullis token fetch`

use std::error::Error;

use portcullis::{
    ClientAuth, ClientAuthError, ConfiguredClient,
    client::OnBehalfOf,
    outbound::{OutboundError, OutboundErrorKind},
};
use serde_json::json;

use super::Token;
use crate::{
    args::FetchArgs,
    commands::{block_on, load},
    failure::{Failure, Result, Verdict},
    output::{Output, complain},
};

pub(in crate::commands) fn run(args: &FetchArgs, out: &mut Output) -> Result {
    let config = load(&args.config)?;
    let client = config.client(&args.client)?;
    let auth = acting(client, args.subject_token.as_deref())?;
    let authorization = match block_on(async { auth.authorization().await })? {
        Ok(authorization) => authorization,
        Err(error) => return refused(args, client, &error, out),
    };
    if client.grant() == "refresh_token" {
        complain(
            "note: the configured refresh token was used. Where the server takes each one once only, it is spent: put a \
             new one into `refreshToken`",
        );
    }
    let token = authorization.token();
    if token.is_none() && !args.header {
        return Err(Failure::new(format!(
            "client {:?} has no token: it shows a user name and a password; --header prints what it sends",
            client.name()
        )));
    }
    let header = authorization
        .header()
        .to_str()
        .map_err(|_| Failure::new("the credential holds characters that cannot be printed"))?;
    if args.json {
        let token = token.as_ref().map(portcullis::Secret::expose);
        let mut value = json!({
            "client": client.name(),
            "credential": client.grant(),
            "fetched": true,
            "scheme": authorization.scheme().as_str(),
            "token": token,
        });
        if let Some(object) = value.as_object_mut().filter(|_| args.header) {
            object.insert("authorization".to_owned(), header.into());
        }
        out.json(&value)?;
    } else if args.header {
        out.line(format_args!("Authorization: {header}"))?;
    } else if let Some(token) = token {
        out.line(token.expose())?;
    }
    Ok(Verdict::Yes)
}

/// The client, on behalf of somebody where it acts so.
fn acting(client: &ConfiguredClient, subject_token: Option<&str>) -> Result<ClientAuth> {
    let auth = client.auth().clone();
    let Some(from) = subject_token else {
        if matches!(client.grant(), "token_exchange" | "on_behalf_of") {
            return Err(Failure::new(format!(
                "client {:?} calls on behalf of somebody: give that somebody's token with --subject-token @FILE, or @- for \
                 standard input",
                client.name()
            )));
        }
        return Ok(auth);
    };
    match Token::read(from)? {
        Token::Text(token) if token.is_empty() => Err(Failure::new("the subject token is empty")),
        Token::Text(token) => Ok(auth.on_behalf_of_token(&OnBehalfOf::token(token, None))?),
        Token::Unusable(reason) => Err(Failure::new(format!("the subject token cannot be used: {reason}"))),
    }
}

/// There is no token: at which step, and why.
fn refused(args: &FetchArgs, client: &ConfiguredClient, error: &ClientAuthError, out: &mut Output) -> Result {
    let step = step(client, error);
    let reason = reason(error);
    if args.json {
        out.json(&json!({
            "client": client.name(),
            "credential": client.grant(),
            "fetched": false,
            "step": step,
            "reason": reason,
            "transient": error.is_transient(),
        }))?;
    } else {
        complain(format_args!("error: no token for client {:?}\n{step}: {reason}", client.name()));
    }
    Ok(Verdict::No)
}

/// Which step failed.
fn step(client: &ConfiguredClient, error: &ClientAuthError) -> &'static str {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(call) = error.downcast_ref::<OutboundError>() {
            return match call.kind() {
                OutboundErrorKind::Connect => "connecting",
                OutboundErrorKind::Tls => "TLS",
                OutboundErrorKind::Timeout => "waiting for the answer",
                OutboundErrorKind::NotPermitted => "before calling",
                _ => "reading the answer",
            };
        }
        cause = error.source();
    }
    if client.grant() == "jwt" { "signing" } else { "the answer" }
}

/// Why there is no token: the causes, the first of which says no more than that there is none.
fn reason(error: &ClientAuthError) -> String {
    let mut reasons = Vec::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        reasons.push(error.to_string());
        cause = error.source();
    }
    if reasons.is_empty() { error.to_string() } else { reasons.join(": ") }
}
