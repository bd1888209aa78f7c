//! Starting and stopping: data directory, emulator, functions, port.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{fs, io};

use emulator::{Emulator, Smtp, Template};
use ipnet::IpNet;
use server::{Connections, Limits};
use shared::clock::Ids;
use shared::step::Effects;
use shared::table::Unreadable;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::cors::{self, Origin};
use crate::failure::Failure;
use crate::functions::{build, describe, invoker, tokens};
use crate::gateway::{self, Gateway};
use crate::threads::Threads;

/// How long a stop waits for requests and for deliveries; what is not finished by then is done after the next start.
const STOP_PATIENCE: Duration = Duration::from_secs(10);

/// The folder in the data directory in which processes note which effects have begun.
const EFFECTS: &str = "effects";

/// The wiring diagram that is also deployed to AWS.
pub const TEMPLATE: &str = include_str!("../../../template.yaml");

/// How the runtime is started.
#[derive(Debug, Clone)]
pub struct Options {
    /// The address to listen on; port 0 picks a free one.
    pub listen: SocketAddr,
    /// The directory for all data.
    pub data: PathBuf,
    /// The public address that URLs start with; the listening address if there is none.
    pub base_url: Option<String>,
    /// The path in printed callback URLs, where a proxy in front changes it; that of the route if there is none.
    pub callback_path_prefix: Option<String>,
    /// Address blocks that outbound requests may reach although they are private.
    pub allow_cidr: Vec<IpNet>,
    /// The origins whose pages may call the API from a browser.
    pub cors_origins: Vec<Origin>,
    /// How many events and steps one first event may cause in all, unless it is as the template says.
    pub event_budget: Option<u64>,
    /// How long an access token is valid, in seconds, unless it is as the template says.
    pub access_token_seconds: Option<u32>,
    /// Whether anybody may create a user, unless it is as the template says.
    pub open_registration: Option<bool>,
    /// Where functions with the runtime `lambda` are invoked, if anywhere.
    pub lambda_endpoint: Option<String>,
    /// The loopback port of the embedded DynamoDB's own HTTP API, if any.
    pub dynamodb_port: Option<u16>,
    /// The address that mails come from.
    pub mail_from: String,
    /// The SMTP server that mails are relayed to; without one they stay in the outbox.
    pub smtp: Option<Smtp>,
    /// What an acknowledged write survives.
    pub durability: emulator::Durability,
    /// How many connections there may be at once; half of the process's file descriptors if it does not say so.
    pub max_connections: Option<usize>,
}

/// The running runtime.
pub struct Running {
    emulator: Emulator,
    address: SocketAddr,
    dynamodb: Option<SocketAddr>,
    admin_file: PathBuf,
    stop: watch::Sender<bool>,
    server: JoinHandle<()>,
    _threads: Threads,
}

impl Running {
    /// Starts everything; requests are accepted when this returns.
    pub async fn start(options: Options) -> Result<Self, Failure> {
        let listener = listen(options.listen).await?;
        let address =
            listener.local_addr().map_err(|cause| Failure::start("determine the listening address", cause))?;
        let data = prepare_data(&options.data)?;
        let template = parse_template()?;
        let threads = Threads::start().map_err(|cause| Failure::start("start the threads for deliveries", cause))?;
        let emulator = open(template.clone(), &options, Some(data.clone()), address, threads.background()).await?;
        let connections = connections(options.max_connections);
        let dynamodb = match options.dynamodb_port {
            Some(port) => {
                Some(emulator.serve_dynamodb(port, connections.clone()).await.map_err(|cause| Failure::Start {
                    doing: "serve the embedded DynamoDB",
                    hint: Some("choose a free port with --dynamodb-port 0".to_owned()),
                    cause: cause.into(),
                })?)
            }
            None => None,
        };
        let own_ports: Vec<String> =
            [address].into_iter().chain(dynamodb).map(|address| address.port().to_string()).collect();
        let endpoint = options.lambda_endpoint.clone().unwrap_or_default();
        // No function calls the ports of this process.
        let variables = [("OWN_PORTS", own_ports.join(",")), ("LAMBDA_ENDPOINT", endpoint)];
        let variables = variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        // The emulator has the directory for itself.
        let effects = Effects::open(&data.join(EFFECTS), &Ids::random())
            .map_err(|cause| Failure::start("note in the data directory which effects have begun", cause))?
            .on(threads.sending());
        let functions = Arc::new(build(&emulator, &variables, &effects)?);
        let admin_file = write_admin_file(&emulator, &data)?;
        emulator.start(invoker(functions.clone()));
        let (stop, stopped) = watch::channel(false);
        let cors = cors::layer(&options.cors_origins);
        let gateway = Gateway::new(template, functions, emulator.clone(), tokens(&emulator)?, cors);
        let server = tokio::spawn(server::serve(listener, gateway::router(gateway), connections, stopped));
        Ok(Self { emulator, address, dynamodb, admin_file, stop, server, _threads: threads })
    }

    /// Returns the address as a URL, without a trailing slash.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the file with the administrator's client id and secret.
    pub fn admin_file(&self) -> &Path {
        &self.admin_file
    }

    /// Returns where the embedded DynamoDB's own HTTP API listens.
    pub fn dynamodb(&self) -> Option<SocketAddr> {
        self.dynamodb
    }

