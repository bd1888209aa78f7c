use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use shared::event::Envelope;

use crate::world::{Reply, World, event, task, text};

async fn simulate(world: &World, body: Value) -> Value {
    let answer = world.post("/dispatchers/v1/simulate", body).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body
}

/// Writes the runs of each event: `e1: name change`.
fn changes(answer: &Value) -> Vec<String> {
    let events = answer["data"].as_array().unwrap().iter().map(|event| {
        let runs = event["runs"].as_array().unwrap().iter();
        let runs = runs.map(|run| format!(" {} {}", text(&run["dispatcherName"]), text(&run["change"])));
        format!("{}:{}", text(&event["eventId"]), runs.collect::<String>())
    });
    events.collect()
}

fn dispatcher(name: &str, filter: impl Into<Value>, data: Value) -> Value {
    let filter: Value = filter.into();
    let mut action = task("pack", &[]);
    action["data"] = data;
    json!({"eventType": "paid", "name": name, "filter": filter, "actions": [action]})
}

/// Everything that is kept, to see that nothing was written.
async fn kept(world: &World) -> String {
    format!("{:?}{:?}", world.items("RUNS_TABLE").await, world.items("DISPATCHERS_TABLE").await)
}

#[tokio::test]
async fn one_dispatcher_is_simulated_without_doing_anything() {
    let world = World::new().await;
    let at_least = |n: u32| json!({"content": {"total": [{"numeric": [">=", n]}]}});
    let order = json!({"order": "{{ event.content.order }}"});
    world.dispatcher(dispatcher("ship", at_least(100), order.clone())).await;
    world.dispatcher(dispatcher("other", Value::Null, json!({}))).await;
    for (id, total) in [("e1", 10), ("e2", 60), ("e3", 200)] {
        world.advance(1).await;
        world.publish(&event(id, "paid", json!({"order": id, "total": total}))).await;
    }
    world.publish(&event("e4", "lost", json!({}))).await;
    let (before, requests) = (kept(&world).await, world.requests().len());

    let lower = simulate(&world, json!({"dispatcher": dispatcher("ship", at_least(50), order.clone())})).await;
    assert_eq!(changes(&lower), ["e3: ship same", "e2: ship added"], "{lower}");
    let step = &lower["data"][1]["runs"][0]["steps"][0];
    assert_eq!((&step["command"]["data"], &step["state"]), (&json!({"order": "e2"}), &json!("starts")), "{lower}");
    let counts = json!({"events": 3, "matched": 2, "starts": 2, "started": 1, "added": 1, "removed": 0, "changed": 0,
        "same": 1, "notCompared": 0});
    assert_eq!((&lower["counts"], &lower["total"]), (&counts, &json!(3)));

    let higher = simulate(&world, json!({"dispatcher": dispatcher("ship", at_least(201), order)})).await;
    assert_eq!(changes(&higher), ["e3: ship removed"], "{higher}");
    let why = &higher["data"][0]["runs"][0]["why"];
    assert_eq!((&why["reason"], &why["mismatch"]["wouldMatch"][0]["value"]), (&json!("filter"), &json!(201)), "{why}");

    let changed =
        json!({"dispatcher": dispatcher("ship", at_least(100), json!({"order": "no {{ event.content.order }}"}))});
    let changed = simulate(&world, changed).await;
    let step = &changed["data"][0]["runs"][0]["steps"][0];
    assert_eq!(changes(&changed), ["e3: ship changed"]);
    assert_eq!(
        (&step["command"]["data"]["order"], &step["then"]["command"]["data"]["order"]),
        (&json!("no e3"), &json!("e3"))
    );

    let new = simulate(&world, json!({"dispatcher": dispatcher("new", Value::Null, json!({}))})).await;
    assert_eq!(changes(&new), ["e3: new added", "e2: new added", "e1: new added"]);
    assert_eq!(new["data"][0]["runs"][0]["dispatcherId"], Value::Null, "it has no id yet");
    let by_nothing = simulate(&world, json!({})).await;
    assert_eq!(by_nothing["counts"]["same"], 4, "{by_nothing}");
    assert_eq!(simulate(&world, json!({"differencesOnly": true})).await["data"], json!([]));
    assert_eq!((kept(&world).await, world.requests().len()), (before, requests));
}

