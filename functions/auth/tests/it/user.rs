//! Users and their roles.

use harness::{Answer, Request};
use serde_json::{Value, json};

use crate::support::World;

fn check(answer: &Answer, status: u16, code: u64) {
    assert_eq!((answer.status, answer.body["code"].as_u64()), (status, Some(code)), "{answer:?}");
}

fn password(application: &str, email: &str, password: &str) -> Value {
    json!({"grant_type": "password", "client_id": application, "username": email, "password": password})
}

async fn register(world: &World, body: Value) -> Answer {
    harness::World::send(world, Request::new("POST", "/users/v1/register").json(body)).await
}

#[tokio::test]
async fn anybody_registers_and_may_nothing_until_it_gets_a_role() {
    let world = World::new().await;
    let (application, _) = world.client(&[]).await;
    world.take_events();
    let body = json!({
        "first_name": "Ada", "last_name": "Lovelace", "email": "Ada@Example.com", "password": "correct horse",
        "phone_number": "0", "language": "EN", "time_zone": "Europe/London", "activation_mode": "manual",
    });
    let user = register(&world, body.clone()).await;
    assert_eq!((user.status, &user.body["first_name"]), (200, &json!("Ada")), "{user:?}");
    assert_eq!((&user.body["activation"], &user.body["roles"]), (&json!(false), &json!([])));
    assert!(user.body["creation_timestamp"].is_i64() && user.body.get("password").is_none());
    world.idle().await;
    assert_eq!(world.published("user_created")[0]["content"], json!({"id": user.body["id"]}));
    check(&register(&world, body).await, 400, 203);

    let login = world.token(password(&application, "ada@example.com", "correct horse")).await;
    assert_eq!((login.status, &login.body["user_id"]), (200, &user.body["id"]), "{login:?}");
    assert_eq!(login.body["application_id"], json!(application));
    let bearer = format!("Bearer {}", login.body["access_token"].as_str().unwrap());
    let me = world.send("GET", "/users/v1/me", &bearer, Value::Null).await;
    assert_eq!((&me.body["email"], &me.body["last_name"]), (&json!("Ada@Example.com"), &json!("Lovelace")), "{me:?}");
    assert_eq!((&me.body["permissions"], &me.body["tenantId"]), (&json!([]), &json!("default")));
    check(&world.send("GET", "/users/v1", &bearer, Value::Null).await, 401, 10);
    check(&world.send("GET", "/clients", &bearer, Value::Null).await, 401, 10);
    let wrong = world.token(password(&application, "ada@example.com", "wrong")).await;
    assert_eq!((wrong.status, &wrong.body["exh_error"]["code"]), (400, &json!(106)));
}

#[tokio::test]
async fn registration_without_a_token_can_be_closed() {
    let world = World::closed().await;
    let body = json!({"email": "ada@example.com", "password": "correct horse"});
    check(&register(&world, body.clone()).await, 401, 104);
    let administrator = world.log_in_as_administrator().await;
    let user = world.send("POST", "/users/v1/register", &administrator, body).await;
    assert_eq!((user.status, &user.body["activation"]), (200, &json!(true)), "{user:?}");
}

#[tokio::test]
async fn what_is_wrong_with_a_new_user_is_told() {
    let world = World::new().await;
    let administrator = world.log_in_as_administrator().await;
    let good = json!({"email": "ada@example.com", "password": "correct horse"});
    for (field, value, code) in [
        ("email", json!("ada"), 15),
        ("email", Value::Null, 14),
        ("password", json!("short"), 15),
        ("password", json!("x".repeat(129)), 15),
        ("time_zone", json!("Mars/Base"), 15),
        ("timeZone", json!("Mars/Base"), 15),
        ("language", json!("no language"), 15),
        ("first_name", json!("x".repeat(129)), 15),
        ("activation_mode", json!("never"), 15),
        ("firstname", json!("x"), 15),
        ("roles", json!([]), 15),
    ] {
        let mut body = good.clone();
        body[field] = value;
        if body[field].is_null() {
            body.as_object_mut().unwrap().remove(field);
        }
        let refused = world.send("POST", "/users/v1/register", &administrator, body).await;
        assert_eq!((refused.status, refused.body["code"].as_u64()), (400, Some(code)), "{field} {refused:?}");
    }
    let camel = json!({"email": "a@b.c", "password": "correct horse", "firstName": "A", "lastName": "B", "phoneNumber": "1", "timeZone": "UTC"});
    let user = world.send("POST", "/users/v1/register", &administrator, camel).await;
    assert_eq!((user.status, &user.body["phone_number"]), (200, &json!("1")), "{user:?}");
}

