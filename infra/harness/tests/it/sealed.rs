//! Attributes that are sealed together, in a table of the real engine.

use harness::World;
use serde_json::{Value, json};
use shared::seal::Resealed;
use shared::table::{Expression, Query, SealedAttributes, Table, is_new};
use shared::{Environment, SharedKeyRing};

use crate::gather::world;

static SEALED: SealedAttributes = SealedAttributes {
    key: &["eventId", "item"],
    apart: &[&["tag"]],
    together: &[&["text"], &["notes"], &["claim", "answer"]],
};

/// The same attributes, each sealed by itself.
static ALL_APART: SealedAttributes = SealedAttributes {
    key: &["eventId", "item"],
    apart: &[&["tag"], &["text"], &["notes"], &["claim", "answer"]],
    together: &[],
};

fn table(world: &World) -> Table {
    world.environment("DispatcherFunction").sealed_table("RUNS_TABLE", &SEALED).unwrap()
}

fn key() -> Value {
    json!({"eventId": "e", "item": "i"})
}

fn item() -> Value {
    json!({
        "eventId": "e", "item": "i", "tag": "planted tag", "text": "planted text", "notes": ["planted", 1],
        "claim": {"owner": "o", "answer": "planted answer"}, "plain": 1,
    })
}

async fn read(table: &Table) -> Value {
    table.get(&key()).await.unwrap().unwrap()
}

async fn written(table: &Table) {
    assert!(table.put_if(&item(), is_new("eventId")).await.unwrap());
}

#[tokio::test]
async fn what_is_sealed_together_is_one_value_at_rest_and_reads_as_it_was() {
    let world = world().await;
    let table = table(&world);
    written(&table).await;
    let rows = table.query_rows(Query::new(Expression::new("eventId = :id").value(":id", "e"))).await.unwrap();
    let shown = format!("{rows:?}");
    assert!(!shown.contains("planted"), "{shown}");
    assert_eq!(shown.matches("Blob").count(), 2, "{shown}");
    assert_eq!(read(&table).await, item());
}

#[tokio::test]
async fn a_condition_still_tells_whether_a_sealed_attribute_is_there() {
    let world = world().await;
    let table = table(&world);
    written(&table).await;
    let unanswered = Expression::new("claim.#owner = :owner AND attribute_not_exists(claim.answer)");
    let unanswered = unanswered.name("#owner", "owner").value(":owner", "o");
    let answered = Expression::new("attribute_exists(claim.answer)");
    for (condition, is_met) in [(unanswered, false), (answered, true)] {
        let change = Expression::new("SET plain = :two").value(":two", 2);
        assert_eq!(table.update_if(&key(), change, condition).await.unwrap(), is_met);
    }
    assert_eq!(read(&table).await["plain"], 2);
}

#[tokio::test]
async fn what_an_update_removes_or_replaces_does_not_come_back() {
    let world = world().await;
    let table = table(&world);
    written(&table).await;
    let change = Expression::new("SET notes = :notes REMOVE claim.answer").value(":notes", "replaced");
    assert!(table.update_if(&key(), change, Expression::new("attribute_exists(eventId)")).await.unwrap());
    let mut expected = item();
    expected["notes"] = "replaced".into();
    expected["claim"] = json!({"owner": "o"});
    assert_eq!(read(&table).await, expected);
}

#[tokio::test]
async fn what_was_sealed_apart_is_read_and_sealed_again() {
    let world = world().await;
    let environment = world.environment("DispatcherFunction");
    written(&environment.sealed_table("RUNS_TABLE", &ALL_APART).unwrap()).await;
    assert_eq!(read(&table(&world)).await, item());

    let secret = environment.config.required("KEY_RING_SECRET").unwrap();
    let client = aws_sdk_secretsmanager::Client::new(&world.emulator.sdk_config());
    let rotated = async |ring: &Value| {
        client.put_secret_value().secret_id(secret).secret_string(ring.to_string()).send().await.unwrap();
        let environment = Environment { key_ring: SharedKeyRing::default(), ..environment.clone() };
        environment.sealed_table("RUNS_TABLE", &SEALED).unwrap()
    };
    let old: Value = serde_json::from_str(&world.emulator.secret("KeyRing").unwrap()).unwrap();
    let mut ring = old.clone();
    ring["new"] = "another key material of sufficient length, 0123456789".into();
    ring["current"] = "new".into();
    let resealed = rotated(&ring).await.reseal().await.unwrap();
    assert!(matches!(resealed, Resealed { resealed: 1, more: false }), "{resealed:?}");
    ring.as_object_mut().unwrap().remove(old["current"].as_str().unwrap());
    assert_eq!(read(&rotated(&ring).await).await, item());
}
