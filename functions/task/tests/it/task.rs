//! Tasks over HTTP.

use harness::Request;
use serde_json::{Value, json};

use crate::support::{World, task_id};

#[tokio::test]
async fn a_created_task_runs_at_once() {
    let world = World::new().await;
    world.script("f", "exports.main = (task) => { console.log('n is', task.data.n) }").await;
    let created = world.post("/tasks/v1/", json!({"functionName": "f", "data": {"n": 5}, "tags": ["x"]})).await;
    assert_eq!(created.status, 200);
    assert_eq!((&created.body["status"], &created.body["createdByApplicationId"]), (&json!("new"), &json!("client")));
    world.idle().await;
    let path = format!("/tasks/v1/{}", created.body["id"].as_str().unwrap());
    assert_eq!(world.get(&path).await.body["status"], "complete");
    let logs = world.get(&format!("{path}/logs")).await.body;
    let line = json!({"message": "n is 5", "timestamp": "2026-01-02T03:04:05.678Z"});
    assert_eq!(logs, json!({"page": {"offset": 0, "limit": 100}, "data": [line]}));
    assert_eq!(world.get(&format!("{path}/logs?ge(timestamp,2026-01-03T00:00:00Z)")).await.body["data"], json!([]));
    assert_eq!(world.heard("step.finished"), Vec::<Value>::new());
}

#[tokio::test]
async fn a_task_of_the_future_starts_at_its_time() {
    let world = World::new().await;
    world.script("f", "exports.main = () => 1").await;
    let start = "2026-01-02T03:05:00Z";
    let created = world.post("/tasks/v1/", json!({"functionName": "f", "startTimestamp": start})).await.body;
    let path = format!("/tasks/v1/{}", created["id"].as_str().unwrap());
    world.idle().await;
    assert_eq!(world.get(&path).await.body["status"], "new");
    world.clock.set(start.parse().unwrap());
    world.idle().await;
    assert_eq!(world.get(&path).await.body["status"], "complete");
}

#[tokio::test]
async fn what_a_function_returned_is_in_its_task() {
    let world = World::new().await;
    world.script("f", "exports.main = (task) => ({ got: task.data.n, had: 'result' in task })").await;
    world.script("nothing", "exports.main = () => {}").await;
    let created = world.post("/tasks/v1/", json!({"functionName": "f", "data": {"n": 5}})).await.body;
    world.post("/tasks/v1/", json!({"functionName": "nothing"})).await;
    assert_eq!(created.get("result"), None);
    world.idle().await;
    let expected = json!({"got": 5, "had": false});
    let id = created["id"].as_str().unwrap();
    assert_eq!(world.get(&format!("/tasks/v1/{id}")).await.body["result"], expected);
    let found = world.get("/tasks/v1/?eq(result.got,5)").await.body;
    assert_eq!((&found["page"]["total"], &found["data"][0]["result"]), (&json!(1), &expected));
    assert_eq!(world.get("/tasks/v1/?eq(result.got,6)").await.body["page"]["total"], 0);
    world.request("s", json!({"functionName": "f", "data": {"n": 6}})).await;
    assert_eq!(world.get(&format!("/tasks/v1/{}", task_id("s"))).await.body["result"]["got"], 6);
    let nothing = world.get("/tasks/v1/?eq(functionName,nothing)").await.body;
    assert_eq!(nothing["data"][0].get("result"), Some(&Value::Null));
}

#[tokio::test]
async fn the_record_of_a_delayed_task_outlives_its_start() {
    let world = World::new().await;
    world.script("f", "exports.main = () => 1").await;
    let start = "2030-01-02T03:05:00Z";
    let created = world.post("/tasks/v1/", json!({"functionName": "f", "startTimestamp": start})).await.body;
    let record = world.record(created["id"].as_str().unwrap()).await;
    let month_s = 30 * 24 * 60 * 60;
    assert_eq!(record["expiresAt"], start.parse::<jiff::Timestamp>().unwrap().as_second() + month_s);
}

