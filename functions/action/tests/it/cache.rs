//! Caches over HTTP: created, filled, read, cleared.

use harness::{Answer, Request, World};
use serde_json::{Value, json};
use shared::table::{Expression, Query};

const RATES: &str = "/caches/shop/rates";
const VALUES: &str = "/caches/shop/rates/values";

async fn world() -> World {
    World::builder().function("ActionFunction", action::function).open().await
}

async fn created() -> World {
    let world = world().await;
    let answer = world.post("/caches", definition("shop", "rates")).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    world
}

fn definition(product: &str, tag: &str) -> Value {
    json!({"product": product, "tag": tag, "name": "Rates", "expiry": 60_000})
}

async fn set(world: &World, key: &str, value: Value) -> Answer {
    world.put(VALUES, json!({"key": key, "value": value})).await
}

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
async fn a_value_is_set_read_listed_and_cleared() {
    let world = created().await;
    let body =
        json!({"key": "a/b ü", "value": {"usd": 1.08}, "componentTag": "rates", "componentType": "job", "expiry": 5});
    let head = world.put(VALUES, body).await.body;
    let expected = json!({
        "key": "a/b ü", "componentTag": "rates", "componentType": "job", "sizeBytes": 12, "active": true,
        "storedTimestamp": "2026-01-02T03:04:05.678Z", "expiresAt": "2026-01-02T03:04:05.683Z",
    });
    assert_eq!(head, expected);
    let path = format!("{VALUES}/a%2Fb%20%C3%BC");
    let mut value = expected.clone();
    value["value"] = json!({"usd": 1.08});
    assert_eq!(world.get(&path).await.body, value);
    assert_eq!(world.get(VALUES).await.body["data"], json!([expected]));
    assert_eq!(world.delete(&path).await.body, json!({"affectedRecords": 1}));
    assert_eq!((world.get(&path).await.status, world.delete(&path).await.status), (404, 404));
    assert_eq!(world.get(VALUES).await.body["page"]["total"], 0);
}

#[tokio::test]
async fn a_value_ends_as_the_cache_says_and_is_counted_until_it_is_removed() {
    let world = created().await;
    set(&world, "one", json!("abc")).await;
    world.advance(59).await;
    set(&world, "two", json!([1, 2])).await;
    assert_eq!(world.get(&format!("{VALUES}/one")).await.body["value"], "abc");
    world.advance(1).await;
    assert_eq!(world.get(&format!("{VALUES}/one")).await.status, 404);
    let expected = json!({"totalValues": 2, "activeValues": 1, "expiredValues": 1, "totalSize": 10});
    assert_eq!(world.get(&format!("{RATES}/dashboard")).await.body, expected);
    let active = world.get(&format!("{VALUES}?eq(active,true)")).await.body;
    assert_eq!((&active["page"]["total"], &active["data"][0]["key"]), (&json!(1), &json!("two")));
    assert_eq!(world.delete(&format!("{VALUES}/one")).await.status, 404, "what has ended is not there");
}

#[tokio::test]
async fn a_list_has_pages() {
    let world = created().await;
    for index in 0..25 {
        set(&world, &format!("k{index:02}"), json!(index)).await;
    }
    let page = world.get(VALUES).await.body;
    assert_eq!(
        (&page["page"], page["data"].as_array().unwrap().len()),
        (&json!({"total": 25, "offset": 0, "limit": 20}), 20)
    );
    let page = world.get(&format!("{VALUES}?limit(10,20)")).await.body;
    assert_eq!((&page["data"][0]["key"], page["data"].as_array().unwrap().len()), (&json!("k20"), 5));
}

