//! The JSON that Lambda hands to a function, as the AWS documentation shows it, and the JSON that it gets back.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails by panicking")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::RawQuery;
use axum::response::{AppendHeaders, IntoResponse};
use axum::routing::{get, post};
use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use shared::aws::Aws;
use shared::clock::Ids;
use shared::seal::{KeyRing, Seal};
use shared::{Error, Function, Incoming};
use tokio::sync::Barrier;

const HTTP_API: &str = include_str!("fixtures/http_api.json");
const EVENTBRIDGE: &str = include_str!("fixtures/eventbridge.json");
const SQS: &str = include_str!("fixtures/sqs.json");

async fn echo(RawQuery(query): RawQuery, headers: HeaderMap, body: Bytes) -> impl IntoResponse {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let answer = json!({
        "query": query, "body": body.to_vec(), "cookie": text(COOKIE.as_str()),
        "contentType": text("content-type"), "repeated": text("x-repeated"),
    });
    (AppendHeaders([(SET_COOKIE, "a=1"), (SET_COOKIE, "b=2")]), axum::Json(answer))
}

/// What opens contents, with a key ring that nobody asks for here.
fn seal() -> Seal {
    let config = aws_config::SdkConfig::builder().behavior_version(aws_config::BehaviorVersion::latest()).build();
    Seal::new(KeyRing::new(&Aws::new(&config), "ring"), Ids::random())
}

fn function(seen: Arc<Mutex<Vec<Incoming>>>) -> Function {
    let router = Router::new()
        .route("/webhooks/c-1", post(echo))
        .route("/binary", get(|| async { vec![0xff_u8, 0x00] }))
        .route("/empty", get(|| async { StatusCode::NO_CONTENT }));
    Function::new(seal(), (router, utoipa::openapi::OpenApi::default()), move |incoming| {
        let seen = seen.clone();
        async move {
            if matches!(&incoming, Incoming::Schedule(input) if input["fail"] == true) {
                return Err(Error::new("do it", "told to fail"));
            }
            seen.lock().unwrap().push(incoming);
            Ok(())
        }
    })
}

async fn invoke(payload: Value) -> Value {
    function(Arc::default()).invoke(payload).await.unwrap()
}

fn request(changes: &Value) -> Value {
    let mut payload: Value = serde_json::from_str(HTTP_API).unwrap();
    for (pointer, value) in changes.as_object().unwrap() {
        *payload.pointer_mut(pointer).unwrap() = value.clone();
    }
    payload
}

