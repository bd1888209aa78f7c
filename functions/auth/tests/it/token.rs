use harness::{Answer, Request};
use serde_json::{Value, json};

use crate::support::{World, basic, client_credentials};

/// Asserts the shape of an error of the token endpoint.
fn check(answer: &Answer, status: u16, error: &str, code: u64) {
    assert_eq!((answer.status, answer.body["error"].as_str()), (status, Some(error)), "{answer:?}");
    assert_eq!(answer.body["exh_error"]["code"], code, "{answer:?}");
    assert!(answer.body.get("code").is_none(), "a top-level code is taken for another kind of error: {answer:?}");
    assert_eq!(answer.body["description"], answer.body["exh_error"]["description"]);
    assert_eq!(answer.body["description"], answer.body["error_description"]);
}

fn refresh(client: &str, answer: &Answer) -> Value {
    json!({"grant_type": "refresh_token", "client_id": client, "refresh_token": answer.body["refresh_token"]})
}

#[tokio::test]
async fn the_administrator_logs_in_without_a_record_and_may_do_everything() {
    let world = World::new().await;
    let (id, secret) = world.administrator();
    let answer = world.token(client_credentials(&id, &secret)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.headers["cache-control"], "no-store");
    assert_eq!(answer.body["token_type"], "bearer");
    assert_eq!(answer.body["expires_in"], 300);
    assert_eq!((&answer.body["user_id"], &answer.body["application_id"]), (&json!(id), &json!(id)));

    let bearer = format!("Bearer {}", answer.body["access_token"].as_str().unwrap());
    let me = world.send("GET", "/users/v1/me", &bearer, Value::Null).await;
    let expected = json!({
        "id": id, "clientId": id, "applicationId": id, "tenantId": "default", "permissions": ["*"],
        "email": id, "first_name": id, "last_name": "", "phone_number": "", "language": "EN", "time_zone": "UTC",
        "activation": true, "roles": [],
    });
    assert_eq!((me.status, me.body), (200, expected));
    check(&world.token(client_credentials(&id, "wrong")).await, 401, "invalid_client", 124);
}

#[tokio::test]
async fn an_access_token_ends_after_five_minutes_with_the_code_that_makes_clients_refresh() {
    let world = World::new().await;
    let bearer = world.log_in_as_administrator().await;
    world.advance(299).await;
    assert_eq!(world.send("GET", "/users/v1/me", &bearer, Value::Null).await.status, 200);
    world.advance(1).await;
    let late = world.send("GET", "/users/v1/me", &bearer, Value::Null).await;
    assert_eq!((late.status, &late.body["code"]), (401, &json!(118)));
    let none = world.send("GET", "/users/v1/me", "", Value::Null).await;
    assert_eq!((none.status, &none.body["code"]), (401, &json!(104)));
    let basic = world.send("GET", "/users/v1/me", "Basic YTpi", Value::Null).await;
    assert_eq!((basic.status, &basic.body["code"]), (401, &json!(104)));
    for path in ["/templates/v2/", "/users/v2/roles", "/"] {
        let unknown = world.send("GET", path, &bearer, Value::Null).await;
        assert_eq!((unknown.status, &unknown.body["code"]), (404, &json!(903)), "{path}");
    }
}

#[tokio::test]
async fn each_401_says_how_to_prove_oneself() {
    let world = World::new().await;
    let (id, _) = world.administrator();
    for refused in
        [world.token(client_credentials(&id, "wrong")).await, world.token(client_credentials("nobody", "wrong")).await]
    {
        assert_eq!((refused.status, &refused.headers["www-authenticate"]), (401, &json!("Basic realm=\"hookyard\"")));
    }
    let bearer = world.log_in_as_administrator().await;
    world.advance(300).await;
    for (bearer, error) in
        [("", None), (bearer.as_str(), Some("invalid_token")), ("Bearer x.y.z", Some("invalid_token"))]
    {
        let refused = world.send("GET", "/users/v1/me", bearer, Value::Null).await;
        let challenge = refused.headers["www-authenticate"].as_str().unwrap();
        assert_eq!(refused.status, 401);
        assert!(challenge.starts_with("Bearer realm="), "{challenge}");
        assert!(error.is_none_or(|error| challenge.contains(error)), "{challenge}");
    }
}

