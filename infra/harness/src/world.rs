//! The functions on the emulator.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use emulator::{Clock, Emulator, Options, Template};
use jiff::SignedDuration;
use serde_json::{Value, json};
use shared::auth::{Client, Identity, Issuer, Signer};
use shared::bus::{Entry, open_with};
use shared::event::command::COMMAND_SOURCE;
use shared::event::step::STEP_SOURCE;
use shared::event::{Envelope, TenantId};
use shared::seal::Keys;
use shared::table::{SealedAttributes, Table};
use shared::{Environment, Function, SharedKeyRing};

use crate::event::{Event, NOW, TENANT};
use crate::process::{Constructor, Process, StandIn, has_envelope, invoke};
use crate::request::{Answer, Request};

const TEMPLATE: &str = include_str!("../../../template.yaml");
/// Longer than any test lets its clock run.
const TOKEN_LIFETIME_S: i64 = 100_000_000;
/// More than any test writes into one table.
const ALL_ITEMS: usize = 10_000;

/// The tables with sealed attributes, and the key of each; only reading opens them here.
static SEALED_TABLES: [(&str, SealedAttributes); 15] = [
    ("ACTION_CACHE_TABLE", SealedAttributes { key: &["owner", "record"], apart: &[], together: &[] }),
    ("ACTION_RUNS_TABLE", SealedAttributes { key: &["actionRunId"], apart: &[], together: &[] }),
    ("API_REQUESTS_TABLE", SealedAttributes { key: &["pk", "id"], apart: &[], together: &[] }),
    ("CLIENTS_TABLE", SealedAttributes { key: &["clientId"], apart: &[], together: &[] }),
    ("CREDENTIALS_TABLE", SealedAttributes { key: &["owner", "record"], apart: &[], together: &[] }),
    ("DISPATCHERS_TABLE", SealedAttributes { key: &["pk", "dispatcherId"], apart: &[], together: &[] }),
    ("JOURNALS_TABLE", SealedAttributes { key: &["taskId"], apart: &[], together: &[] }),
    ("MAILS_TABLE", SealedAttributes { key: &["mailId"], apart: &[], together: &[] }),
    ("MESSAGES_TABLE", SealedAttributes { key: &["id"], apart: &[], together: &[] }),
    ("RUNS_TABLE", SealedAttributes { key: &["eventId", "item"], apart: &[], together: &[] }),
    ("SCHEDULES_TABLE", SealedAttributes { key: &["tenantId", "scheduleId"], apart: &[], together: &[] }),
    ("SECRETS_TABLE", SealedAttributes { key: &["tenantId", "key"], apart: &[], together: &[] }),
    ("SESSIONS_TABLE", SealedAttributes { key: &["owner", "record"], apart: &[], together: &[] }),
    ("SIGNING_TOKENS_TABLE", SealedAttributes { key: &["token"], apart: &[], together: &[] }),
    ("TASKS_TABLE", SealedAttributes { key: &["taskId"], apart: &[], together: &[] }),
];

/// How a world is opened.
#[derive(Debug, Clone)]
pub struct Builder {
    functions: BTreeMap<&'static str, Constructor>,
    parameters: BTreeMap<String, String>,
    variables: BTreeMap<String, String>,
    tenant: String,
    by_hand: bool,
    directory: Option<PathBuf>,
    notes: Option<PathBuf>,
    clock: Clock,
}

/// The functions on the emulator, with a clock that stands still.
///
/// Deliveries of the bus and of schedules reach the functions that the test has named; those for all others are
/// accepted and forgotten, or taken by a stand-in. Dropping the world is `kill -9`.
pub struct World {
    /// The emulator: its faults, its counts of AWS calls, its dead letters.
    pub emulator: Emulator,
    /// The clock of the emulator and of the functions.
    pub clock: Clock,
    builder: Builder,
    process: Arc<Process>,
    events: Arc<Mutex<Vec<Value>>>,
    signer: Signer,
    administrator: String,
}

impl Builder {
    /// Runs a function under its name in the template.
    #[must_use]
    pub fn function(mut self, id: &'static str, constructor: Constructor) -> Self {
        self.functions.insert(id, constructor);
        self
    }

