//! Queues that feed functions: what is received again and when, what dies, and what is redriven.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use aws_sdk_eventbridge::Client;
use emulator::{Clock, DeadLetter, Emulator, Options, Template};
use futures::FutureExt;
use serde_json::{Value, json};
use tokio::runtime::Builder;
use tokio::sync::watch;

use crate::support::{Calls, TEMPLATE, entry, fixed, numbers, until};

/// A function that two queues feed: begun things, and what goes on.
const QUEUES: &str = r"
  Worker:
    Type: AWS::Serverless::Function
    Properties: {Timeout: 30}
  Begin:
    Type: AWS::Events::Rule
    Properties:
      EventBusName: !Ref Bus
      EventPattern: {detail-type: [begin]}
      Targets:
        - {Id: queue, Arn: !GetAtt Begun.Arn}
  Begun:
    Type: AWS::SQS::Queue
    Properties:
      VisibilityTimeout: 180
      RedrivePolicy: {deadLetterTargetArn: !GetAtt DeadLetters.Arn, maxReceiveCount: 3}
  BegunMapping:
    Type: AWS::Lambda::EventSourceMapping
    Properties:
      EventSourceArn: !GetAtt Begun.Arn
      FunctionName: !Ref Worker
      BatchSize: 5
      FunctionResponseTypes: [ReportBatchItemFailures]
      ScalingConfig: {MaximumConcurrency: 2}
  Continue:
    Type: AWS::Events::Rule
    Properties:
      EventBusName: !Ref Bus
      EventPattern: {detail-type: [continue]}
      Targets:
        - {Id: queue, Arn: !GetAtt Continued.Arn}
  Continued:
    Type: AWS::SQS::Queue
    Properties:
      VisibilityTimeout: 180
      RedrivePolicy: {deadLetterTargetArn: !GetAtt DeadLetters.Arn, maxReceiveCount: 3}
  ContinuedMapping:
    Type: AWS::Lambda::EventSourceMapping
    Properties:
      EventSourceArn: !GetAtt Continued.Arn
      FunctionName: !Ref Worker
      FunctionResponseTypes: [ReportBatchItemFailures]
";

async fn open(data: Option<&Path>, clock: &Clock) -> Emulator {
    let template = Template::parse(&format!("{TEMPLATE}{QUEUES}")).unwrap();
    let options = Options { data: data.map(Path::to_owned), clock: clock.clone(), ..Options::default() };
    Emulator::open(template, options).await.unwrap()
}

async fn put(emulator: &Emulator, kind: &str, numbers: impl IntoIterator<Item = usize>) {
    let client = Client::new(&emulator.sdk_config());
    let entries = numbers.into_iter().map(|number| entry(kind, &json!({"number": number})));
    let answer = client.put_events().set_entries(Some(entries.collect())).send().await.unwrap();
    assert_eq!(answer.failed_entry_count(), 0, "{answer:?}");
}

/// How often the function got each event.
fn receives(calls: &Calls) -> BTreeMap<u64, usize> {
    let mut receives = BTreeMap::new();
    for number in numbers(&calls.of("Worker")) {
        *receives.entry(number).or_default() += 1;
    }
    receives
}

/// Accepts everything but the events with this number.
fn refusing(poison: u64) -> impl Fn(&Value) -> Result<Value, String> + Send + Sync + 'static {
    move |event| match event["detail"]["number"] == poison {
        true => Err("no".to_owned()),
        false => Ok(Value::Null),
    }
}

#[tokio::test]
async fn a_poisoned_event_ends_in_the_dead_letters_alone_and_can_be_redriven() {
    let clock = fixed();
    let emulator = open(None, &clock).await;
    let calls = Calls::default();
    let is_cured = Arc::new(AtomicBool::new(false));
    let (cured, refuse) = (is_cured.clone(), refusing(7));
    emulator.start(calls.answering(move |event| match cured.load(Ordering::SeqCst) {
        true => Ok(Value::Null),
        false => refuse(event),
    }));
    put(&emulator, "begin", 0..10).await;
    emulator.idle().await;
    for (hidden_ms, expected) in [(499, 2), (999, 3)] {
        clock.advance(Duration::from_millis(hidden_ms));
        emulator.idle().await;
        assert_eq!(receives(&calls)[&7], expected - 1, "it is hidden for half of its time at least");
        assert_eq!(emulator.dead_letters(), []);
        clock.advance(Duration::from_millis(hidden_ms + 2));
        emulator.idle().await;
        assert_eq!(receives(&calls)[&7], expected);
    }
    let dead = emulator.dead_letters();
    let [DeadLetter { id, queue, target, event, error, attempts }] = dead.as_slice() else { panic!("{dead:?}") };
    assert_eq!((queue.as_deref(), target.as_str(), error.as_str(), *attempts), (Some("Begun"), "Worker", "no", 3));
    assert_eq!(event["detail"]["number"], 7);
    clock.advance(Duration::from_secs(3600));
    emulator.idle().await;
    let others: BTreeMap<u64, usize> = receives(&calls).into_iter().filter(|(number, _)| *number != 7).collect();
    assert_eq!(others, (0..10).filter(|number| *number != 7).map(|number| (number, 1)).collect());

    assert_eq!(emulator.redrive(Some(&[id + 1, id - 1])).await, 0, "no other is moved");
    assert_eq!(emulator.redrive(None).await, 1);
    emulator.idle().await;
    assert_eq!((emulator.dead_letters(), receives(&calls)[&7]), (Vec::new(), 4), "the first receive of three");
    is_cured.store(true, Ordering::SeqCst);
    clock.advance(Duration::from_secs(1));
    emulator.idle().await;
    assert_eq!((emulator.dead_letters(), receives(&calls)[&7]), (Vec::new(), 5));
    assert_eq!(emulator.redrive(None).await, 0);
}

