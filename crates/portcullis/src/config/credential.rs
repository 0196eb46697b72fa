//! Where a service looks for the credential: `credentialSources` and the origins that cookies are taken from.

use portcullis_core::{Auth, CredentialSources, Scheme, config::Section};

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
                // Each alone, so that each mistake is one, whatever else is wrong.
                let alone = CredentialSources::none().cookie(cookie).origin("https://a.example");
                match Auth::builder().public().credential_sources(alone).build() {
                    Ok(_) => sources = sources.cookie(cookie),
                    Err(error) => {
                        unread = true;
                        section.problem("credentialSources", error.to_string());
                    }
                }
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
            // These too, so that what is wrong with one is told at its own key.
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

/// Warns where the sources and what the elements look at do not meet: passwords come in the header alone, and the other
/// sources hold nothing but tokens.
pub(super) fn warn_unmet(section: &Section<'_>, auth: &Auth) {
    let (sources, providers) = (auth.credential_sources(), auth.providers());
    let looks_at = |scheme| providers.iter().any(|provider| provider.scheme() == scheme);
    if looks_at(Scheme::Basic) && !sources.reads_header() {
        section.warn(
            "credentialSources",
            "users and passwords come in the header alone: elements that look at them let nobody in without \"header\"",
        );
    }
    let has_others = sources.reads_websocket_protocol() || sources.cookies().next().is_some();
    if has_others && !providers.is_empty() && !looks_at(Scheme::Bearer) {
        section.warn(
            "credentialSources",
            "\"websocketProtocol\" and cookies have no effect: they hold tokens, and no element looks at one",
        );
    }
}
