use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::{Value, json};
use shared::event::{Answer, Envelope, EventId, EventType, StepError, StepFinished, StepId, TenantId};

use super::super::{Command, Run, RunContext, RunStatus, StepState, When};
use super::{MAX_RETRIES, NotRetried, Request};
use crate::budget::Share;
use crate::dispatcher::Plan;
use crate::dispatcher::tests::unchecked;
use crate::event::Event;

const SHARE: Share = Share { step: 100, outcome: 10 };

fn at(seconds: i64) -> Timestamp {
    "2026-01-02T03:04:05Z".parse::<Timestamp>().unwrap() + SignedDuration::from_secs(seconds)
}

fn event() -> Arc<Event> {
    let kind = EventType::known("order.paid");
    Arc::new(Event::new(Envelope::new(kind, EventId::new("e1"), TenantId::new("t"), at(0), json!({"n": 1}))))
}

fn start(actions: &Value) -> Run {
    let dispatcher = unchecked(actions);
    let plan = Arc::new(Plan::new(dispatcher.body.actions.iter()));
    Run::start(&dispatcher, &RunContext { event: event(), plan }, SHARE, at(0), 0).0
}

fn names(commands: &[Command]) -> String {
    commands.iter().map(|command| format!("{}#{}", command.id.step, command.id.attempt)).collect::<Vec<_>>().join(" ")
}

fn answer(run: &mut Run, step: &str, attempt: u32, answer: Answer, second: i64) -> Option<String> {
    let (event_id, dispatcher_id) = (run.event_id.clone(), run.dispatcher_id.clone());
    let id = StepId { event_id, dispatcher_id, step: step.to_owned(), attempt };
    if !run.apply(&StepFinished { id: id.clone(), answer }, at(second)) {
        return None;
    }
    let context = run.context(event());
    Some(names(&run.advance(&id, &context, at(second))))
}

fn succeed(run: &mut Run, step: &str, attempt: u32, second: i64) -> Option<String> {
    answer(run, step, attempt, Answer::succeeded(json!({"from": step, "attempt": attempt})), second)
}

fn fail(run: &mut Run, step: &str, attempt: u32, second: i64) -> Option<String> {
    answer(run, step, attempt, Answer::failed(StepError::invocation("Broken", "it broke")), second)
}

fn request(id: &str, from: Option<&str>) -> Request {
    Request { id: id.to_owned(), from: from.map(str::to_owned), bulk_id: None }
}

fn retry(run: &mut Run, from: Option<&str>, second: i64) -> Result<String, NotRetried> {
    let context = run.context(event());
    let id = format!("retry at {second}");
    run.retry(&request(&id, from), &context, at(second)).map(|commands| names(&commands))
}

fn states(run: &Run) -> String {
    let states: Vec<_> = run.steps.iter().map(|step| format!("{}:{}", step.name(), step.status.as_str())).collect();
    format!("{:?} {}", run.status, states.join(" "))
}

#[test]
fn what_failed_and_what_was_skipped_because_of_it_is_done_again() {
    let mut run = start(&json!([
        {"type": "task", "name": "a"},
        {"type": "task", "name": "b", "dependencies": ["a"]},
        {"type": "task", "name": "c", "dependencies": ["b"], "data": "{{ steps.b.output.attempt }}"},
        {"type": "task", "name": "d"},
    ]));
    succeed(&mut run, "a", 1, 1);
    succeed(&mut run, "d", 1, 1);
    fail(&mut run, "b", 1, 2);
    assert_eq!(states(&run), "Failed a:succeeded b:failed c:skipped d:succeeded");
    assert_eq!(retry(&mut run, None, 10).unwrap(), "b#2");
    assert_eq!(states(&run), "Running a:succeeded b:requested c:pending d:succeeded");
    assert_eq!((run.finished_at, run.steps[1].error.clone(), run.steps[2].reason.clone()), (None, None, None));
    assert_eq!(fail(&mut run, "b", 1, 11), None, "the answer to the attempt before comes too late");
    assert_eq!(succeed(&mut run, "b", 2, 12).as_deref(), Some("c#1"));
    succeed(&mut run, "c", 1, 13);
    assert_eq!(states(&run), "Succeeded a:succeeded b:succeeded c:succeeded d:succeeded");
    assert_eq!(run.finished_at, Some(at(13)));
    let attempts: Vec<_> = run.steps[1].attempts.iter().map(|attempt| (attempt.attempt, attempt.status)).collect();
    assert_eq!(attempts, [(1, StepState::Failed), (2, StepState::Succeeded)]);
    let [retry] = run.retries.as_slice() else { panic!("it was retried once") };
    assert_eq!((retry.status, retry.finished_at, retry.time), (RunStatus::Failed, Some(at(2)), at(10)));
}

