//! How late the last of 10,000 tasks starts whose schedules are due at the same moment, on the embedded engines.

use std::time::Instant;

use harness::{Request, World};
use jiff::SignedDuration;
use serde_json::json;
use shared::{Environment, Error, Function};

const TASK: &str = "TaskFunction";
const SCHEDULES: usize = 10_000;
/// Not whole minutes, so that the minute schedule waits for the instant.
const INTERVAL_S: i64 = 3_601;

fn function(environment: &Environment) -> Result<Function, Error> {
    let mut environment = environment.clone();
    environment.config.extend([("SCRIPT_WORKER".to_owned(), env!("CARGO_BIN_EXE_task").to_owned())]);
    task::function(&environment)
}

#[expect(clippy::print_stdout, reason = "the figures are what the benchmark is for")]
async fn last_of_many() {
    let world = World::builder().function(TASK, function).by_hand().open().await;
    let code = json!({"name": "f", "code": "exports.main = () => 1"});
    assert_eq!(world.post("/tasks/v1/functions/", code).await.status, 200);
    let token = world.token("default", &["*"]).await;
    let body = json!({"functionName": "f", "interval": INTERVAL_S});
    for _ in 0..SCHEDULES {
        let request = Request::new("POST", "/tasks/v1/schedules").bearer(&token).json(body.clone());
        assert_eq!(world.send(request).await.status, 200);
    }
    world.emulator.reset_aws_calls();
    // The clock stands still at the instant, so that what passes is how late the last one is.
    world.clock.advance(SignedDuration::from_secs(INTERVAL_S));
    let start = Instant::now();
    world.invoke(TASK, json!({"sweep": "schedules"})).await.expect("the instants are settled");
    let passed = start.elapsed();
    let started = world.published("task.due").len();
    assert_eq!(started, SCHEDULES);
    println!("{started} schedules due at once: the last task is published after {passed:.2?}");
    println!("{:?}", world.emulator.aws_calls());
}

fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be built");
    runtime.block_on(last_of_many());
}
