//! The process that runs the functions.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use emulator::{Clock, Emulator, Invoke, Template};
use serde_json::Value;
use shared::aws::Aws;
use shared::clock::Ids;
use shared::{Environment, Error, Function, SharedKeyRing};
use tokio::sync::watch;

/// The constructor of a function crate.
pub type Constructor = fn(&Environment) -> Result<Function, Error>;

/// What runs the functions; it does not keep the emulator alive.
pub(crate) struct Process {
    pub(crate) template: Template,
    constructors: BTreeMap<&'static str, Constructor>,
    pub(crate) environments: BTreeMap<&'static str, Environment>,
    functions: RwLock<BTreeMap<&'static str, Function>>,
    pub(crate) stand_in: RwLock<Option<Invoke>>,
    crashes: watch::Receiver<u64>,
    seed: AtomicU64,
}

impl Process {
    /// Builds the functions; `variables` take precedence over the template's.
    pub(crate) fn new(
        template: Template,
        constructors: BTreeMap<&'static str, Constructor>,
        variables: &BTreeMap<String, String>,
        clock: &Clock,
        emulator: &Emulator,
    ) -> Self {
        let aws = Aws::new(&emulator.sdk_config());
        let seed = AtomicU64::new(1);
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
            };
            (*id, environment)
        };
        let environments: BTreeMap<_, _> = constructors.keys().map(environment).collect();
        let build =
            |(id, environment): (&&'static str, &Environment)| (*id, construct(constructors[id], id, environment));
        let functions = RwLock::new(environments.iter().map(build).collect());
        let (stand_in, crashes) = (RwLock::default(), emulator.crashes());
        Self { template, constructors, environments, functions, stand_in, crashes, seed }
    }

    pub(crate) fn function(&self, id: &str) -> Option<Function> {
        self.functions.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// Builds a function with ids that no other one draws.
    pub(crate) fn build(&self, id: &str) -> Function {
        let environment = self.environments.get(id).unwrap_or_else(|| panic!("{id} does not run"));
        let ids = Ids::seeded(self.seed.fetch_add(1, Ordering::Relaxed));
        let environment = Environment { ids, key_ring: SharedKeyRing::default(), ..environment.clone() };
        construct(self.constructors[id], id, &environment)
    }

    /// Returns an event as the functions read it, with its content opened.
    async fn opened(&self, mut event: Value) -> Value {
        let source = event["source"].as_str().unwrap_or_default().to_owned();
        let seal = self.environments.values().next().and_then(|environment| environment.seal().ok());
        if let (Some(detail), Some(seal)) = (event.get_mut("detail"), seal) {
            shared::bus::open(&seal, &source, detail).await.unwrap_or_else(|error| panic!("{}", error.chain()));
        }
        event
    }

    pub(crate) fn restart(&self) {
        let built = self.constructors.keys().map(|id| (*id, self.build(id))).collect();
        *self.functions.write().unwrap_or_else(PoisonError::into_inner) = built;
    }

    /// Runs a function until it returns, or until the process crashes: then all functions start again from nothing.
    pub(crate) async fn invoke(&self, id: &str, payload: Value) -> Option<Result<Value, String>> {
        let function = self.function(id)?;
        let mut crashes = self.crashes.clone();
        crashes.mark_unchanged();
        Some(tokio::select! {
            returned = function.invoke(payload) => returned.map_err(|error| error.chain()),
            Ok(()) = crashes.changed() => {
                self.restart();
                Err("the process crashed".to_owned())
            }
        })
    }
}

/// Returns what the emulator calls for each delivery.
pub(crate) fn invoke(process: Arc<Process>, by_hand: bool) -> Invoke {
    Arc::new(move |id, payload| {
        let process = process.clone();
        Box::pin(async move {
            if process.constructors.contains_key(id.as_str()) {
                let invoked = if by_hand { None } else { process.invoke(&id, payload).await };
                return invoked.unwrap_or(Ok(Value::Null));
            }
            let stand_in = process.stand_in.read().unwrap_or_else(PoisonError::into_inner).clone();
            match stand_in {
                Some(invoke) => invoke(id, process.opened(payload).await).await,
                None => Ok(Value::Null),
            }
        })
    })
}

fn construct(constructor: Constructor, id: &str, environment: &Environment) -> Function {
    constructor(environment).unwrap_or_else(|error| panic!("{id}: {}", error.chain()))
}