#[tokio::test]
async fn a_failed_task_leaves_a_fact() {
    let world = World::new().await;
    world.script("boom", "exports.main = () => Promise.reject('no')").await;
    let created = world.post("/tasks/v1/", json!({"functionName": "boom"})).await.body;
    world.idle().await;
    let error = json!({"type": "runtime", "name": "Error", "message": "no"});
    assert_eq!(world.heard("task_failed"), [json!({"id": created["id"], "functionName": "boom", "error": error})]);
}

#[tokio::test]
async fn only_a_new_task_can_be_canceled() {
    let world = World::new().await;
    world.script("f", "exports.main = () => 1").await;
    let start = "2026-01-02T03:05:00Z";
    let created = world.post("/tasks/v1/", json!({"functionName": "f", "startTimestamp": start})).await.body;
    let path = format!("/tasks/v1/{}", created["id"].as_str().unwrap());
    let canceled = world.post(&format!("{path}/cancel"), json!({})).await;
    assert_eq!((canceled.status, canceled.body), (200, json!({"affectedRecords": 1})));
    let again = world.post(&format!("{path}/cancel"), json!({})).await;
    assert_eq!((again.status, &again.body["code"]), (400, &json!(27)));
    world.clock.set(start.parse().unwrap());
    world.idle().await;
    assert_eq!(world.get(&path).await.body["status"], "canceled");
    let logs = world.get(&format!("{path}/logs")).await;
    assert_eq!((logs.status, &logs.body["code"]), (400, &json!(27)));
}

#[tokio::test]
async fn a_canceled_step_is_answered_as_failed() {
    let world = World::new().await;
    world.script("f", "exports.main = () => 1").await;
    world.request("s", json!({"functionName": "f", "startTimestamp": "2026-01-02T03:05:00Z"})).await;
    assert_eq!(world.post(&format!("/tasks/v1/{}/cancel", task_id("s")), json!({})).await.status, 200);
    let answer = world.answer("s").await;
    assert_eq!((&answer["status"], &answer["error"]["name"]), (&json!("failed"), &json!("TaskCanceled")));
}

#[tokio::test]
async fn a_task_is_canceled_over_the_bus_unless_it_has_started_or_belongs_to_another_tenant() {
    let world = World::new().await;
    world.script("f", "exports.main = () => 1").await;
    let cancel = |step: &str| {
        let mut command = harness::Event::command("task.cancel", step, json!({}));
        command.detail["content"] = json!({"taskId": task_id(step)});
        command
    };
    world.request("later", json!({"functionName": "f", "startTimestamp": "2026-01-02T03:05:00Z"})).await;
    world.publish(&cancel("later").tenant("other")).await;
    assert_eq!(world.record(&task_id("later")).await["status"], "new");
    for _ in 0..2 {
        world.publish(&cancel("later")).await;
        assert_eq!(world.record(&task_id("later")).await["status"], "canceled");
    }
    assert_eq!(world.answer("later").await["error"]["name"], "TaskCanceled");
    world.request("now", json!({"functionName": "f"})).await;
    world.publish(&cancel("now")).await;
    world.publish(&cancel("unknown")).await;
    assert_eq!(world.answer("now").await["status"], "succeeded");
}

