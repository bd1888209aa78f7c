//! `hookyard replay`: asks a server to run the script of a task again from its journal, and prints what came of it.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use client::{Client, Credentials, Request};
use local::Failure;
use serde_json::{Value, json};

/// Which task, and which server knows it.
#[derive(Args)]
pub(crate) struct ReplayArguments {
    /// The id of the task.
    task: String,

    /// The server; by default the one that listens on the address of `--listen`.
    #[arg(long, env = "HOOKYARD_URL")]
    url: Option<String>,

    /// A JSON file with `client_id` and `client_secret`; by default the administrator's in the data directory.
    #[arg(long, env = "HOOKYARD_CREDENTIALS")]
    credentials: Option<PathBuf>,

    /// The tenant of the task, if the administrator asks for another one's.
    #[arg(long)]
    tenant: Option<String>,

    /// A file with another script to run from the same journal.
    #[arg(long)]
    code: Option<PathBuf>,
}

/// Replays a task; it is a failure if that did not do the same.
pub(crate) async fn replay(
    (url, admin): (String, PathBuf),
    arguments: ReplayArguments,
    json: bool,
) -> Result<(), Failure> {
    let ReplayArguments { task, url: server, credentials, tenant, code } = arguments;
    // Whatever else would be another path.
    if !task.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(Failure::Replay { problem: "the id of a task is 24 hex digits".to_owned() });
    }
    let credentials = credentials.unwrap_or(admin);
    let credentials: Credentials = serde_json::from_str(&read(&credentials)?)
        .map_err(|error| Failure::Replay { problem: format!("{}: {error}", credentials.display()) })?;
    let body = match code {
        Some(code) => json!({"code": read(&code)?}),
        None => json!({}),
    };
    let mut client = Client::new(&server.unwrap_or(url)).map_err(refused)?;
    client.sign_in(&credentials).await.map_err(refused)?;
    let mut request = Request::post(&format!("/tasks/v1/{task}/replay"), &body);
    if let Some(tenant) = &tenant {
        request = request.header("x-tenant-id", tenant);
    }
    let answer = client.send(&request).await.map_err(refused)?;
    show(&answer, json).map_err(Failure::output)?;
    if answer["identical"] == true {
        return Ok(());
    }
    let differences = answer["differences"].as_array().into_iter().flatten();
    Err(Failure::NotIdentical { differences: differences.filter_map(Value::as_str).map(str::to_owned).collect() })
}

fn read(file: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(file).map_err(|error| Failure::Replay { problem: format!("{}: {error}", file.display()) })
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn refused(error: client::Error) -> Failure {
    let problem = match &error {
        client::Error::Refused(answer) => answer.body["message"].as_str().map(str::to_owned),
        _ => None,
    };
    Failure::Replay { problem: problem.unwrap_or_else(|| error.to_string()) }
}

/// Prints what the script printed on standard output; what came of it is for people and goes to standard error.
fn show(answer: &Value, json: bool) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    if json {
        writeln!(out, "{answer}")?;
        return out.flush();
    }
    for line in answer["logs"].as_array().into_iter().flatten() {
        writeln!(out, "{} {}", text(&line["timestamp"]), text(&line["message"]))?;
    }
    out.flush()?;
    match answer.get("error") {
        Some(error) => eprintln!("It failed with {}: {}", text(&error["name"]), text(&error["message"])),
        None => eprintln!("It returned {}", answer["result"]),
    }
    if answer["identical"] == true {
        eprintln!("All was as it was when the task ran.");
    }
    Ok(())
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