#[test]
fn from_one_step_on_everything_that_depends_on_it_is_done_again() {
    let mut run = start(&json!([
        {"type": "task", "name": "a"},
        {"type": "task", "name": "b", "dependencies": ["a"]},
        {"type": "task", "name": "c", "dependencies": ["b"]},
        {"type": "task", "name": "d", "dependencies": ["a"]},
    ]));
    for step in ["a", "b", "d", "c"] {
        succeed(&mut run, step, 1, 1);
    }
    assert_eq!(retry(&mut run, None, 2), Err(NotRetried::NothingFailed));
    assert_eq!(retry(&mut run, Some("b"), 3).unwrap(), "b#2");
    assert_eq!(states(&run), "Running a:succeeded b:requested c:pending d:succeeded");
    assert_eq!(retry(&mut run, Some("b"), 4), Err(NotRetried::Open));
    assert_eq!(succeed(&mut run, "b", 2, 5).as_deref(), Some("c#2"));
    succeed(&mut run, "c", 2, 6);
    assert_eq!(retry(&mut run, Some("a"), 7).unwrap(), "a#2");
    assert_eq!(states(&run), "Running a:requested b:pending c:pending d:pending");
}

#[test]
fn a_step_that_would_be_skipped_again_or_does_not_exist_is_refused() {
    let mut run = start(&json!([{"type": "task", "name": "a"}, {"type": "task", "name": "b", "dependencies": ["a"]}]));
    fail(&mut run, "a", 1, 1);
    let before = run.clone();
    assert_eq!(retry(&mut run, Some("b"), 2), Err(NotRetried::Blocked("`a` failed".to_owned())));
    let unknown = retry(&mut run, Some("aa"), 2).unwrap_err();
    assert_eq!(unknown.to_string(), "names an unknown step `aa`: did you mean `a`?");
    assert_eq!(run, before);
}

#[test]
fn a_step_has_as_many_attempts_again_with_the_same_delays() {
    let mut run = start(&json!([
        {"type": "task", "name": "a", "retry": {"attempts": 2, "delaySeconds": 10, "backoff": "exponential"}},
    ]));
    assert_eq!(fail(&mut run, "a", 1, 1).as_deref(), Some("a#2"));
    assert_eq!(fail(&mut run, "a", 2, 11).as_deref(), Some(""));
    assert_eq!(retry(&mut run, None, 20).unwrap(), "a#3");
    assert_eq!(fail(&mut run, "a", 3, 21).as_deref(), Some("a#4"));
    assert_eq!(run.steps[0].attempts[3].requested_at, at(31), "as long after the third as the second after the first");
    assert_eq!(fail(&mut run, "a", 4, 31).as_deref(), Some(""));
    assert_eq!(run.status, RunStatus::Failed);
}

#[test]
fn a_retried_step_may_cause_as_much_as_before() {
    let budget = |run: &Run| {
        let context = run.context(event());
        let commands = run.requested(&context, at(99), |_, _| true);
        let When::Now(entry) = &commands[0].when else { panic!("it is sent at once") };
        serde_json::from_str::<Value>(&entry.detail()).unwrap()["trace"]["budget"].clone()
    };
    for attempts in [1, 3] {
        let mut run = start(&json!([{"type": "task", "name": "a", "retry": {"attempts": attempts}}]));
        let first = budget(&run);
        (1..=attempts).for_each(|attempt| drop(fail(&mut run, "a", attempt, 1)));
        retry(&mut run, None, 2).unwrap();
        assert_eq!(budget(&run), first, "{attempts}");
    }
}

