//! Commands in, calls to a real server, answers and records out.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails by panicking")]

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use emulator::{Durability, Emulator, Options, Template};
use http::{HeaderMap, Method, StatusCode, Uri};
use jiff::SignedDuration;
use serde_json::{Value, json};
use shared::aws::Aws;
use shared::clock::{Clock, Ids};
use shared::{Environment, Function};
use tokio::net::TcpListener;

/// The function on the emulator, a server for it to call, and what it answered on the bus.
struct World {
    emulator: Emulator,
    clock: emulator::Clock,
    function: Function,
    answers: Arc<Mutex<Vec<Value>>>,
    seen: Seen,
    url: String,
}

/// How often the server was called, and with what the last time.
#[derive(Clone, Default)]
struct Seen {
    calls: Arc<AtomicU32>,
    last: Arc<Mutex<Value>>,
}

async fn serve(State(seen): State<Seen>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    seen.calls.fetch_add(1, Ordering::SeqCst);
    let header = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    *seen.last.lock().unwrap() = json!({
        "method": method.as_str(), "path": uri.path(), "key": header("idempotency-key"),
        "type": header("content-type"), "secret": header("x-secret"), "body": String::from_utf8_lossy(&body),
    });
    match uri.path() {
        "/missing" => (StatusCode::NOT_FOUND, "nothing here").into_response(),
        "/broken" => {
            let broken = futures::stream::once(async { Err::<Bytes, _>(std::io::Error::other("the answer is lost")) });
            Response::new(axum::body::Body::from_stream(broken))
        }
        "/large" => "x".repeat(200 * 1024).into_response(),
        _ => axum::Json(json!({"ok": true})).into_response(),
    }
}

impl World {
    async fn new(allowed: &str) -> Self {
        let seen = Seen::default();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(any(serve)).with_state(seen.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });

        let clock = emulator::Clock::fixed("2026-01-02T03:04:05Z".parse().unwrap());
        let template = Template::parse(include_str!("../../../template.yaml")).unwrap();
        let parameters = [("AllowedCidrs".to_owned(), allowed.to_owned())].into();
        let options = Options { data: None, durability: Durability::Process, clock: clock.clone(), parameters };
        let emulator = Emulator::open(template, options).await.unwrap();
        let now = clock.clone();
        let environment = Environment {
            aws: Aws::new(&emulator.sdk_config()),
            config: emulator.environment("ActionFunction").into_iter().collect(),
            clock: Clock::from_fn(move || now.now()),
            ids: Ids::seeded(1),
        };
        let function = action::function(&environment).unwrap();
        let answers = Arc::<Mutex<Vec<Value>>>::default();
        let answered = answers.clone();
        emulator.start(Arc::new(move |id, event| {
            if id == "DispatcherFunction" && event["detail-type"] == "step.finished" {
                answered.lock().unwrap().push(event["detail"]["content"].clone());
            }
            Box::pin(async { Ok(Value::Null) })
        }));
        Self { emulator, clock, function, answers, seen, url }
    }

    /// Delivers the command and returns the answer that was published.
    async fn run(&self, action: Value) -> Value {
        self.function.invoke(command(&action)).await.unwrap();
        self.emulator.idle().await;
        self.answers.lock().unwrap().last().unwrap().clone()
    }

    fn calls(&self) -> u32 {
        self.seen.calls.load(Ordering::SeqCst)
    }
}

fn command(action: &Value) -> Value {
    let event = json!({
        "id": "e1", "type": "a.happened", "tenantId": "t", "time": "2026-01-02T03:04:05Z", "content": {},
        "trace": {"correlationId": "e1", "depth": 0},
    });
    let content = json!({
        "eventId": "e1", "dispatcherId": "d1", "step": "call", "attempt": 1, "action": action, "event": event,
    });
    json!({
        "version": "0", "id": "1", "detail-type": "http.requested", "source": "hookyard.command",
        "account": "123456789012", "time": "2026-01-02T03:04:05Z", "region": "eu-west-1", "resources": [],
        "detail": {
            "id": "c1", "type": "http.requested", "tenantId": "t", "time": "2026-01-02T03:04:05Z",
            "content": content, "trace": {"correlationId": "e1", "depth": 1},
        },
    })
}

