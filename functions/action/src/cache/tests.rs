//! Work through caches, in one process and in two on the same tables.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures::future::join_all;
use harness::{World, until};
use serde_json::json;
use shared::Environment;
use shared::clock::Clock;
use shared::event::TenantId;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::*;
use crate::input::Input;
use crate::product::Place;
use crate::tag::Slug;

const EXPIRY_MS: i64 = 60_000;

/// A world with a cache, and an app that answers when it is let.
struct Setup {
    world: World,
    services: Arc<Services>,
    app: Arc<App>,
    sleepers: Arc<AtomicUsize>,
}

/// Counts its calls, and holds its answers back until it may answer.
struct App {
    calls: AtomicUsize,
    may_answer: watch::Sender<bool>,
    answer: fn(usize) -> Result<Done, Error>,
}

/// What a run came to: an output or a failure.
type Done = Result<Value, String>;
type Outcome = Result<Result<Cached<Done>, Failure>, Error>;

impl Setup {
    async fn new(answer: fn(usize) -> Result<Done, Error>) -> Self {
        let world = World::builder().function("ActionFunction", crate::function).open().await;
        let body = json!({"product": "shop", "tag": "rates", "expiry": EXPIRY_MS});
        assert_eq!(world.post("/caches", body).await.status, 200);
        let sleepers = Arc::default();
        let services = process(&world, &sleepers);
        let app = Arc::new(App { calls: AtomicUsize::new(0), may_answer: watch::channel(false).0, answer });
        Self { world, services, app, sleepers }
    }

    /// An app that answers at once.
    async fn open(answer: fn(usize) -> Result<Done, Error>) -> Self {
        let setup = Self::new(answer).await;
        setup.let_answer();
        setup
    }

    fn let_answer(&self) {
        self.app.may_answer.send_replace(true);
    }

    fn calls(&self) -> usize {
        self.app.calls.load(Ordering::SeqCst)
    }

    /// Begins a run in a process.
    fn spawn(&self, services: &Arc<Services>, input: Value) -> JoinHandle<Outcome> {
        let (services, app) = (services.clone(), self.app.clone());
        tokio::spawn(async move { run(&services, &app, "rates", input).await })
    }

    async fn run(&self, input: Value) -> Cached<Done> {
        run(&self.services, &self.app, "rates", input).await.unwrap().unwrap()
    }

    async fn called(&self, calls: usize) {
        until("the call", async || if self.calls() == calls { Ok(()) } else { Err(self.calls()) }).await;
    }

    /// Waits until so many wait for their time: those who look again and again, those who would lose patience, and those
    /// who work.
    async fn asleep(&self, count: usize) {
        let asleep = || self.sleepers.load(Ordering::SeqCst);
        until("those who wait", async || if asleep() == count { Ok(()) } else { Err(asleep()) }).await;
    }

    /// Another process on the same tables.
    fn another(&self) -> Arc<Services> {
        process(&self.world, &self.sleepers)
    }

    async fn values(&self) -> Vec<Value> {
        self.world.get("/caches/shop/rates/values").await.body["data"].as_array().unwrap().clone()
    }
}

impl App {
    async fn call(&self) -> Result<Done, Error> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        self.may_answer.subscribe().wait_for(|may| *may).await.unwrap();
        (self.answer)(call)
    }
}

async fn run(services: &Services, app: &App, cache: &str, input: Value) -> Outcome {
    let input = Input { body: input, ..Input::default() };
    let (tag, action) = (Tag::parse(cache).unwrap(), Tag::parse("list").unwrap());
    let place = place("default");
    let key = CacheKey { place: &place, action: &action, input: &input, session: None };
    through(services, &tag, key, async || app.call().await, |done| done.as_ref().ok()).await
}

fn place(tenant: &str) -> Place {
    let (slug, tag) = (Slug::parse("dev").unwrap(), |text| Tag::parse(text).unwrap());
    let (product, access_tag, app, env) = (tag("shop"), tag("crm"), tag("crm-app"), slug.clone());
    Place { tenant_id: TenantId::new(tenant), product, env, access_tag, app, app_env: slug }
}

