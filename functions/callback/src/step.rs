//! The steps of a run: create a callback, or wait for one.

use serde_json::Value;
use shared::Error;
use shared::clock;
use shared::event::{Envelope, StepError, StepFinished, StepRequested};

use crate::Callbacks;
use crate::announce::finished;
use crate::create::{EXPIRY_LIMIT_S, Wish};
use crate::schema;
use crate::store::{State, Waiter};

/// The command that this function does.
pub(crate) const COMMAND: &str = "callback.requested";
/// How often a step tries to wait when the callback ends at the same time.
const ATTEMPTS: u32 = 3;
/// What an id that is none of ours is answered with.
pub(crate) const NOT_FOUND: &str = "failed to load callback from public id: callback not found";

/// What a step asks for.
#[derive(Debug, PartialEq)]
enum Order {
    Create { schema: Option<Value>, expires_in_s: Option<i64> },
    Wait { id: String },
}

impl Callbacks {
    /// Does one step and answers it.
    pub(crate) async fn step(&self, command: &Envelope) -> Result<(), Error> {
        let request: StepRequested = command.content()?;
        let answer = match order(&request.action) {
            Ok(Order::Create { schema, expires_in_s }) => {
                self.create_for(&request, command, schema, expires_in_s).await?
            }
            Ok(Order::Wait { id }) => self.wait_for(&request, command, &id).await?,
            Err(rule) => StepFinished::failed(request.id, StepError::invocation("BadRequest", rule)),
        };
        let entry = self.answer(answer, command)?;
        self.bus.publish(vec![entry]).await
    }

    /// The id comes from the step, so that a redelivered command finds the callback of the first one.
    async fn create_for(
        &self,
        request: &StepRequested,
        command: &Envelope,
        schema: Option<Value>,
        expires_in_s: Option<i64>,
    ) -> Result<StepFinished, Error> {
        let Some(base) = &self.base else {
            let message = "BASE_URL is not set, so that the URL of the callback is not known";
            return Ok(StepFinished::failed(request.id.clone(), StepError::invocation("BaseUrlMissing", message)));
        };
        let wish = Wish {
            id: clock::derived_uuid(&[b"callback", request.id.record_id().as_bytes()]).to_string(),
            tenant_id: command.tenant_id.clone(),
            schema,
            expires_in_s,
            origin: Some(without_content(command)),
        };
        let created = self.create(wish, base).await?;
        let output = serde_json::to_value(created).map_err(Error::cannot("write an output"))?;
        Ok(StepFinished::succeeded(request.id.clone(), output))
    }

    async fn wait_for(&self, request: &StepRequested, command: &Envelope, id: &str) -> Result<StepFinished, Error> {
        let step = request.id.clone();
        let waiter = Waiter { step: step.clone(), command: without_content(command) };
        for _ in 0..ATTEMPTS {
            let callback = self.current(id).await?.filter(|callback| callback.tenant_id == command.tenant_id);
            let Some(callback) = callback else {
                return Ok(StepFinished::failed(step, StepError::invocation("CallbackUnknown", NOT_FOUND)));
            };
            if callback.state != State::Waiting {
                return Ok(finished(step, &self.outcome(&callback).await?));
            }
            if self.store.wait(id, &waiter).await? {
                return Ok(StepFinished::waiting(step));
            }
        }
        // It still waits and takes no further step: only their number can be the reason.
        let message = "too many steps wait for this callback";
        Ok(StepFinished::failed(step, StepError::invocation("TooManyWaiters", message)))
    }
}

/// Reads the fields of an action, or says what is wrong with them.
fn order(action: &Value) -> Result<Order, String> {
    let name = action.get("action").and_then(Value::as_str).unwrap_or_default();
    if name.eq_ignore_ascii_case("create") {
        let schema = schema::normalised(action.get("schema").unwrap_or(&Value::Null))?;
        return Ok(Order::Create { schema, expires_in_s: expiry(action.get("expiresInSeconds"))? });
    }
    if name.eq_ignore_ascii_case("wait") {
        let id = action.get("id").and_then(Value::as_str).filter(|id| !id.is_empty());
        let id = id.ok_or_else(|| "missing \"id\" parameter".to_owned())?;
        // Anything else is an id that nobody has, and can be told as such without asking.
        let id = uuid::Uuid::parse_str(id).map_err(|_| NOT_FOUND.to_owned())?;
        return Ok(Order::Wait { id: id.to_string() });
    }
    let name: String = name.chars().take(40).collect();
    Err(format!("invalid action \"{name}\""))
}

/// Reads a number of seconds; a template may have made it text.
pub(crate) fn expiry(given: Option<&Value>) -> Result<Option<i64>, String> {
    let seconds = match given {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) => text.trim().parse().ok(),
        Some(value) => value.as_i64(),
    };
    let seconds = seconds.filter(|seconds| (1..=EXPIRY_LIMIT_S).contains(seconds));
    let rule = || format!("expiresInSeconds must be a whole number from 1 to {EXPIRY_LIMIT_S}");
    seconds.map(Some).ok_or_else(rule)
}

fn without_content(command: &Envelope) -> Envelope<()> {
    Envelope {
        id: command.id.clone(),
        kind: command.kind.clone(),
        dedup_window_seconds: None,
        tenant_id: command.tenant_id.clone(),
        time: command.time,
        content: (),
        trace: command.trace.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_fields_of_an_action_say_what_to_do() {
        let check = |action: Value, expected: Result<Order, &str>| {
            assert_eq!(order(&action), expected.map_err(str::to_owned), "{action}");
        };
        let create = |expires_in_s| Ok(Order::Create { schema: None, expires_in_s });
        check(json!({"action": "create"}), create(None));
        check(json!({"action": "CREATE", "schema": null, "expiresInSeconds": 5}), create(Some(5)));
        check(json!({"action": "Create", "expiresInSeconds": " 60 "}), create(Some(60)));
        let id = "0f8fad5b-d9cb-469f-a165-70867728950e";
        check(json!({"action": "wait", "id": id}), Ok(Order::Wait { id: id.to_owned() }));
        check(json!({"action": "Wait", "id": id.to_uppercase()}), Ok(Order::Wait { id: id.to_owned() }));
        check(json!({"action": "wait"}), Err("missing \"id\" parameter"));
        check(json!({"action": "wait", "id": ""}), Err("missing \"id\" parameter"));
        check(json!({"action": "wait", "id": "x"}), Err(NOT_FOUND));
        check(json!({"action": "poke"}), Err("invalid action \"poke\""));
        check(json!({}), Err("invalid action \"\""));
        let rule = "expiresInSeconds must be a whole number from 1 to 31536000";
        check(json!({"action": "create", "expiresInSeconds": 0}), Err(rule));
        check(json!({"action": "create", "expiresInSeconds": 1.5}), Err(rule));
        check(json!({"action": "create", "expiresInSeconds": "soon"}), Err(rule));
        let bad = order(&json!({"action": "create", "schema": "{"})).unwrap_err();
        assert!(bad.starts_with("unable to parse provided schema: "), "{bad}");
    }
}