#[tokio::test]
async fn tasks_are_listed_from_the_newest_and_filtered_by_rql() {
    let world = World::new().await;
    world.script("even", "exports.main = () => 1").await;
    world.script("odd", "exports.main = () => { throw new Error('odd') }").await;
    let mut ids = Vec::new();
    for (index, name) in ["even", "odd", "even"].into_iter().enumerate() {
        let body = json!({"functionName": name, "tags": [format!("t{index}")]});
        ids.push(world.post("/tasks/v1/", body).await.body["id"].clone());
        world.idle().await;
        world.clock.advance(jiff::SignedDuration::from_millis(322));
    }
    let listed = async |query: &str| -> (Value, Vec<Value>) {
        let list = world.get(&format!("/tasks/v1/{query}")).await.body;
        (list["page"].clone(), list["data"].as_array().unwrap().iter().map(|task| task["id"].clone()).collect())
    };
    let page = |total: u64, limit: u64| json!({"total": total, "offset": 0, "limit": limit});
    assert_eq!(listed("").await, (page(3, 20), vec![ids[2].clone(), ids[1].clone(), ids[0].clone()]));
    assert_eq!(listed("?eq(status,failed)").await, (page(1, 20), vec![ids[1].clone()]));
    assert_eq!(listed("?eq(functionName,even)&limit(1)").await, (page(2, 1), vec![ids[2].clone()]));
    assert_eq!(listed("?eq(tags,t0)").await, (page(1, 20), vec![ids[0].clone()]));
    let id = ids[1].as_str().unwrap();
    assert_eq!(listed(&format!("?eq(id,{id})")).await, (page(1, 20), vec![ids[1].clone()]));
    assert_eq!(world.get("/tasks/v1/?eq(status").await.body["code"], 19);
    assert_eq!(listed("?eq(error.name,Error)").await, (page(1, 20), vec![ids[1].clone()]));
    assert_eq!(listed("?sort(creationTimestamp)&limit(1)").await, (page(3, 1), vec![ids[0].clone()]));
    let second = world.get(&format!("/tasks/v1/{id}")).await.body;
    assert_eq!(second["creationTimestamp"], "2026-01-02T03:04:06.000Z");
    assert_eq!(
        (&second["startTimestamp"], &second["createdByUserId"]),
        (&second["creationTimestamp"], &json!("client"))
    );
    let milliseconds = 1_767_323_046_000_i64;
    assert_eq!(listed(&format!("?gt(creationTimestamp,{milliseconds})")).await, (page(1, 20), vec![ids[2].clone()]));
    assert_eq!(listed(&format!("?le(creationTimestamp,{milliseconds})")).await.0, page(2, 20));
    let unknown = world.get("/tasks/v1/?eq(error.nam,Error)").await.body;
    assert!(unknown["message"].as_str().unwrap().contains("did you mean `error.name`?"), "{unknown}");
}

#[tokio::test]
async fn lists_of_tasks_see_all_of_them_with_true_totals() {
    let world = World::new().await;
    world.script("f", "exports.main = () => 1").await;
    let later = json!({"functionName": "f", "startTimestamp": "2026-02-02T03:05:00Z", "data": {"n": 5}});
    let first = world.post("/tasks/v1/", later.clone()).await.body;
    world.clock.advance(jiff::SignedDuration::from_millis(1));
    for _ in 0..1_004 {
        world.post("/tasks/v1/", later.clone()).await;
    }
    let last = world.get("/tasks/v1/?limit(50,1004)").await.body;
    assert_eq!((&last["page"]["total"], &last["data"]), (&json!(1_005), &json!([first])));
    assert_eq!(world.get("/tasks/v1/?eq(data.n,5)&limit(1)").await.body["page"]["total"], 1_005);
    assert_eq!(world.get("/tasks/v1/?eq(status,new)&sort(creationTimestamp)").await.body["data"][0], first);
}

#[tokio::test]
async fn wrong_requests_are_refused_with_their_codes() {
    let world = World::new().await;
    world.script("f", "exports.main = () => 1").await;
    world.script("off", "exports.main = () => 1").await;
    world.post("/tasks/v1/functions/off/disable", json!({})).await;
    let unknown = "0123456789abcdef01234567";
    let check = async |method: &str, path: &str, body: Value, status: u16, code: u64| {
        let token = world.token("default", &["*"]).await;
        let answer = world.send(method, path, body, &token).await;
        assert_eq!((answer.status, &answer.body["code"]), (status, &json!(code)), "{method} {path}: {}", answer.body);
    };
    check("GET", &format!("/tasks/v1/{unknown}"), Value::Null, 404, 16).await;
    check("GET", "/tasks/v1/nonsense", Value::Null, 400, 12).await;
    check("POST", &format!("/tasks/v1/{unknown}/cancel"), json!({}), 404, 16).await;
    check("GET", &format!("/tasks/v1/{unknown}/logs"), Value::Null, 404, 16).await;
    check("POST", "/tasks/v1/", json!({}), 400, 14).await;
    check("POST", "/tasks/v1/", json!({"functionName": "nowhere"}), 404, 16).await;
    check("POST", "/tasks/v1/", json!({"functionName": "off"}), 400, 27).await;
    check("POST", "/tasks/v1/", json!({"functionName": "f", "data": 5}), 400, 15).await;
    check("POST", "/tasks/v1/", json!({"functionName": "f", "data": {"x": "y".repeat(256_000)}}), 400, 15).await;
    check("POST", "/tasks/v1/", json!({"functionName": "f", "startTimestamp": "soon"}), 400, 15).await;
    check("POST", "/tasks/v1/", json!({"functionName": "f", "priority": 9_007_199_254_740_992_u64}), 400, 15).await;
    check("POST", "/tasks/v1/", json!({"functionName": "f", "tags": vec!["x"; 51]}), 400, 15).await;
    check("POST", "/tasks/v1/", Value::Null, 400, 13).await;
}

