//! A service for the people of an LDAP directory, which it brings along for trying it out.
//!
//! `cargo run -p ldap`, and paste the lines that it prints. A file of yours, with a directory of yours, goes behind `--`.

#[cfg(test)]
mod tests;

use std::{env, error::Error, net::SocketAddr};

use axum::{Router, routing::get};
use portcullis::{AuthLayer, Caller, Config, serve::Listener};
use portcullis_testing::TestDirectory;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    // It lives as long as the service.
    let directory = directory().await;
    let config = match env::args().nth(1) {
        Some(file) => Config::load(file)?,
        None => config(&directory)?,
    };
    let app = app(&config).await?;
    let listener = Listener::bind(config.listener()).await?;
    print_requests(listener.local_addr(), &directory);
    Ok(listener.serve(app).await?)
}

/// The service: nothing in it knows of a directory.
async fn app(config: &Config) -> Result<Router, Box<dyn Error>> {
    let auth = config.service("/staff")?.build().await?;
    let app = Router::new()
        .route("/staff/me", get(me))
        .route("/staff/payroll", get(async || "everybody's salary\n"))
        .route("/staff/health", get(async || "ok\n"))
        .layer(AuthLayer::new(auth));
    Ok(app)
}

async fn me(caller: Caller) -> String {
    let mut groups: Vec<&str> = caller.scopes().iter().collect();
    groups.sort_unstable();
    format!("{}, in {}\n", caller.subject().unwrap_or("nobody"), groups.join(" and "))
}

/// A directory in this process.
async fn directory() -> TestDirectory {
    let directory = TestDirectory::start().await;
    directory.add_ldif(include_str!("../people.ldif"));
    directory
}

/// `Config.toml`, with the address of that directory.
fn config(directory: &TestDirectory) -> Result<Config, Box<dyn Error>> {
    let text = include_str!("../Config.toml").replace("ldap://localhost:389", &directory.url());
    Ok(Config::parse(&text, env!("CARGO_MANIFEST_DIR"))?)
}

#[expect(clippy::print_stdout, reason = "what the program has to say")]
fn print_requests(address: SocketAddr, directory: &TestDirectory) {
    let url = format!("http://{address}");
    eprintln!("listening on {url}");
    println!(
        "The directory of the example is at {directory}.

Try, in another terminal:

  curl -i {url}/staff/me                                # 401: who are you?
  curl -i -u alice:wonderland {url}/staff/me            # 200: in payroll, and so in staff
  curl -i -u ALICE:wonderland {url}/staff/me            # 200: by the name that the directory has
  curl -i -u alice:wonderland {url}/staff/payroll       # 200
  curl -i -u bob:yes-we-can {url}/staff/payroll         # 403: in staff, and not in payroll
  curl -i -u eve:apple {url}/staff/me                   # 403: in no group
  curl -i -u '*:wonderland' {url}/staff/me              # 401: a name, not a pattern
  curl -i {url}/staff/health                            # 200: public
",
        directory = directory.url(),
    );
}
