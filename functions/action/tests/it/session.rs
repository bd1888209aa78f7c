//! Sessions over HTTP: defined, started, verified, refreshed, revoked, listed.

use harness::{Answer, Request, World};
use serde_json::{Value, json};
use shared::table::{Expression, Query};

const LOGIN: &str = "/sessions/shop/login";

async fn world() -> World {
    World::builder().function("ActionFunction", action::function).open().await
}

fn definition(product: &str, tag: &str) -> Value {
    json!({
        "product": product, "tag": tag, "name": "Log in", "schema": {"user": {"id": "u1", "age": 3}, "note": null},
        "selector": "$Session{user}{id}", "expiry": 2, "period": "hours",
    })
}

async fn defined() -> World {
    let world = world().await;
    let answer = world.post("/sessions", definition("shop", "login")).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    world
}

fn data(id: &str) -> Value {
    json!({"user": {"id": id, "age": 40}})
}

async fn start(world: &World, id: &str) -> Value {
    let answer = world.post(&format!("{LOGIN}/start"), json!({"env": "dev", "data": data(id)})).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body
}

async fn verify(world: &World, token: &Value) -> Value {
    world.post("/sessions/verify", json!({"token": token})).await.body
}

async fn refresh(world: &World, token: &Value) -> Answer {
    world.post("/sessions/refresh", json!({"refreshToken": token})).await
}

/// Sends a request as a client of another tenant, or with fewer permissions.
async fn send(world: &World, tenant: &str, permissions: &[&str], method: &str, path: &str, body: Value) -> Answer {
    let request = Request::new(method, path).bearer(&world.token(tenant, permissions).await);
    world.send(if body.is_null() { request } else { request.json(body) }).await
}

/// Changes the key ring, as an operator does, and starts every process again.
async fn change_ring(world: &World, ring: &Value) {
    let client = aws_sdk_secretsmanager::Client::new(&world.emulator.sdk_config());
    let secret = world.environment("ActionFunction").config.required("KEY_RING_SECRET").unwrap();
    client.put_secret_value().secret_id(secret).secret_string(ring.to_string()).send().await.unwrap();
    world.restart();
}

#[tokio::test]
async fn a_session_is_started_and_its_token_says_what_it_is_until_it_ends() {
    let world = defined().await;
    let session = start(&world, "u7").await;
    let token = session["token"].as_str().unwrap();
    assert!(token.starts_with("login:ey"), "{token}");
    assert_eq!(session["expiresAt"], "2026-01-02T05:04:05.000Z");
    let verified = verify(&world, &session["token"]).await;
    let expected = json!({
        "valid": true, "data": data("u7"), "sessionId": session["sessionId"], "expiresAt": session["expiresAt"],
    });
    assert_eq!(verified, expected);
    let bare = json!(token.split_once(':').unwrap().1);
    assert_eq!(verify(&world, &bare).await, expected, "the tag in front can be left out");
    world.advance(2 * 3600 - 1).await;
    assert_eq!(verify(&world, &session["token"]).await["valid"], true);
    world.advance(1).await;
    let expected = json!({"valid": false, "reason": "the session has expired"});
    assert_eq!(verify(&world, &session["token"]).await, expected);
}

#[tokio::test]
async fn the_flat_form_of_a_start_names_product_and_tag_in_the_body() {
    let world = defined().await;
    let body = json!({"product": "shop", "env": "prd", "tag": "login", "data": data("u7")});
    let session = world.post("/sessions/start", body).await.body;
    assert_eq!(verify(&world, &session["token"]).await["valid"], true);
    let body = json!({"product": "shop", "env": "prd", "tag": "other", "data": data("u7")});
    assert_eq!(world.post("/sessions/start", body).await.status, 404);
}

