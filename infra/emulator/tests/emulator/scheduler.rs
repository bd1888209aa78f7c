//! Schedules over the API and from the template, by a clock that a test moves.

use std::time::Duration;

use aws_sdk_scheduler::Client;
use aws_sdk_scheduler::error::ProvideErrorMetadata;
use aws_sdk_scheduler::operation::create_schedule::builders::CreateScheduleFluentBuilder;
use aws_sdk_scheduler::primitives::DateTime;
use aws_sdk_scheduler::types::{
    ActionAfterCompletion, FlexibleTimeWindow, FlexibleTimeWindowMode, RetryPolicy, ScheduleState, Target,
};
use serde_json::{Value, json};

use jiff::SignedDuration;

use crate::support::{Calls, in_memory};

const ARN: &str = "arn:aws:lambda:us-east-1:000000000000:function:hookyard-ActionFunction";

fn target(input: &str) -> Target {
    Target::builder().arn(ARN).role_arn("arn:aws:iam::000000000000:role/r").input(input).build().unwrap()
}

fn off() -> FlexibleTimeWindow {
    FlexibleTimeWindow::builder().mode(FlexibleTimeWindowMode::Off).build().unwrap()
}

fn create(client: &Client, name: &str, expression: &str) -> CreateScheduleFluentBuilder {
    client
        .create_schedule()
        .name(name)
        .schedule_expression(expression)
        .flexible_time_window(off())
        .target(target(&json!({"schedule": name}).to_string()))
}

fn names(events: &[Value]) -> Vec<&str> {
    events.iter().filter_map(|event| event["schedule"].as_str()).collect()
}

#[tokio::test]
async fn a_time_in_the_past_fires_at_once_and_one_in_the_future_when_it_comes() {
    let (emulator, clock) = in_memory().await;
    let calls = Calls::default();
    emulator.start(calls.accepting());
    let client = Client::new(&emulator.sdk_config());
    create(&client, "past", "at(2029-12-31T00:00:00)")
        .action_after_completion(ActionAfterCompletion::Delete)
        .send()
        .await
        .unwrap();
    create(&client, "future", "at(2030-01-01T02:00:00)")
        .schedule_expression_timezone("Europe/Berlin")
        .send()
        .await
        .unwrap();
    emulator.idle().await;
    assert_eq!(calls.of("ActionFunction"), [json!({"schedule": "past"})]);
    clock.advance(Duration::from_secs(3599));
    emulator.idle().await;
    assert_eq!(calls.of("ActionFunction").len(), 1);
    clock.advance(Duration::from_secs(1));
    emulator.idle().await;
    assert_eq!(names(&calls.of("ActionFunction")), ["past", "future"]);
    clock.advance(Duration::from_secs(3600));
    emulator.idle().await;
    assert_eq!(calls.of("ActionFunction").len(), 2);
    let gone = client.get_schedule().name("past").send().await.unwrap_err();
    assert!(gone.into_service_error().is_resource_not_found_exception());
    assert!(client.get_schedule().name("future").send().await.is_ok());
}

#[tokio::test]
async fn repeating_schedules_keep_to_their_dates() {
    let (emulator, clock) = in_memory().await;
    let calls = Calls::default();
    emulator.start(calls.accepting());
    let client = Client::new(&emulator.sdk_config());
    let at = |seconds: i64| DateTime::from_secs(1_893_456_000 + seconds);
    create(&client, "rate", "rate(1 hour)").start_date(at(1800)).end_date(at(6000)).send().await.unwrap();
    create(&client, "cron", "cron(0 1 * * ? *)").send().await.unwrap();
    create(&client, "off", "rate(1 minute)").state(ScheduleState::Disabled).send().await.unwrap();
    let mut fired = Vec::new();
    for minute in 1..=180 {
        clock.advance(Duration::from_secs(60));
        emulator.idle().await;
        let events = calls.of("ActionFunction");
        fired.extend(names(&events)[fired.len()..].iter().map(|name| (minute, (*name).to_owned())));
        fired.dedup();
    }
    let expected = [(30, "rate"), (60, "cron"), (90, "rate")];
    assert_eq!(fired, expected.map(|(minute, name)| (minute, name.to_owned())));
}

