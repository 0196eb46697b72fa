//! The gateway that a configuration describes.

use portcullis::{Auth, Config, CorsConfig, GatewayConfig};

use crate::{
    failure::{Failure, Result},
    gateway::{Answer, Cors, Gateway, PathMatching, Service, Upstream},
};

/// What becomes of a service that says neither `respond` nor `upstream`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unanswered {
    /// It is a mistake: there is nothing to serve.
    Mistake,
    /// It answers nothing: only the decision is of interest.
    Empty,
    /// It is left out: Rust code serves it.
    LeftOut,
}

/// A gateway of all services, each guarded by what `auths` has for it, behind the proxies of the listener.
pub(super) fn gateway(
    config: &Config,
    auths: impl IntoIterator<Item = Auth>,
    unanswered: Unanswered,
) -> Result<Gateway> {
    let proxies = config.listener().trusted_proxies().clone();
    Ok(Gateway::behind(proxies, services(config, auths, unanswered)?)?)
}

/// The services of a gateway.
pub(super) fn services(
    config: &Config,
    auths: impl IntoIterator<Item = Auth>,
    unanswered: Unanswered,
) -> Result<Vec<Service>> {
    let mut services = Vec::new();
    let mut problems = Vec::new();
    for (service, auth) in config.services().iter().zip(auths) {
        if unanswered == Unanswered::LeftOut && service.gateway().answer.is_none() {
            continue;
        }
        let auth = throttled(config, service.gateway(), auth);
        match assemble(service.gateway(), auth, unanswered) {
            Ok(service) => services.push(service),
            Err(problem) => problems.push(format!("service {}: {problem}", service.path())),
        }
    }
    if !problems.is_empty() {
        return Err(Failure::new(problems.join("\n")));
    }
    Ok(services)
}

/// The gateway slows down who guesses, unless a service says otherwise.
fn throttled(config: &Config, service: &GatewayConfig, auth: Auth) -> Auth {
    if service.usual_throttle { auth.with_throttle(config.throttle()) } else { auth }
}

fn assemble(config: &GatewayConfig, auth: Auth, unanswered: Unanswered) -> Result<Service> {
    let answer = match &config.answer {
        Some(portcullis::Answer::Respond(text)) => Answer::Respond(text.clone()),
        Some(portcullis::Answer::Upstream(upstream)) => {
            let to = Upstream::new(&upstream.url, upstream.tls.clone())?;
            Answer::Upstream(if upstream.unverified { to.unverified() } else { to })
        }
        None if unanswered == Unanswered::Empty => Answer::Respond(String::new()),
        _ => {
            return Err(Failure::new(
                "says neither `respond` nor `upstream`, so there is nothing to serve: give it one of them",
            ));
        }
    };
    let matching = match config.path_matching {
        PathMatching::Strict if config.answer.is_some() => PathMatching::Strict,
        // Where Rust code serves it, other spellings are its router's matter.
        _ => PathMatching::Exact,
    };
    let mut service = Service::new(auth, answer).path_matching(matching);
    if let Some(forward) = config.forward_credential {
        service = service.forward_credential(forward);
    }
    if let Some(cors) = &config.cors {
        service = service.cors(cross_origin(cors));
    }
    Ok(service)
}

fn cross_origin(config: &CorsConfig) -> Cors {
    let mut cors = Cors::default();
    cors.allow_origins.clone_from(&config.allow_origins);
    cors.allow_methods.clone_from(&config.allow_methods);
    cors.allow_headers.clone_from(&config.allow_headers);
    cors.allow_credentials = config.allow_credentials;
    cors.expose_headers.clone_from(&config.expose_headers);
    cors.max_age = config.max_age;
    cors
}
