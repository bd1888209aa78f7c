//! Whole runs: session, secrets, credentials, declared fields, cache and the values of events, all of them together.

use futures::future::join_all;
use harness::World;
use harness::server::{Answer, Server};
use serde_json::{Value, json};

use crate::setup::{ask, stored};

const SECRET: &str = "planted-api-secret";
const PASSWORD: &str = "planted-password";
const TOKEN: &str = "planted-access-token";

/// A CRM whose token endpoint hands out one token, and that shows what it got.
async fn setup() -> (World, Server) {
    let world = World::builder().function("ActionFunction", action::function).open().await;
    let server = Server::start(|request| match request.path.as_str() {
        "/login" => Answer::ok(json!({"token": TOKEN, "expires_in": 3600})),
        path => Answer::ok(json!({
            "path": path, "query": request.query, "body": request.body,
            "authorization": request.header("authorization"), "x-key": request.header("x-key"),
        })),
    });
    let server = server.await;
    let app = json!({
        "tag": "bank", "envs": [{"slug": "tst", "base_url": server.url(), "active": true}],
        "auths": [{
            "tag": "login", "setup_type": "credential_access", "action_tag": "log_in", "expiry": 1, "period": "hours",
            "headers": {"Authorization": "Bearer $Auth{login}{token}"},
        }],
        "constants": [{"key": "limit", "value": 50}],
        "variables": [{"key": "region"}],
        "actions": [
            {"tag": "log_in", "method": "POST", "resource": "/login"},
            {
                "tag": "add_user", "method": "POST", "resource": "/teams/:team/users",
                "params": [{"key": "team", "type": "string", "required": true}],
                "headers": [{"key": "x-key", "type": "string", "defaultValue": "$Secret{API_KEY}"}],
                "body": [
                    {"key": "email", "type": "email_string", "required": true},
                    {"key": "user", "type": "string", "defaultValue": "$Session{users}{user}{id}"},
                    {"key": "region", "type": "string", "defaultValue": "$Variable{bank}{region}"},
                    {"key": "limit", "type": "number", "defaultValue": "$Constant{bank}{limit}"},
                ],
            },
        ],
    });
    let connection = json!({"envs": [{
        "product_env_slug": "dev", "app_env_slug": "tst", "variables": [{"key": "region", "value": "eu"}],
        "auth": [{"auth_tag": "login", "data": {"body:password": PASSWORD}}],
    }]});
    stored(&world, app, connection).await;
    let session = json!({
        "product": "shop", "name": "Users", "tag": "users", "schema": {"user": {"id": "u1"}},
        "selector": "$Session{user}{id}", "expiry": 1, "period": "hours",
    });
    for (path, body) in [
        ("/secrets", json!({"key": "API_KEY", "value": SECRET})),
        ("/sessions", session),
        ("/caches", json!({"product": "shop", "name": "Users", "tag": "users", "expiry": 60_000})),
    ] {
        let answer = world.post(path, body).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    }
    (world, server)
}

async fn session(world: &World, id: &str) -> String {
    let body = json!({"env": "dev", "data": {"user": {"id": id}}});
    let answer = world.post("/sessions/shop/users/start", body).await;
    answer.body["token"].as_str().unwrap_or_else(|| panic!("{}", answer.body)).to_owned()
}

fn add(token: &str, more: &Value) -> Value {
    let mut run = json!({"session": token, "input": {"team": "red", "email": "ann@example.com"}});
    run.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    ask("add_user", run)
}

fn calls(server: &Server, path: &str) -> usize {
    server.requests().iter().filter(|request| request.path == path).count()
}

#[tokio::test]
async fn a_run_has_all_that_it_declares_and_shows_none_of_its_secrets() {
    let (world, server) = setup().await;
    let token = session(&world, "u1").await;
    let answer = world.post("/actions/run?full=true", add(&token, &json!({}))).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let sent = server.requests().pop().unwrap();
    assert_eq!((sent.path.as_str(), sent.header("x-key")), ("/teams/red/users", SECRET));
    assert_eq!(sent.header("authorization"), format!("Bearer {TOKEN}"));
    assert_eq!(sent.body, json!({"email": "ann@example.com", "user": "u1", "region": "eu", "limit": 50}));
    assert_eq!(server.requests()[0].path, "/login");
    let id = answer.body["run_id"].as_str().unwrap();
    let shown = world.get(&format!("/actions/runs/{id}")).await.body;
    assert!(shown["session_id"].is_string() && shown["request"]["body"].as_str().unwrap().contains("ann@"), "{shown}");
    let seen = json!([answer.body, answer.headers, shown, world.get("/actions/runs").await.body, world.events()]);
    let raw: Vec<Value> = world.items("ACTION_RUNS_TABLE").await;
    let seen = format!("{seen}{}", json!(raw));
    for secret in [SECRET, PASSWORD, TOKEN] {
        assert!(!seen.contains(secret), "{secret}: {seen}");
    }
}