#[test]
fn a_run_is_idle_while_nothing_is_to_be_expected_of_it_soon() {
    let mut run = start(&json!([
        {"type": "task", "name": "a", "retry": {"attempts": 3, "delaySeconds": 100}},
        {"type": "task", "name": "b"},
    ]));
    assert!(!run.is_idle(at(0)) && !run.is_idle(at(-1)), "the clock was read just before it was requested");
    fail(&mut run, "a", 1, 1);
    assert!(!run.is_idle(at(1)), "the other step is under way");
    answer(&mut run, "b", 1, Answer::waiting(), 1);
    assert!(run.is_idle(at(1)) && !run.is_idle(at(50)));
    fail(&mut run, "a", 2, 101);
    fail(&mut run, "a", 3, 201);
    assert!(run.is_idle(at(201)), "it waits for the outside world");
}

#[test]
fn a_failure_that_another_step_has_already_made_up_for_stays() {
    let mut run = start(&json!([
        {"type": "task", "name": "charge", "onFailure": "continue"},
        {"type": "task", "name": "refund", "dependencies": ["charge"],
         "condition": {"steps": {"charge": {"status": ["failed"]}}}},
        {"type": "task", "name": "other"},
        {"type": "task", "name": "allowed", "onFailure": "continue"},
    ]));
    fail(&mut run, "charge", 1, 1);
    succeed(&mut run, "refund", 1, 2);
    fail(&mut run, "other", 1, 3);
    fail(&mut run, "allowed", 1, 4);
    assert_eq!(retry(&mut run, None, 5).unwrap(), "other#2 allowed#2");
    assert_eq!(states(&run), "Running charge:failed refund:succeeded other:requested allowed:requested");
}

#[test]
fn a_step_whose_command_could_not_be_built_is_tried_again() {
    let mut run = start(&json!([{"type": "task", "name": "a", "to": "{{ event.content.phone }}"}]));
    assert_eq!((run.status, run.steps[0].attempts.len()), (RunStatus::Failed, 0));
    assert_eq!(retry(&mut run, None, 5).unwrap(), "");
    assert_eq!(states(&run), "Failed a:failed");
    assert_eq!(run.finished_at, Some(at(5)));
}

#[test]
fn the_record_of_a_run_that_is_retried_forever_does_not_grow_forever() {
    let actions: Vec<Value> =
        (0..20).map(|n| json!({"type": "task", "name": format!("s{n}"), "pad": "x".repeat(16_500)})).collect();
    let mut run = start(&json!(actions));
    for round in 1..20 {
        for step in 0..20 {
            let attempt = run.steps[step].attempt();
            fail(&mut run, &format!("s{step}"), attempt, round);
        }
        assert_eq!(run.steps[0].attempt(), u32::try_from(round).unwrap());
        assert_ne!(retry(&mut run, None, round).unwrap(), "");
        assert!(run.fits() && run.retries.len() <= MAX_RETRIES, "{round}");
    }
    let kept = run.steps[0].attempts.len();
    assert!((2..20).contains(&kept), "as many attempts as there is room for are kept: {kept}");
}

#[test]
fn the_largest_run_can_be_retried_again_and_again() {
    let actions = (0..100).map(|n| {
        let data = json!({"x": "x".repeat(840)});
        json!({"type": "task", "name": format!("s{n:03}"), "functionName": "f", "data": data, "retry": {"attempts": 2}})
    });
    let mut run = start(&Value::Array(actions.collect()));
    for round in 1..4 {
        for index in 0..run.steps.len() {
            while run.steps[index].status == StepState::Requested {
                let (name, attempt) = (run.steps[index].name().to_owned(), run.steps[index].attempt());
                let error = StepError::invocation(&"n".repeat(100), "\"".repeat(1_000));
                answer(&mut run, &name, attempt, Answer::failed(error), round);
            }
        }
        assert_eq!(run.status, RunStatus::Failed);
        retry(&mut run, None, round).unwrap();
        assert!(run.fits(), "{round}");
    }
}

