//! How the gateway would decide on a request, without serving it.

use std::net::IpAddr;

use arc_swap::Guard;
use http::{StatusCode, request::Parts};
use portcullis_core::{Contact, Explanation, Reason};

use super::{Gateway, cors::is_preflight, find, reply::Refused};

/// How the gateway would decide on a request.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Explained {
    /// A service covers it and decides.
    Decided {
        /// The path of the service.
        service: String,
        /// Its decision.
        explanation: Explanation,
    },
    /// The gateway answers it before any policy is looked at.
    Refused {
        /// With this status.
        status: StatusCode,
        /// For this reason.
        reason: Reason,
        /// What can be done about it.
        remedy: &'static str,
    },
    /// It is a preflight, which the gateway answers by the service's `cors`.
    Preflight {
        /// The path of the service.
        service: String,
    },
}

impl Explained {
    /// The status of the answer; 200 stands for whatever the service answers.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Decided { explanation, .. } => explanation.status(),
            Self::Refused { status, .. } => *status,
            Self::Preflight { .. } => StatusCode::OK,
        }
    }
}

impl From<Refused> for Explained {
    fn from(refused: Refused) -> Self {
        Self::Refused { status: refused.status(), reason: refused.reason(), remedy: refused.remedy() }
    }
}

impl Gateway {
    /// Tells how a request from `client` would be decided: by the same doors, with nothing remembered, logged
    /// or sent on. Servers are asked only where `contact` allows it.
    pub async fn explain(&self, parts: &Parts, client: Option<IpAddr>, contact: Contact) -> Explained {
        match self.explained(parts, client, contact).await {
            Ok(explained) => explained,
            Err(refused) => refused.into(),
        }
    }

    async fn explained(
        &self,
        parts: &Parts,
        client: Option<IpAddr>,
        contact: Contact,
    ) -> Result<Explained, Refused> {
        let directory = Guard::into_inner(self.0.now());
        let (target, entry) = find(&directory, parts)?;
        let site = entry.front.site();
        let service = site.path().to_owned();
        if entry.front.has_cors() && is_preflight(&parts.method, &parts.headers) {
            return Ok(Explained::Preflight { service });
        }
        let explanation = site.explain(parts, &target, client, contact).await?;
        Ok(Explained::Decided { service, explanation })
    }
}
