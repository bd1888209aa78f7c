use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::{Value, json};
use shared::event::{
    Answer, Envelope, EventId, EventType, FailedResponse, RecordKind, StepError, StepFinished, StepId, TenantId,
};

use super::{Command, Run, RunContext, RunStatus, StepState, When};
use crate::budget::Share;
use crate::dispatcher::Plan;
use crate::dispatcher::tests::{dispatcher, unchecked};
use crate::event::Event;

const SHARE: Share = Share { step: 100, outcome: 10 };

fn start_time() -> Timestamp {
    "2026-01-02T03:04:05Z".parse().unwrap()
}

fn at(seconds: i64) -> Timestamp {
    start_time() + SignedDuration::from_secs(seconds)
}

fn event() -> Event {
    let content = json!({"email": "ada@example.org", "total": 12});
    let kind = EventType::known("order.paid");
    Event::new(Envelope::new(kind, EventId::new("e1"), TenantId::new("t"), start_time(), content))
}

fn start(actions: &Value) -> (Run, Vec<Command>) {
    let dispatcher = unchecked(actions);
    let plan = Arc::new(Plan::new(dispatcher.body.actions.iter()));
    Run::start(&dispatcher, &RunContext { event: Arc::new(event()), plan }, SHARE, start_time(), 0)
}

fn context(run: &Run) -> RunContext {
    run.context(Arc::new(event()))
}

fn id(run: &Run, step: &str, attempt: u32) -> StepId {
    let (event_id, dispatcher_id) = (run.event_id.clone(), run.dispatcher_id.clone());
    StepId { event_id, dispatcher_id, step: step.to_owned(), attempt }
}

/// Names the steps and attempts of commands, with the second of those that come later.
fn names(commands: &[Command]) -> String {
    let name = |command: &Command| match &command.when {
        When::Now(_) => format!("{}#{}", command.id.step, command.id.attempt),
        When::At(time) => {
            format!("{}#{}@{}", command.id.step, command.id.attempt, time.duration_since(start_time()).as_secs())
        }
    };
    commands.iter().map(name).collect::<Vec<_>>().join(" ")
}

fn finished(id: StepId, answer: Answer) -> StepFinished {
    StepFinished { id, answer }
}

/// Gives an answer as the function would take it, and names the commands that follow; `late` if it changed nothing.
fn answer(run: &mut Run, answer: &StepFinished, second: i64) -> String {
    if !run.apply(answer, at(second)) {
        return "late".to_owned();
    }
    match run.needs_context(&answer.id) {
        true => names(&run.advance(&answer.id, &context(run), at(second))),
        false => {
            run.close(at(second));
            String::new()
        }
    }
}

fn succeed(run: &mut Run, step: &str, attempt: u32, second: i64) -> String {
    answer(run, &finished(id(run, step, attempt), Answer::succeeded(json!({"from": step}))), second)
}

fn fail(run: &mut Run, step: &str, attempt: u32, second: i64) -> String {
    let failed = Answer::failed(StepError::invocation("Broken", "it broke"));
    answer(run, &finished(id(run, step, attempt), failed), second)
}

fn wait(run: &mut Run, step: &str, attempt: u32, second: i64) -> String {
    answer(run, &finished(id(run, step, attempt), Answer::waiting()), second)
}

fn states(run: &Run) -> String {
    let states: Vec<_> = run.steps.iter().map(|step| format!("{}:{}", step.name(), step.status.as_str())).collect();
    format!("{:?} {}", run.status, states.join(" "))
}

fn detail(command: &Command) -> Value {
    match &command.when {
        When::Now(entry) => serde_json::from_str(&entry.detail()).unwrap(),
        When::At(_) => panic!("the command is scheduled"),
    }
}