#[tokio::test]
async fn what_earlier_steps_answered_is_used_and_what_is_not_known_is_named() {
    let world = World::new().await;
    world.reply("charge", Reply::Succeed(json!({"id": "c1", "ok": true})));
    world.dispatcher(json!({"eventType": "paid", "name": "d", "actions": [task("charge", &[])]})).await;
    world.publish(&event("e1", "paid", json!({"order": 7}))).await;
    let mut report = json!({"type": "http", "name": "report", "dependencies": ["charge"],
        "url": "https://a.test/{{ event.content.order }}/{{ steps.charge.output.id }}"});
    report["condition"] = json!({"steps": {"charge": {"output": {"ok": [true]}}}});
    let with = |charge: &str| {
        let mut report = report.clone();
        report["dependencies"] = json!([charge]);
        let text = report.to_string().replace("charge", charge);
        json!({"dispatcher": {"eventType": "paid", "name": "d", "actions": [
            task(charge, &[]), serde_json::from_str::<Value>(&text).unwrap(),
        ]}})
    };
    let known = simulate(&world, with("charge")).await;
    let steps = &known["data"][0]["runs"][0]["steps"];
    assert_eq!(steps[1]["command"]["url"], "https://a.test/7/c1", "{known}");
    assert_eq!((&steps[0]["change"], &steps[1]["change"]), (&json!("same"), &json!("added")));

    let unknown = simulate(&world, with("bill")).await;
    let steps = &unknown["data"][0]["runs"][0]["steps"];
    assert_eq!(steps[1]["state"], "depends", "{unknown}");
    assert_eq!(steps[1]["unknown"], json!(["steps.bill", "steps.bill.output.id"]));
    assert_eq!(steps[1]["command"]["url"], "https://a.test/{{ event.content.order }}/{{ steps.bill.output.id }}");
    assert_eq!((&steps[2]["name"], &steps[2]["change"]), (&json!("charge"), &json!("removed")));

    // A recorded failure blocks what depends on it, unless the step may fail.
    world.reply("charge", Reply::Fail);
    world.publish(&event("e2", "paid", json!({"order": 8}))).await;
    let mut body = with("charge");
    body["eventIds"] = json!(["e2"]);
    let blocked = simulate(&world, body.clone()).await;
    assert_eq!(blocked["data"][0]["runs"][0]["steps"][1]["reason"], "`charge` failed", "{blocked}");
    body["dispatcher"]["actions"][0]["onFailure"] = json!("continue");
    body["dispatcher"]["actions"][0]["retry"] = json!({"attempts": 3});
    body["dispatcher"]["actions"][1]["condition"] = json!({"steps": {"charge": {"status": ["failed"]}}});
    body["dispatcher"]["actions"][1]["url"] = json!("https://a.test/{{ steps.charge.error.name }}");
    let allowed = simulate(&world, body).await;
    assert_eq!(allowed["data"][0]["runs"][0]["steps"][1]["command"]["url"], "https://a.test/Broken", "{allowed}");
}

#[tokio::test]
async fn a_run_that_was_cancelled_is_compared_as_if_it_had_not_been() {
    let world = World::new().await;
    let body = json!({"eventType": "paid", "name": "ship", "actions": [task("pack", &[])]});
    let id = world.dispatcher(body).await;
    world.reply("pack", Reply::Silence);
    world.publish(&event("e1", "paid", json!({}))).await;
    let cancelled = world.post(&format!("/runs/e1/{id}/cancel"), json!({})).await;
    assert_eq!(cancelled.status, 200, "{}", cancelled.body);
    // Without `VIEW_RUNS`, nothing of what its steps answered is used.
    let permissions = ["VIEW_DISPATCHERS", "VIEW_EVENTS"];
    let body = json!({"eventIds": ["e1"]});
    let answer = world.call_as(harness::TENANT, &permissions, "POST", "/dispatchers/v1/simulate", body).await;
    assert_eq!(changes(&answer.body), ["e1: ship same"], "{}", answer.body);
}

