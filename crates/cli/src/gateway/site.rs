//! One service at work: decide, then answer or pass on.

use std::{
    convert::Infallible,
    net::IpAddr,
    ops::ControlFlow,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response, StatusCode, Version, request::Parts};
use hyper::upgrade::OnUpgrade;
use portcullis_axum::serve::Stopping;
use portcullis_core::{
    Admission, Auth, BuildError, Clock, Contact, Decision, Explanation, Policy, RequestHead, Step,
};
use tower_layer::Layer as _;

use super::{
    PathMatching, Peer,
    answering::Making,
    body::{Body, ClientBody},
    cors::reveal,
    credential,
    front::{Call, Front},
    headers, log,
    reply::{self, Kind, Refused, Text},
    service::{Answer, Service},
    spelling::Spellings,
    target::Target,
    upstream::{Failure, Way},
    versions::ServedBy,
    websocket::{Asked, Opening, Ours},
};

/// A service behind its decision.
#[derive(Clone, Debug)]
pub(super) struct Guarded(pub(super) Arc<Site>);

#[derive(Debug)]
pub(super) struct Site {
    auth: Auth,
    /// `None` where other spellings go by what they are, or there is no resource to spell.
    spellings: Option<Spellings>,
    answer: Ready,
    forward_credential: Option<bool>,
    /// Whether the gateway, and not the upstream, answers cross-origin questions.
    has_cors: bool,
}

#[derive(Debug)]
enum Ready {
    Text(Text),
    Upstream(Arc<Way>),
}

impl Site {
    pub(super) fn build(
        service: Service,
        clock: &Arc<dyn Clock>,
        earlier: &[&Arc<Way>],
    ) -> Result<Front, BuildError> {
        let spellings = match service.path_matching {
            PathMatching::Strict => Spellings::of(&service.auth)?,
            PathMatching::Exact => None,
        };
        let layer = service.cors.as_ref().map(super::Cors::layer).transpose()?;
        let answer = match service.answer {
            Answer::Respond(text) => Ready::Text(Text::new(text)),
            Answer::Upstream(upstream) => {
                let protocol = service.auth.protocol();
                let kept = earlier.iter().find(|way| way.leads_to(&upstream, protocol));
                Ready::Upstream(match kept {
                    Some(way) => Arc::clone(way),
                    None => Arc::new(Way::new(upstream, protocol, clock)),
                })
            }
        };
        let guarded = Guarded(Arc::new(Self {
            auth: service.auth,
            spellings,
            answer,
            forward_credential: service.forward_credential,
            has_cors: layer.is_some(),
        }));
        Ok(match layer {
            Some(layer) => Front::Cors(Box::new(layer.layer(guarded))),
            None => Front::Plain(guarded),
        })
    }

    fn decide(&self, call: &Call) -> Result<Step, Refused> {
        let Call { parts, target, peer, .. } = call;
        let client = peer.map(|peer| peer.client.to_canonical());
        let head = RequestHead::new(&parts.method, parts.uri.path(), &parts.headers).with_client(client);
        Ok(match self.policy(&head, target)? {
            Some(policy) => self.auth.decide_by(policy, &head),
            // Finds none either, and logs why.
            None => self.auth.decide(&head),
        })
    }

    /// The policy that covers a request; `None` where there is none, which is the service's to say.
    fn policy(&self, head: &RequestHead<'_>, target: &Target) -> Result<Option<&Policy>, Refused> {
        let Ok(policy) = self.auth.policy_for(head) else { return Ok(None) };
        let path = target.path(head.path);
        let is_misspelt = |spellings: &Spellings| spellings.meets_another(head.method, path, policy);
        if self.spellings.as_ref().is_some_and(is_misspelt) {
            return Err(Kind::OtherSpelling.into());
        }
        Ok(Some(policy))
    }

    /// What guards a request, where it is one for this service.
    pub(super) fn guard(&self, head: &RequestHead<'_>, target: &Target) -> Option<(Auth, Policy)> {
        let policy = self.policy(head, target).ok()??.clone();
        Some((self.auth.clone(), policy))
    }

    /// The way to its upstream, where it has one.
    pub(super) const fn way(&self) -> Option<&Arc<Way>> {
        match &self.answer {
            Ready::Upstream(way) => Some(way),
            Ready::Text(_) => None,
        }
    }

    /// What guards it.
    pub(super) const fn auth(&self) -> &Auth {
        &self.auth
    }

    /// The service's base path.
    pub(super) fn path(&self) -> &str {
        self.auth.path()
    }

