//! EventBridge Scheduler: durable schedules, each due instant becomes a delivery.

pub(crate) mod definition;
mod expression;
mod store;
mod timer;

use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use rusqlite::Connection;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;

use self::definition::{Definition, Plan, State, is_name};
use self::store::Key;
use self::timer::{Message, Timer};
use crate::arn::arn;
use crate::clock::Clock;
use crate::delivery::Deliveries;
use crate::error::EmulatorError;
use crate::journal::{Journal, Refused};
use crate::template::Stack;
use crate::wire::{Reply, read_json};

/// The most schedules in one page of `ListSchedules`.
const PAGE: usize = 100;

/// The schedules, and the channel to the timer.
pub(crate) struct Scheduler {
    stack: Arc<Stack>,
    clock: Clock,
    journal: Arc<Journal>,
    deliveries: Deliveries,
    messages: mpsc::UnboundedSender<Message>,
    /// Taken when the timer starts.
    inbox: Mutex<Option<mpsc::UnboundedReceiver<Message>>>,
}

/// Schedules and when they are due.
pub(crate) type Due = Vec<(Key, Timestamp)>;

/// Registers the template's groups and schedules, and returns when each schedule is due.
pub(crate) async fn register(stack: &Stack, journal: &Journal, now: Timestamp) -> Result<Due, EmulatorError> {
    let groups = stack.schedule_groups.clone();
    let mut seeds = Vec::new();
    for schedule in &stack.schedules {
        let name = schedule["Name"].as_str().unwrap_or_default();
        let fail = |problem| EmulatorError::resource(name, "Schedule", problem);
        let mut definition = Definition::read(Value::Object(schedule.clone()), now).map_err(fail)?;
        definition.from_template = true;
        let plan = definition.plan(stack).map_err(fail)?;
        seeds.push((definition, plan));
    }
    let register = move |connection: &Connection| {
        for group in &groups {
            store::add_group(group, connection)?;
        }
        let kept: Vec<_> = seeds.iter().map(|(definition, _)| key_of(definition)).collect();
        for key in store::of_template(connection)? {
            if !kept.contains(&key) {
                store::delete(&key, connection)?;
            }
        }
        for (definition, plan) in seeds {
            register_one(definition, &plan, now, connection)?;
        }
        store::due(connection)
    };
    let due = journal.write(register).await;
    due.map_err(|Refused| EmulatorError::engine("register the schedules", "the journal cannot be written"))
}

/// The operation that a REST request asks for.
pub(crate) fn operation(method: &str, path: &str) -> Option<&'static str> {
    let mut parts = path.trim_start_matches('/').splitn(2, '/');
    match (method, parts.next()?, parts.next()) {
        ("GET", "schedules", None | Some("")) => Some("ListSchedules"),
        ("GET", "schedules", Some(_)) => Some("GetSchedule"),
        ("POST", "schedules", Some(_)) => Some("CreateSchedule"),
        ("PUT", "schedules", Some(_)) => Some("UpdateSchedule"),
        ("DELETE", "schedules", Some(_)) => Some("DeleteSchedule"),
        ("POST", "schedule-groups", Some(_)) => Some("CreateScheduleGroup"),
        ("GET", "schedule-groups", Some(_)) => Some("GetScheduleGroup"),
        _ => None,
    }
}

enum Outcome {
    Done,
    Conflict,
    Missing(&'static str),
}

impl Scheduler {
    pub(crate) fn new(
        stack: Arc<Stack>,
        clock: Clock,
        journal: Arc<Journal>,
        deliveries: Deliveries,
        due: Due,
    ) -> Self {
        let (messages, inbox) = mpsc::unbounded_channel();
        for (key, due) in due {
            // The receiver is still in scope.
            let _ = messages.send(Message::Changed(key, Some(due)));
        }
        Self { stack, clock, journal, deliveries, messages, inbox: Mutex::new(Some(inbox)) }
    }

    /// Starts the timer; a second start does nothing.
    pub(crate) fn start(&self) -> Option<AbortHandle> {
        let inbox = self.inbox.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        let timer = Timer::new(
            self.journal.clone(),
            self.clock.clone(),
            self.stack.clone(),
            self.deliveries.clone(),
            self.messages.clone(),
        );
        Some(tokio::spawn(timer.run(inbox)).abort_handle())
    }

