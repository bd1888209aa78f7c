//! What survives a stop, a crash and `kill -9`.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use emulator::{Clock, Durability, Emulator, EmulatorError, Options, Template};
use serde_json::{Value, json};

use crate::support::{Calls, TEMPLATE, fixed, numbers, on_disk, publish, template};

const CHILD_DATA: &str = "EMULATOR_TEST_DATA";

#[tokio::test]
async fn what_was_not_delivered_is_delivered_after_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let first = on_disk(folder.path(), &fixed()).await;
    publish(&first, 1).await;
    drop(first);
    let second = on_disk(folder.path(), &fixed()).await;
    publish(&second, 2).await;
    second.stop().await;
    let calls = Calls::default();
    let third = on_disk(folder.path(), &fixed()).await;
    third.start(calls.accepting());
    third.idle().await;
    assert_eq!(numbers(&calls.of("TaskFunction")), [1, 2]);
    third.stop().await;
    let fourth = on_disk(folder.path(), &fixed()).await;
    fourth.start(calls.accepting());
    fourth.idle().await;
    assert_eq!(numbers(&calls.of("TaskFunction")), [1, 2], "what was accepted is not delivered again");
}

#[tokio::test]
async fn retries_dead_letters_and_schedules_go_on_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let clock = fixed();
    let failing = Calls::default();
    let first = on_disk(folder.path(), &clock).await;
    first.start(failing.answering(|_| Err("not yet".to_owned())));
    publish(&first, 1).await;
    first.idle().await;
    assert_eq!(first.dead_letters().len(), 1, "the schedule of the template has no retries");
    drop(first);

    let calls = Calls::default();
    let second = on_disk(folder.path(), &clock).await;
    second.start(calls.accepting());
    second.idle().await;
    assert_eq!(calls.len(), 0, "neither the retry nor the schedule is due");
    assert_eq!(second.dead_letters()[0].event, json!({"sweep": true}));
    clock.advance(Duration::from_secs(1));
    second.idle().await;
    assert_eq!(numbers(&calls.of("TaskFunction")), [1]);
    drop(second);

    clock.advance(Duration::from_secs(3600));
    let third = on_disk(folder.path(), &clock).await;
    third.start(calls.accepting());
    third.idle().await;
    let sweeps = || calls.all().iter().filter(|(_, event)| event["sweep"] == true).count();
    assert_eq!(sweeps(), 1, "a missed schedule fires once");
    clock.advance(Duration::from_secs(298));
    third.idle().await;
    assert_eq!(sweeps(), 1);
    clock.advance(Duration::from_secs(1));
    third.idle().await;
    assert_eq!(sweeps(), 2, "the rate goes on from its first start");
}

#[tokio::test]
async fn a_schedule_goes_with_the_template_and_one_of_the_api_stays() {
    let folder = tempfile::tempdir().unwrap();
    let first = on_disk(folder.path(), &fixed()).await;
    let scheduler = aws_sdk_scheduler::Client::new(&first.sdk_config());
    let sweep = scheduler.get_schedule().name("TaskFunctionSweep").send().await.unwrap();
    let copy = scheduler.create_schedule().name("Own").set_target(sweep.target().cloned());
    let copy = copy.schedule_expression("at(2031-01-01T00:00:00)");
    copy.set_flexible_time_window(sweep.flexible_time_window().cloned()).send().await.unwrap();
    first.stop().await;
    let newer = TEMPLATE.replace("        Sweep:", "        Renamed:");
    let options = Options { data: Some(folder.path().to_owned()), clock: fixed(), ..Options::default() };
    let second = Emulator::open(Template::parse(&newer).unwrap(), options).await.unwrap();
    let scheduler = aws_sdk_scheduler::Client::new(&second.sdk_config());
    let listed = scheduler.list_schedules().send().await.unwrap();
    let names: Vec<_> = listed.schedules().iter().filter_map(|schedule| schedule.name()).collect();
    assert_eq!(names, ["Own", "TaskFunctionRenamed"]);
}

