//! Which secrets a run may use.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use shared::Error;

use crate::failure::{Failure, FailureType};
use crate::product::Place;
use crate::services::Services;
use crate::store::secret::{Secret, SecretHead};

/// Reads the values of secrets, all of which must be usable at a place; checked at every use.
pub(super) async fn usable(
    services: &Services,
    place: &Place,
    keys: &BTreeSet<String>,
) -> Result<Result<BTreeMap<String, String>, Failure>, Error> {
    let mut values = BTreeMap::new();
    if keys.is_empty() {
        return Ok(Ok(values));
    }
    let mut secrets: BTreeMap<String, Secret> = BTreeMap::new();
    for secret in services.secrets.all_of(&place.tenant_id, keys).await? {
        secrets.insert(secret.head.key.to_string(), secret);
    }
    let now = services.clock.now();
    for key in keys {
        let secret = secrets.remove(key);
        if let Some(failure) = refusal(key, secret.as_ref().map(|secret| &secret.head), place, now) {
            return Ok(Err(failure));
        }
        values.extend(secret.and_then(|secret| secret.value).map(|value| (key.clone(), value)));
    }
    Ok(Ok(values))
}

/// Says why a secret cannot be used at a place, if it cannot.
fn refusal(key: &str, head: Option<&SecretHead>, place: &Place, now: Timestamp) -> Option<Failure> {
    let Some(SecretHead { scope, envs, expires_at, revoked, .. }) = head else {
        return Some(Failure::new(FailureType::NotFound, format!("Secret '{key}' not found")));
    };
    let rule = if *revoked {
        "has been revoked".to_owned()
    } else if !scope.is_empty() && !scope.contains(&place.access_tag) {
        format!("is not accessible by app '{}'", place.access_tag)
    } else if !envs.is_empty() && !envs.contains(&place.env) {
        format!("is not available in environment '{}'", place.env)
    } else if expires_at.is_some_and(|end| end <= now.as_second()) {
        "has expired".to_owned()
    } else {
        return None;
    };
    Some(Failure::new(FailureType::Forbidden, format!("Secret '{key}' {rule}")))
}