/// A process whose waiting for a time is counted.
fn process(world: &World, sleepers: &Arc<AtomicUsize>) -> Arc<Services> {
    struct Awake(Arc<AtomicUsize>);
    impl Drop for Awake {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::SeqCst);
        }
    }
    let (now, sleeping, sleepers) = (world.clock.clone(), world.clock.clone(), sleepers.clone());
    let clock = Clock::from_fn(move || now.now()).sleeping(move |at| {
        let (clock, sleepers) = (sleeping.clone(), sleepers.clone());
        Box::pin(async move {
            sleepers.fetch_add(1, Ordering::SeqCst);
            let _awake = Awake(sleepers);
            clock.sleep_until(at).await;
        })
    });
    let environment = Environment { clock, ..world.environment("ActionFunction").clone() };
    Arc::new(Services::new(&environment).unwrap())
}

fn numbered(call: usize) -> Result<Done, Error> {
    Ok(Ok(json!({"call": call})))
}

fn failing(call: usize) -> Result<Done, Error> {
    Ok(Err(format!("failure {call}")))
}

/// Waits for runs and returns what they came to, and how many of them were hits, misses and joined.
async fn landed(runs: Vec<JoinHandle<Outcome>>) -> (Vec<Done>, [usize; 3]) {
    let (mut done, mut counts) = (Vec::new(), [0; 3]);
    for run in join_all(runs).await {
        let (kind, landed) = match run.unwrap().unwrap().unwrap() {
            Cached::Hit(value) => (0, Ok(value)),
            Cached::Miss(landed) => (1, landed),
            Cached::Joined(landed) => (2, landed),
        };
        counts[kind] += 1;
        done.push(landed);
    }
    (done, counts)
}

#[tokio::test]
async fn fifty_at_once_in_one_process_call_once() {
    let setup = Setup::new(numbered).await;
    let runs: Vec<_> = (0..50).map(|_| setup.spawn(&setup.services, json!({"a": 1}))).collect();
    setup.called(1).await;
    // All others wait for the first, with a time at which they would give up.
    setup.asleep(50).await;
    setup.let_answer();
    let (done, counts) = landed(runs).await;
    assert_eq!((setup.calls(), counts), (1, [0, 1, 49]));
    assert!(done.iter().all(|done| *done == Ok(json!({"call": 1}))));
    assert_eq!(setup.run(json!({"a": 1.0})).await, Cached::Hit(json!({"call": 1})));
    assert_eq!(setup.run(json!({"a": 2})).await, Cached::Miss(Ok(json!({"call": 2}))));
}

#[tokio::test]
async fn fifty_at_once_in_two_processes_call_once() {
    let setup = Setup::new(numbered).await;
    let other = setup.another();
    let both = [&setup.services, &other];
    let runs: Vec<_> = (0..50).map(|index| setup.spawn(both[index % 2], json!({}))).collect();
    setup.called(1).await;
    setup.asleep(50).await;
    setup.let_answer();
    until("the answer", async || if setup.values().await.is_empty() { Err(()) } else { Ok(()) }).await;
    let (done, counts) = setup.world.pass_time(landed(runs)).await;
    assert_eq!((setup.calls(), counts), (1, [25, 1, 24]));
    assert!(done.iter().all(|done| *done == Ok(json!({"call": 1}))));
}

#[tokio::test]
async fn a_failure_is_that_of_all_who_wait_in_the_process_and_is_not_kept() {
    let setup = Setup::new(failing).await;
    let runs: Vec<_> = (0..10).map(|_| setup.spawn(&setup.services, json!({}))).collect();
    setup.called(1).await;
    setup.asleep(10).await;
    let other = setup.spawn(&setup.another(), json!({}));
    setup.asleep(11).await;
    setup.let_answer();
    let (done, counts) = landed(runs).await;
    assert_eq!((setup.calls(), counts), (1, [0, 1, 9]));
    assert!(done.iter().all(|done| *done == Err("failure 1".to_owned())));
    let (done, _) = setup.world.pass_time(landed(vec![other])).await;
    assert_eq!(done, [Err("failure 2".to_owned())], "another process calls itself");
    assert_eq!(setup.run(json!({})).await, Cached::Miss(Err("failure 3".to_owned())));
    assert_eq!(setup.values().await, Vec::<Value>::new());
}