    /// The same decision, told element by element.
    pub(super) async fn explain(
        &self,
        parts: &Parts,
        target: &Target,
        client: Option<IpAddr>,
        contact: Contact,
    ) -> Result<Explanation, Refused> {
        let head = RequestHead::new(&parts.method, parts.uri.path(), &parts.headers).with_client(client);
        self.policy(&head, target)?;
        Ok(self.auth.explain(&head, contact).await)
    }

    /// The gateway's own answer, or what lets the request go on to the upstream.
    fn settle(&self, call: &Call, decision: Decision) -> ControlFlow<Response<Body>, (&Arc<Way>, Admission)> {
        let admission = match decision {
            Ok(admission) => admission,
            Err(rejection) => return ControlFlow::Break(reply::rejected(rejection)),
        };
        match (&self.answer, &call.target.websocket) {
            (Ready::Upstream(way), _) => ControlFlow::Continue((way, admission)),
            // Any text would be the first bytes of the WebSocket.
            (Ready::Text(_), Some(Asked::Connect)) => {
                ControlFlow::Break(self.refuse(&call.parts, call.peer, Kind::ExtendedConnect.into()))
            }
            (Ready::Text(text), _) => ControlFlow::Break(text.response(&call.parts.method)),
        }
    }

    /// Asks the upstream, where it is the one to answer.
    async fn answer(&self, call: Call, decision: Decision) -> Response<Body> {
        let (way, admission) = match self.settle(&call, decision) {
            ControlFlow::Continue(on) => on,
            ControlFlow::Break(response) => return response,
        };
        self.ask(way, call, admission).await
    }

    async fn ask(&self, way: &Way, call: Call, admission: Admission) -> Response<Body> {
        let Call { mut parts, body, target, peer } = call;
        // A WebSocket stays open while other services may replace these.
        let served_by: Option<ServedBy> = parts.extensions.remove();
        let standing = served_by.map(|served_by| {
            let client = peer.map(|peer| peer.client.to_canonical());
            let head = RequestHead::new(&parts.method, parts.uri.path(), &parts.headers);
            let opening = portcullis_core::Opening::of(&self.auth, &head);
            served_by.standing(&parts.method, parts.uri.path(), &target, client, opening)
        });
        let admission = admission.standing_on(standing);
        // A token that only browsers need there is nobody's behind the gateway, on public routes as well.
        let offered = self.auth.conceal(&parts.method, &mut parts.headers);
        self.auth.conceal_cookies(&mut parts.headers);
        let mut response = match &target.websocket {
            None => self.pass_on(way, parts, body, &target, peer, &admission).await,
            Some(asked) => self.open(way, asked, parts, &target, peer, &admission).await,
        };
        if let Some(offered) = offered {
            let status = response.status();
            offered.answer(status, response.headers_mut());
        }
        response
    }

    fn refuse(&self, parts: &Parts, peer: Option<Peer>, refused: Refused) -> Response<Body> {
        refuse(Some(&self.auth), parts, peer, refused)
    }

    /// Sends a request on, and the answer back.
    async fn pass_on(
        &self,
        way: &Way,
        parts: Parts,
        body: ClientBody,
        target: &Target,
        peer: Option<Peer>,
        admission: &Admission,
    ) -> Response<Body> {
        let log = log::Exchange::new(&parts, peer, self.auth.path());
        let head = match self.head(way, parts, target, peer, admission) {
            Ok(head) => head,
            Err(refused) => return *refused,
        };
        match way.send(head, body).await {
            Ok(response) => self.relay(response).map(Body::upstream),
            Err(failure) => failed(&log, &failure),
        }
    }

