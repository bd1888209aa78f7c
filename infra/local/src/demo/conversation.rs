//! Requests that are printed as shell commands and sent as they are printed.

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use client::{Client, Credentials};
use hmac::{Hmac, KeyInit as _, Mac as _};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::failure::Failure;

/// Where `cargo run` listens, for the printed commands.
const PRELUDE: &str = "\
# Every command below does the same against `cargo run` in another terminal.
BASE=http://127.0.0.1:8787
get() { sed -n \"s/.*\\\"$1\\\":\\[*\\\"\\([^\\\"]*\\)\\\".*/\\1/p\"; }";

/// One request, with `$VARIABLES` in its path.
pub(super) struct Request {
    explanation: &'static str,
    path: String,
    body: Option<Value>,
    headers: Vec<(&'static str, String)>,
    public: bool,
    secret: Option<&'static str>,
    capture: Option<(&'static str, &'static str)>,
    /// The outcome of the run in the path for which it is repeated.
    outcome: Option<&'static str>,
}

impl Request {
    pub(super) fn get(explanation: &'static str, path: &str) -> Self {
        let (headers, path) = (Vec::new(), path.to_owned());
        Self { explanation, path, body: None, headers, public: false, secret: None, capture: None, outcome: None }
    }

    pub(super) fn post(explanation: &'static str, path: &str, body: Value) -> Self {
        let public = path.starts_with('$');
        Self { body: Some(body), public, ..Self::get(explanation, path) }
    }

    /// Sends no access token.
    pub(super) fn public(self) -> Self {
        Self { public: true, ..self }
    }

    /// Signs the body as GitHub does.
    pub(super) fn signed(self, secret: &'static str) -> Self {
        Self { secret: Some(secret), ..self }
    }

    pub(super) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// Stores the first string under `key` of the answer in a variable.
    pub(super) fn captures(self, variable: &'static str, key: &'static str) -> Self {
        Self { capture: Some((variable, key)), ..self }
    }

    /// Is repeated until the run that it reads has this outcome.
    pub(super) fn until(self, outcome: &'static str) -> Self {
        Self { outcome: Some(outcome), ..self }
    }

    /// Writes the request as shell commands.
    fn shell(&self) -> String {
        let mut lines = Vec::new();
        let url = if self.path.starts_with('$') { self.path.clone() } else { format!("$BASE{}", self.path) };
        let mut curl = format!("curl -s \"{url}\"");
        if !self.public {
            curl.push_str(" -H \"authorization: Bearer $TOKEN\"");
        }
        for (name, value) in &self.headers {
            curl.push_str(&format!(" -H '{name}: {value}'"));
        }
        match (&self.body, self.secret) {
            (Some(body), Some(secret)) => {
                lines.push(format!("BODY={}", quoted(&body.to_string())));
                lines.push(format!(
                    "SIGNATURE=$(printf %s \"$BODY\" | openssl dgst -sha256 -hmac {} -r | cut -d' ' -f1)",
                    quoted(secret)
                ));
                curl.push_str(" -H \"x-hub-signature-256: sha256=$SIGNATURE\"");
                curl.push_str(" -H 'content-type: application/json' -d \"$BODY\"");
            }
            (Some(body), None) => {
                curl.push_str(&format!(" -H 'content-type: application/json' -d {}", quoted(&body.to_string())));
            }
            (None, _) => {}
        }
        lines.push(match (self.capture, self.outcome) {
            (Some((variable, key)), _) => format!("{variable}=$({curl} | get {key})"),
            (None, Some(outcome)) => {
                let seen = format!("grep -q '\"outcome\":\"{outcome}\"'");
                format!("until {curl} | {seen}; do sleep 0.2; done\n{curl}")
            }
            (None, None) => curl,
        });
        lines.join("\n")
    }
}

/// Quotes text for a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// The requests of the demo and the values captured from their answers.
pub(super) struct Conversation {
    client: Client,
    variables: BTreeMap<&'static str, String>,
    json: bool,
    steps: u32,
}

impl Conversation {
    pub(super) fn start(url: &str, json: bool) -> Result<Self, Failure> {
        let client = Client::new(url).map_err(|cause| Failure::start("start the demo", cause))?;
        let conversation = Self { client, variables: BTreeMap::new(), json, steps: 0 };
        if !json {
            print(PRELUDE)?;
        }
        Ok(conversation)
    }

    /// Gets an access token for the administrator.
    pub(super) async fn sign_in(&mut self, administrator: &str) -> Result<(), Failure> {
        let explanation = "Get an access token with the administrator's credentials";
        let credentials: Credentials = serde_json::from_str(administrator)
            .map_err(|cause| Failure::start("read the administrator's credentials", cause))?;
        let shell = "TOKEN=$(sed 's/^{/{\"grant_type\":\"client_credentials\",/' .hookyard/admin.json | \
                     curl -s \"$BASE/auth/v2/oauth2/tokens\" -H 'content-type: application/json' -d @- | get access_token)";
        self.introduce(explanation, shell)?;
        let answer = self.client.sign_in(&credentials).await.map_err(stopped(explanation))?;
        self.show(explanation, &answer)
    }

    /// Sends a request, prints it with its answer, and expects success.
    pub(super) async fn send(&mut self, request: &Request) -> Result<Value, Failure> {
        self.introduce(request.explanation, &request.shell())?;
        let answer = self.client.send(&self.filled(request)).await.map_err(stopped(request.explanation))?;
        if let Some((variable, key)) = request.capture {
            let captured = answer[key].as_str().or_else(|| answer[key][0].as_str()).unwrap_or_default().to_owned();
            self.variables.insert(variable, captured);
        }
        self.show(request.explanation, &answer)?;
        Ok(answer)
    }

    /// Repeats a request until the run that it reads has the outcome that it names.
    pub(super) async fn wait_for(&mut self, request: &Request, patience: Duration) -> Result<Value, Failure> {
        self.introduce(request.explanation, &request.shell())?;
        let spinner = spinner(request.explanation, self.json);
        let look = |answer: &Value| {
            spinner.tick();
            request.outcome.is_some_and(|outcome| answer["outcome"] == outcome)
        };
        let answer = self.client.wait_for(&self.filled(request), patience, look).await;
        spinner.finish_and_clear();
        let answer = answer.map_err(stopped(request.explanation))?;
        self.show(request.explanation, &answer)?;
        Ok(answer)
    }

    /// Stores a value for the next commands, and prints where it comes from.
    pub(super) fn capture(&mut self, variable: &'static str, key: &str, value: String) {
        self.variables.insert(variable, value);
        if !self.json {
            let _ = print(&format!(
                "{variable}=$(curl -s \"$BASE/runs/$EVENT\" -H \"authorization: Bearer $TOKEN\" | get {key})"
            ));
        }
    }

    /// Returns the request as it is sent, with every variable filled in.
    fn filled(&self, request: &Request) -> client::Request {
        let fill = |text: String, (name, value): (&&str, &String)| text.replace(&format!("${name}"), value);
        let path = self.variables.iter().fold(request.path.clone(), fill);
        let mut filled = match &request.body {
            Some(body) => client::Request::post(&path, body),
            None => client::Request::get(&path),
        };
        for (name, value) in &request.headers {
            filled = filled.header(name, value);
        }
        if let (Some(secret), Some(body)) = (request.secret, &request.body) {
            let signature = signature(secret, &body.to_string());
            filled = filled.header("x-hub-signature-256", &format!("sha256={signature}"));
        }
        if request.public { filled.public() } else { filled }
    }

    fn introduce(&mut self, explanation: &str, shell: &str) -> Result<(), Failure> {
        self.steps += 1;
        if self.json { Ok(()) } else { print(&format!("\n# {}. {explanation}\n{shell}", self.steps)) }
    }

    fn show(&self, explanation: &str, answer: &Value) -> Result<(), Failure> {
        let answer = without_secrets(answer);
        if self.json {
            return print(&json!({"step": self.steps, "explanation": explanation, "answer": answer}).to_string());
        }
        let text = answer.to_string();
        let end = text.char_indices().nth(240).map_or(text.len(), |(end, _)| end);
        print(&format!("# -> {}{}", &text[..end], if end < text.len() { " ..." } else { "" }))
    }
}

/// Turns the client's error into the demo's; for `map_err`.
fn stopped(step: &str) -> impl FnOnce(client::Error) -> Failure {
    move |error| Failure::Demo { step: step.to_owned(), problem: error.to_string() }
}

/// Leaves tokens out, as what is printed may end up in a log.
fn without_secrets(answer: &Value) -> Value {
    let mut answer = answer.clone();
    for key in ["access_token", "refresh_token"] {
        if let Some(token) = answer.get_mut(key) {
            *token = "...".into();
        }
    }
    answer
}

fn signature(secret: &str, body: &str) -> String {
    Hmac::<Sha256>::new_from_slice(secret.as_bytes()).map_or_else(
        |_| String::new(),
        |mut mac| {
            mac.update(body.as_bytes());
            hex::encode(mac.finalize().into_bytes())
        },
    )
}

/// Shows on a terminal that the demo is waiting.
fn spinner(what: &'static str, json: bool) -> ProgressBar {
    if json || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{spinner} {msg}").unwrap_or_else(|_| ProgressStyle::default_spinner());
    ProgressBar::new_spinner().with_style(style).with_message(what)
}

/// Prints lines on standard output.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).map_err(Failure::Output)
}
