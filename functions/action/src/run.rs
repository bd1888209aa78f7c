//! A run of an action: find it, check, resolve, call, try again, fall back, record.

pub(crate) mod ask;
mod attempt;
mod fill;
mod prepare;
mod pursue;
pub(crate) mod shown;
pub(crate) mod target;
pub(crate) mod view;

use std::pin::Pin;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use shared::Error;
use shared::event::TenantId;
use shared::step::{Origin, Policy};

use crate::app::{Action, App};
use crate::cache::{self, CacheKey, Cached};
use crate::credential::Credentials;
use crate::failure::{Failure, FailureType};
use crate::input::Input;
use crate::product::Place;
use crate::run::ask::Ask;
use crate::run::prepare::Given;
use crate::run::target::Target;
use crate::services::Services;
use crate::session;
use crate::store::run::{CacheUse, Detail, RunRecord, Status, Summary};

/// The name, among the headers of a cache's key, of what depends on credentials; no header can have it.
const CREDENTIALS: &str = ":credentials";

/// How long a run works in this process, and what it does about longer waits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The time for all attempts, waits included.
    pub(crate) time: SignedDuration,
    /// What has to be left of it for an attempt after a wait.
    pub(crate) attempt: SignedDuration,
    /// How long nobody else takes the run over.
    pub(crate) lease: SignedDuration,
    /// Whether it can go on later, in another process.
    pub(crate) can_wait: bool,
}

/// Somebody waits for the answer, for whom API Gateway waits 30 seconds.
pub(crate) const REQUEST: Limits = Limits {
    time: SignedDuration::from_secs(25),
    attempt: SignedDuration::from_secs(2),
    lease: SignedDuration::from_secs(45),
    can_wait: false,
};

/// A step of a dispatcher or of a task, for which Lambda has 90 seconds.
pub(crate) const STEP: Limits = Limits {
    time: SignedDuration::from_secs(55),
    attempt: SignedDuration::from_secs(20),
    lease: SignedDuration::from_secs(85),
    can_wait: true,
};

impl Limits {
    /// Returns how runs are claimed.
    pub(crate) fn policy(self) -> Policy {
        Policy { lease: self.lease, acts_at_once: false }
    }
}

/// Who asks for a run.
#[derive(Clone, Debug)]
pub(crate) enum Asker {
    /// A client of the API.
    Client(String),
    /// A step of a dispatcher, or a task.
    Step(Box<Origin>),
}

/// Builds the record of a run that has not begun.
pub(crate) fn record(services: &Services, id: String, tenant: &TenantId, asker: Asker, ask: &Ask) -> RunRecord {
    let now = services.clock.now();
    let (client_id, origin) = match asker {
        Asker::Client(id) => (Some(id), None),
        Asker::Step(origin) => (None, Some(*origin)),
    };
    // Nobody goes on with the run of a client whose process has died.
    let overdue = client_id.is_some().then(|| now.checked_add(REQUEST.lease).unwrap_or(Timestamp::MAX));
    let cache = if ask.cache.is_some() { CacheUse::Miss } else { CacheUse::None };
    RunRecord {
        action_run_id: id,
        tenant_id: tenant.clone(),
        started_at: now,
        ended_at: None,
        status: Status::Processing,
        product: ask.product.clone(),
        env: ask.env.clone(),
        app: ask.app.clone(),
        action: ask.action.clone(),
        summary: Summary { attempts: 0, cache, kind: None, http_status: None, fallback: None },
        next_at_ms: None,
        overdue_at_ms: overdue.map(Timestamp::as_millisecond),
        origin,
        client_id,
        fingerprint: fingerprint(ask),
        claim: None,
        asked: None,
        detail: Detail::default(),
        output: None,
        expires_at: services.runs.store().expires_at(now),
    }
}

/// Returns what tells what is asked for from anything else.
pub(crate) fn fingerprint(ask: &Ask) -> String {
    hex::encode(Sha256::digest(json!(ask).to_string()))
}

/// Makes a run go on until it ends or has to wait for long.
pub(crate) async fn go(
    services: &Services,
    ask: &Ask,
    mut record: RunRecord,
    limits: Limits,
) -> Result<RunRecord, Error> {
    record.status = Status::Processing;
    let deadline = services.clock.now().checked_add(limits.time).unwrap_or(Timestamp::MAX);
    let leg = pursue::Leg { services, ask, limits, deadline };
    match Box::pin(begin(&leg, record.clone())).await? {
        Ok(record) => Ok(record),
        Err(failure) => {
            record.fail(failure, services.clock.now());
            Ok(record)
        }
    }
}

