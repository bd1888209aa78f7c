//! Requests per second through the SDK, on disk: 32 callers at once, and one alone.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use emulator::{Durability, Emulator, Options, Template};
use futures::FutureExt;
use futures::future::join_all;
use tokio::runtime::Runtime;

const CALLERS: usize = 32;
const CALLS: usize = 32;

async fn open(folder: &tempfile::TempDir, durability: Durability) -> Emulator {
    let template = Template::parse(include_str!("../tests/emulator/template.yaml"));
    let options = Options { data: Some(folder.path().to_owned()), durability, ..Options::default() };
    let emulator = Emulator::open(template.expect("the template is right"), options).await;
    let emulator = emulator.expect("the folder is new");
    emulator.start(std::sync::Arc::new(|_, _| async { Ok(()) }.boxed()));
    emulator
}

async fn put_events(client: aws_sdk_eventbridge::Client, calls: usize) {
    for _ in 0..calls {
        let entry = PutEventsRequestEntry::builder()
            .event_bus_name("hookyard")
            .source("hookyard.command")
            .detail_type("task.requested")
            .detail(format!(r#"{{"text": "{}"}}"#, "x".repeat(1000)));
        let answer = client.put_events().entries(entry.build()).send().await;
        assert_eq!(answer.expect("the bus accepts").failed_entry_count(), 0);
    }
}

async fn put_items(client: aws_sdk_dynamodb::Client, calls: usize) {
    for _ in 0..calls {
        let key = AttributeValue::S(format!("{:032x}", rand::random::<u128>()));
        let text = AttributeValue::S("x".repeat(1000));
        let put = client.put_item().table_name("hookyard-Records").item("pk", key).item("text", text);
        put.send().await.expect("the table accepts");
    }
}

async fn get_items(client: aws_sdk_dynamodb::Client, calls: usize) {
    for _ in 0..calls {
        let get = client.get_item().table_name("hookyard-Records");
        get.key("pk", AttributeValue::S("nothing".to_owned())).send().await.expect("the table answers");
    }
}

async fn all<F: Future<Output = ()> + Send + 'static>(call: impl Fn(usize) -> F) {
    let callers = (0..CALLERS).map(|_| tokio::spawn(call(CALLS)));
    for done in join_all(callers).await {
        done.expect("a caller does not panic");
    }
}

fn throughput(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime starts");
    for durability in [Durability::Process, Durability::Power] {
        let folder = tempfile::tempdir().expect("there is a temporary directory");
        let emulator = runtime.block_on(open(&folder, durability));
        let config = emulator.sdk_config();
        let events = aws_sdk_eventbridge::Client::new(&config);
        let tables = aws_sdk_dynamodb::Client::new(&config);
        let mut group = criterion.benchmark_group(format!("{durability:?}"));
        group.sample_size(10).measurement_time(Duration::from_secs(4));
        group.throughput(Throughput::Elements((CALLERS * CALLS) as u64));
        group.bench_function("PutEvents, 32 callers", |b| {
            b.to_async(&runtime).iter(|| all(|calls| put_events(events.clone(), calls)));
        });
        runtime.block_on(emulator.idle());
        group.bench_function("PutItem, 32 callers", |b| {
            b.to_async(&runtime).iter(|| all(|calls| put_items(tables.clone(), calls)));
        });
        group.bench_function("GetItem, 32 callers", |b| {
            b.to_async(&runtime).iter(|| all(|calls| get_items(tables.clone(), calls)));
        });
        group.throughput(Throughput::Elements(1));
        group.bench_function("PutEvents, alone", |b| {
            b.to_async(&runtime).iter(|| put_events(events.clone(), 1));
        });
        group.bench_function("PutItem, alone", |b| {
            b.to_async(&runtime).iter(|| put_items(tables.clone(), 1));
        });
        group.bench_function("GetItem, alone", |b| {
            b.to_async(&runtime).iter(|| get_items(tables.clone(), 1));
        });
        group.finish();
        runtime.block_on(emulator.stop());
    }
}

criterion_group!(benches, throughput);
criterion_main!(benches);
