//! Numbers about decisions, providers and clients, through the facade of the crate `metrics`.
//!
//! [`AuthMetrics`] counts the decisions of the services that it observes, and reads the gauges of the services and clients
//! that it watches when [`AuthMetrics::collect`] is called, which is when somebody asks for the numbers. Where they go to is
//! the recorder's matter: the one that the process installed ([`AuthMetrics::global`]), or one of your own, such as
//! [`PrometheusText`]:
//!
//! ```
//! # #[cfg(feature = "config")] {
//! use std::sync::Arc;
//! use portcullis::{Config, metrics::{AuthMetrics, PrometheusText}};
//!
//! let text = Arc::new(PrometheusText::new());
//! let metrics = Arc::new(AuthMetrics::new(text.clone()));
//! let config = Config::builder().observer(metrics.clone()).parse("services.\"/\" = { public = true }", ".")?;
//! metrics.watch(config.services().iter().map(|service| service.auth().clone()));
//!
//! // For each scrape:
//! metrics.collect();
//! let page = text.render();
//! # }
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! The labels hold names of the configuration and words of closed lists ([`Reason`](crate::Reason)), and nothing that a
//! caller chooses.

mod collect;
mod names;
mod observer;
mod prometheus;
#[cfg(test)]
mod tests;

pub use self::{
    names::{ALL, Kind, Metric},
    observer::AuthMetrics,
    prometheus::PrometheusText,
};
