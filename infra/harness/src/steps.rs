//! The faults that every function which does steps must survive: each check runs against any [`Owner`].
//!
//! Commands are handed to the function by hand, as often and as badly as a bus and a dying process can. The promise is
//! always the same: the outside world notices the step once, the step is answered, and every answer says the same.

use futures::future::BoxFuture;
use serde_json::{Value, json};
use tempfile::tempdir;

use crate::process::Constructor;
use crate::server::{Answer, Server};
use crate::{Builder, Event, World};

const STEP: &str = "step";
/// Longer than any lease.
const AFTER_LEASES_S: i64 = 600;
/// How often a command is delivered before a step counts as stuck.
const DELIVERIES: u32 = 4;

/// A function that does the steps of one type of action.
pub struct Owner {
    /// The name of the function in the template.
    pub function: &'static str,
    /// What builds it.
    pub constructor: Constructor,
    /// The type of the action.
    pub action_type: &'static str,
    /// Creates what an action needs, and returns an action whose effect the server notices; its answer is `REPLY`.
    pub action: for<'a> fn(&'a World, &'a Server) -> BoxFuture<'a, Value>,
    /// How often the outside world noticed the step.
    pub effects: for<'a> fn(&'a World, &'a Server) -> BoxFuture<'a, usize>,
    /// Fields with which no step can be done.
    pub invalid: fn() -> Value,
    /// What an answer of the server with a body of this many bytes does to the step, if the step hands that on.
    pub hands_on: bool,
    /// Whether doing it twice does no harm, so that an interruption is no reason to give up.
    pub is_repeatable: bool,
}

impl Owner {
    /// Whatever became of a step whose beginning is noted, the outside world has noticed it; once, unless it is repeatable.
    fn acted_once(&self, outcome: &str, effects: usize, deaths: usize, at: &str) {
        match outcome {
            "succeeded" if self.is_repeatable => assert!((1..=1 + deaths).contains(&effects), "{at}: {effects}"),
            "succeeded" => assert_eq!(effects, 1, "{at}"),
            "OutcomeUnknown" if !self.is_repeatable => assert_eq!(effects, 1, "{at}"),
            other => panic!("{at}: {other}"),
        }
    }
}

/// A world in which one step can be done.
struct Stage<'a> {
    owner: &'a Owner,
    world: World,
    server: Server,
    command: Event,
}

impl<'a> Stage<'a> {
    async fn new(owner: &'a Owner) -> Self {
        Self::on(World::builder(), owner).await
    }

    async fn on(builder: Builder, owner: &'a Owner) -> Self {
        let builder = builder.function(owner.function, owner.constructor).by_hand();
        let world = builder.parameter("BaseUrl", "https://hookyard.example").open().await;
        let server = Server::start(|_| Answer::ok(json!({"ok": true}))).await;
        let action = (owner.action)(&world, &server).await;
        world.idle().await;
        world.take_events();
        world.emulator.reset_aws_calls();
        let command = Event::command(owner.action_type, STEP, action);
        Self { owner, world, server, command }
    }

    async fn deliver(&self) -> Result<(), String> {
        self.world.deliver(self.owner.function, &self.command).await
    }

    /// Delivers the command as a bus does: again after a while, until it is taken.
    async fn deliver_until_taken(&self) {
        for _ in 0..DELIVERIES {
            if self.deliver().await.is_ok() {
                return self.world.idle().await;
            }
            self.world.advance(AFTER_LEASES_S).await;
        }
        panic!("the command of {} was not taken in {DELIVERIES} deliveries", self.owner.action_type);
    }

    /// Lets the process die at one of its calls, and delivers the command again; returns where it died.
    async fn dies(&self, operation: &str, nth: u64, is_after: bool) -> String {
        let at = self.dies_first(operation, nth, is_after).await;
        self.deliver_until_taken().await;
        at
    }

    /// Lets the process die at one of its calls; returns where it died.
    async fn dies_first(&self, operation: &str, nth: u64, is_after: bool) -> String {
        let emulator = &self.world.emulator;
        emulator.pass(operation, u32::try_from(nth).unwrap_or(0));
        match is_after {
            false => emulator.crash_before(operation, 1),
            true => emulator.crash_after(operation, 1),
        }
        let at = format!("death {} {operation} number {}", if is_after { "after" } else { "before" }, nth + 1);
        self.deliver().await.expect_err(&at);
        at
    }

    async fn effects(&self) -> usize {
        (self.owner.effects)(&self.world, &self.server).await
    }

