//! What `PutEvents` promises, and how deliveries are retried.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use emulator::Emulator;
use futures::FutureExt;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::support::{Calls, entry, in_memory, numbers, publish, until};

#[tokio::test]
async fn an_event_reaches_the_function_of_the_matching_rule_as_lambda_would_see_it() {
    let (emulator, _) = in_memory().await;
    let calls = Calls::default();
    emulator.start(calls.accepting());
    let entry = PutEventsRequestEntry::builder()
        .event_bus_name("arn:aws:events:us-east-1:000000000000:event-bus/hookyard")
        .source("hookyard.command")
        .detail_type("task.requested")
        .detail(r#"{"b": 1, "a": 12345678901234567890, "x": 1.50}"#)
        .resources("arn:of:something")
        .time(aws_sdk_eventbridge::primitives::DateTime::from_millis(1_893_456_000_900))
        .build();
    let client = Client::new(&emulator.sdk_config());
    let answer = client.put_events().entries(entry).send().await.unwrap();
    emulator.idle().await;
    let mut events = calls.of("TaskFunction");
    events.retain(|event| event["source"].is_string());
    let [event] = events.as_slice() else { panic!("{events:?}") };
    let expected = json!({
        "version": "0",
        "id": answer.entries()[0].event_id(),
        "detail-type": "task.requested",
        "source": "hookyard.command",
        "account": "000000000000",
        "time": "2030-01-01T00:00:00Z",
        "region": "us-east-1",
        "resources": ["arn:of:something"],
        "detail": {"b": 1, "a": 12_345_678_901_234_567_890_u64, "x": 1.5},
    });
    assert_eq!(*event, expected);
}

#[tokio::test]
async fn every_matching_rule_delivers_and_an_input_replaces_the_event() {
    let (emulator, _) = in_memory().await;
    let calls = Calls::default();
    emulator.start(calls.accepting());
    let client = Client::new(&emulator.sdk_config());
    let put = client.put_events();
    let put = put.entries(entry("shared.requested", &json!({"number": 1})));
    let put = put.entries(entry("audit.done", &json!({"number": 2})));
    put.entries(entry("nobody.listens", &json!({}))).send().await.unwrap();
    emulator.idle().await;
    assert_eq!(numbers(&calls.of("TaskFunction")), [1]);
    let actions = calls.of("ActionFunction");
    assert!(actions.contains(&json!({"fixed": true})));
    assert_eq!(numbers(&actions), [2]);
    assert_eq!(emulator.unmatched_events(), 1);
}

#[tokio::test]
async fn bad_entries_fail_one_by_one_and_bad_requests_as_a_whole() {
    let (emulator, _) = in_memory().await;
    let client = Client::new(&emulator.sdk_config());
    let good = || entry("task.requested", &json!({}));
    let put = client.put_events().entries(good());
    let put = put.entries(PutEventsRequestEntry::builder().source("a").detail_type("b").detail("[]").build());
    let put = put.entries(PutEventsRequestEntry::builder().source("a").detail_type("b").build());
    let put = put.entries(PutEventsRequestEntry::builder().source("aws.s3").detail_type("b").detail("{}").build());
    let elsewhere = PutEventsRequestEntry::builder().event_bus_name("x").source("a").detail_type("b").detail("{}");
    let answer = put.entries(elsewhere.build()).send().await.unwrap();
    assert_eq!(answer.failed_entry_count(), 4);
    let codes: Vec<_> = answer.entries().iter().map(|entry| entry.error_code()).collect();
    let expected = [
        None,
        Some("MalformedDetail"),
        Some("InvalidArgument"),
        Some("NotAuthorizedForSourceException"),
        Some("ResourceNotFoundException"),
    ];
    assert_eq!(codes, expected);

    let eleven = client.put_events().set_entries(Some(vec![good(); 11])).send().await;
    let large = entry("task.requested", &json!({"text": "x".repeat(256 * 1024)}));
    let large = client.put_events().entries(large).send().await;
    for refused in [eleven, large] {
        let error = refused.unwrap_err().into_service_error();
        assert_eq!(error.meta().code(), Some("ValidationException"), "{error:?}");
    }
}

#[tokio::test]
async fn a_failing_delivery_is_retried_and_then_becomes_a_dead_letter() {
    let (emulator, clock) = in_memory().await;
    let calls = Calls::default();
    emulator.start(calls.answering(|event| match event["detail"]["number"].as_u64() {
        Some(1) => Err("no".to_owned()),
        Some(2) => panic!("out of order"),
        _ => Ok(Value::Null),
    }));
    publish(&emulator, 1).await;
    publish(&emulator, 2).await;
    emulator.idle().await;
    assert_eq!(emulator.dead_letters(), []);
    let tasks = || calls.of("TaskFunction").into_iter().filter(|e| e["detail"]["number"] == 1).count();
    assert_eq!(tasks(), 1);
    clock.advance(Duration::from_millis(499));
    emulator.idle().await;
    assert_eq!(tasks(), 1, "the wait is half a second at least");
    clock.advance(Duration::from_millis(501));
    emulator.idle().await;
    assert_eq!(tasks(), 2);
    clock.advance(Duration::from_secs(2));
    emulator.idle().await;
    assert_eq!(tasks(), 3);
    clock.advance(Duration::from_secs(60));
    emulator.idle().await;
    assert_eq!(tasks(), 3, "two retries are the rule's policy");
    let mut dead = emulator.dead_letters();
    dead.sort_by_key(|letter| letter.error.clone());
    let errors: Vec<_> = dead.iter().map(|letter| (letter.error.as_str(), letter.attempts)).collect();
    assert_eq!(errors, [("no", 3), ("the function panicked: out of order", 3)]);
    assert_eq!(dead[0].target, "TaskFunction");
    assert_eq!(dead[0].event["detail"]["number"], 1);
}

#[tokio::test]
async fn a_delivery_becomes_a_dead_letter_when_its_event_is_too_old() {
    let (emulator, clock) = in_memory().await;
    emulator.start(Calls::default().answering(|_| Err("no".to_owned())));
    publish(&emulator, 1).await;
    emulator.idle().await;
    clock.advance(Duration::from_secs(601));
    emulator.idle().await;
    let attempts: Vec<_> = emulator.dead_letters().iter().map(|letter| letter.attempts).collect();
    assert!(attempts.contains(&2), "{attempts:?}");
}

#[tokio::test]
async fn each_fault_happens_as_often_as_injected() {
    let (emulator, _) = in_memory().await;
    let calls = Calls::default();
    emulator.start(calls.accepting());
    emulator.throttle("eventbridge.PutEvents", 1);
    publish(&emulator, 1).await;
    emulator.idle().await;
    assert_eq!(emulator.aws_calls()["eventbridge.PutEvents"], 2);
    assert_eq!(numbers(&calls.of("TaskFunction")), [1]);

    emulator.reset_aws_calls();
    emulator.lose_reply("eventbridge.PutEvents", 1);
    publish(&emulator, 2).await;
    emulator.idle().await;
    assert_eq!(emulator.aws_calls()["eventbridge.PutEvents"], 2);
    assert_eq!(numbers(&calls.of("TaskFunction")), [1, 2, 2], "done twice because the answer was lost");

    emulator.fail_entries(1);
    let client = Client::new(&emulator.sdk_config());
    let put = || {
        let put = client.put_events().entries(entry("task.requested", &json!({"number": 3})));
        put.entries(entry("task.requested", &json!({"number": 4}))).send()
    };
    let answer = put().await.unwrap();
    assert_eq!(answer.failed_entry_count(), 1);
    assert_eq!(answer.entries()[1].error_code(), Some("InternalFailure"));
    assert_eq!(put().await.unwrap().failed_entry_count(), 0);
    emulator.idle().await;
    assert_eq!(numbers(&calls.of("TaskFunction")), [1, 2, 2, 3, 3, 4]);

    emulator.deliver_twice(true);
    publish(&emulator, 5).await;
    emulator.idle().await;
    assert_eq!(numbers(&calls.of("TaskFunction")), [1, 2, 2, 3, 3, 4, 5, 5]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_callers_at_once_lose_and_double_nothing() {
    let (emulator, _) = in_memory().await;
    let calls = Calls::default();
    emulator.start(calls.accepting());
    let publishing = (0..32).map(|caller| {
        let emulator = emulator.clone();
        tokio::spawn(async move {
            for number in 0..40 {
                publish(&emulator, caller * 40 + number).await;
            }
        })
    });
    for caller in publishing.collect::<Vec<_>>() {
        caller.await.unwrap();
    }
    emulator.idle().await;
    let expected: Vec<u64> = (0..1280).collect();
    assert_eq!(numbers(&calls.of("TaskFunction")), expected);
}

#[tokio::test]
async fn a_slow_function_is_called_at_most_64_times_at_once_and_gets_everything() {
    let (emulator, _) = in_memory().await;
    let calls = Calls::default();
    let open = Arc::new(AtomicBool::new(false));
    let (gate, opened) = tokio::sync::watch::channel(());
    let accepting = calls.accepting();
    let is_open = open.clone();
    emulator.start(Arc::new(move |function, event| {
        let (mut opened, open, accepted) = (opened.clone(), is_open.clone(), accepting(function, event));
        async move {
            while !open.load(Ordering::SeqCst) {
                opened.changed().await.unwrap();
            }
            accepted.await
        }
        .boxed()
    }));
    let client = Client::new(&emulator.sdk_config());
    // More than a lane keeps in memory.
    for batch in 0..500 {
        let entries = (0..10).map(|n| entry("task.requested", &json!({"number": batch * 10 + n})));
        client.put_events().set_entries(Some(entries.collect())).send().await.unwrap();
    }
    until("512 are handled", || calls.of("TaskFunction").len() >= 512).await;
    tokio::task::yield_now().await;
    assert_eq!(calls.of("TaskFunction").len(), 512);
    open.store(true, Ordering::SeqCst);
    gate.send(()).unwrap();
    emulator.idle().await;
    let expected: Vec<u64> = (0..5000).collect();
    assert_eq!(numbers(&calls.of("TaskFunction")), expected);
}

#[tokio::test]
async fn an_observer_sees_every_accepted_event_once() {
    let (emulator, _) = in_memory().await;
    emulator.start(Calls::default().accepting());
    emulator.deliver_twice(true);
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let observed = seen.clone();
    emulator.observe(move |event| observed.lock().unwrap().push(serde_json::from_str::<Value>(event).unwrap()));
    let client = Client::new(&emulator.sdk_config());
    let put = client.put_events().entries(entry("task.requested", &json!({"number": 1})));
    put.entries(entry("nobody.listens", &json!({"number": 2}))).send().await.unwrap();
    emulator.idle().await;
    assert_eq!(numbers(&seen.lock().unwrap()), [1, 2]);
}

#[tokio::test]
async fn a_caller_that_crashes_has_done_its_call_or_not() {
    let (emulator, _) = in_memory().await;
    let calls = Calls::default();
    emulator.start(calls.accepting());
    for (inject, expected) in
        [(Emulator::crash_before as fn(&Emulator, &str, u32), [].as_slice()), (Emulator::crash_after, [1].as_slice())]
    {
        inject(&emulator, "eventbridge.PutEvents", 1);
        let mut crashes = emulator.crashes();
        tokio::select! {
            () = publish(&emulator, 1) => panic!("the call returned"),
            crashed = crashes.changed() => crashed.unwrap(),
        }
        emulator.idle().await;
        assert_eq!(numbers(&calls.of("TaskFunction")), expected);
    }
}

#[tokio::test]
async fn a_clock_that_is_set_forward_or_back_delays_no_retry_and_gives_up_none() {
    for step in [SignedDuration::from_hours(-72), SignedDuration::from_hours(72)] {
        let (emulator, clock) = in_memory().await;
        let calls = Calls::default();
        let failures = Arc::new(AtomicUsize::new(2));
        emulator.start(calls.answering(move |event| {
            let is_failing = event["detail"]["number"] == 1
                && failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
            if is_failing { Err("not yet".to_owned()) } else { Ok(Value::Null) }
        }));
        let attempts = || numbers(&calls.of("TaskFunction")).len();
        publish(&emulator, 1).await;
        emulator.idle().await;
        assert_eq!(attempts(), 1);
        clock.step(step);
        for expected in 2..=3 {
            clock.advance(SignedDuration::from_secs(60));
            emulator.idle().await;
            assert_eq!(attempts(), expected, "{step}");
        }
        clock.advance(SignedDuration::from_secs(3600));
        emulator.idle().await;
        assert_eq!((attempts(), emulator.dead_letters()), (3, Vec::new()), "{step}");
    }
}
