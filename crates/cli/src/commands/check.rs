//! `portcullis check`

use portcullis::{
    Answer, Auth, Config, ConfiguredClient, Policy, ServiceConfig,
    section::{Location, Problem},
};
use serde_json::{Value, json};

use super::{
    assemble::{self, Unanswered},
    block_on, describe, located,
    online::{self, Answered},
};
use crate::{
    args::CheckArgs,
    failure::{Result, Verdict},
    input,
    output::{Output, Table, complain},
};

pub(super) fn run(args: &CheckArgs, out: &mut Output) -> Result {
    input::require_file(&args.file)?;
    let file = args.file.display().to_string();
    let config = read(args);
    let answered = match &config {
        Ok(config) if args.online => Some(block_on(async { online::ask(online::of_config(config)).await })?),
        _ => None,
    };
    let verdict = Verdict::of(config.is_ok() && answered.iter().flatten().all(Answered::is_right));
    if args.json {
        out.json(&json(&file, &config, answered.as_deref()))?;
        return Ok(verdict);
    }
    let config = match config {
        Ok(config) => config,
        Err(problems) => {
            problems.iter().for_each(|problem| complain(located(&args.file, problem)));
            let count = problems.len();
            complain(format_args!("{count} {} in {file}", if count == 1 { "mistake" } else { "mistakes" }));
            return Ok(Verdict::No);
        }
    };
    for warning in config.warnings() {
        complain(format_args!("warning: {}", located(&args.file, warning)));
    }
    out.line(format_args!("{file} is right"))?;
    let listener = config.listener();
    let scheme = if listener.is_secure() { "https" } else { "http" };
    out.line("")?;
    out.line(format_args!("listener {scheme}://{}", listener.address()))?;
    for service in config.services() {
        out.line("")?;
        out.line(format_args!("service {}  {}", service.path(), describe::answer_of(service)))?;
        if let Some(manners) = describe::manners_of(service.auth()) {
            out.line(manners)?;
        }
        out.table(&table(service.auth()))?;
    }
    if config.services().is_empty() && config.clients().is_empty() {
        out.line("no services: add [services.\"/path\"]")?;
    }
    if !config.clients().is_empty() {
        out.line("")?;
        out.line("clients")?;
        out.table(&clients(&config))?;
    }
    if let Some(answered) = answered {
        tell_online(&answered, out)?;
    }
    Ok(verdict)
}

/// What became of asking the servers.
fn tell_online(answered: &[Answered], out: &mut Output) -> Result<()> {
    out.line("")?;
    if answered.is_empty() {
        return out.line("no servers: nothing depends on one");
    }
    out.line("servers")?;
    out.table(&online::table(answered))?;
    let wrong = answered.iter().filter(|one| !one.is_right()).count();
    if wrong > 0 {
        complain(format_args!("{wrong} of {} servers did not answer rightly", answered.len()));
    }
    Ok(())
}

/// The configuration, or everything that is wrong with it.
fn read(args: &CheckArgs) -> std::result::Result<Config, Vec<Problem>> {
    let config = Config::load(&args.file).map_err(|error| error.problems().to_vec())?;
    // What only the gateway minds, such as two resources whose paths an upstream may take for one.
    let auths = config.services().iter().map(|service| service.auth().clone());
    match assemble::gateway(&config, auths, Unanswered::LeftOut) {
        Ok(_) => Ok(config),
        Err(failure) => Err(failure.to_string().lines().map(|line| Problem::new("", None, line)).collect()),
    }
}

/// What guards each part of a service: the resources, the most specific first, and the rest.
fn table(auth: &Auth) -> Table {
    let mut table = Table::new(2, &["METHOD", "PATH", "POLICY", "ELEMENT", "LOOKS AT", "ANY ONE OF"]);
    for resource in auth.resources() {
        let method = resource.method().map_or("any", http::Method::as_str);
        rows(&mut table, method, resource.pattern(), resource.policy());
    }
    let below = format!("{}/…", auth.path().trim_end_matches('/'));
    rows(&mut table, "any", &below, auth.policy());
    table
}

