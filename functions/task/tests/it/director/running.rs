//! Tasks that run, now and at their times.

use super::*;

#[tokio::test]
async fn a_task_that_does_not_run_is_run_on_demand() {
    let world = World::new().await;
    let script =
        asset(&world, "a.js", "module.exports.main = async (config) => ({ date: config.at, error: null })").await;
    create(&world, task(&script, json!({"id": "t", "running": false, "config": {"at": "today"}}))).await;
    let path = format!("{TASKS}/t");
    for method in ["POST", "PUT"] {
        let token = world.token("default", &["*"]).await;
        let answer = world.send(method, &format!("{path}/run"), Value::Null, &token).await;
        assert_eq!((answer.status, &answer.body), (200, &json!({"date": "today", "error": null})));
        assert_eq!(answer.headers["content-type"], "application/json");
    }
    assert_eq!(world.get(&path).await.body["running"], false);
    let rows = world.get(&format!("{path}/history?sort(timestamp)")).await.body["data"].clone();
    let rows: Vec<(&Value, &Value)> =
        rows.as_array().unwrap().iter().map(|row| (&row["outcome"], &row["reason"])).collect();
    assert_eq!(rows, [(&json!("fired"), &json!("requested")); 2]);
    let last = world.get(&format!("{path}/status")).await.body["lastExecution"].clone();
    assert_eq!((&last["outcome"], &last["instant"]), (&json!("complete"), &json!("2026-01-02T03:04:05.678Z")));
    assert_eq!(world.get(&format!("/tasks/v1/{}", last["task"].as_str().unwrap())).await.status, 200);
    let tasks = world.get("/tasks/v1").await.body;
    let seen: Vec<(&Value, &Value)> =
        tasks["data"].as_array().unwrap().iter().map(|task| (&task["status"], &task["scheduleId"])).collect();
    assert_eq!(seen, [(&json!("complete"), &json!("t")); 2]);
}

#[tokio::test]
async fn a_string_is_answered_as_a_page_that_can_do_nothing() {
    let world = World::new().await;
    let script = asset(&world, "a.js", "module.exports.main = (config) => config.result").await;
    let run = async |result: Value| {
        world.put(&format!("{TASKS}/t"), task(&script, json!({"config": {"result": result}}))).await;
        world.post(&format!("{TASKS}/t/run"), Value::Null).await
    };
    create(&world, task(&script, json!({"id": "t"}))).await;
    let page = run(json!("<b>done</b><script>alert(1)</script>")).await;
    assert_eq!((page.status, &page.body), (200, &json!("<b>done</b><script>alert(1)</script>")));
    assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
    assert_eq!(page.headers["x-content-type-options"], "nosniff");
    assert_eq!(page.headers["content-security-policy"], "sandbox");
    for result in [json!([1, "a"]), json!(5), json!(null), json!(false)] {
        let answer = run(result.clone()).await;
        assert_eq!((answer.body, &answer.headers["content-type"]), (result, &json!("application/json")));
    }
}

#[tokio::test]
async fn a_failure_says_what_failed_and_is_seen_afterwards() {
    let world = World::new().await;
    let script = asset(&world, "a.js", "module.exports.main = (config) => config.a.b").await;
    create(&world, task(&script, json!({"id": "t"}))).await;
    let answer = world.post(&format!("{TASKS}/t/run"), Value::Null).await;
    world.idle().await;
    let task = world.get("/tasks/v1").await.body["data"][0]["id"].as_str().unwrap().to_owned();
    let message = "Error running script: TypeError: cannot read property 'b' of undefined";
    refused(&answer, 500, &format!("{message} (a.js:1:1, task {task})"));
    let fact = world.heard("task_failed");
    assert_eq!(fact[0]["error"]["name"], "TypeError");
    assert_eq!(world.get("/tasks/v1?eq(status,failed)").await.body["page"]["total"], 1);
    let last = world.get(&format!("{TASKS}/t/status")).await.body["lastExecution"].clone();
    assert_eq!((&last["outcome"], &last["error"]["name"]), (&json!("failed"), &json!("TypeError")));
}

#[tokio::test]
async fn the_members_of_a_config_keep_their_order_and_their_numbers() {
    let world = World::new().await;
    let script = asset(&world, "a.js", "module.exports.main = (config) => JSON.stringify(config)").await;
    let text = format!(
        r#"{{"id": "t", "script": "{script}", "interval": 60000, "config": {{"z": 1, "a": {{"y": [], "b": 1.50}}, "m": 1e3}}}}"#
    );
    let token = world.token("default", &["*"]).await;
    let request = Request::new("POST", TASKS).bearer(&token).header("content-type", "application/json").body(text);
    assert_eq!(harness::World::send(&world, request).await.status, 200);
    let ran = world.post(&format!("{TASKS}/t/run"), Value::Null).await;
    let kept: Value = ran.body;
    assert_eq!(kept, json!({"z": 1, "a": {"y": [], "b": 1.5}, "m": 1000}));
    let keys = "module.exports.main = (config) => Object.keys(config).concat(Object.keys(config.a)).join()";
    asset(&world, "a.js", keys).await;
    assert_eq!(world.post(&format!("{TASKS}/t/run"), Value::Null).await.body, "z,a,m,y,b");
}

