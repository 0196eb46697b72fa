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
    let token = match Token::read(&args.token)? {
        Token::Text(token) => token,
        Token::Unusable(reason) => return refused(args, out, reason, "malformed-token"),
    };
    let token = match decode_unverified(token.expose()) {
        Ok(token) => token,
        Err(refusal) => return refused(args, out, refusal.text(), refusal.code()),
    };
    if !args.json {
        complain("note: nothing is verified: anybody can write such a token");
    }
    out.json(&json!({ "verified": false, "header": token.header, "claims": token.claims }))?;
    Ok(Verdict::Yes)
}

fn refused(args: &DecodeArgs, out: &mut Output, reason: &str, code: &str) -> Result {
    if args.json {
        out.json(&json!({ "verified": false, "code": code, "reason": reason }))?;
    } else {
        complain(format_args!("error: this is no token: {reason} ({code})"));
    }
    Ok(Verdict::No)
}