    /// Sets a parameter of the template. `AllowedCidrs` is loopback unless it is set.
    #[must_use]
    pub fn parameter(mut self, name: &str, value: &str) -> Self {
        self.parameters.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Sets a variable of every function, in place of the template's.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Makes this the tenant of the administrator whose token `get`, `post`, `put` and `delete` send.
    #[must_use]
    pub fn tenant(self, tenant: &str) -> Self {
        Self { tenant: tenant.to_owned(), ..self }
    }

    /// Keeps deliveries away from the functions, so that nothing reaches them but what the test hands them.
    #[must_use]
    pub fn by_hand(self) -> Self {
        Self { by_hand: true, ..self }
    }

    /// Keeps everything in a directory instead of in memory.
    #[must_use]
    pub fn directory(self, path: &Path) -> Self {
        Self { directory: Some(path.to_owned()), ..self }
    }

    /// Notes in a directory which effects have begun, as the runtime in one process does.
    #[must_use]
    pub fn notes(self, path: &Path) -> Self {
        Self { notes: Some(path.to_owned()), ..self }
    }

    /// Opens the emulator, builds the functions and starts to deliver.
    pub async fn open(self) -> World {
        let template = Template::parse(TEMPLATE).expect("the template can be read");
        let options = Options {
            data: self.directory.clone(),
            clock: self.clock.clone(),
            parameters: self.parameters.clone(),
            ..Options::default()
        };
        let emulator = Emulator::open(template.clone(), options).await.unwrap_or_else(|error| panic!("{error}"));
        let events = Arc::<Mutex<Vec<Value>>>::default();
        let observed = events.clone();
        emulator.observe(move |event| lock(&observed).push(serde_json::from_str(event).expect("events are JSON")));
        let (functions, notes) = (self.functions.clone(), self.notes.clone());
        let process = Process::new(template, functions, &self.variables, &self.clock, &emulator, notes);
        let process = Arc::new(process);
        emulator.start(invoke(process.clone(), self.by_hand));
        let (clock, signer) = (self.clock.clone(), signer(&process, &emulator));
        let mut world = World { emulator, clock, builder: self, process, events, signer, administrator: String::new() };
        world.administrator = world.token(&world.builder.tenant, &["*"]).await;
        world
    }
}

impl World {
    /// Begins a world without functions, in memory.
    pub fn builder() -> Builder {
        let clock = Clock::fixed(NOW.parse().expect("it is a time"));
        Builder {
            functions: BTreeMap::new(),
            parameters: [("AllowedCidrs".to_owned(), "127.0.0.0/8".to_owned())].into(),
            variables: BTreeMap::new(),
            tenant: TENANT.to_owned(),
            by_hand: false,
            directory: None,
            notes: None,
            clock,
        }
    }

    /// Kills the process and starts another one on the same directory, at the same time.
    pub async fn reopen(self) -> Self {
        let builder = self.builder.clone();
        assert!(builder.directory.is_some(), "only a world on a directory can be opened again");
        drop(self);
        builder.open().await
    }

    /// Replaces every function by a new one that has nothing in memory, as a new process would.
    pub fn restart(&self) {
        self.process.restart();
    }

    /// Returns a function as it runs.
    pub fn function(&self, id: &str) -> Function {
        self.process.function(id).unwrap_or_else(|| panic!("{id} does not run"))
    }

    /// Builds a function once more, as another process on the same tables.
    pub fn another(&self, id: &'static str) -> Function {
        self.process.build(id)
    }

    /// Returns what a function was built from.
    pub fn environment(&self, id: &str) -> &Environment {
        self.process.environments.get(id).unwrap_or_else(|| panic!("{id} does not run"))
    }

    /// Hands deliveries for functions that do not run to this stand-in.
    pub fn stand_in(&self, stand_in: StandIn) {
        *self.process.stand_in.write().unwrap_or_else(PoisonError::into_inner) = Some(stand_in);
    }

