//! Schedules, in `SCHEDULES_TABLE` by tenant and id: what runs when, and how far that has come.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use moka::sync::Cache;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use shared::clock::derived_hex24;
use shared::event::TenantId;
use shared::event::command::ScheduleDue;
use shared::json::Problem;
use shared::seal::Resealed;
use shared::table::{Check, Expression, Query, SealedAttributes, Table, Unmet, is_new};
use shared::{Environment, Error, Refusal};

use crate::access::Creator;
use crate::schedule::timing::{Instants, Timing};

/// What is run, and what only its owner understands.
const SEALED: SealedAttributes =
    SealedAttributes { key: &["tenantId", "scheduleId"], apart: &[], together: &[&["program"], &["extra"]] };
/// Of how many schedules a list can be made.
pub(crate) const LIST_LIMIT: usize = 20_000;
/// Of how many tenants it is known how many schedules they have, and for how long.
const COUNTED_TENANTS: u64 = 1_000;
const COUNT_AGE: Duration = Duration::from_secs(60);
/// Over how many partitions of the index the schedules are spread.
pub(crate) const DUE_SHARDS: u8 = 8;

/// What a schedule or a task runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub(crate) enum Program {
    /// A function of the tenant.
    #[serde(rename_all = "camelCase")]
    Function {
        /// Its name.
        function_name: String,
        /// Its input, a JSON object as text.
        data: String,
        /// The priority of its tasks; that of the function unless given.
        #[serde(default)]
        priority: Option<i64>,
        /// The tags of its tasks.
        #[serde(default)]
        tags: Vec<String>,
    },
    /// A script that is fetched each time it runs.
    Script {
        /// Its URL, or the path of an own asset.
        script: String,
        /// The argument of its `main`, a JSON object as text.
        config: String,
    },
    /// An action of an app, which the action function runs.
    Action {
        /// The fields of a step of that type, a JSON object as text.
        fields: String,
    },
}

/// What a schedule has in addition that is a job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Job {
    /// Whether it runs once, rather than periodically.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) is_single: bool,
    /// How many runs its instants start at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) limit: Option<u64>,
    /// How many they have started.
    pub(crate) runs: u64,
    /// Whether it was cancelled, which is final.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) is_cancelled: bool,
}

/// What becomes of an instant that comes while the last task of the schedule has not ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Overlap {
    /// It is skipped.
    #[default]
    Skip,
    /// It waits for the end of that task.
    Queue,
    /// It starts a task all the same.
    Allow,
}

/// What becomes of instants that could not be handled in time, such as during downtime.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Misfire {
    /// They are missed.
    #[default]
    Skip,
    /// The last one fires, the others are missed.
    Once,
    /// Each fires, one after the other, up to a hundred; older ones are missed.
    All,
}