#[test]
fn a_run_without_room_for_another_attempt_is_not_retried() {
    let actions = json!([{"type": "task", "name": "a"}, {"type": "task", "name": "b"}]);
    let mut run = start(&actions);
    fail(&mut run, "b", 1, 1);
    answer(&mut run, "a", 1, Answer::succeeded(json!("x".repeat(100_000))), 1);
    assert_eq!(run.status, RunStatus::Failed);
    run.steps[0].output = Some(json!("x".repeat(393_000)));
    assert_eq!(retry(&mut run, None, 2), Err(NotRetried::NoRoom));
}

#[test]
fn a_cancelled_run_starts_nothing_and_still_records_what_comes() {
    let mut run = start(&json!([
        {"type": "task", "name": "a", "retry": {"attempts": 3}},
        {"type": "task", "name": "b", "dependencies": ["a"]},
        {"type": "task", "name": "late", "retry": {"attempts": 2, "delaySeconds": 60}},
        {"type": "task", "name": "slow", "timeoutSeconds": 30},
    ]));
    fail(&mut run, "late", 1, 1);
    assert!(run.cancel(at(2)));
    assert_eq!(states(&run), "Cancelled a:requested b:skipped late:skipped slow:requested");
    assert_eq!((run.finished_at, run.steps[2].attempts.len()), (Some(at(2)), 1), "the second was never sent");
    let before = run.clone();
    assert!(!run.cancel(at(3)));
    assert_eq!(run, before);
    let context = run.context(event());
    assert!(run.requested(&context, at(4), |_, _| true).is_empty());
    assert_eq!(fail(&mut run, "a", 1, 5).as_deref(), Some(""), "no other attempt follows");
    assert_eq!(run.steps[0].error.as_ref().unwrap().name, "Broken");
    assert_eq!(run.sweep(&context, at(40)).map(|commands| commands.len()), Some(0));
    assert_eq!(states(&run), "Cancelled a:failed b:skipped late:skipped slow:failed");
    assert_eq!((run.next_check(), run.finished_at), (None, Some(at(2))));
    assert_eq!(retry(&mut run, None, 50), Err(NotRetried::Cancelled));
}

proptest! {
    /// Whatever fails and however often it is retried: what succeeded is not asked for again, no attempt has the number of
    /// an earlier one, and a run that is over has nothing open.
    #[test]
    fn retries_do_nothing_twice(
        parents in prop::collection::vec(prop::collection::vec(any::<prop::sample::Index>(), 0..3), 1..7),
        outcomes in prop::collection::vec(any::<bool>(), 1..60),
        allowed in prop::collection::vec(any::<bool>(), 7),
    ) {
        let actions: Vec<Value> = parents.iter().enumerate().map(|(n, parents)| {
            let names: std::collections::BTreeSet<String> =
                parents.iter().filter(|_| n > 0).map(|parent| format!("s{}", parent.index(n))).collect();
            let on_failure = if allowed[n] { "continue" } else { "fail" };
            json!({"type": "task", "name": format!("s{n}"), "dependencies": names, "onFailure": on_failure})
        }).collect();
        let mut run = start(&json!(actions));
        let mut asked = std::collections::BTreeSet::new();
        let mut succeeded = std::collections::BTreeSet::new();
        let mut outcomes = outcomes.into_iter();
        'all: loop {
            while let Some(index) = run.steps.iter().position(|step| step.status == StepState::Requested) {
                let (name, attempt) = (run.steps[index].name().to_owned(), run.steps[index].attempt());
                prop_assert!(!succeeded.contains(&name), "{name} had succeeded");
                prop_assert!(asked.insert((name.clone(), attempt)), "{name}#{attempt} was asked for twice");
                let Some(outcome) = outcomes.next() else { break 'all };
                if outcome {
                    succeed(&mut run, &name, attempt, 1);
                    succeeded.insert(name);
                } else {
                    fail(&mut run, &name, attempt, 1);
                }
            }
            prop_assert!(run.is_over());
            prop_assert!(run.steps.iter().all(|step| step.status.is_over()));
            if retry(&mut run, None, 2).is_err() {
                prop_assert_eq!(run.status, RunStatus::Succeeded);
                break;
            }
        }
    }
}
