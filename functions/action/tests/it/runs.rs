//! `POST /actions/run`: one run, and what is answered.

use std::time::Duration;

use harness::server::{Answer, Reaction};
use serde_json::{Value, json};

use crate::setup::{Setup, ask};

#[tokio::test]
async fn a_run_answers_with_the_output_of_the_action_and_says_more_in_headers() {
    let setup = Setup::new().await;
    let answer = setup.run("create_charge", json!({"input": {"body": {"amount": 5}}})).await;
    assert_eq!((answer.status, &answer.body), (200, &json!({"path": "/charges", "body": {"amount": 5}})));
    let header = |name: &str| answer.headers[name].as_str().unwrap_or_default().to_owned();
    assert_eq!(header("x-hookyard-run-id").len(), 24);
    assert_eq!((header("x-hookyard-status"), header("x-hookyard-attempts")), ("success".to_owned(), "1".to_owned()));
    assert_eq!(header("x-hookyard-cache"), "none");
    assert!(header("x-hookyard-duration-ms").parse::<u64>().is_ok());
}

#[tokio::test]
async fn every_spelling_of_a_run_is_the_same_run() {
    let setup = Setup::new().await;
    for more in [
        json!({"input": {"params": {"id": "a1"}, "query": {}, "body": {}, "headers": {}}}),
        json!({"product": null, "product_tag": "shop", "action": null, "event": "get_account", "input": {"params": {"id": "a1"}}}),
        json!({"retries": 0, "cache": null, "session": null, "input": {"params": {"id": "a1"}}}),
    ] {
        let answer = setup.run("get_account", more.clone()).await;
        assert_eq!((answer.status, &answer.body["path"]), (200, &json!("/accounts/a1")), "{more} {}", answer.body);
    }
}

#[tokio::test]
async fn all_of_a_run_is_answered_if_asked_for() {
    let setup = Setup::new().await;
    let body = setup.full("get_account", json!({"input": {"params": {"id": "a1"}}})).await.body;
    assert_eq!((&body["status"], &body["output"]["path"]), (&json!("success"), &json!("/accounts/a1")));
    let attempt = &body["attempts"][0];
    assert_eq!((&attempt["number"], &attempt["status"], &attempt["app"]), (&json!(1), &json!(200), &json!("pay")));
    assert_eq!((&attempt["action"], &attempt["app_env"]), (&json!("get_account"), &json!("tst")));
    assert_eq!((&body["cached"], &body["cache"]), (&json!(false), &json!("none")));
    assert!(body["timing"]["duration_ms"].is_number() && body["timing"]["end"].is_string(), "{body}");
}

#[tokio::test]
async fn what_is_not_there_is_named_and_nothing_is_called() {
    let setup = Setup::new().await;
    let check = async |more: Value, part: &str| {
        let answer = setup.run("get_account", more).await;
        assert_eq!((answer.status, &answer.body["type"]), (404, &json!("NOT_FOUND")), "{}", answer.body);
        assert!(answer.body["message"].as_str().unwrap().contains(part), "{}", answer.body);
        assert_eq!((&answer.body["code"], &answer.body["attempts"]), (&json!(16), &json!([])));
    };
    check(json!({"product": "other"}), "no product `other`").await;
    check(json!({"env": "prd"}), "no active environment `prd`").await;
    check(json!({"app": "other"}), "no access tag `other`").await;
    check(json!({"action": "other"}), "no action `other`").await;
    assert_eq!(setup.calls(), 0);
}

