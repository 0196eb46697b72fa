//! `portcullis explain`

use http::{HeaderMap, HeaderValue, Request, StatusCode, header::HOST, request::Parts};
use portcullis::{Contact, Explanation, Looked, Reason, Rejection, observe::TurnedAway};
use serde_json::{Value, json};

use super::{
    assemble::{self, Unanswered},
    block_on, describe, headers, load,
};
use crate::{
    args::ExplainArgs,
    failure::{Failure, Result, Verdict},
    gateway::Explained,
    input::{Content, Input},
    output::{Output, Table},
};

/// The most that a listener takes, whatever it is configured to.
const MAX_HEADER_BYTES: u64 = 256 * 1024;

pub(super) fn run(args: &ExplainArgs, out: &mut Output) -> Result {
    let parts = request(args)?;
    let config = load(&args.config)?;
    // Services that Rust code serves are of interest as well.
    let auths = config.services().iter().map(|service| service.auth().clone());
    let gateway = assemble::gateway(&config, auths, Unanswered::Empty)?;
    let contact = if args.online { Contact::Allowed } else { Contact::Forbidden };
    let explained = block_on(gateway.explain(&parts, args.client, contact))?;
    let status = explained.status();
    if args.json {
        out.json(&json(&parts, &explained))?;
    } else {
        tell(&parts, &explained, contact, out)?;
    }
    Ok(Verdict::of(status.is_success()))
}

/// The request as the gateway would get it.
fn request(args: &ExplainArgs) -> Result<Parts> {
    let path = args.path.split(['?', '#']).next().unwrap_or_default();
    if !path.starts_with('/') {
        return Err(Failure::new(format!(
            "the path {path:?} does not start with a slash: write it as in a URL after the host, such as /foo/bar"
        )));
    }
    let request = Request::builder().method(args.method.clone()).uri(path).body(());
    let (mut parts, ()) = request
        .map_err(|_| {
            Failure::new(format!(
                "the path {path:?} holds a character that no client sends as it is: percent-encode it, \
                 such as %20 for a blank"
            ))
        })?
        .into_parts();
    parts.headers = match &args.header {
        Some(from) => read_headers(from)?,
        None => HeaderMap::new(),
    };
    parts.headers.entry(HOST).or_insert(HeaderValue::from_static("localhost"));
    Ok(parts)
}

fn read_headers(from: &str) -> Result<HeaderMap> {
    let input = Input::parse(from, "a header")?;
    match input.read(MAX_HEADER_BYTES)? {
        Content::Text(text) => headers::parse(text.expose()),
        Content::NotText => Err(Failure::new(format!("{} is not UTF-8 text", input.describe()))),
        Content::TooLong => {
            Err(Failure::new(format!("{} is longer than 256 KiB, which no listener takes", input.describe())))
        }
    }
}

fn tell(parts: &Parts, explained: &Explained, contact: Contact, out: &mut Output) -> Result<()> {
    let status = explained.status();
    let (verdict, cause) = match explained {
        Explained::Decided { explanation, .. } => match &explanation.decision {
            Ok(_) => ("admitted", None),
            Err(rejection) => {
                let cause = explanation.reason.map_or(rejection.kind().as_str(), Reason::as_str);
                ("refused", Some(cause))
            }
        },
        Explained::Refused { reason, .. } => ("refused", Some(reason.as_str())),
        Explained::Preflight { .. } => ("answered by the gateway", None),
    };
    let status = status_text(status, cause.is_none());
    let cause = cause.map(|cause| format!(": {cause}")).unwrap_or_default();
    out.line(format_args!("{} {}", parts.method, parts.uri.path()))?;
    out.line(format_args!("  decision    {verdict}{status}{cause}"))?;
    match explained {
        Explained::Decided { service, explanation } => {
            out.line(format_args!("  service     {service}"))?;
            out.line(format_args!("  policy      {}", explanation.policy))?;
            out.line(format_args!("  credential  {}", explanation.credential))?;
            let is_open = explanation.elements.iter().any(|element| element.looked == Looked::Unavailable);
            if is_open && contact == Contact::Forbidden {
                out.line("  remedy      no server was asked: --online lets elements ask theirs")?;
            }
            if !explanation.elements.is_empty() {
                out.line("")?;
                out.table(&table(explanation))?;
            }
        }
        Explained::Refused { remedy, .. } => out.line(format_args!("  remedy      {remedy}"))?,
        Explained::Preflight { service } => {
            out.line(format_args!("  service     {service}"))?;
            out.line("  because     it is a cross-origin preflight, which `cors` answers")?;
        }
    }
    Ok(())
}

/// The status where it is not the handler's to choose.
fn status_text(status: StatusCode, admitted: bool) -> String {
    if admitted { String::new() } else { format!(" with {status}") }
}

fn table(explanation: &Explanation) -> Table {
    let mut table = Table::new(2, &["ELEMENT", "LOOKS AT", "ANY ONE OF", "OUTCOME", "REASON", "WHY"]);
    for (position, element) in explanation.elements.iter().enumerate() {
        let scopes = if element.scopes.is_empty() { "anyone".to_owned() } else { element.scopes.join(", ") };
        table.row([
            format!("[{position}] {}", element.name),
            element.scheme.to_string(),
            scopes,
            element.looked.to_string(),
            element.reason.map_or("", Reason::as_str).to_owned(),
            element.text.clone(),
        ]);
    }
    table
}

fn json(parts: &Parts, explained: &Explained) -> Value {
    let mut value = match explained {
        Explained::Decided { service, explanation } => decided_json(service, explanation),
        Explained::Refused { reason, remedy, .. } => {
            let (kind, reason) = (TurnedAway::OUTCOME, reason.as_str());
            json!({ "admitted": false, "kind": kind, "reason": reason, "remedy": remedy, "elements": [] })
        }
        Explained::Preflight { service } => {
            json!({ "admitted": true, "service": service, "preflight": true, "elements": [] })
        }
    };
    if let Some(object) = value.as_object_mut() {
        object.insert("method".to_owned(), parts.method.as_str().into());
        object.insert("path".to_owned(), parts.uri.path().into());
        object.insert("status".to_owned(), explained.status().as_u16().into());
    }
    value
}

fn decided_json(service: &str, explanation: &Explanation) -> Value {
    let decision = explanation.decision.as_ref();
    let challenges = |rejection: &Rejection| -> Vec<String> {
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        rejection.challenges().iter().map(text).collect()
    };
    let principal = decision.ok().and_then(|admission| admission.principal()).map(|principal| {
        let mut value = describe::identity_json(principal.identity());
        if let Some(object) = value.as_object_mut() {
            object.insert("provider".to_owned(), principal.provider().into());
        }
        value
    });
    let elements: Vec<Value> = explanation
        .elements
        .iter()
        .map(|element| {
            json!({
                "name": element.name,
                "scheme": element.scheme.as_str(),
                "scopes": if element.scopes.is_empty() { Value::Null } else { json!(element.scopes) },
                "outcome": element.looked.as_str(),
                "reason": element.reason.map(Reason::as_str),
                "text": element.text,
            })
        })
        .collect();
    json!({
        "admitted": decision.is_ok(),
        "kind": decision.err().map(|rejection| rejection.kind().as_str()),
        "reason": explanation.reason.map(Reason::as_str),
        "service": service,
        "policy": explanation.policy,
        "credential": explanation.credential,
        "principal": principal,
        "challenges": decision.err().map(challenges).unwrap_or_default(),
        "elements": elements,
    })
}
