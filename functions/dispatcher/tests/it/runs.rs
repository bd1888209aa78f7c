use serde_json::{Value, json};
use shared::event::{Answer, StepFinished, Trace};

use crate::world::{Reply, World, event, succeeded, task, text};

#[tokio::test]
async fn an_event_runs_every_action_of_the_dispatchers_that_match() {
    let world = World::new().await;
    world
        .dispatcher(
            json!({"eventType": "order.paid", "name": "a", "actions": [task("one", &[]), task("two", &["one"])]}),
        )
        .await;
    let filter = json!({"content": {"total": [{"numeric": [">", 100]}]}});
    world
        .dispatcher(json!({"eventType": "order.paid", "name": "b", "actions": [task("big", &[])], "filter": filter}))
        .await;
    world.dispatcher(json!({"eventType": "order.lost", "name": "c", "actions": [task("other", &[])]})).await;
    world.publish(&event("e1", "order.paid", json!({"total": 12}))).await;
    assert_eq!(world.states("e1").await, "succeeded [one:succeeded two:succeeded]");
    assert_eq!(world.commands(), [("one#1".to_owned(), 1), ("two#1".to_owned(), 1)].into());
    let request = world.command("two").unwrap();
    assert_eq!(request.event, event("e1", "order.paid", json!({"total": 12})));
    assert_eq!(request.action, json!({"functionName": "two"}));
}

#[tokio::test]
async fn later_steps_use_the_outputs_of_earlier_ones() {
    let world = World::new().await;
    world.reply("create", Reply::Succeed(json!({"url": "https://example.org/{{ event.content }}", "n": 7})));
    let mut send = task("send", &["create"]);
    send["data"] = json!({"text": "call {{ steps.create.output.url }}", "n": "{{ steps.create.output.n }}"});
    world.dispatcher(json!({"eventType": "asked", "actions": [task("create", &[]), send]})).await;
    world.publish(&event("e1", "asked", json!({}))).await;
    let data = &world.command("send").unwrap().action["data"];
    assert_eq!(*data, json!({"text": "call https://example.org/{{ event.content }}", "n": 7}));
}

#[tokio::test]
async fn an_output_of_null_is_an_output() {
    let world = World::new().await;
    world.reply("ask", Reply::Succeed(Value::Null));
    let mut send = task("send", &["ask"]);
    send["data"] = json!({"all": "{{ steps.ask.output }}"});
    world.dispatcher(json!({"eventType": "asked", "actions": [task("ask", &[]), send]})).await;
    world.publish(&event("e1", "asked", json!({}))).await;
    assert_eq!(world.command("send").unwrap().action["data"], json!({"all": null}));
    assert_eq!(world.states("e1").await, "succeeded [ask:succeeded send:succeeded]");
    assert_eq!(world.timeline("e1").await["runs"][0]["steps"][0].get("output"), Some(&Value::Null));
}