#[test]
fn a_command_carries_the_filled_in_action_and_the_whole_event() {
    let (_, commands) = start(&json!([
        {"type": "task", "name": "a", "functionName": "f", "data": {"to": "{{ event.content.email }}", "n": "{{event.content.total}}"}},
    ]));
    let detail = detail(&commands[0]);
    assert_eq!(detail["type"], "task.requested");
    assert_eq!(detail["trace"]["depth"], 1);
    let content = &detail["content"];
    assert_eq!(content["action"], json!({"functionName": "f", "data": {"to": "ada@example.org", "n": 12}}));
    assert_eq!(content["event"], event().value);
    assert_eq!((&content["step"], &content["attempt"]), (&json!("a"), &json!(1)));
}

#[test]
fn steps_run_side_by_side_unless_one_waits_for_others() {
    let (mut run, commands) = start(&json!([
        {"type": "task", "name": "a"},
        {"type": "task", "name": "b"},
        {"type": "task", "name": "c", "dependencies": ["a", "b"], "data": "{{ steps.a.output.from }}"},
        {"type": "task", "name": "d", "dependencies": ["c"]},
    ]));
    assert_eq!(names(&commands), "a#1 b#1");
    assert_eq!(succeed(&mut run, "a", 1, 1), "");
    assert_eq!(states(&run), "Running a:succeeded b:requested c:pending d:pending");
    assert_eq!(succeed(&mut run, "b", 1, 2), "c#1");
    assert_eq!(
        detail(&run.requested(&context(&run), at(2), |_, _| true)[0])["content"]["action"],
        json!({"data": "a"})
    );
    assert_eq!(succeed(&mut run, "c", 1, 3), "d#1");
    assert_eq!(succeed(&mut run, "d", 1, 4), "");
    assert_eq!(states(&run), "Succeeded a:succeeded b:succeeded c:succeeded d:succeeded");
    assert_eq!(run.finished_at, Some(at(4)));
}

#[test]
fn a_failure_skips_what_depends_on_it_and_lets_the_rest_finish() {
    let (mut run, _) = start(&json!([
        {"type": "task", "name": "a"},
        {"type": "task", "name": "b", "dependencies": ["a"]},
        {"type": "task", "name": "c", "dependencies": ["b"]},
        {"type": "task", "name": "d"},
    ]));
    assert_eq!(fail(&mut run, "a", 1, 1), "");
    assert_eq!(states(&run), "Running a:failed b:skipped c:skipped d:requested");
    assert_eq!(run.steps[1].reason.as_deref(), Some("`a` failed"));
    assert_eq!(run.steps[2].reason.as_deref(), Some("`b` was skipped"));
    assert_eq!(succeed(&mut run, "d", 1, 2), "");
    assert_eq!(run.status, RunStatus::Failed);
}

#[test]
fn a_failure_that_may_happen_is_visible_to_what_depends_on_it() {
    let (mut run, _) = start(&json!([
        {"type": "task", "name": "a", "onFailure": "continue"},
        {"type": "task", "name": "b", "dependencies": ["a"], "why": "{{ steps.a.error.name }}", "was": "{{ steps.a.status }}"},
    ]));
    assert_eq!(fail(&mut run, "a", 1, 1), "b#1");
    let command = &run.requested(&context(&run), at(1), |_, _| true)[0];
    assert_eq!(detail(command)["content"]["action"], json!({"why": "Broken", "was": "failed"}));
    assert_eq!(succeed(&mut run, "b", 1, 2), "");
    assert_eq!(run.status, RunStatus::Succeeded);
}

