//! An HTTPS service whose users stand in a SQLite database, with a key of its own in Config.toml.
//!
//! `cargo run -- init` makes the database, `cargo run` serves.

mod store;
#[cfg(test)]
mod tests;

use std::{env, error::Error, fs, path::Path};

use axum::{Router, routing::get};
use portcullis::{AuthLayer, Caller, Config, ConfigBuilder};

use self::store::SqliteUsers;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    match env::args().nth(1).as_deref() {
        Some("init") => init(Path::new("users.db")),
        Some(_) => Err("usage: sqlite-users [init]".into()),
        None => {
            let config = config().load("Config.toml")?;
            let app = app(&config).await?;
            eprintln!("try: curl -k -i -u alice:wonderland https://localhost:9090/foo/bar");
            Ok(portcullis::serve(app, &config).await?)
        }
    }
}

/// The configuration knows `sqliteUserStoreConfig` beside the keys of portcullis.
fn config() -> ConfigBuilder {
    Config::builder().provider("sqliteUserStoreConfig", SqliteUsers::from_section)
}

async fn app(config: &Config) -> Result<Router, Box<dyn Error>> {
    let auth = config.service("/foo")?.build().await?;
    Ok(Router::new().route("/foo/bar", get(hello)).layer(AuthLayer::new(auth)))
}

async fn hello(caller: Caller) -> String {
    format!("Hello, {}!\n", caller.subject().unwrap_or("stranger"))
}

/// Makes a database with two users.
fn init(path: &Path) -> Result<(), Box<dyn Error>> {
    if fs::exists(path)? {
        return Err(format!("{} is there already", path.display()).into());
    }
    Ok(rusqlite::Connection::open(path)?.execute_batch(include_str!("../users.sql"))?)
}
