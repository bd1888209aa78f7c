//! The attempts at a run, one after the other, at its access tag and then at its fallbacks.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use shared::Error;

use crate::credential::{self, Credentials};
use crate::failure::{Failure, FailureType};
use crate::input::Input;
use crate::retry;
use crate::run::ask::Ask;
use crate::run::attempt::{self, Tried, attempt};
use crate::run::prepare::{Given, Prepared, prepare};
use crate::run::target::Target;
use crate::run::{Limits, known_input};
use crate::services::Services;
use crate::store::run::{Attempt, RunRecord};

/// The longest wait that a process stays for, if somebody else can go on later.
const PATIENCE: SignedDuration = SignedDuration::from_secs(5);
/// The longest message of an attempt, in characters.
const MESSAGE_CHARACTERS: usize = 300;

/// What one process does of a run.
pub(crate) struct Leg<'a> {
    pub(crate) services: &'a Services,
    pub(crate) ask: &'a Ask,
    pub(crate) limits: Limits,
    /// When it has to be over.
    pub(crate) deadline: Timestamp,
}

/// How the attempts at one target ended.
enum Verdict {
    Succeeded(Value),
    /// The run failed there; whether a fallback may take over.
    Failed(Failure, bool),
    /// The next attempt is made later.
    Waits(Timestamp),
}

/// What follows a failed attempt.
enum Next {
    /// Another one, at once.
    Again,
    Over(Verdict),
}

/// Makes attempts until the run ends or has to wait for long.
pub(crate) async fn pursue(
    leg: &Leg<'_>,
    target: &Target,
    given: &Given<'_>,
    mut record: RunRecord,
) -> Result<RunRecord, Error> {
    let fallbacks = &target.connection.fallbacks;
    let mut of_app: Option<Failure> = None;
    loop {
        let position = record.detail.position;
        let has_next = position < fallbacks.len();
        let verdict = match position {
            0 => at_target(leg, target, given, &mut record, has_next).await?,
            _ => at_fallback(leg, target, given, &mut record, has_next).await?,
        };
        let now = leg.services.clock.now();
        match verdict {
            Verdict::Succeeded(output) => {
                let fallback = position.checked_sub(1).and_then(|index| fallbacks.get(index));
                record.summary.fallback = fallback.map(|fallback| fallback.app.clone());
                record.succeed(output, now);
            }
            Verdict::Waits(until) => record.wait(until, leg.ask),
            Verdict::Failed(failure, true) if has_next => {
                of_app = of_app.or_else(|| Some(failure).filter(is_about_the_app));
                let detail = &mut record.detail;
                (detail.position, detail.tried, detail.is_renewed) = (position + 1, 0, false);
                continue;
            }
            // A fallback that cannot be used says nothing of why the run failed.
            Verdict::Failed(failure, _) => match of_app.filter(|_| !is_about_the_app(&failure)) {
                Some(of_app) => record.fail(of_app, now),
                None => record.fail(failure, now),
            },
        }
        return Ok(record);
    }
}

/// Makes attempts at the fallback that takes over.
async fn at_fallback(
    leg: &Leg<'_>,
    first: &Target,
    given: &Given<'_>,
    record: &mut RunRecord,
    has_next: bool,
) -> Result<Verdict, Error> {
    let (services, ask) = (leg.services, leg.ask);
    let fallback = record.detail.position.checked_sub(1).and_then(|index| first.connection.fallbacks.get(index));
    let Some(fallback) = fallback else {
        return Ok(Verdict::Failed(Failure::new(FailureType::NotFound, "the fallback is gone"), false));
    };
    let place = &first.place;
    let action = fallback.event.as_ref().unwrap_or(&ask.action);
    let found = Target::find(services, &place.tenant_id, (&place.product, &place.env), (&fallback.app, action)).await?;
    let target = match found {
        Ok(target) => target,
        Err(failure) => return Ok(Verdict::Failed(failure, true)),
    };
    let caller = match known_input(services, first, given) {
        Ok((input, _)) => input.to_value(),
        Err(failure) => return Ok(Verdict::Failed(failure, false)),
    };
    let is_own = !fallback.input.is_null();
    let input = if is_own { fallback.input.clone() } else { ask.input.clone() };
    let given = Given {
        input: match Input::read(&target.action, input) {
            Ok(input) => input,
            Err(violations) => return Ok(Verdict::Failed(Failure::violating(violations), true)),
        },
        values: if is_own { &[] } else { given.values },
        session: given.session,
        caller: is_own.then_some(caller),
        idempotency_key: attempt::idempotency_key(record, &target),
    };
    at_target(leg, &target, &given, record, has_next).await
}

/// Makes attempts at a target.
async fn at_target(
    leg: &Leg<'_>,
    target: &Target,
    given: &Given<'_>,
    record: &mut RunRecord,
    has_next: bool,
) -> Result<Verdict, Error> {
    let services = leg.services;
    let mut prepared: Option<Prepared> = None;
    loop {
        let start = services.clock.now();
        if start >= leg.deadline {
            return Ok(Verdict::Failed(attempt::out_of_time(), false));
        }
        let tried = match next_prepared(leg, target, given, &mut prepared).await? {
            Err(failure) => Tried::unsent(failure),
            Ok(prepared) => attempt(services, target, prepared, record, leg.deadline).await?,
        };
        note(record, target, start, services.clock.now(), &tried);
        let failure = match tried.outcome {
            Ok(output) => return Ok(Verdict::Succeeded(output)),
            Err(failure) => failure,
        };
        if failure.status == Some(401)
            && !record.detail.is_renewed
            && let Some(refused) = prepared.take()
            && is_renewed(services, target, &refused.credentials).await?
        {
            (record.detail.is_renewed, record.detail.tried) = (true, record.detail.tried - 1);
            continue;
        }
        match decide(leg, target, record, failure, tried.is_refused && has_next, has_next).await? {
            Next::Again => {}
            Next::Over(verdict) => return Ok(verdict),
        }
    }
}

