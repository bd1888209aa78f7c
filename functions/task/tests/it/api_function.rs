//! Functions that answer HTTP requests themselves.

use harness::{Answer, Request, until};
use serde_json::{Value, json};
use shared::table::{Expression, Query};

use crate::support::{TASK, World};

const ECHO: &str = "exports.main = (request) => ({ statusCode: 200, body: request })";

async fn public(world: &World, name: &str, code: &str) {
    let body = json!({"name": name, "code": code, "executionOptions": {"permissionMode": "public"}});
    let answer = world.post("/tasks/v1/functions/", body).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}

async fn send(world: &World, request: Request) -> Answer {
    harness::World::send(world, request).await
}

async fn requests(world: &World, query: &str) -> Value {
    world.get(&format!("/tasks/v1/apiRequests{query}")).await.body
}

#[tokio::test]
async fn a_function_answers_with_every_method_and_below_its_path() {
    let world = World::new().await;
    world.script("echo", ECHO).await;
    let token = world.token("default", &["EXECUTE_API_FUNCTION:echo"]).await;
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"] {
        let request = Request::new(method, "/tasks/v1/api/echo/hello/w%20rld/?a=1&a=2").bearer(&token);
        let answer = send(&world, request.header("X-Custom", "x").body("text")).await;
        assert_eq!((answer.status, &answer.headers["content-type"]), (200, &json!("application/json")), "{method}");
        if method == "HEAD" {
            assert_eq!(answer.body, "");
            continue;
        }
        let event = &answer.body;
        assert_eq!(event["requestContext"]["http"]["method"], method, "{event}");
        assert_eq!((&event["rawPath"], &event["rawQueryString"]), (&json!("/hello/w%20rld/"), &json!("?a=1&a=2")));
        assert_eq!((&event["body"], &event["isBase64Encoded"]), (&json!("text"), &json!(false)));
        assert_eq!(event["headers"]["x-custom"], "x");
        assert_eq!(event["headers"]["x-exh-requesting-user-id"], "client");
        assert_eq!(event["headers"]["x-exh-requesting-application-id"], "client");
        assert_eq!(event["headers"].get("authorization"), None);
        assert_eq!(event["requestContext"]["http"]["sourceIp"], "192.0.2.1");
    }
    for (path, expected) in
        [("/tasks/v1/api/echo", "/"), ("/localhost/tasks/v1/api/echo/", "/"), ("/localhost/tasks/v1/api/echo/a", "/a")]
    {
        let answer = send(&world, Request::new("GET", path).bearer(&token)).await;
        assert_eq!(answer.body["rawPath"], expected, "{path}");
    }
    assert_eq!(send(&world, Request::new("TRACE", "/tasks/v1/api/echo").bearer(&token)).await.status, 405);
}

#[tokio::test]
async fn bytes_go_both_ways() {
    let world = World::new().await;
    let code = "exports.main = (request) => ({
        statusCode: 201, headers: { 'content-type': 'application/octet-stream' }, isBase64Encoded: true,
        body: Buffer.from(Buffer.from(request.body, 'base64').reverse()).toString('base64') })";
    public(&world, "reverse", code).await;
    let request = Request::new("POST", "/tasks/v1/api/reverse").bytes(&[0xff, 0, 0xfe]);
    let answer = world.invoke(request.payload).await.unwrap();
    assert_eq!((&answer["statusCode"], &answer["body"]), (&json!(201), &json!("/gD/")));
    assert_eq!(answer["isBase64Encoded"], true);
}