#[tokio::test]
async fn a_role_is_a_named_set_of_permissions_that_users_have() {
    let world = World::new().await;
    let administrator = world.log_in_as_administrator().await;
    let user = world.user("ada@example.com", &[]).await;
    let send = async |method: &str, path: &str, body: Value| world.send(method, path, &administrator, body).await;
    let role = send("POST", "/users/v1/roles", json!({"name": "exh.tasks.f", "description": "d"})).await;
    assert_eq!((role.status, &role.body["permissions"]), (200, &json!([])), "{role:?}");
    check(&send("POST", "/users/v1/roles", json!({"name": "exh.tasks.f"})).await, 400, 17);
    let added = json!({"permissions": ["VIEW_TASKS", "VIEW_EVENTS"]});
    let path = "/users/v1/roles/add_permissions?eq(name,exh%252Etasks%252Ef)";
    assert_eq!(send("POST", path, added).await.body, json!({"affectedRecords": 1}));
    check(&send("POST", path, json!({"permissions": ["VIEW_TASK"]})).await, 400, 15);
    check(&send("POST", "/users/v1/roles/add_permissions", json!({"permissions": []})).await, 400, 19);
    let role_id = role.body["id"].as_str().unwrap();
    let given = send("POST", &format!("/users/v1/add_roles?eq(id,{user})"), json!({"roles": [role_id]})).await;
    assert_eq!(given.body, json!({"affectedRecords": 1}), "{given:?}");
    check(&send("POST", &format!("/users/v1/add_roles?eq(id,{user})"), json!({"roles": ["none"]})).await, 404, 16);
    let shown = send("GET", &format!("/users/v1/{user}"), Value::Null).await;
    let permissions = &shown.body["roles"][0]["permissions"];
    assert_eq!((&permissions[0]["name"], &permissions[1]["name"]), (&json!("VIEW_EVENTS"), &json!("VIEW_TASKS")));
    let (application, _) = world.client(&[]).await;
    let login = world.token(password(&application, "ada@example.com", "correct horse")).await;
    let bearer = format!("Bearer {}", login.body["access_token"].as_str().unwrap());
    let me = world.send("GET", "/users/v1/me", &bearer, Value::Null).await;
    assert_eq!(
        (&me.body["permissions"], &me.body["roles"][0]["name"]),
        (&json!(["VIEW_EVENTS", "VIEW_TASKS"]), &json!("exh.tasks.f"))
    );

    let renamed = send("PUT", &format!("/users/v1/roles/{role_id}"), json!({"name": "readers"})).await;
    assert_eq!((renamed.status, &renamed.body["name"]), (200, &json!("readers")), "{renamed:?}");
    assert_eq!(send("POST", "/users/v1/roles", json!({"name": "exh.tasks.f"})).await.status, 200, "the name is free");
    check(&send("PUT", &format!("/users/v1/roles/{role_id}"), json!({"name": "exh.tasks.f"})).await, 400, 17);
    let listed = send("GET", "/users/v1/roles?eq(permissions.name,VIEW%255FTASKS)", Value::Null).await;
    assert_eq!((&listed.body["page"]["total"], &listed.body["data"][0]["id"]), (&json!(1), &json!(role_id)));
    let taken = send("POST", &format!("/users/v1/remove_roles?eq(id,{user})"), json!({"roles": [role_id]})).await;
    assert_eq!(taken.body, json!({"affectedRecords": 1}));
    check(&send("DELETE", "/users/v1/roles", Value::Null).await, 400, 19);
    assert_eq!(
        send("DELETE", &format!("/users/v1/roles?eq(id,{role_id})"), Value::Null).await.body["affectedRecords"],
        1
    );
    assert_eq!(send("GET", "/users/v1/roles", Value::Null).await.body["page"]["total"], 1);
}

