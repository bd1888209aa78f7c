//! Commands in, calls to a real server, answers and records out.

use harness::server::{Answer, Reaction, Server};
use harness::{Event, World};
use serde_json::{Value, json};

/// The function on the emulator, and a server for it to call.
struct Setup {
    world: World,
    server: Server,
    url: String,
}

impl Setup {
    async fn new() -> Self {
        Self::allowing("127.0.0.0/8").await
    }

    async fn allowing(cidrs: &str) -> Self {
        let world = World::builder().function("ActionFunction", action::function).parameter("AllowedCidrs", cidrs);
        let server = Server::start(|request| match request.path.as_str() {
            "/missing" => Answer::status(404, json!("nothing here")),
            "/large" => Answer::ok("x".repeat(200 * 1024).into()),
            _ => Answer::ok(json!({"ok": true})),
        });
        let server = server.await;
        Self { world: world.open().await, url: server.url(), server }
    }

    /// Delivers the command; the error is what Lambda would see.
    async fn deliver(&self, command: &Event) -> Result<(), String> {
        self.world.deliver("ActionFunction", command).await
    }

    /// Delivers a command for this action and returns the answer that was published.
    async fn run(&self, action: Value) -> Value {
        self.deliver(&command(action)).await.unwrap();
        self.world.answer("call").unwrap()
    }

    fn calls(&self) -> usize {
        self.server.requests().len()
    }
}

fn command(action: Value) -> Event {
    Event::command("http", "call", action)
}