#[tokio::test]
async fn an_error_of_ours_is_that_of_the_leader_alone() {
    let setup =
        Setup::new(|call| if call == 1 { Err(Error::new("record it", "no table")) } else { numbered(call) }).await;
    let leader = setup.spawn(&setup.services, json!({}));
    setup.called(1).await;
    let followers: Vec<_> = (0..10).map(|_| setup.spawn(&setup.services, json!({}))).collect();
    setup.asleep(11).await;
    setup.let_answer();
    assert!(leader.await.unwrap().is_err());
    let (done, counts) = landed(followers).await;
    // Those who looked late find what the next leader has kept.
    assert_eq!((setup.calls(), counts[1]), (2, 1));
    assert!(done.iter().all(|done| *done == Ok(json!({"call": 2}))));
}

#[tokio::test]
async fn a_waiter_that_is_cancelled_harms_nobody_and_a_leader_that_is_cancelled_is_replaced() {
    let setup = Setup::new(numbered).await;
    let leader = setup.spawn(&setup.services, json!({}));
    setup.called(1).await;
    let mut followers: Vec<_> = (0..10).map(|_| setup.spawn(&setup.services, json!({}))).collect();
    setup.asleep(11).await;
    let cancelled = followers.remove(0);
    cancelled.abort();
    assert!(cancelled.await.is_err());
    setup.asleep(10).await;
    assert_eq!(setup.calls(), 1);
    leader.abort();
    assert!(leader.await.is_err());
    // One of the others takes over without waiting for the end of the lease.
    setup.called(2).await;
    setup.asleep(9).await;
    setup.let_answer();
    let (done, counts) = landed(followers).await;
    assert_eq!((setup.calls(), counts), (2, [0, 1, 8]));
    assert!(done.iter().all(|done| *done == Ok(json!({"call": 2}))));
}

#[tokio::test]
async fn a_process_that_dies_is_waited_for_until_its_lease_ends() {
    let setup = Setup::new(numbered).await;
    let dead = setup.another();
    let leader = setup.spawn(&dead, json!({}));
    setup.called(1).await;
    leader.abort();
    assert!(leader.await.is_err());
    let run = setup.spawn(&setup.services, json!({}));
    setup.asleep(1).await;
    setup.let_answer();
    let began = setup.world.clock.now();
    let (done, _) = setup.world.pass_time(landed(vec![run])).await;
    assert_eq!((setup.calls(), done), (2, vec![Ok(json!({"call": 2}))]));
    let waited = setup.world.clock.now().duration_since(began);
    assert!((LEASE..LEASE + LONGEST_PAUSE).contains(&waited), "{waited}");
}

#[tokio::test]
async fn a_process_that_works_for_long_is_waited_for_as_long_as_patience_lasts() {
    let setup = Setup::new(numbered).await;
    let began = setup.world.clock.now();
    let leader = setup.spawn(&setup.another(), json!({}));
    setup.called(1).await;
    setup.asleep(1).await;
    let run = setup.spawn(&setup.services, json!({}));
    setup.asleep(2).await;
    // The lease would have ended three times if it were not renewed.
    setup.world.pass_time(setup.called(2)).await;
    let waited = setup.world.clock.now().duration_since(began);
    assert!(waited >= PATIENCE, "{waited}");
    setup.let_answer();
    let (done, counts) = landed(vec![leader, run]).await;
    assert_eq!((counts, done.len()), ([0, 2, 0], 2));
    let kept = setup.run(json!({})).await;
    assert_eq!(kept, Cached::Hit(json!({"call": 1})), "what is done without a lease is not kept");
}

#[tokio::test]
async fn what_was_cleared_during_the_work_is_not_filled_with_it() {
    for path in ["/caches/shop/rates/values", "/caches/shop/rates/values/", "/caches/shop/rates"] {
        let setup = Setup::new(numbered).await;
        let place = place("default");
        let (action, input) = (Tag::parse("list").unwrap(), Input { body: json!({}), ..Input::default() });
        let key = CacheKey { place: &place, action: &action, input: &input, session: None }.hash();
        let leader = setup.spawn(&setup.services, json!({}));
        setup.called(1).await;
        let path = if path.ends_with('/') { format!("{path}{key}") } else { path.to_owned() };
        setup.world.delete(&path).await;
        let body = json!({"product": "shop", "tag": "rates", "expiry": EXPIRY_MS});
        setup.world.post("/caches", body).await;
        let later = setup.spawn(&setup.services, json!({}));
        setup.called(2).await;
        setup.let_answer();
        let (done, counts) = landed(vec![leader, later]).await;
        assert_eq!((counts, &done[0]), ([0, 2, 0], &Ok(json!({"call": 1}))), "{path}");
        assert_eq!(setup.run(json!({})).await, Cached::Hit(json!({"call": 2})), "{path}");
    }
}

