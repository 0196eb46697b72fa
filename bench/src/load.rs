//! Requests per second over loopback: the server on one core, what asks it on the other.

use std::{
    fs,
    path::Path,
    process::{Child, Stdio},
    thread,
    time::Duration,
};

use axum::Router;
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Response, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::{
    Outcome,
    cases::{ours, plain::hello},
    fixtures::{AUDIENCE, Fixtures, ISSUER, SCOPE},
    measure::Run,
    programs::{command, ensure, output},
};

/// How often each server is asked. The median counts.
const ROUNDS: usize = 5;
const SECONDS: &str = "4s";
const CONNECTIONS: &str = "32";

/// Serves on a free port, which it prints, until it is killed.
pub fn serve(kind: &str, fixtures: &Path) -> Outcome {
    let fixtures = Fixtures::read(fixtures)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?.port());
        match kind {
            "route" => served(listener, hello("/")).await,
            "jwt" => served(listener, ours::guarded(ours::auth(ours::jwt(&fixtures.rsa)))).await,
            "hyper" => bare(listener).await,
            other => Err(format!("there is no server {other:?}").into()),
        }
    })
}

async fn served(listener: TcpListener, app: Router) -> Outcome {
    Ok(axum::serve(listener, app).await?)
}

async fn bare(listener: TcpListener) -> Outcome {
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(async {
            let answer = service_fn(async |_| {
                Ok::<_, std::convert::Infallible>(Response::new(Full::new(Bytes::from_static(
                    b"Hello, World!",
                ))))
            });
            // Whatever ends a connection, the next one is served.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
        });
    }
}

/// A server in a process of its own, ended with this value.
struct Server {
    title: &'static str,
    process: Child,
    port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Prints what each server does, beside the one that it is compared with.
pub fn print(run: &Run, gateway: &Path) -> Outcome {
    ensure("wrk", "wrk")?;
    let fixtures = Fixtures::read(&run.fixtures)?;
    let servers = [
        start(run, "route", "axum, unprotected")?,
        start(run, "jwt", "axum, JWT seen before")?,
        start(run, "hyper", "hyper, bare")?,
        start_gateway(run, &fixtures, gateway)?,
    ];
    let token = &fixtures.rsa.tokens[0];
    let mut rounds: Vec<Vec<Asked>> = servers.iter().map(|_| Vec::new()).collect();
    for _ in 0..ROUNDS {
        for (server, rounds) in servers.iter().zip(&mut rounds) {
            rounds.push(ask(server, token)?);
        }
    }
    for (at, (server, own)) in servers.iter().zip(&rounds).enumerate() {
        let other = at / 2 * 2;
        // Rounds are compared with those that were next to them.
        let share = |of: fn(&Asked) -> f64| {
            100.0 * median(own.iter().zip(&rounds[other]).map(|(own, other)| of(own) / of(other)))
        };
        println!(
            "{:28}{:>10.0} requests/s{:>8.1} %{:>10.0} ns of the core each{:>8.1} % of {}",
            server.title,
            median(own.iter().map(|asked| asked.per_second)),
            share(|asked| asked.per_second),
            median(own.iter().map(|asked| asked.nanoseconds)),
            share(|asked| 1.0 / asked.nanoseconds),
            servers[other].title
        );
    }
    Ok(())
}

/// What one round was like.
struct Asked {
    per_second: f64,
    /// How long a request kept the server busy. Of the two it is the one to go by where something else is busy, too.
    nanoseconds: f64,
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn start(run: &Run, kind: &str, title: &'static str) -> Outcome<Server> {
    let mut server = command("taskset");
    server.args(["--cpu-list", "0"]).arg(&run.program).args(["serve", kind]).arg(&run.fixtures);
    let mut process = server.stdout(Stdio::piped()).spawn()?;
    let mut line = String::new();
    if let Some(stdout) = process.stdout.take() {
        std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut line)?;
    }
    Ok(Server { title, process, port: line.trim().parse()? })
}

/// The gateway answers a text itself, to who shows the token.
fn start_gateway(run: &Run, fixtures: &Fixtures, gateway: &Path) -> Outcome<Server> {
    let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let keys = run.fixtures.with_extension("jwks");
    let config = run.fixtures.with_extension("toml");
    fs::write(&keys, &fixtures.rsa.jwks)?;
    fs::write(
        &config,
        format!(
            r#"
            [listener]
            address = "127.0.0.1:{port}"

            [services."/"]
            respond = "Hello, World!"
            auth = [{{ scopes = "{SCOPE}", jwtValidatorConfig = {{
                issuer = "{ISSUER}", audience = "{AUDIENCE}", signatureConfig = {{ certFile = "{}" }},
            }} }}]
            "#,
            keys.display()
        ),
    )?;
    let mut server = command("taskset");
    server.args(["--cpu-list", "0"]).arg(gateway).args(["serve", "--config"]).arg(&config);
    let process = server.env("RUST_LOG", "error").stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let mut server = Server { title: "the gateway's `respond`", process, port };
    for _ in 0..500 {
        if let Some(status) = server.process.try_wait()? {
            return Err(format!("the gateway ended with {status}").into());
        }
        if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return Ok(server);
        }
        thread::sleep(Duration::from_millis(20));
    }
    Err("the gateway does not accept connections".into())
}

/// How long the threads of a process have run, in nanoseconds.
fn ran(process: u32) -> Outcome<f64> {
    let mut all = 0.0;
    for thread in fs::read_dir(format!("/proc/{process}/task"))? {
        let told = fs::read_to_string(thread?.path().join("schedstat"))?;
        all += told.split_whitespace().next().ok_or("the system does not tell")?.parse::<f64>()?;
    }
    Ok(all)
}

fn ask(server: &Server, token: &str) -> Outcome<Asked> {
    let url = format!("http://127.0.0.1:{}/", server.port);
    let mut wrk = command("taskset");
    wrk.args(["--cpu-list", "1", "wrk", "-t1", "-c", CONNECTIONS, "-d", SECONDS]);
    let before = ran(server.process.id())?;
    let said = output(wrk.args(["-H", &format!("Authorization: Bearer {token}"), &url]))?;
    let ran = ran(server.process.id())? - before;
    if said.contains("Non-2xx") {
        return Err(format!("{} refuses requests:\n{said}", server.title).into());
    }
    let per_second = said.lines().find_map(|line| line.strip_prefix("Requests/sec:"));
    let requests = said.lines().find_map(|line| line.split_once(" requests in"));
    let (Some(per_second), Some((requests, _))) = (per_second, requests) else {
        return Err(format!("wrk counted nothing:\n{said}").into());
    };
    let requests: f64 = requests.trim().parse()?;
    Ok(Asked { per_second: per_second.trim().parse()?, nanoseconds: ran / requests })
}