#[test]
fn a_condition_decides_over_the_event_and_earlier_steps() {
    let (mut run, commands) = start(&json!([
        {"type": "task", "name": "small", "condition": {"event": {"content": {"total": [{"numeric": ["<", 10]}]}}}},
        {"type": "task", "name": "large", "condition": {"event": {"content": {"total": [{"numeric": [">=", 10]}]}}}},
        {"type": "task", "name": "after", "dependencies": ["large"], "condition": {"steps": {"large": {"output": {"from": ["large"]}}}}},
        {"type": "task", "name": "never", "dependencies": ["large"], "condition": {"steps": {"large": {"status": ["failed"]}}}},
    ]));
    assert_eq!(names(&commands), "large#1");
    assert!(run.steps[0].reason.as_deref().unwrap().contains("event.content.total"));
    assert_eq!(succeed(&mut run, "large", 1, 1), "after#1");
    assert_eq!(states(&run), "Running small:skipped large:succeeded after:requested never:skipped");
    assert_eq!(succeed(&mut run, "after", 1, 2), "");
    assert_eq!(run.status, RunStatus::Succeeded);
}

#[test]
fn a_run_whose_steps_are_all_skipped_is_over_at_once() {
    let (run, commands) = start(&json!([{"type": "task", "name": "a", "condition": {"event": {"type": ["other"]}}}]));
    assert_eq!((names(&commands).as_str(), run.status), ("", RunStatus::Succeeded));
    assert_eq!(run.next_check(), None);
}

#[test]
fn what_a_failed_step_answered_is_its_output_until_it_is_tried_again() {
    let (mut run, _) = start(&json!([{"type": "http", "name": "a", "retry": {"attempts": 2}}]));
    let refused = || Answer::failed(StepError::invocation("HttpStatus", "404")).with_output(json!({"status": 404}));
    let (first, second) = (finished(id(&run, "a", 1), refused()), finished(id(&run, "a", 2), refused()));
    answer(&mut run, &first, 1);
    assert_eq!(run.steps[0].output, None);
    answer(&mut run, &second, 2);
    assert_eq!((run.status, run.steps[0].output.clone()), (RunStatus::Failed, Some(json!({"status": 404}))));
}

#[test]
fn a_value_that_is_missing_fails_the_step_and_names_it() {
    let (run, commands) = start(&json!([
        {"type": "task", "name": "a", "to": "{{ event.content.phone }}", "retry": {"attempts": 3}},
        {"type": "task", "name": "b"},
    ]));
    assert_eq!(names(&commands), "b#1");
    let error = run.steps[0].error.clone().unwrap();
    assert_eq!(error.name, "TemplateError");
    assert!(error.message.contains("event.content.phone"), "{}", error.message);
    assert_eq!(run.steps[0].status, StepState::Failed);
}

#[test]
fn a_command_that_the_bus_cannot_take_fails_the_step() {
    let (mut run, _) = start(&json!([
        {"type": "task", "name": "a"},
        {"type": "task", "name": "b", "dependencies": ["a"], "twice": "{{ steps.a.output }}{{ steps.a.output }}{{ steps.a.output }}"},
    ]));
    let large = finished(id(&run, "a", 1), Answer::succeeded(json!("x".repeat(100_000))));
    assert_eq!(answer(&mut run, &large, 1), "");
    assert_eq!(run.steps[1].error.as_ref().unwrap().name, "CommandTooLarge");
    assert_eq!(run.status, RunStatus::Failed);
}

#[test]
fn outputs_that_do_not_fit_into_the_row_fail_their_step() {
    let actions: Vec<_> =
        (0..5).map(|n| json!({"type": "task", "name": format!("s{n}"), "retry": {"attempts": 2}})).collect();
    let (mut run, _) = start(&json!(actions));
    let long = finished(id(&run, "s0", 1), Answer::succeeded(json!("x".repeat(140_000))));
    assert_eq!(answer(&mut run, &long, 1), "");
    assert_eq!(run.steps[0].error.as_ref().unwrap().name, "OutputTooLarge");
    for step in ["s1", "s2", "s3", "s4"] {
        let large = finished(id(&run, step, 1), Answer::succeeded(json!("x".repeat(120_000))));
        assert_eq!(answer(&mut run, &large, 2), "");
    }
    assert_eq!(states(&run), "Failed s0:failed s1:succeeded s2:succeeded s3:succeeded s4:failed");
    assert!(serde_json::to_string(&run).unwrap().len() < 400_000);
}

