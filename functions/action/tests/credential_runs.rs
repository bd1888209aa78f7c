//! Runs with credentials of every kind, over HTTP, and where no secret of theirs ever is.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails by panicking")]

use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use harness::server::{Answer, Request, Server};
use harness::{Event, World};
use serde_json::{Value, json};
use tempfile::tempdir;

const FUNCTION: &str = "ActionFunction";
/// What nobody but the app may see.
const PLANTED: [&str; 9] = [
    "planted-password",
    "planted-login-token",
    "planted-client-secret",
    "planted-oauth-token",
    "planted-refresh-token",
    "planted-next-refresh-token",
    "planted-key",
    "planted+basic/päss",
    "planted-free-secret",
];

/// An app that shows everything that it gets.
fn app(request: &Request, logins: &AtomicUsize) -> Answer {
    match request.path.as_str() {
        "/login" if request.body["password"] == PLANTED[0] => {
            logins.fetch_add(1, Ordering::Relaxed);
            Answer::ok(json!({"session": {"token": PLANTED[1]}}))
        }
        "/token" if request.text.contains("grant_type=refresh_token") => {
            let refresh = (PLANTED[3], PLANTED[5]);
            Answer::ok(json!({"access_token": refresh.0, "refresh_token": refresh.1, "expires_in": 3600}))
        }
        "/token" => Answer::ok(json!({"access_token": PLANTED[3], "token_type": "Bearer", "expires_in": 3600})),
        "/echo" => {
            let headers: Value = request
                .headers
                .iter()
                .map(|(name, value)| (name.to_string(), Value::from(String::from_utf8_lossy(value.as_bytes()))))
                .collect();
            let status = if request.query.contains("fail") { 400 } else { 200 };
            Answer::status(status, json!({"headers": headers, "query": request.query, "body": request.body}))
        }
        _ => Answer::status(404, request.text.clone().into()),
    }
}

async fn furnish(world: &World, url: &str) {
    let ok = |answer: harness::Answer| assert_eq!(answer.status, 200, "{answer:?}");
    let auth = |tag: &str, rest: Value| {
        let mut auth = json!({"tag": tag});
        auth.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        auth
    };
    let auths = [
        auth(
            "login",
            json!({"setup_type": "credential_access", "action_tag": "login", "expiry": 2, "period": "hours",
            "headers": {"X-Login": "Token $Auth{login}{session}{token}"}}),
        ),
        auth("client", json!({"setup_type": "oauth2", "token_url": format!("{url}/token")})),
        auth("user", json!({"setup_type": "oauth2", "token_url": format!("{url}/token")})),
        auth("key", json!({"setup_type": "api_key", "key_name": "key", "in": "query"})),
        auth("basic", json!({"setup_type": "basic"})),
    ];
    let echo = |tag: &str| {
        json!({"tag": tag, "resource": "/echo", "method": "POST",
        "query": [{"key": "fail", "type": "string"}], "headers": [{"key": "x-free"}], "body": [{"key": "said"}]})
    };
    let login = json!({"tag": "login", "resource": "/login", "method": "POST",
        "body": [{"key": "user", "type": "string", "required": true}, {"key": "password", "type": "string", "required": true}]});
    ok(world
        .post(
            "/apps",
            json!({
                "tag": "mirror", "envs": [{"slug": "prd", "base_url": url, "active": true}], "auths": auths,
                "actions": [echo("echo"), login],
            }),
        )
        .await);
    ok(world.post("/products", json!({"tag": "shop", "envs": [{"slug": "prd"}]})).await);
    ok(world.post("/secrets", json!({"key": "CLIENT", "value": PLANTED[2], "scope": ["by-client"]})).await);
    ok(world.post("/secrets", json!({"key": "FREE", "value": PLANTED[8]})).await);
    let data = [
        ("login", json!({"body": {"user": "u", "password": PLANTED[0]}})),
        ("client", json!({"client_id": "c", "client_secret": "$Secret{CLIENT}"})),
        ("user", json!({"client_id": "c", "refresh_token": PLANTED[4]})),
        ("key", json!({"key": PLANTED[6]})),
        ("basic", json!({"username": "u", "password": PLANTED[7]})),
    ];
    for (auth, data) in data {
        let access_tag = format!("by-{auth}");
        ok(world
            .post(
                "/products/shop/apps",
                json!({
                    "app": "mirror", "access_tag": access_tag,
                    "envs": [{"product_env_slug": "prd", "app_env_slug": "prd", "auth_tag": auth}],
                }),
            )
            .await);
        let path = format!("/products/shop/apps/{access_tag}/credentials/prd/{auth}");
        ok(world.put(&path, json!({"data": data})).await);
    }
}