#[tokio::test]
async fn a_file_of_dispatchers_is_simulated_as_it_would_be_synchronised() {
    let world = World::new().await;
    let managed = |name: &str, data: Value| {
        let mut body = dispatcher(name, json!({"content": {"n": [1]}}), data);
        body["tags"] = json!(["EXH_CLI_MANAGED"]);
        body["description"] = json!("d");
        body
    };
    let stays = world.dispatcher(managed("stays", json!({"a": 1}))).await;
    world.dispatcher(managed("gone", json!({}))).await;
    let own = world.dispatcher(dispatcher("own", Value::Null, json!({}))).await;
    world.publish(&event("e1", "paid", json!({"n": 1}))).await;
    let before = kept(&world).await;
    // As a file has it: without the filter, which stays, and with the tag.
    let mut stays_in_file = managed("stays", json!({"a": 1}));
    stays_in_file.as_object_mut().unwrap().remove("filter");
    let file = json!([stays_in_file, dispatcher("new", Value::Null, json!({}))]);
    let kept_all = simulate(&world, json!({"dispatchers": file})).await;
    let sorted = |answer: &Value| {
        let runs = answer["data"][0]["runs"].as_array().unwrap().iter();
        let mut runs: Vec<_> = runs
            .map(|run| format!("{} {} {}", text(&run["dispatcherName"]), text(&run["change"]), run["position"]))
            .collect();
        runs.sort();
        runs
    };
    assert_eq!(sorted(&kept_all), ["gone same null", "new added 1", "own same null", "stays same 0"], "{kept_all}");
    let clean = simulate(&world, json!({"dispatchers": file, "clean": true})).await;
    assert_eq!(sorted(&clean), ["gone removed null", "new added 1", "own same null", "stays same 0"], "{clean}");
    let gone = clean["data"][0]["runs"].as_array().unwrap().iter().find(|run| run["dispatcherName"] == "gone").unwrap();
    assert_eq!(gone["why"]["reason"], "deleted");
    assert!(gone["why"]["message"].as_str().unwrap().contains("not among those that are simulated"), "{gone}");
    let edits = json!([
        {"id": stays, "filter": {"content": {"n": [2]}}},
        {"id": own, "deleted": true},
        {"name": "gone", "enabled": false},
    ]);
    let edited = simulate(&world, json!({"dispatchers": edits})).await;
    assert_eq!(sorted(&edited), ["gone removed 2", "own removed 1", "stays removed 0"], "{edited}");
    let reasons: Vec<_> =
        edited["data"][0]["runs"].as_array().unwrap().iter().map(|run| text(&run["why"]["reason"])).collect();
    assert_eq!(
        reasons.iter().filter(|reason| ["filter", "deleted", "disabled"].contains(reason)).count(),
        3,
        "{edited}"
    );
    let renamed = simulate(&world, json!({"dispatchers": [{"id": stays, "eventType": "lost", "name": "moved"}]})).await;
    assert_eq!(sorted(&renamed), ["gone same null", "own same null", "stays removed 0"], "{renamed}");
    assert_eq!(kept(&world).await, before);
}

