//! The routes of schedules.

use serde_json::{Value, json};

use super::SCHEDULES;
use crate::support::World;

#[tokio::test]
async fn a_schedule_is_created_shown_listed_and_deleted() {
    let world = World::by_hand().await;
    world.function().await;
    let fields = json!({
        "cron": "30 9 * * MON-FRI", "timezone": "Europe/Madrid", "data": {"a": 1}, "priority": 5, "tags": ["x"],
        "misfirePolicy": "once", "overlapPolicy": "queue", "endTimestamp": "2027-01-01T00:00:00Z",
    });
    let created = world.schedule(fields).await;
    let id = created["id"].as_str().unwrap().to_owned();
    let expected = json!({
        "id": id, "functionName": "f", "data": {"a": 1}, "priority": 5, "tags": ["x"], "cron": "30 9 * * MON-FRI",
        "timezone": "Europe/Madrid", "startTimestamp": "2026-01-02T03:04:05.678Z",
        "endTimestamp": "2027-01-01T00:00:00.000Z", "nextTimestamp": "2026-01-02T08:30:00.000Z", "running": true,
        "overlapPolicy": "queue", "misfirePolicy": "once", "jitterMs": 0, "waiting": 0,
        "creationTimestamp": "2026-01-02T03:04:05.678Z", "updateTimestamp": "2026-01-02T03:04:05.678Z",
        "createdByApplicationId": "client", "createdByUserId": "client",
    });
    assert_eq!(created, expected);
    assert_eq!(world.get(&format!("{SCHEDULES}/{id}/")).await.body, expected);
    world.clock.advance(jiff::SignedDuration::from_secs(1));
    let second = world.schedule(json!({"interval": 60})).await;
    let listed = world.get(&format!("{SCHEDULES}/?eq(functionName,f)&select(id)")).await.body;
    let page = json!({"total": 2, "offset": 0, "limit": 20});
    let query = "eq(functionName,f)&select(id)";
    assert_eq!(listed, json!({"query": query, "page": page, "data": [{"id": second["id"]}, {"id": id}]}));
    let one = world.get(&format!("{SCHEDULES}?eq(id,{id})")).await.body;
    assert_eq!((&one["page"]["total"], &one["data"][0]), (&json!(1), &expected));
    assert_eq!(world.delete(&format!("{SCHEDULES}/{id}")).await.body, json!({"affectedRecords": 1}));
    let gone = world.get(&format!("{SCHEDULES}/{id}")).await;
    assert_eq!((gone.status, &gone.body["code"]), (404, &json!(16)));
    assert_eq!(world.delete(&format!("{SCHEDULES}/{id}")).await.status, 404);
}

#[tokio::test]
async fn a_change_keeps_what_it_does_not_name() {
    let world = World::by_hand().await;
    world.function().await;
    let created = world.schedule(json!({"interval": 7, "data": {"a": 1}, "tags": ["x"], "jitterSeconds": 2})).await;
    let path = format!("{SCHEDULES}/{}", created["id"].as_str().unwrap());
    let cron = world.put(&path, json!({"cron": "@daily", "endTimestamp": "2027-01-01T00:00:00Z"})).await.body;
    assert_eq!((&cron["cron"], &cron["timezone"], cron.get("interval")), (&json!("@daily"), &json!("UTC"), None));
    assert_eq!((&cron["data"], &cron["tags"], &cron["jitterMs"]), (&json!({"a": 1}), &json!(["x"]), &json!(2_000)));
    let interval = world.put(&path, json!({"interval": 60, "endTimestamp": null, "jitterMs": null})).await.body;
    assert_eq!((&interval["interval"], interval.get("cron")), (&json!(60), None));
    assert_eq!((interval.get("endTimestamp"), &interval["jitterMs"]), (None, &json!(0)));
    assert_eq!(world.emulator.aws_calls()["scheduler.CreateSchedule"], 1);
    let unknown = world.put(&path, json!({"intervall": 60})).await;
    assert_eq!(
        (unknown.status, &unknown.body["message"]),
        (400, &json!("unknown field `intervall`: did you mean `interval`?"))
    );
    world.put(&path, json!({"interval": 61})).await;
    assert_eq!(world.emulator.aws_calls()["scheduler.DeleteSchedule"], 1);
}

