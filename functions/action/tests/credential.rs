//! Secrets over HTTP, the rotation of keys, and where no secret ever is.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails by panicking")]

use std::fs;
use std::path::Path;
use std::sync::Mutex;

use harness::{Answer, Request, World};
use serde_json::{Value, json};
use shared::table::SealedAttributes;
use shared::{Environment, SharedKeyRing};
use tempfile::tempdir;

const FUNCTION: &str = "ActionFunction";
const PLANTED: &str = "planted-in-a-secret/é";
const REPLANTED: &str = "planted-in-a-changed-secret";
const MISPLACED: &str = "planted-where-it-is-refused";

static SEALED: SealedAttributes = SealedAttributes { key: &["tenantId", "key"], apart: &[&["value"]], together: &[] };

async fn world() -> World {
    World::builder().function(FUNCTION, action::function).open().await
}

fn secret(key: &str) -> Value {
    json!({"key": key, "value": PLANTED})
}

async fn created(world: &World, secret: Value) -> Value {
    let answer = world.post("/secrets", secret).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body
}

#[tokio::test]
async fn a_secret_is_created_listed_shown_changed_and_deleted_without_its_value() {
    let world = world().await;
    let whole = json!({
        "key": "WAREHOUSE_KEY", "value": PLANTED, "description": "Signs orders.", "token_type": "access",
        "scope": ["warehouse"], "envs": ["prd"], "expires_at": 1_893_456_000,
    });
    let expected = json!({
        "key": "WAREHOUSE_KEY", "description": "Signs orders.", "token_type": "access", "scope": ["warehouse"],
        "envs": ["prd"], "expires_at": 1_893_456_000, "status": "active",
        "created_at": harness::NOW, "updated_at": harness::NOW,
    });
    assert_eq!(created(&world, whole.clone()).await, expected);
    created(&world, secret("A")).await;
    assert_eq!(world.get("/secrets/WAREHOUSE_KEY").await.body, expected);
    let list = world.get("/secrets").await.body;
    assert_eq!(
        (&list["page"]["total"], &list["data"][0]["key"], &list["data"][1]),
        (&json!(2), &json!("A"), &expected)
    );
    let found = world.get("/secrets?eq(token_type,access)&select(key)").await.body;
    assert_eq!(found["data"], json!([{"key": "WAREHOUSE_KEY"}]));

    let again = world.post("/secrets", whole).await;
    assert_eq!((again.status, &again.body["name"]), (409, &json!("RESOURCE_ALREADY_EXISTS_EXCEPTION")));

    world.advance(1).await;
    let changed =
        world.put("/secrets/WAREHOUSE_KEY", json!({"value": REPLANTED, "envs": [], "expires_at": null})).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    let expected = json!({
        "key": "WAREHOUSE_KEY", "description": "Signs orders.", "token_type": "access", "scope": ["warehouse"],
        "envs": [], "expires_at": null, "status": "active",
        "created_at": harness::NOW, "updated_at": "2026-01-02T03:04:06.678Z",
    });
    assert_eq!(changed.body, expected);
    assert_eq!(world.get("/secrets/WAREHOUSE_KEY").await.body, expected);

    assert_eq!(world.delete("/secrets/WAREHOUSE_KEY").await.body, json!({"affectedRecords": 1}));
    for answer in [world.get("/secrets/WAREHOUSE_KEY").await, world.delete("/secrets/WAREHOUSE_KEY").await] {
        assert_eq!((answer.status, &answer.body["code"]), (404, &json!(16)));
    }
}

#[tokio::test]
async fn a_revoked_secret_stays_revoked_and_its_value_is_forgotten() {
    let world = world().await;
    created(&world, secret("KEY")).await;
    for _ in 0..2 {
        let revoked = world.post("/secrets/KEY/revoke", json!({})).await;
        assert_eq!((revoked.status, &revoked.body["status"]), (200, &json!("revoked")));
    }
    let items = world.items("SECRETS_TABLE").await;
    assert_eq!((items.len(), items[0].get("value")), (1, None));
    let changed = world.put("/secrets/KEY", json!({"value": REPLANTED})).await;
    assert_eq!((changed.status, &changed.body["code"]), (400, &json!(27)));
    assert_eq!(world.post("/secrets/NONE/revoke", json!({})).await.status, 404);
    assert_eq!(world.delete("/secrets/KEY").await.status, 200);
    assert_eq!(created(&world, secret("KEY")).await["status"], "active");
}