#[tokio::test]
async fn what_is_wrong_with_a_body_is_said_in_plain_words() {
    let world = World::new().await;
    world.script("f", "exports.main = () => 1").await;
    let check = async |path: &str, body: Value, message: &str| {
        let answer = world.post(path, body.clone()).await;
        assert_eq!((answer.status, answer.body["message"].as_str()), (400, Some(message)), "{body}");
    };
    let time = "must be a time such as 2026-01-02T03:04:05Z, or milliseconds since 1970";
    let priority = "`priority` must be a whole number from -9007199254740991 to 9007199254740991";
    let task = "/tasks/v1/";
    let unknown = "unknown field `starttimestamp`: did you mean `startTimestamp`?";
    check(task, json!({"functionName": "f", "starttimestamp": 0}), unknown).await;
    check(task, json!({"functionName": "f", "data": [1]}), "`data` must be an object").await;
    check(task, json!({"functionName": "f", "tags": "x"}), "`tags` must be an array").await;
    check(task, json!({"functionName": "f", "tags": [5]}), "`tags[0]` must be a string").await;
    check(task, json!({"functionName": "f", "priority": 1.5}), priority).await;
    check(task, json!({"functionName": "f", "startTimestamp": "soon"}), &format!("`startTimestamp` {time}")).await;
    check(task, json!(["f"]), "the body must be an object").await;
    let function = "/tasks/v1/functions/";
    check(function, json!({"name": "g", "cod": ""}), "unknown field `cod`: did you mean `code`?").await;
    let variables = json!({"KEY": {"valeu": "v"}});
    let unknown = "`environmentVariables.KEY`: unknown field `valeu`: did you mean `value`?";
    check(function, json!({"name": "g", "code": "1", "environmentVariables": variables}), unknown).await;
    let unknown = "`retryPolicy`: unknown field `enable`: did you mean `enabled`?";
    check(function, json!({"name": "g", "code": "1", "retryPolicy": {"enable": true}}), unknown).await;
    let unknown = "`executionOptions.permissionMode` has the unknown value `allusers`: did you mean `allUsers`?";
    check(function, json!({"name": "g", "code": "1", "executionOptions": {"permissionMode": "allusers"}}), unknown)
        .await;
    let rql = world.get("/tasks/v1/?eq(statsu,new)").await;
    assert_eq!((rql.status, &rql.body["code"]), (400, &json!(19)), "{}", rql.body);
}