#[tokio::test]
async fn a_simulation_that_cannot_be_is_refused_by_name() {
    let world = World::new().await;
    let id = world.dispatcher(dispatcher("d", Value::Null, json!({}))).await;
    let check = async |body: Value, status: u16, part: &str| {
        let answer = world.post("/dispatchers/v1/simulate", body.clone()).await;
        let message = text(&answer.body["message"]);
        assert!(answer.status == status && message.contains(part), "{body}: {}", answer.body);
    };
    let valid = dispatcher("e", Value::Null, json!({}));
    check(json!({"dispatcher": valid, "dispatchers": []}), 400, "`dispatcher` cannot be given with `dispatchers`")
        .await;
    check(json!({"clean": true}), 400, "`clean` needs `dispatchers`").await;
    check(json!({"limit": 0}), 400, "`limit` must be between 1 and 1000").await;
    check(json!({"limit": 1001}), 400, "`limit`").await;
    check(json!({"next": "x"}), 400, "`next` must be what an earlier answer had").await;
    check(json!({"eventIds": ["a"], "to": "2026-01-01T00:00:00Z"}), 400, "`to` cannot be given with `eventIds`").await;
    check(json!({"from": "yesterday"}), 400, "from").await;
    check(json!({"eventType": "a b"}), 400, "eventType").await;
    check(json!({"dispatcher": {"eventType": "e"}}), 400, "dispatcher: `actions` is required").await;
    check(json!({"dispatcher": {"eventType": "e", "actions": []}}), 400, "dispatcher: `actions` needs").await;
    check(json!({"dispatchers": [valid, {"frobnicate": 1}]}), 400, "dispatchers[1]: unknown field `frobnicate`").await;
    check(json!({"dispatchers": [{"name": "d", "filtre": {}}]}), 400, "did you mean `filter`?").await;
    check(json!({"dispatchers": [{"name": "d", "actions": [{"type": "sms"}]}]}), 400, "dispatchers[0]: ").await;
    check(json!({"dispatchers": [{"name": "d", "actions": 5}]}), 400, "actions").await;
    check(json!({"dispatchers": [{"name": "d", "deleted": 1}]}), 400, "`deleted` must be true or false").await;
    check(json!({"dispatchers": [{"name": "d", "deleted": true, "tags": []}]}), 400, "`tags` cannot be given").await;
    check(json!({"dispatchers": [{"name": "x", "deleted": true}]}), 404, "no dispatcher `x` exists").await;
    check(json!({"dispatchers": [{"id": "1", "deleted": true}]}), 400, "24 hex digits").await;
    let nobody = "00000000000000000000000c";
    check(json!({"dispatchers": [{"id": nobody, "tags": []}]}), 404, nobody).await;
    let mut of_nobody = valid.clone();
    of_nobody["id"] = json!(nobody);
    check(json!({"dispatcher": of_nobody}), 404, nobody).await;
    check(
        json!({"dispatchers": [{"name": "d"}, {"id": id}]}),
        400,
        "dispatchers[1]` names a dispatcher that an earlier",
    )
    .await;
    world.dispatcher(dispatcher("f", Value::Null, json!({}))).await;
    check(json!({"dispatchers": [{"id": id, "name": "f"}]}), 400, "`f` exists already").await;
    check(json!({"dispatchers": [valid, valid]}), 400, "names a dispatcher that an earlier").await;
}

#[tokio::test]
async fn events_are_chosen_by_time_type_and_id_and_come_in_pages_with_true_counts() {
    let world = World::new().await;
    world.dispatcher(dispatcher("d", json!({"content": {"n": [{"numeric": ["<", 5]}]}}), json!({}))).await;
    let mut times = Vec::new();
    for n in 0..7 {
        if n % 2 == 0 {
            world.advance(1).await;
        }
        times.push(world.clock.now().to_string());
        let kind = if n == 6 { "lost" } else { "paid" };
        let published = event(&format!("e{n}"), kind, json!({"n": n}));
        world.publish(&Envelope { time: world.clock.now(), ..published }).await;
    }
    let (mut seen, mut events, mut next) = (Vec::new(), 0, Value::Null);
    for _ in 0..4 {
        let answer = simulate(&world, json!({"limit": 2, "next": next})).await;
        assert_eq!(answer["total"], 7);
        events += answer["counts"]["events"].as_u64().unwrap();
        seen.extend(changes(&answer));
        next = answer["next"].clone();
    }
    assert_eq!((events, next), (7, Value::Null));
    assert_eq!(seen, ["e4: d same", "e3: d same", "e2: d same", "e1: d same", "e0: d same"]);
    let total = async |body: Value| simulate(&world, body).await["total"].clone();
    assert_eq!(total(json!({"eventType": "paid"})).await, 6);
    assert_eq!(total(json!({"eventType": "lost"})).await, 1);
    assert_eq!(total(json!({"from": times[2], "to": times[4]})).await, 4);
    assert_eq!(total(json!({"from": times[4], "to": times[2]})).await, 0);
    let by_id = simulate(&world, json!({"eventIds": ["e1", "nothing", "e1", "e4"], "limit": 1})).await;
    assert_eq!((changes(&by_id), &by_id["total"]), (vec!["e4: d same".to_owned()], &json!(2)), "{by_id}");
    assert_eq!(by_id["missing"], json!(["nothing"]));
    let rest = simulate(&world, json!({"eventIds": ["e1", "nothing", "e1", "e4"], "next": by_id["next"]})).await;
    assert_eq!((changes(&rest), &rest["next"]), (vec!["e1: d same".to_owned()], &Value::Null));
}