#[tokio::test]
async fn another_tenant_has_nothing_of_it() {
    let setup = Setup::new().await;
    assert_eq!(setup.run("get_account", json!({"input": {"params": {"id": "1"}}})).await.status, 200);
    let id = setup.newest().await["run_id"].as_str().unwrap().to_owned();
    let token = setup.world.token("other", &["RUN_ACTIONS", "VIEW_ACTION_RUNS"]).await;
    let get = |path: String| setup.world.send(harness::Request::new("GET", &path).bearer(&token));
    assert_eq!(get("/actions/runs".to_owned()).await.body["page"]["total"], 0);
    let unknown = "0".repeat(24);
    let (theirs, nobodys) = (get(format!("/actions/runs/{id}")).await, get(format!("/actions/runs/{unknown}")).await);
    assert_eq!(
        (theirs.status, theirs.body["message"].as_str().unwrap().replace(&id, &unknown)),
        (404, nobodys.body["message"].as_str().unwrap().to_owned())
    );
    let run = harness::Request::new("POST", "/actions/run").bearer(&token).json(ask("get_account", json!({})));
    assert_eq!(setup.world.send(run).await.status, 404);
}

#[tokio::test]
async fn what_the_app_refuses_is_never_taken_for_our_own_refusal() {
    let setup = Setup::new().await;
    let check = async |id: &str, status: u16, kind: &str, of_app: Value| {
        let answer = setup.run("get_account", json!({"input": {"params": {"id": id}}})).await;
        let expected = (status, json!(kind), of_app);
        assert_eq!((answer.status, answer.body["type"].clone(), answer.body["status"].clone()), expected, "{id}");
        assert!(answer.headers["www-authenticate"].is_null());
        assert_eq!(answer.headers["x-hookyard-status"], "fail");
        assert_eq!(answer.body["attempts"].as_array().unwrap().len(), 1);
        assert_eq!(answer.body["run_id"], answer.headers["x-hookyard-run-id"]);
    };
    check("refused", 502, "UNAUTHORIZED", json!(401)).await;
    check("missing", 404, "NOT_FOUND", json!(404)).await;
    check("broken", 502, "REQUEST_FAILED", json!(500)).await;
}

#[tokio::test]
async fn a_body_that_is_not_understood_is_refused_by_name() {
    let setup = Setup::new().await;
    let check = async |more: Value, part: &str| {
        let answer = setup.run("get_account", more).await;
        assert_eq!(answer.status, 400, "{}", answer.body);
        assert!(answer.body["message"].as_str().unwrap().contains(part), "{}", answer.body);
    };
    check(json!({"inputs": {}}), "unknown field `inputs`: did you mean `input`?").await;
    check(json!({"values": []}), "unknown field `values`").await;
    check(json!({"env": null}), "`env` is required").await;
    check(json!({"retries": 1.5}), "`retries` must be a whole number").await;
    check(json!({"input": []}), "`input` must be an object").await;
    check(json!({"session": "x"}), "`session` must be").await;
    assert_eq!(setup.world.post("/actions/run?fll=1", ask("get_account", json!({}))).await.status, 400);
    assert_eq!((setup.calls(), setup.world.get("/actions/runs").await.body["page"]["total"].clone()), (0, json!(0)));
}

#[tokio::test]
async fn a_session_that_is_not_valid_fails_the_run_before_any_call() {
    let setup = Setup::new().await;
    let answer = setup.run("get_account", json!({"session": "users:nobody", "input": {"params": {"id": "1"}}})).await;
    assert_eq!((answer.status, &answer.body["type"]), (403, &json!("UNAUTHORIZED")), "{}", answer.body);
    assert_eq!(setup.calls(), 0);
}

#[tokio::test]
async fn the_same_idempotency_key_is_the_same_run() {
    let setup = Setup::new().await;
    let charge = json!({"input": {"body": {"amount": 5}}});
    let first = setup.keyed("k1", "create_charge", charge.clone()).await;
    let second = setup.keyed("k1", "create_charge", charge.clone()).await;
    assert_eq!((first.status, &first.body, setup.calls()), (200, &second.body, 1));
    assert_eq!(first.headers["x-hookyard-run-id"], second.headers["x-hookyard-run-id"]);
    let other = setup.keyed("k1", "create_charge", json!({"input": {"body": {"amount": 6}}})).await;
    assert_eq!((other.status, setup.calls()), (400, 1), "{}", other.body);
    assert_eq!(setup.keyed("k2", "create_charge", charge).await.status, 200);
    assert_eq!(setup.calls(), 2);
    let failed = || setup.keyed("k3", "get_account", json!({"input": {"params": {"id": "broken"}}}));
    let (first, second) = (failed().await, failed().await);
    assert_eq!((first.status, &first.body, setup.calls()), (502, &second.body, 3));
}

