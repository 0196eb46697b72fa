//! `portcullis serve`

use std::{
    net::SocketAddr,
    task::{Context, Poll},
};

use axum::extract::ConnectInfo;
use http::Request;
use portcullis::Config;
use portcullis_axum::serve::{ClientAddr, Listener, TrustedProxies};
use tower_service::Service;

use super::{
    assemble::{self, Unanswered},
    describe, load, online,
};
use crate::{
    args::ServeArgs,
    failure::{Failure, Result, Verdict},
    gateway::{Gateway, Peer},
    logging::{self, LogFormat},
    output::complain,
};

/// What is logged unless somebody says otherwise: refusals, and not every request.
pub(super) const LOG: &str = "info";

const LOG_TARGET: &str = "portcullis::serve";

pub(super) fn run(args: &ServeArgs) -> Result {
    // Its warnings are log events.
    let config = load(&args.config)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(args, &config))?;
    Ok(Verdict::Yes)
}

async fn serve(args: &ServeArgs, config: &Config) -> Result<()> {
    if config.services().is_empty() {
        return Err(Failure::new(format!(
            "{} has no services: add [services.\"/path\"] with `respond` or `upstream`",
            args.config.display()
        )));
    }
    let mut auths = Vec::new();
    for service in config.services() {
        auths.push(service.build().await?);
    }
    let needed = online::of_services(&auths);
    let providers: Vec<_> = auths.iter().flat_map(portcullis::Auth::providers).collect();
    let gateway = assemble::gateway(config, auths, Unanswered::Mistake)?;
    let mut wanted = config.listener().clone();
    if let Some(address) = args.listen {
        wanted = wanted.with_address(address);
    }
    let listener = Listener::bind(&wanted).await?.watching(providers);
    announce(args.log_format, &listener);
    for service in config.services() {
        tracing::info!(target: LOG_TARGET, "service {} {}", service.path(), describe::answer_of(service));
    }
    // It ends with the runtime.
    tokio::spawn(ask(needed));
    let front =
        Front { gateway, trusted_proxies: wanted.trusted_proxies().clone(), is_secure: listener.is_secure() };
    Ok(listener.serve(front).await?)
}

/// Asks the servers of providers, so that whoever starts it need not wait for the first refusal to learn that one is down.
async fn ask(needed: Vec<online::Needed>) {
    for online::Answered { probe, needed_by } in online::ask(needed).await {
        let (role, url, needed_by) = (probe.role, probe.url, needed_by.join("; "));
        let milliseconds = u64::try_from(probe.took.as_millis()).unwrap_or(u64::MAX);
        match probe.result {
            Ok(answer) => {
                tracing::info!(target: LOG_TARGET, role, url, milliseconds, needed_by, answer, "a server answers");
            }
            Err(reason) => tracing::warn!(
                target: LOG_TARGET,
                role,
                url,
                milliseconds,
                needed_by,
                reason,
                "a server does not answer rightly; requests that need it are answered with 503 until it does"
            ),
        }
    }
}

/// Says where it listens, whatever the log filter: whoever started it waits for this line.
fn announce(format: LogFormat, listener: &Listener) {
    let scheme = if listener.is_secure() { "https" } else { "http" };
    let mut lines = vec![format!("listening on {scheme}://{}", listener.local_addr())];
    lines.extend(listener.admin_addr().map(|address| format!("admin endpoints on http://{address}")));
    for line in lines {
        match format {
            LogFormat::Text => complain(line),
            LogFormat::Json => tracing::info!(target: logging::ALWAYS, "{line}"),
        }
    }
}

/// Tells the gateway what the listener knows of the connection.
#[derive(Clone, Debug)]
struct Front {
    gateway: Gateway,
    trusted_proxies: TrustedProxies,
    is_secure: bool,
}

impl<B> Service<Request<B>> for Front
where
    Gateway: Service<Request<B>>,
{
    type Response = <Gateway as Service<Request<B>>>::Response;
    type Error = <Gateway as Service<Request<B>>>::Error;
    type Future = <Gateway as Service<Request<B>>>::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<std::result::Result<(), Self::Error>> {
        self.gateway.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let extensions = request.extensions_mut();
        if let Some(ConnectInfo(address)) = extensions.get::<ConnectInfo<SocketAddr>>() {
            let mut peer = Peer::new(address.ip());
            peer.is_trusted_proxy = self.trusted_proxies.contains(address.ip());
            peer.is_secure = self.is_secure;
            if let Some(ClientAddr(client)) = extensions.get::<ClientAddr>() {
                peer.client = *client;
            }
            extensions.insert(peer);
        }
        self.gateway.call(request)
    }
}