#[tokio::test]
async fn an_answer_stays_small_and_still_counts_everything() {
    let world = World::new().await;
    for n in 0..20 {
        let data = json!({"all": "{{ event.content.text }}"});
        let actions = ["a", "b", "c"].map(|name| {
            let mut action = task(name, &[]);
            action["data"] = data.clone();
            action
        });
        world.dispatcher(json!({"eventType": "paid", "name": format!("d{n}"), "actions": actions})).await;
    }
    for id in ["e1", "e2", "e3"] {
        world.publish(&event(id, "paid", json!({"text": "x".repeat(70_000)}))).await;
    }
    let (mut events, mut same, mut left_out, mut next) = (0, 0, 0, Value::Null);
    loop {
        let answer = simulate(&world, json!({"next": next})).await;
        assert!(answer.to_string().len() < 4_000_000);
        events += answer["counts"]["events"].as_u64().unwrap();
        same += answer["counts"]["same"].as_u64().unwrap();
        let runs = answer["data"].as_array().unwrap().iter().flat_map(|event| event["runs"].as_array().unwrap());
        left_out += runs.filter(|run| run["leftOut"] == true && run["steps"].is_null()).count();
        next = answer["next"].clone();
        if next.is_null() {
            break;
        }
    }
    assert_eq!((events, same), (3, 60));
    assert!((1..60).contains(&left_out), "{left_out}");
}

/// Dispatchers whose steps meet all that can become of a step: conditions, templates that fail, failures that are allowed.
fn random_dispatcher() -> impl Strategy<Value = Value> {
    let rule = prop_oneof![
        (0..3_i64).prop_map(|n| json!([n])),
        (0..3_i64).prop_map(|n| json!([{"numeric": [">", n]}])),
        any::<bool>().prop_map(|exists| json!([{"exists": exists}])),
    ]
    .boxed();
    let filter = prop_oneof![
        1 => Just(Value::Null),
        3 => ("[xy]", rule.clone()).prop_map(|(field, rule)| json!({"content": {field: rule}})),
    ];
    let data = prop::sample::select(vec![
        json!({"v": "{{ event.content.x }}"}),
        json!({"v": "{{ event.content.x | default(0) }} at {{ event.time }}"}),
        json!({"v": "{{ event.content }}"}),
        json!({"v": "{{ event.content.y | upper }}"}),
        json!({}),
    ]);
    let condition = prop_oneof![
        3 => Just(Value::Null),
        1 => ("[xy]", rule).prop_map(|(field, rule)| json!({"event": {"content": {field: rule}}})),
        1 => Just(json!({"steps": {"zero": {"status": ["succeeded"]}}})),
    ];
    let step = (data, condition, any::<(bool, bool, bool)>(), 1..3_u32);
    (filter, prop::collection::vec(step, 1..4), any::<bool>()).prop_map(|(filter, steps, is_enabled)| {
        let names = ["zero", "one", "two"];
        let actions: Vec<Value> = steps
            .into_iter()
            .enumerate()
            .map(|(at, (mut data, condition, (depends, continues, uses), attempts))| {
                let dependencies = if at > 0 && depends { vec![names[at - 1]] } else { Vec::new() };
                if at > 0 && depends && uses {
                    data["from"] = json!(format!("{{{{ steps.{}.output.did }}}}", names[at - 1]));
                }
                json!({
                    "type": "task", "name": names[at], "functionName": names[at], "data": data,
                    "condition": condition, "dependencies": dependencies, "retry": {"attempts": attempts},
                    "onFailure": if continues { "continue" } else { "fail" },
                })
            })
            .collect();
        json!({"eventType": "paid", "filter": filter, "actions": actions, "enabled": is_enabled})
    })
}

fn random_content() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![(0..4_i64).prop_map(Value::from), "[ab]".prop_map(Value::from)];
    prop::collection::btree_map("[xy]", leaf, 0..3).prop_map(|fields| json!(fields))
}

/// The steps of one run that got a command, with its fields.
type Commands = BTreeMap<String, Value>;

/// The commands of the first attempts that the worker got for an event, by the name of the dispatcher.
fn received(world: &World, event_id: &str, names: &BTreeMap<String, String>) -> BTreeMap<String, Commands> {
    let mut received: BTreeMap<String, Commands> = BTreeMap::new();
    for request in world.requests() {
        if request.id.event_id.as_str() == event_id && request.id.attempt == 1 {
            let name = names[request.id.dispatcher_id.as_str()].clone();
            received.entry(name).or_default().insert(request.id.step, request.action);
        }
    }
    received
}