#[tokio::test]
async fn a_schedule_that_would_never_fire_is_refused() {
    let world = World::by_hand().await;
    world.function().await;
    for mut body in [json!({"interval": 86_400}), json!({"cron": "0 2 1 1 *"})] {
        body["functionName"] = json!("f");
        body["endTimestamp"] = json!("2026-01-02T06:00:00Z");
        let refused = world.post(SCHEDULES, body.clone()).await.body;
        let rule = "`endTimestamp` must leave an instant: the next one would come after it";
        assert_eq!((&refused["code"], &refused["message"]), (&json!(15), &json!(rule)), "{body}");
        body["endTimestamp"] = json!("2028-01-02T06:00:00Z");
        assert_eq!(world.post(SCHEDULES, body).await.status, 200);
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_body_names_the_field() {
    let world = World::by_hand().await;
    world.function().await;
    let check = async |fields: Value, code: u64, message: &str| {
        let mut body = json!({"functionName": "f", "interval": 60});
        for (name, value) in fields.as_object().unwrap() {
            body[name] = value.clone();
        }
        body.as_object_mut().unwrap().retain(|_, value| value != "absent");
        let answer = world.post(SCHEDULES, body).await;
        let status = if code == 16 { 404 } else { 400 };
        assert_eq!((answer.status, &answer.body["code"]), (status, &json!(code)), "{}", answer.body);
        let found = answer.body["message"].as_str().unwrap();
        assert!(found.starts_with(message), "{found}");
    };
    check(json!({"functionName": "absent"}), 14, "`functionName` is required").await;
    check(json!({"functionName": "a b"}), 15, "`functionName` must be").await;
    check(json!({"functionName": "nowhere"}), 16, "").await;
    check(json!({"interval": "absent"}), 14, "`interval` or `cron` is required").await;
    for wrong in [json!(0), json!(-1), json!(1.5), json!("soon"), json!(i64::MAX)] {
        check(json!({"interval": wrong}), 15, "`interval` must be a whole number from 1 to 316224000").await;
    }
    check(json!({"cron": "@daily"}), 15, "`cron` cannot be given beside `interval`").await;
    check(json!({"timezone": "UTC"}), 15, "`timezone` needs `cron`").await;
    check(json!({"interval": "absent", "cron": "0 0 30 2 *"}), 15, "`cron` must match at least one time").await;
    check(
        json!({"interval": "absent", "cron": "60 * * * *"}),
        15,
        "`cron` must be a cron pattern: `60` cannot be its minute",
    )
    .await;
    check(
        json!({"interval": "absent", "cron": "0 0 31 13 *"}),
        15,
        "`cron` must be a cron pattern: `13` cannot be its month",
    )
    .await;
    check(json!({"interval": "absent", "cron": "0 0 *"}), 15, "`cron` must be a cron pattern: it has five parts").await;
    check(json!({"interval": "absent", "cron": "@daily", "timezone": "Mars"}), 15, "`timezone` must be the IANA").await;
    check(json!({"startTimestamp": "soon"}), 15, "`startTimestamp` must be a time").await;
    check(json!({"endTimestamp": "2025-01-01T00:00:00Z"}), 15, "`endTimestamp` must be in the future").await;
    let reversed = json!({"startTimestamp": "2027-01-01T00:00:00Z", "endTimestamp": "2026-06-01T00:00:00Z"});
    check(reversed, 15, "`endTimestamp` must be after `startTimestamp`").await;
    check(json!({"overlapPolicy": "alow"}), 15, "`overlapPolicy` has the unknown value `alow`: did you mean `allow`?")
        .await;
    check(json!({"misfirePolicy": "never"}), 15, "`misfirePolicy` has the unknown value").await;
    check(json!({"jitterSeconds": 60}), 15, "`jitterSeconds` must be less than the 60000 ms").await;
    check(json!({"jitterSeconds": 1, "jitterMs": 1}), 15, "`jitterMs` cannot be given beside").await;
    let dense = json!({"interval": "absent", "cron": "0,1 9 * * *", "jitterMs": 60_000});
    check(dense, 15, "`jitterMs` must be less than the 60000 ms").await;
    check(json!({"data": [1]}), 15, "`data` must be an object").await;
    check(json!({"data": {"x": "y".repeat(256_000)}}), 15, "`data` must have at most").await;
    check(json!({"tags": vec!["x"; 51]}), 15, "`tags` must have at most 50").await;
    check(json!({"nextTimestamp": 1}), 15, "unknown field `nextTimestamp`").await;
    assert_eq!(world.items("SCHEDULES_TABLE").await.len(), 0);
    assert_eq!(world.get(&format!("{SCHEDULES}/nonsense")).await.body["code"], 12);
    assert_eq!(world.get(&format!("{SCHEDULES}/?eq(intervall,1)")).await.body["code"], 19);
}

#[tokio::test]
async fn the_next_times_are_previewed() {
    let world = World::by_hand().await;
    world.function().await;
    let created = world.schedule(json!({"interval": 60, "running": false})).await;
    let path = format!("{SCHEDULES}/{}/next", created["id"].as_str().unwrap());
    assert_eq!(world.get(&path).await.body["data"].as_array().unwrap().len(), 10);
    let two = json!({"data": ["2026-01-02T03:05:05.678Z", "2026-01-02T03:06:05.678Z"]});
    assert_eq!(world.get(&format!("{path}?count=2")).await.body, two);
    assert_eq!(world.get(&format!("{path}?count=100")).await.body["data"].as_array().unwrap().len(), 100);
    for wrong in ["count=0", "count=101", "count=x", "cuont=1"] {
        assert_eq!(world.get(&format!("{path}?{wrong}")).await.status, 400, "{wrong}");
    }
    let body = json!({"cron": "30 2 * * *", "timezone": "Europe/Madrid", "startTimestamp": "2026-03-28T00:00:00Z"});
    let previewed = world.post(&format!("{SCHEDULES}/next?count=3"), body).await.body;
    // The clocks go forward at 2:00 on 29 March, so that 2:30 is not there and 3:00 takes its place.
    let times = json!(["2026-03-28T01:30:00.000Z", "2026-03-29T01:00:00.000Z", "2026-03-30T00:30:00.000Z"]);
    assert_eq!(previewed, json!({"data": times}));
    let wrong = world.post(&format!("{SCHEDULES}/next"), json!({"cron": "x"})).await;
    assert_eq!((wrong.status, &wrong.body["code"]), (400, &json!(15)));
    assert_eq!(world.items("SCHEDULES_TABLE").await.len(), 1);
}

#[tokio::test]
async fn the_history_is_paged_and_filtered() {
    let world = World::by_hand().await;
    world.function().await;
    let created = world.schedule(json!({"interval": 20})).await;
    world.minute().await;
    let path = format!("{SCHEDULES}/{}/history", created["id"].as_str().unwrap());
    let all = world.get(&format!("{path}/?limit(1)")).await.body;
    assert_eq!(all["page"], json!({"total": 3, "offset": 0, "limit": 1}));
    let newest = json!({
        "timestamp": "2026-01-02T03:05:05.678Z", "outcome": "skipped", "reason": "overlap", "count": 1,
        "handledTimestamp": "2026-01-02T03:05:05.678Z",
    });
    assert_eq!(all["data"], json!([newest]));
    let fired = world.get(&format!("{path}?eq(outcome,fired)")).await.body;
    assert_eq!((&fired["page"]["total"], &fired["data"][0]["taskId"].is_string()), (&json!(1), &true));
    let bounded = world.get(&format!("{path}?lt(timestamp,2026-01-02T03:04:45.678Z)")).await.body;
    assert_eq!(bounded["page"]["total"], 1, "{bounded}");
    assert_eq!(world.get(&format!("{path}?eq(outcom,fired)")).await.status, 400);
}

#[tokio::test]
async fn another_tenant_and_a_client_without_permission_see_nothing() {
    let world = World::by_hand().await;
    world.function().await;
    let created = world.schedule(json!({"interval": 60})).await;
    let id = created["id"].as_str().unwrap();
    let other = world.token("other", &["*"]).await;
    for (method, rest) in
        [("GET", ""), ("GET", "/history"), ("GET", "/next"), ("DELETE", ""), ("POST", "/stop"), ("PUT", "")]
    {
        let body = if method == "GET" || method == "DELETE" { Value::Null } else { json!({}) };
        let answer = world.send(method, &format!("{SCHEDULES}/{id}{rest}"), body, &other).await;
        assert_eq!((answer.status, &answer.body["code"]), (404, &json!(16)), "{method} {rest}");
    }
    assert_eq!(world.send("GET", SCHEDULES, Value::Null, &other).await.body["page"]["total"], 0);
    let viewer = world.token("default", &["VIEW_TASK_SCHEDULES"]).await;
    assert_eq!(world.send("GET", SCHEDULES, Value::Null, &viewer).await.body["page"]["total"], 1);
    let refused = world.send("DELETE", &format!("{SCHEDULES}/{id}"), Value::Null, &viewer).await;
    assert_eq!((refused.status, &refused.body["name"]), (401, &json!("NO_PERMISSION_EXCEPTION")));
    let body = json!({"functionName": "f", "interval": 60});
    assert_eq!(world.send("POST", SCHEDULES, body, &viewer).await.status, 401);
}

#[tokio::test]
async fn what_a_schedule_hands_to_its_tasks_is_sealed() {
    let world = World::by_hand().await;
    world.function().await;
    let created = world.schedule(json!({"interval": 60, "data": {"password": "hunter2"}})).await;
    let environment = world.environment(crate::support::TASK);
    let key = json!({"tenantId": "default", "scheduleId": created["id"]});
    let rows = environment.table("SCHEDULES_TABLE").unwrap().get_rows(&[key]).await.unwrap();
    assert_eq!(rows.len(), 1);
    assert!(!format!("{rows:?}").contains("hunter2"), "{rows:?}");
    assert_eq!(world.post(&format!("{SCHEDULES}/rotate"), json!({})).await.body["resealed"], 0);
}

#[tokio::test]
async fn a_tenant_has_no_more_schedules_than_it_may_have() {
    let world = World::with(&[("SchedulesPerTenant", "3")]).await;
    world.function().await;
    let mut schedules = Vec::new();
    for _ in 0..3 {
        schedules.push(world.schedule(json!({"interval": 60})).await);
    }
    let body = json!({"functionName": "f", "interval": 60});
    let refused = world.post(SCHEDULES, body.clone()).await;
    let message = "a tenant can have 3 schedules and jobs, and no more";
    assert_eq!((refused.status, &refused.body["message"]), (400, &json!(message)));
    let stranger = world.token("other", &["*"]).await;
    let function = json!({"name": "f", "code": "exports.main = () => 1"});
    assert_eq!(world.send("POST", "/tasks/v1/functions/", function, &stranger).await.status, 200);
    assert_eq!(world.send("POST", SCHEDULES, body.clone(), &stranger).await.status, 200);
    // What is deleted makes room.
    let path = format!("{SCHEDULES}/{}", schedules[0]["id"].as_str().unwrap());
    assert_eq!(world.delete(&path).await.status, 200);
    assert_eq!(world.post(SCHEDULES, body).await.status, 200);
}

#[tokio::test]
async fn a_schedule_whose_function_is_gone_starts_no_tasks_and_says_so() {
    let world = World::by_hand().await;
    world.function().await;
    let schedule = world.schedule(json!({"interval": 30, "overlapPolicy": "queue"})).await;
    world.minute().await;
    assert_eq!(world.started().await.len(), 1);
    assert_eq!(world.delete("/tasks/v1/functions/f").await.status, 200);
    world.restart();
    world.minute().await;
    let history = world.history(&schedule).await;
    assert_eq!(history[0], "2026-01-02T03:04:35.678Z fired");
    let is_skipped = |row: &String| row.ends_with("skipped functionMissing");
    assert!(history.len() >= 4 && history[1..].iter().all(is_skipped), "{history:?}");
    assert_eq!(world.started().await.len(), 1);
    assert_eq!(world.items("SCHEDULES_TABLE").await[0].get("queue"), None);
    // It goes on when there is one again.
    world.function().await;
    let task = world.items("TASKS_TABLE").await.remove(0);
    let cancel = format!("/tasks/v1/{}/cancel", task["taskId"].as_str().unwrap());
    assert_eq!(world.post(&cancel, json!({})).await.status, 200);
    world.minute().await;
    assert_eq!(world.started().await.len(), 2);
}

#[tokio::test]
async fn many_changes_at_once_all_succeed() {
    let world = World::by_hand().await;
    world.function().await;
    let schedule = world.schedule(json!({"interval": 61})).await;
    let path = format!("{SCHEDULES}/{}", schedule["id"].as_str().unwrap());
    let changes = (0..20).map(|n| {
        let (world, path) = (&world, &path);
        async move { world.put(path, json!({"data": {"n": n}})).await.status }
    });
    let statuses = futures::future::join_all(changes).await;
    assert_eq!(statuses, vec![200; 20]);
    let version = world.items("SCHEDULES_TABLE").await[0]["version"].as_u64();
    assert_eq!(version, Some(20));
}