#[tokio::test]
async fn thousands_of_values_are_gone_at_once_and_removed_call_by_call() {
    let world = created().await;
    let table = world.environment("ActionFunction").table("ACTION_CACHE_TABLE").unwrap();
    set(&world, "first", json!(1)).await;
    let items: Vec<Value> = table.scan(None, 10).await.unwrap();
    let generation = items.iter().find_map(|item| item["generation"].as_str()).unwrap();
    let item = |index: usize| {
        json!({
            "owner": "default#shop#rates", "record": format!("value#{generation}#k{index}"), "key": format!("k{index}"),
            "componentTag": "", "componentType": "", "sizeBytes": 1, "storedAtMs": 0,
            "expiresAtMs": 1_900_000_000_000_i64, "leaseUntilMs": 0, "expiresAt": 1_900_000_000,
        })
    };
    for hundred in 0..21 {
        let writes = (0..100).map(|index| table.writing(&item(hundred * 100 + index), None).unwrap()).collect();
        assert!(table.transact(writes).await.unwrap().is_empty());
    }
    assert_eq!(world.get(VALUES).await.body["page"]["total"], 2_101);
    assert_eq!(world.delete(VALUES).await.body, json!({"affectedRecords": 1_000, "more": true}));
    assert_eq!(world.get(VALUES).await.body["page"]["total"], 0, "none of them is found any more");
    set(&world, "second", json!(2)).await;
    assert_eq!(world.get(VALUES).await.body["page"]["total"], 1);
    let mut removed = Vec::new();
    loop {
        let cleared = world.delete(VALUES).await.body;
        removed.push(cleared["affectedRecords"].as_u64().unwrap());
        if cleared["more"] == false {
            break;
        }
    }
    assert_eq!(removed, [1_000, 102]);
    assert_eq!(table.scan::<Value>(None, 10).await.unwrap().len(), 1, "the definition alone is left");
}

#[tokio::test]
async fn a_cache_that_is_deleted_takes_its_values_along_also_when_it_is_created_again() {
    let world = created().await;
    set(&world, "one", json!(1)).await;
    assert_eq!(world.delete(RATES).await.body, json!({"affectedRecords": 1}));
    for path in [RATES, VALUES, "/caches/shop/rates/values/one", "/caches/shop/rates/dashboard"] {
        assert_eq!(world.get(path).await.status, 404, "{path}");
    }
    assert_eq!((world.delete(RATES).await.status, set(&world, "one", json!(1)).await.status), (404, 404));
    world.post("/caches", definition("shop", "rates")).await;
    assert_eq!(world.get("/caches/shop/rates/values/one").await.status, 404);
    assert_eq!(world.items("ACTION_CACHE_TABLE").await.len(), 1);
}

#[tokio::test]
async fn caches_are_created_once_listed_and_changed() {
    let world = created().await;
    assert_eq!(world.post("/caches", definition("shop", "rates")).await.body["code"], 17);
    world.post("/caches", definition("store", "rates")).await;
    let list = world.get("/caches?eq(product,store)").await.body;
    assert_eq!((&list["page"]["total"], &list["data"][0]["product"]), (&json!(1), &json!("store")));
    set(&world, "old", json!(1)).await;
    let changed = world.put(RATES, json!({"expiry": 1_000, "description": "d"})).await.body;
    assert_eq!((&changed["expiry"], &changed["name"]), (&json!(1_000), &json!("Rates")));
    assert_eq!(world.get(RATES).await.body, changed);
    assert_eq!(set(&world, "new", json!(1)).await.body["expiresAt"], "2026-01-02T03:04:06.678Z");
    let old = world.get("/caches/shop/rates/values/old").await.body;
    assert_eq!(old["expiresAt"], "2026-01-02T03:05:05.678Z", "a change keeps the values and their ends");
    for (name, value) in [
        ("expiry", json!(0)),
        ("expiry", json!(-5)),
        ("expiry", json!(1.5)),
        ("expiry", json!(40_000_000_000_000_i64)),
        ("tag", json!("a#b")),
        ("product", json!("a b")),
        ("name", json!("x".repeat(257))),
        ("ttl", json!(1)),
    ] {
        let mut body = definition("shop", "other");
        body[name] = value;
        let answer = world.post("/caches", body).await;
        assert!(answer.status == 400 && answer.body["message"].as_str().unwrap().contains(name), "{}", answer.body);
    }
}

