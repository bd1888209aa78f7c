//! What one event costs on engines in memory: matched, written, fanned out, answered.
//!
//! With 1,000 dispatchers of one type most of it is the strongly consistent query, which returns them all.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use emulator::{Emulator, Options, Template};
use jiff::Timestamp;
use serde_json::{Value, json};
use shared::auth::{Client, Issuer, Signer};
use shared::aws::Aws;
use shared::clock::{Clock, Ids};
use shared::event::{Answer, DispatcherId, Envelope, EventId, EventType, StepFinished, StepId, TenantId};
use shared::step::Effects;
use shared::{Environment, Function, SharedKeyRing};
use tokio::runtime::Runtime;

const TEMPLATE: &str = include_str!("../../../template.yaml");

/// The function with `dispatchers` for one event type, of which only the last matches the events of the benchmark.
struct Bench {
    function: Function,
    ids: Ids,
    dispatcher_id: DispatcherId,
    _emulator: Emulator,
}

impl Bench {
    async fn new(dispatchers: u32) -> Self {
        let template = Template::parse(TEMPLATE).expect("the product's template can be read");
        let emulator = Emulator::open(template, Options::default()).await.expect("engines in memory open");
        let environment = Environment {
            aws: Aws::new(&emulator.sdk_config()),
            config: emulator.environment("DispatcherFunction").into_iter().collect(),
            clock: Clock::system(),
            ids: Ids::random(),
            key_ring: SharedKeyRing::default(),
            effects: Effects::default(),
        };
        let function = dispatcher::function(&environment).expect("the template sets every variable");
        let config = emulator.environment("AuthFunction").into_iter().collect();
        let signer = Signer::new(&Environment { config, ..environment.clone() }, Issuer::Auth);
        let signer = signer.expect("the template names the keys of tokens");
        let (id, tenant_id, permissions) = ("bench".to_owned(), TenantId::new("bench"), vec!["*".to_owned()]);
        let client = Client { id, tenant_id, permissions, is_administrator: false };
        let token = signer.issue(client, 3600).await.expect("the key ring has a key");
        let mut dispatcher_id = DispatcherId::new("");
        for n in 1..=dispatchers {
            dispatcher_id = create(&function, &token, (n < dispatchers).then_some(1_000 + n)).await;
        }
        Self { function, ids: environment.ids, dispatcher_id, _emulator: emulator }
    }

    fn fact(&self, total: u32) -> (EventId, Value) {
        let id = EventId::new(self.ids.uuid().to_string());
        let content = json!({"total": total, "email": "ada@example.org", "note": "x".repeat(900)});
        (id.clone(), entry("hookyard.webhook", "order.paid", &id, content))
    }

    async fn deliver(&self, payload: Value) {
        self.function.invoke(payload).await.expect("the engines answer");
    }

    fn answer(&self, event_id: EventId) -> Value {
        let id = StepId { event_id, dispatcher_id: self.dispatcher_id.clone(), step: "a".to_owned(), attempt: 1 };
        let answer = StepFinished { id, answer: Answer::succeeded(json!({"ok": true})) };
        entry("hookyard.step", "step.finished", &EventId::new("answer"), json!(answer))
    }
}

/// Creates a dispatcher that matches totals above its own bound, or below 100.
async fn create(function: &Function, token: &str, above: Option<u32>) -> DispatcherId {
    let range = above.map_or_else(|| json!(["<", 100]), |bound| json!([">", bound]));
    let dispatcher = json!({
        "eventType": "order.paid",
        "filter": {"content": {"total": [{"numeric": range}]}},
        "actions": [{"type": "task", "name": "a", "functionName": "f", "data": {"to": "{{ event.content.email }}"}}],
    });
    let request = json!({
        "rawPath": "/dispatchers/v1", "requestContext": {"http": {"method": "POST"}}, "body": dispatcher.to_string(),
        "headers": {"content-type": "application/json", "authorization": format!("Bearer {token}")},
    });
    let answer = function.invoke(request).await.expect("the engines answer");
    let body: Value = serde_json::from_str(answer["body"].as_str().unwrap_or_default()).unwrap_or_default();
    DispatcherId::new(body["id"].as_str().expect("a dispatcher was created"))
}

fn entry(source: &str, kind: &'static str, id: &EventId, content: Value) -> Value {
    let time: Timestamp = "2026-01-02T03:04:05Z".parse().expect("a constant time");
    let envelope = Envelope::new(EventType::known(kind), id.clone(), TenantId::new("bench"), time, content);
    json!({"version": "0", "detail-type": kind, "source": source, "detail": envelope})
}

/// An event that no dispatcher matches costs the query, the matching and one write.
fn matching(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime starts");
    for dispatchers in [1, 1_000] {
        let bench = runtime.block_on(Bench::new(dispatchers));
        let name = format!("fact without a match, {dispatchers} dispatchers of its type");
        criterion.bench_function(&name, |bencher| {
            bencher.to_async(&runtime).iter_batched(
                || bench.fact(200).1,
                async |fact| bench.deliver(black_box(fact)).await,
                BatchSize::SmallInput,
            );
        });
    }
}

fn dispatch(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime starts");
    for dispatchers in [1, 100, 1_000] {
        let bench = runtime.block_on(Bench::new(dispatchers));
        let name = format!("fact and answer, {dispatchers} dispatchers of its type");
        criterion.bench_function(&name, |bencher| {
            bencher.to_async(&runtime).iter_batched(
                || bench.fact(12),
                async |(id, fact)| {
                    bench.deliver(fact).await;
                    bench.deliver(black_box(bench.answer(id))).await;
                },
                BatchSize::SmallInput,
            );
        });
    }
}

criterion_group!(benches, matching, dispatch);
criterion_main!(benches);