#[tokio::test]
async fn the_timeline_tells_everything_in_order() {
    let world = World::new().await;
    world.reply("ask", Reply::Wait);
    world.reply("flaky", Reply::FailTimes(1));
    let mut ask = json!({"type": "callback", "name": "ask", "action": "create", "dependencies": ["flaky"]});
    ask["onFailure"] = json!("fail");
    let mut flaky = task("flaky", &[]);
    flaky["retry"] = json!({"attempts": 2});
    world.dispatcher(json!({"eventType": "asked", "name": "d", "actions": [flaky, ask]})).await;
    world.publish(&event("e1", "asked", json!({"a": 1}))).await;
    assert_eq!(world.states("e1").await, "waiting [flaky:succeeded ask:waiting]");
    world.advance(2).await;
    let id = world.command("ask").unwrap().id;
    let resumed_by = Some("callback.called".to_owned());
    let answer = Answer { resumed_by, ..Answer::succeeded(json!({"body": "yes"})) };
    let called = StepFinished { id, answer };
    world.publish_answer(&called).await;
    world.idle().await;

    let timeline = world.timeline("e1").await;
    let moments: Vec<_> = timeline["timeline"]
        .as_array()
        .unwrap()
        .iter()
        .map(|moment| {
            let parts = [&moment["what"], &moment["dispatcher"], &moment["step"], &moment["detail"]];
            parts.into_iter().map(text).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
        })
        .collect();
    insta::assert_snapshot!(moments.join("\n"), @"
    event.received asked
    dispatcher.matched d
    step.requested d flaky
    step.failed d flaky Broken: it broke
    step.requested d flaky
    step.succeeded d flaky
    step.requested d ask
    step.waiting d ask
    callback.called d ask
    step.succeeded d ask
    run.finished d succeeded
    ");
    assert_eq!((&timeline["event"]["id"], &timeline["outcome"]), (&json!("e1"), &json!("succeeded")));
    assert_eq!((&timeline["source"], &timeline["duplicates"]), (&json!("hookyard.webhook"), &json!(0)));
    let run = &timeline["runs"][0];
    assert_eq!((&run["status"], &run["durationMs"]), (&json!("succeeded"), &json!(2000)));
    let step = &run["steps"][1];
    assert_eq!(
        (&step["output"], &step["attempts"][0]["waitingAt"]),
        (&json!({"body": "yes"}), &json!("2026-01-02T03:04:05.678Z"))
    );
    assert_eq!(step["attempts"][0]["finishedAt"], "2026-01-02T03:04:07.678Z");
    assert_eq!(step["attempts"][0]["resumedBy"], "callback.called");
}

#[tokio::test]
async fn an_event_that_nothing_matches_says_so() {
    let world = World::new().await;
    world.publish(&event("e1", "nobody.cares", json!({}))).await;
    assert_eq!(world.states("e1").await, "unmatched ");
    let unknown = world.get("/runs/e2").await;
    assert_eq!((unknown.status, &unknown.body["code"]), (404, &json!(16)));
}

#[tokio::test]
async fn a_chain_of_dispatches_that_never_ends_is_stopped() {
    let world = World::new().await;
    world.dispatcher(json!({"eventType": "again", "actions": [task("a", &[])]})).await;
    let mut deep = event("e1", "again", json!({}));
    deep.trace = Trace { depth: Trace::MAX_DEPTH, ..deep.trace };
    world.publish(&deep).await;
    assert_eq!(world.states("e1").await, "succeeded [a:succeeded]");
    let mut too_deep = event("e2", "again", json!({}));
    too_deep.trace.depth = Trace::MAX_DEPTH + 1;
    world.publish(&too_deep).await;
    assert_eq!(world.states("e2").await, "loop_detected ");
    assert_eq!(world.commands(), [("a#1".to_owned(), 1)].into());
}

#[tokio::test]
async fn an_event_without_enough_of_a_budget_says_so_and_starts_nothing() {
    let world = World::new().await;
    let retry = json!({"attempts": 2});
    let twice = json!({"type": "task", "name": "b", "functionName": "b", "retry": retry, "dependencies": ["a"]});
    world.dispatcher(json!({"eventType": "again", "actions": [task("a", &[]), twice]})).await;
    let publish = async |id: &str, budget: Option<u64>| {
        let mut event = event(id, "again", json!({}));
        event.trace.budget = budget;
        world.publish(&event).await;
        world.states(id).await
    };
    // Two steps, three attempts that may cause an event each, and the outcome of the run.
    assert_eq!(publish("e1", Some(5)).await, "budget_exhausted ");
    assert_eq!(world.commands(), [].into());
    let timeline = world.timeline("e1").await;
    assert_eq!(timeline["timeline"][1]["what"], "event.budget_exhausted");
    assert_eq!(publish("e2", Some(25)).await, "succeeded [a:succeeded b:succeeded]");
    let budget = |kind: &str, step: &str| {
        let sent = world.published(kind).into_iter().filter(|command| command["content"]["step"] == step);
        sent.map(|command| command["trace"]["budget"].clone()).collect::<Vec<_>>()
    };
    assert_eq!((budget("task.requested", "a"), budget("task.requested", "b")), (vec![json!(9)], vec![json!(4)]));
    // Who publishes over HTTP cannot bring a budget along, and starts with the whole one.
    assert_eq!(publish("e3", None).await, "succeeded [a:succeeded b:succeeded]");
    assert_eq!(budget("task.requested", "a")[1], json!(4841));
}

#[tokio::test]
async fn a_hundred_and_fifty_dispatchers_of_one_type_all_run() {
    let world = World::new().await;
    for _ in 0..150 {
        world.dispatcher(json!({"eventType": "many", "actions": [task("a", &[])]})).await;
    }
    world.publish(&event("e1", "many", json!({}))).await;
    let timeline = world.timeline("e1").await;
    assert_eq!(timeline["runs"].as_array().unwrap().len(), 150);
    assert_eq!(timeline["outcome"], "succeeded");
    assert_eq!(world.commands(), [("a#1".to_owned(), 150)].into());
}

#[tokio::test]
async fn numbers_and_depths_that_dynamodb_does_not_have_survive() {
    let world = World::new().await;
    let mut deep = json!("bottom");
    for _ in 0..60 {
        deep = json!([deep]);
    }
    let content = json!({"huge": 1e300, "precise": 0.1, "big": u64::MAX, "deep": deep, "empty": "", "nul": "\0"});
    let mut copy = task("copy", &[]);
    copy["data"] = json!("{{ event.content }}");
    world.dispatcher(json!({"eventType": "odd", "actions": [copy]})).await;
    world.reply("copy", Reply::Succeed(content.clone()));
    world.publish(&event("e1", "odd", content.clone())).await;
    assert_eq!(world.command("copy").unwrap().action["data"], content);
    let timeline = world.timeline("e1").await;
    assert_eq!((&timeline["event"]["content"], &timeline["runs"][0]["steps"][0]["output"]), (&content, &content));
}

#[tokio::test]
async fn what_a_dispatcher_does_is_pinned_when_the_event_comes() {
    let world = World::new().await;
    world.reply("first", Reply::Wait);
    let id = world
        .dispatcher(json!({"eventType": "pinned", "actions": [task("first", &[]), task("second", &["first"])]}))
        .await;
    world.publish(&event("e1", "pinned", json!({}))).await;
    assert_eq!(world.delete(&format!("/dispatchers/v1/{id}")).await.status, 200);
    let first = world.command("first").unwrap().id;
    world.publish_answer(&succeeded(first, Value::Null)).await;
    world.idle().await;
    assert_eq!(world.states("e1").await, "succeeded [first:succeeded second:succeeded]");
    world.publish(&event("e2", "pinned", json!({}))).await;
    assert_eq!(world.states("e2").await, "unmatched ");
}

#[tokio::test]
async fn one_event_with_one_task_costs_six_requests() {
    let world = World::new().await;
    world.dispatcher(json!({"eventType": "cheap", "actions": [task("a", &[])]})).await;
    world.emulator.reset_aws_calls();
    world.publish(&event("e1", "cheap", json!({}))).await;
    // The second query asks whether a dispatcher waits for the outcome; runs that end together share it.
    // Of the PutEvents one is the fact itself and one the worker's answer; the dispatcher sends the other.
    let expected =
        [("dynamodb.PutItem".to_owned(), 3), ("dynamodb.Query".to_owned(), 2), ("eventbridge.PutEvents".to_owned(), 3)];
    assert_eq!(world.emulator.aws_calls(), expected.into());
    assert_eq!(world.states("e1").await, "succeeded [a:succeeded]");
}

#[tokio::test]
async fn an_event_as_deep_as_any_can_be_is_handed_on_and_a_deeper_command_fails_visibly() {
    let world = World::new().await;
    let content = (0..64).fold(json!("bottom"), |inner, _| json!([inner]));
    let nested = |levels: usize| (0..levels).fold(json!("{{ event }}"), |inner, _| json!([inner]));
    let data =
        |name: &str, data: Value| json!({"type": "task", "name": name, "functionName": "f", "data": {"of": data}});
    let actions = json!([data("whole", json!("{{ event }}")), data("wrapped", nested(40))]);
    world.dispatcher(json!({"eventType": "deep", "actions": actions})).await;
    world.publish(&event("e1", "deep", content.clone())).await;
    assert_eq!(world.states("e1").await, "failed [whole:succeeded wrapped:failed]");
    assert_eq!(world.command("whole").unwrap().action["data"]["of"]["content"], content);
    let error = &world.timeline("e1").await["runs"][0]["steps"][1]["error"];
    assert_eq!(error["name"], "CommandTooLarge");
    assert!(error["message"].as_str().unwrap().contains("107 levels"), "{error}");
    assert_eq!(world.post("/events/v1", json!({"type": "deep", "content": [content]})).await.body["code"], 22);
}

#[tokio::test]
async fn values_are_written_for_the_place_that_the_action_gives_them() {
    let world = World::new().await;
    let http = |name: &str, more: Value| {
        let mut action = json!({"type": "http", "name": name, "url": "https://a.test/{{ event.content.id }}?q={{ event.content.q }}"});
        action.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        action
    };
    let of_type = |content_type: &str| json!({"Content-Type": content_type});
    let form = "{{ event.content.form }}";
    world
        .dispatcher(json!({"eventType": "e", "actions": [
            http("form", json!({"headers": of_type("application/x-www-form-urlencoded"), "body": "Body={{ event.content.q }}"})),
            http("object", json!({"headers": of_type(form), "body": {"Body": "{{ event.content.q }}"}})),
            http("late", json!({"headers": of_type(form), "body": "Body={{ event.content.q }}&a=b"})),
            http("json", json!({"headers": of_type("application/json"), "body": r#"{"a": "{{ event.content.text }}"}"#})),
            http("looks", json!({"body": r#"{"a": {{ event.content.text }}}"#})),
            http("plain", json!({"headers": of_type("text/plain"), "body": r#"{"a": "{{ event.content.text }}"}"#})),
            http("xml", json!({"headers": of_type("text/xml"), "body": "<a>{{ event.content.q }}</a>"})),
            http("braces", json!({"headers": of_type("text/x-handlebars"), "body": "{{name}} {{ event.content.id }}"})),
            http("up", json!({"url": "https://a.test/{{ event.content.up }}/x"})),
        ]}))
        .await;
    let content = json!({"id": "../é", "q": "a&c=d#x", "text": "say \"hi\"\n", "form": "application/x-www-form-urlencoded", "up": ".."});
    world.publish(&event("e1", "e", content)).await;
    world.idle().await;
    let action = |step: &str| world.command(step).unwrap().action;
    assert_eq!(action("form")["url"], "https://a.test/..%2F%C3%A9?q=a%26c%3Dd%23x");
    let check = |step: &str, body: Value| assert_eq!(action(step)["body"], body, "{step}");
    check("form", json!("Body=a%26c%3Dd%23x"));
    check("object", json!({"Body": "a&c=d#x"}));
    check("late", json!("Body=a%26c%3Dd%23x&a=b"));
    check("json", json!(r#"{"a": "say \"hi\"\n"}"#));
    check("looks", json!(r#"{"a": "say \"hi\"\n"}"#));
    check("plain", json!("{\"a\": \"say \"hi\"\n\"}"));
    check("xml", json!("<a>a&amp;c=d#x</a>"));
    check("braces", json!("{{name}} ../é"));
    assert!(world.command("up").is_none(), "the path would be another one");
}

#[tokio::test]
async fn values_stay_out_of_texts_with_placeholders_of_their_own() {
    let world = World::new().await;
    let input = json!({
        "headers": {"Authorization": "Bearer $Auth{t}{token}"},
        "query": "{{ event.content.query }}",
        "body": {"text": "{{ event.content.text }} $Concat(['{{field `event` `content` `text`}}'], '')", "n": "{{ event.content.n }}"},
    });
    let action = json!({"type": "action", "name": "a", "env": "dev", "product": "p", "action": "c",
        "app": "mail-{{ event.content.n }}", "input": input});
    let within = json!({"type": "action", "name": "b", "configuration": {"env": "dev", "product": "p", "action": "c", "app": "x", "input": {"a": "<{{ event.content.n }}"}}});
    let none = json!({"type": "action", "name": "c", "env": "dev", "product": "p", "action": "c", "app": "x",
        "input": {"a": "$Secret{KEY}"}});
    world.dispatcher(json!({"eventType": "e", "actions": [action, within, none]})).await;
    let content = json!({"text": "$Secret{KEY}", "n": 5, "query": {"a": "$Value{0}", "b": "c"}});
    world.publish(&event("e1", "e", content)).await;
    world.idle().await;
    let action = |step: &str| world.command(step).unwrap().action;
    let expected = json!({
        "env": "dev", "product": "p", "action": "c", "app": "mail-5",
        "input": {
            "headers": {"Authorization": "Bearer $Auth{t}{token}"},
            "query": {"a": "$Value{2}", "b": "c"},
            "body": {"text": "$Value{0} $Concat(['$Value{1}'], '')", "n": 5},
        },
        "values": ["$Secret{KEY}", "$Secret{KEY}", "$Value{0}"],
    });
    assert_eq!(action("a"), expected);
    let (b, c) = (action("b"), action("c"));
    assert_eq!((&b["input"], &b["values"]), (&json!({"a": "<$Value{0}"}), &json!([5])), "{b}");
    assert_eq!((&c["input"], c.get("values")), (&json!({"a": "$Secret{KEY}"}), None), "{c}");
}