#[tokio::test]
async fn what_cannot_be_a_value_is_refused() {
    let world = created().await;
    let check = async |body: Value, status: u16, part: &str| {
        let answer = world.put(VALUES, body).await;
        assert_eq!(answer.status, status, "{}", answer.body);
        assert!(answer.body["message"].as_str().unwrap().contains(part), "{}", answer.body);
    };
    check(json!({"key": "", "value": 1}), 400, "key").await;
    check(json!({"key": "x".repeat(513), "value": 1}), 400, "key").await;
    check(json!({"key": "k"}), 400, "value").await;
    check(json!({"key": "k", "value": 1, "expiry": 0}), 400, "expiry").await;
    check(json!({"key": "k", "value": 1, "componentTag": "x".repeat(257)}), 400, "componentTag").await;
    let mut state = 7_u32;
    let noise: String = (0..700_000)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            char::from(b'!' + u8::try_from((state >> 24) % 90).unwrap())
        })
        .map(|char| if char == '\\' || char == '"' { 'x' } else { char })
        .collect();
    check(json!({"key": "k", "value": noise}), 413, "value").await;
    for value in [json!(null), json!(false), json!({"": 1e300}), json!("x".repeat(900_000))] {
        assert_eq!(set(&world, &"k".repeat(512), value.clone()).await.status, 200);
        assert_eq!(world.get(&format!("{VALUES}/{}", "k".repeat(512))).await.body["value"], value);
    }
}

#[tokio::test]
async fn values_are_sealed_and_rotation_seals_them_again() {
    let world = created().await;
    set(&world, "one", json!("planted-secret")).await;
    let table = world.environment("ActionFunction").table("ACTION_CACHE_TABLE").unwrap();
    let stored = async || {
        let of_cache = Expression::new("#owner = :owner").name("#owner", "owner").value(":owner", "default#shop#rates");
        table.query_rows(Query::new(of_cache)).await.unwrap().pop().unwrap()
    };
    let row = stored().await;
    assert_eq!(row.attribute::<String>("key").as_deref(), Some("one"));
    assert!(!format!("{row:?}").contains("planted"), "{row:?}");
    assert_eq!(world.post("/actions/rotate", json!({})).await.body, json!({"resealed": 0, "more": false}));
    let mut ring: Value = serde_json::from_str(&world.emulator.secret("KeyRing").unwrap()).unwrap();
    let old = ring["current"].as_str().unwrap().to_owned();
    ring["new"] = "another key material of sufficient length, 0123456789".into();
    ring["current"] = "new".into();
    change_ring(&world, &ring).await;
    assert_eq!(world.post("/actions/rotate", json!({})).await.body, json!({"resealed": 1, "more": false}));
    assert_eq!(stored().await.attribute::<String>("keyVersion").as_deref(), Some("new"));
    ring.as_object_mut().unwrap().remove(&old);
    change_ring(&world, &ring).await;
    let token = world.token("default", &["*"]).await;
    let request = Request::new("GET", &format!("{VALUES}/one")).bearer(&token);
    assert_eq!(world.send(request).await.body["value"], "planted-secret");
}

#[tokio::test]
async fn each_permission_opens_its_routes_and_another_tenant_finds_nothing() {
    let world = created().await;
    set(&world, "one", json!(1)).await;
    set(&world, "two", json!(1)).await;
    let routes = [
        ("VIEW_CACHES", "GET", "/caches", Value::Null),
        ("VIEW_CACHES", "GET", RATES, Value::Null),
        ("VIEW_CACHES", "GET", VALUES, Value::Null),
        ("VIEW_CACHES", "GET", "/caches/shop/rates/values/one", Value::Null),
        ("VIEW_CACHES", "GET", "/caches/shop/rates/dashboard", Value::Null),
        ("UPDATE_CACHES", "POST", "/caches", definition("shop", "second")),
        ("UPDATE_CACHES", "PUT", RATES, json!({"name": "n"})),
        ("UPDATE_CACHES", "PUT", VALUES, json!({"key": "three", "value": 1})),
        ("UPDATE_CACHES", "DELETE", "/caches/shop/rates/values/one", Value::Null),
        ("UPDATE_CACHES", "DELETE", VALUES, Value::Null),
        ("UPDATE_CACHES", "DELETE", RATES, Value::Null),
    ];
    for (permission, method, path, body) in routes {
        let other = if permission == "VIEW_CACHES" { "UPDATE_CACHES" } else { "VIEW_CACHES" };
        assert_eq!(send(&world, "default", &[other], method, path, body.clone()).await.status, 401, "{method} {path}");
        if path != "/caches" {
            assert_eq!(send(&world, "other", &["*"], method, path, body.clone()).await.status, 404, "{method} {path}");
        }
        let answer = send(&world, "default", &[permission], method, path, body).await;
        assert_eq!(answer.status, 200, "{method} {path}: {}", answer.body);
    }
    assert_eq!(send(&world, "other", &["*"], "GET", "/caches", Value::Null).await.body["data"], json!([]));
}