#[tokio::test]
async fn a_token_shows_nothing_of_its_data() {
    use base64::Engine as _;
    let world = defined().await;
    let answer = start(&world, "ann@example.com").await;
    for name in ["token", "refreshToken"] {
        let payload = answer[name].as_str().unwrap().split('.').nth(1).unwrap();
        let payload = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).unwrap();
        let payload = String::from_utf8(payload).unwrap();
        assert!(payload.contains("shop") && !payload.contains("ann@"), "{payload}");
    }
    let table = world.environment("ActionFunction").table("SESSIONS_TABLE").unwrap();
    let of_login = Expression::new("#owner = :owner").name("#owner", "owner").value(":owner", "default#shop#login");
    let row = table.query_rows(Query::new(of_login)).await.unwrap().pop().unwrap();
    assert_eq!(row.attribute::<Value>("sessionId").as_ref(), Some(&answer["sessionId"]));
    assert!(!format!("{row:?}").contains("ann@"), "{row:?}");
}

#[tokio::test]
async fn a_token_is_good_in_its_place_alone_and_the_answer_says_which_is_wrong() {
    let world = defined().await;
    let session = start(&world, "u7").await;
    let check = async |tenant: &str, expected: Value, reason: &str| {
        let mut body = json!({"token": session["token"]});
        body.as_object_mut().unwrap().extend(expected.as_object().unwrap().clone());
        let answer = send(&world, tenant, &["*"], "POST", "/sessions/verify", body).await.body;
        match reason {
            "" => assert_eq!(answer["valid"], true, "{answer}"),
            reason => assert_eq!(answer, json!({"valid": false, "reason": format!("the session {reason}")})),
        }
    };
    check("default", json!({"product": "shop", "env": "dev", "tag": "login"}), "").await;
    check("default", json!({"product": "store"}), "was started for another product").await;
    check("default", json!({"env": "prd"}), "was started for another environment").await;
    check("default", json!({"tag": "admin"}), "was started for another tag").await;
    check("other", json!({}), "was started by another tenant").await;
}

#[tokio::test]
async fn neither_an_access_token_nor_a_refresh_token_is_a_session_token_nor_the_other_way_round() {
    let world = defined().await;
    let session = start(&world, "u7").await;
    let access = world.token("default", &["*"]).await;
    let unknown = "the session has a token that is not one of ours, or was altered";
    for token in
        [json!(access), json!(format!("login:{access}")), session["refreshToken"].clone(), json!(""), json!("x")]
    {
        assert_eq!(verify(&world, &token).await["reason"], unknown, "{token}");
    }
    for token in [&session["token"], &session["refreshToken"]] {
        for text in [token.as_str().unwrap(), token.as_str().unwrap().split_once(':').unwrap().1] {
            let answer = world.send(Request::new("GET", "/sessions").bearer(text)).await;
            assert_eq!((answer.status, &answer.body["code"]), (401, &json!(117)));
        }
    }
    for token in [&session["token"], &json!(access), &json!("login:x")] {
        assert_eq!(refresh(&world, token).await.body["code"], 119);
    }
}

#[tokio::test]
async fn a_refresh_gives_new_tokens_and_takes_the_old_refresh_token() {
    let world = defined().await;
    let first = start(&world, "u7").await;
    world.advance(3600).await;
    let second = refresh(&world, &first["refreshToken"]).await.body;
    assert_eq!((&second["sessionId"], &second["expiresAt"]), (&first["sessionId"], &json!("2026-01-02T06:04:05.000Z")));
    assert!(second["token"] != first["token"] && second["refreshToken"] != first["refreshToken"]);
    assert_eq!(verify(&world, &second["token"]).await["data"], data("u7"));
    // The answer was lost: the same successor again.
    world.advance(30).await;
    let again = refresh(&world, &first["refreshToken"]).await.body;
    assert_eq!((&again["refreshToken"], &again["expiresAt"]), (&second["refreshToken"], &second["expiresAt"]));
    // Somebody else has it.
    world.advance(1).await;
    assert_eq!(refresh(&world, &first["refreshToken"]).await.body["code"], 119);
    for session in [&first, &second, &again] {
        assert_eq!(verify(&world, &session["token"]).await["reason"], "the session was revoked");
    }
    assert_eq!(refresh(&world, &second["refreshToken"]).await.body["code"], 119);
}

