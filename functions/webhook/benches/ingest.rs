//! Signed webhooks of 1 KB accepted per second, with 32 senders at once, and WhatsApp's batches of 100 messages:
//! verified, read, published and durable.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use emulator::{Emulator, Options, Template};
use harness::platform::whatsapp;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::Request;
use serde_json::{Value, json};
use sha2::Sha256;
use shared::auth::{Client, Issuer, Signer};
use shared::aws::Aws;
use shared::clock::{Clock, Ids};
use shared::event::TenantId;
use shared::step::Effects;
use shared::{Environment, Function, SharedKeyRing};
use tokio::runtime::Runtime;

const SECRET: &str = "hush-hush-hush";
const SENDERS: usize = 32;

/// A function on a durable emulator, and a body with its signature for one channel.
struct Bench {
    function: Function,
    github: Webhook,
    batch: Webhook,
}

/// A signed webhook to a channel.
struct Webhook {
    path: String,
    body: String,
    signature: String,
}

impl Bench {
    async fn new(emulator: &Emulator) -> Self {
        emulator.start(Arc::new(|_, _| Box::pin(async { Ok(()) })));
        let environment = Environment {
            aws: Aws::new(&emulator.sdk_config()),
            config: emulator.environment("WebhookFunction").into_iter().collect(),
            clock: Clock::system(),
            ids: Ids::random(),
            key_ring: SharedKeyRing::default(),
            effects: Effects::default(),
        };
        let function = webhook::function(&environment).expect("the template has every variable");
        let config = emulator.environment("AuthFunction").into_iter().collect();
        let signer = Signer::new(&Environment { config, ..environment.clone() }, Issuer::Auth);
        let signer = signer.expect("the template names the keys of tokens");
        let (tenant_id, permissions) = (TenantId::new("bench"), vec!["*".to_owned()]);
        let client = Client { id: "bench".to_owned(), tenant_id, permissions, is_administrator: false };
        let token = signer.issue(client, 3600).await.expect("the key ring is there");
        let github = json!({"platform": "github", "credentials": {"secret": SECRET}});
        let credentials = json!({"appSecret": SECRET, "verifyToken": "token"});
        let whatsapp = json!({"platform": "whatsapp", "credentials": credentials});
        let text = |number| whatsapp::text(&format!("wamid.{number}"), &"x".repeat(100));
        let messages: Vec<Value> = (0..100).map(text).collect();
        Self {
            github: Webhook::new(
                &channel(&function, &token, &github).await,
                json!({"action": "opened", "text": "x".repeat(980)}).to_string(),
            ),
            batch: Webhook::new(
                &channel(&function, &token, &whatsapp).await,
                whatsapp::webhook(&[whatsapp::messages(&messages)]).to_string(),
            ),
            function,
        }
    }

    async fn accept(&self, webhook: &Webhook, delivery: u64) {
        let request = Request::post(&webhook.path)
            .header("content-type", "application/json")
            .header("x-github-event", "issues")
            .header("x-github-delivery", delivery)
            .header("x-hub-signature-256", &webhook.signature)
            .body(Body::from(webhook.body.clone()));
        let answer = self.function.call(request.expect("the request is well-formed")).await;
        assert_eq!(answer.status(), 200);
    }

    async fn one_sender(self: Arc<Self>, sender: u64, count: u64) {
        for delivery in (sender..count).step_by(SENDERS) {
            self.accept(&self.github, delivery).await;
        }
    }
}

impl Webhook {
    fn new(channel_id: &str, body: String) -> Self {
        let mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("HMAC accepts keys of any length");
        let signature = format!("sha256={}", hex::encode(mac.chain_update(&body).finalize().into_bytes()));
        Self { path: format!("/webhooks/{channel_id}"), body, signature }
    }
}

/// Creates a channel and returns its id.
async fn channel(function: &Function, token: &str, new: &Value) -> String {
    let request = Request::post("/channels").header("content-type", "application/json");
    let request = request.header("authorization", format!("Bearer {token}")).body(Body::from(new.to_string()));
    let answer = function.call(request.expect("the request is well-formed")).await;
    let bytes = axum::body::to_bytes(answer.into_body(), 65_536).await.expect("the answer is in memory");
    let channel: Value = serde_json::from_slice(&bytes).expect("the answer is JSON");
    channel["channelId"].as_str().expect("the channel was created").to_owned()
}

/// Sends `count` webhooks with all senders and returns how long they took together.
async fn all_senders(bench: &Arc<Bench>, count: u64) -> Duration {
    let started = Instant::now();
    let senders = (0..SENDERS as u64).map(|sender| tokio::spawn(bench.clone().one_sender(sender, count)));
    for sender in senders.collect::<Vec<_>>() {
        sender.await.expect("every webhook is accepted");
    }
    started.elapsed()
}

fn ingest(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("the machine gives threads");
    let data = tempfile::tempdir().expect("the machine gives a directory");
    let template = Template::parse(include_str!("../../../template.yaml")).expect("the template is valid");
    let options = Options { data: Some(data.path().to_owned()), ..Options::default() };
    let emulator = runtime.block_on(Emulator::open(template, options)).expect("the directory is free");
    let bench = Arc::new(runtime.block_on(Bench::new(&emulator)));

    let mut group = criterion.benchmark_group("ingest");
    group.throughput(Throughput::Elements(1)).sample_size(10);
    group.bench_function("one sender", |bencher| bencher.to_async(&runtime).iter(|| bench.accept(&bench.github, 0)));
    group.bench_function("32 senders", |bencher| {
        bencher.to_async(&runtime).iter_custom(async |count| all_senders(&bench, count).await);
    });
    group.finish();
    let mut group = criterion.benchmark_group("batch");
    group.throughput(Throughput::Elements(100)).sample_size(10);
    group.bench_function("100 messages of WhatsApp", |bencher| {
        bencher.to_async(&runtime).iter(|| bench.accept(&bench.batch, 0));
    });
    group.finish();
    runtime.block_on(emulator.stop());
}

criterion_group!(benches, ingest);
criterion_main!(benches);