#[test]
fn the_largest_run_without_outputs_fits_into_its_row() {
    let actions: Vec<_> = (0..100)
        .map(|n| {
            let data = json!({"x": "x".repeat(840)});
            json!({"type": "task", "name": format!("s{n:03}"), "functionName": "f", "data": data, "retry": {"attempts": 2}})
        })
        .collect();
    assert!(dispatcher(&json!({"eventType": "e", "actions": actions})).is_ok());
    let (mut run, _) = start(&json!(actions));
    for n in 0..200 {
        let step = format!("s{:03}", n / 2);
        let error = StepError { kind: Some("\0".repeat(99)), name: "\"".repeat(999), message: "\n\u{1}".repeat(9999) };
        let step = id(&run, &step, n % 2 + 1);
        assert!(run.apply(&finished(step.clone(), Answer::waiting()), at(1)));
        let failed = Answer::failed(error).with_record(RecordKind::ActionRun, "\n".repeat(99)).started_at(at(1));
        answer(&mut run, &finished(step, failed.with_response(Some(FailedResponse::new(500, &Value::Null)))), 1);
    }
    assert_eq!(run.status, RunStatus::Failed);
    assert!(serde_json::to_string(&run).unwrap().len() < 395_000);
}

#[test]
fn a_failed_attempt_is_followed_by_the_next_at_once_or_later() {
    let (mut run, _) = start(&json!([
        {"type": "task", "name": "now", "retry": {"attempts": 2}},
        {"type": "task", "name": "later", "retry": {"attempts": 3, "delaySeconds": 30, "backoff": "exponential"}},
    ]));
    assert_eq!(fail(&mut run, "now", 1, 1), "now#2");
    assert_eq!(fail(&mut run, "now", 1, 1), "late");
    assert_eq!(fail(&mut run, "now", 2, 2), "");
    assert_eq!(run.steps[0].status, StepState::Failed);
    assert_eq!(fail(&mut run, "later", 1, 10), "later#2@40");
    assert_eq!(names(&run.requested(&context(&run), at(39), |_, _| true)), "later#2@40");
    assert_eq!(names(&run.requested(&context(&run), at(40), |_, _| true)), "later#2");
    assert_eq!(fail(&mut run, "later", 2, 50), "later#3@110");
    assert_eq!(succeed(&mut run, "later", 3, 111), "");
    assert_eq!(states(&run), "Failed now:failed later:succeeded");
    let statuses: Vec<_> = run.steps[1].attempts.iter().map(|attempt| attempt.status.as_str()).collect();
    assert_eq!(statuses, ["failed", "failed", "succeeded"]);
}

#[test]
fn a_command_that_nests_too_deep_for_its_receiver_fails_the_step() {
    let nested = |levels: usize| (0..levels).fold(json!("{{ event }}"), |inner, _| json!([inner]));
    // The event has two levels, and the fields of the action are one more.
    for (levels, expected) in [(93, "Running a:requested"), (94, "Failed a:failed")] {
        let (run, _) = start(&json!([{"type": "task", "name": "a", "data": nested(levels)}]));
        assert_eq!(states(&run), expected, "{levels}");
    }
}

#[test]
fn late_and_repeated_answers_change_nothing() {
    let (mut run, _) = start(&json!([{"type": "task", "name": "a"}, {"type": "task", "name": "b"}]));
    assert_eq!(wait(&mut run, "a", 1, 1), "");
    assert_eq!(wait(&mut run, "a", 1, 2), "late");
    assert_eq!(succeed(&mut run, "a", 1, 3), "");
    let before = run.clone();
    assert_eq!(wait(&mut run, "a", 1, 4), "late");
    assert_eq!(fail(&mut run, "a", 1, 4), "late");
    assert_eq!(succeed(&mut run, "b", 2, 4), "late");
    assert_eq!(succeed(&mut run, "gone", 1, 4), "late");
    assert_eq!(run, before);
}