#[tokio::test]
async fn two_refreshes_at_once_give_the_same_refresh_token() {
    let world = defined().await;
    let first = start(&world, "u7").await;
    let (one, two) = tokio::join!(refresh(&world, &first["refreshToken"]), refresh(&world, &first["refreshToken"]));
    assert_eq!((one.status, &one.body["refreshToken"]), (200, &two.body["refreshToken"]));
    assert_eq!(verify(&world, &two.body["token"]).await["valid"], true);
}

#[tokio::test]
async fn a_session_can_be_refreshed_after_its_token_has_ended_for_thirty_days() {
    let world = defined().await;
    let first = start(&world, "u7").await;
    world.advance(2 * 3600 + 30 * 24 * 3600 - 1).await;
    let second = refresh(&world, &first["refreshToken"]).await.body;
    assert_eq!(verify(&world, &second["token"]).await["valid"], true);
    world.advance(2 * 3600 + 30 * 24 * 3600).await;
    assert_eq!(refresh(&world, &second["refreshToken"]).await.body["code"], 120);
}

#[tokio::test]
async fn a_revoked_session_is_refused_from_the_answer_on() {
    let world = defined().await;
    let (one, two) = (start(&world, "u7").await, start(&world, "u7").await);
    let body = json!({"product": "shop", "tag": "login", "sessionId": one["sessionId"]});
    assert_eq!(world.post("/sessions/revoke", body.clone()).await.body, json!({"affectedRecords": 1}));
    assert_eq!(verify(&world, &one["token"]).await["reason"], "the session was revoked");
    assert_eq!(refresh(&world, &one["refreshToken"]).await.body["code"], 119);
    assert_eq!(verify(&world, &two["token"]).await["valid"], true);
    assert_eq!(world.post("/sessions/revoke", body).await.body, json!({"affectedRecords": 0}));
    let body = json!({"product": "shop", "tag": "login", "sessionId": "nothing"});
    assert_eq!(world.post("/sessions/revoke", body).await.status, 404);
}

#[tokio::test]
async fn all_sessions_of_a_user_are_revoked_and_later_ones_are_not() {
    let world = defined().await;
    let (one, two, other) = (start(&world, "u7").await, start(&world, "u7").await, start(&world, "u8").await);
    let production = json!({"env": "prd", "data": data("u7")});
    let production = world.post(&format!("{LOGIN}/start"), production).await.body;
    let revoke = async |identifier: &str, env: Value| {
        let body = json!({"product": "shop", "tag": "login", "identifier": identifier, "env": env});
        world.post("/sessions/revoke", body).await.body
    };
    assert_eq!(revoke("u7", json!("dev")).await, json!({"affectedRecords": 2}));
    for session in [&one, &two] {
        assert_eq!(verify(&world, &session["token"]).await["reason"], "the session was revoked");
    }
    for session in [&other, &production] {
        assert_eq!(verify(&world, &session["token"]).await["valid"], true);
    }
    let later = start(&world, "u7").await;
    assert_eq!(verify(&world, &later["token"]).await["valid"], true);
    assert_eq!(revoke("u7", Value::Null).await, json!({"affectedRecords": 2}));
    for session in [&later, &production] {
        assert_eq!(verify(&world, &session["token"]).await["reason"], "the session was revoked");
    }
    assert_eq!(revoke("nobody", Value::Null).await, json!({"affectedRecords": 0}));
}