#[tokio::test]
async fn every_rule_that_an_input_breaks_is_listed_before_anything_is_called() {
    let (world, server) = setup().await;
    let token = session(&world, "u1").await;
    let answer = world.post("/actions/run", add(&token, &json!({"input": {"email": "nobody"}}))).await;
    assert_eq!((answer.status, &answer.body["type"]), (400, &json!("VALIDATION_ERROR")), "{}", answer.body);
    let selectors: Vec<&str> = answer.body["violations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|broken| broken["selector"].as_str().unwrap())
        .collect();
    assert_eq!(selectors.len(), 2, "{}", answer.body);
    assert!(selectors.iter().any(|selector| selector.starts_with("$Body{add_user}{email}")), "{selectors:?}");
    assert!(selectors.iter().any(|selector| selector.starts_with("$Params{add_user}{team}")), "{selectors:?}");
    let missing =
        world.post("/actions/run", add(&token, &json!({"input": {"team": "$Secret{NONE}", "email": "a@b.test"}})));
    assert!(missing.await.body["message"].as_str().unwrap().contains("NONE"));
    assert_eq!(calls(&server, "/teams/red/users"), 0);
}

#[tokio::test]
async fn a_cached_answer_is_for_the_same_input_and_the_same_user_only() {
    let (world, server) = setup().await;
    let (one, two) = (session(&world, "u1").await, session(&world, "u2").await);
    let run = async |token: &str, email: &str| {
        let run = add(token, &json!({"cache": "users", "input": {"team": "red", "email": email}}));
        let answer = world.post("/actions/run", run).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.headers["x-hookyard-cache"].as_str().unwrap().to_owned()
    };
    assert_eq!(run(&one, "a@b.test").await, "miss");
    assert_eq!(run(&one, "a@b.test").await, "hit");
    assert_eq!(run(&two, "a@b.test").await, "miss");
    assert_eq!(run(&one, "c@b.test").await, "miss");
    assert_eq!(calls(&server, "/teams/red/users"), 3);
    world.advance(61).await;
    assert_eq!(run(&one, "a@b.test").await, "miss");
    let unknown = world.post("/actions/run", add(&one, &json!({"cache": "other"}))).await;
    assert_eq!((unknown.status, calls(&server, "/teams/red/users")), (404, 4), "{}", unknown.body);
}

#[tokio::test]
async fn identical_runs_at_once_call_the_app_and_its_login_once() {
    let (world, server) = setup().await;
    let token = session(&world, "u1").await;
    let runs = (0..50).map(|_| world.post("/actions/run", add(&token, &json!({"cache": "users"}))));
    let answers = join_all(runs).await;
    assert!(answers.iter().all(|answer| answer.status == 200 && answer.body == answers[0].body));
    assert_eq!((calls(&server, "/teams/red/users"), calls(&server, "/login")), (1, 1));
}

#[tokio::test]
async fn a_token_that_the_app_refuses_is_replaced_once_and_the_request_sent_again() {
    let (world, server) = setup().await;
    let token = session(&world, "u1").await;
    assert_eq!(world.post("/actions/run", add(&token, &json!({}))).await.status, 200);
    world.advance(120).await;
    server.answer_next(Answer::status(401, json!("expired")));
    let body = world.post("/actions/run?full=true", add(&token, &json!({}))).await.body;
    let statuses: Vec<&Value> = body["attempts"].as_array().unwrap().iter().map(|attempt| &attempt["status"]).collect();
    assert_eq!((statuses, calls(&server, "/login")), (vec![&json!(401), &json!(200)], 2), "{body}");
    server.answer_next(Answer::status(401, json!("no")));
    let answer = world.post("/actions/run", add(&token, &json!({}))).await;
    assert_eq!((answer.status, &answer.body["type"]), (502, &json!("UNAUTHORIZED")), "{}", answer.body);
}

#[tokio::test]
async fn a_value_of_an_event_is_never_a_placeholder() {
    let (world, server) = setup().await;
    let token = session(&world, "u1").await;
    let mut action = add(
        &token,
        &json!({"input": {"params": {"team": "red"}, "body": {
            "email": "ann@example.com", "note": "$Value{0}", "next": "to $Value{1}$Value{2}",
        }}}),
    );
    action["values"] = json!(["$Secret{API_KEY}", "$", "Secret{API_KEY}"]);
    world.deliver("ActionFunction", &harness::Event::command("action", "add", action)).await.unwrap();
    assert_eq!(world.answer("add").unwrap()["status"], "succeeded", "{:?}", world.answer("add"));
    let body = server.requests().pop().unwrap().body;
    assert_eq!((&body["note"], &body["next"]), (&json!("$Secret{API_KEY}"), &json!("to $Secret{API_KEY}")));
}

#[tokio::test]
async fn an_expired_or_revoked_session_fails_before_any_call() {
    let (world, server) = setup().await;
    let token = session(&world, "u1").await;
    world.advance(3_700).await;
    let answer = world.post("/actions/run", add(&token, &json!({}))).await;
    assert_eq!((answer.status, &answer.body["type"]), (403, &json!("UNAUTHORIZED")), "{}", answer.body);
    assert_eq!(server.requests().len(), 0);
}