    /// Issues an access token of a client of this tenant with these permissions.
    pub async fn token(&self, tenant: &str, permissions: &[&str]) -> String {
        let permissions = permissions.iter().map(|&permission| permission.to_owned()).collect();
        let tenant_id = TenantId::new(tenant);
        let client = Client { id: "client".to_owned(), tenant_id, permissions, is_administrator: false };
        self.issue(client, TOKEN_LIFETIME_S).await
    }

    /// Issues an access token as the auth function does.
    pub async fn issue(&self, identity: impl Into<Identity>, lifetime_s: i64) -> String {
        self.signer.issue(identity, lifetime_s).await.expect("a token can be signed")
    }

    /// Returns the environment of a function as another process has it, which reads the key ring itself.
    fn outsider(&self) -> Environment {
        let environment = self.process.environments.values().next().expect("at least one function runs");
        Environment { key_ring: SharedKeyRing::default(), ..environment.clone() }
    }

    /// Sends a request to the function of its route; one without a route goes to the only function, if there is one.
    pub async fn send(&self, request: Request) -> Answer {
        let (method, path) = request.route();
        let only = self.builder.functions.keys().next().filter(|_| self.builder.functions.len() == 1);
        let route = self.process.template.route(method, path);
        // Requests of no route have one all the same, to a function that need not be there.
        let route = route.filter(|id| only.is_none() || self.builder.functions.contains_key(*id));
        let id = route.or(only.copied());
        let id = id.unwrap_or_else(|| panic!("the template has no route {method} {path}")).to_owned();
        Answer::read(&self.invoke(&id, request.payload).await.expect("a request is answered"))
    }

    /// Gets a path as the administrator.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(Request::new("GET", path).bearer(&self.administrator)).await
    }