#[tokio::test]
async fn deleting_a_definition_ends_its_sessions_for_good() {
    let world = defined().await;
    let session = start(&world, "u7").await;
    assert_eq!(world.delete(LOGIN).await.body, json!({"affectedRecords": 1}));
    let ended = "the session has ended because its definition was deleted";
    assert_eq!(verify(&world, &session["token"]).await["reason"], ended);
    assert_eq!(world.items("SESSIONS_TABLE").await, Vec::<Value>::new());
    assert_eq!(world.delete(LOGIN).await.status, 404);
    world.post("/sessions", definition("shop", "login")).await;
    assert_eq!(verify(&world, &session["token"]).await["reason"], ended, "also when there is a new one");
    assert_eq!(refresh(&world, &session["refreshToken"]).await.body["code"], 119);
    assert_eq!(world.get(&format!("{LOGIN}/active")).await.body["data"], json!([]));
}

#[tokio::test]
async fn data_that_is_not_of_the_shape_of_the_schema_starts_nothing() {
    let world = defined().await;
    let check = async |data: Value, selectors: &[&str]| {
        let answer = world.post(&format!("{LOGIN}/start"), json!({"env": "dev", "data": data})).await;
        assert_eq!((answer.status, &answer.body["code"]), (400, &json!(15)), "{}", answer.body);
        let violations = answer.body["violations"].as_array().unwrap().iter();
        assert_eq!(violations.map(|found| found["selector"].as_str().unwrap()).collect::<Vec<_>>(), selectors);
    };
    check(json!({}), &["$Session{user}"]).await;
    check(json!([]), &["$Session"]).await;
    check(Value::Null, &["$Session"]).await;
    check(json!({"user": {"id": 7, "age": "x"}}), &["$Session{user}{age}", "$Session{user}{id}"]).await;
    check(json!({"user": {"id": "", "age": 1}}), &["$Session{user}{id}"]).await;
    check(json!({"user": {"id": "a", "age": 1}, "note": "x".repeat(5000)}), &["$Session"]).await;
    let answer = world.post(&format!("{LOGIN}/start"), json!({"env": "production", "data": data("u1")})).await;
    assert!(answer.body["message"].as_str().unwrap().contains("three lower-case letters"), "{}", answer.body);
    assert_eq!(world.get(&format!("{LOGIN}/active")).await.body["data"], json!([]));
}

#[tokio::test]
async fn the_largest_data_makes_a_token_that_is_read_again() {
    let world = defined().await;
    let mut large = data("u7");
    large["note"] = "é\"\n".repeat(670).into();
    assert!((3900..=4096).contains(&large.to_string().len()), "{}", large.to_string().len());
    let answer = world.post(&format!("{LOGIN}/start"), json!({"env": "dev", "data": large})).await.body;
    assert_eq!(verify(&world, &answer["token"]).await["data"], large);
}

#[tokio::test]
async fn definitions_are_created_once_listed_changed_and_deleted() {
    let world = defined().await;
    assert_eq!(world.post("/sessions", definition("shop", "login")).await.body["code"], 17);
    world.post("/sessions", definition("store", "login")).await;
    let list = world.get("/sessions?eq(product,store)").await.body;
    assert_eq!((&list["page"]["total"], &list["data"][0]["product"]), (&json!(1), &json!("store")));
    let changed = world.put(LOGIN, json!({"expiry": 1, "period": "days", "description": "d"})).await.body;
    assert_eq!(
        (&changed["expiry"], &changed["period"], &changed["name"]),
        (&json!(1), &json!("days"), &json!("Log in"))
    );
    assert_eq!(world.get(LOGIN).await.body, changed);
    assert_eq!(start(&world, "u7").await["expiresAt"], "2026-01-03T03:04:05.000Z");
    for path in ["/sessions/shop/nothing", "/sessions/nothing/login", "/sessions/a%23b/login"] {
        assert_eq!(world.get(path).await.status, 404, "{path}");
    }
    let check = async |name: &str, value: Value| {
        let mut body = definition("shop", "other");
        body[name] = value;
        let answer = world.post("/sessions", body).await;
        assert_eq!(answer.status, 400, "{name}: {}", answer.body);
        assert!(answer.body["message"].as_str().unwrap().contains(name), "{}", answer.body);
    };
    check("tag", json!("a:b")).await;
    check("product", json!("")).await;
    check("schema", json!([1])).await;
    check("schema", json!({})).await;
    check("schema", json!({"user": {"id": "x".repeat(5000)}})).await;
    check("selector", json!("$Session{user}")).await;
    check("selector", json!("$Session{user}{name}")).await;
    check("selector", json!("user.id")).await;
    check("expiry", json!(0)).await;
    check("expiry", json!(-1)).await;
    check("expiry", json!(4_000_000_000_u32)).await;
    check("period", json!("weeks")).await;
    check("name", json!("x".repeat(257))).await;
    check("secret", json!(1)).await;
}

