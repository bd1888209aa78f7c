//! The command line: options, what `serve` prints, and how it stops.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::apps::AppsArguments;
use crate::redrive::RedriveArguments;
use crate::replay::ReplayArguments;
use clap::{Parser, Subcommand, ValueEnum};
use emulator::Smtp;
use http::Uri;
use ipnet::IpNet;
use local::{Failure, Options, Origin, Running};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

/// Turns webhooks and events into actions, in one process that contains everything it needs.
#[derive(Parser)]
#[command(name = "hookyard", version, after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    /// The address to listen on; port 0 picks a free one.
    #[arg(long, global = true, env = "HOOKYARD_LISTEN", default_value = "127.0.0.1:8787")]
    listen: SocketAddr,

    /// The directory for all data; it is created if it does not exist.
    #[arg(long, global = true, env = "HOOKYARD_DATA", default_value = "./.hookyard")]
    data: PathBuf,

    /// The public address that URLs start with, when there is a proxy or a tunnel in front.
    #[arg(long, global = true, env = "HOOKYARD_BASE_URL", value_parser = base_url)]
    base_url: Option<String>,

    /// The path in printed callback URLs, where a proxy in front changes it; `/` for none.
    #[arg(long, global = true, env = "HOOKYARD_CALLBACK_PATH_PREFIX")]
    callback_path_prefix: Option<String>,

    /// A private address block that outbound requests may reach; may be repeated.
    #[arg(long, global = true, env = "HOOKYARD_ALLOW_CIDR", value_delimiter = ',')]
    allow_cidr: Vec<IpNet>,

    /// An origin, such as <https://app.example.com>, whose pages may call the API from a browser; may be repeated.
    #[arg(long, global = true, env = "HOOKYARD_CORS_ORIGIN", value_delimiter = ',')]
    cors_origin: Vec<Origin>,

    /// How many events and steps one first event may cause in all.
    #[arg(long, global = true, env = "HOOKYARD_EVENT_BUDGET", value_parser = clap::value_parser!(u64).range(1..))]
    event_budget: Option<u64>,

    /// How long an access token is valid, in seconds.
    #[arg(long, global = true, env = "HOOKYARD_ACCESS_TOKEN_SECONDS", value_parser = clap::value_parser!(u32).range(1..=3600))]
    access_token_seconds: Option<u32>,

    /// Whether anybody may create a user without permissions; otherwise only those with the permission `CREATE_USER`.
    #[arg(long, global = true, env = "HOOKYARD_OPEN_REGISTRATION")]
    open_registration: Option<bool>,

    /// Where functions with the runtime `lambda` are invoked, such as the <http://127.0.0.1:3001> of `sam local start-lambda`.
    #[arg(long, global = true, env = "HOOKYARD_LAMBDA_ENDPOINT", value_parser = base_url)]
    lambda_endpoint: Option<String>,

    /// The address that mails come from.
    #[arg(long, global = true, env = "HOOKYARD_MAIL_FROM", default_value = "hookyard@localhost")]
    mail_from: String,

    /// An SMTP server that mails are really sent by, such as <smtps://user:password@mail.example.com>; without one they stay
    /// in the outbox, which `GET /_local/outbox` lists.
    // Read later: an error here would show the password.
    #[arg(long, global = true, env = "HOOKYARD_SMTP", hide_env_values = true)]
    smtp: Option<String>,

    /// Also serves the embedded DynamoDB on this loopback port, for the AWS command line and other tools.
    #[arg(long, global = true, env = "HOOKYARD_DYNAMODB_PORT")]
    dynamodb_port: Option<u16>,

    /// What accepted data survives: the end of the process, or also a power cut.
    #[arg(long, global = true, env = "HOOKYARD_DURABILITY", value_enum, default_value = "process")]
    durability: Durability,

    /// How many connections are open at once, at least 1; half of the process's file descriptors by default.
    #[arg(long, global = true, env = "HOOKYARD_MAX_CONNECTIONS", value_parser = clap::value_parser!(u32).range(1..))]
    max_connections: Option<u32>,

    /// What is logged to standard error: a level, or `target=level` pairs separated by commas.
    #[arg(long, global = true, env = "HOOKYARD_LOG", default_value = "warn", value_parser = log_filter)]
    pub(crate) log: String,

    /// Prints JSON, one object per line, for programs.
    #[arg(long, global = true, env = "HOOKYARD_JSON")]
    pub(crate) json: bool,
}

const EXAMPLES: &str = "\
Examples:
  hookyard demo                        the whole path once, explained step by step
  hookyard                             serve on 127.0.0.1:8787, data in ./.hookyard
  hookyard --listen 127.0.0.1:0 --data /tmp/try --allow-cidr 127.0.0.0/8
  hookyard doctor                      names the rows that cannot be read, of a stopped server
  hookyard openapi > openapi.json      the description of every route
  hookyard replay 0123456789abcdef01234567
                                       runs the script of a task again, from what it read then
  hookyard redrive                     tries again what ended as a dead letter
  hookyard apps import openapi.yaml --tag crm
                                       makes an app of an OpenAPI document or a Postman collection";

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Serves until it is stopped; the default without a command.
    Serve,
    /// Runs the whole path once on temporary data and explains every step.
    Demo,
    /// Reads every row in the data directory of a stopped server and names those that cannot be read.
    Doctor,
    /// Prints the OpenAPI 3.1 document of all routes.
    Openapi,
    /// Runs the script of a task again from its journal, and tells whether all was the same.
    Replay(ReplayArguments),
    /// Moves dead letters back to their queues, to be tried again.
    Redrive(RedriveArguments),
    /// Works on apps and their actions.
    Apps(AppsArguments),
    /// Runs the scripts of the process that started it.
    #[command(name = task::sandbox::worker::ARGUMENT, hide = true)]
    ScriptWorker,
}