/// The runs of a simulated event, by the name of the dispatcher.
fn runs(event: &Value) -> BTreeMap<String, &Value> {
    let runs = event["runs"].as_array().into_iter().flatten();
    runs.map(|run| (text(&run["dispatcherName"]).to_owned(), run)).collect()
}

/// The commands of the steps of a simulated run that start.
fn commands(run: &Value) -> Commands {
    let steps = run["steps"].as_array().into_iter().flatten().filter(|step| step["state"] == "starts");
    steps.map(|step| (text(&step["name"]).to_owned(), step["command"].clone())).collect()
}

async fn simulated_and_then_done(
    dispatchers: Vec<Value>,
    contents: Vec<Value>,
    failing: bool,
) -> Result<(), TestCaseError> {
    let world = World::new().await;
    if failing {
        world.reply("zero", Reply::Fail);
    }
    let at = |n: usize, before: bool| format!("{}{n}", if before { "before" } else { "after" });
    for (n, content) in contents.iter().enumerate() {
        world.publish(&event(&at(n, true), "paid", content.clone())).await;
    }
    let named = dispatchers.into_iter().enumerate().map(|(n, mut dispatcher)| {
        dispatcher["name"] = json!(format!("d{n}"));
        dispatcher
    });
    let file: Vec<Value> = named.collect();
    let before = simulate(&world, json!({"dispatchers": file})).await;
    prop_assert!(world.requests().is_empty());
    let mut names = BTreeMap::new();
    for dispatcher in &file {
        names.insert(world.dispatcher(dispatcher.clone()).await, text(&dispatcher["name"]).to_owned());
    }
    for (n, content) in contents.iter().enumerate() {
        world.publish(&event(&at(n, false), "paid", content.clone())).await;
    }
    let after = simulate(&world, json!({})).await;
    let found = |answer: &Value, id: &str| {
        let events = answer["data"].as_array().unwrap().iter();
        events.into_iter().find(|event| event["eventId"] == id).cloned().unwrap_or_default()
    };
    for n in 0..contents.len() {
        let done = received(&world, &at(n, false), &names);
        let timeline = world.timeline(&at(n, false)).await;
        let started = timeline["runs"].as_array().unwrap().iter().map(|run| text(&run["dispatcherName"]).to_owned());
        let mut started: Vec<String> = started.collect();
        started.sort();
        let (simulated, repeated) = (found(&before, &at(n, true)), found(&after, &at(n, false)));
        prop_assert_eq!(runs(&simulated).into_keys().collect::<Vec<_>>(), &*started, "{}", simulated);
        prop_assert_eq!(runs(&repeated).into_keys().collect::<Vec<_>>(), started, "{}", repeated);
        for (name, run) in runs(&repeated) {
            prop_assert_eq!(&run["change"], "same", "{}", run);
            prop_assert_eq!(commands(run), done.get(&name).cloned().unwrap_or_default(), "{}", run);
        }
        for (name, run) in runs(&simulated) {
            prop_assert_eq!(&run["change"], "added", "{}", run);
            let done = done.get(&name).cloned().unwrap_or_default();
            for step in run["steps"].as_array().unwrap() {
                let got = done.get(text(&step["name"]));
                match text(&step["state"]) {
                    "starts" => prop_assert_eq!(got, Some(&step["command"]), "{}", run),
                    "skipped" | "fails" => prop_assert_eq!(got, None, "{}", run),
                    // What depends on results that nobody knows may start or not.
                    _ => prop_assert!(step["reason"].as_str().is_some_and(|why| why.contains("not known")), "{}", run),
                }
            }
        }
    }
    Ok(())
}

#[test]
fn what_is_simulated_then_happens() {
    let cases = (
        prop::collection::vec(random_dispatcher(), 1..5),
        prop::collection::vec(random_content(), 1..4),
        any::<bool>(),
    );
    let mut runner = TestRunner::new(Config { cases: 12, failure_persistence: None, ..Config::default() });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let checked = runner.run(&cases, |(dispatchers, contents, failing)| {
        runtime.block_on(simulated_and_then_done(dispatchers, contents, failing))
    });
    checked.unwrap_or_else(|failed| panic!("{failed}"));
}