#[tokio::test]
async fn a_schema_can_have_every_number_and_name_that_json_has() {
    let world = world().await;
    let mut odd = definition("shop", "odd");
    odd["schema"] = json!({"": {"": 1e300}, "$": 1e-300, "id": u64::MAX, "e": {}, "f": [], "user": {"id": "a"}});
    assert_eq!(world.post("/sessions", odd.clone()).await.status, 200);
    assert_eq!(world.get("/sessions/shop/odd").await.body["schema"], odd["schema"]);
    let body = json!({"env": "dev", "data": odd["schema"]});
    let session = world.post("/sessions/shop/odd/start", body).await.body;
    assert_eq!(verify(&world, &session["token"]).await["data"], odd["schema"]);
}

#[tokio::test]
async fn lists_show_who_has_sessions_and_nothing_of_their_data() {
    let world = defined().await;
    let one = start(&world, "u7").await;
    world.advance(7000).await;
    start(&world, "u7").await;
    start(&world, "u8").await;
    let active = world.get(&format!("{LOGIN}/active?eq(identifier,u7)")).await.body;
    assert_eq!(active["page"]["total"], 2, "{active}");
    assert_eq!(active["data"][1]["sessionId"], one["sessionId"]);
    assert!(!active["data"].to_string().contains("age"), "{active}");
    world.advance(201).await;
    assert_eq!(world.get(&format!("{LOGIN}/active")).await.body["page"]["total"], 2);
    let body = json!({"product": "shop", "tag": "login", "identifier": "u8"});
    world.post("/sessions/revoke", body).await;
    let users = world.get(&format!("{LOGIN}/users")).await.body;
    let counts = users["data"].as_array().unwrap().iter().map(|user| {
        (
            user["identifier"].as_str().unwrap(),
            user["sessions"].as_u64().unwrap(),
            user["activeSessions"].as_u64().unwrap(),
        )
    });
    assert_eq!(counts.collect::<Vec<_>>(), [("u7", 2, 1), ("u8", 1, 0)]);
    let expected = json!({
        "totalSessions": 3, "activeSessions": 1, "expiredSessions": 1, "revokedSessions": 1, "totalUsers": 2,
        "activeUsers": 1,
    });
    assert_eq!(world.get(&format!("{LOGIN}/dashboard")).await.body, expected);
}

