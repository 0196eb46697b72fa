//! `portcullis token decode`

use portcullis::jwt::decode_unverified;
use serde_json::json;

use super::Token;
use crate::{
    args::DecodeArgs,
    failure::{Result, Verdict},
    output::{Output, complain},
};

pub(in crate::commands) fn run(args: &DecodeArgs, out: &mut Output) -> Result {
    let refused = |reason: &str, code: &str| {
        complain(format_args!("error: this is no token: {reason} ({code})"));
        Ok(Verdict::No)
    };
    let token = match Token::read(&args.token)? {
        Token::Text(token) => token,
        Token::Unusable(reason) => return refused(reason, "malformed"),
    };
    let token = match decode_unverified(token.expose()) {
        Ok(token) => token,
        Err(refusal) => return refused(refusal.reason(), refusal.code()),
    };
    if !args.json {
        complain("note: nothing is verified: anybody can write such a token");
    }
    out.json(&json!({ "verified": false, "header": token.header, "claims": token.claims }))?;
    Ok(Verdict::Yes)
}
