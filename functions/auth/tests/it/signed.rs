//! Tokens with which requests are signed.

use harness::{Answer, Request};
use serde_json::{Value, json};

use crate::signature::{HOST, Signature};
use crate::support::World;

const TOKENS: &str = "/auth/v2/oauth1/tokens";
const ME: &str = "/users/v1/me";

async fn send(world: &World, request: Request) -> Answer {
    harness::World::send(world, request).await
}

/// Logs in for good.
async fn log_in(world: &World, consumer: &(String, String), nonce: &str, email: &str, password: &str) -> Answer {
    let request = Signature::new(consumer, nonce).request("POST", TOKENS);
    send(world, request.json(json!({"email": email, "password": password}))).await
}

fn check(answer: &Answer, status: u16, code: u64) {
    assert_eq!((answer.status, answer.body["code"].as_u64()), (status, Some(code)), "{answer:?}");
}

#[tokio::test]
async fn a_user_signs_in_for_good_and_may_what_its_roles_permit_now() {
    let world = World::new().await;
    let consumer = world.client(&[]).await;
    let user = world.user("ada@example.com", &["VIEW_CLIENTS"]).await;
    let login = log_in(&world, &consumer, "login", "Ada@Example.com", "correct horse").await;
    assert_eq!(login.status, 200, "{login:?}");
    assert_eq!((&login.body["userId"], &login.body["applicationId"]), (&json!(user), &json!(consumer.0)));
    assert_eq!(login.body["token"].as_str().map(str::len), Some(48));

    let signature = |nonce: &str| Signature::new(&consumer, nonce).token(&login.body);
    let me = send(&world, signature("1").request("GET", ME)).await;
    assert_eq!((me.status, &me.body["email"]), (200, &json!("ada@example.com")), "{me:?}");
    assert_eq!((&me.body["id"], &me.body["applicationId"]), (&json!(user), &json!(consumer.0)));
    let list = format!("/clients?eq(clientId,{})&limit(5)&sort(+name)", consumer.0);
    let listed = send(&world, signature("2").request("GET", &list)).await;
    assert_eq!((listed.status, &listed.body["page"]["total"]), (200, &json!(1)), "{listed:?}");

    // What is taken away is gone with the next request.
    let administrator = world.log_in_as_administrator().await;
    let body = json!({"permissions": ["VIEW_CLIENTS"]});
    let taken = world.send("POST", "/users/v1/roles/remove_permissions?like(name,role)", &administrator, body).await;
    assert_eq!((taken.status, &taken.body["affectedRecords"]), (200, &json!(1)), "{taken:?}");
    check(&send(&world, signature("3").request("GET", "/clients")).await, 401, 10);
    let deleted = world.send("DELETE", &format!("/users/v1/{user}"), &administrator, Value::Null).await;
    assert_eq!(deleted.status, 200, "{deleted:?}");
    check(&send(&world, signature("4").request("GET", ME)).await, 401, 108);
}

#[tokio::test]
async fn a_signature_is_good_for_one_request_at_its_time() {
    let world = World::new().await;
    let consumer = world.client(&[]).await;
    let login = log_in(&world, &consumer, "login", &consumer.0, &consumer.1).await;
    assert_eq!((login.status, &login.body["userId"]), (200, &json!(consumer.0)), "{login:?}");
    let signature = Signature::new(&consumer, "1").token(&login.body);
    let request = || signature.request("GET", ME);
    assert_eq!(send(&world, request()).await.status, 200);
    check(&send(&world, request()).await, 401, 110);
    let again = log_in(&world, &consumer, "login", &consumer.0, &consumer.1).await;
    check(&again, 401, 110);

    let other = |change: &dyn Fn(&mut Signature)| {
        let mut signature = signature.clone();
        signature.nonce = "other".to_owned();
        change(&mut signature);
        signature.request("GET", ME)
    };
    check(&send(&world, other(&|s| s.timestamp_s -= 301)).await, 401, 109);
    check(&send(&world, other(&|s| s.timestamp_s += 301)).await, 401, 109);
    check(&send(&world, other(&|s| s.consumer.1.push('x'))).await, 401, 109);
    check(&send(&world, other(&|s| s.token.as_mut().unwrap().1.push('x'))).await, 401, 109);
    check(&send(&world, other(&|s| s.base = "https://other.example.com".to_owned())).await, 401, 109);
    check(&send(&world, other(&|s| s.consumer.0 = "nobody".to_owned())).await, 401, 107);
    check(&send(&world, other(&|s| s.token.as_mut().unwrap().0.push('x'))).await, 401, 108);
    check(&send(&world, other(&|s| s.token = None)).await, 401, 108);
    let forged = Request::new("GET", "/clients").header("host", HOST);
    check(&send(&world, forged.header("authorization", &signature.header("GET", ME))).await, 401, 109);
    // None of these has used the nonce up.
    assert_eq!(send(&world, other(&|s| s.timestamp_s -= 300)).await.status, 200);
    world.advance(602).await;
    let later = |s: &mut Signature| s.timestamp_s += 602;
    assert_eq!(send(&world, other(&later)).await.status, 200, "nonces are forgotten after the window");
}

