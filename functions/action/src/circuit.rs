//! The circuit breaker of each environment of an app: after failures in a row, requests are refused for a while.
//!
//! What it decides is [`state`]; here it is read and written. A process looks at what it knows for a second, so that a
//! request costs no read; a success costs no write unless there are failures to forget.

pub(crate) mod state;

use jiff::{SignedDuration, Timestamp};
use shared::Error;

pub(crate) use self::state::CircuitSettings;
use self::state::{Admission, Circuit, Outcome};
use crate::failure::{Failure, FailureType};
use crate::product::Place;
use crate::services::Services;
use crate::store::circuit::{CircuitKey, Kept};

/// How often a change is tried again that met another one; each time another one has come further.
const ATTEMPTS: usize = 50;

/// Lets a request through, or refuses it while the circuit is open.
///
/// After its time the circuit is half open: one request at a time finds out whether the app is back.
pub(crate) async fn admit(
    services: &Services,
    place: &Place,
    settings: &CircuitSettings,
) -> Result<Result<(), Failure>, Error> {
    if !settings.enabled {
        return Ok(Ok(()));
    }
    let now = services.clock.now();
    let key = CircuitKey::of(place);
    let mut kept = services.circuits.recent(&key, now).await?;
    for _ in 0..ATTEMPTS {
        match kept.circuit.admission(now) {
            Admission::Pass => return Ok(Ok(())),
            Admission::Refused { until } => return Ok(Err(refusal(&key, &kept.circuit, until, now))),
            Admission::Probe => {
                if services.circuits.save(&key, &kept, kept.circuit.probing(now), now).await? {
                    return Ok(Ok(()));
                }
                kept = services.circuits.get(&key, now).await?;
            }
        }
    }
    Err(Error::new("read a circuit", "it changes all the time"))
}

/// Notes how a request that was let through ended; `None` is success.
pub(crate) async fn note(
    services: &Services,
    place: &Place,
    settings: &CircuitSettings,
    failure: Option<&Failure>,
) -> Result<(), Error> {
    if !settings.enabled {
        return Ok(());
    }
    let now = services.clock.now();
    let key = CircuitKey::of(place);
    let outcome = Outcome::of(failure);
    let mut kept = match outcome {
        Outcome::Available | Outcome::Unclear => services.circuits.recent(&key, now).await?,
        Outcome::Unavailable(_) => services.circuits.get(&key, now).await?,
    };
    change(services, &key, &mut kept, now, |circuit| circuit.after(settings, outcome, now)).await
}

/// Notes that a health probe got through, which closes the circuit whatever its state.
pub(crate) async fn recovered(services: &Services, place: &Place) -> Result<(), Error> {
    let now = services.clock.now();
    let key = CircuitKey::of(place);
    let mut kept = services.circuits.recent(&key, now).await?;
    change(services, &key, &mut kept, now, |circuit| circuit.closed(now)).await
}

/// Closes a circuit and forgets its failures.
pub(crate) async fn reset(services: &Services, key: &CircuitKey) -> Result<Circuit, Error> {
    let now = services.clock.now();
    let mut kept = services.circuits.get(key, now).await?;
    change(services, key, &mut kept, now, |circuit| circuit.closed(now)).await?;
    Ok(services.circuits.get(key, now).await?.circuit)
}

/// Writes what becomes of a circuit, on what it has become meanwhile if somebody else was first.
async fn change(
    services: &Services,
    key: &CircuitKey,
    kept: &mut Kept,
    now: Timestamp,
    next: impl Fn(&Circuit) -> Option<Circuit>,
) -> Result<(), Error> {
    for _ in 0..ATTEMPTS {
        let Some(circuit) = next(&kept.circuit) else { return Ok(()) };
        if services.circuits.save(key, kept, circuit, now).await? {
            return Ok(());
        }
        *kept = services.circuits.get(key, now).await?;
    }
    Err(Error::new("write a circuit", "it changes all the time"))
}

fn refusal(key: &CircuitKey, circuit: &Circuit, until: Timestamp, now: Timestamp) -> Failure {
    let left = until.duration_since(now).max(SignedDuration::from_millis(1));
    let last = circuit.last_error.map(|kind| format!(", the last one {}", kind.name())).unwrap_or_default();
    let message = format!(
        "requests to `{}` in `{}` are refused until {} after {} failures in a row{last}",
        key.app, key.env, until, circuit.failures
    );
    let retry_after_ms = u64::try_from(left.as_millis()).ok();
    Failure { retry_after_ms, ..Failure::new(FailureType::ServiceUnavailable, message) }
}

#[cfg(test)]
mod tests;