#[tokio::test]
async fn the_same_name_again_is_a_conflict_but_a_repeated_request_is_not() {
    let (emulator, _) = in_memory().await;
    let client = Client::new(&emulator.sdk_config());
    let future = "at(2031-01-01T00:00:00)";
    emulator.lose_reply("scheduler.CreateSchedule", 1);
    create(&client, "once", future).send().await.unwrap();
    assert_eq!(emulator.aws_calls()["scheduler.CreateSchedule"], 2);
    let again = create(&client, "once", future).send().await.unwrap_err();
    assert!(again.into_service_error().is_conflict_exception());
    let deleted = client.delete_schedule().name("once").send().await;
    deleted.unwrap();
    let missing = client.delete_schedule().name("once").send().await.unwrap_err();
    assert!(missing.into_service_error().is_resource_not_found_exception());
    create(&client, "once", future).send().await.unwrap();
}

#[tokio::test]
async fn what_aws_refuses_is_refused() {
    let (emulator, _) = in_memory().await;
    let client = Client::new(&emulator.sdk_config());
    let future = "at(2031-01-01T00:00:00)";
    let bad_policy = RetryPolicy::builder().maximum_retry_attempts(200).build();
    let strange = Target::builder().arn("arn:aws:sqs:us-east-1:0:q").role_arn("r").build().unwrap();
    let impatient = Target::builder().arn(ARN).role_arn("r").retry_policy(bad_policy).build().unwrap();
    for (request, expected) in [
        (create(&client, "a b", future), "Name must have"),
        (create(&client, "a", "tomorrow"), "Invalid Schedule Expression tomorrow"),
        (create(&client, "a", future).schedule_expression_timezone("Moon/Sea"), "Invalid timezone Moon/Sea"),
        (create(&client, "a", future).target(target("no json")), "Target.Input must be JSON"),
        (create(&client, "a", future).target(strange), "is not a function of this template"),
        (create(&client, "a", future).target(impatient), "MaximumRetryAttempts must be"),
    ] {
        let error = request.send().await.unwrap_err().into_service_error();
        assert!(error.is_validation_exception(), "{expected}: {error:?}");
        assert!(error.message().unwrap_or_default().contains(expected), "{expected}: {error:?}");
    }
    let error = create(&client, "a", future).group_name("none").send().await.unwrap_err();
    assert!(error.into_service_error().is_resource_not_found_exception());
}