#[tokio::test]
async fn what_the_official_clients_send_is_taken() {
    let world = World::new().await;
    let function = json!({
        "name": "f", "description": "", "entryPoint": "index.handler", "runtime": "nodejs20.x",
        "code": "exports.handler = () => 1", "timeLimit": 30, "memoryLimit": 128, "environmentVariables": {},
        "executionOptions": {"permissionMode": "allUsers"}, "retryPolicy": {"enabled": false, "errorsToRetry": []},
    });
    assert_eq!(world.post("/tasks/v1/functions", function.clone()).await.status, 200);
    assert_eq!(world.put("/tasks/v1/functions/f", function).await.status, 200);
    let shown = world.get("/tasks/v1/functions/f").await.body;
    assert_eq!(shown["retryPolicy"], json!({"enabled": false, "errorsToRetry": []}));
    assert_eq!(world.post("/tasks/v1/functions/f/disable", json!({})).await.status, 200);
    assert_eq!(world.post("/tasks/v1/functions/f/enable", json!({})).await.status, 200);
    let task = json!({
        "functionName": "f", "data": {}, "startTimestamp": "2027-01-02T03:04:05.678Z", "tags": ["a"], "priority": -1,
    });
    let created = world.post("/tasks/v1/", task).await;
    assert_eq!(created.status, 200, "{}", created.body);
    let cancel = format!("/tasks/v1/{}/cancel", created.body["id"].as_str().unwrap());
    assert_eq!(world.post(&cancel, json!({})).await.status, 200);
}

#[tokio::test]
async fn json_of_64_levels_runs_and_of_65_does_not() {
    let world = World::new().await;
    world
        .script("f", "exports.main = (task) => { console.log(JSON.stringify(task.data).length); return task.data }")
        .await;
    // The body and its data are two of the levels.
    let body = |levels: usize| {
        let deep = (2..levels).fold(json!(1), |inner, _| json!([inner]));
        json!({"functionName": "f", "data": {"deep": deep}})
    };
    let refused = world.post("/tasks/v1/", body(65)).await;
    assert_eq!((refused.status, &refused.body["code"]), (400, &json!(22)));
    let id = world.post("/tasks/v1/", body(64)).await.body["id"].as_str().unwrap().to_owned();
    world.idle().await;
    let task = world.get(&format!("/tasks/v1/{id}")).await.body;
    assert_eq!((&task["status"], &task["data"]), (&json!("complete"), &body(64)["data"]));
}

#[tokio::test]
async fn a_result_that_does_not_fit_into_the_record_fails_the_task() {
    let world = World::new().await;
    world.script("f", "exports.main = () => { console.log('x'); return 'y'.repeat(131000) }").await;
    let (data, tags) = (json!({"big": "z".repeat(255_000)}), vec!["\u{10348}".repeat(256); 50]);
    let created = world.post("/tasks/v1/", json!({"functionName": "f", "data": data, "tags": tags})).await;
    assert_eq!(created.status, 200, "{}", created.body);
    world.idle().await;
    let task = world.get(&format!("/tasks/v1/{}", created.body["id"].as_str().unwrap())).await.body;
    assert_eq!((&task["status"], &task["error"]["name"]), (&json!("failed"), &json!("OutputTooLarge")));
}

#[tokio::test]
async fn a_name_that_no_function_can_have_is_refused_wherever_it_stands() {
    let world = World::new().await;
    for name in ["f".repeat(3_000), "f".repeat(129), "a%20b".to_owned(), "%C3%A9".to_owned(), "a%00".to_owned()] {
        let path = format!("/tasks/v1/functions/{name}");
        let answers = [
            world.get(&path).await,
            world.delete(&path).await,
            world.put(&path, json!({"description": "d"})).await,
            world.post(&format!("{path}/enable"), json!({})).await,
            world.post(&format!("{path}/disable"), json!({})).await,
        ];
        for answer in answers {
            assert_eq!((answer.status, &answer.body["code"]), (400, &json!(15)), "{name}: {}", answer.body);
        }
    }
    for name in ["".to_owned(), "f".repeat(129), "f".repeat(3_000), "a b".to_owned(), "é".to_owned(), "a\0".to_owned()]
    {
        let answer = world.post("/tasks/v1/", json!({"functionName": name})).await;
        assert_eq!((answer.status, &answer.body["code"]), (400, &json!(15)), "{name}: {}", answer.body);
        world.request("s", json!({"functionName": name})).await;
        assert_eq!(world.answer("s").await["error"]["name"], "BadRequest", "{name}");
    }
    assert_eq!(world.get(&format!("/tasks/v1/{}", "a".repeat(3_000))).await.status, 400);
    let list = world.get(&format!("/tasks/v1/?eq(id,{})", "a".repeat(3_000))).await;
    assert_eq!((list.status, &list.body["data"]), (200, &json!([])), "{}", list.body);
    let list = world.get("/tasks/v1/?eq(id,)").await;
    assert!(list.status < 500, "{}", list.body);
}

