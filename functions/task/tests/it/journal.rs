//! Journals of tasks, and what they are run again from.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::extract::State;
use axum::routing::any;
use harness::Request;
use serde_json::{Value, json};
use shared::table::Table;

use crate::support::{TASK, World, package, task_id};

const SECRET: &str = "a secret of the function";

/// A record of which nothing is opened.
#[derive(serde::Deserialize)]
struct AtRest {
    journal: Value,
    sealed: bytes::Bytes,
}

/// A server that counts and answers with its number and what was sent to it.
async fn server() -> (String, Arc<AtomicU64>) {
    let count = Arc::new(AtomicU64::new(0));
    let answer = async |State(count): State<Arc<AtomicU64>>, request: axum::extract::Request| {
        let number = count.fetch_add(1, Ordering::Relaxed);
        let key = request.headers().get("x-key").map(|key| key.to_str().unwrap().to_owned());
        ([("set-cookie", "session=1")], axum::Json(json!({"n": number, "key": key, "access_token": "t0ken"})))
    };
    let large = any(|| async { (0..9_000_u64).map(|n| (n * n * 2_654_435_761).to_string()).collect::<String>() });
    let router = Router::new().route("/large", large).fallback(any(answer)).with_state(count.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (address, count)
}

async fn function(world: &World, code: &str) {
    let variables = json!({"SECRET": {"value": SECRET}});
    let body = json!({"name": "f", "code": code, "environmentVariables": variables});
    let answer = world.post("/tasks/v1/functions/", body).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}

/// Runs a task and returns its path.
async fn run(world: &World) -> String {
    let created = world.post("/tasks/v1/", json!({"functionName": "f", "data": {"n": 1}, "tags": ["a"]})).await.body;
    world.idle().await;
    format!("/tasks/v1/{}", created["id"].as_str().unwrap())
}

/// Removes a version of the function, as many later ones do.
async fn remove_version(world: &World, number: u32) {
    let key = json!({"tenantId": "default", "entry": format!("f#{number:010}")});
    world.table("FUNCTION_VERSIONS_TABLE").delete::<Value>(&key, None).await.unwrap();
}

async fn replay(world: &World, path: &str) -> Value {
    let answer = world.post(&format!("{path}/replay"), json!({})).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body
}

const CODE: &str = "exports.main = async (task) => {
    const { n, key } = await (await fetch(BASE + '/a?token=abc', { headers: { 'x-key': process.env.SECRET } })).json();
    console.log(n, key, Math.random(), new Date().toISOString(), task.status, task.statusChangedTimestamp);
    await new Promise((done) => setTimeout(done, 2));
    console.log(performance.now());
    return { n, key, now: Date.now() };
}";

#[tokio::test]
async fn a_task_that_returned_nothing_runs_again_with_the_same_output() {
    for result in ["null", "undefined", "NaN"] {
        let world = World::new().await;
        function(&world, &format!("exports.main = () => {result}")).await;
        let path = run(&world).await;
        let again = replay(&world, &path).await;
        assert_eq!((&again["identical"], &again["differences"]), (&json!(true), &json!([])), "{result}: {again}");
        let changed = world.post(&format!("{path}/replay"), json!({"code": "exports.main = () => 1"})).await.body;
        assert_eq!(changed["differences"], json!(["the task returned null, and now returned 1"]), "{result}");
    }
}

#[tokio::test]
async fn a_task_runs_again_with_the_same_output_and_sends_nothing() {
    let (world, (base, count)) = (World::new().await, server().await);
    function(&world, &format!("const BASE = '{base}';\n{CODE}")).await;
    let path = run(&world).await;
    let logs = world.get(&format!("{path}/logs")).await.body;
    assert_eq!(logs["data"].as_array().unwrap().len(), 2, "{logs}");
    world.clock.advance(jiff::SignedDuration::from_secs(1_000));
    for _ in 0..10 {
        let again = replay(&world, &path).await;
        assert_eq!((&again["identical"], &again["differences"]), (&json!(true), &json!([])), "{again}");
        let unmasked = logs["data"].to_string();
        assert_eq!(again["logs"].to_string(), unmasked.replace(SECRET, "*****"));
        assert_eq!((&again["result"]["n"], &again["result"]["key"]), (&json!(0), &json!("*****")));
    }
    assert_eq!(count.load(Ordering::Relaxed), 1);
    assert_eq!(world.get(&path).await.body["status"], "complete");
}