#[test]
fn a_run_that_only_waits_is_waiting() {
    let (mut run, _) =
        start(&json!([{"type": "task", "name": "a"}, {"type": "task", "name": "b", "dependencies": ["a"]}]));
    assert_eq!(wait(&mut run, "a", 1, 1), "");
    assert_eq!(states(&run), "Waiting a:waiting b:pending");
    assert_eq!(run.next_check(), None, "nothing but the outside world can move it on");
    assert_eq!(succeed(&mut run, "a", 1, 90_000), "b#1");
}

#[test]
fn a_redelivered_answer_names_the_commands_that_followed_from_it() {
    let (mut run, _) = start(&json!([
        {"type": "task", "name": "a"},
        {"type": "task", "name": "skipped", "dependencies": ["a"], "condition": {"event": {"type": ["no"]}}, "onFailure": "continue"},
        {"type": "task", "name": "c", "dependencies": ["skipped"]},
        {"type": "task", "name": "other"},
        {"type": "task", "name": "again", "retry": {"attempts": 2}},
    ]));
    assert_eq!(succeed(&mut run, "a", 1, 1), "c#1");
    assert_eq!(fail(&mut run, "again", 1, 1), "again#2");
    let followed = |step: &str| names(&run.requested_by(&id(&run, step, 1), &context(&run), at(2)));
    assert_eq!(followed("a"), "c#1");
    assert_eq!(followed("again"), "again#2");
    assert_eq!(followed("other"), "");
}

#[test]
fn the_sweeper_sends_unanswered_commands_again_ever_more_patiently() {
    let (mut run, _) = start(&json!([{"type": "task", "name": "a"}, {"type": "task", "name": "b"}]));
    assert_eq!(wait(&mut run, "b", 1, 1), "");
    let sweep = |run: &mut Run, second: i64| run.sweep(&context(run), at(second)).map(|commands| names(&commands));
    assert_eq!(run.touched_at(), Some(at(0)));
    assert_eq!(sweep(&mut run, 59), None);
    assert_eq!(sweep(&mut run, 60).as_deref(), Some("a#1"));
    assert_eq!(sweep(&mut run, 179), None);
    assert_eq!(sweep(&mut run, 180).as_deref(), Some("a#1"));
    assert_eq!(run.next_check(), Some(at(180 + 240)));
    assert_eq!(succeed(&mut run, "b", 1, 200), "");
    assert_eq!(sweep(&mut run, 240).as_deref(), Some("a#1"));
}

#[test]
fn what_may_have_been_done_is_not_done_again() {
    let (mut run, _) = start(&json!([{"type": "task", "name": "a", "functionName": "a", "retry": {"attempts": 3}}]));
    let unknown = StepError::invocation(StepError::OUTCOME_UNKNOWN, "nobody knows");
    let unknown = finished(id(&run, "a", 1), Answer::failed(unknown));
    assert_eq!(answer(&mut run, &unknown, 1), "");
    assert_eq!((run.status, run.steps[0].status), (RunStatus::Failed, StepState::Failed));
}

#[test]
fn the_sweeper_fails_attempts_past_their_deadline() {
    let (mut run, _) = start(&json!([
        {"type": "task", "name": "a", "timeoutSeconds": 100, "retry": {"attempts": 2}},
        {"type": "task", "name": "b", "dependencies": ["a"]},
    ]));
    assert_eq!(wait(&mut run, "a", 1, 1), "");
    let sweep = |run: &mut Run, second: i64| run.sweep(&context(run), at(second)).map(|commands| names(&commands));
    assert_eq!(run.next_check(), Some(at(100)));
    assert_eq!(sweep(&mut run, 99), None);
    assert_eq!(sweep(&mut run, 100).as_deref(), Some("a#2"));
    assert_eq!(succeed(&mut run, "a", 1, 101), "late");
    assert_eq!(sweep(&mut run, 200).as_deref(), Some(""));
    assert_eq!(states(&run), "Failed a:failed b:skipped");
    assert_eq!(run.steps[0].error.as_ref().unwrap().name, "TimedOut");
}