#[tokio::test]
async fn a_secret_that_is_over_says_so() {
    let world = world().await;
    let end = "2026-01-02T03:04:10Z".parse::<jiff::Timestamp>().unwrap().as_second();
    created(&world, json!({"key": "KEY", "value": PLANTED, "expires_at": end})).await;
    world.advance(4).await;
    assert_eq!(world.get("/secrets/KEY").await.body["status"], "active");
    world.advance(1).await;
    assert_eq!(world.get("/secrets?eq(status,expired)").await.body["data"][0]["key"], "KEY");
}

#[tokio::test]
async fn what_no_secret_can_be_is_refused_by_name_and_not_quoted() {
    let world = world().await;
    let check = async |change: Value, named: &str| {
        let mut body = json!({"key": "KEY", "value": MISPLACED});
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        body.as_object_mut().unwrap().retain(|_, value| value != "absent");
        let answer = world.post("/secrets", body.clone()).await;
        let text = answer.body.to_string();
        assert_eq!(answer.status, 400, "{body} is answered {text}");
        assert!(text.contains(named) && !text.contains(MISPLACED), "{body} is answered {text}");
    };
    check(json!({"key": "a b"}), "`key`").await;
    check(json!({"key": ""}), "`key`").await;
    check(json!({"key": "absent"}), "`key`").await;
    check(json!({"value": "absent"}), "`value`").await;
    check(json!({"value": ""}), "`value`").await;
    check(json!({"value": {"inner": MISPLACED}}), "`value`").await;
    check(json!({"value": format!("{MISPLACED}{}", "x".repeat(16 * 1024))}), "`value`").await;
    check(json!({"valeu": "x"}), "`valeu`").await;
    check(json!({"token_type": "apy"}), "`token_type`").await;
    check(json!({"scope": ["a b"]}), "`scope").await;
    check(json!({"scope": (0..101).map(|at| format!("a{at}")).collect::<Vec<_>>()}), "`scope`").await;
    check(json!({"envs": ["production"]}), "`envs").await;
    check(json!({"expires_at": "tomorrow"}), "`expires_at`").await;
    check(json!({"expires_at": 0}), "`expires_at`").await;
    // Milliseconds.
    check(json!({"expires_at": 1_893_456_000_000_u64}), "`expires_at`").await;
    check(json!({"description": "x".repeat(1_001)}), "`description`").await;
    assert_eq!(world.items("SECRETS_TABLE").await, Vec::<Value>::new());
}

#[tokio::test]
async fn secrets_need_their_permissions_and_belong_to_a_tenant() {
    let world = world().await;
    created(&world, secret("KEY")).await;
    let routes = [
        ("GET", "/secrets", "VIEW_SECRETS"),
        ("GET", "/secrets/KEY", "VIEW_SECRETS"),
        ("POST", "/secrets", "CREATE_SECRETS"),
        ("PUT", "/secrets/KEY", "UPDATE_SECRETS"),
        ("POST", "/secrets/KEY/revoke", "UPDATE_SECRETS"),
        ("DELETE", "/secrets/KEY", "DELETE_SECRETS"),
    ];
    let all = ["VIEW_SECRETS", "CREATE_SECRETS", "UPDATE_SECRETS", "DELETE_SECRETS"];
    for (method, path, permission) in routes {
        let others: Vec<&str> = all.into_iter().filter(|other| *other != permission).collect();
        let weak = world.token("default", &others).await;
        let refused = world.send(Request::new(method, path).bearer(&weak).json(json!({}))).await;
        assert_eq!((refused.status, &refused.body["code"]), (401, &json!(10)), "{method} {path}");
        let stranger = world.token("other", &all).await;
        let answer = world.send(Request::new(method, path).bearer(&stranger).json(json!({}))).await;
        match path {
            "/secrets" => assert!(!answer.body.to_string().contains("KEY"), "{answer:?}"),
            _ => assert_eq!(answer.status, 404, "{method} {path}"),
        }
    }
    assert_eq!(world.get("/secrets/KEY").await.body["status"], "active");
}

#[tokio::test]
async fn two_who_create_the_same_secret_get_one_and_a_lost_answer_none_twice() {
    let world = world().await;
    let (first, second) = futures::join!(world.post("/secrets", secret("KEY")), world.post("/secrets", secret("KEY")));
    let mut statuses = [first.status, second.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409]);
    world.emulator.lose_reply("dynamodb.PutItem", 1);
    created(&world, secret("ANOTHER")).await;
    assert_eq!(world.items("SECRETS_TABLE").await.len(), 2);
}