#[tokio::test]
async fn the_task_runner_posts_a_text_and_prints_the_answer() {
    let world = World::new().await;
    let test = async |body: Value| world.post(&format!("{TASKS}/test"), body).await;
    let text = "const { createHash } = require('node:util'); module.exports.main = async (config) => config.n + 1";
    let text = text.replace("const { createHash } = require('node:util'); ", "");
    assert_eq!(test(json!({"scriptText": text, "scriptConfig": {"n": 41}, "code": 1})).await.body, 42);
    let page = test(json!({"scriptText": "module.exports.main = () => '<p>'"})).await;
    assert_eq!((page.body, &page.headers["content-security-policy"]), (json!("<p>"), &json!("sandbox")));
    let check = async |body: Value, status: u16, message: &str| {
        let answer = test(body).await;
        let said = answer.body["message"].as_str().unwrap_or_default().to_owned();
        assert!(answer.status == status && said.contains(message), "{}: {}", answer.status, answer.body);
        assert_eq!(answer.body["code"], status);
    };
    let failing = "module.exports.main = () => { throw new RangeError('too far') }";
    check(json!({"scriptText": failing}), 500, "Error running script: RangeError: too far (script.js:1:41)").await;
    let wrong = "module.exports.main = (config) => {\n  return 1 +\n}";
    check(
        json!({"scriptText": wrong}),
        500,
        "Error running script: SyntaxError: unexpected token in expression: '}' (script.js:3:1)",
    )
    .await;
    let awaiting = "module.exports.main = (config) => {\n  return await config.a\n}";
    check(json!({"scriptText": awaiting}), 500, "`await` is only allowed in async functions").await;
    check(json!({"scriptText": "module.exports.other = () => 1"}), 500, "EntryPointNotFound").await;
    check(json!({"scriptText": ""}), 400, "`scriptText`").await;
    check(json!({}), 400, "`scriptText`").await;
    check(json!({"scriptText": 5}), 400, "`scriptText`").await;
    check(json!({"scriptText": "x".repeat(300_000)}), 400, "`scriptText`").await;
    assert_eq!(world.get("/tasks/v1").await.body["page"]["total"], 0);
}

#[tokio::test]
async fn a_task_is_started_stopped_and_switched() {
    let world = World::new().await;
    let script = asset(&world, "a.js", "module.exports.main = () => 1").await;
    create(&world, task(&script, json!({"id": "t", "init": "2026-01-02T03:00:00Z"}))).await;
    let act = async |action: &str| world.post(&format!("{TASKS}/t/status/{action}"), Value::Null).await;
    let status = async || world.get(&format!("{TASKS}/t/status")).await.body;
    refused(&act("start").await, 400, "Task already running");
    let stopped = act("stop").await;
    assert_eq!((stopped.status, &stopped.body["running"], &stopped.body["id"]), (200, &json!(false), &json!("t")));
    refused(&act("stop").await, 400, "Task is not running");
    assert_eq!(status().await, json!({"id": "t", "running": false}));
    assert_eq!(act("switch").await.body["running"], true);
    assert_eq!(status().await["nextExecution"], "1767323100000", "the phase is that of the beginning");
    assert_eq!(act("switch").await.body["running"], false);
    assert_eq!(act("start").await.body["running"], true);
    refused(&act("explode").await, 400, "Action not permitted");
    assert_eq!(world.post(&format!("{TASKS}/other/status/start"), Value::Null).await.status, 404);
}

#[tokio::test]
async fn a_badge_says_whether_a_task_runs() {
    let world = World::new().await;
    let script = asset(&world, "a.js", "module.exports.main = () => 1").await;
    create(&world, task(&script, json!({"id": "<b>"}))).await;
    let badge = world.get(&format!("{TASKS}/%3Cb%3E/badge")).await;
    let svg = badge.body.as_str().unwrap();
    assert_eq!(badge.headers["content-type"], "image/svg+xml");
    assert!(svg.starts_with("<svg") && svg.contains("&lt;b&gt;: running") && !svg.contains("<b>"), "{svg}");
    world.post(&format!("{TASKS}/%3Cb%3E/status/stop"), Value::Null).await;
    assert!(world.get(&format!("{TASKS}/%3Cb%3E/badge")).await.body.as_str().unwrap().contains("stopped"));
    assert_eq!(world.get(&format!("{TASKS}/none/badge")).await.status, 404);
}