#[tokio::test]
async fn a_redrive_survives_the_process_and_leaves_the_inputs_of_schedules() {
    let folder = tempfile::tempdir().unwrap();
    let clock = fixed();
    let first = open(Some(folder.path()), &clock).await;
    first.start(Calls::default().answering(|_| Err("no".to_owned())));
    // More than are moved at once.
    for batch in 0..60 {
        put(&first, "begin", batch * 10..batch * 10 + 10).await;
    }
    for _ in 0..3 {
        clock.advance(Duration::from_secs(180));
        first.idle().await;
    }
    let (from_schedules, of_queue): (Vec<_>, Vec<_>) =
        first.dead_letters().into_iter().partition(|letter| letter.queue.is_none());
    assert!(of_queue.len() == 600 && !from_schedules.is_empty(), "{}", of_queue.len());
    first.stop().await;

    let second = open(Some(folder.path()), &clock).await;
    let one = of_queue[5].id;
    assert_eq!(second.redrive(Some(&[one, from_schedules[0].id])).await, 1);
    assert_eq!(second.redrive(None).await, 599);
    assert_eq!(second.dead_letters(), from_schedules);
    drop(second);
    let third = open(Some(folder.path()), &clock).await;
    let calls = Calls::default();
    third.start(calls.accepting());
    third.idle().await;
    assert_eq!(receives(&calls), (0..600).map(|number| (number, 1)).collect());
}

#[tokio::test]
async fn what_was_with_its_function_when_the_process_died_is_received_again_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let clock = fixed();
    let first = open(Some(folder.path()), &clock).await;
    let calls = Calls::default();
    let accepting = calls.accepting();
    first.start(Arc::new(move |function, event| {
        let accepted = accepting(function, event.clone());
        async move {
            if event.contains(r#""number":1"#) {
                return std::future::pending().await;
            }
            accepted.await
        }
        .boxed()
    }));
    put(&first, "begin", 0..5).await;
    until("all have begun", || receives(&calls).len() >= 5).await;
    // Whoever is answered after this write has been written before it.
    put(&first, "nobody.listens", [9]).await;
    put(&first, "begin", [5]).await;
    until("all have begun", || receives(&calls).len() >= 6).await;
    put(&first, "continue", [6]).await;
    until("all have begun", || receives(&calls).len() >= 7).await;
    drop(first);
    let second = open(Some(folder.path()), &clock).await;
    let again = Calls::default();
    second.start(again.accepting());
    second.idle().await;
    assert_eq!(receives(&again)[&1], 1);
    assert!(!receives(&again).contains_key(&0), "{:?}", receives(&again));
    assert_eq!(second.dead_letters(), []);
}

