//! Two tenants: nothing of one is found by the other.

use harness::platform::whatsapp;
use harness::{Event, Request};
use serde_json::{Value, json};

use crate::chat::Chat;
use crate::setup::{FUNCTION, Setup, github};

const NOBODY: &str = "6f0a4b5e-2c1d-4f7a-9b3e-68f00a7c4d21";

#[tokio::test]
async fn a_channel_of_another_tenant_is_an_unknown_one() {
    let chat = Chat::new().await;
    let (setup, id) = (&chat.setup, &chat.id);
    chat.send("hello").await;
    let yours = setup.0.token("yours", &["*"]).await;
    let before = setup.records().await;
    let routes = [
        ("GET", "/channels/{}", Value::Null),
        ("PUT", "/channels/{}", json!({"name": "n"})),
        ("DELETE", "/channels/{}", Value::Null),
        ("GET", "/channels/{}/health", Value::Null),
        ("POST", "/channels/{}/validate", Value::Null),
        ("POST", "/channels/{}/send", json!({"to": whatsapp::USER, "content": "hello"})),
        ("GET", "/messages?channelId={}", Value::Null),
    ];
    for (method, path, body) in routes {
        let send = async |id: &str| setup.api_as(&yours, method, &path.replace("{}", id), body.clone()).await;
        let (theirs, nobodys) = (send(id).await, send(NOBODY).await);
        let expected = nobodys.body.to_string().replace(NOBODY, id);
        assert_eq!((theirs.status, theirs.body.to_string()), (nobodys.status, expected), "{method} {path}");
        let own = setup.api("GET", &format!("/channels/{id}"), Value::Null).await;
        assert_eq!(own.status, 200, "{method} {path}");
    }
    assert_eq!(setup.api_as(&yours, "GET", "/channels", Value::Null).await.body["page"]["total"], 0);
    assert_eq!(setup.records().await, before);
    assert_eq!((chat.platform.requests().len(), chat.log().await.len()), (1, 1));

    let action = json!({"channelId": id, "to": whatsapp::USER, "content": "hello"});
    setup.deliver(FUNCTION, &Event::command("message", "theirs", action).tenant("yours")).await.unwrap();
    assert_eq!(setup.answer("theirs").unwrap()["error"]["name"], "UnknownChannel");
    assert_eq!(chat.platform.requests().len(), 1);
}

#[tokio::test]
async fn only_the_administrator_creates_channels_elsewhere_and_their_webhooks_are_of_their_tenant() {
    let setup = Setup::new().await;
    let new = json!({"platform": "github", "credentials": {"secret": "s"}, "tenantId": "yours"});
    let refused = setup.api("POST", "/channels", new.clone()).await;
    assert_eq!((refused.status, &refused.body["code"]), (401, &json!(10)), "{}", refused.body);
    let administrator = setup.administrator().await;
    let created = setup.api_as(&administrator, "POST", "/channels", new).await;
    assert_eq!((created.status, &created.body["tenantId"]), (200, &json!("yours")), "{}", created.body);
    let id = created.body["channelId"].as_str().unwrap();
    assert_eq!(setup.send(github(id, "s", "{}")).await.status, 200);
    assert_eq!(setup.facts("webhook.received").await[0]["tenantId"], "yours");
    let path = format!("/channels/{id}");
    assert_eq!(setup.api_as(&administrator, "GET", &path, Value::Null).await.status, 404);
    let named = Request::new("GET", &path).bearer(&administrator).header("x-tenant-id", "yours");
    assert_eq!(setup.send(named).await.status, 200);
}