#[tokio::test]
async fn the_next_instants_are_previewed() {
    let world = World::new().await;
    let script = asset(&world, "a.js", "module.exports.main = () => 1").await;
    create(&world, task(&script, json!({"id": "t", "init": "2026-01-02T03:00:00Z", "end": "2026-01-02T03:07:00Z"})))
        .await;
    let expected = json!({"data": ["2026-01-02T03:05:00.000Z", "2026-01-02T03:06:00.000Z"]});
    assert_eq!(world.get(&format!("{TASKS}/t/next")).await.body, expected);
    let cron = json!({"id": "c", "interval": null, "cron": "30 9 * * *", "timezone": "Europe/Madrid"});
    create(&world, task(&script, cron)).await;
    let next = world.get(&format!("{TASKS}/c/next?count=1")).await.body;
    assert_eq!(next, json!({"data": ["2026-01-02T08:30:00.000Z"]}));
    for wrong in ["count=0", "count=101", "count=x", "cuont=1"] {
        assert_eq!(world.get(&format!("{TASKS}/t/next?{wrong}")).await.status, 400, "{wrong}");
    }
}

#[tokio::test]
async fn a_task_is_gone_when_its_end_has_passed() {
    let world = World::new().await;
    let script = asset(&world, "a.js", "module.exports.main = () => 1").await;
    let body = task(&script, json!({"id": "t", "end": "2026-01-02T03:05:00Z", "running": false}));
    create(&world, body).await;
    world.advance(60).await;
    assert_eq!(world.get(&format!("{TASKS}/t")).await.status, 404);
    assert_eq!(world.get(TASKS).await.body, json!([]));
    create(&world, task(&script, json!({"id": "t"}))).await;
}

#[tokio::test]
async fn a_running_task_runs_at_its_instants_with_the_script_as_it_is_then() {
    let world = World::new().await;
    let script = asset(&world, "a.js", "module.exports.main = (config) => [config.n, 1]").await;
    let times = json!({"id": "t", "init": "2026-01-02T03:05:00Z", "end": "2026-01-02T03:07:30Z", "config": {"n": 5}});
    create(&world, task(&script, times)).await;
    let status = async || world.get(&format!("{TASKS}/t/status")).await.body;
    assert_eq!(status().await, json!({"id": "t", "running": true, "nextExecution": "1767323100000"}));
    for (n, instant, next) in
        [(1, "2026-01-02T03:05:00.000Z", "1767323160000"), (2, "2026-01-02T03:06:00.000Z", "1767323220000")]
    {
        asset(&world, "a.js", &format!("module.exports.main = (config) => [config.n, {n}]")).await;
        world.advance(60).await;
        let status = status().await;
        let last = &status["lastExecution"];
        assert_eq!((&last["instant"], &last["outcome"]), (&json!(instant), &json!("complete")), "{status}");
        assert_eq!(status["nextExecution"], next);
        let record = world.record(last["task"].as_str().unwrap()).await;
        let answer: Value = serde_json::from_str(record["claim"]["answer"].as_str().unwrap()).unwrap();
        assert_eq!(answer["output"], json!([5, n]));
    }
    world.post(&format!("{TASKS}/t/status/stop"), Value::Null).await;
    world.advance(60).await;
    assert_eq!(world.get(&format!("{TASKS}/t/history")).await.body["page"]["total"], 2, "a stopped task does not run");
    world.advance(60).await;
    refused(&world.get(&format!("{TASKS}/t")).await, 404, "Not Found");
}

#[tokio::test]
async fn a_failing_run_changes_nothing_of_the_next_one() {
    let world = World::new().await;
    let script = asset(&world, "a.js", "module.exports.main = () => { throw new Error('once') }").await;
    create(&world, task(&script, json!({"id": "t", "init": "2026-01-02T03:05:00Z"}))).await;
    world.advance(60).await;
    asset(&world, "a.js", "module.exports.main = () => 1").await;
    world.advance(60).await;
    let tasks = world.get("/tasks/v1?sort(startTimestamp)").await.body["data"].clone();
    let seen: Vec<(&Value, &Value)> =
        tasks.as_array().unwrap().iter().map(|task| (&task["scheduledTimestamp"], &task["status"])).collect();
    let expected = [
        (&json!("2026-01-02T03:05:00.000Z"), &json!("failed")),
        (&json!("2026-01-02T03:06:00.000Z"), &json!("complete")),
    ];
    assert_eq!(seen, expected);
    assert_eq!(world.heard("task_failed")[0]["error"]["message"], "once");
}
