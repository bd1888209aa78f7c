//! The client against a server with scripted answers.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails by panicking")]

use std::time::Duration;

use client::{Client, Credentials, Error, Request};
use harness::server::{Answer, Server};
use serde_json::json;

async fn signed_in() -> (Server, Client) {
    let server = Server::start(|_| Answer::ok(json!({"access_token": "t1", "ready": true}))).await;
    let mut client = Client::new(&format!("{}/", server.url())).unwrap();
    let credentials = Credentials { client_id: "c".to_owned(), client_secret: "s".to_owned() };
    client.sign_in(&credentials).await.unwrap();
    (server, client)
}

#[tokio::test]
async fn a_client_signs_in_and_sends_its_token_where_it_is_asked_for() {
    let (server, client) = signed_in().await;
    client.send(&Request::get("/runs/e1").header("x-tenant-id", "t")).await.unwrap();
    client.send(&Request::post("/webhooks/c1", &json!({"n": 1})).public()).await.unwrap();
    client.send(&Request::get(&format!("{}/whole", server.url()))).await.unwrap();
    let requests = server.requests();
    let grant = json!({"client_id": "c", "client_secret": "s", "grant_type": "client_credentials"});
    assert_eq!((requests[0].path.as_str(), &requests[0].body), ("/auth/v2/oauth2/tokens", &grant));
    let tokens: Vec<_> = requests.iter().map(|request| request.header("authorization")).collect();
    assert_eq!(tokens, ["", "Bearer t1", "", "Bearer t1"]);
    assert_eq!((requests[1].header("x-tenant-id"), requests[3].path.as_str()), ("t", "/whole"));
    assert_eq!((requests[2].header("content-type"), requests[2].text.as_str()), ("application/json", r#"{"n":1}"#));
}

#[tokio::test]
async fn a_refusal_is_an_error_with_the_servers_words() {
    let (server, client) = signed_in().await;
    server.answer_next(Answer::status(400, json!({"message": "`name` is missing"})));
    let error = client.send(&Request::get("/x")).await.unwrap_err();
    assert_eq!(error.to_string(), r#"the answer was 400 Bad Request: {"message":"`name` is missing"}"#);
    server.answer_next(Answer::status(502, json!("no gateway")));
    assert_eq!(client.exchange(&Request::get("/x")).await.unwrap().body, "no gateway");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named_without_the_query() {
    let (server, client) = signed_in().await;
    drop(server);
    let error = client.send(&Request::get("http://127.0.0.1:1/callback?t=hush")).await.unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("cannot reach http://127.0.0.1:1/callback: "), "{text}");
    assert!(!format!("{error:?}").contains("hush"), "{error:?}");
}

#[tokio::test]
async fn a_wait_outlasts_what_is_not_there_yet_and_nothing_else() {
    let (server, client) = signed_in().await;
    for status in [404, 503, 200] {
        server.answer_next(Answer::status(status, json!({"ready": false})));
    }
    let answer = client.wait_for(&Request::get("/x"), Duration::from_secs(60), |answer| answer["ready"] == true).await;
    assert_eq!(answer.unwrap()["ready"], true);
    assert_eq!(server.requests().len(), 5);

    let never =
        client.wait_for(&Request::get("/x"), Duration::ZERO, |answer| answer["ready"] == "never").await.unwrap_err();
    assert!(matches!(&never, Error::TimedOut { last, .. } if last["ready"] == true), "{never}");
    server.answer_next(Answer::status(401, json!({})));
    let refused = client.wait_for(&Request::get("/x"), Duration::ZERO, |_| true).await.unwrap_err();
    assert!(matches!(refused, Error::Refused(_)), "{refused}");
}
