//! `portcullis serve`

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    num::NonZeroUsize,
    sync::Arc,
    task::{Context, Poll},
    thread,
};

use axum::extract::ConnectInfo;
use http::{Request, Response};
use portcullis::{
    Auth, BoxFuture, BuildError, Commit, Config, Follow, Live,
    metrics::{AuthMetrics, PrometheusText},
};
use portcullis_axum::serve::{Listener, ListenerConfig, ListenerHandle, RequestBody};
use tokio::runtime::{Builder, Runtime};
use tower_service::Service;

use super::{
    assemble::{self, Unanswered},
    describe, online, unusable,
};
use crate::{
    args::ServeArgs,
    failure::{Failure, Result, Verdict},
    gateway::{Answering, Body, Connection, Gateway},
    input,
    logging::{self, LogFormat},
    output::complain,
};

/// What is logged unless somebody says otherwise: refusals, and not every request.
pub(super) const LOG: &str = "info";

const LOG_TARGET: &str = "portcullis::serve";

const NO_SERVICES: &str = "has no services: add [services.\"/path\"] with `respond` or `upstream`";

pub(super) fn run(args: &ServeArgs) -> Result {
    input::require_file(&args.config)?;
    // Its warnings are log events.
    let numbers = Numbers::default();
    let metrics = Arc::clone(&numbers.metrics);
    let live = Live::load_with(&args.config, move || Config::builder().admin_metrics(metrics.clone()))
        .map_err(|error| unusable(&args.config, &error))?;
    let cores = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    runtime(cores)?.block_on(serve(args, &live, &numbers))?;
    Ok(Verdict::Yes)
}

/// A thread for each core that the process may use. Where there is one, this thread does it all, and has nobody to share work
/// with.
fn runtime(cores: NonZeroUsize) -> io::Result<Runtime> {
    let mut builder = match cores {
        NonZeroUsize::MIN => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    builder.enable_all().build()
}

async fn serve(args: &ServeArgs, live: &Live, numbers: &Numbers) -> Result<()> {
    if live.config().services().is_empty() {
        return Err(Failure::new(format!("{} {NO_SERVICES}", args.config.display())));
    }
    // First: without it the signal ends the process.
    #[cfg(unix)]
    let hangups = live.reload_on_hangup()?;
    numbers.metrics.watch_reloads(live);
    let mut listener = None;
    live.follow(async |config| {
        let (serving, bound) = Serving::start(args, config, numbers).await?;
        listener = Some((serving.front(), bound));
        Ok::<_, Failure>(Arc::new(serving))
    })
    .await?;
    let Some((front, listener)) = listener else { return Ok(()) };
    // They end with the runtime.
    tokio::spawn(live.watch());
    #[cfg(unix)]
    tokio::spawn(hangups);
    Ok(listener.serve(front).await?)
}

/// What the admin endpoint shows beside the listener's own numbers.
#[derive(Clone)]
struct Numbers {
    text: Arc<PrometheusText>,
    metrics: Arc<AuthMetrics>,
}

impl Default for Numbers {
    fn default() -> Self {
        let text = Arc::new(PrometheusText::new());
        Self { metrics: Arc::new(AuthMetrics::new(text.clone())), text }
    }
}

impl Numbers {
    fn page(&self) -> String {
        self.metrics.collect();
        self.text.render()
    }
}

/// What is made of each version of the configuration.
struct Serving {
    listen: Option<SocketAddr>,
    metrics: Arc<AuthMetrics>,
    gateway: Gateway,
    listener: ListenerHandle,
    /// Whether the listener speaks TLS, which stays so while it is there.
    is_secure: bool,
}

impl Serving {
    /// Makes it of the first version, and takes the addresses.
    async fn start(args: &ServeArgs, config: &Config, numbers: &Numbers) -> Result<(Self, Listener)> {
        let auths = auths(config).await?;
        let needed = online::of_services(&auths);
        numbers.metrics.watch(auths.iter().cloned());
        let gateway = assemble::gateway(config, auths, Unanswered::Mistake)?;
        let wanted = wanted(args.listen, config);
        let shown = numbers.clone();
        let listener = Listener::bind(&wanted).await?.metrics_page(move || shown.page());
        announce(args.log_format, &listener);
        for service in config.services() {
            tracing::info!(target: LOG_TARGET, "service {} {}", service.path(), describe::answer_of(service));
        }
        // It ends with the runtime.
        tokio::spawn(ask(needed));
        let serving = Self {
            listen: args.listen,
            metrics: Arc::clone(&numbers.metrics),
            gateway,
            listener: listener.handle(),
            is_secure: listener.is_secure(),
        };
        Ok((serving, listener))
    }

    fn front(&self) -> Front {
        Front { gateway: self.gateway.clone(), is_secure: self.is_secure }
    }

    /// Makes another version ready.
    async fn next(&self, config: &Config) -> Result<Commit> {
        let auths = auths(config).await?;
        let watched = auths.clone();
        let services = assemble::services(config, auths, Unanswered::Mistake)?;
        let wanted = wanted(self.listen, config);
        let prepared = self.gateway.prepare(services)?.trusting(wanted.trusted_proxies().clone());
        let listener = self.listener.clone();
        let metrics = Arc::clone(&self.metrics);
        Ok(Box::new(move || {
            let later = listener.reconfigure(&wanted);
            metrics.watch(watched);
            // Services and proxies at once: what the listener makes of forwarding headers has no say in the gateway.
            prepared.commit();
            for key in later {
                tracing::warn!(target: LOG_TARGET, key, "the new value takes effect at the next start");
            }
        }))
    }
}

impl Follow for Serving {
    fn prepare<'a>(
        &'a self,
        config: &'a Arc<Config>,
    ) -> BoxFuture<'a, std::result::Result<Commit, BuildError>> {
        Box::pin(
            async move { self.next(config).await.map_err(|failure| BuildError::new(failure.to_string())) },
        )
    }
}

/// What guards each service, ready.
async fn auths(config: &Config) -> Result<Vec<Auth>> {
    if config.services().is_empty() {
        return Err(Failure::new(format!("the configuration {NO_SERVICES}")));
    }
    let mut auths = Vec::new();
    for service in config.services() {
        auths.push(service.build().await?);
    }
    Ok(auths)
}

fn wanted(listen: Option<SocketAddr>, config: &Config) -> ListenerConfig {
    let wanted = config.listener().clone();
    match listen {
        Some(address) => wanted.with_address(address),
        None => wanted,
    }
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
            Err(error) => tracing::warn!(
                target: LOG_TARGET,
                role,
                url,
                milliseconds,
                needed_by,
                error,
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
    is_secure: bool,
}

impl Service<Request<RequestBody>> for Front {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answering;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<std::result::Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<RequestBody>) -> Answering {
        let connected = request.extensions().get::<ConnectInfo<SocketAddr>>();
        let connection = connected.map(|ConnectInfo(address)| Connection::new(address.ip(), self.is_secure));
        self.gateway.answer_on(request, connection)
    }
}

#[cfg(test)]
mod tests {
    use tokio::runtime::{Handle, RuntimeFlavor};

    use super::*;

    #[test]
    fn one_core_is_served_by_one_thread_and_several_by_several() {
        for (cores, flavor) in [(1, RuntimeFlavor::CurrentThread), (2, RuntimeFlavor::MultiThread)] {
            let runtime = runtime(NonZeroUsize::new(cores).unwrap()).unwrap();
            assert_eq!(runtime.block_on(async { Handle::current().runtime_flavor() }), flavor);
        }
    }
}