#[tokio::test]
async fn what_was_set_during_the_work_stays() {
    let setup = Setup::new(numbered).await;
    let leader = setup.spawn(&setup.services, json!({}));
    setup.called(1).await;
    let place = place("default");
    let (action, input) = (Tag::parse("list").unwrap(), Input { body: json!({}), ..Input::default() });
    let key = CacheKey { place: &place, action: &action, input: &input, session: None }.hash();
    let set = setup.world.put("/caches/shop/rates/values", json!({"key": key, "value": "set"})).await;
    assert_eq!(set.status, 200, "{}", set.body);
    setup.let_answer();
    landed(vec![leader]).await;
    assert_eq!(setup.run(json!({})).await, Cached::Hit(json!("set")));
}

#[tokio::test]
async fn an_answer_lasts_as_long_as_the_cache_says_to_the_millisecond() {
    let setup = Setup::open(numbered).await;
    let began = setup.world.clock.now();
    setup.run(json!({})).await;
    let at = |ms| setup.world.clock.set(began + SignedDuration::from_millis(ms));
    at(EXPIRY_MS - 1);
    assert_eq!(setup.run(json!({})).await, Cached::Hit(json!({"call": 1})));
    at(EXPIRY_MS);
    assert_eq!(setup.run(json!({})).await, Cached::Miss(Ok(json!({"call": 2}))));
    at(2 * EXPIRY_MS - 1);
    assert_eq!(setup.run(json!({})).await, Cached::Hit(json!({"call": 2})));
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_handed_on_and_one_that_can_be_compressed_is_kept() {
    let setup = Setup::open(|call| {
        // Digits of a generator take about half of their room when compressed.
        let mut state = 7_u64;
        let mut digit = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            char::from(b'0' + u8::try_from((state >> 60) % 10).unwrap())
        };
        Ok(Ok(match call {
            1 | 2 => (0..1_000_000).map(|_| digit()).collect::<String>().into(),
            _ => "x".repeat(1_000_000).into(),
        }))
    })
    .await;
    for _ in 0..2 {
        assert!(matches!(setup.run(json!({})).await, Cached::Miss(Ok(_))));
    }
    assert_eq!(setup.values().await, Vec::<Value>::new());
    assert!(matches!(setup.run(json!({})).await, Cached::Miss(Ok(_))));
    assert_eq!(setup.run(json!({})).await, Cached::Hit("x".repeat(1_000_000).into()));
}

#[tokio::test]
async fn an_answer_that_nests_too_deep_to_be_read_again_is_handed_on() {
    let setup = Setup::open(|_| Ok(Ok((0..125).fold(json!(1), |inner, _| json!([inner]))))).await;
    for _ in 0..2 {
        assert!(matches!(setup.run(json!({})).await, Cached::Miss(Ok(_))));
    }
}

#[tokio::test]
async fn a_run_goes_on_when_its_output_cannot_be_kept() {
    let setup = Setup::new(numbered).await;
    let leader = setup.spawn(&setup.services, json!({}));
    setup.called(1).await;
    setup.world.emulator.throttle("dynamodb.PutItem", 1_000);
    setup.let_answer();
    let (done, _) = landed(vec![leader]).await;
    assert_eq!(done, [Ok(json!({"call": 1}))]);
}

#[tokio::test]
async fn a_cache_that_the_product_does_not_have_is_named() {
    let setup = Setup::open(numbered).await;
    let failure = run(&setup.services, &setup.app, "other", json!({})).await.unwrap().unwrap_err();
    assert_eq!(failure.message, "the product `shop` has no cache `other`");
    assert_eq!((failure.kind, setup.calls()), (FailureType::NotFound, 0));
    let other = Place { tenant_id: TenantId::new("other"), ..place("default") };
    let (tag, action, input) = (Tag::parse("rates").unwrap(), Tag::parse("list").unwrap(), Input::default());
    let key = CacheKey { place: &other, action: &action, input: &input, session: None };
    let work = async || setup.app.call().await;
    let refused = through(&setup.services, &tag, key, work, |done: &Done| done.as_ref().ok()).await;
    assert_eq!(refused.unwrap().unwrap_err().kind, FailureType::NotFound, "also if another tenant has it");
}