#[tokio::test]
async fn a_second_process_on_the_same_data_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let first = on_disk(folder.path(), &fixed()).await;
    let options = Options { data: Some(folder.path().to_owned()), ..Options::default() };
    let second = Emulator::open(template(), options).await.err().unwrap();
    assert!(matches!(second, EmulatorError::InUse(_)), "{second}");
    first.stop().await;
    on_disk(folder.path(), &fixed()).await;
}

#[tokio::test]
async fn stopping_waits_for_what_runs_and_refuses_what_comes() {
    let folder = tempfile::tempdir().unwrap();
    let emulator = on_disk(folder.path(), &fixed()).await;
    let (entered, running) = tokio::sync::oneshot::channel();
    let entered = std::sync::Mutex::new(Some(entered));
    let (release, released) = tokio::sync::watch::channel(false);
    emulator.start(std::sync::Arc::new(move |_, event| {
        let event: Value = serde_json::from_str(&event).unwrap();
        let first = event["detail"].is_object().then(|| entered.lock().unwrap().take()).flatten();
        let mut released = released.clone();
        Box::pin(async move {
            if let Some(entered) = first {
                entered.send(()).unwrap();
                released.wait_for(|released| *released).await.unwrap();
            }
            Ok(())
        })
    }));
    publish(&emulator, 1).await;
    running.await.unwrap();
    let stopping = tokio::spawn({
        let emulator = emulator.clone();
        async move { emulator.stop().await }
    });
    tokio::task::yield_now().await;
    assert!(!stopping.is_finished());
    release.send(true).unwrap();
    stopping.await.unwrap();
    let client = aws_sdk_dynamodb::Client::new(&emulator.sdk_config());
    let refused = client.list_tables().send().await.unwrap_err();
    assert!(matches!(refused, aws_sdk_dynamodb::error::SdkError::DispatchFailure(_)));
    let calls = Calls::default();
    let again = on_disk(folder.path(), &fixed()).await;
    again.start(calls.accepting());
    again.idle().await;
    assert_eq!(numbers(&calls.of("TaskFunction")), [0_u64; 0], "it was finished before the stop");
}

#[test]
fn nothing_acknowledged_is_lost_by_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = Vec::new();
    for _ in 0..3 {
        acknowledged.extend(run_and_kill(folder.path(), 40));
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let calls = Calls::default();
        let emulator = on_disk(folder.path(), &Clock::system()).await;
        emulator.start(calls.accepting());
        emulator.idle().await;
        let delivered = numbers(&calls.of("TaskFunction"));
        let client = aws_sdk_dynamodb::Client::new(&emulator.sdk_config());
        for number in acknowledged {
            assert!(delivered.contains(&number), "event {number} is lost");
            let key = aws_sdk_dynamodb::types::AttributeValue::S(number.to_string());
            let get = client.get_item().table_name("hookyard-Records").key("pk", key);
            assert!(get.send().await.unwrap().item().is_some(), "item {number} is lost");
        }
    });
}

/// Runs the test below as a process of its own, kills it after some acknowledgements, and returns those.
fn run_and_kill(data: &Path, count: usize) -> Vec<u64> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "survival::a_process_that_writes_until_it_is_killed", "--ignored", "--nocapture"])
        .env(CHILD_DATA, data)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let numbers = lines.filter_map(|line| line.unwrap().strip_prefix("done ")?.parse().ok());
    let acknowledged: Vec<u64> = numbers.take(count).collect();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(acknowledged.len(), count);
    acknowledged
}

#[test]
#[ignore = "is run by the test above"]
#[expect(clippy::disallowed_methods, clippy::print_stdout, reason = "this is a process of its own")]
fn a_process_that_writes_until_it_is_killed() {
    let data = PathBuf::from(std::env::var(CHILD_DATA).unwrap());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let options = Options { data: Some(data), durability: Durability::Process, ..Options::default() };
        let emulator = Emulator::open(template(), options).await.unwrap();
        let client = aws_sdk_dynamodb::Client::new(&emulator.sdk_config());
        for _ in 0.. {
            let number: u32 = rand::random();
            publish(&emulator, number as usize).await;
            let key = aws_sdk_dynamodb::types::AttributeValue::S(number.to_string());
            let put = client.put_item().table_name("hookyard-Records").item("pk", key);
            put.send().await.unwrap();
            println!("done {number}");
        }
    });
}