    /// Returns the status of the step; all answers must say the same.
    fn outcome(&self, at: &str) -> String {
        let answers = self.world.answers();
        let Some(first) = answers.first() else { panic!("{}: {at}: the step is not answered", self.owner.action_type) };
        for answer in &answers {
            let told = |answer: &Value| [&answer["status"], &answer["output"], &answer["error"]].map(Clone::clone);
            assert_eq!(told(answer), told(first), "{at}");
        }
        match &first["error"]["name"] {
            Value::String(name) => name.clone(),
            _ => first["status"].as_str().unwrap_or_default().to_owned(),
        }
    }

    /// Returns the AWS calls of one undisturbed delivery.
    async fn calls(owner: &Owner) -> Vec<(String, u64)> {
        let stage = Stage::new(owner).await;
        stage.deliver().await.expect("an undisturbed command is taken");
        let calls = stage.world.emulator.aws_calls().into_iter().collect();
        assert_eq!((stage.outcome("undisturbed").as_str(), stage.effects().await), ("succeeded", 1));
        calls
    }
}

/// A command that is delivered again is answered again, and nothing else happens.
pub async fn delivered_twice(owner: &Owner) {
    let stage = Stage::new(owner).await;
    stage.deliver().await.expect("the first delivery is taken");
    stage.deliver().await.expect("the second delivery is taken");
    assert_eq!((stage.world.answers().len(), stage.outcome("twice").as_str()), (2, "succeeded"));
    assert_eq!(stage.effects().await, 1);
    stage.world.restart();
    stage.deliver().await.expect("a delivery to a new process is taken");
    assert_eq!((stage.outcome("a new process").as_str(), stage.effects().await), ("succeeded", 1));
}

/// Two deliveries at once, in one process and in two, act once.
pub async fn delivered_twice_at_once(owner: &Owner) {
    let stage = Stage::new(owner).await;
    let other = stage.world.another(owner.function);
    let payload = stage.world.sealed_payload(stage.command.payload());
    let (one, two, three) = tokio::join!(stage.deliver(), stage.deliver(), other.invoke(payload));
    assert!(one.is_ok() || two.is_ok() || three.is_ok(), "{one:?} {two:?} {three:?}");
    stage.deliver_until_taken().await;
    assert_eq!((stage.outcome("at once").as_str(), stage.effects().await), ("succeeded", 1));
}

/// A reply that is lost does not make the function doubt what it has written itself.
pub async fn replies_are_lost(owner: &Owner) {
    for (operation, count) in Stage::calls(owner).await {
        for nth in 0..count {
            let stage = Stage::new(owner).await;
            stage.world.emulator.pass(&operation, u32::try_from(nth).unwrap_or(0));
            stage.world.emulator.lose_reply(&operation, 1);
            stage.deliver_until_taken().await;
            let at = format!("the reply to {operation} number {} is lost", nth + 1);
            assert_eq!((stage.outcome(&at).as_str(), stage.effects().await), ("succeeded", 1), "{at}");
        }
    }
}

/// A process that dies at any of its calls leaves a step that is answered, and acts at most once.
pub async fn the_process_dies(owner: &Owner) {
    for (operation, count) in Stage::calls(owner).await {
        for nth in 0..count {
            for is_after in [false, true] {
                let stage = Stage::new(owner).await;
                let at = stage.dies(&operation, nth, is_after).await;
                let (outcome, effects) = (stage.outcome(&at), stage.effects().await);
                match outcome.as_str() {
                    "succeeded" if owner.is_repeatable => assert!((1..=2).contains(&effects), "{at}: {effects}"),
                    "succeeded" => assert_eq!(effects, 1, "{at}"),
                    "OutcomeUnknown" if !owner.is_repeatable => assert!(effects <= 1, "{at}: {effects}"),
                    other => panic!("{at}: {other}"),
                }
            }
        }
    }
}

/// Where it is noted which effects have begun, a process that dies leaves no step whose effect has not: it is done once.
pub async fn the_process_dies_and_leaves_notes(owner: &Owner) {
    for (operation, count) in Stage::calls(owner).await {
        for nth in 0..count {
            for is_after in [false, true] {
                let notes = tempdir().expect("there is room for a directory");
                let stage = Stage::on(World::builder().notes(notes.path()), owner).await;
                let at = stage.dies(&operation, nth, is_after).await;
                let (outcome, effects) = (stage.outcome(&at), stage.effects().await);
                owner.acted_once(&outcome, effects, 1, &at);
            }
        }
    }
}