#[tokio::test]
async fn fields_that_nest_deep_are_refused() {
    let world = World::new().await;
    let deep = |levels: usize| (0..levels).fold(json!(1), |inner, _| json!([inner]));
    for (levels, code) in [(50, 15), (70, 22)] {
        for field in ["retryPolicy", "executionOptions", "environmentVariables"] {
            let body = json!({"name": "f", "code": "exports.main = () => 1", field: deep(levels)});
            let answer = world.post("/tasks/v1/functions/", body).await;
            assert_eq!((answer.status, &answer.body["code"]), (400, &json!(code)), "{field}: {}", answer.body);
        }
        let body =
            json!({"name": "f", "code": "exports.main = () => 1", "retryPolicy": {"errorsToRetry": deep(levels)}});
        assert_eq!(world.post("/tasks/v1/functions/", body).await.status, 400);
    }
}

#[tokio::test]
async fn a_task_without_output_has_no_logs() {
    let world = World::new().await;
    world.script("f", "exports.main = () => 1").await;
    world.request("s", json!({"functionName": "f"})).await;
    let logs = world.get(&format!("/tasks/v1/{}/logs", task_id("s"))).await;
    assert_eq!((logs.status, &logs.body["code"]), (400, &json!(1408)));
}

/// The routes of Director's tasks and of their files, with the permission that each needs.
const OF_DIRECTOR: [(&str, &str, &str); 17] = [
    ("GET", "/assets/public/director", "VIEW_ASSETS"),
    ("GET", "/assets/public/director/a.js", "VIEW_ASSETS"),
    ("PUT", "/assets/public/director/a.js", "UPDATE_ASSETS"),
    ("DELETE", "/assets/public/director/a.js", "UPDATE_ASSETS"),
    ("GET", "/api/v1/tasks", "VIEW_TASK_SCHEDULES"),
    ("POST", "/api/v1/tasks", "CREATE_TASK_SCHEDULE"),
    ("POST", "/api/v1/tasks/test", "EXECUTE_TASK_FUNCTION"),
    ("GET", "/api/v1/tasks/a", "VIEW_TASK_SCHEDULES"),
    ("PUT", "/api/v1/tasks/a", "UPDATE_TASK_SCHEDULE"),
    ("DELETE", "/api/v1/tasks/a", "DELETE_TASK_SCHEDULE"),
    ("GET", "/api/v1/tasks/a/status", "VIEW_TASK_SCHEDULES"),
    ("POST", "/api/v1/tasks/a/status/start", "UPDATE_TASK_SCHEDULE"),
    ("GET", "/api/v1/tasks/a/badge", "VIEW_TASK_SCHEDULES"),
    ("GET", "/api/v1/tasks/a/next", "VIEW_TASK_SCHEDULES"),
    ("GET", "/api/v1/tasks/a/history", "VIEW_TASK_SCHEDULES"),
    ("POST", "/api/v1/tasks/a/run", "EXECUTE_TASK_FUNCTION"),
    ("PUT", "/api/v1/tasks/a/run", "EXECUTE_TASK_FUNCTION"),
];

/// The routes of jobs, and the permission that each requires.
const OF_JOBS: [(&str, &str, &str); 10] = [
    ("GET", "/actions/jobs", "VIEW_TASK_SCHEDULES"),
    ("POST", "/actions/jobs", "RUN_ACTIONS"),
    ("GET", "/actions/jobs/j", "VIEW_TASK_SCHEDULES"),
    ("PUT", "/actions/jobs/j", "RUN_ACTIONS"),
    ("DELETE", "/actions/jobs/j", "DELETE_TASK_SCHEDULE"),
    ("POST", "/actions/jobs/j/pause", "UPDATE_TASK_SCHEDULE"),
    ("POST", "/actions/jobs/j/resume", "UPDATE_TASK_SCHEDULE"),
    ("POST", "/actions/jobs/j/cancel", "UPDATE_TASK_SCHEDULE"),
    ("POST", "/actions/jobs/j/retry", "RUN_ACTIONS"),
    ("GET", "/actions/jobs/j/history", "VIEW_TASK_SCHEDULES"),
];

