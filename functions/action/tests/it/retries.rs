//! Which failures are tried again, when, and by whom.

use harness::server::{Answer, Reaction};
use serde_json::{Value, json};

use crate::setup::Setup;

fn account() -> Value {
    json!({"input": {"params": {"id": "1"}}})
}

fn with_retries(retries: u32) -> Value {
    json!({"input": {"params": {"id": "1"}}, "retries": retries})
}

#[tokio::test]
async fn a_run_is_tried_again_as_often_as_it_says() {
    let setup = Setup::new().await;
    for status in [503, 500, 429] {
        setup.server.answer_next(Answer::status(status, json!({})));
    }
    let body = setup.full("get_account", with_retries(3)).await.body;
    assert_eq!((&body["status"], setup.calls()), (&json!("success"), 4), "{body}");
    let attempts = body["attempts"].as_array().unwrap();
    let statuses: Vec<&Value> = attempts.iter().map(|attempt| &attempt["status"]).collect();
    assert_eq!(statuses, [503, 500, 429, 200]);
    let kinds: Vec<&Value> = attempts.iter().map(|attempt| &attempt["type"]).collect();
    let expected = [json!("SERVICE_UNAVAILABLE"), json!("REQUEST_FAILED"), json!("RATE_LIMITED"), Value::Null];
    assert_eq!(kinds, expected.iter().collect::<Vec<_>>());
    for (attempt, limit) in attempts.iter().zip([1_000, 2_000, 4_000]) {
        assert!(attempt["wait_ms"].as_u64().unwrap() <= limit, "{attempt}");
    }
    assert!(attempts[3]["wait_ms"].is_null());
}

#[tokio::test]
async fn without_retries_there_is_one_attempt() {
    let setup = Setup::new().await;
    setup.server.answer_next(Answer::status(503, json!({})));
    let answer = setup.run("get_account", account()).await;
    assert_eq!((answer.status, setup.calls()), (503, 1), "{}", answer.body);
}

#[tokio::test]
async fn the_policy_of_the_app_holds_where_the_run_says_nothing() {
    let policy = json!({"max": 1, "policy": {"503": {"available": true, "lag": 2_000}, "500": {"available": false}}});
    let setup = Setup::with(|app| app["retries"] = policy).await;
    setup.server.answer_next(Answer::status(503, json!({})));
    let body = setup.full("get_account", account()).await.body;
    assert!(body["attempts"][0]["wait_ms"].as_u64().unwrap() >= 2_000, "{body}");
    assert_eq!(setup.calls(), 2);
    setup.server.answer_next(Answer::status(500, json!({})));
    assert_eq!(setup.run("get_account", with_retries(5)).await.status, 502);
    assert_eq!(setup.calls(), 3);
}

#[tokio::test]
async fn an_app_that_asks_for_too_much_patience_is_not_waited_for_by_a_client() {
    let setup = Setup::new().await;
    setup.server.answer_next(Answer::status(429, json!({})).header("retry-after", &60));
    let answer = setup.run("get_account", with_retries(5)).await;
    assert_eq!((answer.status, setup.calls()), (429, 1), "{}", answer.body);
    assert_eq!(answer.headers["retry-after"], "60");
    setup.server.answer_next(Answer::status(429, json!({})).header("retry-after", &3));
    let body = setup.full("get_account", with_retries(1)).await.body;
    assert!(body["attempts"][0]["wait_ms"].as_u64().unwrap() >= 3_000, "{body}");
}

#[tokio::test]
async fn a_step_waits_on_a_schedule_and_ends_with_what_came_of_it() {
    let setup = Setup::new().await;
    setup.server.answer_next(Answer::status(429, json!({})).header("retry-after", &600));
    setup.deliver("pay", "get_account", with_retries(2)).await.unwrap();
    let waiting = setup.world.answer("pay").unwrap();
    let shown = setup.newest().await;
    let record = json!({"kind": "actionRun", "id": shown["run_id"]});
    assert_eq!((&waiting["status"], &waiting["record"]), (&json!("waiting"), &record));
    assert_eq!((&shown["status"], &shown["attempt_count"]), (&json!("waiting"), &json!(1)), "{shown}");
    assert!(
        shown["next_attempt"].is_string() && shown["attempts"][0]["wait_ms"].as_u64().unwrap() >= 600_000,
        "{shown}"
    );
    // A second delivery changes nothing.
    setup.deliver("pay", "get_account", with_retries(2)).await.unwrap();
    assert_eq!(setup.calls(), 1);
    setup.world.advance(599).await;
    assert_eq!(setup.calls(), 1);
    setup.world.advance(10).await;
    let answer = setup.world.answer("pay").unwrap();
    assert_eq!(
        (&answer["status"], &answer["output"]["path"]),
        (&json!("succeeded"), &json!("/accounts/1")),
        "{answer}"
    );
    assert_eq!((&answer["record"], answer.get("response")), (&record, None));
    let shown = setup.newest().await;
    assert_eq!((&shown["status"], &shown["attempt_count"], setup.calls()), (&json!("success"), &json!(2), 2));
    setup.deliver("pay", "get_account", with_retries(2)).await.unwrap();
    assert_eq!((setup.calls(), setup.world.answer("pay").unwrap()["status"].clone()), (2, json!("succeeded")));
}

#[tokio::test]
async fn a_waiting_step_survives_a_death_before_its_schedule_and_a_schedule_that_fires_twice() {
    for operation in ["scheduler.CreateSchedule", "eventbridge.PutEvents"] {
        let setup = Setup::new().await;
        setup.server.answer_next(Answer::status(503, json!({})).header("retry-after", &600));
        setup.world.emulator.crash_before(operation, 1);
        assert!(setup.deliver("pay", "get_account", with_retries(2)).await.is_err(), "{operation}");
        setup.deliver("pay", "get_account", with_retries(2)).await.unwrap();
        assert_eq!((setup.world.answer("pay").unwrap()["status"].clone(), setup.calls()), (json!("waiting"), 1));
        setup.world.emulator.deliver_twice(true);
        setup.world.advance(620).await;
        assert_eq!((setup.world.answer("pay").unwrap()["status"].clone(), setup.calls()), (json!("succeeded"), 2));
    }
}

#[tokio::test]
async fn what_is_put_off_is_given_up_after_the_last_attempt() {
    let setup = Setup::new().await;
    for _ in 0..3 {
        setup.server.answer_next(Answer::status(503, json!({"why": "busy"})).header("retry-after", &60));
    }
    setup.deliver("pay", "create_charge", json!({"retries": 2})).await.unwrap();
    for _ in 0..2 {
        setup.world.advance(400).await;
    }
    let answer = setup.world.answer("pay").unwrap();
    assert_eq!((&answer["status"], &answer["error"]["name"]), (&json!("failed"), &json!("SERVICE_UNAVAILABLE")));
    let output = &answer["output"];
    assert_eq!((&output["type"], &output["status"]), (&json!("SERVICE_UNAVAILABLE"), &json!(503)));
    assert_eq!((&output["body"], setup.calls()), (&json!(r#"{"why":"busy"}"#), 3));
    assert_eq!(answer["response"], json!({"status": 503, "body": r#"{"why":"busy"}"#}));
    assert_eq!(answer["record"], json!({"kind": "actionRun", "id": output["run_id"]}));
}

#[tokio::test]
async fn a_lost_answer_of_a_get_is_asked_for_again() {
    let setup = Setup::new().await;
    setup.server.next(Reaction::LoseAnswer);
    let answer = setup.run("get_account", with_retries(1)).await;
    assert_eq!((answer.status, setup.calls()), (200, 2), "{}", answer.body);
}
