//! Runs of actions, in `ACTION_RUNS_TABLE` beside the calls of `http` steps: `actionRunId` is drawn, or derived from the
//! step or the `Idempotency-Key`. Only runs have a tenant and a time, and so a place in the index `byTime`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shared::event::{Answer, FailedResponse, StepError, TenantId};
use shared::list::{self, Index, Walks};
use shared::step::{Claim, ClaimStore, Claimable, Origin};
use shared::table::{Expression, Table, key};
use shared::{Environment, Error};

use super::SEALED;
use crate::failure::{Failure, FailureType};
use crate::run::ask::Ask;
use crate::run::shown::{Received, Sent};
use crate::run::view::{RunSummary, interrupted};
use crate::tag::{Slug, Tag};

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ActionRunStatus)]
pub(crate) enum Status {
    /// An attempt is being made, or the next one follows at once.
    Processing,
    /// The next attempt is made later.
    Waiting,
    /// The app has answered.
    Success,
    /// It has failed.
    Fail,
}

/// How an output came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CacheUse {
    /// No cache was named.
    None,
    /// The cache had no answer.
    Miss,
    /// From the cache, without a call.
    Hit,
    /// By another run that asked for the same at the same time, without a call of this one.
    Joined,
}

impl CacheUse {
    /// The text in headers.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Miss => "miss",
            Self::Hit => "hit",
            Self::Joined => "joined",
        }
    }
}

/// One attempt at a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = ActionRunAttempt)]
pub(crate) struct Attempt {
    /// Counts from 1.
    pub(crate) number: u32,
    /// The access tag that was called.
    pub(crate) app: Tag,
    /// The action.
    pub(crate) action: Tag,
    /// The environment of the app.
    pub(crate) app_env: Slug,
    /// When it began.
    #[serde(with = "shared::clock::iso")]
    #[schema(value_type = String, format = DateTime)]
    pub(crate) start: Timestamp,
    /// How long it took, in milliseconds.
    pub(crate) duration_ms: i64,
    /// The HTTP status of the answer, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<u16>,
    /// Why it failed.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub(crate) kind: Option<FailureType>,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) message: Option<String>,
    /// How long the run waits before the next attempt, in milliseconds; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) wait_ms: Option<u64>,
}

/// What is known of a run beyond what lists show.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Detail {
    /// Every attempt, also those at fallbacks.
    pub(crate) attempts: Vec<Attempt>,
    /// The last request, as it was sent.
    pub(crate) request: Option<Sent>,
    /// The answer to it.
    pub(crate) response: Option<Received>,
    /// Why the run failed.
    pub(crate) failure: Option<Failure>,
    /// The id of the session.
    pub(crate) session_id: Option<String>,
    /// How many fallbacks have been given up; 0 is the access tag of the run itself.
    pub(crate) position: usize,
    /// How many attempts were made at the current one.
    pub(crate) tried: u32,
    /// Whether the credentials were renewed because the app had refused them.
    pub(crate) is_renewed: bool,
    /// Whether a request that an app may have got is without an answer, and could do harm elsewhere.
    pub(crate) may_have_acted: bool,
    /// Whether the output was too large to be kept.
    pub(crate) is_output_dropped: bool,
}

/// What lists show of a run beyond its status.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Summary {
    pub(crate) attempts: usize,
    pub(crate) cache: CacheUse,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) kind: Option<FailureType>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) http_status: Option<u16>,
    /// The access tag that took over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) fallback: Option<Tag>,
}

/// A run of an action.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RunRecord {
    pub(crate) action_run_id: String,
    pub(crate) tenant_id: TenantId,
    #[serde(with = "shared::clock::iso")]
    pub(crate) started_at: Timestamp,
    #[serde(default, with = "shared::clock::iso::optional", skip_serializing_if = "Option::is_none")]
    pub(crate) ended_at: Option<Timestamp>,
    pub(crate) status: Status,
    pub(crate) product: Tag,
    pub(crate) env: Slug,
    /// The access tag.
    pub(crate) app: Tag,
    pub(crate) action: Tag,
    pub(crate) summary: Summary,
    /// When the next attempt is due, in milliseconds since 1970, while the run waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) next_at_ms: Option<i64>,
    /// After which a run that nobody takes over counts as interrupted, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) overdue_at_ms: Option<i64>,
    /// The step that it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) origin: Option<Origin>,
    /// The client that asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) client_id: Option<String>,
    /// What tells what was asked for from anything else.
    pub(crate) fingerprint: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) claim: Option<Claim>,
    /// What was asked for, while the run waits.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text::optional")]
    pub(crate) asked: Option<Ask>,
    #[serde(with = "text")]
    pub(crate) detail: Detail,
    /// The output of this process's work, which may be larger than what is kept.
    #[serde(skip)]
    pub(crate) output: Option<Value>,
    /// When the record is removed, in seconds since 1970.
    pub(crate) expires_at: i64,
}