#[test]
fn a_command_that_nobody_answers_fails_in_the_time_of_its_type() {
    let check = |kind: &str, minutes: i64| {
        let (mut run, _) = start(&json!([{"type": kind, "name": "a", "retry": {"attempts": 3}}]));
        let mut second = 0;
        while let Some(check) = run.next_check() {
            second = check.duration_since(start_time()).as_secs();
            assert!(run.sweep(&context(&run), check).is_some());
        }
        assert_eq!((second, run.steps[0].attempts.len()), (minutes * 60, 1), "{kind}: it may still be done");
        let error = run.steps[0].error.clone().unwrap();
        assert_eq!((run.status, error.name.as_str()), (RunStatus::Failed, "Unanswered"));
        assert!(error.message.contains(&format!("{kind}.requested was not answered within {minutes} minutes")));
    };
    check("http", 10);
    check("message", 10);
    for kind in ["action", "callback", "task"] {
        check(kind, 15);
    }
}

#[test]
fn a_step_that_nobody_does_fails_at_once() {
    let (run, commands) = start(&json!([{"type": "fax", "name": "a"}, {"type": "task", "name": "b"}]));
    assert_eq!((names(&commands).as_str(), states(&run).as_str()), ("b#1", "Running a:failed b:requested"));
    let error = run.steps[0].error.clone().unwrap();
    assert_eq!(error.name, "UnknownActionType");
    assert!(error.message.contains("fax"), "{}", error.message);
}

#[test]
fn each_attempt_names_its_record_and_what_refused_it() {
    let (mut run, _) = start(&json!([{"type": "http", "name": "a", "retry": {"attempts": 2}}]));
    let refused = |status: u16| {
        let answer = Answer::failed(StepError::invocation("HttpStatus", "no"));
        let answer = answer.with_record(RecordKind::ActionRun, format!("r{status}"));
        answer.with_response(Some(FailedResponse::new(status, &json!("no"))))
    };
    let (first, second) = (finished(id(&run, "a", 1), refused(502)), finished(id(&run, "a", 2), refused(404)));
    answer(&mut run, &first, 1);
    assert_eq!((run.steps[0].record(), run.steps[0].response()), (None, None), "the next attempt has left nothing yet");
    answer(&mut run, &second, 2);
    let of = |attempt: &super::Attempt| {
        (attempt.record.as_ref().unwrap().id.clone(), attempt.response.as_ref().unwrap().status)
    };
    let attempts: Vec<_> = run.steps[0].attempts.iter().map(of).collect();
    assert_eq!(attempts, [("r502".to_owned(), 502), ("r404".to_owned(), 404)]);
}

#[test]
fn a_run_without_room_keeps_the_status_of_a_failed_answer() {
    let actions: Vec<_> = (0..100).map(|n| json!({"type": "http", "name": format!("s{n}")})).collect();
    let (mut run, _) = start(&json!(actions));
    for n in 0..100 {
        let answer = Answer::failed(StepError::invocation("HttpStatus", "no"));
        let response = FailedResponse::new(500, &json!("x".repeat(4096)));
        assert!(run.apply(&finished(id(&run, &format!("s{n}"), 1), answer.with_response(Some(response))), at(1)));
    }
    let response = |n: usize| run.steps[n].response().map(|response| (response.status, response.body.is_some()));
    assert_eq!((response(0), response(99)), (Some((500, true)), Some((500, false))));
    assert!(serde_json::to_string(&run).unwrap().len() < 395_000);
}

#[test]
fn a_lost_schedule_is_replaced_by_the_sweeper() {
    let (mut run, _) = start(&json!([{"type": "task", "name": "a", "retry": {"attempts": 2, "delaySeconds": 600}}]));
    assert_eq!(fail(&mut run, "a", 1, 0), "a#2@600");
    assert_eq!(run.next_check(), Some(at(660)));
    assert_eq!(run.sweep(&context(&run), at(660)).map(|commands| names(&commands)).as_deref(), Some("a#2"));
}

