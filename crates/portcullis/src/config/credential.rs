//! Where a service looks for the credential: `credentialSources` and the origins that cookies are taken from.

use portcullis_core::{Auth, CredentialSources, config::Section};

/// Reads `credentialSources`, `allowedOrigins` and `publicOrigin`. What is wrong is noted at its key and left out.
pub(super) fn read(section: &Section<'_>) -> CredentialSources {
    let names = section.strings("credentialSources").unwrap_or_else(|| vec!["header".to_owned()]);
    let allowed = section.strings("allowedOrigins").unwrap_or_default();
    let public = section.string("publicOrigin");
    if names.is_empty() {
        section.problem(
            "credentialSources",
            "an empty list would refuse everybody: name at least one source, or leave it out for [\"header\"]",
        );
        return CredentialSources::header();
    }
    let has_header = names.iter().any(|name| name == "header");
    let mut sources = if has_header { CredentialSources::header() } else { CredentialSources::none() };
    let (mut takes_cookies, mut unread) = (false, false);
    for (position, name) in names.iter().enumerate() {
        if names.iter().take(position).any(|before| before == name) {
            section.problem("credentialSources", format!("names {name:?} twice"));
            continue;
        }
        match name.split_once(':') {
            None if name == "header" => {}
            None if name == "websocketProtocol" => sources = sources.websocket_protocol(),
            Some(("cookie", cookie)) => {
                takes_cookies = true;
                sources = sources.cookie(cookie);
            }
            _ => {
                unread = true;
                section.problem(
                    "credentialSources",
                    format!("{name:?} is none of \"header\", \"websocketProtocol\", \"cookie:NAME\""),
                );
            }
        }
    }
    for (key, origins) in [("allowedOrigins", &allowed[..]), ("publicOrigin", public.as_slice())] {
        if section.has(key) && !takes_cookies {
            section
                .problem(key, "is about cookies: add \"cookie:NAME\" to `credentialSources`, or remove it");
            continue;
        }
        for origin in origins {
            // Each alone, so that what is wrong with one is told at its own key.
            let alone = CredentialSources::none().cookie("c").origin(origin.as_str());
            match Auth::builder().public().credential_sources(alone).build() {
                Ok(_) => sources = sources.origin(origin.as_str()),
                Err(error) => {
                    unread = true;
                    section.problem(key, error.to_string());
                }
            }
        }
    }
    // What is left of a list with a mistake is not judged: that would be a second mistake out of one.
    if unread { CredentialSources::header() } else { sources }
}