#[tokio::test]
async fn a_call_carries_what_the_action_says_and_its_answer_is_the_output() {
    let setup = Setup::new().await;
    let url = format!("{}/things", setup.url);
    let answer = setup.run(json!({"url": url, "method": "put", "headers": {"x-secret": "s"}, "body": {"n": 1}})).await;
    assert_eq!((&answer["status"], &answer["step"]), (&json!("succeeded"), &json!("call")));
    assert_eq!((&answer["output"]["status"], &answer["output"]["body"]), (&json!(200), &json!({"ok": true})));
    let seen = setup.server.requests().pop().unwrap();
    assert_eq!((seen.method.as_str(), seen.path.as_str(), seen.text.as_str()), ("PUT", "/things", r#"{"n":1}"#));
    assert_eq!((seen.header("x-secret"), seen.header("content-type")), ("s", "application/json"));
    assert!(seen.headers.contains_key("idempotency-key"));
}

#[tokio::test]
async fn a_status_outside_2xx_fails_the_step_and_keeps_the_answer() {
    let setup = Setup::new().await;
    let answer = setup.run(json!({"url": format!("{}/missing", setup.url), "method": "GET"})).await;
    assert_eq!((&answer["status"], &answer["error"]["name"]), (&json!("failed"), &json!("HttpStatus")));
    assert_eq!(answer["output"]["body"], "nothing here");
    assert_eq!(answer["response"], json!({"status": 404, "body": "nothing here"}));
}

#[tokio::test]
async fn what_cannot_be_called_fails_the_step_and_reaches_nobody() {
    let setup = Setup::allowing("").await;
    let check = async |action: Value, expected: &str| {
        // Each command is a step of its own to the records, as its record is kept.
        setup.deliver(&Event::command("http", expected, action)).await.unwrap();
        let answer = setup.world.answers().pop().unwrap();
        assert_eq!(answer["error"]["name"], expected, "{answer}");
        assert_eq!(setup.calls(), 0);
    };
    check(json!({"method": "GET"}), "BadRequest").await;
    check(json!({"url": setup.url, "method": "no method"}), "BadRequest").await;
    check(json!({"url": setup.url, "headers": {"bad name": "x"}}), "BadRequest").await;
    check(json!({"url": setup.url}), "AddressRefused").await;
}

#[tokio::test]
async fn what_can_only_be_mended_by_its_author_is_named() {
    let setup = Setup::new().await;
    let mut steps = 0..;
    let mut check = async |more: Value, part: &str| {
        let mut action = json!({"url": setup.url});
        action.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        // Each command is a step of its own to the records, as its record is kept.
        setup.deliver(&Event::command("http", &format!("s{}", steps.next().unwrap()), action)).await.unwrap();
        let answer = setup.world.answers().pop().unwrap();
        let message = answer["error"]["message"].as_str().unwrap_or_default();
        assert_eq!((&answer["error"]["name"], message.contains(part)), (&json!("BadRequest"), true), "{answer}");
    };
    for method in ["CONNECT", "TRACE", "trace", "TRACK", "PROPFIND", "no method", "{{name}}"] {
        check(json!({"method": method}), &format!("`method` has the unknown value `{method}`")).await;
    }
    for value in ["a\r\nx-evil: 1", "a\nb", "a\rb", "a\0b", "a\n"] {
        check(json!({"headers": {"x-a": value}}), "`headers.x-a` has a line break or another control character").await;
    }
    check(json!({"headers": {"x-a\r\nb": "c"}}), "is not the name of a header").await;
    check(json!({"headers": {"x-a": {"b": 1}}}), "`headers.x-a` must be a string").await;
    let form = json!({"content-type": "application/x-www-form-urlencoded"});
    check(json!({"headers": form, "body": [1]}), "must be an object or a text").await;
    check(json!({"headers": {"content-type": "multipart/form-data"}, "body": {"a": 1}}), "must be a text").await;
    check(json!({"headers": {"content-type": "text/xml"}, "body": {"a": 1}}), "must be a text").await;
    for url in
        ["ftp://a.test/", "file:///etc/passwd", "http://u:p@127.0.0.1/", "https://evil.test%2F.a.test/", "/x", ""]
    {
        check(json!({"url": url}), "URL").await;
    }
    assert_eq!(setup.calls(), 0);
}

#[tokio::test]
async fn a_body_is_written_in_the_type_that_the_headers_give_it() {
    let setup = Setup::new().await;
    let mut steps = 0..;
    let mut check = async |content_type: Option<&str>, body: Value, sent: &str, sent_type: &str| {
        let headers = content_type.map_or(json!({}), |content_type| json!({"Content-Type": content_type}));
        let action = json!({"url": setup.url, "method": "post", "headers": headers, "body": body});
        setup.deliver(&Event::command("http", &format!("s{}", steps.next().unwrap()), action)).await.unwrap();
        let seen = setup.server.requests().pop().unwrap();
        assert_eq!((seen.text.as_str(), seen.header("content-type")), (sent, sent_type), "{body}");
    };
    let form = "application/x-www-form-urlencoded";
    check(Some(form), json!({"Body": "a b&c"}), "Body=a+b%26c", form).await;
    check(Some(form), json!({"a": {"b": "c"}, "d": [1]}), "a%5Bb%5D=c&d%5B0%5D=1", form).await;
    let with_charset = "Application/X-WWW-Form-Urlencoded; charset=UTF-8";
    check(Some(with_charset), json!({"Body": "é"}), "Body=%C3%A9", with_charset).await;
    check(Some(form), json!("Body=a+b"), "Body=a+b", form).await;
    check(None, json!({"a": "b&c"}), r#"{"a":"b&c"}"#, "application/json").await;
    check(Some("application/problem+json"), json!([1]), "[1]", "application/problem+json").await;
    check(Some("text/plain"), json!({"a": 1}), r#"{"a":1}"#, "text/plain").await;
    check(None, json!("a&b"), "a&b", "").await;
    check(None, json!(" {\"a\": 1}"), " {\"a\": 1}", "application/json").await;
    check(None, json!("{a}"), "{a}", "").await;
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_a_failure_with_a_name() {
    let setup = Setup::new().await;
    let answer = setup.run(json!({"url": format!("{}/large", setup.url)})).await;
    assert_eq!(answer["error"]["name"], "OutputTooLarge");
}

#[tokio::test]
async fn a_redelivered_command_is_answered_again_without_a_second_call() {
    let setup = Setup::new().await;
    let first = setup.run(json!({"url": setup.url})).await;
    let second = setup.run(json!({"url": setup.url})).await;
    assert_eq!((first, setup.calls()), (second, 1));
}

#[tokio::test]
async fn an_answer_that_the_bus_did_not_take_is_published_by_the_redelivery() {
    let setup = Setup::new().await;
    setup.world.emulator.fail_entries(4);
    let command = command(json!({"url": setup.url}));
    assert!(setup.deliver(&command).await.is_err());
    setup.deliver(&command).await.unwrap();
    assert_eq!((setup.world.answers().len(), setup.calls()), (1, 1));
}

#[tokio::test]
async fn a_lost_answer_matters_only_where_a_second_call_would() {
    for (method, name) in [("POST", "OutcomeUnknown"), ("GET", "NoAnswer")] {
        let setup = Setup::new().await;
        setup.server.next(Reaction::LoseAnswer);
        let answer = setup.run(json!({"url": setup.url, "method": method})).await;
        assert_eq!((&answer["status"], &answer["error"]["name"]), (&json!("failed"), &json!(name)), "{answer}");
    }
}

/// Leaves the record of a call that began and whose outcome could not be written.
async fn interrupted(setup: &Setup, action: &Value) {
    setup.world.emulator.pass("dynamodb.PutItem", 1);
    setup.world.emulator.crash_before("dynamodb.PutItem", 1);
    assert!(setup.deliver(&command(action.clone())).await.is_err());
}

#[tokio::test]
async fn an_interrupted_post_is_unknown_and_is_not_repeated() {
    let setup = Setup::new().await;
    let action = json!({"url": setup.url, "method": "POST"});
    interrupted(&setup, &action).await;
    let still_leased = setup.deliver(&command(action.clone())).await;
    assert!(still_leased.is_err(), "another delivery may still be making the call");
    setup.world.advance(60).await;
    let answer = setup.run(action).await;
    assert_eq!((&answer["error"]["name"], setup.calls()), (&json!("OutcomeUnknown"), 1));
}

#[tokio::test]
async fn an_interrupted_get_is_made_again() {
    let setup = Setup::new().await;
    let action = json!({"url": setup.url, "method": "GET"});
    interrupted(&setup, &action).await;
    setup.world.advance(60).await;
    let answer = setup.run(action).await;
    assert_eq!((&answer["status"], setup.calls()), (&json!("succeeded"), 2));
}

#[tokio::test]
async fn what_is_not_our_command_is_an_error_so_that_it_becomes_a_dead_letter() {
    let setup = Setup::allowing("").await;
    assert!(setup.deliver(&Event::command("mail", "call", json!({}))).await.is_err());
}