fn run(access_tag: &str, fail: bool) -> Value {
    let query = if fail { json!({"fail": "yes"}) } else { json!({}) };
    json!({"env": "prd", "product": "shop", "app": access_tag, "action": "echo", "retries": 0, "input": {
        "query": query, "body": {"said": "a $Secret{FREE} b"}, "headers": {"x-free": "$Secret{FREE}"},
    }})
}

static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Log;

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LOG.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Returns which of the planted secrets are in a text, in any usual spelling.
fn found_in(text: &[u8]) -> Vec<String> {
    let mut spellings: Vec<String> = PLANTED.iter().map(|&secret| secret.to_owned()).collect();
    spellings.push("cGxhbnRlZCtiYXNpYy9ww6Rzc".to_owned());
    spellings.push("dTpwbGFudGVkK2Jhc2ljL3DDpHNz".to_owned());
    spellings.push("planted%2Bbasic%2Fp%C3%A4ss".to_owned());
    spellings.retain(|spelling| text.windows(spelling.len()).any(|window| window == spelling.as_bytes()));
    spellings
}

fn found_below(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(found_below(&path)),
            false => found.extend(found_in(&fs::read(&path).unwrap())),
        }
    }
    found
}

/// What lists, records and views show.
async fn everything_shown(world: &World, access_tags: &[&str]) -> Vec<String> {
    let mut shown = Vec::new();
    for path in ["/actions/runs", "/secrets", "/apps", "/apps/mirror", "/apps/mirror/actions", "/products/shop/apps"] {
        let answer = world.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        for run in answer.body["data"].as_array().into_iter().flatten().filter(|_| path == "/actions/runs") {
            let id = run["id"].as_str().or(run["run_id"].as_str()).unwrap_or_else(|| panic!("{run}"));
            shown.push(format!("{:?}", world.get(&format!("/actions/runs/{id}")).await));
        }
        shown.push(format!("{answer:?}"));
    }
    for access_tag in access_tags {
        shown.push(format!("{:?}", world.get(&format!("/products/shop/apps/{access_tag}/credentials")).await));
    }
    shown
}