#[tokio::test]
async fn what_a_function_answers_stays_as_it_is() {
    let world = World::new().await;
    let code = "exports.main = () => ({ statusCode: 400, body: 'no', headers: { 'Content-Type': 'text/plain',
        'Set-Cookie': 'a=b', 'Access-Control-Allow-Origin': '*', 'X-Own': 'own', 'Content-Length': '9' } })";
    public(&world, "f", code).await;
    let answer = send(&world, Request::new("GET", "/tasks/v1/api/f")).await;
    assert_eq!((answer.status, &answer.body), (400, &json!("no")));
    assert_eq!((&answer.headers["content-type"], &answer.headers["x-own"]), (&json!("text/plain"), &json!("own")));
    assert_eq!(answer.headers["x-content-type-options"], "nosniff");
    assert!(answer.headers["content-security-policy"].as_str().unwrap().starts_with("sandbox"));
    for name in ["set-cookie", "access-control-allow-origin"] {
        assert_eq!(answer.headers.get(name), None, "{name}");
    }
    let request = &requests(&world, "").await["data"][0];
    assert_eq!((&request["statusCode"], request.get("error")), (&json!(400), None));
    let logs = requests(&world, &format!("/{}/logs", request["id"].as_str().unwrap())).await;
    let messages: Vec<_> =
        logs["data"].as_array().unwrap().iter().map(|line| line["message"].as_str().unwrap()).collect();
    assert!(messages.iter().any(|message| message.contains("set-cookie was left out")), "{messages:?}");
}