#[tokio::test]
async fn an_output_that_is_too_large_to_keep_is_answered_once() {
    let setup = Setup::new().await;
    let large = || setup.keyed("k1", "get_account", json!({"input": {"params": {"id": "large"}}}));
    let (first, second) = (large().await, large().await);
    assert_eq!((first.status, first.body.as_str().map(str::len)), (200, Some(200 * 1024)));
    assert_eq!((second.status, setup.calls()), (410, 1), "{}", second.body);
}

#[tokio::test]
async fn a_post_without_an_answer_may_have_acted_and_is_not_repeated() {
    let setup = Setup::new().await;
    setup.server.next(Reaction::LoseAnswer);
    let answer = setup.run("create_charge", json!({"retries": 3})).await;
    assert_eq!((answer.status, &answer.body["type"]), (504, &json!("OUTCOME_UNKNOWN")), "{}", answer.body);
    assert_eq!(setup.calls(), 1);
}

#[tokio::test]
async fn a_run_whose_process_died_shows_as_failed_after_a_while_and_is_not_repeated() {
    let setup = Setup::new().await;
    setup.world.emulator.pass("dynamodb.PutItem", 1);
    setup.world.emulator.crash_before("dynamodb.PutItem", 1);
    let charge = || setup.keyed("k1", "create_charge", json!({"input": {"body": {"amount": 5}}}));
    // Nobody answers a client whose function has died.
    let died = tokio::time::timeout(Duration::from_secs(60), async {
        let request = harness::Request::new("POST", "/actions/run").header("idempotency-key", "k1");
        let token = setup.world.token("default", &["RUN_ACTIONS"]).await;
        let request = request.bearer(&token).json(ask("create_charge", json!({"input": {"body": {"amount": 5}}})));
        setup.world.invoke("ActionFunction", request.payload).await
    });
    assert!(died.await.unwrap().is_err());
    let shown = setup.newest().await;
    assert_eq!((&shown["status"], setup.calls()), (&json!("processing"), 1), "{shown}");
    assert_eq!(charge().await.status, 409);
    setup.world.advance(120).await;
    let shown = setup.newest().await;
    assert_eq!((&shown["status"], &shown["type"]), (&json!("fail"), &json!("OUTCOME_UNKNOWN")));
    let answer = charge().await;
    assert_eq!((answer.status, &answer.body["type"], setup.calls()), (504, &json!("OUTCOME_UNKNOWN"), 1));
}

#[tokio::test]
async fn an_app_can_be_told_which_requests_are_one() {
    let setup = Setup::with(|app| app["idempotency_key"] = true.into()).await;
    for _ in 0..2 {
        setup.server.answer_next(Answer::status(503, json!({})));
    }
    let answer = setup.run("create_charge", json!({"retries": 3})).await;
    assert_eq!((answer.status, setup.calls()), (200, 3), "{}", answer.body);
    let keys: Vec<String> =
        setup.server.requests().iter().map(|request| request.header("idempotency-key").to_owned()).collect();
    assert!(!keys[0].is_empty() && keys.iter().all(|key| *key == keys[0]), "{keys:?}");
    setup.run("get_account", json!({"input": {"params": {"id": "1"}}})).await;
    assert_eq!(setup.server.requests().pop().unwrap().header("idempotency-key"), "");
    setup.run("create_charge", json!({})).await;
    assert_ne!(setup.server.requests().pop().unwrap().header("idempotency-key"), keys[0]);
}