#[tokio::test]
async fn a_queue_hands_over_what_came_first_and_never_more_than_its_mapping_allows() {
    let emulator = open(None, &fixed()).await;
    let (with, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let order = Arc::<Mutex<Vec<u64>>>::default();
    let (gate, opened) = watch::channel(false);
    let (counted, peak, seen) = (with.clone(), most.clone(), Arc::clone(&order));
    emulator.start(Arc::new(move |_, event| {
        let (with, most, order, mut opened) = (counted.clone(), peak.clone(), seen.clone(), opened.clone());
        async move {
            let event: Value = serde_json::from_str(&event).unwrap();
            if event["detail-type"] == "begin" {
                most.fetch_max(with.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                order.lock().unwrap().push(event["detail"]["number"].as_u64().unwrap());
                opened.wait_for(|open| *open).await.unwrap();
                with.fetch_sub(1, Ordering::SeqCst);
            }
            Ok(())
        }
        .boxed()
    }));
    for batch in 0..5 {
        put(&emulator, "begin", batch * 10..batch * 10 + 10).await;
    }
    until("as many as may are handled", || with.load(Ordering::SeqCst) >= 10).await;
    put(&emulator, "nobody.listens", [1]).await;
    assert_eq!(with.load(Ordering::SeqCst), 10, "two batches of five");
    gate.send(true).unwrap();
    emulator.idle().await;
    assert_eq!(most.load(Ordering::SeqCst), 10);
    let order: Vec<u64> = order.lock().unwrap().clone();
    assert_eq!(order, (0..50).collect::<Vec<_>>());
}

#[tokio::test]
async fn an_answer_overtakes_the_facts_that_wait_and_a_slow_event_holds_back_no_other() {
    let emulator = open(None, &fixed()).await;
    let calls = Calls::default();
    let accepting = calls.accepting();
    let (gate, opened) = watch::channel(false);
    emulator.start(Arc::new(move |function, event| {
        let is_slow = event.contains(r#""number":0}"#);
        let (accepted, mut opened) = (accepting(function, event), opened.clone());
        async move {
            if is_slow {
                opened.wait_for(|open| *open).await.unwrap();
            }
            accepted.await
        }
        .boxed()
    }));
    // These fill the queue's room and wait behind each other.
    for _ in 0..30 {
        put(&emulator, "begin", [0]).await;
    }
    put(&emulator, "continue", [0, 1, 2]).await;
    until("a fast one is handled", || receives(&calls).contains_key(&2)).await;
    // The slow one of their batch is not done, and the others are deleted.
    put(&emulator, "continue", [3]).await;
    until("a fast one is handled", || receives(&calls).contains_key(&3)).await;
    gate.send(true).unwrap();
    emulator.idle().await;
    assert_eq!(receives(&calls), [(0, 31), (1, 1), (2, 1), (3, 1)].into());
}

#[tokio::test]
async fn deliveries_are_made_where_they_belong() {
    let threads = Builder::new_multi_thread().thread_name("background").enable_all().build().unwrap();
    let template = Template::parse(&format!("{TEMPLATE}{QUEUES}")).unwrap();
    let options = Options { clock: fixed(), deliveries: Some(threads.handle().clone()), ..Options::default() };
    let emulator = Emulator::open(template, options).await.unwrap();
    let names: Arc<Mutex<BTreeSet<Option<String>>>> = Arc::default();
    let noted = names.clone();
    emulator.start(Arc::new(move |_, _| {
        let noted = noted.clone();
        async move {
            noted.lock().unwrap().insert(thread::current().name().map(str::to_owned));
            Ok(())
        }
        .boxed()
    }));
    for kind in ["begin", "continue"] {
        put(&emulator, kind, 0..3).await;
    }
    emulator.idle().await;
    assert_eq!(*names.lock().unwrap(), [Some("background".to_owned())].into());
    threads.shutdown_background();
}

#[tokio::test]
async fn what_would_work_differently_on_aws_is_named() {
    for (from, to, expected) in [
        ("VisibilityTimeout: 180", "VisibilityTimeout: 29", "shorter than the Timeout"),
        ("VisibilityTimeout: 180", "VisibilityTimeout: long", "Begun.VisibilityTimeout"),
        ("VisibilityTimeout: 180", "FifoQueue: true", "Begun.FifoQueue"),
        ("maxReceiveCount: 3", "maxReceiveCount: 0", "Begun.maxReceiveCount"),
        ("RedrivePolicy:", "RedriveAllowPolicy:", "Begun has no RedrivePolicy"),
        ("!GetAtt DeadLetters.Arn, max", "elsewhere, max", "the dead letters of Begun go to elsewhere"),
        ("BatchSize: 5", "BatchSize: 11", "BegunMapping.BatchSize"),
        ("BatchSize: 5", "MaximumBatchingWindowInSeconds: 1", "BegunMapping.MaximumBatchingWindowInSeconds"),
        ("[ReportBatchItemFailures]", "[]", "BegunMapping.FunctionResponseTypes"),
        ("MaximumConcurrency: 2", "MaximumConcurrency: 1", "BegunMapping.MaximumConcurrency"),
        ("EventSourceArn: !GetAtt Begun.Arn", "EventSourceArn: !GetAtt Bus.Arn", "BegunMapping.EventSourceArn"),
        ("EventSourceArn: !GetAtt Continued.Arn", "EventSourceArn: !GetAtt Begun.Arn", "Begun feeds Worker already"),
        ("FunctionName: !Ref Worker", "FunctionName: elsewhere", "BegunMapping.FunctionName"),
        ("Arn: !GetAtt Begun.Arn}", "Arn: !GetAtt DeadLetters.Arn}", "nor a queue that feeds one"),
    ] {
        assert!(QUEUES.contains(from), "{from}");
        let template = Template::parse(&format!("{TEMPLATE}{}", QUEUES.replacen(from, to, 1))).unwrap();
        let error = Emulator::open(template, Options::default()).await.err().unwrap().to_string();
        assert!(error.contains(expected), "{to}: {error}");
    }
}