    /// Stops accepting, finishes what is in flight, and flushes.
    pub async fn stop(self) {
        let _ = self.stop.send(true);
        if timeout(STOP_PATIENCE, self.server).await.is_err() {
            tracing::warn!("some requests were still open when the time for stopping was over");
        }
        if timeout(STOP_PATIENCE, self.emulator.stop()).await.is_err() {
            tracing::warn!("some deliveries did not finish; they are repeated after the next start");
        }
    }
}

/// Describes the routes of all functions in one OpenAPI 3.1 document.
pub async fn openapi(options: Options) -> Result<String, Failure> {
    let emulator = open(parse_template()?, &options, None, options.listen, None).await?;
    let functions = build(&emulator, &BTreeMap::new(), &Effects::default())?;
    let document = describe(&functions);
    document.to_pretty_json().map_err(|cause| Failure::start("write the OpenAPI document", cause))
}

/// Reads every row of the tables in the data directory of a server that is stopped, and returns those that cannot be read.
pub async fn unreadable(options: Options) -> Result<Vec<Unreadable>, Failure> {
    let data = options.data.canonicalize().map_err(|cause| Failure::Start {
        doing: "find the data directory",
        hint: Some(format!("name the directory by --data, instead of {}", options.data.display())),
        cause: cause.into(),
    })?;
    let emulator = open(parse_template()?, &options, Some(data), options.listen, None).await?;
    let functions = build(&emulator, &BTreeMap::new(), &Effects::default())?;
    let mut found = Vec::new();
    for function in functions.values() {
        found.extend(function.unreadable().await.map_err(|cause| Failure::start("read the tables", cause))?);
    }
    emulator.stop().await;
    Ok(found)
}

fn connections(most: Option<usize>) -> Connections {
    let limits = Limits::default();
    Connections::new(Limits { connections: most.unwrap_or(limits.connections), ..limits })
}

async fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|cause| Failure::Start {
        doing: "listen on the address",
        hint: Some(match cause.kind() {
            io::ErrorKind::PermissionDenied => {
                format!("this user may not listen on port {}: choose one above 1023 with --listen", address.port())
            }
            io::ErrorKind::AddrNotAvailable => {
                format!("{} is no address of this machine: choose one that is with --listen", address.ip())
            }
            _ => format!(
                "{address} may be in use by another program: stop it, or choose a free port with --listen 127.0.0.1:0"
            ),
        }),
        cause: cause.into(),
    })
}

/// Creates the data directory, readable only by its owner.
fn prepare_data(data: &Path) -> Result<PathBuf, Failure> {
    let created = fs::DirBuilder::new().recursive(true).mode(0o700).create(data);
    created.and_then(|()| data.canonicalize()).map_err(|cause| Failure::Start {
        doing: "use the data directory",
        hint: Some(format!("choose a directory that you may write to with --data, instead of {}", data.display())),
        cause: cause.into(),
    })
}

fn parse_template() -> Result<Template, Failure> {
    Template::parse(TEMPLATE).map_err(|cause| Failure::start("read the template", cause))
}

async fn open(
    template: Template,
    options: &Options,
    data: Option<PathBuf>,
    address: SocketAddr,
    deliveries: Option<Handle>,
) -> Result<Emulator, Failure> {
    let base_url = options.base_url.clone().unwrap_or_else(|| format!("http://{address}"));
    let allowed: Vec<String> = options.allow_cidr.iter().map(ToString::to_string).collect();
    let mut parameters = BTreeMap::from([
        ("BaseUrl".to_owned(), base_url.trim_end_matches('/').to_owned()),
        ("AllowedCidrs".to_owned(), allowed.join(",")),
        ("MailFrom".to_owned(), options.mail_from.clone()),
    ]);
    parameters.extend(options.event_budget.map(|budget| ("EventBudget".to_owned(), budget.to_string())));
    let lifetime = options.access_token_seconds;
    parameters.extend(lifetime.map(|seconds| ("AccessTokenSeconds".to_owned(), seconds.to_string())));
    parameters.extend(options.open_registration.map(|open| ("OpenRegistration".to_owned(), open.to_string())));
    if let Some(prefix) = &options.callback_path_prefix {
        parameters.insert("CallbackPathPrefix".to_owned(), prefix.clone());
    }
    let clock = emulator::Clock::system();
    let smtp = options.smtp.clone();
    let options = emulator::Options { data, durability: options.durability, clock, parameters, smtp, deliveries };
    Emulator::open(template, options).await.map_err(|cause| Failure::start("open the data directory", cause))
}

/// Writes the administrator's credentials beside the data, readable only by its owner.
fn write_admin_file(emulator: &Emulator, data: &Path) -> Result<PathBuf, Failure> {
    let path = data.join("admin.json");
    let secret = emulator.secret("Administrator").unwrap_or_default();
    if fs::read_to_string(&path).is_ok_and(|content| content.trim_end() == secret) {
        return Ok(path);
    }
    let write = || -> io::Result<()> {
        let unfinished = data.join("admin.json.new");
        let _ = fs::remove_file(&unfinished);
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
        io::Write::write_all(&mut file, format!("{secret}\n").as_bytes())?;
        file.sync_all()?;
        fs::rename(&unfinished, &path)
    };
    write().map_err(|cause| Failure::start("write the administrator's credentials", cause))?;
    Ok(path)
}