    /// Waits until everything that is due has become a delivery.
    pub(crate) async fn settle(&self) {
        let (done, settled) = oneshot::channel();
        // Before the start and after the end, nothing becomes due.
        let started = self.inbox.lock().unwrap_or_else(PoisonError::into_inner).is_none();
        if started && self.messages.send(Message::Settle(done)).is_ok() {
            let _ = settled.await;
        }
    }

    /// Answers a request.
    pub(crate) async fn answer(&self, operation: &str, path: &str, query: &str, body: &[u8]) -> Reply {
        let name = path.rsplit('/').next().unwrap_or_default();
        let group = query_value(query, "groupName").unwrap_or("default");
        let key = || (group.to_owned(), name.to_owned());
        let answered = match operation {
            "CreateSchedule" => self.create(name, body).await,
            "UpdateSchedule" => self.update(name, body).await,
            "GetSchedule" => self.get(key()).await,
            "DeleteSchedule" => self.delete(key()).await,
            "ListSchedules" => self.list(query).await,
            "CreateScheduleGroup" => self.create_group(name).await,
            _ => self.get_group(name).await,
        };
        answered.unwrap_or_else(|reply| reply)
    }

    /// Reads and interprets a schedule in a request, and computes when it is first due.
    fn read(&self, name: &str, body: &[u8]) -> Result<(Definition, Option<Timestamp>), Reply> {
        let mut request = read_json(body)?;
        request["Name"] = name.into();
        request["FromTemplate"] = false.into();
        let now = self.clock.now();
        let definition = Definition::read(request, now).map_err(Reply::validation)?;
        let plan = definition.plan(&self.stack).map_err(Reply::validation)?;
        let due = (definition.state == State::Enabled).then(|| plan.first(now)).flatten();
        Ok((definition, due))
    }

    async fn create(&self, name: &str, body: &[u8]) -> Result<Reply, Reply> {
        let (definition, due) = self.read(name, body)?;
        let arn = definition.arn();
        let key = key_of(&definition);
        let write = move |connection: &Connection| {
            if !store::has_group(&definition.group_name, connection)? {
                return Ok(Outcome::Missing("group"));
            }
            if let Some((old, _)) = store::get(&key_of(&definition), connection)? {
                let repeated = definition.client_token.is_some()
                    && old.client_token == definition.client_token
                    && old.is_same_as(&definition);
                return Ok(if repeated { Outcome::Done } else { Outcome::Conflict });
            }
            store::put(&definition, due, connection)?;
            Ok(Outcome::Done)
        };
        self.change(key, due, write).await?;
        Ok(Reply::ok(&json!({"ScheduleArn": arn})))
    }

    async fn update(&self, name: &str, body: &[u8]) -> Result<Reply, Reply> {
        let (mut definition, due) = self.read(name, body)?;
        let arn = definition.arn();
        let key = key_of(&definition);
        let write = move |connection: &Connection| {
            let Some((old, _)) = store::get(&key_of(&definition), connection)? else {
                return Ok(Outcome::Missing("schedule"));
            };
            definition.replace(&old);
            store::put(&definition, due, connection)?;
            Ok(Outcome::Done)
        };
        self.change(key, due, write).await?;
        Ok(Reply::ok(&json!({"ScheduleArn": arn})))
    }

    async fn delete(&self, key: Key) -> Result<Reply, Reply> {
        let deleted = key.clone();
        let write = move |connection: &Connection| {
            let found = store::delete(&deleted, connection)?;
            Ok(if found { Outcome::Done } else { Outcome::Missing("schedule") })
        };
        self.change(key, None, write).await?;
        Ok(Reply::ok(&json!({})))
    }

    /// Writes a change and notifies the timer.
    async fn change(
        &self,
        key: Key,
        due: Option<Timestamp>,
        write: impl FnOnce(&Connection) -> rusqlite::Result<Outcome> + Send + 'static,
    ) -> Result<(), Reply> {
        let timer = self.messages.clone();
        let name = key.1.clone();
        let after = move |outcome: Outcome| {
            if matches!(outcome, Outcome::Done) {
                // The timer ends with the emulator.
                let _ = timer.send(Message::Changed(key, due));
            }
            outcome
        };
        match self.journal.write_then(write, after).await.map_err(refused)? {
            Outcome::Done => Ok(()),
            Outcome::Conflict => {
                let message = format!("Schedule {name} already exists.");
                Err(Reply::error(409, "ConflictException", message))
            }
            Outcome::Missing(kind) => Err(missing(kind, &name)),
        }
    }