/// A schedule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Schedule {
    pub(crate) tenant_id: TenantId,
    /// 24 hex digits, or what its owner chose.
    pub(crate) schedule_id: String,
    /// Tells it from another schedule that has had, or will have, the same id: 24 hex digits.
    pub(crate) incarnation: String,
    pub(crate) program: Program,
    pub(crate) timing: Timing,
    /// The first instant of an interval; no instant is before it.
    #[serde(with = "shared::clock::iso")]
    pub(crate) init: Timestamp,
    /// All instants are before it; after it, the schedule is gone.
    #[serde(default, with = "shared::clock::iso::optional", skip_serializing_if = "Option::is_none")]
    pub(crate) end: Option<Timestamp>,
    pub(crate) running: bool,
    pub(crate) overlap: Overlap,
    pub(crate) misfire: Misfire,
    /// By how much each instant may be delayed.
    pub(crate) jitter_ms: i64,
    /// Up to when all instants are settled.
    #[serde(with = "shared::clock::iso")]
    pub(crate) settled_until: Timestamp,
    /// As of when the missed instants are being settled; absent unless there are any.
    #[serde(default, with = "shared::clock::iso::optional", skip_serializing_if = "Option::is_none")]
    pub(crate) sweeping_as_of: Option<Timestamp>,
    /// The instants that wait for the end of the last task, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) queue: Vec<i64>,
    /// The newest task that an instant started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) last_task_id: Option<String>,
    /// The instant of that task.
    #[serde(default, with = "shared::clock::iso::optional", skip_serializing_if = "Option::is_none")]
    pub(crate) last_fired: Option<Timestamp>,
    /// The fields that mean something to its owner alone, a JSON object as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) extra: Option<String>,
    #[serde(with = "shared::clock::iso")]
    pub(crate) creation_timestamp: Timestamp,
    #[serde(with = "shared::clock::iso")]
    pub(crate) update_timestamp: Timestamp,
    #[serde(flatten)]
    pub(crate) creator: Creator,
    /// What it is as a job, which stays when its time is over; absent unless it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) job: Option<Job>,
    /// When the record is removed, in seconds since 1970; absent while it may still do something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expires_at: Option<i64>,
    /// Grows with every change of the record.
    pub(crate) version: u64,
    /// The partition of the index of what is due, and when that is, in milliseconds since 1970; neither if never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) due_shard: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) due_at: Option<i64>,
}

impl Schedule {
    /// Returns its instants.
    pub(crate) fn instants(&self) -> Result<Instants, Problem> {
        Instants::new(&self.timing, self.init, self.end)
    }

    /// Tells whether its time is over: it is gone, even if its record is still there.
    pub(crate) fn is_over(&self, now: Timestamp) -> bool {
        self.job.is_none() && self.end.is_some_and(|end| end <= now)
    }

    /// Returns how many runs its instants may still start, if there is a limit; those that wait are among them.
    pub(crate) fn runs_left(&self) -> Option<u64> {
        let job = self.job.as_ref()?;
        let taken = job.runs.saturating_add(self.queue.len() as u64);
        job.limit.map(|limit| limit.saturating_sub(taken))
    }

    /// Returns about how many bytes the record and each of its tasks have at most.
    pub(crate) fn size_bytes(&self) -> usize {
        let program_bytes = match &self.program {
            Program::Function { function_name, data, tags, .. } => {
                function_name.len() + data.len() + tags.iter().map(String::len).sum::<usize>()
            }
            Program::Script { script, config } => script.len() + config.len(),
            Program::Action { fields } => fields.len(),
        };
        let extra_bytes = self.extra.as_ref().map_or(0, String::len);
        // Sealed in base64, with the instants that wait and all other attributes.
        (program_bytes + extra_bytes) * 3 / 2 + self.queue.len() * 20 + 4_000
    }

    /// Returns what names it.
    pub(crate) fn key(&self) -> ScheduleDue {
        ScheduleDue {
            tenant_id: self.tenant_id.clone(),
            schedule_id: self.schedule_id.clone(),
            incarnation: self.incarnation.clone(),
        }
    }

    /// Returns the id of the task that an instant starts.
    pub(crate) fn task_id(&self, instant: Timestamp) -> String {
        let instant = instant.as_millisecond().to_be_bytes();
        derived_hex24(&[b"schedule", self.tenant_id.as_str().as_bytes(), self.incarnation.as_bytes(), &instant])
    }

    /// Sets when the schedule must be looked at.
    pub(crate) fn set_due(&mut self, due_at: Option<Timestamp>) {
        let shard = Sha256::digest(self.incarnation.as_bytes())[0] % DUE_SHARDS;
        self.due_shard = due_at.map(|_| shard.to_string());
        self.due_at = due_at.map(Timestamp::as_millisecond);
    }
}

/// A schedule as the index of what is due has it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DueEntry {
    due_at: i64,
    #[serde(flatten)]
    schedule: ScheduleDue,
}