#[tokio::test]
async fn a_journal_shows_what_was_read_without_its_secrets() {
    let (world, (base, _)) = (World::new().await, server().await);
    function(&world, &format!("const BASE = '{base}';\n{CODE}")).await;
    let path = run(&world).await;
    let journal = world.get(&format!("{path}/journal")).await.body;
    let request = &journal["requests"][0];
    assert_eq!(
        (&journal["state"], &journal["random"], &journal["timers"]),
        (&json!("recorded"), &json!(true), &json!(1))
    );
    assert_eq!(request["url"], format!("{base}/a?token=*****"));
    assert_eq!((&request["method"], &request["response"]["status"]), (&json!("GET"), &json!(200)));
    assert_eq!(request["response"]["body"], r#"{"access_token":"*****","key":"*****","n":0}"#);
    assert!(request["response"]["headers"].as_array().unwrap().contains(&json!(["set-cookie", "*****"])), "{journal}");
    for secret in [SECRET, "abc", "t0ken", "session=1"] {
        assert!(!journal.to_string().contains(secret), "{secret}: {journal}");
    }
    // What was secret then is known for as long as the version is.
    world.put("/tasks/v1/functions/f", json!({"environmentVariables": {}})).await;
    assert_eq!(world.get(&format!("{path}/journal")).await.body, journal);
    remove_version(&world, 1).await;
    let journal = world.get(&format!("{path}/journal")).await.body;
    assert_eq!(
        (&journal["requests"][0]["url"], &journal["requests"][0]["response"]["body"]),
        (&json!("*****"), &json!("*****"))
    );
    let at_rest = world.environment(TASK).table("TASKS_TABLE").unwrap();
    let id = path.rsplit('/').next().unwrap();
    let AtRest { journal, sealed } = at_rest.get(&json!({"taskId": id})).await.unwrap().unwrap();
    assert!(sealed.len() > 100 && journal.is_null(), "{journal}");
}

#[tokio::test]
async fn a_large_journal_has_a_record_of_its_own() {
    let (world, (base, _)) = (World::new().await, server().await);
    function(
        &world,
        &format!("exports.main = async () => (await (await fetch('{base}/large')).text()).length + Math.random()"),
    )
    .await;
    let path = run(&world).await;
    assert_eq!(world.items("JOURNALS_TABLE").await.len(), 1);
    assert_eq!(replay(&world, &path).await["identical"], true);
    assert_eq!(world.get(&format!("{path}/journal")).await.body["requests"][0]["response"]["status"], 200);
    // It is gone, or is not one.
    let table: Table = world.table("JOURNALS_TABLE");
    let id = path.rsplit('/').next().unwrap();
    for item in [json!({"taskId": id, "tenantId": "default", "journal": "AAAA", "expiresAt": 1}), json!({"taskId": id})]
    {
        table.put(&item).await.unwrap();
        for answer in
            [world.post(&format!("{path}/replay"), json!({})).await, world.get(&format!("{path}/journal")).await]
        {
            let message = "the journal of the task is gone or cannot be read";
            assert_eq!((answer.status, &answer.body["message"]), (400, &json!(message)));
        }
    }
}

#[tokio::test]
async fn a_task_is_run_again_with_the_version_that_ran_or_with_other_code() {
    let (world, (base, count)) = (World::new().await, server().await);
    let code = format!("const BASE = '{base}';\n{CODE}");
    function(&world, &code).await;
    let path = run(&world).await;
    let refused = async |message: &str| {
        let answer = world.post(&format!("{path}/replay"), json!({})).await;
        assert_eq!((answer.status, &answer.body["code"]), (400, &json!(27)), "{}", answer.body);
        assert!(answer.body["message"].as_str().unwrap().contains(message), "{}", answer.body);
    };
    world.put("/tasks/v1/functions/f", json!({"code": "exports.main = () => 1", "environmentVariables": {}})).await;
    assert_eq!(replay(&world, &path).await["identical"], true);
    let with = async |code: &str| world.post(&format!("{path}/replay"), json!({"code": code})).await.body;
    assert_eq!(with(&code).await["identical"], true);
    let other = with(&code.replace("/a?", "/b?")).await;
    assert_eq!(other["error"]["name"], "JournalMismatch");
    let message = format!("the script asked for GET {base}/b?token=abc, the journal has GET {base}/a?token=abc");
    assert_eq!((&other["identical"], &other["error"]["message"]), (&json!(false), &json!(message)));
    let quiet = with("exports.main = () => 1").await;
    assert_eq!((&quiet["identical"], &quiet["result"]), (&json!(false), &json!(1)));
    let differences = quiet["differences"].to_string();
    for part in ["and now returned 1", "line 2 was", "and is missing", "did not ask for GET"] {
        assert!(differences.contains(part), "{part}: {differences}");
    }
    assert!(!differences.contains(SECRET), "{differences}");
    let broken = world.post(&format!("{path}/replay"), json!({"code": "UEsDBBQAAAAIAAAAIQAAAAAAAAAAAAAAAAA"})).await;
    assert_eq!((broken.status, &broken.body["code"]), (400, &json!(1401)), "{}", broken.body);
    remove_version(&world, 1).await;
    refused("the code that ran is not there any more").await;
    world.put("/tasks/v1/functions/f", json!({"code": code})).await;
    refused("the environment variables of the function have changed").await;
    world.send("DELETE", "/tasks/v1/functions/f", Value::Null, &world.token("default", &["*"]).await).await;
    assert_eq!(world.post(&format!("{path}/replay"), json!({})).await.status, 404);
    assert_eq!(count.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn without_a_journal_a_task_says_why() {
    let (world, (base, _)) = (World::new().await, server().await);
    function(&world, "exports.main = () => Date.now()").await;
    let check = async |path: &str, state: Value, message: &str| {
        assert_eq!(world.get(&format!("{path}/journal")).await.body["state"], state);
        let answer = world.post(&format!("{path}/replay"), json!({})).await;
        assert_eq!(answer.status, 400);
        assert!(answer.body["message"].as_str().unwrap().contains(message), "{}", answer.body);
    };
    world.put("/tasks/v1/functions/f", json!({"journal": false})).await;
    assert_eq!(world.get("/tasks/v1/functions/f").await.body["journal"], false);
    check(&run(&world).await, json!("off"), "its function keeps none").await;
    let noise = format!(
        "exports.main = async () => {{ for (let n = 0; n < 40; n++) await (await fetch('{base}/large')).text() }}"
    );
    world.put("/tasks/v1/functions/f", json!({"journal": true, "code": noise})).await;
    let path = run(&world).await;
    assert_eq!(world.get(&path).await.body["status"], "complete");
    check(&path, json!("tooLarge"), "it read more than one holds").await;
    world.put("/tasks/v1/functions/f", json!({"code": "exports.main = () => Date.now()"})).await;
    world.post("/tasks/v1/functions/f/disable", json!({})).await;
    world.request("s", json!({"functionName": "f"})).await;
    check(&format!("/tasks/v1/{}", task_id("s")), json!("off"), "did not end by itself").await;
    world.post("/tasks/v1/functions/f/enable", json!({})).await;
    let later =
        world.post("/tasks/v1/", json!({"functionName": "f", "startTimestamp": "2026-02-02T03:05:00Z"})).await.body;
    let path = format!("/tasks/v1/{}", later["id"].as_str().unwrap());
    for answer in [world.get(&format!("{path}/journal")).await, world.post(&format!("{path}/replay"), json!({})).await]
    {
        assert_eq!((answer.status, &answer.body["message"]), (400, &json!("the task has not run")));
    }
}

#[tokio::test]
async fn a_journal_that_cannot_be_written_harms_no_task() {
    let (world, (base, _)) = (World::new().await, server().await);
    function(&world, &format!("exports.main = async () => (await (await fetch('{base}/large')).text()).length")).await;
    world.emulator.pass("dynamodb.PutItem", 1);
    world.emulator.throttle("dynamodb.PutItem", 3);
    let path = run(&world).await;
    assert_eq!(world.get(&path).await.body["status"], "complete");
    assert_eq!(world.get(&format!("{path}/journal")).await.body["state"], "lost");
}

#[tokio::test]
async fn journals_need_permissions_and_stay_within_their_tenant() {
    let world = World::new().await;
    function(&world, "exports.main = () => Date.now()").await;
    let path = run(&world).await;
    let check = async |tenant: &str, permissions: &[&str], body: Value, status: u16| {
        let token = world.token(tenant, permissions).await;
        let answer = world.send("POST", &format!("{path}/replay"), body, &token).await;
        assert_eq!(answer.status, status, "{permissions:?}: {}", answer.body);
        answer.body
    };
    const VIEW: [&str; 2] = ["VIEW_TASK_LOGS", "VIEW_TASK_FUNCTION_DETAILS"];
    check("default", &VIEW, Value::Null, 200).await;
    check("default", &VIEW[..1], Value::Null, 401).await;
    check("default", &VIEW[1..], Value::Null, 401).await;
    check("default", &VIEW, json!({"code": "exports.main = () => process.env"}), 401).await;
    let body = check("default", &["*"], json!({"code": "exports.main = () => process.env"}), 200).await;
    assert_eq!(body["result"], json!({"SECRET": "*****"}));
    check("other", &["*"], Value::Null, 404).await;
    assert_eq!(
        check("default", &VIEW, json!({"cod": ""}), 400).await["message"],
        "unknown field `cod`: did you mean `code`?"
    );
    let token = world.token("default", &VIEW[..1]).await;
    assert_eq!(world.send("GET", &format!("{path}/journal"), Value::Null, &token).await.status, 401);
    let token = world.token("other", &["*"]).await;
    assert_eq!(world.send("GET", &format!("{path}/journal"), Value::Null, &token).await.status, 404);
}

#[tokio::test]
async fn a_retried_task_and_its_successor_have_journals_of_their_own() {
    let world = World::new().await;
    function(&world, "exports.main = () => { throw new Error(`${Math.random()}`) }").await;
    world.put("/tasks/v1/functions/f", json!({"retryPolicy": {"enabled": true, "errorsToRetry": []}})).await;
    let path = run(&world).await;
    let first = world.get(&path).await.body;
    assert_eq!(first["status"], "retried");
    world.clock.advance(jiff::SignedDuration::from_secs(3));
    world.idle().await;
    let second = format!("/tasks/v1/{}", first["retriedByTaskId"].as_str().unwrap());
    let (one, two) = (replay(&world, &path).await, replay(&world, &second).await);
    assert_eq!((&one["identical"], &two["identical"]), (&json!(true), &json!(true)), "{one} {two}");
    assert_ne!(one["error"], two["error"]);
}

#[tokio::test]
async fn a_script_that_publishes_and_starts_tasks_does_neither_again() {
    let world = World::new().await;
    let code = "const { publish, startTask } = require('hookyard'); exports.main = async () => {
        const event = await publish('order.paid', { token: 's3cret' });
        const refused = await startTask({ functionName: 'missing', data: {} }).catch((error) => error.name);
        return [event.id, refused];
    }";
    world.script("f", code).await;
    let path = run(&world).await;
    let published = world.published("order.paid");
    let again = replay(&world, &path).await;
    assert_eq!((&again["identical"], &again["result"][0]), (&json!(true), &published[0]["id"]), "{again}");
    world.idle().await;
    assert_eq!(world.published("order.paid").len(), 1);
    let calls = world.get(&format!("{path}/journal")).await.body["calls"].clone();
    assert_eq!((&calls[0]["kind"], &calls[0]["answer"]), (&json!("publish"), &json!({"id": published[0]["id"]})));
    assert_eq!((&calls[1]["kind"], &calls[1]["error"]["name"]), (&json!("startTask"), &again["result"][1]));
}

#[tokio::test]
async fn a_script_with_a_token_runs_again_without_one() {
    let (world, (base, count)) = (World::new().await, server().await);
    let code = format!(
        "exports.main = async () => {{
            const token = process.env.HOOKYARD_TOKEN;
            console.log('with', token);
            return (await (await fetch('{base}/a', {{ headers: {{ 'x-key': token }} }})).json()).key.length > 100;
        }}"
    );
    let body = json!({"name": "f", "code": code, "executionCredentials": {"permissions": ["VIEW_TASKS"]}});
    assert_eq!(world.post("/tasks/v1/functions/", body).await.status, 200);
    let path = run(&world).await;
    // Which permissions it has is no matter of the version.
    world.put("/tasks/v1/functions/f", json!({"executionCredentials": {"permissions": []}})).await;
    let again = replay(&world, &path).await;
    assert_eq!((&again["identical"], &again["result"]), (&json!(true), &json!(true)), "{again}");
    assert_eq!(again["logs"][0]["message"], "with *****");
    let journal = world.get(&format!("{path}/journal")).await.body.to_string();
    assert!(journal.contains("*****") && !journal.contains("eyJ"), "{journal}");
    assert_eq!(count.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_script_by_its_url_is_run_again_while_it_is_the_same() {
    let world = World::new().await;
    let asset = async |content: &str| {
        let token = world.token("default", &["*"]).await;
        let request = Request::new("PUT", "/assets/public/director/a.js").bearer(&token);
        let request = request.header("content-type", "text/javascript").body(content);
        assert_eq!(harness::World::send(&world, request).await.status, 200);
    };
    let code = "module.exports.main = (config) => { console.log(config.n); return Math.random() }";
    asset(code).await;
    let script = "/assets/public/director/a.js";
    let schedule = json!({"id": "t", "script": script, "running": false, "config": {"n": 7}, "interval": 60_000});
    assert_eq!(world.post("/api/v1/tasks", schedule).await.status, 200);
    assert_eq!(world.post("/api/v1/tasks/t/run", json!({})).await.status, 200);
    let task = world.get("/tasks/v1/").await.body["data"][0].clone();
    let path = format!("/tasks/v1/{}", task["id"].as_str().unwrap());
    let again = replay(&world, &path).await;
    assert_eq!((&again["identical"], &again["logs"][0]["message"]), (&json!(true), &json!("7")), "{again}");
    asset("module.exports.main = () => 1").await;
    let changed = world.post(&format!("{path}/replay"), json!({})).await;
    assert_eq!((changed.status, &changed.body["code"]), (400, &json!(27)), "{}", changed.body);
    assert!(changed.body["message"].as_str().unwrap().contains("the code that ran is not there any more"));
    let answer = world.post(&format!("{path}/replay"), json!({"code": code})).await;
    assert_eq!(answer.body["identical"], true, "{}", answer.body);
}

#[tokio::test]
async fn a_package_and_a_direct_execution_are_run_again() {
    let world = World::new().await;
    let files: [(&str, &[u8]); 2] = [
        ("index.js", b"const { draw } = require('./lib'); exports.main = (task) => [draw(), task.data.n, task.status]"),
        ("lib.js", b"exports.draw = () => require('crypto').randomUUID()"),
    ];
    world.script("f", &package(&files)).await;
    let direct = world.post("/tasks/v1/functions/f/execute", json!({"data": {"n": 2}})).await.body;
    let direct = format!("/tasks/v1/{}", direct["id"].as_str().unwrap());
    for path in [run(&world).await, direct] {
        let (again, task) = (replay(&world, &path).await, world.get(&path).await.body);
        assert_eq!((&again["identical"], &again["result"]), (&json!(true), &task["result"]), "{again}");
    }
}

#[tokio::test]
async fn a_task_in_a_realm_that_others_have_used_says_why_it_has_no_journal() {
    let world = World::new().await;
    let code = "let runs = 0; exports.main = () => ++runs";
    world.post("/tasks/v1/functions/", json!({"name": "f", "code": code, "isolation": "warm"})).await;
    let (first, second) = (run(&world).await, run(&world).await);
    assert_eq!(replay(&world, &first).await["identical"], true);
    assert_eq!(world.get(&second).await.body["result"], 2);
    assert_eq!(world.get(&format!("{second}/journal")).await.body["state"], "warm");
    let refused = world.post(&format!("{second}/replay"), json!({})).await;
    assert_eq!(refused.status, 400, "{}", refused.body);
    assert!(refused.body["message"].as_str().unwrap().contains("earlier tasks"), "{}", refused.body);
}