impl RunRecord {
    /// Ends the run with what the app has answered.
    pub(crate) fn succeed(&mut self, output: Value, now: Timestamp) {
        let answer = Answer::succeeded(output.clone());
        match (answer.error.clone(), &self.origin) {
            (None, _) => self.end(Status::Success, answer, now),
            (Some(error), Some(_)) => {
                self.detail.failure = Some(Failure::new(FailureType::InvalidResponse, error.message));
                self.end(Status::Fail, answer, now);
            }
            (Some(_), None) => {
                self.detail.is_output_dropped = true;
                self.end(Status::Success, Answer::succeeded(Value::Null), now);
            }
        }
        self.output = Some(output);
    }

    /// Ends the run with a failure.
    pub(crate) fn fail(&mut self, failure: Failure, now: Timestamp) {
        let name = match failure.kind {
            FailureType::OutcomeUnknown => StepError::OUTCOME_UNKNOWN,
            kind => kind.name(),
        };
        let error = StepError::invocation(name, failure.message.clone());
        let output = json!({
            "type": failure.kind, "status": failure.status, "violations": failure.violations,
            "body": self.detail.response.as_ref().map(|response| &response.body), "run_id": self.action_run_id,
        });
        self.detail.failure = Some(failure);
        let response = self.detail.response.as_ref();
        let response = response.map(|response| FailedResponse::new(response.status, &json!(response.body)));
        self.end(Status::Fail, Answer::failed(error).with_output(output).with_response(response), now);
    }

    /// Lets the run wait for its next attempt.
    pub(crate) fn wait(&mut self, until: Timestamp, asked: &Ask) {
        (self.status, self.next_at_ms, self.asked) =
            (Status::Waiting, Some(until.as_millisecond()), Some(asked.clone()));
        self.summarise();
    }

    fn end(&mut self, status: Status, answer: Answer, now: Timestamp) {
        (self.status, self.ended_at, self.next_at_ms, self.asked) = (status, Some(now), None, None);
        self.answer_with(answer.started_at(self.started_at));
        self.summarise();
    }

    fn summarise(&mut self) {
        let Detail { attempts, failure, .. } = &self.detail;
        self.summary.attempts = attempts.len();
        self.summary.kind = failure.as_ref().map(|failure| failure.kind);
        self.summary.http_status = attempts.last().and_then(|attempt| attempt.status);
    }

    /// Returns the outcome of a run that another one has joined.
    pub(crate) fn join(&mut self, other: &Self, asked: &Ask, now: Timestamp) {
        self.summary.fallback.clone_from(&other.summary.fallback);
        match (other.status, &other.detail.failure) {
            (Status::Success, _) => self.succeed(other.output.clone().unwrap_or_default(), now),
            (_, Some(failure)) if other.status == Status::Fail => self.fail(failure.clone(), now),
            _ => {
                let next = other.next_at_ms.and_then(|next| Timestamp::from_millisecond(next).ok());
                self.wait(next.unwrap_or(now), asked);
            }
        }
    }
}

impl Claimable for RunRecord {
    const KEY: &'static str = "actionRunId";

    fn id(&self) -> &str {
        &self.action_run_id
    }

    fn claim(&self) -> Option<&Claim> {
        self.claim.as_ref()
    }

    fn claim_mut(&mut self) -> &mut Option<Claim> {
        &mut self.claim
    }

    fn conclude_unknown(&mut self, now: Timestamp) {
        self.fail(interrupted(), now);
    }
}

/// A run as the index by time knows it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RunEntry {
    pub(crate) action_run_id: String,
    #[serde(with = "shared::clock::iso")]
    pub(crate) started_at: Timestamp,
    #[serde(default, with = "shared::clock::iso::optional")]
    pub(crate) ended_at: Option<Timestamp>,
    pub(crate) status: Status,
    pub(crate) product: Tag,
    pub(crate) env: Slug,
    pub(crate) app: Tag,
    pub(crate) action: Tag,
    pub(crate) summary: Summary,
    #[serde(default)]
    pub(crate) next_at_ms: Option<i64>,
    #[serde(default)]
    pub(crate) overdue_at_ms: Option<i64>,
    #[serde(default)]
    pub(crate) origin: Option<Origin>,
    #[serde(default)]
    pub(crate) client_id: Option<String>,
}