/// What each client shows, and where.
fn clients(config: &Config) -> Table {
    let mut table = Table::new(2, &["NAME", "CREDENTIAL", "GOES TO"]);
    for client in config.clients() {
        let goes_to = client.origins().map_or_else(|| "any origin".to_owned(), |origins| origins.join(", "));
        table.row([client.name(), client.grant(), &goes_to]);
    }
    table
}

fn rows(table: &mut Table, method: &str, path: &str, policy: &Policy) {
    let kind = describe::kind_of(policy);
    if policy.elements().is_empty() {
        table.row([method, path, kind]);
    }
    for (position, element) in policy.elements().iter().enumerate() {
        let place = if position == 0 { [method, path, kind] } else { [""; 3] };
        let name = format!("[{position}] {}", element.name());
        let scopes = describe::scopes_of(element.scopes());
        table.row(place.into_iter().chain([name.as_str(), element.scheme().as_str(), &scopes]));
    }
}

fn json(
    file: &str,
    config: &std::result::Result<Config, Vec<Problem>>,
    answered: Option<&[Answered]>,
) -> Value {
    let mut value = match config {
        Ok(config) => json!({
            "file": file,
            "right": true,
            "problems": [],
            "warnings": problems_json(config.warnings()),
            "listener": {
                "address": config.listener().address().to_string(),
                "secure": config.listener().is_secure(),
            },
            "services": config.services().iter().map(service_json).collect::<Vec<_>>(),
            "clients": config.clients().iter().map(client_json).collect::<Vec<_>>(),
            "files": config.files().iter().map(|file| file.display().to_string()).collect::<Vec<_>>(),
        }),
        Err(problems) => json!({ "file": file, "right": false, "problems": problems_json(problems) }),
    };
    if let (Some(answered), Some(object)) = (answered, value.as_object_mut()) {
        object.insert("servers".to_owned(), online::json(answered).into());
    }
    value
}

fn problems_json(problems: &[Problem]) -> Vec<Value> {
    let place = |at: Option<Location>| at.map(|at| (at.line, at.column)).unzip();
    let value = |problem: &Problem| {
        let (line, column) = place(problem.at());
        json!({ "path": problem.path(), "line": line, "column": column, "message": problem.message() })
    };
    problems.iter().map(value).collect()
}

/// `origins` is `null` where the credential goes anywhere.
fn client_json(client: &ConfiguredClient) -> Value {
    json!({ "name": client.name(), "credential": client.grant(), "origins": client.origins() })
}

fn service_json(service: &ServiceConfig) -> Value {
    let auth = service.auth();
    let (respond, upstream) = match &service.gateway().answer {
        Some(Answer::Respond(_)) => (true, None),
        Some(Answer::Upstream(upstream)) => (false, Some(upstream.url.to_string())),
        _ => (false, None),
    };
    let resource = |resource: portcullis::ResourceView<'_>| {
        let mut value = describe::policy_json(resource.policy());
        if let Some(object) = value.as_object_mut() {
            object.insert("method".to_owned(), resource.method().map(http::Method::as_str).into());
            object.insert("path".to_owned(), resource.pattern().into());
        }
        value
    };
    let mut value = describe::policy_json(auth.policy());
    if let Some(object) = value.as_object_mut() {
        object.insert("path".to_owned(), auth.path().into());
        object.insert("respond".to_owned(), respond.into());
        object.insert("upstream".to_owned(), upstream.into());
        object.insert("credentialSources".to_owned(), describe::sources_of(auth).into());
        object.insert("origins".to_owned(), auth.credential_sources().origins().collect::<Vec<_>>().into());
        object.insert("protocol".to_owned(), describe::protocol_of(auth).into());
        let revalidate = auth.revalidate_interval().map(|interval| interval.as_secs_f64());
        object.insert("revalidateInterval".to_owned(), revalidate.into());
        object.insert("resources".to_owned(), auth.resources().map(resource).collect());
    }
    value
}
