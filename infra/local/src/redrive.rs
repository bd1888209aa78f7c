//! `hookyard redrive`: moves the dead letters of a server back to the queues that they come from.

use std::io::Write as _;
use std::path::PathBuf;

use clap::Args;
use client::{Client, Credentials, Request};
use local::Failure;
use serde_json::{Value, json};

/// Which dead letters, and of which server.
#[derive(Args)]
pub(crate) struct RedriveArguments {
    /// The ids of the dead letters, as `GET /_local/dead-letters` lists them; all of them by default.
    ids: Vec<i64>,

    /// The server; by default the one that listens on the address of `--listen`.
    #[arg(long, env = "HOOKYARD_URL")]
    url: Option<String>,

    /// A JSON file with `client_id` and `client_secret`; by default the administrator's in the data directory.
    #[arg(long, env = "HOOKYARD_CREDENTIALS")]
    credentials: Option<PathBuf>,
}

/// Redrives dead letters; one that does not exist, or that comes from no queue, is a failure.
pub(crate) async fn redrive(
    (url, admin): (String, PathBuf),
    arguments: RedriveArguments,
    json: bool,
) -> Result<(), Failure> {
    let RedriveArguments { ids, url: server, credentials } = arguments;
    let credentials = credentials.unwrap_or(admin);
    let failed = |problem: String| Failure::Redrive { problem: format!("{}: {problem}", credentials.display()) };
    let text = std::fs::read_to_string(&credentials).map_err(|error| failed(error.to_string()))?;
    let signed: Credentials = serde_json::from_str(&text).map_err(|error| failed(error.to_string()))?;
    let mut client = Client::new(&server.unwrap_or(url)).map_err(refused)?;
    client.sign_in(&signed).await.map_err(refused)?;
    let all = vec!["/_local/dead-letters/redrive".to_owned()];
    let paths = match ids.is_empty() {
        true => all,
        false => ids.iter().map(|id| format!("/_local/dead-letters/{id}/redrive")).collect(),
    };
    let mut redriven = 0;
    for path in paths {
        let answer = client.send(&Request::post(&path, &Value::Null)).await.map_err(refused)?;
        redriven += answer["redriven"].as_u64().unwrap_or_default();
    }
    show(redriven, json).map_err(Failure::output)
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn refused(error: client::Error) -> Failure {
    let problem = match &error {
        client::Error::Refused(answer) => answer.body["message"].as_str().map(str::to_owned),
        _ => None,
    };
    Failure::Redrive { problem: problem.unwrap_or_else(|| error.to_string()) }
}

fn show(redriven: u64, json: bool) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    match (json, redriven) {
        (true, _) => writeln!(out, "{}", json!({"redriven": redriven}))?,
        (false, 1) => writeln!(out, "1 event waits in its queue again")?,
        (false, _) => writeln!(out, "{redriven} events wait in their queues again")?,
    }
    out.flush()
}