#[tokio::test]
async fn a_call_carries_what_the_action_says_and_its_answer_is_the_output() {
    let world = World::new("127.0.0.0/8").await;
    let url = format!("{}/things", world.url);
    let answer = world.run(json!({"url": url, "method": "put", "headers": {"x-secret": "s"}, "body": {"n": 1}})).await;
    assert_eq!((&answer["status"], &answer["step"]), (&json!("succeeded"), &json!("call")));
    assert_eq!((&answer["output"]["status"], &answer["output"]["body"]), (&json!(200), &json!({"ok": true})));
    let seen = world.seen.last.lock().unwrap().clone();
    assert_eq!(
        (&seen["method"], &seen["path"], &seen["body"]),
        (&json!("PUT"), &json!("/things"), &json!(r#"{"n":1}"#))
    );
    assert_eq!((&seen["secret"], &seen["type"]), (&json!("s"), &json!("application/json")));
    assert!(seen["key"].is_string());
}

#[tokio::test]
async fn a_status_outside_2xx_fails_the_step_and_keeps_the_answer() {
    let world = World::new("127.0.0.0/8").await;
    let answer = world.run(json!({"url": format!("{}/missing", world.url), "method": "GET"})).await;
    assert_eq!((&answer["status"], &answer["error"]["name"]), (&json!("failed"), &json!("HttpStatus")));
    assert_eq!(answer["output"]["body"], "nothing here");
}

#[tokio::test]
async fn what_cannot_be_called_fails_the_step_and_reaches_nobody() {
    let world = World::new("").await;
    let check = async |action: Value, expected: &str| {
        // Each command is a step of its own to the records, as its record is kept.
        let mut command = command(&action);
        command["detail"]["content"]["step"] = expected.into();
        world.function.invoke(command).await.unwrap();
        world.emulator.idle().await;
        let answer = world.answers.lock().unwrap().last().unwrap().clone();
        assert_eq!(answer["error"]["name"], expected, "{answer}");
        assert_eq!(world.calls(), 0);
    };
    check(json!({"method": "GET"}), "BadRequest").await;
    check(json!({"url": world.url, "method": "no method"}), "BadRequest").await;
    check(json!({"url": world.url, "headers": {"bad name": "x"}}), "BadRequest").await;
    check(json!({"url": world.url}), "AddressRefused").await;
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_a_failure_with_a_name() {
    let world = World::new("127.0.0.0/8").await;
    let answer = world.run(json!({"url": format!("{}/large", world.url)})).await;
    assert_eq!(answer["error"]["name"], "OutputTooLarge");
}

#[tokio::test]
async fn a_redelivered_command_is_answered_again_without_a_second_call() {
    let world = World::new("127.0.0.0/8").await;
    let first = world.run(json!({"url": world.url})).await;
    let second = world.run(json!({"url": world.url})).await;
    assert_eq!((first, world.calls()), (second, 1));
}

#[tokio::test]
async fn an_answer_that_the_bus_did_not_take_is_published_by_the_redelivery() {
    let world = World::new("127.0.0.0/8").await;
    world.emulator.fail_entries(4);
    let command = command(&json!({"url": world.url}));
    assert!(world.function.invoke(command.clone()).await.is_err());
    world.function.invoke(command).await.unwrap();
    world.emulator.idle().await;
    assert_eq!((world.answers.lock().unwrap().len(), world.calls()), (1, 1));
}

#[tokio::test]
async fn a_lost_answer_matters_only_where_a_second_call_would() {
    for (method, name) in [("POST", "OutcomeUnknown"), ("GET", "NoAnswer")] {
        let world = World::new("127.0.0.0/8").await;
        let answer = world.run(json!({"url": format!("{}/broken", world.url), "method": method})).await;
        assert_eq!((&answer["status"], &answer["error"]["name"]), (&json!("failed"), &json!(name)), "{answer}");
    }
}

/// Leaves the record of a call that began and whose outcome could not be written.
async fn interrupted(world: &World, action: &Value) {
    world.emulator.throttle("dynamodb.UpdateItem", 3);
    assert!(world.function.invoke(command(action)).await.is_err());
}

#[tokio::test]
async fn an_interrupted_post_is_unknown_and_is_not_repeated() {
    let world = World::new("127.0.0.0/8").await;
    let action = json!({"url": world.url, "method": "POST"});
    interrupted(&world, &action).await;
    let still_leased = world.function.invoke(command(&action)).await;
    assert!(still_leased.is_err(), "another delivery may still be making the call");
    world.clock.advance(SignedDuration::from_secs(60));
    let answer = world.run(action).await;
    assert_eq!((&answer["error"]["name"], world.calls()), (&json!("OutcomeUnknown"), 1));
}

#[tokio::test]
async fn an_interrupted_get_is_made_again() {
    let world = World::new("127.0.0.0/8").await;
    let action = json!({"url": world.url, "method": "GET"});
    interrupted(&world, &action).await;
    world.clock.advance(SignedDuration::from_secs(60));
    let answer = world.run(action).await;
    assert_eq!((&answer["status"], world.calls()), (&json!("succeeded"), 2));
}

#[tokio::test]
async fn what_is_no_command_of_ours_is_an_error_so_that_it_becomes_a_dead_letter() {
    let world = World::new("").await;
    let mut event = command(&json!({}));
    event["detail-type"] = "mail.requested".into();
    event["detail"]["type"] = "mail.requested".into();
    assert!(world.function.invoke(event).await.is_err());
}