    /// Posts JSON as the administrator.
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Request::new("POST", path).bearer(&self.administrator).json(body)).await
    }

    /// Puts JSON as the administrator.
    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.send(Request::new("PUT", path).bearer(&self.administrator).json(body)).await
    }

    /// Deletes a path as the administrator.
    pub async fn delete(&self, path: &str) -> Answer {
        self.send(Request::new("DELETE", path).bearer(&self.administrator)).await
    }

    /// Hands any payload to a function, as Lambda does; the error is what Lambda would see.
    pub async fn invoke(&self, id: &str, payload: Value) -> Result<Value, String> {
        let payload = self.sealed_payload(payload);
        self.process.invoke(id, payload).await.unwrap_or_else(|| panic!("{id} does not run"))
    }

    /// Hands an event to a function, past the bus.
    pub async fn deliver(&self, id: &str, event: &Event) -> Result<(), String> {
        self.invoke(id, event.payload()).await.map(drop)
    }

    /// Returns what EventBridge hands to a function as functions publish it: the content of a command, and of an answer to
    /// one, is sealed. What has no envelope that could be sealed stays as it is.
    pub fn sealed_payload(&self, mut payload: Value) -> Value {
        let source = payload["source"].as_str().unwrap_or_default().to_owned();
        let envelope = serde_json::from_value::<Envelope>(payload["detail"].clone());
        let is_sealed = payload["detail"]["sealed"] == true;
        let (Ok(envelope), false, COMMAND_SOURCE | STEP_SOURCE) = (envelope, is_sealed, source.as_str()) else {
            return payload;
        };
        let entry = Entry::sealed(&source, &envelope).expect("the event fits on the bus");
        let seal = self.outsider().seal().expect("every function has the key ring");
        let detail = entry.on_bus_with(&seal, &self.keys()).expect("an event can be sealed");
        payload["detail"] = serde_json::from_str(&detail).expect("events are JSON");
        payload
    }

    /// Returns the keys past AWS, whose faults are for the functions.
    fn keys(&self) -> Keys {
        let ring = self.emulator.secret("KeyRing").expect("the template has a key ring");
        Keys::parse(&ring).unwrap_or_else(|error| panic!("{}", error.chain()))
    }

    /// Returns an event as the functions read it, with its content opened.
    fn opened(&self, mut event: Value) -> Value {
        if has_envelope(&event) {
            let source = event["source"].as_str().unwrap_or_default();
            let opened = open_with(&self.keys(), source, &event["detail"].to_string());
            event["detail"] = json!(opened.unwrap_or_else(|error| panic!("{event}: {}", error.chain())));
        }
        event
    }

    /// Publishes an event on the bus, sealed as functions do it, and waits until all that follows has happened.
    pub async fn publish(&self, event: &Event) {
        let payload = self.sealed_payload(event.payload());
        let client = aws_sdk_eventbridge::Client::new(&self.emulator.sdk_config());
        let bus = self.process.environments.values().next().expect("at least one function runs");
        let bus = bus.config.required("BUS_NAME").expect("every function has the bus");
        let entry = PutEventsRequestEntry::builder().event_bus_name(bus).source(&event.source);
        let entry = entry.detail_type(event.kind()).detail(payload["detail"].to_string()).build();
        let answer = client.put_events().entries(entry).send().await.expect("the bus answers");
        assert_eq!(answer.failed_entry_count(), 0, "{answer:?}");
        self.idle().await;
    }

    /// Returns every event that was published, the oldest first, as functions read it.
    pub fn events(&self) -> Vec<Value> {
        let events = lock(&self.events).clone();
        events.into_iter().map(|event| self.opened(event)).collect()
    }

    /// Returns every event that was published, the oldest first, as it is on the bus.
    pub fn events_on_bus(&self) -> Vec<Value> {
        lock(&self.events).clone()
    }

    /// Forgets what was published so far, and returns it.
    pub fn take_events(&self) -> Vec<Value> {
        let events = std::mem::take(&mut *lock(&self.events));
        events.into_iter().map(|event| self.opened(event)).collect()
    }

    /// Returns the envelopes of the published events of one type, the oldest first.
    pub fn published(&self, kind: &str) -> Vec<Value> {
        let events = self.events().into_iter().filter(|event| event["detail-type"] == kind);
        events.map(|mut event| event["detail"].take()).collect()
    }

    /// Returns the answers to commands, the oldest first.
    pub fn answers(&self) -> Vec<Value> {
        self.published("step.finished").into_iter().map(|mut envelope| envelope["content"].take()).collect()
    }

    /// Returns the newest answer to a command for a step.
    pub fn answer(&self, step: &str) -> Option<Value> {
        self.answers().into_iter().rfind(|answer| answer["step"] == step)
    }

    /// Returns the table whose name a variable of a function holds, such as `TASKS_TABLE`.
    pub fn table(&self, variable: &str) -> Table {
        let mut environments = self.process.environments.values();
        let environment = environments.find(|environment| environment.config.optional(variable).is_some());
        let environment = environment.unwrap_or_else(|| panic!("no function that runs has {variable}"));
        let table = environment.table(variable).expect("the variable is set");
        match SEALED_TABLES.iter().find(|(name, _)| *name == variable) {
            Some((_, attributes)) => {
                table.sealing(environment.seal().expect("the template has a key ring"), attributes)
            }
            None => table,
        }
    }

    /// Returns all items of a table, as they are read.
    pub async fn items(&self, variable: &str) -> Vec<Value> {
        self.table(variable).scan(None, ALL_ITEMS).await.expect("the table can be read")
    }

    /// Moves the clock by some seconds and waits until all that follows has happened.
    pub async fn advance(&self, seconds: i64) {
        self.clock.set(self.clock.now() + SignedDuration::from_secs(seconds));
        self.idle().await;
    }

    /// Does something that waits for its time, and moves the clock on whenever it does.
    pub async fn pass_time<T>(&self, work: impl Future<Output = T>) -> T {
        tokio::pin!(work);
        loop {
            tokio::select! {
                biased;
                output = &mut work => return output,
                at = self.clock.next_sleeper() => self.clock.set(at),
            }
        }
    }

    /// Waits until nothing is due or being delivered.
    pub async fn idle(&self) {
        self.emulator.idle().await;
    }
}

/// Returns what signs access tokens with the keys of the auth function, whether that runs or not.
fn signer(process: &Process, emulator: &Emulator) -> Signer {
    let mut environment = process.environments.values().next().expect("at least one function runs").clone();
    environment.config = emulator.environment("AuthFunction").into_iter().collect();
    Signer::new(&environment, Issuer::Auth).expect("the template names the keys")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
