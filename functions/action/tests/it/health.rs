//! Circuits and health probes of an app that is really down.

use harness::World;
use harness::app::App;
use serde_json::{Value, json};

use crate::setup::{ask, stored};

/// The function, to which nothing is delivered but by hand, and an app with a `flaky` action.
struct Setup {
    world: World,
    app: App,
}

impl Setup {
    async fn new(more: Value) -> Self {
        let world = World::builder().function("ActionFunction", action::function).by_hand().open().await;
        let app = App::start(&world.clock).await;
        let mut whole = json!({
            "tag": "bank", "envs": [{"slug": "tst", "base_url": app.url(), "active": true}],
            "actions": [
                {"tag": "flaky", "method": "GET", "resource": "/flaky"},
                {"tag": "missing", "method": "GET", "resource": "/status/404"},
            ],
        });
        whole.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        stored(&world, whole, json!({})).await;
        Self { world, app }
    }

    async fn run(&self) -> u16 {
        self.world.post("/actions/run", ask("flaky", json!({}))).await.status
    }

    /// The only environment of the app.
    async fn health(&self) -> Value {
        let answer = self.world.get("/apps/bank/health").await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body["envs"][0].clone()
    }

    async fn sweep(&self) {
        self.world.invoke("ActionFunction", json!({"sweep": "health"})).await.unwrap();
    }
}

fn probed(retries: u32) -> Value {
    json!({"health": {"action_tag": "flaky", "interval": 60_000, "retries": retries}})
}

#[tokio::test]
async fn a_circuit_opens_is_shown_and_is_reset() {
    let setup = Setup::new(json!({"circuit": {"failures": 2, "open_ms": 5_000}})).await;
    assert_eq!(setup.health().await["circuit"], json!({"state": "closed", "failures": 0}));
    setup.app.fail(2);
    assert_eq!((setup.run().await, setup.run().await), (503, 503));
    assert_eq!((setup.run().await, setup.app.count("/flaky")), (503, 2), "the third is not sent");
    let circuit = setup.health().await["circuit"].clone();
    let shown = (&circuit["state"], &circuit["failures"], &circuit["lastError"]);
    assert_eq!(shown, (&json!("open"), &json!(2), &json!("SERVICE_UNAVAILABLE")), "{circuit}");
    assert!(circuit["until"].is_string() && circuit["since"].is_string(), "{circuit}");
    let reset = setup.world.post("/apps/bank/health/tst/reset", json!({})).await;
    assert_eq!((reset.status, &reset.body["state"]), (200, &json!("closed")), "{}", reset.body);
    assert_eq!(setup.run().await, 200);
}

#[tokio::test]
async fn after_its_time_one_request_closes_it() {
    let setup = Setup::new(json!({"circuit": {"failures": 1, "open_ms": 5_000}})).await;
    setup.app.fail(1);
    assert_eq!((setup.run().await, setup.run().await), (503, 503));
    setup.world.advance(5).await;
    assert_eq!(setup.health().await["circuit"]["state"], "half_open");
    assert_eq!(setup.run().await, 200);
    assert_eq!(setup.health().await["circuit"]["state"], "closed");
}

#[tokio::test]
async fn what_does_not_exist_has_no_health() {
    let setup = Setup::new(json!({})).await;
    let other = setup.world.token("other", &["*"]).await;
    let foreign = harness::Request::new("GET", "/apps/bank/health").bearer(&other);
    for status in [
        setup.world.get("/apps/nothing/health").await.status,
        setup.world.get("/apps/no%20tag/health").await.status,
        setup.world.post("/apps/bank/health/prd/reset", json!({})).await.status,
        setup.world.post("/apps/nothing/health/tst/reset", json!({})).await.status,
        setup.world.send(foreign).await.status,
    ] {
        assert_eq!(status, 404);
    }
}

#[tokio::test]
async fn a_probe_is_made_once_a_minute_and_changes_are_published() {
    let setup = Setup::new(probed(1)).await;
    setup.sweep().await;
    setup.sweep().await;
    assert_eq!(setup.app.count("/flaky"), 1);
    let probes = setup.health().await["probes"].clone();
    let shown = (&probes[0]["status"], &probes[0]["accessTag"], &probes[0]["failures"]);
    assert_eq!(shown, (&json!("available"), &json!("pay"), &json!(0)), "{probes}");
    assert!(probes[0]["lastAvailable"].is_string() && probes[0]["averageLatency"].is_number(), "{probes}");

    setup.app.fail(2);
    setup.world.advance(60).await;
    setup.sweep().await;
    assert_eq!(setup.world.published("app.unavailable").len(), 0, "one failure is allowed");
    setup.world.advance(60).await;
    setup.sweep().await;
    let facts = setup.world.published("app.unavailable");
    let [fact] = &facts[..] else { panic!("{facts:?}") };
    let content = &fact["content"];
    assert_eq!(
        (&content["app"], &content["accessTag"], &content["env"]),
        (&json!("bank"), &json!("pay"), &json!("dev"))
    );
    assert_eq!(content["lastError"], "SERVICE_UNAVAILABLE", "{fact}");

    setup.world.advance(60).await;
    setup.sweep().await;
    assert_eq!(setup.world.published("app.available").len(), 1);
    assert_eq!(setup.health().await["probes"][0]["status"], "available");
}

#[tokio::test]
async fn two_sweeps_at_once_probe_once() {
    let setup = Setup::new(probed(0)).await;
    tokio::join!(setup.sweep(), setup.sweep());
    assert_eq!(setup.app.count("/flaky"), 1);
}

#[tokio::test]
async fn a_change_that_was_not_published_is_published_by_the_next_sweep() {
    let setup = Setup::new(probed(0)).await;
    setup.app.fail(1);
    setup.world.emulator.fail_entries(4);
    let swept = setup.world.invoke("ActionFunction", json!({"sweep": "health"})).await;
    assert!(swept.is_err());
    assert_eq!(setup.world.published("app.unavailable").len(), 0);
    setup.sweep().await;
    setup.sweep().await;
    assert_eq!((setup.world.published("app.unavailable").len(), setup.app.count("/flaky")), (1, 1));
}

#[tokio::test]
async fn a_probe_that_gets_through_closes_the_circuit() {
    let mut more = probed(0);
    more["circuit"] = json!({"failures": 1, "open_ms": 600_000});
    let setup = Setup::new(more).await;
    setup.app.fail(1);
    assert_eq!((setup.run().await, setup.run().await), (503, 503));
    setup.sweep().await;
    assert_eq!(setup.run().await, 200);
}

#[tokio::test]
async fn an_app_without_probes_any_more_is_not_probed() {
    let setup = Setup::new(probed(0)).await;
    let changed = setup.world.put("/apps/bank", json!({"health": null})).await;
    assert_eq!(changed.status, 200, "{}", changed.body);
    setup.sweep().await;
    assert_eq!(setup.app.count("/flaky"), 0);
    let changed = setup.world.put("/apps/bank", probed(0)).await;
    assert_eq!(changed.status, 200, "{}", changed.body);
    setup.sweep().await;
    assert_eq!(setup.app.count("/flaky"), 1);
}

#[tokio::test]
async fn a_probe_without_its_action_is_a_failure() {
    let setup = Setup::new(json!({"health": {"action_tag": "gone", "interval": 60_000}})).await;
    setup.sweep().await;
    let probes = setup.health().await["probes"].clone();
    assert_eq!(
        (&probes[0]["status"], &probes[0]["lastError"]),
        (&json!("unavailable"), &json!("NOT_FOUND")),
        "{probes}"
    );
    assert_eq!(setup.health().await["circuit"]["state"], "closed");
}
