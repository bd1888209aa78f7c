//! How fast an event finds its dispatchers: one by one, and with an index.
//!
//! Budget: 250,000 events a second against 1,000 dispatchers on one core, that is 4 µs an event.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use pattern::{Index, Pattern};
use serde_json::{Value, json};

const DISPATCHERS: usize = 1_000;

/// A signed webhook as the dispatcher sees it, about 1 KB.
fn event() -> Value {
    json!({
        "id": "0190f3f2-9c1e-7b1a-8d52-3f0f6f2f4a10", "type": "webhook.received", "tenantId": "tenant-417",
        "time": "2026-11-21T22:56:39Z",
        "trace": { "correlationId": "0190f3f2-9c1e-7b1a-8d52-3f0f6f2f4a11", "depth": 1 },
        "content": {
            "channelId": "shop-417", "platform": "generic", "messageId": "m-5512",
            "headers": { "content-type": "application/json", "user-agent": "Shop-Hooks/2.1" },
            "payload": {
                "action": "order.paid", "total": 129.5, "currency": "EUR", "test": false,
                "customer": { "id": 88121, "email": "ann@example.org", "country": "NL", "ip": "203.0.113.9" },
                "items": [
                    { "sku": "book-77", "kind": "book", "price": 19.5, "count": 1 },
                    { "sku": "lamp-12", "kind": "lamp", "price": 110, "count": 1 }
                ],
                "note": "Please ring twice; the bell is hard to hear from the garden, so give it a while."
            }
        }
    })
}

/// The filters of one customer each: their channel or tenant, and a condition of their own.
fn by_tenant(n: usize) -> Value {
    let payload = match n % 6 {
        0 => json!({ "action": [{ "prefix": "order." }], "total": [{ "numeric": [">", n % 300] }] }),
        1 => json!({ "customer": { "email": [{ "suffix": "@example.org" }] } }),
        2 => json!({ "items": { "kind": ["book"], "price": [{ "numeric": [">", 10, "<=", 20] }] } }),
        3 => json!({ "action": [{ "anything-but": ["order.lost"] }], "test": [false] }),
        4 => json!({ "customer": { "ip": [{ "cidr": "203.0.113.0/24" }] }, "coupon": [{ "exists": false }] }),
        _ => json!({ "$or": [{ "note": [{ "wildcard": "*ring*bell*" }] }, { "action": ["order.sent"] }] }),
    };
    json!({ "tenantId": [format!("tenant-{n}")], "content": { "payload": payload } })
}

/// Filters that no table can answer: all of them require a number in a range at the same field.
fn by_range(n: usize) -> Value {
    json!({ "content": { "payload": { "total": [{ "numeric": [">", 10 * n, "<=", 10 * n + 10] }] } } })
}

/// Filters of which every fifth matches.
fn often_matching(n: usize) -> Value {
    let actions = ["order.paid", "order.sent", "order.lost", "order.back", "order.new"];
    json!({ "type": ["webhook.received"], "content": { "payload": { "action": [actions[n % 5]] } } })
}

fn compiled(pattern: &Value) -> Pattern {
    Pattern::compile(pattern).expect("the patterns of this file are valid")
}

fn one_pattern(criterion: &mut Criterion) {
    let event = event();
    let (matching, other) = (compiled(&by_tenant(417)), compiled(&by_tenant(418)));
    let array = compiled(&by_tenant(2)["content"]);
    let mut group = criterion.benchmark_group("one pattern");
    group.bench_function("compile", |bench| bench.iter(|| compiled(black_box(&by_tenant(417)))));
    group.bench_function("matches", |bench| bench.iter(|| matching.matches(black_box(&event))));
    group.bench_function("does not match", |bench| bench.iter(|| other.matches(black_box(&event))));
    group.bench_function("array of objects", |bench| bench.iter(|| array.matches(black_box(&event["content"]))));
    group.bench_function("explain", |bench| bench.iter(|| other.explain(black_box(&event))));
    group.finish();
}

fn thousand_dispatchers(criterion: &mut Criterion) {
    dispatchers(criterion, "1000 dispatchers by tenant", by_tenant);
    dispatchers(criterion, "1000 dispatchers by range", by_range);
    dispatchers(criterion, "1000 dispatchers, a fifth matches", often_matching);
}

fn dispatchers(criterion: &mut Criterion, name: &str, of: fn(usize) -> Value) {
    let event = event();
    let patterns: Vec<_> = (0..DISPATCHERS).map(|n| compiled(&of(n))).collect();
    let indexed = || patterns.iter().cloned().enumerate().collect::<Index<usize>>();
    let one_by_one = || patterns.iter().filter(|pattern| pattern.matches(black_box(&event))).count();
    let index = indexed();
    assert_eq!(index.matching(&event).count(), one_by_one());

    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Elements(1));
    group.bench_function("index", |bench| bench.iter(|| index.matching(black_box(&event)).count()));
    group.bench_function("one by one", |bench| bench.iter(one_by_one));
    group.bench_function("build the index", |bench| bench.iter(|| indexed().len()));
    group.finish();
}

criterion_group!(benches, one_pattern, thousand_dispatchers);
criterion_main!(benches);