#[tokio::test]
async fn each_permission_opens_its_routes_and_another_tenant_finds_nothing() {
    let world = defined().await;
    let session = start(&world, "u7").await;
    let routes = [
        ("UPDATE_SESSIONS", "POST", "/sessions".to_owned(), definition("shop", "second")),
        ("UPDATE_SESSIONS", "PUT", LOGIN.to_owned(), json!({"name": "n"})),
        ("CREATE_SESSIONS", "POST", format!("{LOGIN}/start"), json!({"env": "dev", "data": data("u9")})),
        ("CREATE_SESSIONS", "POST", "/sessions/refresh".to_owned(), json!({"refreshToken": session["refreshToken"]})),
        ("VIEW_SESSIONS", "POST", "/sessions/verify".to_owned(), json!({"token": session["token"]})),
        ("VIEW_SESSIONS", "GET", "/sessions".to_owned(), Value::Null),
        ("VIEW_SESSIONS", "GET", LOGIN.to_owned(), Value::Null),
        ("VIEW_SESSIONS", "GET", format!("{LOGIN}/active"), Value::Null),
        ("VIEW_SESSIONS", "GET", format!("{LOGIN}/users"), Value::Null),
        ("VIEW_SESSIONS", "GET", format!("{LOGIN}/dashboard"), Value::Null),
        (
            "UPDATE_SESSIONS",
            "POST",
            "/sessions/revoke".to_owned(),
            json!({"product": "shop", "tag": "login", "sessionId": session["sessionId"]}),
        ),
        ("UPDATE_SESSIONS", "DELETE", LOGIN.to_owned(), Value::Null),
    ];
    let all = ["CREATE_SESSIONS", "UPDATE_SESSIONS", "VIEW_SESSIONS"];
    for (permission, method, path, body) in routes {
        let others: Vec<&str> = all.into_iter().filter(|other| *other != permission).collect();
        assert_eq!(send(&world, "default", &others, method, &path, body.clone()).await.status, 401, "{method} {path}");
        if path.contains("login") || path == "/sessions/revoke" {
            assert_eq!(send(&world, "other", &["*"], method, &path, body.clone()).await.status, 404, "{method} {path}");
        }
        let answer = send(&world, "default", &[permission], method, &path, body).await;
        assert_eq!(answer.status, 200, "{method} {path}: {}", answer.body);
    }
    assert_eq!(send(&world, "other", &["*"], "GET", "/sessions", Value::Null).await.body["data"], json!([]));
    let body = json!({"refreshToken": session["refreshToken"]});
    assert_eq!(send(&world, "other", &["*"], "POST", "/sessions/refresh", body).await.body["code"], 119);
}

#[tokio::test]
async fn another_process_knows_at_once_what_was_revoked() {
    let world = defined().await;
    let session = start(&world, "u7").await;
    let other = world.another("ActionFunction");
    let token = world.token("default", &["*"]).await;
    let ask = async || {
        let request = Request::new("POST", "/sessions/verify").bearer(&token).json(json!({"token": session["token"]}));
        request.send_to(&other).await.body["valid"].clone()
    };
    assert_eq!(ask().await, true);
    world.post("/sessions/revoke", json!({"product": "shop", "tag": "login", "identifier": "u7"})).await;
    assert_eq!(ask().await, false);
}

#[tokio::test]
async fn tokens_of_an_older_key_are_good_as_long_as_it_is_in_the_ring() {
    let world = defined().await;
    let session = start(&world, "u7").await;
    let mut ring: Value = serde_json::from_str(&world.emulator.secret("KeyRing").unwrap()).unwrap();
    let old = ring["current"].as_str().unwrap().to_owned();
    ring["new"] = "another key material of sufficient length, 0123456789".into();
    ring["current"] = "new".into();
    change_ring(&world, &ring).await;
    assert_eq!(verify(&world, &session["token"]).await["data"], data("u7"));
    assert_eq!(world.post("/actions/rotate", json!({})).await.body, json!({"resealed": 1, "more": false}));
    let next = refresh(&world, &session["refreshToken"]).await.body;
    assert_eq!(verify(&world, &next["token"]).await["data"], data("u7"));
    ring.as_object_mut().unwrap().remove(&old);
    change_ring(&world, &ring).await;
    let verify = async |token: &Value| {
        let request = Request::new("POST", "/sessions/verify").bearer(&world.token("default", &["*"]).await);
        world.send(request.json(json!({"token": token}))).await.body["valid"].clone()
    };
    assert_eq!((verify(&session["token"]).await, verify(&next["token"]).await), (json!(false), json!(true)));
}