/// The table of schedules.
pub(crate) struct SchedulesStore {
    table: Table,
    /// How many schedules a tenant may have.
    limit: usize,
    /// How many tenants had when they were last counted, and what this process has created since then.
    counts: Cache<TenantId, Arc<AtomicUsize>>,
}

/// Returns how the table is checked.
pub(crate) fn check(environment: &Environment) -> Result<Check, Error> {
    Ok(environment.sealed_table("SCHEDULES_TABLE", &SEALED)?.check(|schedule: Schedule| {
        schedule.instants().map(drop).map_err(Error::cannot("read the instants of a schedule"))
    }))
}

impl SchedulesStore {
    pub(crate) fn new(environment: &Environment) -> Result<Self, Error> {
        let limit = environment.config.optional("SCHEDULES_PER_TENANT").map(str::parse).transpose();
        let limit = limit.map_err(Error::cannot("read the variable SCHEDULES_PER_TENANT"))?;
        Ok(Self {
            table: environment.sealed_table("SCHEDULES_TABLE", &SEALED)?,
            limit: limit.map_or(LIST_LIMIT, |limit: usize| limit.min(LIST_LIMIT)),
            counts: Cache::builder().max_capacity(COUNTED_TENANTS).time_to_live(COUNT_AGE).build(),
        })
    }

    /// Reads a schedule of a tenant, unless its time is over.
    pub(crate) async fn get(&self, tenant: &TenantId, id: &str, now: Timestamp) -> Result<Option<Schedule>, Error> {
        let schedule: Option<Schedule> = self.table.get(&key(tenant, id)).await?;
        Ok(schedule.filter(|schedule| !schedule.is_over(now)))
    }

    /// Reads those of these incarnations that are still there, whether their time is over or not.
    pub(crate) async fn read(&self, named: &[ScheduleDue]) -> Result<Vec<Schedule>, Error> {
        let keys: Vec<Value> = named.iter().map(|named| key(&named.tenant_id, &named.schedule_id)).collect();
        let mut schedules: Vec<Schedule> = self.table.open_rows(self.table.get_rows(&keys).await?).await?;
        schedules.retain(|schedule| named.contains(&schedule.key()));
        Ok(schedules)
    }