/// A second death, of the process that takes over, leaves no doubt either about whether the effect has begun.
pub async fn two_processes_die_and_leave_notes(owner: &Owner) {
    for (operation, count) in Stage::calls(owner).await {
        for (nth, is_after) in (0..count).flat_map(|nth| [(nth, false), (nth, true)]) {
            for (second, nth_of_second) in calls_after_a_death(owner, &operation, nth, is_after).await {
                let notes = tempdir().expect("there is room for a directory");
                let stage = Stage::on(World::builder().notes(notes.path()), owner).await;
                let first = stage.dies_first(&operation, nth, is_after).await;
                let at = format!("{first}, then {}", stage.dies(&second, nth_of_second, true).await);
                let (outcome, effects) = (stage.outcome(&at), stage.effects().await);
                owner.acted_once(&outcome, effects, 2, &at);
            }
        }
    }
}

/// Returns the calls of the process that takes over, which nothing disturbs.
async fn calls_after_a_death(owner: &Owner, operation: &str, nth: u64, is_after: bool) -> Vec<(String, u64)> {
    let notes = tempdir().expect("there is room for a directory");
    let stage = Stage::on(World::builder().notes(notes.path()), owner).await;
    stage.dies_first(operation, nth, is_after).await;
    stage.world.emulator.reset_aws_calls();
    stage.deliver().await.expect("the command is taken");
    let calls = stage.world.emulator.aws_calls();
    calls.into_iter().flat_map(|(operation, count)| (0..count).map(move |nth| (operation.clone(), nth))).collect()
}

/// AWS that does not answer for a while is an error, so that the command comes again, and changes nothing else.
pub async fn aws_is_throttled(owner: &Owner) {
    for (operation, count) in Stage::calls(owner).await {
        for nth in 0..count {
            let stage = Stage::new(owner).await;
            stage.world.emulator.pass(&operation, u32::try_from(nth).unwrap_or(0));
            // The SDK tries three times.
            stage.world.emulator.throttle(&operation, 3);
            stage.deliver_until_taken().await;
            let at = format!("{operation} number {} is throttled", nth + 1);
            assert_eq!((stage.outcome(&at).as_str(), stage.effects().await), ("succeeded", 1), "{at}");
        }
    }
}

/// An answer that no event can carry is a failure with a name, and the command is not done again.
pub async fn an_answer_is_too_large(owner: &Owner) {
    if !owner.hands_on {
        return;
    }
    let deep = (0..80).fold(json!(1), |inner, _| json!([inner]));
    for body in [json!("x".repeat(200 * 1024)), json!("\u{1}".repeat(60 * 1024)), deep] {
        let stage = Stage::new(owner).await;
        stage.server.answer_next(Answer::ok(json!({"data": body})));
        stage.deliver().await.expect("the command is taken");
        stage.deliver().await.expect("the command is taken again");
        let outcome = stage.outcome("too large");
        // A type of action may hand on as text what nests too deep.
        assert!(["OutputTooLarge", "succeeded"].contains(&outcome.as_str()), "{outcome}");
        assert!(outcome == "OutputTooLarge" || !body.is_string(), "{outcome}");
        assert_eq!(stage.effects().await, 1);
    }
}

/// A command that cannot be done is answered; one that does not even say for which step it is becomes a dead letter.
pub async fn a_command_is_unreadable(owner: &Owner) {
    let mut stage = Stage::new(owner).await;
    let readable = stage.command.clone();
    for action in [(owner.invalid)(), json!("text"), json!(null), json!([1])] {
        stage.command.detail["content"]["action"] = action.clone();
        stage.deliver().await.expect("the command is taken");
        assert_eq!(stage.outcome(&action.to_string()), "BadRequest");
        stage.world.take_events();
    }
    stage.command = readable.clone();
    stage.command.detail["content"]["event"] = json!("no event");
    stage.deliver().await.expect("the command is taken");
    assert_eq!(stage.outcome("no event"), "BadRequest");
    stage.world.take_events();
    for content in [json!({}), json!(null), json!({"eventId": "e1", "dispatcherId": "d1", "attempt": 1})] {
        stage.command.detail["content"] = content.clone();
        stage.deliver().await.expect_err("nobody could be answered");
        assert!(stage.world.answers().is_empty(), "{content}");
    }
    assert_eq!(stage.effects().await, 0);
}

/// Runs every check against each owner, as tests of their own: `step_faults! { http: owner(); }`.
#[macro_export]
macro_rules! step_faults {
    ($($name:ident: $owner:expr;)*) => {
        $(mod $name {
            use super::*;

            $crate::step_faults!(@checks $owner, delivered_twice, delivered_twice_at_once, replies_are_lost,
                the_process_dies, the_process_dies_and_leaves_notes,
                two_processes_die_and_leave_notes, aws_is_throttled, an_answer_is_too_large, a_command_is_unreadable);
        })*
    };
    (@checks $owner:expr, $($check:ident),*) => {
        $(#[tokio::test]
        async fn $check() {
            $crate::steps::$check(&$owner).await;
        })*
    };
}
