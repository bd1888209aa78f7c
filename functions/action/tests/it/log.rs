//! `GET /actions/runs`: what is recorded of runs.

use harness::server::{Answer, Server};
use serde_json::{Value, json};

use crate::setup::{Setup, app};

#[tokio::test]
async fn the_log_is_filtered_and_paged_newest_first() {
    let setup = Setup::new().await;
    for id in ["1", "broken", "2"] {
        setup.run("get_account", json!({"input": {"params": {"id": id}}})).await;
        setup.world.advance(60).await;
    }
    setup.run("create_charge", json!({})).await;
    let list = async |query: &str| {
        let body = setup.world.get(&format!("/actions/runs?{query}")).await.body;
        let runs = body["data"].as_array().unwrap_or_else(|| panic!("{query}: {body}")).clone();
        runs.iter()
            .map(|run| format!("{} {}", run["action"].as_str().unwrap(), run["status"].as_str().unwrap()))
            .collect::<Vec<_>>()
    };
    let all = ["create_charge success", "get_account success", "get_account fail", "get_account success"];
    assert_eq!(list("").await, all);
    assert_eq!(list("limit(2,1)").await, all[1..3]);
    assert_eq!(list("eq(status,fail)").await, all[2..3]);
    assert_eq!(list("eq(action,create_charge)&eq(app,pay)&eq(env,dev)").await, all[..1]);
    assert_eq!(list("eq(type,REQUEST_FAILED)&eq(http_status,500)").await, all[2..3]);
    let starts = setup.world.get("/actions/runs").await.body["data"].clone();
    let start = starts[1]["start"].as_str().unwrap();
    assert_eq!(list(&format!("ge(start,{start})")).await, all[..2]);
    assert_eq!(list(&format!("lt(start,{start})")).await, all[2..]);
    assert_eq!(setup.world.get("/actions/runs?eq(evn,dev)").await.status, 400);
    assert_eq!(setup.world.get("/actions/runs/nonsense").await.status, 400);
}

#[tokio::test]
async fn a_run_shows_the_request_as_sent_and_the_answer_without_secrets_and_cut() {
    let setup = Setup::new().await;
    let input = json!({
        "body": {"text": "x".repeat(10_000)}, "query": {"page": 2},
        "headers": {"authorization": "Bearer planted-secret", "x-plain": "yes"},
    });
    setup.server.answer_next(Answer::ok(json!({"long": "y".repeat(10_000)})).header("set-cookie", &"planted-secret"));
    setup.run("create_charge", json!({"input": input})).await;
    let shown = setup.newest().await;
    let (request, response) = (&shown["request"], &shown["response"]);
    assert_eq!((&request["method"], &request["headers"]["x-plain"]), (&json!("POST"), &json!("yes")));
    assert!(request["url"].as_str().unwrap().ends_with("/charges?page=2"), "{request}");
    assert_eq!((request["body"].as_str().unwrap().len(), &request["is_cut"]), (4_096, &json!(true)));
    assert_eq!((response["body"].as_str().unwrap().len(), &response["status"]), (4_096, &json!(200)));
    assert!(!shown.to_string().contains("planted-secret"), "{shown}");
    let items = setup.world.items("ACTION_RUNS_TABLE").await;
    assert!(serde_json::to_string(&items).unwrap().len() < 40_000);
}

#[tokio::test]
async fn a_run_says_who_asked_for_it() {
    let setup = Setup::new().await;
    setup.keyed("k", "create_charge", json!({})).await;
    assert_eq!(setup.newest().await["client_id"], "client");
    setup.world.advance(1).await;
    setup.deliver("pay", "create_charge", json!({})).await.unwrap();
    let shown = setup.newest().await;
    assert_eq!((&shown["event_id"], &shown["dispatcher_id"]), (&json!("e1"), &json!("d1")), "{shown}");
    assert_eq!((&shown["step"], &shown["step_attempt"]), (&json!("pay"), &json!(1)));
}

#[tokio::test]
async fn a_fallback_that_cannot_be_used_does_not_hide_why_the_app_failed() {
    let setup = Setup::new().await;
    let fallbacks = json!({"fallbacks": [{"app": "nowhere"}]});
    assert_eq!(setup.world.put("/products/shop/apps/pay", fallbacks).await.status, 200);
    let run = json!({"env": "dev", "product": "shop", "app": "pay", "action": "get_account",
        "input": {"params": {"id": "broken"}}});
    let answer = setup.world.post("/actions/run", run).await;
    assert_eq!(
        (answer.status, &answer.body["type"], &answer.body["status"]),
        (502, &json!("REQUEST_FAILED"), &json!(500))
    );
}

#[tokio::test]
async fn a_fallback_takes_over_when_the_app_cannot_be_used() {
    let setup = Setup::new().await;
    let spare = Server::start(|request| Answer::ok(json!({"spare": request.path, "body": request.body}))).await;
    let mut other = app(&spare);
    other["tag"] = "spare-bank".into();
    other["actions"][1]["resource"] = "/spare-charges".into();
    let envs = json!([{"product_env_slug": "dev", "app_env_slug": "tst"}]);
    for (path, body) in
        [("/apps", other), ("/products/shop/apps", json!({"app": "spare-bank", "access_tag": "spare", "envs": envs}))]
    {
        assert_eq!(setup.world.post(path, body).await.status, 200, "{path}");
    }
    let input = json!({"body": {"sum": "$Input{body}{amount}"}});
    let fallbacks = json!({"fallbacks": [{"app": "spare", "input": input}]});
    assert_eq!(setup.world.put("/products/shop/apps/pay", fallbacks).await.status, 200);
    let charge = || json!({"input": {"body": {"amount": 7}}});
    setup.server.answer_next(Answer::status(503, json!({})));
    let body = setup.full("create_charge", charge()).await.body;
    assert_eq!((&body["output"]["spare"], &body["fallback"]), (&json!("/spare-charges"), &json!("spare")), "{body}");
    assert_eq!(body["output"]["body"], json!({"sum": 7}));
    let apps: Vec<Value> = body["attempts"].as_array().unwrap().iter().map(|attempt| attempt["app"].clone()).collect();
    assert_eq!(apps, ["pay", "spare"]);
    // What the app has refused, another one would refuse as well; what it may have done must not be done twice.
    setup.server.answer_next(Answer::status(422, json!({})));
    assert_eq!(setup.run("create_charge", charge()).await.status, 502);
    setup.server.next(harness::server::Reaction::LoseAnswer);
    assert_eq!(setup.run("create_charge", charge()).await.body["type"], "OUTCOME_UNKNOWN");
    assert_eq!(spare.requests().len(), 1);
}

#[tokio::test]
async fn runs_outlive_a_restart() {
    let setup = Setup::new().await;
    setup.run("create_charge", json!({"input": {"body": {"name": "planted-name"}}})).await;
    setup.world.restart();
    assert!(setup.newest().await["request"]["body"].as_str().unwrap().contains("planted-name"));
}
