//! `portcullis token issue`

use portcullis::{
    Clock as _, Config, SystemClock,
    jwt::{JwtIssuer, JwtIssuerConfig},
    section::Section,
};
use serde_json::json;

use crate::{
    args::IssueArgs,
    commands::located,
    failure::{Failure, Result, Verdict},
    input,
    output::{Output, complain},
};

/// The record, which says what it is where it is that of a client.
fn read(section: &Section<'_>) -> Option<JwtIssuerConfig> {
    _ = section.choice("grant", &["jwt"]);
    JwtIssuerConfig::read(section)
}

pub(in crate::commands) fn run(args: &IssueArgs, out: &mut Output) -> Result {
    input::require_file(&args.config)?;
    let (config, warnings) = Config::builder()
        .load_table(&args.config, &args.table, read)
        .map_err(|error| Failure::new(format!("{} cannot be used\n{error}", args.config.display())))?;
    for warning in &warnings {
        complain(format_args!("warning: {}", located(&args.config, warning)));
    }
    let issuer = JwtIssuer::new(config).map_err(|error| Failure::new(format!("{error:?}")))?;
    let token = issuer.issue(SystemClock::new().now())?;
    if args.json {
        out.json(&json!({ "token": token.expose() }))?;
    } else {
        out.line(token.expose())?;
    }
    Ok(Verdict::Yes)
}