#[derive(Clone, Copy, ValueEnum)]
enum Durability {
    /// Survives `kill -9`.
    Process,
    /// Survives a power cut; every commit waits for the disk.
    Power,
}

/// Reads a public address, without what would not be the beginning of a URL.
fn log_filter(text: &str) -> Result<String, &'static str> {
    match shared::log::is_filter(text) {
        true => Ok(text.to_owned()),
        false => Err("a filter is `error`, `warn`, `info`, `debug`, `trace`, `off`, or `target=level` pairs"),
    }
}

fn base_url(text: &str) -> Result<String, &'static str> {
    let uri: Option<Uri> = text.parse().ok();
    let is_base = uri.is_some_and(|uri| {
        let has_host = uri.authority().is_some_and(|authority| !authority.as_str().contains('@'));
        has_host && matches!(uri.scheme_str(), Some("http" | "https")) && uri.query().is_none()
    });
    match is_base {
        true => Ok(text.to_owned()),
        false => Err("an address is `http://` or `https://` with a host, and perhaps a port and a path"),
    }
}

impl Arguments {
    /// Where a server with these options listens, and where its administrator's credentials are.
    pub(crate) fn server(&self) -> (String, PathBuf) {
        (format!("http://{}", self.listen), self.data.join("admin.json"))
    }

    pub(crate) fn options(self) -> Result<Options, Failure> {
        let smtp = self.smtp.as_deref().map(Smtp::parse).transpose();
        let smtp = smtp.map_err(|cause| Failure::Start {
            doing: "use the SMTP server",
            hint: Some(format!("as --smtp, {cause}")),
            cause: cause.into(),
        })?;
        Ok(Options {
            listen: self.listen,
            data: self.data,
            base_url: self.base_url,
            callback_path_prefix: self.callback_path_prefix,
            allow_cidr: self.allow_cidr,
            cors_origins: self.cors_origin,
            event_budget: self.event_budget,
            access_token_seconds: self.access_token_seconds,
            open_registration: self.open_registration,
            lambda_endpoint: self.lambda_endpoint,
            dynamodb_port: self.dynamodb_port,
            mail_from: self.mail_from,
            smtp,
            durability: match self.durability {
                Durability::Process => emulator::Durability::Process,
                Durability::Power => emulator::Durability::Power,
            },
            max_connections: self.max_connections.map(|most| usize::try_from(most).unwrap_or(usize::MAX)),
        })
    }
}

/// Serves until SIGTERM or Ctrl-C, then finishes what is in flight.
pub(crate) async fn serve(options: Options, json: bool) -> Result<(), Failure> {
    let running = Running::start(options).await?;
    announce(&running, json).map_err(Failure::output)?;
    stop_signal().await?;
    if !json {
        eprintln!("Stopping: finishing what is in flight.");
    }
    running.stop().await;
    Ok(())
}

/// Prints the address as one line on standard output; the rest is for people and goes to standard error.
fn announce(running: &Running, json: bool) -> std::io::Result<()> {
    let (url, admin) = (running.url(), running.admin_file().display());
    let mut out = std::io::stdout().lock();
    if json {
        let line = json!({
            "url": url, "admin": admin.to_string(), "dynamodb": running.dynamodb().map(|address| address.to_string()),
        });
        writeln!(out, "{line}")?;
        return out.flush();
    }
    writeln!(out, "Hookyard listens on {url}")?;
    out.flush()?;
    eprintln!("The administrator's client id and secret are in {admin}");
    if let Some(address) = running.dynamodb() {
        eprintln!("The embedded DynamoDB listens on http://{address}");
    }
    eprintln!("A first request:");
    eprintln!("  curl -s {url}/auth/v2/oauth2/tokens -H 'content-type: application/json' \\");
    eprintln!("    -d \"$(sed 's/^{{/{{\"grant_type\":\"client_credentials\",/' {admin})\"");
    Ok(())
}

/// Names the rows that cannot be read; it is a failure if there are any.
pub(crate) async fn doctor(options: Options, json: bool) -> Result<(), Failure> {
    let found = local::unreadable(options).await?;
    let mut out = std::io::stdout().lock();
    for row in &found {
        let written = match json {
            true => writeln!(out, "{}", json!(row)),
            false => writeln!(out, "{}: {} cannot be read: {}", row.table, row.item, row.error),
        };
        written.map_err(Failure::output)?;
    }
    match found.len() {
        0 if json => Ok(()),
        0 => writeln!(out, "Every row can be read").map_err(Failure::output),
        rows => Err(Failure::Unreadable { rows }),
    }
}

/// Prints the OpenAPI document.
pub(crate) async fn openapi(options: Options) -> Result<(), Failure> {
    let document = local::openapi(options).await?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{document}").and_then(|()| out.flush()).map_err(Failure::output)
}

async fn stop_signal() -> Result<(), Failure> {
    let listen = |kind| {
        signal(kind).map_err(|cause| Failure::Start { doing: "listen for signals", hint: None, cause: cause.into() })
    };
    let (mut terminate, mut interrupt) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
