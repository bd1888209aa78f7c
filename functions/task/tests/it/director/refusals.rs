//! What is refused, in the one shape of Director's errors.

use super::*;

#[tokio::test]
async fn every_wrong_field_is_named() {
    let world = World::new().await;
    let script = asset(&world, "a.js", "module.exports.main = () => 1").await;
    create(&world, task(&script, json!({"id": "known"}))).await;
    let check = async |changes: Value, field: &str| {
        for (method, path) in [("POST", TASKS.to_owned()), ("PUT", format!("{TASKS}/known"))] {
            let token = world.token("default", &["*"]).await;
            let answer = world.send(method, &path, task(&script, changes.clone()), &token).await;
            let message = answer.body["message"].as_str().unwrap_or_default();
            assert_eq!((answer.status, &answer.body["code"]), (400, &json!(400)), "{changes} {}", answer.body);
            assert!(message.contains(&format!("`{field}`")), "{changes}: {message}");
            assert_eq!(answer.body.as_object().unwrap().len(), 2, "{}", answer.body);
        }
    };
    for id in [json!("a/b"), json!(""), json!("x".repeat(257)), json!(5), json!(".."), json!("a\u{1}")] {
        check(json!({"id": id}), "id").await;
    }
    for script in [json!(null), json!(""), json!(5), json!("a.js"), json!("ftp://a.test/a.js"), json!("/a.js")] {
        check(json!({"script": script}), "script").await;
    }
    for config in [json!(null), json!("text"), json!([1]), json!(5)] {
        check(json!({"config": config}), "config").await;
    }
    for interval in [json!(null), json!(0), json!(-5), json!("soon"), json!(1.5), json!(999), json!(1e30), json!(true)]
    {
        check(json!({"interval": interval}), "interval").await;
    }
    for date in [json!("24/06/2022"), json!("soon"), json!(true), json!({}), json!("")] {
        check(json!({"init": date}), "init").await;
        check(json!({"end": date}), "end").await;
    }
    check(json!({"init": "2026-02-02", "end": "2026-02-01"}), "end").await;
    check(json!({"init": "2026-02-02", "end": "2026-02-02"}), "end").await;
    check(json!({"end": "2026-01-01"}), "end").await;
    check(json!({"running": "perhaps"}), "running").await;
    check(json!({"overlap": "never"}), "overlap").await;
    check(json!({"misfire": 5}), "misfire").await;
    check(json!({"jitter": -1}), "jitter").await;
    check(json!({"cron": "0 * * * *"}), "cron").await;
    check(json!({"timezone": "UTC"}), "timezone").await;
    check(json!({"interval": null, "cron": "nonsense"}), "cron").await;
    check(json!({"interval": null, "cron": "0 * * * *", "timezone": "Europe/Atlantis"}), "timezone").await;
    assert_eq!(world.get(TASKS).await.body.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn every_error_has_the_http_status_as_its_code() {
    let world = World::new().await;
    let all = world.token("default", &["*"]).await;
    let check = async |request: Request, status: u16| {
        let answer = harness::World::send(&world, request).await;
        let is_plain =
            answer.body["message"].is_string() && answer.body.as_object().is_some_and(|body| body.len() == 2);
        assert!(is_plain, "{}", answer.body);
        assert_eq!((answer.status, &answer.body["code"]), (status, &json!(status)), "{}", answer.body);
    };
    check(Request::new("GET", TASKS), 401).await;
    check(Request::new("GET", TASKS).bearer("nonsense"), 401).await;
    check(Request::new("GET", "/api/v1/nothing").bearer(&all), 404).await;
    check(Request::new("GET", "/api"), 404).await;
    check(Request::new("DELETE", TASKS).bearer(&all), 405).await;
    check(Request::new("PUT", TASKS).bearer(&all).json(json!({})), 405).await;
    check(Request::new("POST", &format!("{TASKS}/other")).bearer(&all).json(json!({})), 405).await;
    let json =
        |text: &str| Request::new("POST", TASKS).bearer(&all).header("content-type", "application/json").body(text);
    check(json("{"), 400).await;
    check(json("[]"), 400).await;
    check(json("\"text\""), 400).await;
    check(json(""), 400).await;
    check(json(r#"{"id": "a", "id": "b"}"#), 400).await;
    check(json(&format!(r#"{{"config": {}{}}}"#, "[".repeat(80), "]".repeat(80))), 400).await;
    check(json(&format!(r#"{{"config": "{}"}}"#, "x".repeat(1_100_000))), 413).await;
    check(Request::new("POST", TASKS).bearer(&all).header("content-type", "text/plain").body("{}"), 415).await;
    check(Request::new("GET", &format!("{TASKS}/%ff")).bearer(&all), 400).await;
    check(Request::new("GET", &format!("{TASKS}/a%2Fb")).bearer(&all), 404).await;
    let other = harness::World::send(&world, Request::new("GET", "/tasks/v1")).await;
    assert_eq!(other.body["code"], 104, "the shape is Director's alone");
    let challenged = harness::World::send(&world, Request::new("GET", TASKS)).await;
    assert!(challenged.headers["www-authenticate"].as_str().unwrap().starts_with("Bearer"));
}

#[tokio::test]
async fn each_call_needs_its_permission() {
    let world = World::new().await;
    let script = asset(&world, "a.js", "module.exports.main = () => 1").await;
    create(&world, task(&script, json!({"id": "t"}))).await;
    let path = format!("{TASKS}/t");
    let test = json!({"scriptText": "module.exports.main = () => 1"});
    for (method, path, body, permission, status) in [
        ("GET", TASKS.to_owned(), Value::Null, "VIEW_TASK_SCHEDULES", 200),
        ("GET", path.clone(), Value::Null, "VIEW_TASK_SCHEDULES", 200),
        ("GET", format!("{path}/status"), Value::Null, "VIEW_TASK_SCHEDULES", 200),
        ("GET", format!("{path}/badge"), Value::Null, "VIEW_TASK_SCHEDULES", 200),
        ("GET", format!("{path}/next"), Value::Null, "VIEW_TASK_SCHEDULES", 200),
        ("POST", format!("{path}/status/switch"), Value::Null, "UPDATE_TASK_SCHEDULE", 200),
        ("PUT", path.clone(), task(&script, json!({})), "UPDATE_TASK_SCHEDULE", 200),
        ("POST", TASKS.to_owned(), task(&script, json!({"id": "u"})), "CREATE_TASK_SCHEDULE", 200),
        ("POST", format!("{path}/run"), Value::Null, "EXECUTE_TASK_FUNCTION", 200),
        ("PUT", format!("{path}/run"), Value::Null, "EXECUTE_TASK_FUNCTION", 200),
        ("POST", format!("{TASKS}/test"), test, "EXECUTE_TASK_FUNCTION", 200),
        ("DELETE", path.clone(), Value::Null, "DELETE_TASK_SCHEDULE", 202),
    ] {
        let others: Vec<&str> = [
            "VIEW_TASK_SCHEDULES",
            "UPDATE_TASK_SCHEDULE",
            "CREATE_TASK_SCHEDULE",
            "DELETE_TASK_SCHEDULE",
            "EXECUTE_TASK_FUNCTION",
        ]
        .into_iter()
        .filter(|held| *held != permission)
        .collect();
        let without = world.token("default", &others).await;
        let refused = world.send(method, &path, body.clone(), &without).await;
        assert_eq!((refused.status, &refused.body["code"]), (401, &json!(401)), "{method} {path}");
        let with = world.token("default", &[permission]).await;
        assert_eq!(world.send(method, &path, body, &with).await.status, status, "{method} {path}");
    }
    let info = harness::World::send(&world, Request::new("GET", "/api/v1/info")).await;
    assert_eq!((info.status, &info.body["name"]), (200, &json!("hookyard")));
}
