//! The `portcullis` program: a gateway, a configuration checker, and tools for tokens and passwords.
//!
//! Standard output carries what was asked for, standard error what there is to say about it. Exit codes are the
//! same for every command:
//!
//! | code | meaning |
//! |---|---|
//! | 0 | done; the answer is yes |
//! | 1 | done; the answer is no: mistakes were found, the request or the token is refused |
//! | 2 | it could not be done: wrong usage, a file that cannot be read or used, an address that is taken |
//!
//! Credentials and tokens come from files and standard input, never from the command line, where every user of
//! the machine could read them.

mod args;
mod commands;
mod failure;
pub mod gateway;
mod input;
mod logging;
mod output;

use std::process::ExitCode;

use clap::Parser as _;

use self::{args::Cli, failure::Verdict, output::complain};

/// Runs the program with the arguments of the process.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help goes to standard output, mistakes to standard error. A pipe that was closed is no mistake.
            let _ = error.print();
            return u8::try_from(error.exit_code()).map_or(ExitCode::from(2), ExitCode::from);
        }
    };
    match commands::run(cli) {
        Ok(Verdict::Yes) => ExitCode::SUCCESS,
        Ok(Verdict::No) => ExitCode::from(1),
        Err(failure) => {
            complain(format_args!("error: {failure}"));
            ExitCode::from(2)
        }
    }
}