#[tokio::test]
async fn every_route_requires_its_permission() {
    let world = World::new().await;
    let id = "0123456789abcdef01234567";
    let routes = [
        ("GET", "/tasks/v1/".to_owned(), "VIEW_TASKS"),
        ("POST", "/tasks/v1/".to_owned(), "CREATE_TASKS"),
        ("GET", format!("/tasks/v1/{id}"), "VIEW_TASKS"),
        ("POST", format!("/tasks/v1/{id}/cancel"), "CANCEL_TASKS"),
        ("GET", format!("/tasks/v1/{id}/logs"), "VIEW_TASK_LOGS"),
        ("GET", format!("/tasks/v1/{id}/journal"), "VIEW_TASK_LOGS VIEW_TASK_FUNCTION_DETAILS"),
        ("POST", format!("/tasks/v1/{id}/replay"), "VIEW_TASK_LOGS VIEW_TASK_FUNCTION_DETAILS"),
        ("POST", "/tasks/v1/rotate".to_owned(), "ROTATE_KEYS"),
        ("GET", "/tasks/v1/functions/".to_owned(), "VIEW_TASK_FUNCTIONS"),
        ("POST", "/tasks/v1/functions/".to_owned(), "CREATE_TASK_FUNCTION"),
        ("GET", "/tasks/v1/functions/f".to_owned(), "VIEW_TASK_FUNCTION_DETAILS"),
        ("PUT", "/tasks/v1/functions/f".to_owned(), "UPDATE_TASK_FUNCTION"),
        ("DELETE", "/tasks/v1/functions/f".to_owned(), "DELETE_TASK_FUNCTION"),
        ("POST", "/tasks/v1/functions/f/enable".to_owned(), "UPDATE_TASK_FUNCTION"),
        ("POST", "/tasks/v1/functions/f/disable".to_owned(), "UPDATE_TASK_FUNCTION"),
        ("GET", "/tasks/v1/functions/f/versions".to_owned(), "VIEW_TASK_FUNCTION_DETAILS"),
        ("GET", "/tasks/v1/functions/f/versions/1".to_owned(), "VIEW_TASK_FUNCTION_DETAILS"),
        ("POST", "/tasks/v1/functions/f/rollback".to_owned(), "UPDATE_TASK_FUNCTION"),
        ("POST", "/tasks/v1/functions/rotate".to_owned(), "ROTATE_KEYS"),
        ("GET", "/tasks/v1/functions/f/logs".to_owned(), "VIEW_TASK_LOGS"),
        ("GET", "/tasks/v1/schedules".to_owned(), "VIEW_TASK_SCHEDULES"),
        ("POST", "/tasks/v1/schedules".to_owned(), "CREATE_TASK_SCHEDULE"),
        ("POST", "/tasks/v1/schedules/next".to_owned(), "VIEW_TASK_SCHEDULES"),
        ("POST", "/tasks/v1/schedules/rotate".to_owned(), "ROTATE_KEYS"),
        ("GET", "/tasks/v1/schedules/s".to_owned(), "VIEW_TASK_SCHEDULES"),
        ("PUT", "/tasks/v1/schedules/s".to_owned(), "UPDATE_TASK_SCHEDULE"),
        ("DELETE", "/tasks/v1/schedules/s".to_owned(), "DELETE_TASK_SCHEDULE"),
        ("POST", "/tasks/v1/schedules/s/start".to_owned(), "UPDATE_TASK_SCHEDULE"),
        ("POST", "/tasks/v1/schedules/s/stop".to_owned(), "UPDATE_TASK_SCHEDULE"),
        ("POST", "/tasks/v1/schedules/s/run".to_owned(), "CREATE_TASKS"),
        ("GET", "/tasks/v1/schedules/s/history".to_owned(), "VIEW_TASK_SCHEDULES"),
        ("GET", "/tasks/v1/schedules/s/next".to_owned(), "VIEW_TASK_SCHEDULES"),
        ("POST", "/tasks/v1/functions/f/execute".to_owned(), "EXECUTE_TASK_FUNCTION:f"),
        ("GET", "/tasks/v1/apiRequests".to_owned(), "VIEW_API_FUNCTION_REQUESTS"),
        ("GET", format!("/tasks/v1/apiRequests/{id}/logs"), "VIEW_API_FUNCTION_REQUEST_LOGS"),
        ("POST", "/tasks/v1/apiRequests/rotate".to_owned(), "ROTATE_KEYS"),
    ];
    let of_function = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"].into_iter().flat_map(|method| {
        ["", "/a/b"].map(|path| (method, format!("/tasks/v1/api/f{path}"), "EXECUTE_API_FUNCTION:f"))
    });
    let others =
        OF_DIRECTOR.into_iter().chain(OF_JOBS).map(|(method, path, permission)| (method, path.to_owned(), permission));
    let (without, mut described) = (world.token("default", &["OTHER"]).await, 0);
    for (method, path, permissions) in routes.into_iter().chain(others).chain(of_function) {
        let answer = world.send(method, &path, json!({}), &without).await;
        // The answer to HEAD has no body, and Director's users expect the status in theirs.
        let code = if path.starts_with("/api/") { json!(401) } else { json!(10) };
        let code = if method == "HEAD" { Value::Null } else { code };
        assert_eq!((answer.status, &answer.body["code"]), (401, &code), "{method} {path}");
        let with = world.token("default", &permissions.split(' ').collect::<Vec<_>>()).await;
        let answer = world.send(method, &path, json!({}), &with).await;
        assert_ne!(answer.status, 401, "{method} {path}");
        described += 1;
    }
    let openapi = serde_json::to_value(world.process().openapi()).unwrap();
    let paths = openapi["paths"].as_object().unwrap().values();
    // What Director says about itself is for everybody.
    assert_eq!(paths.map(|path| path.as_object().unwrap().len()).sum::<usize>(), described + 1);
}

