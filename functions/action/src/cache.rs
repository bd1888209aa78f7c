//! Caches: the answer to a request that was made before.
//!
//! Who finds no answer takes the work on in the record where the answer will be. Others of the same process wait for
//! what the work comes to; other processes look again and again until there is an answer, or nobody works for one any
//! more. What is cleared meanwhile is not there to be answered by the work, so that an old answer never comes back.

mod definition;
mod flight;
mod key;

pub(crate) use definition::{Definition, DefinitionChange, NewDefinition, check_expiry};
pub(crate) use flight::Flights;
pub(crate) use key::CacheKey;

use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::Value;
use shared::Error;

use crate::failure::{Failure, FailureType};
use crate::services::Services;
use crate::store::cache::{Found, NewValue, Slot};
use crate::store::owner::Owner;
use crate::tag::Tag;
use flight::{Landed, Leader};

/// For how long a process that works for an answer is believed without saying so again.
const LEASE: SignedDuration = SignedDuration::from_secs(10);
/// How often it says so.
const RENEWAL: SignedDuration = SignedDuration::from_secs(3);
/// For how long the work of others is waited for.
const PATIENCE: SignedDuration = SignedDuration::from_secs(25);
/// The pauses between looking whether another process has an answer: the first, and the longest.
const FIRST_PAUSE: SignedDuration = SignedDuration::from_millis(50);
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_millis(400);

/// How an output came about.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cached<T> {
    /// From the cache.
    Hit(Value),
    /// By the work of this run.
    Miss(T),
    /// By the work of another run of the same process that asked for the same at the same time.
    Joined(T),
}

/// Answers from a cache, or does the work once for all who ask for the same at the same time and keeps its output if it
/// succeeds.
///
/// `output` finds the output of work that has succeeded. Work that fails is handed to those who wait in this process, too.
pub(crate) async fn through<T: Clone + Send + Sync + 'static>(
    services: &Services,
    cache: &Tag,
    key: CacheKey<'_>,
    work: impl AsyncFnOnce() -> Result<T, Error>,
    output: impl Fn(&T) -> Option<&Value>,
) -> Result<Result<Cached<T>, Failure>, Error> {
    let owner = Owner { tenant: &key.place.tenant_id, product: &key.place.product, tag: cache };
    let Some(defined) = Box::pin(services.caches.definition(owner)).await? else {
        let message = format!("the product `{}` has no cache `{cache}`", key.place.product);
        return Ok(Err(Failure::new(FailureType::NotFound, message)));
    };
    let slot = defined.slot(key.hash());
    let leader = match Box::pin(approach(services, &slot)).await? {
        Approach::Answered(value) => return Ok(Ok(Cached::Hit(value))),
        Approach::Joined(landed) => match landed.downcast_ref::<T>() {
            Some(landed) => return Ok(Ok(Cached::Joined(landed.clone()))),
            None => None,
        },
        Approach::Lead(leader) => Some(leader),
        Approach::Alone => None,
    };
    let Some(leader) = leader else { return work().await.map(|done| Ok(Cached::Miss(done))) };
    let done = {
        let work = std::pin::pin!(work());
        let mut renewing = Box::pin(renew(services, &slot, leader.id()));
        tokio::select! {
            biased;
            done = work => done,
            never = &mut renewing => match never {},
        }
    };
    let value = done.as_ref().ok().and_then(&output).map(|value| NewValue {
        value,
        component_tag: key.action.to_string(),
        component_type: "action".to_owned(),
        stored_at: services.clock.now(),
        expiry_ms: defined.definition.expiry,
    });
    Box::pin(finish(services, &slot, &leader, value)).await;
    let done = done?;
    leader.land(Arc::new(done.clone()));
    Ok(Ok(Cached::Miss(done)))
}

/// What to do about an answer.
enum Approach {
    /// Take it: there is one.
    Answered(Value),
    /// Take what the work of another came to.
    Joined(Landed),
    /// Work for it, as the only one.
    Lead(Leader),
    /// Work for it without keeping it, as others take too long.
    Alone,
}

async fn approach(services: &Services, slot: &Slot) -> Result<Approach, Error> {
    let (caches, clock, flights) = (&services.caches, &services.clock, &services.flights);
    let (give_up_at, mut pause, mut former) = (clock.now() + PATIENCE, FIRST_PAUSE, None::<String>);
    loop {
        let now = clock.now();
        match caches.find(slot, now).await? {
            Found::Value(_, value) => return Ok(Approach::Answered(value)),
            Found::Flight(_) if now >= give_up_at => return Ok(Approach::Alone),
            Found::Flight(id) if former.as_ref() != Some(&id) => {
                let Some(joined) = flights.join(&id) else {
                    clock.sleep_until((now + pause).min(give_up_at)).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                    continue;
                };
                let landed = tokio::select! {
                    biased;
                    landed = joined => landed,
                    () = clock.sleep_until(give_up_at) => return Ok(Approach::Alone),
                };
                match landed {
                    Some(landed) => return Ok(Approach::Joined(landed)),
                    // Its leader is gone, which other processes find out only when its lease ends.
                    None => former = Some(id),
                }
            }
            Found::Flight(_) | Found::Nothing => {
                let leader = flights.begin(services.ids.hex24());
                if caches.take_off(slot, leader.id(), former.as_deref(), (now, now + LEASE)).await? {
                    return Ok(Approach::Lead(leader));
                }
            }
        }
    }
}

/// Says again and again that the work goes on, as long as somebody wants it.
async fn renew(services: &Services, slot: &Slot, flight: &str) -> Infallible {
    loop {
        let now = services.clock.now();
        services.clock.sleep_until(now + RENEWAL).await;
        let until = services.clock.now() + LEASE;
        match services.caches.go_on(slot, flight, until).await {
            Ok(true) => {}
            Ok(false) => return pending().await,
            Err(error) => tracing::warn!(error = error.chain(), "the lease of work for a cache was not renewed"),
        }
    }
}

/// Keeps what the work has brought, or lets others work; a cache that cannot be written must not fail the run.
async fn finish(services: &Services, slot: &Slot, leader: &Leader, value: Option<NewValue<'_>>) {
    let finished = match value {
        Some(value) => services.caches.land(slot, leader.id(), &value).await,
        None => services.caches.give_up(slot, leader.id()).await,
    };
    if let Err(error) = finished {
        tracing::warn!(error = error.chain(), "what work for a cache came to was not kept");
    }
}

#[cfg(test)]
mod tests;
