//! Sections of a configuration, written as JSON.

use std::sync::Arc;

use portcullis_core::{
    Clock,
    config::{Node, Reader, Table, Value},
};
use portcullis_outbound::{ClientConfig, Endpoint, Purpose, TokenSourceReader, read_endpoint};
use portcullis_testing::ManualClock;
use serde_json::Value as Json;

/// What came of reading `clientConfig` and `url` of a section.
pub struct Read {
    pub config: Option<ClientConfig>,
    pub endpoint: Option<Endpoint>,
    pub problems: Vec<String>,
    pub warnings: Vec<String>,
}

impl Read {
    pub fn tokens(section: &Json, clock: ManualClock) -> Self {
        Self::new(section, clock, Purpose::Tokens, None)
    }

    pub fn new(
        section: &Json,
        clock: ManualClock,
        purpose: Purpose,
        auth: Option<TokenSourceReader>,
    ) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(clock);
        let mut reader = Reader::new(super::data()).plug(clock);
        if let Some(auth) = auth {
            reader = reader.plug(auth);
        }
        let Value::Table(table) = node(section).value().clone() else { panic!("{section} is no table") };
        let section = reader.section(&table, "section");
        let config = ClientConfig::read(&section, purpose);
        let endpoint =
            if section.has("url") { read_endpoint(&section, "url", config.as_ref()) } else { None };
        drop(section);
        let told = |problems: &[portcullis_core::config::Problem]| {
            problems.iter().map(ToString::to_string).collect()
        };
        let warnings = told(&reader.warnings());
        Self { config, endpoint, warnings, problems: told(&reader.into_problems()) }
    }
}

fn node(value: &Json) -> Node {
    match value {
        Json::String(text) => Node::from(text.as_str()),
        Json::Bool(value) => Node::from(*value),
        Json::Number(number) => match number.as_i64() {
            Some(number) => Node::from(number),
            None => Node::new(Value::Float(number.as_f64().unwrap()), None),
        },
        Json::Array(items) => Node::from(items.iter().map(node).collect::<Vec<_>>()),
        Json::Object(members) => {
            let mut table = Table::default();
            for (key, value) in members {
                table.insert(key, node(value));
            }
            Node::from(table)
        }
        Json::Null => panic!("a configuration has no null"),
    }
}