/// Adds a key to the ring, or makes it the current one, as an operator does.
async fn change_ring(world: &World, change: impl FnOnce(&mut Value)) {
    let mut ring: Value = serde_json::from_str(&world.emulator.secret("KeyRing").unwrap()).unwrap();
    change(&mut ring);
    let client = aws_sdk_secretsmanager::Client::new(&world.emulator.sdk_config());
    let id = world.environment(FUNCTION).config.required("KEY_RING_SECRET").unwrap();
    client.put_secret_value().secret_id(id).secret_string(ring.to_string()).send().await.unwrap();
}

#[tokio::test]
async fn after_a_rotation_secrets_are_sealed_with_the_new_key() {
    let world = world().await;
    for at in 0..3 {
        created(&world, secret(&format!("KEY-{at}"))).await;
    }
    change_ring(&world, |ring| ring["2"] = "another key material of sufficient length, 0123456789".into()).await;
    change_ring(&world, |ring| ring["current"] = "2".into()).await;
    world.restart();
    let rotated = world.post("/actions/rotate", json!({})).await;
    assert_eq!((rotated.status, rotated.body), (200, json!({"resealed": 3, "more": false})));
    assert_eq!(world.post("/actions/rotate", json!({})).await.body, json!({"resealed": 0, "more": false}));
    // As a process reads them that has never had the old key.
    change_ring(&world, |ring| assert!(ring.as_object_mut().unwrap().remove("1").is_some())).await;
    let environment = world.environment(FUNCTION).clone();
    let environment = Environment { key_ring: SharedKeyRing::default(), ..environment };
    let items: Vec<Value> = environment.sealed_table("SECRETS_TABLE", &SEALED).unwrap().scan(None, 10).await.unwrap();
    let values: Vec<Value> = items.iter().map(|item| item["value"].clone()).collect();
    assert_eq!(values, [PLANTED; 3]);
}

/// What all tests of this process have logged.
static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Log;

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LOG.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Returns the files that have one of these texts in them.
fn files_with(directory: &Path, texts: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_with(&path, texts));
            continue;
        }
        let content = fs::read(&path).unwrap();
        let has = |text: &&&str| content.windows(text.len()).any(|window| window == text.as_bytes());
        found.extend(texts.iter().find(has).map(|text| format!("{} has {text}", path.display())));
    }
    found
}

#[tokio::test]
async fn planted_secrets_are_in_no_answer_event_log_or_file() {
    let filter = "action=trace,shared=trace,aws_smithy_runtime=trace,hyper_util=trace,reqwest=trace";
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false);
    subscriber.with_writer(|| Log).try_init().unwrap();
    let data = tempdir().unwrap();
    let world = World::builder().function(FUNCTION, action::function).directory(data.path()).open().await;
    let credentials = "/products/shop/apps/warehouse/credentials/dev/main";
    let answers: Vec<Answer> = vec![
        world.post("/secrets", secret("KEY")).await,
        world.post("/secrets", secret("KEY")).await,
        world.post("/secrets", json!({"key": "OTHER", "value": [MISPLACED]})).await,
        world.post("/secrets", json!({"key": "OTHER", "value": MISPLACED, "envs": "all"})).await,
        world.put("/secrets/KEY", json!({"value": REPLANTED})).await,
        world.put("/secrets/KEY", json!({"value": MISPLACED, "scope": 5})).await,
        world.put("/secrets/NONE", json!({"value": MISPLACED})).await,
        world.put(credentials, json!({"data": {"token": MISPLACED}})).await,
        world.get("/secrets").await,
        world.get("/secrets/KEY").await,
        world.get(credentials).await,
        world.post("/actions/rotate", json!({})).await,
    ];
    let texts = [PLANTED, REPLANTED, MISPLACED];
    let items = world.items("SECRETS_TABLE").await;
    assert_eq!(items[0]["value"], REPLANTED, "the secret is there to be found");
    for answer in &answers {
        assert!(!texts.iter().any(|text| format!("{answer:?}").contains(text)), "{answer:?}");
    }
    let events = format!("{:?}{:?}", world.events_on_bus(), world.events());
    assert!(!texts.iter().any(|text| events.contains(text)), "{events}");
    assert_eq!(files_with(data.path(), &texts), Vec::<String>::new());
    drop(world);
    assert_eq!(files_with(data.path(), &texts), Vec::<String>::new(), "after the end");
    let log = String::from_utf8_lossy(&LOG.lock().unwrap()).into_owned();
    assert!(log.contains("TRACE"), "something is logged");
    let found: Vec<&str> = log.lines().filter(|line| texts.iter().any(|text| line.contains(text))).collect();
    assert_eq!(found, Vec::<&str>::new());
}