/// Finds out what is to be done, and does it through the cache if one is named.
async fn begin(leg: &pursue::Leg<'_>, mut record: RunRecord) -> Result<Result<RunRecord, Failure>, Error> {
    let pursue::Leg { services, ask, .. } = leg;
    let tenant = record.tenant_id.clone();
    let found = Target::find(services, &tenant, (&ask.product, &ask.env), (&ask.app, &ask.action)).await?;
    let target = match found {
        Ok(target) => target,
        Err(failure) => return Ok(Err(failure)),
    };
    let session = match ask.session() {
        None => None,
        Some(given) => match session::verify(services, &tenant, &ask.product, &ask.env, &given).await? {
            Ok(session) => Some(session),
            Err(failure) => return Ok(Err(failure)),
        },
    };
    record.detail.session_id = session.as_ref().map(|session| session.id.clone());
    let input = match Input::read(&target.action, ask.input.clone()) {
        Ok(input) => input,
        Err(violations) => return Ok(Err(Failure::violating(violations))),
    };
    let given = Given {
        input,
        values: &ask.values,
        session: session.as_ref(),
        caller: None,
        idempotency_key: attempt::idempotency_key(&record, &target),
    };
    if let Err(failure) = prepare::check(&target, &given, false) {
        return Ok(Err(failure));
    }
    match &ask.cache {
        Some(cache) => Box::pin(cached(leg, cache, &target, &given, record)).await,
        None => Box::pin(pursue::pursue(leg, &target, &given, record)).await.map(Ok),
    }
}

/// Answers from a cache, or goes on with the run and lets the cache keep its output.
async fn cached(
    leg: &pursue::Leg<'_>,
    cache: &crate::tag::Tag,
    target: &Target,
    given: &Given<'_>,
    mut record: RunRecord,
) -> Result<Result<RunRecord, Failure>, Error> {
    let services = leg.services;
    let mut input = match known_input(services, target, given) {
        Ok((input, left_out)) if left_out.is_empty() => input,
        Ok((mut input, left_out)) => {
            input.headers.insert(CREDENTIALS.to_owned(), json!([left_out, given.values]));
            input
        }
        Err(failure) => return Ok(Err(failure)),
    };
    input.headers.retain(|name, value| name != CREDENTIALS || value.is_array());
    let key = CacheKey {
        place: &target.place,
        action: &target.action.tag,
        input: &input,
        session: given.session.map(|session| (&session.tag, session.identifier.as_str())),
    };
    let begun = record.clone();
    let work = async || Box::pin(pursue::pursue(leg, target, given, begun)).await;
    let through = cache::through(services, cache, key, work, |done: &RunRecord| {
        let is_own = done.status == Status::Success && done.summary.fallback.is_none();
        done.output.as_ref().filter(|_| is_own)
    });
    let now = || services.clock.now();
    Ok(Box::pin(through).await?.map(|cached| match cached {
        Cached::Miss(done) => done,
        Cached::Hit(output) => {
            record.summary.cache = CacheUse::Hit;
            record.succeed(output, now());
            record
        }
        Cached::Joined(other) => {
            record.summary.cache = CacheUse::Joined;
            record.join(&other, leg.ask, now());
            record
        }
    }))
}

/// Returns the input as far as it does not depend on credentials, and what does as it was written.
fn known_input(services: &Services, target: &Target, given: &Given<'_>) -> Result<(Input, Vec<Value>), Failure> {
    let mut sources = prepare::sources(target, given, &Credentials::default(), services.clock.now());
    let known = fill::without_credentials(&target.action, &given.input, &mut sources).map_err(Failure::violating)?;
    if known.0.headers.contains_key(CREDENTIALS) {
        return Err(Failure::new(FailureType::ValidationError, format!("`{CREDENTIALS}` is not the name of a header")));
    }
    Ok(known)
}

/// What [`once`] will have become.
pub(crate) type Pending<'a> = Pin<Box<dyn Future<Output = Result<Result<Value, Failure>, Error>> + Send + 'a>>;

/// Runs an action once, without session, cache, circuit, fallbacks or record: for token actions and health probes.
///
/// `input` may have placeholders but for those of the auth that it is run for, which has `auth` as its data.
pub(crate) fn once<'a>(
    services: &'a Services,
    place: &'a Place,
    app: &'a App,
    action: &'a Action,
    input: Input,
    auth: Option<(&'a str, &'a Value)>,
) -> Pending<'a> {
    Box::pin(async move {
        let target = match Target::at(services, place, app, action).await? {
            Ok(target) => target,
            Err(failure) => return Ok(Err(failure)),
        };
        let key = services.ids.hex24();
        let given = Given { input, values: &[], session: None, caller: None, idempotency_key: key };
        let prepared = match prepare::prepare(services, &target, &given, auth).await? {
            Ok(prepared) => prepared,
            Err(failure) => return Ok(Err(failure)),
        };
        Ok(attempt::exchange(services, &target, prepared.request).await.outcome.map_err(|failure| {
            let message = prepared.masks.text(&failure.message);
            Failure { message, ..failure }
        }))
    })
}