    /// Opens a WebSocket with the upstream, and then with the client.
    async fn open(
        &self,
        way: &Way,
        asked: &Asked,
        mut parts: Parts,
        target: &Target,
        peer: Option<Peer>,
        admission: &Admission,
    ) -> Response<Body> {
        let log = log::Exchange::new(&parts, peer, self.auth.path());
        let client = peer.map(|peer| peer.client);
        let request = RequestHead::new(&parts.method, parts.uri.path(), &parts.headers).with_client(client);
        let lease = admission.lease().for_request(&request);
        let stopping = parts.extensions.remove::<Stopping>();
        let Some(client) = parts.extensions.remove::<OnUpgrade>() else {
            // The listener cannot give the connection away.
            return self.refuse(&parts, peer, Kind::ExtendedConnect.into());
        };
        let Some((ours, mask)) = Ours::random() else {
            return failed(&log, &Failure::new(StatusCode::BAD_GATEWAY, "the system gives no random bytes"));
        };
        let mut head = match self.head(way, parts, target, peer, admission) {
            Ok(head) => head,
            Err(refused) => return *refused,
        };
        ours.ask(&mut head.headers);
        let mut response = match way.open(head).await {
            Ok(response) => response,
            Err(failure) => return failed(&log, &failure),
        };
        let reason = match response.status() {
            StatusCode::SWITCHING_PROTOCOLS if ours.is_answered(response.headers()) => {
                let upstream = hyper::upgrade::on(&mut response);
                let (clock, log) = (way.clock(), log::Socket::new(&log));
                Opening { client, upstream, lease, stopping, mask, clock, log }.start();
                let mut response = self.relay(response).map(|_| Body::empty());
                *response.status_mut() = asked.opened();
                asked.answer(response.headers_mut());
                return response;
            }
            StatusCode::SWITCHING_PROTOCOLS => {
                "the upstream did not agree to the WebSocket as it was asked to"
            }
            // RFC 8441 §5: any of them would open it.
            status if *asked == Asked::Connect && status.is_success() => {
                "the upstream opened no WebSocket, and answered with success"
            }
            _ => return self.relay(response).map(Body::upstream),
        };
        failed(&log, &Failure::new(StatusCode::BAD_GATEWAY, reason))
    }

    /// What the upstream is asked.
    fn head(
        &self,
        way: &Way,
        parts: Parts,
        target: &Target,
        peer: Option<Peer>,
        admission: &Admission,
    ) -> Result<Parts, Box<Response<Body>>> {
        let address =
            way.address(&parts.uri).map_err(|refused| Box::new(self.refuse(&parts, peer, refused)))?;
        // The extensions stay behind: they belong to the connection to the client.
        let (mut head, ()) = Request::new(()).into_parts();
        if target.websocket.is_none() {
            head.method = parts.method;
        }
        head.uri = address;
        head.version = Version::HTTP_11;
        head.headers = parts.headers;
        let forwarding = headers::Forwarding { peer, host: target.host.as_ref() };
        headers::request(&mut head.headers, parts.version, way.onward(), &forwarding);
        // A header that the decision did not look at could name somebody else to the upstream.
        let looked_at = self.auth.credential_sources().reads_header();
        credential::forward(&mut head.headers, self.forward_credential, way.keeps_secrets() && looked_at);
        if let Some(caller) = admission.principal() {
            headers::set_identity(&mut head.headers, caller);
        }
        Ok(head)
    }

    /// What the client gets of an upstream's answer.
    fn relay<B>(&self, mut response: Response<B>) -> Response<B> {
        headers::response(response.headers_mut());
        if self.has_cors {
            headers::remove_cors(response.headers_mut());
        }
        // The listener speaks its own version.
        *response.version_mut() = Version::default();
        response
    }
}

/// Answers without the upstream, and says why in the log.
pub(super) fn refuse(
    auth: Option<&Auth>,
    parts: &Parts,
    peer: Option<Peer>,
    refused: Refused,
) -> Response<Body> {
    log::refused(auth, &parts.method, &parts.uri, peer, refused);
    refused.response()
}

fn failed(log: &log::Exchange<'_>, failure: &Failure) -> Response<Body> {
    log.failed(failure);
    reply::empty(failure.status)
}

impl Guarded {
    /// Decides and answers, at once where neither an element nor the upstream has to be waited for.
    pub(super) fn serve(&self, call: Call) -> Making {
        let site = &self.0;
        match site.decide(&call) {
            Err(refused) => Making::done(site.refuse(&call.parts, call.peer, refused)),
            Ok(Step::Ready(decision)) => match site.settle(&call, decision) {
                ControlFlow::Break(response) => Making::done(response),
                ControlFlow::Continue((way, admission)) => {
                    let (site, way) = (Arc::clone(site), Arc::clone(way));
                    Making::waiting(async move { site.ask(&way, call, admission).await })
                }
            },
            Ok(Step::Wait(deciding)) => {
                let site = Arc::clone(site);
                Making::waiting(async move {
                    let decision = deciding.await;
                    site.answer(call, decision).await
                })
            }
        }
    }
}

impl tower_service::Service<Request<ClientBody>> for Guarded {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Making;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<ClientBody>) -> Making {
        reveal(&mut request);
        match Call::of_request(request) {
            Some(call) => self.serve(call),
            None => Making::done(Refused::from(Kind::NoService).response()),
        }
    }
}
