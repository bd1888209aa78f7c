//! CPU time of a write, a read and an event with 1, 10 and 50 callers at once: each in a request of its own, and gathered.
//!
//! The emulator in memory answers, so that its part is in every figure.

use std::fs;
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use futures::future::join_all;
use harness::World;
use serde_json::{Value, json};
use shared::bus::Entry;
use shared::event::{Envelope, EventId, EventType, TenantId};
use shared::table::{Table, is_new};
use shared::{Environment, Error, Function};
use tokio::runtime::Runtime;

const FUNCTION: &str = "DispatcherFunction";
const CALLERS: [u64; 3] = [1, 10, 50];
/// As large as the record of an event with a webhook of 1 KB.
const TEXT_BYTES: usize = 1_400;

/// Numbers that no item of this process has had.
static NUMBERS: AtomicU64 = AtomicU64::new(0);

fn idle(environment: &Environment) -> Result<Function, Error> {
    let routes = (axum::Router::new(), utoipa::openapi::OpenApi::default());
    Ok(Function::new(environment.seal()?, routes, |_| async { Ok(()) }))
}

/// Returns the CPU time that the threads of this process have had.
fn cpu_time() -> Duration {
    let threads = fs::read_dir("/proc/self/task").expect("this is Linux").flatten();
    let on_cpu = threads.filter_map(|thread| {
        let times = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        times.split_whitespace().next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(on_cpu.sum())
}

/// Measures the CPU time of work that this many callers do at once, per caller.
fn measure<F>(criterion: &mut Criterion, runtime: &Runtime, name: &str, work: impl Fn() -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut group = criterion.benchmark_group(name);
    for callers in CALLERS {
        group.throughput(Throughput::Elements(callers));
        group.bench_function(BenchmarkId::from_parameter(callers), |bencher| {
            bencher.iter_custom(|rounds| runtime.block_on(cpu_time_of(rounds, callers, &work)));
        });
    }
    group.finish();
}

async fn cpu_time_of<F>(rounds: u64, callers: u64, work: &impl Fn() -> F) -> Duration
where
    F: Future<Output = ()> + Send + 'static,
{
    let before = cpu_time();
    for _ in 0..rounds {
        for done in join_all((0..callers).map(|_| tokio::spawn(work()))).await {
            done.expect("it does not panic");
        }
    }
    cpu_time().saturating_sub(before)
}

fn new_item() -> Value {
    let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
    json!({"eventId": format!("e{number}"), "item": "event", "version": 1, "text": "x".repeat(TEXT_BYTES)})
}

async fn create(table: Table) {
    let is_written =
        table.put_if(&new_item(), is_new("eventId")).await.unwrap_or_else(|error| panic!("{}", error.chain()));
    assert!(is_written, "the item is new");
}

fn benches(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime starts");
    let world = runtime.block_on(World::builder().function(FUNCTION, idle).open());
    let environment = world.environment(FUNCTION);
    // Without its key a table cannot tell whether two writes are of the same item, so that each goes out alone.
    let single = environment.table("RUNS_TABLE").expect("the template names it");
    let gathered = world.table("RUNS_TABLE");
    measure(criterion, &runtime, "write, each alone", || create(single.clone()));
    measure(criterion, &runtime, "write, gathered", || create(gathered.clone()));
    let key = json!({"eventId": "e0", "item": "event"});
    measure(criterion, &runtime, "read, gathered", || {
        let (table, key) = (gathered.clone(), key.clone());
        async move {
            black_box(table.get::<Value>(&key).await.unwrap_or_else(|error| panic!("{}", error.chain())));
        }
    });
    let bus = environment.bus().expect("the template names it");
    let envelope = Envelope::new(
        EventType::known("bench"),
        EventId::new("e1"),
        TenantId::new("t"),
        harness::NOW.parse().expect("it is a time"),
        json!({"text": "x".repeat(TEXT_BYTES)}),
    );
    let entry = Entry::fact("hookyard.custom", &envelope).expect("it fits");
    measure(criterion, &runtime, "publish, gathered", || {
        let (bus, entry) = (bus.clone(), entry.clone());
        async move { bus.publish(vec![entry]).await.unwrap_or_else(|error| panic!("{}", error.chain())) }
    });
}

criterion_group!(gatherer, benches);
criterion_main!(gatherer);
