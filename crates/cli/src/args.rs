//! The command line.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

use clap::{Args, Parser, Subcommand};
use http::Method;

use crate::logging::LogFormat;

const EXIT_CODES: &str = "\
Exit codes:
  0  done; the answer is yes
  1  done; the answer is no: mistakes were found, the request or the token is refused
  2  it could not be done: wrong usage, a file that cannot be read or used, an address that is taken

Start with:
  portcullis init
  portcullis serve --config Config.toml";

/// Says who may call what, in front of a service in any language.
#[derive(Debug, Parser)]
#[command(name = "portcullis", version, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    /// Log filter, goes before RUST_LOG: a level, or such as `portcullis=debug,warn`
    #[arg(long, global = true, value_name = "FILTER")]
    pub(crate) log: Option<String>,

    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serves the services of a configuration as a gateway
    Serve(ServeArgs),
    /// Writes a configuration to start with
    Init(InitArgs),
    /// Tells all mistakes of a configuration, or what it means
    Check(CheckArgs),
    /// Hashes a password for `passwordHash`
    Hash(HashArgs),
    /// Tells how a request would be decided, element by element
    Explain(ExplainArgs),
    /// Issues, fetches, verifies and decodes tokens
    #[command(subcommand)]
    Token(TokenCommand),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Each service answers with its text (`respond`) or forwards to its server (`upstream`). Once it serves, a line on
standard error says where: `listening on https://127.0.0.1:9090`. An address that other machines reach needs TLS or
`allowInsecureHttp` in the configuration, with `--listen` as well. Then the servers that providers depend on are asked
once, and those that do not answer rightly are logged: requests that need one are answered with 503 until it does.
SIGTERM and SIGINT stop it after the requests in flight; a second one stops it at once.

Examples:
  portcullis serve --config Config.toml
  portcullis serve --config Config.toml --listen 127.0.0.1:0     # any free port
  portcullis serve --config Config.toml --log portcullis=debug   # every request, not only refusals")]
pub(crate) struct ServeArgs {
    /// The configuration
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,

    /// Listen there instead of on `listener.address`; port 0 is any free one
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<SocketAddr>,

    /// How log events are written
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    pub(crate) log_format: LogFormat,
}

#[derive(Debug, Args)]
#[command(after_help = "\
The file has a listener with a certificate made at start, one service, and one user. The user's password is made up
and shown once: the file holds its hash only, and only its owner may read it. A file that exists is never overwritten.

Examples:
  portcullis init
  portcullis init --output /etc/portcullis/Config.toml")]
pub(crate) struct InitArgs {
    /// Where to write it
    #[arg(long, value_name = "FILE", default_value = "Config.toml")]
    pub(crate) output: PathBuf,

    /// Print the user, the password and the file as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Mistakes are told on standard error, all at once, one a line: file:line:column: key: what is wrong and the remedy.
A right file is answered with its services, resources, elements and clients on standard output. No server is contacted,
unless --online asks for it: then every server that a provider or a client depends on (key sets, introspection, token
endpoints) is asked once, all at the same time, and a table tells what answered, how fast, what is wrong, and which
elements and clients need it.

Exit codes: 0 right, and with --online all servers answered rightly; 1 mistakes, or a server that did not; 2 the file
cannot be read.

Examples:
  portcullis check Config.toml
  portcullis check --online Config.toml
  portcullis check Config.toml --json | jq '.problems[].path'")]
pub(crate) struct CheckArgs {
    /// The configuration
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,

    /// Ask every server that the configuration names
    #[arg(long)]
    pub(crate) online: bool,

    /// Print mistakes, warnings and services as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
In a terminal it asks twice and shows nothing. Otherwise it reads standard input; one line end is dropped. It prints
argon2id as a PHC string.

Examples:
  portcullis hash
  portcullis hash < password.txt
  openssl rand -base64 24 | tee password.txt | portcullis hash")]
pub(crate) struct HashArgs {
    /// Taken so that it can be refused without being repeated, of however many words and with whatever it begins
    #[arg(hide = true, num_args = 0.., trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) literal: Vec<std::ffi::OsString>,

    /// Print the hash as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
The service and the resource are chosen as the gateway chooses them. Nothing is remembered, nothing is logged, and no
server is contacted: an element that would have to is reported as unavailable. With --online it asks its server, which
gets to see the credential where that is what it is asked about. Without a credential no element looks.

A header file holds headers as they are sent, one a line (`Authorization: Basic …`), or nothing but the value of an
Authorization header (`Bearer …`). It is a file, or standard input, so that no credential stands on the command line.

Exit codes: 0 admitted, 1 refused, 2 the configuration or the headers cannot be used.

Examples:
  portcullis explain --config Config.toml --path /foo/bar
  portcullis explain --config Config.toml --method POST --path /foo/admin --header @headers.txt
  portcullis explain --config Config.toml --path /foo/bar --header @token.txt --online
  printf 'Basic %s' \"$(printf alice:password1 | base64)\" |
    portcullis explain --config Config.toml --path /foo/bar --header @-")]
pub(crate) struct ExplainArgs {
    /// The configuration
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,

    /// The method of the request
    #[arg(long, value_name = "METHOD", default_value = "GET", value_parser = method)]
    pub(crate) method: Method,

    /// The path of the request, percent-encoded as a client sends it; a query is not looked at
    #[arg(long, value_name = "PATH")]
    pub(crate) path: String,

    /// A file with the headers of the request, or `@-` for standard input
    #[arg(long, value_name = "@FILE|@-")]
    pub(crate) header: Option<String>,