    /// Reads which schedules of one partition are due up to a moment, the first ones first.
    pub(crate) async fn due(
        &self,
        shard: u8,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<(Timestamp, ScheduleDue)>, Error> {
        let key = Expression::new("dueShard = :shard AND dueAt <= :until").value(":shard", shard.to_string());
        let key = key.value(":until", until.as_millisecond());
        let entries: Vec<DueEntry> = self.table.query(Query::new(key).index("due").limit(limit)).await?;
        let due = |entry: DueEntry| Some((Timestamp::from_millisecond(entry.due_at).ok()?, entry.schedule));
        Ok(entries.into_iter().filter_map(due).collect())
    }

    /// Reads one incarnation of a schedule, whether its time is over or not.
    pub(crate) async fn find(&self, named: &ScheduleDue) -> Result<Option<Schedule>, Error> {
        let schedule: Option<Schedule> = self.table.get(&key(&named.tenant_id, &named.schedule_id)).await?;
        Ok(schedule.filter(|schedule| schedule.incarnation == named.incarnation))
    }

    /// Reads the schedules of a tenant by id, and one more than [`LIST_LIMIT`] at most.
    pub(crate) async fn list(&self, tenant: &TenantId, now: Timestamp) -> Result<Vec<Schedule>, Error> {
        let of_tenant = Expression::new("tenantId = :tenant").value(":tenant", tenant);
        let mut schedules: Vec<Schedule> = self.table.query(Query::new(of_tenant).limit(LIST_LIMIT + 1)).await?;
        schedules.retain(|schedule| !schedule.is_over(now));
        Ok(schedules)
    }

    /// Refuses another schedule of a tenant that has as many as it may have.
    ///
    /// Those that other processes create, and those that are deleted, count after a while.
    pub(crate) async fn check_room(&self, tenant: &TenantId) -> Result<(), Refusal> {
        let count = match self.counts.get(tenant) {
            Some(count) => count,
            None => {
                let of_tenant = Expression::new("tenantId = :tenant").value(":tenant", tenant);
                let found = self.table.query_rows(Query::new(of_tenant).limit(self.limit)).await?.len();
                let count = Arc::new(AtomicUsize::new(found));
                self.counts.insert(tenant.clone(), count.clone());
                count
            }
        };
        match count.fetch_add(1, Ordering::AcqRel) >= self.limit {
            true => {
                // Once it is full, it is counted each time.
                self.counts.invalidate(tenant);
                let message = format!("a tenant can have {} schedules and jobs, and no more", self.limit);
                Err(Refusal::illegal_state(message))
            }
            false => Ok(()),
        }
    }

    /// Creates a schedule; false if another one with its id exists.
    pub(crate) async fn create(&self, schedule: &Schedule) -> Result<bool, Error> {
        Ok(self.table.put_if(schedule, is_new("scheduleId")).await? || self.is_there(schedule).await?)
    }

    /// Tells whether a schedule is as it was to be written: the writing may have had no reply.
    async fn is_there(&self, schedule: &Schedule) -> Result<bool, Error> {
        Ok(self.find(&schedule.key()).await?.is_some_and(|found| found == *schedule))
    }

    /// Replaces a schedule that was read before, and counts its version up; false if it has changed or gone meanwhile.
    pub(crate) async fn replace(&self, schedule: &mut Schedule) -> Result<bool, Error> {
        let next = Schedule { version: schedule.version + 1, ..schedule.clone() };
        let is_replaced = self.table.put_if(&next, is_unchanged(schedule)).await? || self.is_there(&next).await?;
        if is_replaced {
            *schedule = next;
        }
        Ok(is_replaced)
    }

    /// Replaces schedules that were read before, and counts their versions up, in one transaction; returns the indexes
    /// of those that have changed or gone meanwhile, without whom it can be tried again.
    pub(crate) async fn replace_all(&self, schedules: impl Iterator<Item = &Schedule>) -> Result<Unmet, Error> {
        let write = |schedule: &Schedule| {
            let next = Schedule { version: schedule.version + 1, ..schedule.clone() };
            self.table.writing(&next, Some(is_unchanged(schedule)))
        };
        self.table.transact(schedules.map(write).collect::<Result<_, _>>()?).await
    }

    /// Puts a schedule in the place of one of another id that was read before; false if that has changed or gone
    /// meanwhile, or if the new id is taken.
    pub(crate) async fn rename(&self, former: &Schedule, renamed: &Schedule) -> Result<bool, Error> {
        let writes = vec![
            self.table.writing(renamed, Some(is_new("scheduleId")))?,
            self.table.deleting(&key(&former.tenant_id, &former.schedule_id), Some(is_unchanged(former)))?,
        ];
        Ok(self.table.transact(writes).await?.is_empty())
    }

    /// Deletes a schedule that was read before; false if it has changed or gone meanwhile.
    pub(crate) async fn delete(&self, schedule: &Schedule) -> Result<bool, Error> {
        let key = key(&schedule.tenant_id, &schedule.schedule_id);
        Ok(self.table.delete::<Schedule>(&key, Some(is_unchanged(schedule))).await?.is_some())
    }

    /// Seals a batch of schedules with the current key.
    pub(crate) async fn reseal(&self) -> Result<Resealed, Error> {
        self.table.reseal().await
    }
}

fn key(tenant: &TenantId, id: &str) -> Value {
    json!({"tenantId": tenant, "scheduleId": id})
}

/// The condition that a schedule is as it was read.
fn is_unchanged(schedule: &Schedule) -> Expression {
    Expression::new("incarnation = :incarnation AND version = :version")
        .value(":incarnation", &schedule.incarnation)
        .value(":version", schedule.version)
}
