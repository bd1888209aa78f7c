//! Requests that are really sent, to an app that plays everything an app can do.

use serde_json::{Value, json};

use super::*;
use crate::app::{Action, RequestType};
use crate::played::Played;
use crate::request;

fn action(more: &Value) -> Action {
    let mut action = json!({"tag": "a", "resource": "/", "method": "GET"});
    action.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::from_value(action).unwrap()
}

async fn send(played: &Played, more: Value, kind: RequestType, input: Value) -> Result<Value, Failure> {
    let input = serde_json::from_value(input).unwrap();
    let action = action(&more);
    let mut request = request::build(&played.app.url(), &action, kind, &input).unwrap();
    request.timeout = request.timeout.min(std::time::Duration::from_secs(10));
    let is_idempotent = request.method.is_idempotent();
    match played.services.outbound.send(request).await {
        Ok(response) => read(&response, played.services.clock.now()),
        Err(error) => Err(failure(&error, is_idempotent)),
    }
}

async fn get(played: &Played, resource: &str) -> Result<Value, Failure> {
    send(played, json!({"resource": resource}), RequestType::Json, json!({})).await
}

#[tokio::test]
async fn an_app_gets_what_the_input_says() {
    let played = Played::open().await;
    let input = json!({
        "params": {"id": "a/../b?c"}, "query": {"q": ["x y", 2], "f": {"g": "&"}},
        "headers": {"X-Tag": "t"}, "body": {"n": [1, {"m": null}]},
    });
    let more = json!({"resource": "/echo/:id", "method": "put", "params": [{"key": "id"}]});
    let echo = send(&played, more, RequestType::Json, input).await.unwrap();
    assert_eq!((&echo["method"], &echo["path"]), (&json!("PUT"), &json!("/echo/a%2F..%2Fb%3Fc")));
    assert_eq!(echo["query"], "f%5Bg%5D=%26&q=x+y&q=2");
    assert_eq!(
        (&echo["headers"]["x-tag"], &echo["headers"]["content-type"]),
        (&json!("t"), &json!("application/json"))
    );
    assert_eq!(echo["body"], json!({"n": [1, {"m": null}]}));
}

#[tokio::test]
async fn a_multipart_body_is_what_another_parser_reads() {
    let played = Played::open().await;
    let body = json!({
        "plain": "é\r\n--x", "none": null, "n": 1, "list": ["a", "b"], "deep": {"er": true},
        "file": {"filename": "a \"b\".txt", "content_type": "text/csv", "content": "1,2\r\n"},
        "bytes": {"filename": "b", "base64": "AAEC"},
        "files": [{"filename": "1", "content": "x"}, {"filename": "2", "content": "y"}],
        "meta": {"content_type": "application/json", "content": {"a": 1}},
    });
    let more = json!({"resource": "/echo", "method": "POST"});
    let echo = send(&played, more, RequestType::Formdata, json!({"body": body})).await.unwrap();
    let part = |name: &str, filename: Value, content_type: Value, content: &str| json!({"name": name, "filename": filename, "content_type": content_type, "content": content});
    let none = Value::Null;
    let text = json!("text/plain; charset=utf-8");
    let expected = json!([
        part("bytes", json!("b"), json!("application/octet-stream"), "\0\u{1}\u{2}"),
        part("deep[er]", none.clone(), none.clone(), "true"),
        part("file", json!("a %22b%22.txt"), json!("text/csv"), "1,2\r\n"),
        part("files", json!("1"), text.clone(), "x"),
        part("files", json!("2"), text, "y"),
        part("list", none.clone(), none.clone(), "a"),
        part("list", none.clone(), none.clone(), "b"),
        part("meta", none.clone(), json!("application/json"), "{\"a\":1}"),
        part("n", none.clone(), none.clone(), "1"),
        part("plain", none.clone(), none, "é\r\n--x"),
    ]);
    assert_eq!(echo["parts"], expected);
}

