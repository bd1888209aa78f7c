//! `hookyard apps`: imports OpenAPI documents and Postman collections into a server.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use client::{Client, Credentials, Request};
use indicatif::ProgressBar;
use local::Failure;
use serde_json::Value;

/// What is done with apps.
#[derive(Args)]
pub(crate) struct AppsArguments {
    #[command(subcommand)]
    command: AppsCommand,
}

#[derive(Subcommand)]
enum AppsCommand {
    /// Makes an app of an OpenAPI 3.0 or 3.1 document, or of a Postman 2.1 collection.
    ///
    /// The same command again continues an import that was interrupted.
    Import(ImportArguments),
}

/// Which document becomes which app, and of which server.
#[derive(Args)]
struct ImportArguments {
    /// The document, in JSON or YAML; `-` reads standard input.
    file: PathBuf,

    /// The tag of the app; by default it is made of the title of the document.
    #[arg(long)]
    tag: Option<String>,

    /// What the document is; by default that is recognised.
    #[arg(long = "type", value_enum)]
    kind: Option<Kind>,

    /// Changes the app if there is one of this tag; what the document does not name stays as it is.
    #[arg(long)]
    update_if_exists: bool,

    /// The server; by default the one that listens on the address of `--listen`.
    #[arg(long, env = "HOOKYARD_URL")]
    url: Option<String>,

    /// A JSON file with `client_id` and `client_secret`; by default the administrator's in the data directory.
    #[arg(long, env = "HOOKYARD_CREDENTIALS")]
    credentials: Option<PathBuf>,

    /// The tenant of the app, if the administrator imports one for another tenant.
    #[arg(long)]
    tenant: Option<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Kind {
    /// OpenAPI 3.0 or 3.1.
    Openapi,
    /// A collection of Postman 2.1.
    Postman,
}

/// Does what is asked for with apps.
pub(crate) async fn apps(server: (String, PathBuf), arguments: AppsArguments, json: bool) -> Result<(), Failure> {
    let AppsCommand::Import(arguments) = arguments.command;
    import(server, arguments, json).await
}

async fn import((url, admin): (String, PathBuf), arguments: ImportArguments, json: bool) -> Result<(), Failure> {
    let ImportArguments { file, tag, kind, update_if_exists, url: server, credentials, tenant } = arguments;
    let (document, content_type) = document(&file)?;
    let progress = if json { ProgressBar::hidden() } else { ProgressBar::new_spinner() };
    progress.enable_steady_tick(Duration::from_millis(100));
    progress.set_message(format!("Importing {}", file.display()));
    let credentials = credentials.unwrap_or(admin);
    let credentials: Credentials = serde_json::from_str(&text(&credentials)?)
        .map_err(|error| Failure::Import { problem: format!("{}: {error}", credentials.display()) })?;
    let mut client = Client::new(&server.unwrap_or(url)).map_err(refused)?;
    client.sign_in(&credentials).await.map_err(refused)?;
    let kind = kind.map(|kind| match kind {
        Kind::Openapi => "openapi",
        Kind::Postman => "postman",
    });
    let mut query = format!("updateIfExists={update_if_exists}");
    if let Some(kind) = kind {
        query.push_str(&format!("&type={kind}"));
    }
    if let Some(tag) = &tag {
        // Whatever else would be another parameter.
        if !tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte)) {
            return Err(Failure::Import { problem: "a tag has letters, digits, `_`, `.` and `-`".to_owned() });
        }
        query.push_str(&format!("&tag={tag}"));
    }
    let mut request = Request::post(&format!("/apps/import?{query}"), &Value::Null).text(content_type, document);
    if let Some(tenant) = &tenant {
        request = request.header("x-tenant-id", tenant);
    }
    let answer = client.send(&request).await;
    progress.finish_and_clear();
    show(&answer.map_err(refused)?, json).map_err(Failure::output)
}

/// Reads a document, and tells its content type by its name, or else by how it begins.
fn document(file: &Path) -> Result<(String, &'static str), Failure> {
    let document = match file.as_os_str() == "-" {
        false => text(file)?,
        true => {
            let mut document = String::new();
            let read = std::io::stdin().lock().read_to_string(&mut document);
            read.map_err(|error| Failure::Import { problem: format!("standard input: {error}") })?;
            document
        }
    };
    let is_json = match file.extension().and_then(|extension| extension.to_str()) {
        Some("json") => true,
        Some("yaml" | "yml") => false,
        _ => document.trim_start_matches('\u{feff}').trim_start().starts_with('{'),
    };
    Ok((document, if is_json { "application/json" } else { "application/yaml" }))
}

fn text(file: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(file).map_err(|error| Failure::Import { problem: format!("{}: {error}", file.display()) })
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn refused(error: client::Error) -> Failure {
    let problem = match &error {
        client::Error::Refused(answer) => answer.body["message"].as_str().map(str::to_owned),
        _ => None,
    };
    Failure::Import { problem: problem.unwrap_or_else(|| error.to_string()) }
}

/// Prints what was imported on standard output; what could not be is for people and goes to standard error.
fn show(answer: &Value, json: bool) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    if json {
        writeln!(out, "{answer}")?;
        return out.flush();
    }
    let count = |name: &str| answer["actions"][name].as_u64().unwrap_or_default();
    let verb = if answer["created"] == true { "Created" } else { "Updated" };
    let tag = answer["tag"].as_str().unwrap_or_default();
    let (new, changed, same) = (count("created"), count("updated"), count("unchanged"));
    writeln!(out, "{verb} the app {tag}: {new} new actions, {changed} changed, {same} as they were")?;
    out.flush()?;
    for warning in answer["warnings"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        eprintln!("Warning: {warning}");
    }
    Ok(())
}
