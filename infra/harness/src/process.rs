//! The process that runs the functions.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use emulator::{Clock, Emulator, Invoke, Template};
use futures::future::BoxFuture;
use serde_json::{Value, json};
use shared::aws::Aws;
use shared::clock::Ids;
use shared::event::Received;
use shared::step::Effects;
use shared::{Environment, Error, Function, SharedKeyRing};
use tokio::sync::watch;

/// The constructor of a function crate.
pub type Constructor = fn(&Environment) -> Result<Function, Error>;

/// Takes the events for functions that do not run: the logical id of the function, and the event with its content opened.
pub type StandIn = Arc<dyn Fn(String, Value) -> BoxFuture<'static, Result<Value, String>> + Send + Sync>;

/// What runs the functions; it does not keep the emulator alive.
pub(crate) struct Process {
    pub(crate) template: Template,
    constructors: BTreeMap<&'static str, Constructor>,
    pub(crate) environments: BTreeMap<&'static str, Environment>,
    functions: RwLock<BTreeMap<&'static str, Function>>,
    pub(crate) stand_in: RwLock<Option<StandIn>>,
    crashes: watch::Receiver<u64>,
    seed: AtomicU64,
    effects: RwLock<Effects>,
    /// Where it is noted which effects have begun.
    notes: Option<PathBuf>,
}

impl Process {
    /// Builds the functions; `variables` take precedence over the template's.
    pub(crate) fn new(
        template: Template,
        constructors: BTreeMap<&'static str, Constructor>,
        variables: &BTreeMap<String, String>,
        clock: &Clock,
        emulator: &Emulator,
        notes: Option<PathBuf>,
    ) -> Self {
        let aws = Aws::new(&emulator.sdk_config());
        let seed = AtomicU64::new(1);
        let effects = opened_effects(notes.as_ref(), &seed);
        let environment = |id: &&'static str| {
            let (now, sleeping) = (clock.clone(), clock.clone());
            let environment = Environment {
                aws: aws.clone(),
                config: emulator.environment(id).into_iter().chain(variables.clone()).collect(),
                clock: shared::clock::Clock::from_fn(move || now.now()).sleeping(move |at| {
                    let clock = sleeping.clone();
                    Box::pin(async move { clock.sleep_until(at).await })
                }),
                ids: Ids::seeded(seed.fetch_add(1, Ordering::Relaxed)),
                key_ring: SharedKeyRing::default(),
                effects: effects.clone(),
            };
            (*id, environment)
        };
        let environments: BTreeMap<_, _> = constructors.keys().map(environment).collect();
        let build =
            |(id, environment): (&&'static str, &Environment)| (*id, construct(constructors[id], id, environment));
        let functions = RwLock::new(environments.iter().map(build).collect());
        let (stand_in, crashes) = (RwLock::default(), emulator.crashes());
        let effects = RwLock::new(effects);
        Self { template, constructors, environments, functions, stand_in, crashes, seed, effects, notes }
    }

    pub(crate) fn function(&self, id: &str) -> Option<Function> {
        self.functions.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// Builds a function with ids that no other one draws.
    pub(crate) fn build(&self, id: &str) -> Function {
        let environment = self.environments.get(id).unwrap_or_else(|| panic!("{id} does not run"));
        let ids = Ids::seeded(self.seed.fetch_add(1, Ordering::Relaxed));
        let effects = self.effects.read().unwrap_or_else(PoisonError::into_inner).clone();
        let environment = Environment { ids, key_ring: SharedKeyRing::default(), effects, ..environment.clone() };
        construct(self.constructors[id], id, &environment)
    }

    /// Returns an event as the functions read it, with its content opened.
    async fn opened(&self, mut event: Value) -> Value {
        let seal = self.environments.values().next().and_then(|environment| environment.seal().ok());
        if let (true, Some(seal)) = (has_envelope(&event), seal) {
            let source = event["source"].as_str().unwrap_or_default();
            let opened = shared::bus::open(&seal, source, &event["detail"].to_string()).await;
            event["detail"] = json!(opened.unwrap_or_else(|error| panic!("{}", error.chain())));
        }
        event
    }

    pub(crate) fn restart(&self) {
        let effects = opened_effects(self.notes.as_ref(), &self.seed);
        *self.effects.write().unwrap_or_else(PoisonError::into_inner) = effects;
        let built = self.constructors.keys().map(|id| (*id, self.build(id))).collect();
        *self.functions.write().unwrap_or_else(PoisonError::into_inner) = built;
    }

    /// Hands a payload to a function, as Lambda does.
    pub(crate) async fn invoke(&self, id: &str, payload: Value) -> Option<Result<Value, String>> {
        let function = self.function(id)?;
        Some(self.run(Box::pin(function.invoke(payload))).await)
    }

    /// Hands the text of an event to a function, as the runtime in one process does.
    async fn handle(&self, id: &str, event: &str) -> Option<Result<(), String>> {
        let function = self.function(id)?;
        Some(self.run(Box::pin(function.handle(event))).await)
    }

    /// Runs a function until it returns, or until the process crashes: then all functions start again from nothing.
    async fn run<T>(&self, call: impl Future<Output = Result<T, Error>>) -> Result<T, String> {
        let mut crashes = self.crashes.clone();
        crashes.mark_unchanged();
        tokio::select! {
            returned = call => returned.map_err(|error| error.chain()),
            Ok(()) = crashes.changed() => {
                self.restart();
                Err("the process crashed".to_owned())
            }
        }
    }
}

/// Returns what the emulator calls for each delivery.
pub(crate) fn invoke(process: Arc<Process>, by_hand: bool) -> Invoke {
    Arc::new(move |id, event| {
        let process = process.clone();
        Box::pin(async move {
            if process.constructors.contains_key(&*id) {
                let handled = if by_hand { None } else { process.handle(&id, &event).await };
                return handled.unwrap_or(Ok(()));
            }
            let stand_in = process.stand_in.read().unwrap_or_else(PoisonError::into_inner).clone();
            match stand_in {
                Some(stand_in) => {
                    let payload = serde_json::from_str(&event).map_err(|error| error.to_string())?;
                    stand_in(id.to_string(), process.opened(payload).await).await.map(drop)
                }
                None => Ok(()),
            }
        })
    })
}

/// Whether an event is one of ours, and not one of an AWS service.
pub(crate) fn has_envelope(event: &Value) -> bool {
    serde_json::from_value::<Received>(event["detail"].clone()).is_ok()
}

fn opened_effects(notes: Option<&PathBuf>, seed: &AtomicU64) -> Effects {
    let Some(notes) = notes else { return Effects::default() };
    let ids = Ids::seeded(seed.fetch_add(1, Ordering::Relaxed));
    Effects::open(notes, &ids).expect("a directory of the test can be used")
}

fn construct(constructor: Constructor, id: &str, environment: &Environment) -> Function {
    constructor(environment).unwrap_or_else(|error| panic!("{id}: {}", error.chain()))
}