#[tokio::test]
async fn a_change_of_all_that_a_query_finds_takes_conditions_alone() {
    let world = World::new().await;
    let administrator = world.log_in_as_administrator().await;
    let send = async |method: &str, path: &str, body: Value| world.send(method, path, &administrator, body).await;
    world.user("ada@example.com", &["VIEW_TASKS"]).await;
    let count = async |path: &str| send("GET", path, Value::Null).await.body["page"]["total"].clone();
    let before = (count("/users/v1/").await, count("/users/v1/roles").await);
    let requests = [
        ("DELETE", "/users/v1/", Value::Null),
        ("DELETE", "/users/v1/roles", Value::Null),
        ("POST", "/users/v1/roles/add_permissions", json!({"permissions": ["VIEW_EVENTS"]})),
        ("POST", "/users/v1/roles/remove_permissions", json!({"permissions": ["VIEW_TASKS"]})),
        ("POST", "/users/v1/add_roles", json!({"roles": []})),
        ("POST", "/users/v1/remove_roles", json!({"roles": []})),
    ];
    for (method, path, body) in requests {
        for query in
            ["", "&", "sort(id)", "limit(1)", "select(id)", "skipCount()", "and(limit(1))", "ne(id,a)&limit(1,1)"]
        {
            check(&send(method, &format!("{path}?{query}"), body.clone()).await, 400, 19);
        }
    }
    assert_eq!((count("/users/v1/").await, count("/users/v1/roles").await), before);
}

#[tokio::test]
async fn roles_and_permissions_that_are_given_at_once_are_all_given() {
    let world = World::new().await;
    let administrator = world.log_in_as_administrator().await;
    let send = async |method: &str, path: &str, body: Value| world.send(method, path, &administrator, body).await;
    let user = world.user("ada@example.com", &[]).await;
    let mut roles = Vec::new();
    for n in 0..8 {
        let role = send("POST", "/users/v1/roles", json!({"name": format!("role {n}")})).await;
        roles.push(role.body["id"].as_str().unwrap().to_owned());
    }
    let path = format!("/users/v1/add_roles?eq(id,{user})");
    let given = roles.iter().map(|role| send("POST", &path, json!({"roles": [role]})));
    let path = format!("/users/v1/roles/add_permissions?eq(id,{})", roles[0]);
    let permissions = ["VIEW_TASKS", "VIEW_EVENTS", "VIEW_APPS", "VIEW_MAILS"];
    let permitted = permissions.iter().map(|name| send("POST", &path, json!({"permissions": [name]})));
    for answer in futures::future::join_all(given).await.into_iter().chain(futures::future::join_all(permitted).await) {
        assert_eq!(answer.body, json!({"affectedRecords": 1}), "{answer:?}");
    }
    let shown = send("GET", &format!("/users/v1/{user}"), Value::Null).await.body;
    assert_eq!(shown["roles"].as_array().unwrap().len(), 8, "{shown}");
    let named = send("GET", &format!("/users/v1/roles?eq(id,{})", roles[0]), Value::Null).await.body;
    assert_eq!(named["data"][0]["permissions"].as_array().unwrap().len(), 4, "{named}");
    assert_eq!(named["query"], json!(format!("eq(id,{})", roles[0])));
}