#[tokio::test]
async fn the_url_is_signed_as_the_client_calls_it() {
    let world = World::new().await;
    let consumer = world.client(&[]).await;
    let login = log_in(&world, &consumer, "login", &consumer.0, &consumer.1).await;
    let signature = |nonce: &str| Signature::new(&consumer, nonce).token(&login.body);
    for (nonce, path) in [("1", "/localhost/users/v1/me"), ("2", "/users/v1/me/"), ("3", "/localhost/users/v1/me/?a=b")]
    {
        let answer = send(&world, signature(nonce).request("GET", path)).await;
        assert_eq!(answer.status, 200, "{path} {answer:?}");
    }
    for (nonce, base) in [("4", "http://localhost:8787"), ("5", "http://hookyard:8787"), ("6", "https://hookyard:8787")]
    {
        let local = Signature { base: base.to_owned(), ..signature(nonce) };
        let request = Request::new("GET", ME).header("host", base.split("//").nth(1).unwrap());
        let answer = send(&world, request.header("authorization", &local.header("GET", ME))).await;
        assert_eq!(answer.status, 200, "{base} {answer:?}");
    }
}

#[tokio::test]
async fn tokens_are_listed_without_secrets_and_end_when_they_are_deleted() {
    let world = World::new().await;
    let (consumer, other) = (world.client(&[]).await, world.client(&[]).await);
    let login = log_in(&world, &consumer, "login", &consumer.0, &consumer.1).await;
    let signature = |nonce: &str| Signature::new(&consumer, nonce).token(&login.body);
    let stranger = log_in(&world, &other, "login", &other.0, &other.1).await;
    let listed = send(&world, signature("1").request("GET", TOKENS)).await;
    assert_eq!((&listed.body["page"]["total"], &listed.body["data"][0]["id"]), (&json!(1), &login.body["id"]));
    assert!(!listed.body.to_string().contains("ecret"), "{listed:?}");
    let path = |login: &Answer| format!("{TOKENS}/{}", login.body["id"].as_str().unwrap());
    check(&send(&world, signature("2").request("DELETE", &path(&stranger))).await, 404, 16);
    let deleted = send(&world, signature("3").request("DELETE", &path(&login))).await;
    assert_eq!((deleted.status, &deleted.body["affectedRecords"]), (200, &json!(1)), "{deleted:?}");
    check(&send(&world, signature("4").request("GET", ME)).await, 401, 108);
    let administrator = world.log_in_as_administrator().await;
    let all = world.send("GET", TOKENS, &administrator, Value::Null).await;
    assert_eq!(all.body["page"]["total"], 1);
}

#[tokio::test]
async fn a_new_secret_or_a_new_password_ends_the_tokens() {
    let world = World::new().await;
    let consumer = world.client(&[]).await;
    let user = world.user("ada@example.com", &[]).await;
    let login = log_in(&world, &consumer, "login", "ada@example.com", "correct horse").await;
    let administrator = world.log_in_as_administrator().await;
    let signature = |nonce: &str| Signature::new(&consumer, nonce).token(&login.body);
    assert_eq!(send(&world, signature("1").request("GET", ME)).await.status, 200);
    let path = format!("/users/v1/{user}/password");
    let set = world.send("PUT", &path, &administrator, json!({"password": "battery staple"})).await;
    assert_eq!(set.status, 200, "{set:?}");
    check(&send(&world, signature("2").request("GET", ME)).await, 401, 108);
    let login = log_in(&world, &consumer, "again", "ada@example.com", "battery staple").await;
    assert_eq!(login.status, 200, "{login:?}");
    let rotated = world.send("POST", &format!("/clients/{}/secret", consumer.0), &administrator, Value::Null).await;
    let rotated = (consumer.0.clone(), rotated.body["clientSecret"].as_str().unwrap().to_owned());
    let signature = Signature::new(&rotated, "3").token(&login.body);
    check(&send(&world, signature.request("GET", ME)).await, 401, 108);
}

#[tokio::test]
async fn nobody_signs_in_for_good_through_the_client_of_another_tenant_or_as_the_administrator() {
    let world = World::new().await;
    let consumer = world.client(&[]).await;
    let administrator = world.log_in_as_administrator().await;
    let new = json!({"name": "theirs", "tenantId": "other", "permissions": ["*"]});
    let theirs = world.send("POST", "/clients", &administrator, new).await.body;
    let theirs = (theirs["clientId"].as_str().unwrap().to_owned(), theirs["clientSecret"].as_str().unwrap().to_owned());
    world.user("ada@example.com", &[]).await;
    check(&log_in(&world, &theirs, "1", "ada@example.com", "correct horse").await, 401, 106);
    check(&log_in(&world, &consumer, "2", &theirs.0, &theirs.1).await, 401, 106);
    check(&log_in(&world, &consumer, "3", "ada@example.com", "wrong horse").await, 401, 106);
    check(&log_in(&world, &consumer, "4", "bob@example.com", "correct horse").await, 401, 106);
    let (id, secret) = world.administrator();
    check(&log_in(&world, &consumer, "5", &id, &secret).await, 400, 26);
    let mfa = send(&world, Request::new("POST", "/auth/v2/oauth1/tokens/mfa").json(json!({}))).await;
    check(&mfa, 400, 27);
}
