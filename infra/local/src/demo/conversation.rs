//! Requests that are printed as shell commands and sent as they are printed.

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::time::Instant;

use crate::Failure;

/// What `cargo run` listens on and keeps its data in, for the printed commands.
const PRELUDE: &str = "\
# Every command below does the same against `cargo run` in another terminal.
BASE=http://127.0.0.1:8787
get() { sed -n \"s/.*\\\"$1\\\":\\[*\\\"\\([^\\\"]*\\)\\\".*/\\1/p\"; }";

const POLL: Duration = Duration::from_millis(20);

/// One request, with `$VARIABLES` in its path.
pub(super) struct Request {
    explanation: &'static str,
    path: String,
    body: Option<Value>,
    headers: Vec<(&'static str, String)>,
    public: bool,
    secret: Option<&'static str>,
    capture: Option<(&'static str, &'static str)>,
}

impl Request {
    pub(super) fn get(explanation: &'static str, path: &str) -> Self {
        let (headers, path) = (Vec::new(), path.to_owned());
        Self { explanation, path, body: None, headers, public: false, secret: None, capture: None }
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

    /// Keeps the first text under `key` of the answer in a variable.
    pub(super) fn captures(self, variable: &'static str, key: &'static str) -> Self {
        Self { capture: Some((variable, key)), ..self }
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
        lines.push(match self.capture {
            Some((variable, key)) => format!("{variable}=$({curl} | get {key})"),
            None => curl,
        });
        lines.join("\n")
    }
}

/// Puts text in single quotes for a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// The requests of one walk and what they captured.
pub(super) struct Conversation {
    client: reqwest::Client,
    variables: BTreeMap<&'static str, String>,
    json: bool,
    steps: u32,
}

impl Conversation {
    pub(super) fn start(url: String, json: bool) -> Result<Self, Failure> {
        let client = reqwest::Client::builder().no_proxy().build();
        let client = client.map_err(|cause| Failure::start("build an HTTP client", cause))?;
        let conversation = Self { client, variables: BTreeMap::from([("BASE", url)]), json, steps: 0 };
        if !json {
            print(PRELUDE)?;
        }
        Ok(conversation)
    }

    /// Gets an access token for the administrator.
    pub(super) async fn sign_in(&mut self, administrator: &str) -> Result<(), Failure> {
        let explanation = "Get an access token with the administrator's credentials";
        let mut body: Value = serde_json::from_str(administrator)
            .map_err(|cause| Failure::start("read the administrator's credentials", cause))?;
        body["grant_type"] = "client_credentials".into();
        let request =
            Request::post(explanation, "/auth/v2/oauth2/tokens", body).public().captures("TOKEN", "access_token");
        let shell = "TOKEN=$(sed 's/^{/{\"grant_type\":\"client_credentials\",/' .hookyard/admin.json | \
                     curl -s \"$BASE/auth/v2/oauth2/tokens\" -H 'content-type: application/json' -d @- | get access_token)";
        self.exchange(&request, shell).await.map(|_| ())
    }

    /// Sends a request, prints it with its answer, and expects success.
    pub(super) async fn send(&mut self, request: &Request) -> Result<Value, Failure> {
        self.exchange(request, &request.shell()).await
    }

    async fn exchange(&mut self, request: &Request, shell: &str) -> Result<Value, Failure> {
        self.introduce(request, shell)?;
        let answer = self.ask(request).await?;
        if let Some((variable, key)) = request.capture {
            let captured = answer[key].as_str().or_else(|| answer[key][0].as_str()).unwrap_or_default().to_owned();
            self.variables.insert(variable, captured);
        }
        self.show(request, &answer)?;
        Ok(answer)
    }

    /// Repeats a request until its answer is what is waited for.
    pub(super) async fn wait_for(
        &mut self,
        request: &Request,
        patience: Duration,
        is_there: impl Fn(&Value) -> bool,
    ) -> Result<Value, Failure> {
        self.introduce(request, &request.shell())?;
        let spinner = spinner(request.explanation, self.json);
        let deadline = Instant::now() + patience;
        loop {
            // The run appears a moment after its webhook was accepted.
            let answer = self.ask(request).await.unwrap_or_default();
            spinner.tick();
            if is_there(&answer) {
                spinner.finish_and_clear();
                self.show(request, &answer)?;
                return Ok(answer);
            }
            if Instant::now() >= deadline {
                let problem =
                    format!("nothing more happened in {} s; the last answer was {answer}", patience.as_secs());
                return Err(Failure::Demo { step: request.explanation.to_owned(), problem });
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Says where a value for the next commands comes from.
    pub(super) fn capture(&mut self, variable: &'static str, key: &str, value: String) {
        self.variables.insert(variable, value);
        if !self.json {
            let _ = print(&format!(
                "{variable}=$(curl -s \"$BASE/runs/$EVENT\" -H \"authorization: Bearer $TOKEN\" | get {key})"
            ));
        }
    }

    async fn ask(&self, request: &Request) -> Result<Value, Failure> {
        let failed = |problem: String| Failure::Demo { step: request.explanation.to_owned(), problem };
        let path = self.filled(&request.path);
        let url = if path.starts_with('/') { format!("{}{path}", self.variables["BASE"]) } else { path };
        let mut builder = match &request.body {
            Some(body) => self.client.post(url).header("content-type", "application/json").body(body.to_string()),
            None => self.client.get(url),
        };
        for (name, value) in &request.headers {
            builder = builder.header(*name, value);
        }
        if let (Some(token), false) = (self.variables.get("TOKEN"), request.public) {
            builder = builder.bearer_auth(token);
        }
        if let (Some(secret), Some(body)) = (request.secret, &request.body) {
            builder = builder.header("x-hub-signature-256", format!("sha256={}", signature(secret, &body.to_string())));
        }
        let response = builder.send().await.map_err(|error| failed(error.to_string()))?;
        let status = response.status();
        let text = response.text().await.map_err(|error| failed(error.to_string()))?;
        if !status.is_success() {
            return Err(failed(format!("the answer was {status}: {text}")));
        }
        Ok(serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    fn filled(&self, text: &str) -> String {
        let fill = |text: String, (name, value): (&&str, &String)| text.replace(&format!("${name}"), value);
        self.variables.iter().fold(text.to_owned(), fill)
    }

    fn introduce(&mut self, request: &Request, shell: &str) -> Result<(), Failure> {
        self.steps += 1;
        if self.json { Ok(()) } else { print(&format!("\n# {}. {}\n{shell}", self.steps, request.explanation)) }
    }

    fn show(&self, request: &Request, answer: &Value) -> Result<(), Failure> {
        let answer = without_secrets(answer);
        if self.json {
            return print(
                &json!({"step": self.steps, "explanation": request.explanation, "answer": answer}).to_string(),
            );
        }
        let text = answer.to_string();
        let end = text.char_indices().nth(240).map_or(text.len(), |(end, _)| end);
        print(&format!("# -> {}{}", &text[..end], if end < text.len() { " ..." } else { "" }))
    }
}

/// What is printed may end up in a log, so that tokens are left out.
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

/// Shows on a terminal that something is awaited.
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