#[tokio::test]
async fn the_same_key_from_the_same_client_is_the_same_task() {
    let world = World::new().await;
    world.script("f", "exports.main = (task) => task.data.n").await;
    let token = world.token("default", &["*"]).await;
    let send = async |key: &str, body: Value| {
        let request = Request::new("POST", "/tasks/v1/").bearer(&token).header("idempotency-key", key);
        harness::World::send(&world, request.json(body)).await
    };
    let body = json!({"functionName": "f", "data": {"n": 1}, "tags": ["x"]});
    let (one, two) = tokio::join!(send("k", body.clone()), send("k", body.clone()));
    assert_eq!((one.status, two.status, &one.body["id"]), (200, 200, &two.body["id"]), "{one:?} {two:?}");
    world.idle().await;
    world.restart();
    let again = send("k", body.clone()).await;
    assert_eq!((&again.body["id"], &again.body["status"]), (&one.body["id"], &json!("complete")), "{again:?}");
    world.idle().await;
    assert_eq!(world.get("/tasks/v1/").await.body["page"]["total"], 1);
    for other in [
        json!({"functionName": "f", "data": {"n": 2}, "tags": ["x"]}),
        json!({"functionName": "f", "data": {"n": 1}}),
        json!({"functionName": "f", "data": {"n": 1}, "tags": ["x"], "priority": 7}),
        json!({"functionName": "f", "data": {"n": 1}, "tags": ["x"], "startTimestamp": "2026-01-03T00:00:00Z"}),
    ] {
        let refused = send("k", other).await;
        assert_eq!((refused.status, &refused.body["code"]), (400, &json!(15)), "{refused:?}");
    }
    assert_ne!(send("other", body).await.body["id"], one.body["id"]);
}