fn body(answer: &Value) -> Value {
    serde_json::from_str(answer["body"].as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn a_request_keeps_its_exact_bytes_query_cookies_and_repeated_headers() {
    let answer = invoke(request(&json!({}))).await;
    assert_eq!(answer["statusCode"], 200);
    assert_eq!(
        body(&answer),
        json!({
            "query": "eq(name,a%252Db)&limit(5)&t=1&t=2", "body": b"{\"bytes\": \"\xff\"}".to_vec(),
            "cookie": "session=abc; theme=dark", "contentType": "Application/JSON; charset=utf-8",
            "repeated": "one,two",
        })
    );
}

#[tokio::test]
async fn an_answer_has_its_cookies_apart_and_its_text_as_text() {
    let answer = invoke(request(&json!({}))).await;
    assert_eq!(answer["cookies"], json!(["a=1", "b=2"]));
    assert_eq!(answer["headers"]["content-type"], "application/json");
    assert_eq!(answer["headers"].get("set-cookie"), None);
    assert_eq!(answer["isBase64Encoded"], false);
}

#[tokio::test]
async fn stages_trailing_slashes_and_the_localhost_segment_are_not_part_of_the_route() {
    let check = async |path: &str, stage: &str, expected: u16| {
        let payload = request(&json!({"/rawPath": path, "/requestContext/stage": stage}));
        assert_eq!(invoke(payload).await["statusCode"], expected, "{path} on {stage}");
    };
    check("/webhooks/c-1", "$default", 200).await;
    check("/webhooks/c-1/", "$default", 200).await;
    check("/prod/webhooks/c-1", "prod", 200).await;
    check("/prod/webhooks/c-1", "$default", 404).await;
    check("/localhost/webhooks/c-1", "$default", 200).await;
    check("/prod/localhost/webhooks/c-1/", "prod", 200).await;
    check("/webhooks/c%2D1 ü", "$default", 404).await;
}

#[tokio::test]
async fn a_body_that_is_no_text_travels_as_base64() {
    let payload = request(&json!({"/rawPath": "/binary", "/requestContext/http/method": "GET"}));
    let answer = invoke(payload).await;
    assert_eq!((&answer["body"], &answer["isBase64Encoded"]), (&json!("/wA="), &json!(true)));
}

#[tokio::test]
async fn an_answer_without_a_body_is_an_answer() {
    let payload = request(&json!({"/rawPath": "/empty", "/requestContext/http/method": "GET"}));
    let answer = invoke(payload).await;
    assert_eq!((&answer["statusCode"], &answer["body"]), (&json!(204), &json!("")));
}

#[tokio::test]
async fn what_no_sender_can_mean_is_refused_and_not_failed() {
    let refused = invoke(request(&json!({"/body": "not base64!"}))).await;
    assert_eq!(refused["statusCode"], 400);
    let refused = invoke(request(&json!({"/requestContext/http/method": "P O S T"}))).await;
    assert_eq!(refused["statusCode"], 400);
    let wrong_method = invoke(request(&json!({"/requestContext/http/method": "PUT"}))).await;
    assert_eq!(wrong_method["statusCode"], 405);
}

#[tokio::test]
async fn an_event_of_the_bus_arrives_with_its_source() {
    let seen = Arc::default();
    let event = serde_json::from_str(EVENTBRIDGE).unwrap();
    assert_eq!(function(Arc::clone(&seen)).invoke(event).await.unwrap(), Value::Null);
    let seen = seen.lock().unwrap();
    let [Incoming::Event { source, envelope }] = seen.as_slice() else { panic!("{seen:?}") };
    assert_eq!((source.as_str(), envelope.kind.as_str()), ("hookyard.webhook", "webhook.received"));
    assert_eq!(envelope.content::<Value>().unwrap(), json!({"platform": "github"}));
}

#[tokio::test]
async fn the_input_of_a_schedule_arrives_as_it_was_written() {
    let seen = Arc::default();
    function(Arc::clone(&seen)).invoke(json!({"sweep": "runs"})).await.unwrap();
    let seen = seen.lock().unwrap();
    assert!(matches!(seen.as_slice(), [Incoming::Schedule(input)] if *input == json!({"sweep": "runs"})));
}

#[tokio::test]
async fn a_failure_and_an_unreadable_event_are_errors_so_that_lambda_calls_again() {
    assert!(function(Arc::default()).invoke(json!({"fail": true})).await.is_err());
    let mut event: Value = serde_json::from_str(EVENTBRIDGE).unwrap();
    event["detail"] = json!({"id": 5});
    assert!(function(Arc::default()).invoke(event).await.is_err());
}

/// A batch of these bodies; the id of each message is its place.
fn batch(bodies: &[Value]) -> Value {
    let mut payload: Value = serde_json::from_str(SQS).unwrap();
    let message = payload["Records"][0].take();
    let messages = bodies.iter().enumerate().map(|(place, body)| {
        let mut message = message.clone();
        (message["messageId"], message["body"]) = (place.to_string().into(), body.clone());
        message
    });
    payload["Records"] = messages.collect();
    payload
}

/// The body of a message, which the function treats as `content` says.
fn message(content: &Value) -> Value {
    let mut event: Value = serde_json::from_str(EVENTBRIDGE).unwrap();
    event["detail"]["content"] = content.clone();
    event.to_string().into()
}

/// A function that fails or panics if the content of an event says so, and counts those that it takes.
fn fragile(taken: Arc<AtomicUsize>) -> Function {
    Function::new(seal(), (Router::new(), utoipa::openapi::OpenApi::default()), move |incoming| {
        let taken = taken.clone();
        async move {
            let Incoming::Event { envelope, .. } = incoming else { panic!("not an event") };
            let content: Value = envelope.content()?;
            assert!(content != "panic", "told to panic");
            if content == "fail" {
                return Err(Error::new("do it", "told to fail"));
            }
            taken.fetch_add(1, Ordering::SeqCst);
            Ok(())
        }
    })
}

async fn check_batch(bodies: &[Value], failed: &[&str]) {
    let taken = Arc::default();
    let answer = fragile(Arc::clone(&taken)).invoke(batch(bodies)).await.unwrap();
    let expected: Vec<Value> = failed.iter().map(|id| json!({"itemIdentifier": id})).collect();
    assert_eq!(answer, json!({"batchItemFailures": expected}));
    assert_eq!(taken.load(Ordering::SeqCst), bodies.len() - failed.len());
}

#[tokio::test]
async fn a_message_holds_an_event_as_the_bus_wrote_it() {
    let seen = Arc::default();
    let answer = function(Arc::clone(&seen)).invoke(serde_json::from_str(SQS).unwrap()).await.unwrap();
    assert_eq!(answer, json!({"batchItemFailures": []}));
    let seen = seen.lock().unwrap();
    let [Incoming::Event { source, envelope }] = seen.as_slice() else { panic!("{seen:?}") };
    assert_eq!((source.as_str(), envelope.kind.as_str()), ("hookyard.webhook", "webhook.received"));
    assert_eq!(envelope.content::<Value>().unwrap(), json!({"platform": "github"}));
}

#[tokio::test]
async fn an_event_of_a_batch_that_fails_or_panics_or_cannot_be_read_fails_alone() {
    let fine = message(&json!("fine"));
    check_batch(&[], &[]).await;
    check_batch(&vec![fine.clone(); 10], &[]).await;
    check_batch(&[fine.clone(), message(&json!("fail")), fine.clone()], &["1"]).await;
    let mut ten = vec![fine.clone(); 10];
    ten[7] = message(&json!("panic"));
    check_batch(&ten, &["7"]).await;
    let unreadable =
        [json!("no json {"), json!(""), json!(null), json!(5), json!(r#"{"detail-type": "x", "detail": 1}"#)];
    for body in unreadable {
        check_batch(&[body, fine.clone()], &["0"]).await;
    }
    let all = [message(&json!("fail")), message(&json!("panic")), json!("{")];
    check_batch(&all, &["0", "1", "2"]).await;
}

/// Answers as SQS does, and keeps what it was asked for.
async fn sqs(asked: Arc<Mutex<Vec<(String, Value)>>>) -> Aws {
    let change = async move |headers: HeaderMap, body: Bytes| {
        let target = headers["x-amz-target"].to_str().unwrap().to_owned();
        asked.lock().unwrap().push((target, serde_json::from_slice(&body).unwrap()));
        axum::Json(json!({"Successful": [], "Failed": [{"Id": "1", "Code": "Gone", "SenderFault": true}]}))
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async { axum::serve(listener, Router::new().route("/", post(change))).await });
    let credentials = aws_sdk_sqs::config::Credentials::new("id", "secret", None, None, "test");
    let config = aws_config::SdkConfig::builder()
        .behavior_version(aws_config::BehaviorVersion::latest())
        .credentials_provider(aws_sdk_sqs::config::SharedCredentialsProvider::new(credentials))
        .region(aws_sdk_sqs::config::Region::new("us-east-1"))
        .endpoint_url(url);
    Aws::new(&config.build())
}

#[tokio::test]
async fn what_has_failed_is_shown_again_soon_and_the_others_are_left_to_lambda() {
    let asked = Arc::default();
    let function = fragile(Arc::default()).with_queues(&sqs(Arc::clone(&asked)).await);
    let mut payload = batch(&[message(&json!("fail")), message(&json!("fine")), message(&json!("panic"))]);
    payload["Records"][2]["attributes"]["ApproximateReceiveCount"] = "7".into();
    payload["Records"][2]["receiptHandle"] = "the third".into();
    let answer = function.invoke(payload).await.unwrap();
    assert_eq!(answer, json!({"batchItemFailures": [{"itemIdentifier": "0"}, {"itemIdentifier": "2"}]}));
    function.invoke(batch(&[message(&json!("fine"))])).await.unwrap();
    let asked = asked.lock().unwrap();
    let [(target, request)] = asked.as_slice() else { panic!("{asked:?}") };
    assert_eq!(target, "AmazonSQS.ChangeMessageVisibilityBatch");
    assert_eq!(request["QueueUrl"], "https://sqs.us-east-1.amazonaws.com/123456789012/hookyard-Fact");
    let [first, third] = request["Entries"].as_array().unwrap().as_slice() else { panic!("{request}") };
    assert_eq!((&first["Id"], &first["VisibilityTimeout"]), (&json!("0"), &json!(1)));
    assert_eq!((&third["Id"], &third["ReceiptHandle"]), (&json!("2"), &json!("the third")));
    assert!((30..=60).contains(&third["VisibilityTimeout"].as_i64().unwrap()), "{third}");
}

#[tokio::test]
async fn a_message_that_could_not_be_named_in_the_answer_fails_the_batch() {
    let mut payload = batch(&[message(&json!("fine"))]);
    payload["Records"][0].as_object_mut().unwrap().remove("messageId");
    assert!(fragile(Arc::default()).invoke(payload).await.is_err());
}

#[tokio::test]
async fn the_events_of_a_batch_are_handled_at_the_same_time() {
    let meeting = Arc::new(Barrier::new(10));
    let function = Function::new(seal(), (Router::new(), utoipa::openapi::OpenApi::default()), move |_| {
        let meeting = meeting.clone();
        async move {
            meeting.wait().await;
            Ok(())
        }
    });
    let answer = function.invoke(batch(&vec![message(&json!(1)); 10])).await.unwrap();
    assert_eq!(answer, json!({"batchItemFailures": []}));
}