#[tokio::test]
async fn nobody_gives_takes_or_takes_over_what_it_does_not_hold() {
    let world = World::new().await;
    let strong = world.user("strong@example.com", &["SEND_MAILS"]).await;
    let held = [
        "CREATE_ROLE",
        "UPDATE_ROLE",
        "DELETE_ROLE",
        "VIEW_ROLE",
        "ADD_ROLE_PERMISSION",
        "REMOVE_ROLE_PERMISSION",
        "ADD_ROLE_TO_USER",
        "REMOVE_ROLE_FROM_USER",
        "VIEW_USER",
        "UPDATE_USER",
        "UPDATE_USER_EMAIL",
        "DELETE_USER",
    ];
    let (id, secret) = world.client(&held).await;
    let weak = world.log_in(&id, &secret).await;
    let send = async |method: &str, path: &str, body: Value| world.send(method, path, &weak, body).await;
    let roles = send("GET", "/users/v1/roles", Value::Null).await;
    let role = roles.body["data"][0]["id"].as_str().unwrap().to_owned();
    let permissions = json!({"permissions": ["SEND_MAILS"]});
    check(&send("POST", &format!("/users/v1/roles/add_permissions?eq(id,{role})"), permissions.clone()).await, 401, 10);
    check(&send("POST", &format!("/users/v1/roles/remove_permissions?eq(id,{role})"), permissions).await, 401, 10);
    check(&send("DELETE", &format!("/users/v1/roles?eq(id,{role})"), Value::Null).await, 401, 10);
    let new = world.user("new@example.com", &[]).await;
    check(&send("POST", &format!("/users/v1/add_roles?eq(id,{new})"), json!({"roles": [role]})).await, 401, 10);
    check(&send("POST", &format!("/users/v1/remove_roles?eq(id,{strong})"), json!({"roles": [role]})).await, 401, 10);
    check(&send("PUT", &format!("/users/v1/{strong}/password"), json!({"password": "taken over"})).await, 401, 10);
    check(&send("PUT", &format!("/users/v1/{strong}/email"), json!({"email": "me@example.com"})).await, 401, 10);
    check(&send("DELETE", &format!("/users/v1/{strong}"), Value::Null).await, 401, 10);
    check(&send("DELETE", &format!("/users/v1?eq(id,{strong})"), Value::Null).await, 401, 10);
    assert_eq!(send("PUT", &format!("/users/v1/{new}/password"), json!({"password": "set by me"})).await.status, 200);
    assert_eq!(send("DELETE", &format!("/users/v1/{new}"), Value::Null).await.status, 200);
}