/// Gives up the tokens that the app has refused; tells whether others can be had.
async fn is_renewed(services: &Services, target: &Target, credentials: &Credentials) -> Result<bool, Error> {
    let mut is_renewed = false;
    for auth in credentials.auths.keys() {
        is_renewed |= credential::refused(services, &target.place, auth, credentials).await?;
    }
    Ok(is_renewed)
}

/// Prepares the request, unless that was done for an earlier attempt.
async fn next_prepared<'p>(
    leg: &Leg<'_>,
    target: &Target,
    given: &Given<'_>,
    prepared: &'p mut Option<Prepared>,
) -> Result<Result<&'p Prepared, Failure>, Error> {
    if prepared.is_none() {
        match Box::pin(prepare(leg.services, target, given, None)).await? {
            Ok(ready) => *prepared = Some(ready),
            Err(failure) => return Ok(Err(failure)),
        }
    }
    Ok(prepared.as_ref().ok_or_else(attempt::out_of_time))
}

/// Writes an attempt into the record, unless nothing was tried: the input or the configuration is wrong.
fn note(record: &mut RunRecord, target: &Target, start: Timestamp, end: Timestamp, tried: &Tried) {
    let failure = tried.outcome.as_ref().err();
    record.detail.tried += 1;
    if tried.sent.is_none() && !failure.is_some_and(retry::is_transient) {
        return;
    }
    let status = tried.received.as_ref().map(|received| received.status);
    let detail = &mut record.detail;
    detail.attempts.push(Attempt {
        number: u32::try_from(detail.attempts.len()).unwrap_or(u32::MAX).saturating_add(1),
        app: target.place.access_tag.clone(),
        action: target.action.tag.clone(),
        app_env: target.place.app_env.clone(),
        start,
        duration_ms: end.duration_since(start).as_millis().try_into().unwrap_or(i64::MAX),
        status: status.or_else(|| failure.and_then(|failure| failure.status)),
        kind: failure.map(|failure| failure.kind),
        message: failure.map(|failure| failure.message.chars().take(MESSAGE_CHARACTERS).collect()),
        wait_ms: None,
    });
    if tried.sent.is_some() {
        (detail.request, detail.response) = (tried.sent.clone(), tried.received.clone());
        detail.may_have_acted |= tried.is_unanswered && !target.is_idempotent();
    }
}

/// Decides what follows a failure, and waits for it if that takes no more than a moment.
async fn decide(
    leg: &Leg<'_>,
    target: &Target,
    record: &mut RunRecord,
    failure: Failure,
    is_hopeless: bool,
    has_next: bool,
) -> Result<Next, Error> {
    let Leg { services, ask, limits, deadline } = leg;
    let may_fall_back = is_about_the_app(&failure) && !record.detail.may_have_acted;
    let policy = target.app.retries.as_ref();
    let left = deadline.duration_since(services.clock.now()) - limits.attempt;
    // A fallback does not wait as long as the app would like.
    let room = match limits.can_wait {
        _ if has_next && may_fall_back => Some(left.min(PATIENCE)),
        true => None,
        false => Some(left),
    };
    let room_ms = room.map(|room| u64::try_from(room.as_millis()).unwrap_or_default());
    let draw = u64::from_le_bytes(services.ids.bytes());
    let limit = retry::limit(ask.retries, policy);
    let wait_ms = retry::wait_ms(policy, limit, &failure, record.detail.tried, room_ms, draw);
    let Some(wait_ms) = wait_ms.filter(|_| !(is_hopeless && may_fall_back)) else {
        return Ok(Next::Over(Verdict::Failed(failure, may_fall_back)));
    };
    if let Some(attempt) = record.detail.attempts.last_mut() {
        attempt.wait_ms = Some(wait_ms);
    }
    let wait = SignedDuration::from_millis(i64::try_from(wait_ms).unwrap_or(i64::MAX));
    let until = services.clock.now().checked_add(wait).unwrap_or(Timestamp::MAX);
    if limits.can_wait && (wait > PATIENCE || wait >= left) {
        return Ok(Next::Over(Verdict::Waits(until)));
    }
    if !services.runs.save(record, limits.lease).await? {
        return Err(Error::new("run an action", "another process has taken the run over"));
    }
    services.clock.sleep_until(until).await;
    Ok(Next::Again)
}

/// Tells whether a failure says that the app cannot be used now, so that another one may.
fn is_about_the_app(failure: &Failure) -> bool {
    match failure.kind {
        FailureType::Timeout
        | FailureType::RateLimited
        | FailureType::ServiceUnavailable
        | FailureType::ConnectionError => true,
        FailureType::Unauthorized | FailureType::Forbidden => failure.status.is_some(),
        FailureType::RequestFailed => failure.status.is_some_and(|status| status >= 500),
        _ => false,
    }
}