impl From<&RunRecord> for RunEntry {
    fn from(record: &RunRecord) -> Self {
        Self {
            action_run_id: record.action_run_id.clone(),
            started_at: record.started_at,
            ended_at: record.ended_at,
            status: record.status,
            product: record.product.clone(),
            env: record.env.clone(),
            app: record.app.clone(),
            action: record.action.clone(),
            summary: record.summary.clone(),
            next_at_ms: record.next_at_ms,
            overdue_at_ms: record.overdue_at_ms,
            origin: record.origin.clone(),
            client_id: record.client_id.clone(),
        }
    }
}

/// The table of runs.
pub(crate) struct Runs {
    table: Table,
    walks: Walks,
    retention_s: i64,
}

impl Runs {
    pub(crate) fn new(environment: &Environment) -> Result<Self, Error> {
        let table = environment.sealed_table("ACTION_RUNS_TABLE", &SEALED)?;
        Ok(Self { table, walks: Walks::default(), retention_s: environment.config.retention_s()? })
    }

    /// When the record of a run that begins now is removed, in seconds since 1970.
    pub(crate) fn expires_at(&self, now: Timestamp) -> i64 {
        now.as_second() + self.retention_s
    }

    /// Reads a run of a tenant; the records of calls are not runs.
    pub(crate) async fn get(&self, tenant: &TenantId, id: &str) -> Result<Option<RunRecord>, Error> {
        Ok(self.of_ids(tenant, &[id]).await?.pop())
    }

    /// Reads runs of a tenant in no particular order, without those that are gone or cannot be read.
    pub(crate) async fn of_ids(&self, tenant: &TenantId, ids: &[&str]) -> Result<Vec<RunRecord>, Error> {
        let found = self.table.get_rows(&ids.iter().map(|id| key(RunRecord::KEY, *id)).collect::<Vec<_>>()).await?;
        let of_tenant = |row: &shared::table::Row| row.attribute::<TenantId>("tenantId").as_ref() == Some(tenant);
        self.table.open_rows(found.into_iter().filter(of_tenant).collect()).await
    }

    /// Returns the index of the runs of a tenant, in which are no details.
    pub(crate) fn index(&self, tenant: &TenantId, now: Timestamp) -> Index<'_, RunEntry> {
        let sort = ("startedAt", list::texts as list::Bounds);
        Index::new(&self.table, &self.walks, ("tenantId", tenant.to_string()), sort, "start", now)
            .index("byTime")
            .changing(RunSummary::CHANGING)
    }
}

impl ClaimStore for Runs {
    type Record = RunRecord;

    fn table(&self) -> &Table {
        &self.table
    }

    /// Writes the end of a run, or lets go of one that waits, so that whoever is there at its time can claim it.
    async fn conclude(&self, record: &RunRecord, condition: Expression) -> Result<bool, Error> {
        if record.status == Status::Waiting {
            return self.table.put_if(&RunRecord { claim: None, ..record.clone() }, condition).await;
        }
        self.table.put_if(record, condition).await
    }
}

/// Keeps a value as JSON text, which nests deeper and has numbers that DynamoDB's do not reach.
mod text {
    use serde::de::DeserializeOwned;
    use serde::{Deserialize as _, Deserializer, Serialize, Serializer, de, ser};

    pub(super) fn serialize<T: Serialize, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&serde_json::to_string(value).map_err(ser::Error::custom)?)
    }

    pub(super) fn deserialize<'de, T: DeserializeOwned, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
        serde_json::from_str(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }

    pub(super) mod optional {
        use super::*;

        #[expect(clippy::ref_option, reason = "serde calls it so")]
        pub(in super::super) fn serialize<T: Serialize, S: Serializer>(
            value: &Option<T>,
            serializer: S,
        ) -> Result<S::Ok, S::Error> {
            super::serialize(value, serializer)
        }

        pub(in super::super) fn deserialize<'de, T: DeserializeOwned, D: Deserializer<'de>>(
            deserializer: D,
        ) -> Result<Option<T>, D::Error> {
            let text = Option::<String>::deserialize(deserializer)?;
            text.map(|text| serde_json::from_str(&text)).transpose().map_err(de::Error::custom)
        }
    }
}