#[tokio::test]
async fn a_user_lives_from_its_creation_to_its_deletion() {
    let world = World::new().await;
    let administrator = world.log_in_as_administrator().await;
    let user = world.user("ada@example.com", &[]).await;
    let (application, _) = world.client(&[]).await;
    let login = world.token(password(&application, "ada@example.com", "correct horse")).await;
    let bearer = format!("Bearer {}", login.body["access_token"].as_str().unwrap());
    let path = format!("/users/v1/{user}");
    let changed =
        world.send("PUT", &path, &bearer, json!({"first_name": "Augusta", "timeZone": "Europe/London"})).await;
    assert_eq!((changed.status, &changed.body["first_name"]), (200, &json!("Augusta")), "{changed:?}");
    check(&world.send("PUT", &path, &bearer, json!({"activation": true})).await, 401, 10);
    world.take_events();
    let activated = world.send("PUT", &path, &administrator, json!({"activation": true})).await;
    assert_eq!((activated.status, &activated.body["activation"]), (200, &json!(true)));
    let moved = world.send("PUT", &format!("{path}/email"), &bearer, json!({"email": "countess@example.com"})).await;
    assert_eq!((moved.status, &moved.body["email"]), (200, &json!("countess@example.com")), "{moved:?}");
    check(&world.send("PUT", &format!("{path}/email"), &bearer, json!({"email": "x"})).await, 400, 15);
    let other = world.user("ada@example.com", &[]).await;
    check(&world.send("PUT", &format!("{path}/email"), &bearer, json!({"email": "ADA@example.com"})).await, 400, 203);
    check(&world.send("GET", &format!("/users/v1/{other}"), &bearer, Value::Null).await, 401, 10);

    let change = json!({"old_password": "wrong horse", "new_password": "battery staple"});
    check(&world.send("PUT", "/users/v1/password", &bearer, change).await, 401, 106);
    let change = json!({"old_password": "correct horse", "new_password": "battery staple"});
    assert_eq!(world.send("PUT", "/users/v1/password", &bearer, change).await.status, 200);
    let refresh =
        json!({"grant_type": "refresh_token", "client_id": application, "refresh_token": login.body["refresh_token"]});
    let refreshed = world.token(refresh).await;
    assert_eq!(refreshed.body["exh_error"]["code"], 119, "a new password ends what was got with the old one");
    assert_eq!(world.token(password(&application, "countess@example.com", "battery staple")).await.status, 200);
    let confirmed =
        world.send("POST", "/users/v1/confirm_password", &bearer, json!({"password": "battery staple"})).await;
    assert_eq!(confirmed.status, 200, "{confirmed:?}");
    let body = json!({"email": "countess@example.com", "password": "battery staple"});
    assert_eq!(world.send("POST", "/users/v1/authenticate", &administrator, body).await.body["id"], json!(user));

    let deleted = world.send("DELETE", &path, &bearer, Value::Null).await;
    assert_eq!((deleted.status, deleted.body), (200, json!({"affectedRecords": 1})));
    check(&world.send("GET", &path, &administrator, Value::Null).await, 404, 16);
    let gone = world.token(password(&application, "countess@example.com", "battery staple")).await;
    assert_eq!(gone.body["exh_error"]["code"], 106);
    world.idle().await;
    let events = world.take_events();
    let kinds: Vec<&str> = events.iter().map(|event| event["detail-type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["user_activation_completed", "user_created", "password_update_completed", "user_deleted"]);
    assert_eq!(events[0]["detail"]["content"], json!({"user_id": user}));
    assert_eq!(events[3]["detail"]["content"], json!({"id": user}));
    assert!(!format!("{:?}", world.items("PASSWORDS_TABLE").await).contains(&user), "its password is gone with it");
}

#[tokio::test]
async fn the_same_address_in_two_tenants_is_two_users_whom_the_application_tells_apart() {
    let world = World::new().await;
    let administrator = world.log_in_as_administrator().await;
    let new = json!({"name": "theirs", "tenantId": "other", "permissions": ["*"]});
    let theirs = world.send("POST", "/clients", &administrator, new).await.body;
    let (application, _) = world.client(&[]).await;
    let their_application = theirs["clientId"].as_str().unwrap();
    let ours = world.user("ada@example.com", &[]).await;
    let request = Request::new("POST", "/users/v1/register").header("authorization", &administrator);
    let body = json!({"email": "ada@example.com", "password": "another horse"});
    let other = harness::World::send(&world, request.header("x-tenant-id", "other").json(body)).await;
    assert_eq!(other.status, 200, "{other:?}");
    let login = world.token(password(&application, "ada@example.com", "correct horse")).await;
    assert_eq!(login.body["user_id"], json!(ours));
    let login = world.token(password(their_application, "ada@example.com", "another horse")).await;
    assert_eq!(login.body["user_id"], other.body["id"], "{login:?}");
    let wrong = world.token(password(&application, "ada@example.com", "another horse")).await;
    assert_eq!(wrong.body["exh_error"]["code"], 106);
    let path = format!("/users/v1/{}", other.body["id"].as_str().unwrap());
    for (method, body) in [("GET", Value::Null), ("PUT", json!({"first_name": "x"})), ("DELETE", Value::Null)] {
        check(&world.send(method, &path, &administrator, body).await, 404, 16);
    }
    assert_eq!(world.send("GET", "/users/v1", &administrator, Value::Null).await.body["page"]["total"], 1);
    let free = async |email: &str| {
        let path = format!("/users/v1/email_available?email={email}");
        harness::World::send(&world, Request::new("GET", &path)).await.body["email_available"].clone()
    };
    assert_eq!((free("Ada%40example.com").await, free("bob%40example.com").await), (json!(false), json!(true)));
}

#[tokio::test]
async fn failed_logins_of_a_user_wait_and_lock_nobody_out_who_has_been_there() {
    let world = World::new().await;
    let (application, _) = world.client(&[]).await;
    world.user("ada@example.com", &[]).await;
    let log_in = async |address: &str, secret: &str| {
        let request = Request::new("POST", "/auth/v2/oauth2/tokens").from_address(address);
        let body = password(&application, "ada@example.com", secret);
        let answer = harness::World::send(&world, request.json(body)).await;
        let code = answer.body["exh_error"]["code"].as_u64().unwrap_or_default();
        (code, answer.headers.get("retry-after").map(|value| value.as_str().unwrap().to_owned()))
    };
    let (attacker, home) = ("203.0.113.7", "198.51.100.4");
    assert_eq!(log_in(home, "correct horse").await.0, 0);
    for _ in 0..5 {
        assert_eq!(log_in(attacker, "wrong horse").await, (106, None));
    }
    assert_eq!(log_in(attacker, "correct horse").await, (211, Some("1".to_owned())), "it is not looked at");
    for _ in 5..10 {
        world.advance(1).await;
        assert_eq!(log_in(attacker, "wrong horse").await.0, 106);
    }
    assert_eq!(log_in(attacker, "wrong horse").await, (212, Some("60".to_owned())));
    assert_eq!(log_in("192.0.2.55", "correct horse").await.0, 0, "elsewhere nothing has failed");
    for _ in 0..20 {
        assert_eq!(log_in(home, "wrong horse").await.0, 106);
    }
    assert_eq!(log_in(home, "correct horse").await.0, 0, "where the user has been nothing waits");
    world.advance(60).await;
    assert_eq!(log_in(attacker, "correct horse").await.0, 0);
    let unknown = async |email: &str| {
        let request = Request::new("POST", "/auth/v2/oauth2/tokens").from_address("203.0.113.99");
        let answer = harness::World::send(&world, request.json(password(&application, email, "wrong horse"))).await;
        answer.body["exh_error"]["code"].clone()
    };
    let mut codes = Vec::new();
    for _ in 0..6 {
        codes.push(unknown("nobody@example.com").await);
    }
    assert_eq!(codes, [106, 106, 106, 106, 106, 211].map(|code| json!(code)), "nobody learns who is there");
}

#[tokio::test]
async fn many_attempts_at_once_are_not_free() {
    let world = World::new().await;
    let (application, _) = world.client(&[]).await;
    world.user("ada@example.com", &[]).await;
    let attempts = (0..12).map(|_| world.token(password(&application, "ada@example.com", "wrong horse")));
    let answers = futures::future::join_all(attempts).await;
    let count = |code: u64| answers.iter().filter(|answer| answer.body["exh_error"]["code"] == code).count();
    assert_eq!((count(106), count(211)), (5, 7), "{answers:?}");
}

#[tokio::test]
async fn two_registrations_of_one_address_at_once_make_one_user() {
    let world = World::new().await;
    let administrator = world.log_in_as_administrator().await;
    let body = || json!({"email": "ada@example.com", "password": "correct horse"});
    let one = || world.send("POST", "/users/v1/register", &administrator, body());
    let (first, second) = tokio::join!(one(), one());
    let mut statuses = [first.status, second.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 400], "{first:?} {second:?}");
    assert_eq!(world.send("GET", "/users/v1", &administrator, Value::Null).await.body["page"]["total"], 1);
}

#[tokio::test]
async fn a_registration_that_was_cut_off_is_announced_when_it_is_tried_again() {
    let world = World::new().await;
    let administrator = world.log_in_as_administrator().await;
    let body = json!({"email": "ada@example.com", "password": "correct horse"});
    world.emulator.crash_before("eventbridge.PutEvents", 1);
    let request = Request::new("POST", "/users/v1/register").header("authorization", &administrator).json(body.clone());
    let crashed = world.invoke("AuthFunction", request.payload).await;
    assert!(crashed.is_err(), "{crashed:?}");
    assert!(world.published("user_created").is_empty());
    check(&world.send("POST", "/users/v1/register", &administrator, body).await, 400, 203);
    world.idle().await;
    assert_eq!(world.published("user_created").len(), 1);
}

#[tokio::test]
async fn a_new_password_whose_fact_was_cut_off_is_announced_at_the_next_login() {
    let world = World::new().await;
    let (application, _) = world.client(&[]).await;
    let user = world.user("ada@example.com", &[]).await;
    let log_in = async |secret: &str| world.token(password(&application, "ada@example.com", secret)).await;
    let bearer = format!("Bearer {}", log_in("correct horse").await.body["access_token"].as_str().unwrap());
    world.idle().await;
    world.emulator.crash_before("eventbridge.PutEvents", 1);
    let change = json!({"old_password": "correct horse", "new_password": "battery staple"});
    let request = Request::new("PUT", "/users/v1/password").header("authorization", &bearer).json(change);
    let crashed = world.invoke("AuthFunction", request.payload).await;
    assert!(crashed.is_err(), "{crashed:?}");
    assert!(world.published("password_update_completed").is_empty());
    assert_eq!(log_in("correct horse").await.status, 400, "the password is the new one");
    for _ in 0..2 {
        assert_eq!(log_in("battery staple").await.status, 200);
        world.idle().await;
        let facts = world.published("password_update_completed");
        assert_eq!((facts.len(), &facts[0]["content"]), (1, &json!({"user_id": user})), "it is told once");
    }
}

#[tokio::test]
async fn a_password_whose_fact_was_cut_off_is_announced_before_it_has_a_successor() {
    let world = World::new().await;
    let administrator = world.log_in_as_administrator().await;
    let user = world.user("ada@example.com", &[]).await;
    world.idle().await;
    let path = format!("/users/v1/{user}/password");
    world.emulator.crash_before("eventbridge.PutEvents", 1);
    let request = Request::new("PUT", &path).header("authorization", &administrator);
    let crashed = world.invoke("AuthFunction", request.json(json!({"password": "battery staple"})).payload).await;
    assert!(crashed.is_err(), "{crashed:?}");
    assert_eq!(world.send("PUT", &path, &administrator, json!({"password": "better still"})).await.status, 200);
    world.idle().await;
    assert_eq!(world.published("password_update_completed").len(), 2);
}

#[tokio::test]
async fn a_registration_that_has_to_wait_is_told_how_long_and_does_not_wait_longer_for_it() {
    let world = World::new().await;
    let send = async |n: u32| {
        let body = json!({"email": format!("{n}@example.com"), "password": "correct horse"});
        let request = Request::new("POST", "/users/v1/register").from_address("203.0.113.7");
        harness::World::send(&world, request.json(body)).await
    };
    for n in 0..10 {
        assert_eq!(send(n).await.status, 200);
    }
    for _ in 0..3 {
        let refused = send(10).await;
        check(&refused, 429, 9);
        assert_eq!(refused.headers["retry-after"], "6");
        let message = refused.body["message"].as_str().unwrap();
        assert!(message.contains("registered from this address, try again in 6 seconds"), "{message}");
    }
    world.advance(6).await;
    assert_eq!(send(10).await.status, 200);
    check(&send(11).await, 429, 9);
}

#[tokio::test]
async fn the_policy_for_passwords_has_a_pattern_that_takes_spaces() {
    let world = World::new().await;
    let administrator = world.log_in_as_administrator().await;
    let policy = world.send("GET", "/users/v1/password_policy", &administrator, Value::Null).await.body;
    assert_eq!((&policy["minimum_length"], &policy["maximum_length"]), (&json!(8), &json!(128)));
    let pattern = policy["pattern"].as_str().unwrap();
    assert!(pattern.ends_with("{8,128}$") && !pattern.contains("\\s"), "{pattern}");
}

/// Client libraries know a service or a route that does not exist by the code 903, signed in or not.
#[tokio::test]
async fn what_is_no_id_is_the_path_of_an_unknown_service() {
    let world = World::new().await;
    let administrator = world.log_in_as_administrator().await;
    for (method, path) in [
        ("GET", "/users/v1/forgot_password?email=ada%40example.com"),
        ("GET", "/users/v1/activation?email=ada%40example.com"),
        ("POST", "/users/v1/activation"),
        ("PUT", "/users/v1/activation"),
        ("GET", "/users/v1/patients"),
        ("GET", "/users/v1/groups"),
        ("DELETE", "/users/v1/00000000000000000000000g"),
        ("PUT", "/users/v1/groups/email"),
        ("PUT", "/users/v1/0123/password"),
        ("PUT", "/users/v1/roles/none"),
        ("POST", "/users/v1/0123456789abcdef01234567/profile_image"),
        ("GET", "/auth/v2/mfa/users"),
    ] {
        for authorization in ["", administrator.as_str()] {
            check(&world.send(method, path, authorization, Value::Null).await, 404, 903);
        }
    }
    let unknown = "/users/v1/0123456789abcdef01234567";
    check(&world.send("GET", unknown, &administrator, Value::Null).await, 404, 16);
    check(&world.send("GET", unknown, "", Value::Null).await, 401, 104);
    check(&world.send("POST", unknown, &administrator, Value::Null).await, 405, 26);
    for path in ["/users/v1/health", "/auth/v2/health"] {
        let health = world.send("GET", path, "", Value::Null).await;
        assert_eq!((health.status, health.body), (200, json!({"status": "up"})), "{path}");
    }
}

#[tokio::test]
async fn each_activation_is_a_fact_of_its_own_and_is_told_once() {
    let world = World::new().await;
    let administrator = world.log_in_as_administrator().await;
    let user = world.user("ada@example.com", &[]).await;
    let path = format!("/users/v1/{user}");
    for active in [false, true, true, false, true] {
        let changed = world.send("PUT", &path, &administrator, json!({"activation": active})).await;
        assert_eq!((changed.status, &changed.body["activation"]), (200, &json!(active)));
    }
    world.idle().await;
    let events = world.take_events();
    let ids = events.iter().filter(|event| event["detail-type"] == "user_activation_completed");
    let ids: std::collections::BTreeSet<&str> = ids.map(|event| event["detail"]["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 2, "{events:?}");
}

#[tokio::test]
async fn addresses_are_found_whatever_their_case() {
    let world = World::new().await;
    let administrator = world.log_in_as_administrator().await;
    world.user("Ada@Example.com", &[]).await;
    world.user("bob@example.com", &[]).await;
    let found = async |query: &str| {
        let list = world.send("GET", &format!("/users/v1?{query}"), &administrator, Value::Null).await;
        assert_eq!(list.status, 200, "{list:?}");
        let emails = list.body["data"].as_array().unwrap().iter().map(|user| user["email"].as_str().unwrap());
        emails.map(str::to_owned).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(found("eq(email,ada%40example.com)").await, "Ada@Example.com");
    assert_eq!(found("eq(email,ADA%40EXAMPLE.COM)").await, "Ada@Example.com");
    assert_eq!(found("in(email,ADA%40EXAMPLE.COM,x)").await, "Ada@Example.com");
    assert_eq!(found("ne(email,ada%40example.com)").await, "bob@example.com");
    assert_eq!(found("like(email,aDa)").await, "Ada@Example.com");
    assert_eq!(
        found("or(eq(email,ADA%40example.com),eq(email,BOB%40example.com))").await,
        "Ada@Example.com bob@example.com"
    );
}

#[tokio::test]
async fn roles_that_permit_more_than_a_token_can_hold_are_refused_when_they_are_given() {
    let world = World::new().await;
    let administrator = world.log_in_as_administrator().await;
    let user = world.user("ada@example.com", &[]).await;
    let mut roles = Vec::new();
    let many = |role: usize, count: usize| -> Vec<String> {
        (0..count).map(|n| format!("EXECUTE_TASK_FUNCTION:{}{role}{n:03}", "x".repeat(40))).collect()
    };
    for n in 0..2 {
        let new = json!({"name": format!("role{n}")});
        let role = world.send("POST", "/users/v1/roles", &administrator, new).await;
        roles.push(role.body["id"].as_str().unwrap().to_owned());
        let path = format!("/users/v1/roles/add_permissions?eq(name,role{n})");
        let body = json!({"permissions": many(n, 30)});
        assert_eq!(world.send("POST", &path, &administrator, body).await.status, 200);
    }
    let give = async |role: &str| {
        let path = format!("/users/v1/add_roles?eq(id,{user})");
        world.send("POST", &path, &administrator, json!({"roles": [role]})).await
    };
    assert_eq!(give(&roles[0]).await.status, 200);
    assert_eq!(give(&roles[0]).await.status, 200, "what is there already is no more");
    check(&give(&roles[1]).await, 400, 15);
    // Neither does a role that the user has grow beyond it.
    let grow = async |count: usize| {
        let body = json!({"permissions": many(2, count)});
        world.send("POST", "/users/v1/roles/add_permissions?eq(name,role0)", &administrator, body).await
    };
    assert_eq!(grow(5).await.status, 200);
    let shorter = json!({"name": "role2"});
    let small = world.send("POST", "/users/v1/roles", &administrator, shorter).await.body["id"].clone();
    assert_eq!(give(small.as_str().unwrap()).await.status, 200);
    let path = "/users/v1/roles/add_permissions?eq(name,role2)";
    check(&world.send("POST", path, &administrator, json!({"permissions": many(3, 30)})).await, 400, 15);
    let less = json!({"roles": [roles[0]]});
    let path = format!("/users/v1/remove_roles?eq(id,{user})");
    assert_eq!(world.send("POST", &path, &administrator, less).await.status, 200);
    assert_eq!(give(&roles[1]).await.status, 200);
}