#[tokio::test]
async fn what_runs_know_of_secrets_is_in_no_answer_event_log_or_file() {
    let subscriber = tracing_subscriber::fmt().with_env_filter("trace").with_ansi(false);
    subscriber.with_writer(|| Log).try_init().unwrap();
    let data = tempdir().unwrap();
    let logins = AtomicUsize::new(0);
    let server = Server::start(move |request| app(request, &logins)).await;
    let world = World::builder().function(FUNCTION, action::function).directory(data.path()).open().await;
    furnish(&world, &server.url()).await;
    let expected = [
        ("by-login", "x-login", "Token planted-login-token"),
        ("by-client", "authorization", "Bearer planted-oauth-token"),
        ("by-user", "authorization", "Bearer planted-oauth-token"),
        ("by-key", "", "key=planted-key"),
        ("by-basic", "authorization", "Basic dTpwbGFudGVkK2Jhc2ljL3DDpHNz"),
    ];
    let mut shown = Vec::new();
    for (access_tag, header, value) in expected {
        for fail in [false, true] {
            let answer = world.post("/actions/run?full=true", run(access_tag, fail)).await;
            let request = server.requests().pop().unwrap();
            assert_eq!(request.path, "/echo", "{answer:?}");
            match header {
                "" => assert!(request.query.contains(value), "{}", request.query),
                header => assert_eq!(request.header(header), value, "{access_tag}"),
            }
            assert_eq!(request.header("x-free"), PLANTED[8]);
            shown.push(format!("{answer:?}"));
        }
        world.deliver(FUNCTION, &Event::command("action", access_tag, run(access_tag, false))).await.unwrap();
        let step = world.answer(access_tag).unwrap();
        assert_eq!(step["status"], "succeeded", "{step}");
    }
    // A secret outside its scope reaches nobody, and neither does one that is unknown.
    for (secret, kind) in [("CLIENT", "not accessible by app 'by-key'"), ("NONE", "not found")] {
        let before = server.requests().len();
        let mut run = run("by-key", false);
        run["input"]["body"]["said"] = format!("$Secret{{{secret}}}").into();
        let answer = world.post("/actions/run", run).await;
        assert!(answer.body.to_string().contains(kind), "{answer:?}");
        assert_eq!(server.requests().len(), before);
        shown.push(format!("{answer:?}"));
    }
    shown.extend(everything_shown(&world, &expected.map(|(access_tag, ..)| access_tag)).await);
    // Ten by HTTP, five by steps, and two that were refused.
    assert!(shown.len() > 17 + 17, "every run is shown");
    assert!(shown.iter().filter(|text| text.contains("***")).count() >= 10, "there was something to mask");
    for text in &shown {
        assert_eq!(found_in(text.as_bytes()), Vec::<String>::new(), "{text}");
    }
    let asked = |path: &str| server.requests().iter().filter(|request| request.path == path).count();
    assert_eq!((asked("/login"), asked("/token")), (1, 2), "tokens are kept");
    let events = format!("{:?}{:?}", world.events_on_bus(), world.events());
    assert_eq!(found_in(events.as_bytes()), Vec::<String>::new(), "{events}");
    assert_eq!(found_below(data.path()), Vec::<String>::new());
    drop(world);
    assert_eq!(found_below(data.path()), Vec::<String>::new(), "after the end");
    let log = LOG.lock().unwrap().clone();
    let log = String::from_utf8_lossy(&log);
    assert!(log.contains("TRACE"));
    for line in log.lines() {
        assert_eq!(found_in(line.as_bytes()), Vec::<String>::new(), "{line}");
    }
}

#[tokio::test]
async fn a_token_of_a_token_action_is_refreshed_before_its_end_and_after_a_refusal() {
    let logins = AtomicUsize::new(0);
    let count = AtomicUsize::new(0);
    let server = Server::start(move |request| match request.path.as_str() {
        "/login" => {
            let count = count.fetch_add(1, Ordering::Relaxed) + 1;
            Answer::ok(json!({"session": {"token": format!("token-{count}")}}))
        }
        _ if request.header("x-login") == "Token token-2" => Answer::status(401, json!({})),
        _ => app(request, &logins),
    })
    .await;
    let world = World::builder().function(FUNCTION, action::function).open().await;
    furnish(&world, &server.url()).await;
    let sent = async || {
        let answer = world.post("/actions/run", run("by-login", false)).await;
        (answer.status, server.requests().pop().unwrap().header("x-login").to_owned())
    };
    assert_eq!(sent().await, (200, "Token token-1".to_owned()));
    world.advance(2 * 3600 - 61).await;
    assert_eq!(sent().await, (200, "Token token-1".to_owned()));
    world.advance(1).await;
    // The second token is refused, and the third is not.
    assert_eq!(sent().await, (200, "Token token-3".to_owned()));
    let logins: Vec<Value> =
        server.requests().into_iter().filter(|request| request.path == "/login").map(|request| request.body).collect();
    assert_eq!(logins, vec![json!({"user": "u", "password": PLANTED[0]}); 3]);
}
