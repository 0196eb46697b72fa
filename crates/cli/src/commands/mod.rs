//! The commands, one module each.

mod assemble;
mod check;
mod describe;
mod explain;
mod hash;
mod headers;
mod init;
mod online;
mod serve;
mod token;

use std::path::Path;

use portcullis::{Config, ConfigError, section::Problem};

use crate::{
    args::{Cli, Command, TokenCommand},
    failure::{Failure, Result},
    input,
    logging::{self, LogFormat},
    output::Output,
};

/// Commands that answer a question say what there is to say in their answer.
const QUIET: &str = "error";

pub(crate) fn run(cli: Cli) -> Result {
    let log = cli.log.as_deref();
    if let Command::Serve(args) = cli.command {
        logging::start(log, serve::LOG, args.log_format)?;
        return serve::run(&args);
    }
    logging::start(log, QUIET, LogFormat::Text)?;
    let out = &mut Output::stdout();
    match cli.command {
        Command::Serve(args) => serve::run(&args),
        Command::Init(args) => init::run(&args, out),
        Command::Check(args) => check::run(&args, out),
        Command::Hash(args) => hash::run(&args, out),
        Command::Explain(args) => explain::run(&args, out),
        Command::Token(TokenCommand::Issue(args)) => token::issue::run(&args, out),
        Command::Token(TokenCommand::Fetch(args)) => token::fetch::run(&args, out),
        Command::Token(TokenCommand::Verify(args)) => token::verify::run(&args, out),
        Command::Token(TokenCommand::Decode(args)) => token::decode::run(&args, out),
    }
}

/// Loads a configuration that has to be right.
fn load(path: &Path) -> Result<Config> {
    input::require_file(path)?;
    Config::load(path).map_err(|error| unusable(path, &error))
}

fn unusable(path: &Path, error: &ConfigError) -> Failure {
    Failure::new(format!("{} cannot be used\n{error}", path.display()))
}

/// A problem or warning of a file as one line: `file:line:column: key: what is wrong`.
fn located(file: &Path, problem: &Problem) -> String {
    let colon = if problem.at().is_some() { ":" } else { ": " };
    format!("{}{colon}{problem}", file.display())
}

/// Runs what waits, on this thread: for commands that do one thing.
fn block_on<T>(future: impl Future<Output = T>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(future))
}
