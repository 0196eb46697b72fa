//! How long a large configuration takes to become a service.

use std::{fmt::Write as _, time::Instant};

use portcullis::Config;

use crate::{Outcome, fixtures::SCOPE};

/// Reads `users` users and `resources` resources from the text of a configuration, and builds the service. In seconds.
pub fn time(users: usize, resources: usize) -> Outcome<f64> {
    let hash = portcullis::file::hash_password("the one password of all");
    let mut text = String::new();
    for user in 0..users {
        write!(
            text,
            "[[auth.users]]\nusername = \"user-{user}\"\npasswordHash = \"{hash}\"\nscopes = [\"{SCOPE}\"]\n\n"
        )?;
    }
    write!(
        text,
        "[services.\"/orders\"]\nauth = [{{ scopes = \"{SCOPE}\", fileUserStoreConfig = {{}} }}]\n\n"
    )?;
    for resource in 0..resources {
        write!(
            text,
            "[[services.\"/orders\".resources]]\npath = \"/{resource}/items\"\nscopes = \"items:{resource}\"\n\n"
        )?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let start = Instant::now();
    let config = Config::parse(&text, ".")?;
    let auth = runtime.block_on(config.service("/orders")?.build())?;
    let took = start.elapsed().as_secs_f64();
    if auth.resources().count() != resources {
        return Err(format!("the service has {} resources", auth.resources().count()).into());
    }
    Ok(took)
}

pub fn print() -> Outcome {
    for (users, resources) in [(1, 1), (100_000, 1), (1, 1_000), (100_000, 1_000)] {
        println!("{users:>7} users, {resources:>5} resources {:>8.3} s", time(users, resources)?);
    }
    Ok(())
}
