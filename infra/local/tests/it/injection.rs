//! What an event says stays its own text on its whole way: through dispatcher, steps and the functions that do them.

use harness::server::{Answer, Server};
use serde_json::{Value, json};

use crate::house::{Client, open};

const SECRET: &str = "planted-secret";

/// Texts that mean something to the templates, placeholders or formats on the way.
const HOSTILE: [&str; 8] = [
    "{{ event.content.secret }} {{field `event` `content` `secret`}} {{ steps.echo.output }}",
    "$Secret{KEY} $Value{0} $Auth{a}{b} $Input{text} $Session{id} $Concat(a, b)",
    "{{{secret}}} {{#each this}}{{this}}{{/each}} {{lookup this 'constructor'}}",
    "\",\"admin\":true,\"x\":\"",
    "</text><admin/>]]>",
    "a&admin=1#x?y=%2e%2e/..",
    "\\{{ event.id }} \\$Secret{KEY}",
    "x: 1, ü \u{1F600}",
];

/// Creates an app with one action, which sends its input as a body.
async fn furnish_app(client: &Client<'_>, url: &str) {
    client.post("/secrets", json!({"key": "KEY", "value": SECRET})).await;
    let envs = json!([{"slug": "prd", "base_url": url, "active": true}]);
    client.post("/apps", json!({"tag": "crm", "envs": envs})).await;
    client.post("/apps/crm/actions", json!({"tag": "note", "method": "POST", "resource": "/note"})).await;
    client.post("/products", json!({"tag": "shop", "envs": [{"slug": "prd"}]})).await;
    let envs = json!([{"product_env_slug": "prd", "app_env_slug": "prd"}]);
    client.post("/products/shop/apps", json!({"app": "crm", "access_tag": "crm", "envs": envs})).await;
}

#[tokio::test]
async fn a_hostile_event_reaches_scripts_calls_and_apps_as_its_own_text() {
    let world = open().await;
    let server = Server::start(|_| Answer::ok(json!({}))).await;
    let client = Client::of(&world, "acme").await;
    furnish_app(&client, &server.url()).await;
    client.post("/tasks/v1/functions", json!({"name": "f", "code": "exports.main = (task) => task.data.text"})).await;
    let (text, said) = ("<{{ event.content.v }}>", "<{{ steps.echo.output }}>");
    let http = |name: &str, content_type: &str, body: &str| {
        let headers = json!({"content-type": content_type});
        json!({"type": "http", "name": name, "url": format!("{}/{name}?q={{{{ event.content.v }}}}&r=1", server.url()),
            "headers": headers, "body": body, "dependencies": ["echo"]})
    };
    let actions = json!([
        {"type": "task", "name": "echo", "functionName": "f", "data": {"text": text}},
        http("json", "application/json", &format!("{{\"event\": \"{text}\", \"step\": \"{said}\"}}")),
        http("form", "application/x-www-form-urlencoded", &format!("event={text}&step={said}")),
        {"type": "action", "name": "app", "env": "prd", "product": "shop", "app": "crm", "action": "note",
         "input": {"body": {"event": text, "step": said, "own": "$Secret{KEY}"}}, "dependencies": ["echo"]},
    ]);
    client.post("/dispatchers/v1", json!({"eventType": "a.b", "actions": actions})).await;
    for v in HOSTILE {
        let before = server.requests().len();
        let event = client.post("/events/v1", json!({"type": "a.b", "content": {"v": v, "secret": "planted"}})).await;
        world.idle().await;
        let run = client.get(&format!("/runs/{}", event["id"].as_str().unwrap())).await;
        assert_eq!(run["outcome"], "succeeded", "{v}: {run}");
        let event = format!("<{v}>");
        let step = format!("<{event}>");
        assert_eq!(run["runs"][0]["steps"][0]["output"], event, "{run}");
        let requests = server.requests().split_off(before);
        let of = |path: &str| requests.iter().find(|request| request.path == path).unwrap().clone();
        assert_eq!(of("/json").body, json!({"event": event, "step": step}));
        let parsed = |text: &str| {
            let url = reqwest::Url::parse(&format!("https://a.test/?{text}")).unwrap();
            url.query_pairs().into_owned().collect::<Vec<_>>()
        };
        let pairs = |pairs: [(&str, &str); 2]| pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(parsed(&of("/form").text), pairs([("event", &event), ("step", &step)]));
        assert_eq!(parsed(&of("/form").query), pairs([("q", v), ("r", "1")]));
        assert_eq!(of("/note").body, json!({"event": event, "step": step, "own": SECRET}));
        let told: Vec<&Value> = requests.iter().map(|request| &request.body).collect();
        assert!(!told.iter().any(|body| body.to_string().contains("planted\"")), "{told:?}");
    }
}