#[tokio::test]
async fn a_schedule_can_be_read_changed_and_listed() {
    let (emulator, clock) = in_memory().await;
    let calls = Calls::default();
    emulator.start(calls.accepting());
    let client = Client::new(&emulator.sdk_config());
    client.create_schedule_group().name("reports").send().await.unwrap();
    let again = client.create_schedule_group().name("reports").send().await.unwrap_err();
    assert!(again.into_service_error().is_conflict_exception());
    let at = "at(2030-01-01T01:00:00)";
    create(&client, "daily", at).group_name("reports").description("d").send().await.unwrap();
    let got = client.get_schedule().name("daily").group_name("reports").send().await.unwrap();
    assert_eq!(got.schedule_expression(), Some(at));
    assert_eq!(got.arn(), Some("arn:aws:scheduler:us-east-1:000000000000:schedule/reports/daily"));
    assert_eq!(got.target().unwrap().input(), Some(r#"{"schedule":"daily"}"#));
    assert_eq!((got.state(), got.description()), (Some(&ScheduleState::Enabled), Some("d")));
    assert_eq!(got.creation_date(), Some(&DateTime::from_secs(1_893_456_000)));
    client
        .update_schedule()
        .name("daily")
        .group_name("reports")
        .schedule_expression("at(2030-01-01T03:00:00)")
        .flexible_time_window(off())
        .target(target(r#"{"at": "<aws.scheduler.scheduled-time>", "of": "<aws.scheduler.schedule-arn>"}"#))
        .send()
        .await
        .unwrap();
    for name in ["x1", "x2", "y"] {
        create(&client, name, "at(2031-01-01T00:00:00)").send().await.unwrap();
    }
    let mut pages = client.list_schedules().name_prefix("x").max_results(1).into_paginator().send();
    let mut listed = Vec::new();
    while let Some(page) = pages.next().await {
        listed.extend(page.unwrap().schedules().iter().filter_map(|s| s.name().map(str::to_owned)));
    }
    assert_eq!(listed, ["x1", "x2"]);
    let in_group = client.list_schedules().group_name("reports").send().await.unwrap();
    assert_eq!(in_group.schedules().len(), 1);

    clock.advance(Duration::from_secs(2 * 3600));
    emulator.idle().await;
    assert_eq!(calls.of("ActionFunction").len(), 0, "the old time is no longer due");
    clock.advance(Duration::from_secs(3600));
    emulator.idle().await;
    let expected = json!({
        "at": "2030-01-01T03:00:00Z",
        "of": "arn:aws:scheduler:us-east-1:000000000000:schedule/reports/daily",
    });
    assert_eq!(calls.of("ActionFunction"), [expected]);
}

#[tokio::test]
async fn a_schedule_of_the_template_fires_with_its_input() {
    let (emulator, clock) = in_memory().await;
    let calls = Calls::default();
    emulator.start(calls.accepting());
    emulator.idle().await;
    assert_eq!(calls.of("TaskFunction"), [json!({"sweep": true})]);
    clock.advance(Duration::from_secs(299));
    emulator.idle().await;
    assert_eq!(calls.of("TaskFunction").len(), 1);
    clock.advance(Duration::from_secs(1));
    emulator.idle().await;
    assert_eq!(calls.of("TaskFunction").len(), 2);
}

/// Three days, and the moment before: more than any wait of a delivery or of the schedules below.
const STEP: SignedDuration = SignedDuration::from_hours(72);

fn fired(calls: &Calls) -> usize {
    names(&calls.of("ActionFunction")).len()
}

#[tokio::test]
async fn a_clock_that_is_set_back_delays_and_repeats_no_schedule() {
    let (emulator, clock) = in_memory().await;
    let calls = Calls::default();
    emulator.start(calls.accepting());
    let client = Client::new(&emulator.sdk_config());
    create(&client, "once", "at(2030-01-01T00:10:00)").send().await.unwrap();
    create(&client, "often", "rate(10 minutes)").send().await.unwrap();
    let runs = async |minutes: i64| {
        clock.advance(SignedDuration::from_mins(minutes));
        emulator.idle().await;
        fired(&calls)
    };
    emulator.idle().await;
    let before = fired(&calls);
    clock.step(-STEP);
    assert_eq!(runs(9).await, before, "nothing is early");
    assert_eq!(runs(1).await, before + 2, "both come when their time has passed");
    assert_eq!(runs(9).await, before + 2, "and neither comes again");
    assert_eq!(runs(1).await, before + 3);
    clock.step(STEP);
    emulator.idle().await;
    assert_eq!(runs(1).await, before + 3, "an instant that has been is not repeated");
}

#[tokio::test]
async fn a_clock_that_is_set_forward_fires_what_is_due_once() {
    let (emulator, clock) = in_memory().await;
    let calls = Calls::default();
    emulator.start(calls.accepting());
    let client = Client::new(&emulator.sdk_config());
    create(&client, "once", "at(2030-01-02T00:00:00)").send().await.unwrap();
    create(&client, "often", "rate(10 minutes)").send().await.unwrap();
    emulator.idle().await;
    let before = fired(&calls);
    clock.step(STEP);
    emulator.idle().await;
    assert_eq!(fired(&calls), before + 2);
}
