//! Requests that no route can read are answered by an error of ours, on every route of every function.

use reqwest::Method;
use serde_json::{Value, json};
use tempfile::tempdir;

use crate::process::Hookyard;

/// Sends a request as the administrator, and returns the status, the header `Allow` and the body, which must be JSON.
async fn ask(hookyard: &Hookyard, method: Method, path: &str) -> (u16, Option<String>, Value) {
    let request = hookyard.client.request(method.clone(), format!("{}{path}", hookyard.url));
    let request = request.bearer_auth(&hookyard.token).header("content-type", "application/json");
    let response = request.body("{}").send().await.unwrap();
    let allow = response.headers().get("allow").map(|allow| allow.to_str().unwrap().to_owned());
    let (status, text) = (response.status().as_u16(), response.text().await.unwrap());
    let body = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{method} {path} is answered {status} {text:?}"));
    (status, allow, body)
}

fn is_error_of_ours(body: &Value) -> bool {
    (body["code"].is_u64() && body["message"].is_string()) || body["error"].is_string()
}

#[tokio::test]
async fn an_unreadable_path_or_method_is_an_error_of_ours_on_every_route() {
    let data = tempdir().unwrap();
    let hookyard = Hookyard::start(&data).await;
    let openapi = hookyard.get("/openapi.json").await;
    let methods = [Method::GET, Method::POST, Method::PUT, Method::DELETE];
    let mut asked = 0;
    for (path, item) in openapi["paths"].as_object().unwrap() {
        for method in methods.clone() {
            let is_route = item.get(method.as_str().to_lowercase()).is_some();
            let inside = path.contains('{');
            let unreadable = path.split('/').map(|part| if part.starts_with('{') { "%ff" } else { part });
            let unreadable = unreadable.collect::<Vec<_>>().join("/");
            let (status, allow, body) = ask(&hookyard, method.clone(), &unreadable).await;
            let at = format!("{method} {unreadable}: {status} {body}");
            assert!(status < 500, "{at}");
            if !is_route {
                assert!(
                    status == 405 && allow.is_some_and(|allow| !allow.is_empty()) && is_error_of_ours(&body),
                    "{at}"
                );
            } else if inside {
                assert!((400..500).contains(&status) && is_error_of_ours(&body), "{at}");
            }
            asked += 1;
        }
    }
    assert!(asked > 100, "{asked}");
}

#[tokio::test]
async fn other_requests_that_cannot_be_read_are_errors_of_ours_too() {
    let data = tempdir().unwrap();
    let hookyard = Hookyard::start(&data).await;
    let called = ask(&hookyard, Method::POST, "/unsecured/callback/%ff?t=x").await;
    let unknown = "failed to load callback from public id: callback not found";
    assert_eq!((called.0, called.2), (404, json!({ "error": unknown })));
    for path in
        ["/tasks/v1/?%ff", "/dispatchers/v1/?eq(%ff,%)", "/messages?channelId=%ff", "/events/v1/?%", "/clients?%ff"]
    {
        let (status, _, body) = ask(&hookyard, Method::GET, path).await;
        assert!(status == 200 || ((400..500).contains(&status) && is_error_of_ours(&body)), "{path}: {status} {body}");
    }
    for path in ["/nowhere", "/%ff", "/dispatchers", "/tasks/v2/", "/webhooks", "/_local/nothing"] {
        let (status, _, body) = ask(&hookyard, Method::GET, path).await;
        assert!(status == 404 && is_error_of_ours(&body), "{path}: {status} {body}");
    }
    let (status, allow, body) = ask(&hookyard, Method::PUT, "/_local/aws-calls").await;
    assert!(status == 405 && allow.is_some() && is_error_of_ours(&body), "{status} {allow:?} {body}");
    for (name, value) in [("authorization", b"Bearer \xff".as_slice()), ("content-type", b"\xff"), ("host", b"a b")] {
        let value = reqwest::header::HeaderValue::from_bytes(value).unwrap();
        let request = hookyard.client.post(format!("{}/callbacks", hookyard.url)).header(name, value);
        let response = request.body("{}").send().await.unwrap();
        let (status, text) = (response.status().as_u16(), response.text().await.unwrap());
        let body: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{name}: {status} {text:?}"));
        assert!((400..500).contains(&status) && is_error_of_ours(&body), "{name}: {status} {body}");
    }
}

#[tokio::test]
async fn the_path_in_callback_urls_can_be_set() {
    for (prefix, expected) in [("/", ""), ("/hooks/", "/hooks"), ("answers", "/answers")] {
        let data = tempdir().unwrap();
        let arguments = ["--base-url", "https://public.example", "--callback-path-prefix", prefix];
        let hookyard = Hookyard::start_with(data.path(), &arguments).await;
        let created = hookyard.post("/callbacks", &json!({})).await;
        let (id, token) = (created["id"].as_str().unwrap(), created["token"].as_str().unwrap());
        assert_eq!(created["url"], format!("https://public.example{expected}/{id}?t={token}"));
        let path = format!("/unsecured/callback/{id}?t={token}");
        assert_eq!(ask(&hookyard, Method::POST, &path).await.0, 200, "the route stays where it is");
    }
}