#[tokio::test]
async fn answers_of_every_kind_are_read() {
    let played = Played::open().await;
    for encoding in ["gzip", "deflate", "br"] {
        assert_eq!(get(&played, &format!("/encoded/{encoding}")).await, Ok(json!({"encoded": true})), "{encoding}");
    }
    for charset in ["utf-8", "iso-8859-1", "windows-1252"] {
        assert_eq!(get(&played, &format!("/charset/{charset}")).await, Ok(json!("é")), "{charset}");
    }
    assert!(get(&played, "/xml").await.unwrap().as_str().unwrap().ends_with("<name>é</name>"));
    assert_eq!(get(&played, "/form").await, Ok(json!({"access_token": "t 1", "scope": ["a", "b"]})));
    assert_eq!(get(&played, "/binary").await.unwrap()["size"], 4);
    assert_eq!(get(&played, "/empty").await, Ok(Value::Null));
    assert_eq!(get(&played, "/untyped").await, Ok(json!({"untyped": true})));
    assert!(get(&played, "/json/deep").await.unwrap().is_string());
    assert_eq!(get(&played, "/big?bytes=1048576").await.unwrap().as_str().map(str::len), Some(1_048_576));
    for resource in ["/json/broken", "/encoded/broken", "/encoded/unknown", "/big?bytes=1048577", "/bomb?bytes=9999999"]
    {
        let failure = get(&played, resource).await.unwrap_err();
        assert_eq!(failure.kind, FailureType::InvalidResponse, "{resource} {failure:?}");
    }
}

#[tokio::test]
async fn failures_say_what_an_app_has_said() {
    let played = Played::open().await;
    let check = async |resource: &str, kind: FailureType, status: Option<u16>, retry_after_ms: Option<u64>| {
        let failure = get(&played, resource).await.unwrap_err();
        assert_eq!(
            (failure.kind, failure.status, failure.retry_after_ms),
            (kind, status, retry_after_ms),
            "{resource}"
        );
    };
    check("/guarded", FailureType::Unauthorized, Some(401), None).await;
    check("/nowhere", FailureType::NotFound, Some(404), None).await;
    check("/status?status=422", FailureType::RequestFailed, Some(422), None).await;
    played.app.limit(2);
    check("/limited", FailureType::RateLimited, Some(429), Some(7_000)).await;
    check("/limited-until", FailureType::RateLimited, Some(429), Some(7_000)).await;
    assert_eq!(get(&played, "/limited").await, Ok(json!({"ok": true})));
    played.app.fail(1);
    check("/flaky?status=503", FailureType::ServiceUnavailable, Some(503), None).await;
    assert_eq!(get(&played, "/flaky").await, Ok(json!({"ok": true})));
    check("/lost", FailureType::ConnectionError, None, None).await;
    let lost = json!({"resource": "/lost", "method": "POST"});
    let failure = send(&played, lost, RequestType::Json, json!({})).await.unwrap_err();
    assert_eq!(failure.kind, FailureType::OutcomeUnknown);
}

#[tokio::test]
async fn a_redirect_is_followed_but_not_to_a_guarded_address_and_not_for_ever() {
    let played = Played::open().await;
    let redirect = async |to: &str| {
        let input = json!({"query": {"to": to}});
        send(&played, json!({"resource": "/redirect"}), RequestType::Json, input).await
    };
    assert_eq!(redirect("/untyped").await, Ok(json!({"untyped": true})));
    for guarded in ["http://169.254.169.254/latest/", "http://10.0.0.1/", "http://[::1]/", "http://0x0a000001/"] {
        assert_eq!(redirect(guarded).await.unwrap_err().kind, FailureType::Forbidden, "{guarded}");
    }
    assert_eq!(redirect("ftp://a.test/").await.unwrap_err().kind, FailureType::InvalidResponse);
    assert_eq!(get(&played, "/redirect").await.unwrap_err().kind, FailureType::InvalidResponse);
}
