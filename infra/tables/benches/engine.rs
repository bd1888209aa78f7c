//! What requests cost in the engine alone, on disk, beside `dynoxide`: `cargo bench -p tables`.
//!
//! One caller after the other, and 32 callers at once; an element is a request, and an item where a request has 25.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use dynoxide::Database;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tables::{Durability, Engine};

const TABLE: &str = "things";
/// How many requests each caller makes in one round.
const CALLS: usize = 8;
/// How many items are there to be updated and queried.
const ITEMS: usize = 1000;

enum Peer {
    Ours(Engine),
    Dynoxide(Box<Database>),
}

impl Peer {
    fn open(name: &str, folder: &tempfile::TempDir) -> Self {
        let path = folder.path().join("tables.db");
        if name == "tables" {
            let now = Arc::new(|| 1_700_000_000);
            return Self::Ours(Engine::open(Some(&path), Durability::Process, now).expect("the folder is new"));
        }
        let database = Database::new(path.to_str().expect("the path is text")).expect("the folder is new");
        // It leaves SQLite with the synchronisation that survives the end of the process.
        database.enable_bulk_loading().and_then(|()| database.disable_bulk_loading()).expect("it can be set");
        Self::Dynoxide(Box::new(database))
    }

    fn ask(&self, operation: &str, body: &[u8]) {
        let database = match self {
            Self::Ours(engine) => {
                let reply = engine.answer_now(operation, body);
                assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
                return;
            }
            Self::Dynoxide(database) => database,
        };
        match operation {
            "CreateTable" => run(body, |request| database.create_table(request)),
            "PutItem" => run(body, |request| database.put_item(request)),
            "UpdateItem" => run(body, |request| database.update_item(request)),
            "Query" => run(body, |request| database.query(request)),
            "BatchWriteItem" => run(body, |request| database.batch_write_item(request)),
            "BatchExecuteStatement" => run(body, |request| database.batch_execute_statement(request)),
            other => panic!("{other}"),
        }
    }
}

fn run<Q: DeserializeOwned, A: Serialize>(body: &[u8], call: impl FnOnce(Q) -> dynoxide::Result<A>) {
    let request = serde_json::from_slice(body).expect("the request is right");
    let answer = call(request).expect("it is done");
    serde_json::to_vec(&answer).expect("an answer is JSON");
}

fn create() -> Value {
    let key = |name: &str, kind: &str| json!({"AttributeName": name, "KeyType": kind});
    let types = ["pk", "sk", "color"].map(|name| json!({"AttributeName": name, "AttributeType": "S"}));
    json!({
        "TableName": TABLE, "BillingMode": "PAY_PER_REQUEST", "AttributeDefinitions": types,
        "KeySchema": [key("pk", "HASH"), key("sk", "RANGE")],
        "GlobalSecondaryIndexes": [{
            "IndexName": "byColor", "KeySchema": [key("color", "HASH"), key("sk", "RANGE")],
            "Projection": {"ProjectionType": "KEYS_ONLY"},
        }],
    })
}

/// An item of about 1 KB that is in the index.
fn item(number: usize) -> Value {
    json!({
        "pk": {"S": format!("event-{:06}", number % ITEMS)}, "sk": {"S": format!("{number:012}")},
        "color": {"S": "message.received"}, "state": {"S": "dispatched"}, "version": {"N": "1"},
        "at": {"S": "2026-05-04T10:11:12.345Z"}, "content": {"S": "x".repeat(900)},
    })
}

fn put(number: usize) -> Value {
    json!({"TableName": TABLE, "Item": item(number)})
}

fn conditional_put(number: usize) -> Value {
    json!({
        "TableName": TABLE, "Item": item(number), "ConditionExpression": "attribute_not_exists(#pk)",
        "ExpressionAttributeNames": {"#pk": "pk"},
    })
}

fn update(number: usize) -> Value {
    let number = number % ITEMS;
    json!({
        "TableName": TABLE, "Key": {"pk": item(number)["pk"], "sk": item(number)["sk"]},
        "UpdateExpression": "SET #state = :state, version = version + :one",
        "ConditionExpression": "attribute_exists(pk) AND version >= :one",
        "ExpressionAttributeNames": {"#state": "state"},
        "ExpressionAttributeValues": {":state": {"S": "finished"}, ":one": {"N": "1"}},
    })
}

fn query(number: usize) -> Value {
    json!({
        "TableName": TABLE, "KeyConditionExpression": "pk = :pk", "Limit": 1, "ConsistentRead": true,
        "ExpressionAttributeValues": {":pk": item(number)["pk"]},
    })
}

fn batch(number: usize) -> Value {
    let puts: Vec<Value> = (0..25).map(|one| json!({"PutRequest": {"Item": item(number * 25 + one)}})).collect();
    json!({"RequestItems": {TABLE: puts}})
}

fn statements(number: usize) -> Value {
    let insert = |one: usize| {
        let item = item(number * 25 + one);
        let members = item.as_object().expect("an item is an object");
        let names: Vec<String> = members.keys().map(|name| format!("'{name}': ?")).collect();
        let text = format!("INSERT INTO \"{TABLE}\" VALUE {{{}}}", names.join(", "));
        json!({"Statement": text, "Parameters": members.values().collect::<Vec<_>>()})
    };
    json!({"Statements": (0..25).map(insert).collect::<Vec<_>>()})
}

type Request = fn(usize) -> Value;

/// The name, the operation, the items of one request, and the request with a number.
const REQUESTS: [(&str, &str, usize, Request); 6] = [
    ("put", "PutItem", 1, put),
    ("conditional put", "PutItem", 1, conditional_put),
    ("update", "UpdateItem", 1, update),
    ("query", "Query", 1, query),
    ("batch of 25 puts", "BatchWriteItem", 25, batch),
    ("batch of 25 statements", "BatchExecuteStatement", 25, statements),
];

/// Lets callers make their requests at once.
fn round(peer: &Peer, operation: &str, requests: &[Vec<u8>], callers: usize) {
    thread::scope(|scope| {
        for caller in requests.chunks(requests.len() / callers) {
            scope.spawn(move || caller.iter().for_each(|request| peer.ask(operation, request)));
        }
    });
}

fn engine(criterion: &mut Criterion) {
    for (name, operation, items, request) in REQUESTS {
        let mut group = criterion.benchmark_group(name);
        group.sample_size(10).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
        for (peer_name, callers) in [("tables", 1), ("tables", 32), ("dynoxide", 1), ("dynoxide", 32)] {
            let folder = tempfile::tempdir().expect("a temporary directory");
            let peer = Peer::open(peer_name, &folder);
            peer.ask("CreateTable", create().to_string().as_bytes());
            (0..ITEMS).for_each(|number| peer.ask("PutItem", put(number).to_string().as_bytes()));
            let next = AtomicUsize::new(ITEMS);
            let prepare = || -> Vec<Vec<u8>> {
                let first = next.fetch_add(callers * CALLS, Ordering::Relaxed);
                (first..first + callers * CALLS).map(|number| request(number).to_string().into_bytes()).collect()
            };
            group.throughput(Throughput::Elements((callers * CALLS * items) as u64));
            group.bench_function(BenchmarkId::new(peer_name, callers), |bencher| {
                bencher.iter_batched(
                    prepare,
                    |requests| round(&peer, operation, &requests, callers),
                    criterion::BatchSize::PerIteration,
                );
            });
        }
        group.finish();
    }
}

criterion_group!(benches, engine);
criterion_main!(benches);