    /// The address of the client
    #[arg(long, value_name = "ADDR")]
    pub(crate) client: Option<IpAddr>,

    /// Let elements ask their servers
    #[arg(long)]
    pub(crate) online: bool,

    /// Print the explanation as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Issues a token, signed as a configuration says
    Issue(IssueArgs),
    /// Fetches a token as a client of a configuration does
    Fetch(FetchArgs),
    /// Verifies a token as a service does
    Verify(VerifyArgs),
    /// Shows what a token says, true or not
    Decode(DecodeArgs),
}

#[derive(Debug, Args)]
#[command(after_help = "\
The record has the keys of `JwtIssuerConfig`: issuer, username, audience, jwtId, keyId, customClaims, expTime (300 s) and
signatureConfig, whose `config` is a keyFile, a keyStore, or, with HS256, HS384 and HS512, the secret. Paths in it are
relative to the file.

  issuer = \"https://issuer.example\"
  username = \"alice\"
  customClaims = { scope = \"hello\" }
  signatureConfig = { algorithm = \"RS256\", config = { keyFile = \"issuer.key\" } }

Examples:
  portcullis token issue --config issuer.toml
  portcullis token issue --config clients.toml --table clients.orders.auth")]
pub(crate) struct IssueArgs {
    /// The file that holds the record
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,

    /// The dotted path of the record's table, where it is not the whole file
    #[arg(long, value_name = "TABLE", default_value = "", hide_default_value = true)]
    pub(crate) table: String,

    /// Print the token as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
The token is what the client of [clients.NAME] puts on its requests: it is signed, configured, or fetched from the client's
token endpoint. Standard output has the token and nothing else. Where there is none, standard error tells which step
failed and why, with the endpoint's status and OAuth error code. The server that the client calls is not contacted.

A client whose credential is user name and password has no token; --header prints what it sends. A client that calls on
behalf of somebody needs that somebody's token: in a file, or on standard input, so that it never stands on the command
line. A client with a refresh token uses it: where the server takes each one once only, it is spent then.

Exit codes: 0 here is the token, 1 there is none, 2 the configuration or the client cannot be used.

Examples:
  portcullis token fetch --config Config.toml --client orders
  portcullis token fetch --config Config.toml --client orders | portcullis token decode
  portcullis token fetch --config Config.toml --client orders --header | curl --header @- https://orders.example/
  portcullis token fetch --config Config.toml --client billing --subject-token @caller.txt")]
pub(crate) struct FetchArgs {
    /// The configuration
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,

    /// The client of `[clients.NAME]`
    #[arg(long, value_name = "NAME")]
    pub(crate) client: String,

    /// The token of whoever is called for: a file that holds it, or `@-` for standard input
    #[arg(long, value_name = "@FILE|@-")]
    pub(crate) subject_token: Option<String>,

    /// Print the whole header, as in `Authorization: Bearer …`
    #[arg(long)]
    pub(crate) header: bool,

    /// Print the token, or why there is none, as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
The token goes through the element or provider as in a request. An element also asks for its scopes. No server is
contacted, unless --online allows it: key sets are fetched and tokens introspected then.

Exit codes: 0 accepted, 1 refused, 2 the configuration or the element cannot be used.

Examples:
  portcullis token verify --config Config.toml --provider wso2 @token.txt
  portcullis token verify --config Config.toml --provider idp --online @token.txt
  portcullis token verify --config Config.toml --element 'services.\"/foo\".auth[1]' < token.txt")]
pub(crate) struct VerifyArgs {
    /// The configuration
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,

    #[command(flatten)]
    pub(crate) by: VerifyBy,

    /// A file that holds the token, or `@-` for standard input
    #[arg(value_name = "@FILE|@-", default_value = "@-")]
    pub(crate) token: String,

    /// Let the element or provider ask its servers
    #[arg(long)]
    pub(crate) online: bool,

    /// Print the outcome as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct VerifyBy {
    /// The element, by its dotted path in the file
    #[arg(long, value_name = "PATH")]
    pub(crate) element: Option<String>,

    /// The provider of `[providers.NAME]`
    #[arg(long, value_name = "NAME")]
    pub(crate) provider: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Nothing is verified: anybody can write such a token. Output is JSON: header and claims.

Exit codes: 0 shown, 1 it is no token, 2 it cannot be read.

Examples:
  portcullis token decode @token.txt
  portcullis token issue --config issuer.toml | portcullis token decode")]
pub(crate) struct DecodeArgs {
    /// A file that holds the token, or `@-` for standard input
    #[arg(value_name = "@FILE|@-", default_value = "@-")]
    pub(crate) token: String,

    /// Print nothing but JSON: no note on standard error
    #[arg(long)]
    pub(crate) json: bool,
}

fn method(text: &str) -> Result<Method, String> {
    match Method::from_bytes(text.as_bytes()) {
        Ok(method) if !text.bytes().any(|byte| byte.is_ascii_lowercase()) => Ok(method),
        _ => Err("methods are written in capitals, such as GET".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_shows_examples() {
        fn check(command: &clap::Command) {
            for inner in command.get_subcommands() {
                check(inner);
            }
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let inner = command.get_subcommands().next().is_some();
            assert!(inner || help.contains("Examples:\n  portcullis "), "{}", command.get_name());
        }
        check(&Cli::command());
    }

    #[test]
    fn methods_are_written_in_capitals() {
        assert_eq!(method("PROPFIND").unwrap().as_str(), "PROPFIND");
        assert!(method("get").is_err());
        assert!(method("").is_err());
    }
}