/// Actions whose dependencies point backwards, so that they have no cycle.
fn any_actions() -> impl Strategy<Value = Value> {
    let action = (any::<u8>(), 1_u32..4, any::<bool>(), any::<bool>(), 0_u32..2);
    prop::collection::vec(action, 1..8).prop_map(|actions| {
        let actions = actions.into_iter().enumerate().map(|(n, (parents, attempts, goes_on, has_condition, delay))| {
            let dependencies: Vec<_> =
                (0..n).filter(|m| parents >> (m % 8) & 1 == 1).map(|m| format!("s{m}")).collect();
            let mut action = json!({
                "type": "task", "name": format!("s{n}"), "dependencies": dependencies,
                "retry": {"attempts": attempts, "delaySeconds": delay * 5},
                "onFailure": if goes_on { "continue" } else { "fail" },
            });
            if has_condition && n % 3 == 2 {
                action["condition"] = json!({"event": {"content": {"total": [{"numeric": ["=", 13]}]}}});
            }
            action
        });
        actions.collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_run_ends_asks_once_per_attempt_and_never_takes_back(
        actions in any_actions(), choices in prop::collection::vec((any::<u16>(), 0_u8..5), 0..120),
    ) {
        let (mut run, commands) = start(&actions);
        let mut requested = BTreeSet::new();
        let mut open: Vec<StepId> = Vec::new();
        let take = |commands: Vec<Command>, requested: &mut BTreeSet<(String, u32)>, open: &mut Vec<StepId>| {
            for command in commands {
                assert!(requested.insert((command.id.step.clone(), command.id.attempt)), "requested twice: {:?}", command.id);
                open.push(command.id);
            }
        };
        take(commands, &mut requested, &mut open);
        let mut given: Vec<StepFinished> = Vec::new();
        let mut over: BTreeMap<String, StepState> = BTreeMap::new();
        // Random answers first, also repeated and late ones; then every open one succeeds.
        let then_all = std::iter::repeat_n((0_u16, 0_u8), 200);
        for (second, (pick, kind)) in choices.into_iter().chain(then_all).enumerate() {
            if open.is_empty() {
                break;
            }
            let id = open[usize::from(pick) % open.len()].clone();
            let given_now = match kind {
                0 => finished(id.clone(), Answer::succeeded(json!({"n": second}))),
                1 => finished(id.clone(), Answer::failed(StepError::invocation("Broken", ""))),
                2 => finished(id.clone(), Answer::waiting()),
                _ => match given.get(usize::from(pick) % given.len().max(1)) {
                    Some(earlier) => earlier.clone(),
                    None => continue,
                },
            };
            let now = at(i64::try_from(second).unwrap());
            let before = run.clone();
            if run.apply(&given_now, now) {
                prop_assert!(!before.is_over());
                let commands = if run.needs_context(&given_now.id) {
                    run.advance(&given_now.id, &context(&run), now)
                } else {
                    run.close(now);
                    Vec::new()
                };
                take(commands, &mut requested, &mut open);
            }
            if kind < 2 {
                open.retain(|other| *other != id);
            }
            given.push(given_now);
            for (name, status) in &over {
                let step = run.steps.iter().find(|step| step.name() == name).unwrap();
                prop_assert_eq!(step.status, *status, "{} was over", name);
            }
            let now_over = run.steps.iter().filter(|step| step.status.is_over());
            over.extend(now_over.map(|step| (step.name().to_owned(), step.status)));
        }
        prop_assert!(run.is_over(), "{}", states(&run));
        prop_assert!(run.steps.iter().all(|step| step.status.is_over()));
        prop_assert_eq!(run.next_check(), None);
    }
}