#[tokio::test]
async fn every_request_leaves_a_record() {
    let world = World::new().await;
    let code = "exports.main = (request) => { console.log('path', request.rawPath);
        if (request.rawPath === '/boom') throw new RangeError('no');
        return { statusCode: request.rawPath === '/wrong' ? 500 : 201 } }";
    public(&world, "f", code).await;
    let token = world.token("default", &["*"]).await;
    for (path, status, code) in
        [("/fine?x=1", 201, Value::Null), ("/boom", 400, json!(1406)), ("/wrong", 400, json!(1409))]
    {
        let request = Request::new("GET", &format!("/tasks/v1/api/f{path}"));
        let answer = send(&world, request.clone().bearer(&token)).await;
        assert_eq!((answer.status, answer.body.get("code").unwrap_or(&Value::Null)), (status, &code), "{path}");
        let runtime_error = json!({"name": "RangeError", "message": "no"});
        assert_eq!(answer.body.get("runtimeError"), (path == "/boom").then_some(&runtime_error), "{path}");
        world.clock.advance(jiff::SignedDuration::from_secs(1));
        let anonymous = send(&world, request).await;
        assert_eq!((anonymous.status, anonymous.body.get("runtimeError")), (status, None));
        assert!(!anonymous.body.to_string().contains("RangeError"), "who is not known is not told how it failed");
        world.clock.advance(jiff::SignedDuration::from_secs(1));
    }
    let list = requests(&world, "").await;
    assert_eq!(list["page"], json!({"total": 6, "offset": 0, "limit": 20}));
    let data = list["data"].as_array().unwrap();
    let paths: Vec<_> = data.iter().map(|request| request["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["/wrong", "/wrong", "/boom", "/boom", "/fine?x=1", "/fine?x=1"], "newest first");
    let message = "The status code is expected to be a number between 200 and 499. Returned value: 500";
    let error = json!({"type": "response", "name": "INVALID_API_FUNCTION_RESULT", "message": message});
    assert_eq!(data[0]["error"], error);
    assert_eq!(data[2]["error"], json!({"type": "runtime", "name": "RangeError", "message": "no"}));
    let first = json!({
        "id": data[5]["id"], "functionName": "f", "method": "GET", "path": "/fine?x=1", "userId": "client",
        "applicationId": "client", "statusCode": 201, "timestamp": harness::NOW, "duration": 0.0,
    });
    assert_eq!((&data[5], data[4].get("userId")), (&first, None));
    let id = data[3]["id"].as_str().unwrap();
    let logs = requests(&world, &format!("/{id}/logs")).await;
    assert_eq!(logs["page"], json!({"offset": 0, "limit": 100}));
    assert_eq!(logs["data"][0]["message"], "path /boom");
    let later = requests(&world, &format!("/{id}/logs?ge(timestamp,2027-01-01T00:00:00Z)")).await;
    assert_eq!(later["data"], json!([]));
    for (query, total) in [
        ("?eq(statusCode,201)", 2),
        ("?eq(error.type,response)", 2),
        (&format!("?eq(id,{id})"), 1),
        ("?ge(timestamp,2026-01-02T03:04:09Z)", 2),
        ("?lt(timestamp,2026-01-02T03:04:06Z)", 1),
    ] {
        assert_eq!(requests(&world, query).await["page"]["total"], total, "{query}");
    }
}

#[tokio::test]
async fn records_are_asked_for_in_the_right_way() {
    let world = World::new().await;
    public(&world, "f", "exports.main = () => ({ statusCode: 200 })").await;
    send(&world, Request::new("GET", "/tasks/v1/api/f")).await;
    let id = requests(&world, "").await["data"][0]["id"].as_str().unwrap().to_owned();
    let check = async |path: &str, token: &str, status: u16, code: u32| {
        let answer = send(&world, Request::new("GET", path).bearer(token)).await;
        assert_eq!((answer.status, &answer.body["code"]), (status, &json!(code)), "{path}: {}", answer.body);
    };
    let all = world.token("default", &["*"]).await;
    let logs = format!("/tasks/v1/apiRequests/{id}/logs");
    check(&logs, &all, 400, 1413).await;
    for query in ["le(timestamp,5)", "limit(5)", "eq(message,a)", "ge(timestamp,5)&limit(5)", "ge(message,a)"] {
        check(&format!("{logs}?{query}"), &all, 400, 19).await;
    }
    check("/tasks/v1/apiRequests/0123456789abcdef01234567/logs", &all, 404, 16).await;
    check("/tasks/v1/apiRequests/x/logs", &all, 400, 12).await;
    let other = world.token("other", &["*"]).await;
    check(&logs, &other, 404, 16).await;
    let list = send(&world, Request::new("GET", "/tasks/v1/apiRequests").bearer(&other)).await;
    assert_eq!(list.body["page"]["total"], 0);
    let weak = world.token("default", &["VIEW_TASKS", "VIEW_TASK_LOGS", "EXECUTE_API_FUNCTION"]).await;
    check(&logs, &weak, 401, 10).await;
    check("/tasks/v1/apiRequests", &weak, 401, 10).await;
}

#[tokio::test]
async fn wrong_requests_are_refused() {
    let world = World::new().await;
    world.script("f", ECHO).await;
    let slow = json!({"name": "slow", "code": ECHO, "timeLimit": 31});
    world.post("/tasks/v1/functions/", slow).await;
    let check = async |request: Request, status: u16, code: u32| {
        let answer = send(&world, request).await;
        assert_eq!((answer.status, &answer.body["code"]), (status, &json!(code)), "{}", answer.body);
    };
    let all = world.token("default", &["*"]).await;
    check(Request::new("GET", "/tasks/v1/api/slow").bearer(&all), 400, 1411).await;
    check(Request::new("GET", "/tasks/v1/api/nowhere/x").bearer(&all), 404, 16).await;
    check(Request::new("GET", "/tasks/v1/api/a_b").bearer(&all), 400, 15).await;
    check(Request::new("GET", "/tasks/v1/api/f"), 401, 104).await;
    check(Request::new("GET", "/tasks/v1/api/f").bearer("x"), 401, 117).await;
    let other = world.token("default", &["EXECUTE_TASK_FUNCTION", "EXECUTE_API_FUNCTION:g"]).await;
    check(Request::new("GET", "/tasks/v1/api/f").bearer(&other), 401, 10).await;
    let large = Request::new("POST", "/tasks/v1/api/f").bearer(&all).body("\n".repeat(4_000_000));
    check(large, 413, 22).await;
    let larger = Request::new("POST", "/tasks/v1/api/f").bearer(&all).body("x".repeat(6 * 1024 * 1024 + 1));
    check(larger, 413, 22).await;
    let fits = Request::new("POST", "/tasks/v1/api/f").bearer(&all).body("x".repeat(2_500_000));
    assert_eq!(send(&world, fits).await.body["body"].as_str().unwrap().len(), 2_500_000);
    let answer = "exports.main = () => ({ statusCode: 200, body: 'x'.repeat(7e6) })";
    public(&world, "long", answer).await;
    check(Request::new("GET", "/tasks/v1/api/long"), 400, 1406).await;
}

#[tokio::test]
async fn no_more_than_twenty_requests_to_a_function_are_answered_at_once() {
    let world = World::new().await;
    let code = "exports.main = () => new Promise((resolve) => setTimeout(resolve, 1500, { statusCode: 200 }))";
    public(&world, "f", code).await;
    let waiting = (0..21).map(|_| send(&world, Request::new("GET", "/tasks/v1/api/f")));
    let answers = futures::future::join_all(waiting).await;
    let refused: Vec<_> = answers.iter().filter(|answer| answer.status != 200).collect();
    assert_eq!((refused.len(), &refused[0].body["code"]), (1, &json!(1412)));
    assert_eq!((refused[0].status, &refused[0].headers["retry-after"]), (400, &json!("1")));
    assert_eq!(requests(&world, "").await["page"]["total"], 20);
}

#[tokio::test]
async fn a_request_that_is_killed_after_it_acted_is_shown_as_interrupted() {
    let world = World::by_hand().await;
    let server = harness::server::Server::start(|_| harness::server::Answer::ok(json!({}))).await;
    server.next(harness::server::Reaction::Hang);
    public(&world, "f", &format!("exports.main = () => fetch('{}')", server.url())).await;
    let request = Request::new("GET", "/tasks/v1/api/f?token=secret").payload;
    let process = world.process();
    let sent = tokio::spawn(async move { process.invoke(request).await });
    until("the script acts", async || if server.requests().is_empty() { Err(()) } else { Ok(()) }).await;
    let record = &requests(&world, "").await["data"][0];
    assert_eq!((record.get("statusCode"), record.get("error")), (None, None));
    sent.abort();
    world.restart();
    world.clock.advance(jiff::SignedDuration::from_mins(1));
    let record = &requests(&world, "").await["data"][0];
    assert_eq!(record["error"]["name"], "zombieTaskCleaned", "{record}");
    assert_eq!(record["path"], "/?token=secret");
}

#[tokio::test]
async fn what_was_sent_and_printed_is_sealed() {
    let world = World::new().await;
    public(&world, "f", "exports.main = (r) => { console.log(r.rawQueryString); throw new Error(r.rawQueryString) }")
        .await;
    send(&world, Request::new("GET", "/tasks/v1/api/f?token=s3cret")).await;
    let table = world.environment(TASK).table("API_REQUESTS_TABLE").unwrap();
    let row = async |pk: &str| {
        let key = Expression::new("pk = :pk").value(":pk", pk);
        table.query_rows(Query::new(key)).await.unwrap().remove(0)
    };
    let (request, logs) = (row("default#requests").await, row("default#logs").await);
    assert_eq!(request.attribute::<String>("method").as_deref(), Some("GET"));
    for (row, name) in [(&request, "path"), (&request, "error"), (&logs, "logs")] {
        assert_eq!(row.attribute::<Value>(name), Some(Value::Null), "{name}");
    }
    assert!(logs.attribute::<String>("id").is_some());
    let rotated = world.post("/tasks/v1/apiRequests/rotate", json!({})).await;
    assert_eq!(rotated.body, json!({"resealed": 0, "more": false}));
    assert_eq!(world.process().unreadable().await.unwrap(), []);
}

#[tokio::test]
async fn a_request_ends_properly_when_its_client_goes_away() {
    let world = World::new().await;
    let server = harness::server::Server::start(|_| harness::server::Answer::ok(json!({}))).await;
    let code = format!(
        "exports.main = async () => {{ await fetch('{}'); await new Promise((resolve) => setTimeout(resolve, 100)); return {{ statusCode: 200 }} }}",
        server.url()
    );
    public(&world, "f", &code).await;
    {
        let sent = send(&world, Request::new("GET", "/tasks/v1/api/f"));
        let arrived = async || if server.requests().is_empty() { Err(()) } else { Ok(()) };
        tokio::select! {
            answer = sent => panic!("the request has ended: {answer:?}"),
            () = until("the script acts", arrived) => {}
        }
    }
    let status = async || match requests(&world, "").await["data"][0]["statusCode"].clone() {
        status if status == 200 => Ok(()),
        status => Err(status),
    };
    until("the request ends", status).await;
}