    async fn get(&self, key: Key) -> Result<Reply, Reply> {
        let name = key.1.clone();
        let found = self.journal.write(move |c| store::get(&key, c)).await.map_err(refused)?;
        let (definition, _) = found.ok_or_else(|| missing("schedule", &name))?;
        Ok(Reply::ok(&definition.described()))
    }

    async fn list(&self, query: &str) -> Result<Reply, Reply> {
        let text = |name: &str| query_value(query, name).map(str::to_owned);
        let limit = text("MaxResults").map_or(Some(PAGE), |limit| limit.parse().ok());
        let limit = limit.filter(|limit| (1..=PAGE).contains(limit));
        let limit = limit.ok_or_else(|| Reply::validation("MaxResults must be from 1 to 100"))?;
        // A page starts after the schedule that the token names as "group:name".
        let after = text("NextToken").unwrap_or_default();
        let after = after.replace("%3A", ":");
        let (group, name) = after.split_once(':').unwrap_or_default();
        let after = (group.to_owned(), name.to_owned());
        let (group, prefix) = (text("ScheduleGroup"), text("NamePrefix").unwrap_or_default());
        let read = move |c: &Connection| store::list(group.as_deref(), &prefix, &after, limit, c);
        let found = self.journal.write(read).await.map_err(refused)?;
        let token = found.last().filter(|_| found.len() == limit);
        let token = token.map(|last| format!("{}:{}", last.group_name, last.name));
        let state = text("State");
        let listed = found.iter().map(Definition::summary);
        let listed = listed.filter(|summary| state.as_ref().is_none_or(|s| summary["State"] == **s));
        let mut answer = json!({"Schedules": listed.collect::<Vec<_>>()});
        if let Some(token) = token {
            answer["NextToken"] = token.into();
        }
        Ok(Reply::ok(&answer))
    }

    async fn create_group(&self, name: &str) -> Result<Reply, Reply> {
        if !is_name(name) {
            let message = "Name must have 1 to 64 letters, digits, \"-\", \"_\" or \".\"";
            return Err(Reply::validation(message));
        }
        let group = name.to_owned();
        let added = self.journal.write(move |c| store::add_group(&group, c)).await;
        if !added.map_err(refused)? {
            let message = format!("Schedule group {name} already exists.");
            return Err(Reply::error(409, "ConflictException", message));
        }
        let arn = arn("scheduler", &format!("schedule-group/{name}"));
        Ok(Reply::ok(&json!({"ScheduleGroupArn": arn})))
    }

    async fn get_group(&self, name: &str) -> Result<Reply, Reply> {
        let group = name.to_owned();
        let found = self.journal.write(move |c| store::has_group(&group, c)).await;
        if !found.map_err(refused)? {
            return Err(missing("group", name));
        }
        let arn = arn("scheduler", &format!("schedule-group/{name}"));
        Ok(Reply::ok(&json!({"Arn": arn, "Name": name, "State": "ACTIVE"})))
    }
}

/// Writes a schedule of the template, unless it exists unchanged: then it continues where it was.
fn register_one(
    mut definition: Definition,
    plan: &Plan,
    now: Timestamp,
    connection: &Connection,
) -> rusqlite::Result<()> {
    let key = (definition.group_name.clone(), definition.name.clone());
    if let Some((old, _)) = store::get(&key, connection)? {
        if old.is_same_as(&definition) {
            return Ok(());
        }
        definition.replace(&old);
    }
    let due = (definition.state == State::Enabled).then(|| plan.first(now)).flatten();
    store::put(&definition, due, connection)
}

fn key_of(definition: &Definition) -> Key {
    (definition.group_name.clone(), definition.name.clone())
}

fn refused(_: Refused) -> Reply {
    Reply::internal("the schedule could not be read or made durable")
}

fn missing(kind: &str, name: &str) -> Reply {
    let message = match kind {
        "group" => format!("The schedule group of {name} does not exist."),
        _ => format!("Schedule {name} does not exist."),
    };
    Reply::error(404, "ResourceNotFoundException", message)
}

/// A value in a query string; the values that are used here need no decoding.
fn query_value<'q>(query: &'q str, name: &str) -> Option<&'q str> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
}