#[tokio::test]
async fn credentials_are_taken_from_json_a_form_and_the_header() {
    let world = World::new().await;
    let (id, secret) = world.client(&["VIEW_TASKS"]).await;
    let header = basic(&id, &secret);
    let form = json!(format!("grant_type=client_credentials&client_id={id}&client_secret={secret}"));
    for (authorization, body) in [
        ("", client_credentials(&id, &secret)),
        ("", form),
        (header.as_str(), json!("grant_type=client_credentials")),
        (header.as_str(), client_credentials(&id, &secret)),
    ] {
        let answer = world.send("POST", "/localhost/auth/v2/oauth2/tokens/", authorization, body).await;
        assert_eq!((answer.status, &answer.body["user_id"]), (200, &json!(id)), "{answer:?}");
    }
}

#[tokio::test]
async fn a_client_is_a_user_of_the_password_grant() {
    let world = World::new().await;
    let (id, secret) = world.client(&["VIEW_TASKS"]).await;
    let (application, application_secret) = world.client(&[]).await;
    let password = |client: &str, username: &str, password: &str| json!({"grant_type": "password", "client_id": client, "username": username, "password": password});
    let answer = world.token(password(&application, &id, &secret)).await;
    assert_eq!((&answer.body["user_id"], &answer.body["application_id"]), (&json!(id), &json!(application)));
    let own = world.token(password(&id, &id, &secret)).await;
    assert_eq!(own.status, 200, "{own:?}");

    check(&world.token(password(&application, &id, "wrong")).await, 400, "invalid_grant", 106);
    check(&world.token(password(&application, "nobody", "wrong")).await, 400, "invalid_grant", 106);
    check(&world.token(password("nobody", &id, &secret)).await, 401, "invalid_client", 123);

    let with_header = |secret: &str| basic(&application, secret);
    let body = password(&application, &id, &secret);
    let good = world.send("POST", "/auth/v2/oauth2/tokens", &with_header(&application_secret), body.clone()).await;
    assert_eq!(good.status, 200, "{good:?}");
    let bad = world.send("POST", "/auth/v2/oauth2/tokens", &with_header("wrong"), body).await;
    check(&bad, 401, "invalid_client", 124);
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_told_in_the_shape_of_oauth() {
    let world = World::new().await;
    check(&world.token(client_credentials("nobody", "x")).await, 401, "invalid_client", 123);
    check(&world.token(json!({"grant_type": "client_credentials"})).await, 400, "invalid_request", 126);
    check(&world.token(json!({"grant_type": "mfa", "client_id": "a"})).await, 400, "unsupported_grant_type", 121);
    check(&world.token(Value::Null).await, 400, "invalid_request", 13);
    let unknown = json!({"grant_type": "refresh_token", "client_id": "a", "refresh_token": "1.a.b"});
    check(&world.token(unknown).await, 400, "invalid_grant", 119);
    check(&world.token(client_credentials(&"x".repeat(513), "x")).await, 400, "invalid_request", 15);
}

#[tokio::test]
async fn a_refresh_token_rotates_and_repeats_its_successor_for_half_a_minute() {
    let world = World::new().await;
    let (id, secret) = world.client(&["VIEW_TASKS"]).await;
    let first = world.token(client_credentials(&id, &secret)).await;
    let second = world.token(refresh(&id, &first)).await;
    assert_eq!((second.status, &second.body["user_id"]), (200, &json!(id)), "{second:?}");
    assert_ne!(second.body["refresh_token"], first.body["refresh_token"]);
    world.advance(30).await;
    let again = world.token(refresh(&id, &first)).await;
    assert_eq!(again.body["refresh_token"], second.body["refresh_token"], "{again:?}");
    let third = world.token(refresh(&id, &second)).await;
    assert_eq!(third.status, 200, "{third:?}");
}

#[tokio::test]
async fn refreshes_at_the_same_time_all_get_the_same_successor() {
    let world = World::new().await;
    let (id, secret) = world.client(&[]).await;
    let first = world.token(client_credentials(&id, &secret)).await;
    let request = refresh(&id, &first);
    let answers = tokio::join!(
        world.token(request.clone()),
        world.token(request.clone()),
        world.token(request.clone()),
        world.token(request)
    );
    let tokens = [answers.0, answers.1, answers.2, answers.3].map(|answer| answer.body["refresh_token"].clone());
    assert!(tokens[0].is_string() && tokens.iter().all(|token| *token == tokens[0]), "{tokens:?}");
}

#[tokio::test]
async fn a_refresh_token_that_comes_back_late_ends_its_whole_family() {
    let world = World::new().await;
    let (id, secret) = world.client(&[]).await;
    let first = world.token(client_credentials(&id, &secret)).await;
    let other = world.token(client_credentials(&id, &secret)).await;
    let second = world.token(refresh(&id, &first)).await;
    world.advance(31).await;
    check(&world.token(refresh(&id, &first)).await, 400, "invalid_grant", 119);
    check(&world.token(refresh(&id, &second)).await, 400, "invalid_grant", 119);
    assert_eq!(world.token(refresh(&id, &other)).await.status, 200, "another login is not concerned");
}

#[tokio::test]
async fn a_refresh_token_belongs_to_its_application_and_ends_unused_after_thirty_days() {
    let world = World::new().await;
    let (id, secret) = world.client(&[]).await;
    let first = world.token(client_credentials(&id, &secret)).await;
    check(&world.token(refresh("other", &first)).await, 400, "invalid_grant", 119);
    world.advance(30 * 24 * 3600).await;
    check(&world.token(refresh(&id, &first)).await, 400, "invalid_grant", 120);
}

#[tokio::test]
async fn a_refresh_carries_the_permissions_that_the_client_has_now() {
    let world = World::new().await;
    let (id, secret) = world.client(&["VIEW_TASKS"]).await;
    let first = world.token(client_credentials(&id, &secret)).await;
    let administrator = world.log_in_as_administrator().await;
    let change = json!({"permissions": ["VIEW_EVENTS"]});
    assert_eq!(world.send("PUT", &format!("/clients/{id}"), &administrator, change).await.status, 200);
    let second = world.token(refresh(&id, &first)).await;
    let bearer = format!("Bearer {}", second.body["access_token"].as_str().unwrap());
    let me = world.send("GET", "/users/v1/me", &bearer, Value::Null).await;
    assert_eq!(me.body["permissions"], json!(["VIEW_EVENTS"]));
}

#[tokio::test]
async fn failed_logins_slow_their_source_down_and_lock_nobody_out() {
    let world = World::new().await;
    let (id, secret) = world.client(&[]).await;
    let (administrator, administrator_secret) = world.administrator();
    let log_in = async |address: &str, id: &str, secret: &str| {
        let request = Request::new("POST", "/auth/v2/oauth2/tokens").from_address(address);
        harness::World::send(&world, request.json(client_credentials(id, secret))).await
    };
    let (attacker, other) = ("203.0.113.7", "198.51.100.4");
    for (id, secret) in [(&id, &secret), (&administrator, &administrator_secret)] {
        for _ in 0..10 {
            check(&log_in(attacker, id, "wrong").await, 401, "invalid_client", 124);
        }
        for wait in 1..40 {
            let slowed = log_in(attacker, id, "wrong").await;
            check(&slowed, 400, "invalid_grant", 211);
            assert_eq!(slowed.headers["retry-after"], (wait * 6).min(60).to_string());
        }
        assert_eq!(log_in(other, id, secret).await.status, 200);
        assert_eq!(log_in(attacker, id, secret).await.status, 200, "a right secret is never refused");
        check(&log_in(other, id, "wrong").await, 401, "invalid_client", 124);
    }
    // Whoever tries one client after the other is slowed down as well.
    for n in 0..110 {
        log_in(attacker, &format!("client {n}"), "wrong").await;
    }
    check(&log_in(attacker, "another", "wrong").await, 400, "invalid_grant", 211);
    check(&log_in(other, "another", "wrong").await, 401, "invalid_client", 123);
    assert_eq!(log_in(attacker, &id, &secret).await.status, 200);
    world.advance(600).await;
    check(&log_in(attacker, &id, "wrong").await, 401, "invalid_client", 124);
}

#[tokio::test]
async fn a_failed_login_writes_nothing() {
    let world = World::new().await;
    let (id, _) = world.client(&[]).await;
    world.emulator.reset_aws_calls();
    for _ in 0..20 {
        world.token(client_credentials(&id, "wrong")).await;
    }
    let calls = world.emulator.aws_calls();
    assert!(calls.keys().all(|call| call == "dynamodb.GetItem" || call.starts_with("secretsmanager.")), "{calls:?}");
}

#[tokio::test]
async fn a_login_that_succeeds_writes_only_its_refresh_token() {
    let world = World::new().await;
    let (id, secret) = world.client(&[]).await;
    world.emulator.reset_aws_calls();
    world.log_in(&id, &secret).await;
    let calls = world.emulator.aws_calls();
    let expected = [("dynamodb.GetItem".to_owned(), 1), ("dynamodb.PutItem".to_owned(), 1)];
    assert_eq!(calls.into_iter().collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn a_table_that_does_not_answer_is_a_503_that_may_be_tried_again() {
    let world = World::new().await;
    let (id, secret) = world.client(&[]).await;
    world.emulator.throttle("dynamodb.GetItem", 10);
    let answer = world.token(client_credentials(&id, &secret)).await;
    assert_eq!((answer.status, &answer.body["code"]), (503, &json!(4)), "{answer:?}");
    assert_eq!(answer.headers["retry-after"], "1");
}
