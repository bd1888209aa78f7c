//! The action of a step: which fields it takes and what they ask for.

use serde::Deserialize;
use serde_json::Value;
use shared::json;

use crate::ending::NOT_FOUND;
use crate::expiry::Lifetime;
use crate::schema;

/// What a step asks for.
#[derive(Debug, PartialEq)]
pub(crate) enum Action {
    /// Create a callback with a normalised schema.
    Create { schema: Option<Value>, lifetime: Option<Lifetime> },
    /// Wait for a callback.
    Wait { id: String },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fields {
    action: Option<String>,
    #[serde(default)]
    schema: Value,
    expires_in_seconds: Option<Lifetime>,
    id: Option<String>,
}

impl Action {
    /// Reads the fields of an action, or says what is wrong with them.
    pub(crate) fn read(fields: Value) -> Result<Self, String> {
        let fields: Fields = json::from_value(fields).map_err(|problem| problem.to_string())?;
        let name = fields.action.unwrap_or_default();
        if name.eq_ignore_ascii_case("create") {
            return Ok(Self::Create {
                schema: schema::normalised(&fields.schema)?,
                lifetime: fields.expires_in_seconds,
            });
        }
        if name.eq_ignore_ascii_case("wait") {
            let id = fields.id.filter(|id| !id.is_empty()).ok_or_else(|| "missing \"id\" parameter".to_owned())?;
            // No callback has any other kind of id.
            let id = uuid::Uuid::parse_str(&id).map_err(|_| NOT_FOUND.to_owned())?;
            return Ok(Self::Wait { id: id.to_string() });
        }
        let name: String = name.chars().take(40).collect();
        Err(format!("invalid action \"{name}\""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_fields_of_an_action_say_what_to_do() {
        let check = |action: Value, expected: Result<Action, &str>| {
            assert_eq!(Action::read(action.clone()), expected.map_err(str::to_owned), "{action}");
        };
        let create = |seconds: Option<i64>| {
            let lifetime = serde_json::from_value(json!(seconds)).unwrap();
            Ok(Action::Create { schema: None, lifetime })
        };
        check(json!({"action": "create"}), create(None));
        check(json!({"action": "CREATE", "schema": null, "expiresInSeconds": 5}), create(Some(5)));
        check(json!({"action": "Create", "expiresInSeconds": " 60 "}), create(Some(60)));
        let id = "0f8fad5b-d9cb-469f-a165-70867728950e";
        check(json!({"action": "wait", "id": id}), Ok(Action::Wait { id: id.to_owned() }));
        check(json!({"action": "Wait", "id": id.to_uppercase()}), Ok(Action::Wait { id: id.to_owned() }));
        check(json!({"action": "wait"}), Err("missing \"id\" parameter"));
        check(json!({"action": "wait", "id": ""}), Err("missing \"id\" parameter"));
        check(json!({"action": "wait", "id": "x"}), Err(NOT_FOUND));
        check(json!({"action": "wait", "id": 5}), Err("`id` must be a string"));
        check(json!({"action": "poke"}), Err("invalid action \"poke\""));
        check(json!({}), Err("invalid action \"\""));
        check(json!({"action": "create", "schemas": {}}), Err("unknown field `schemas`: did you mean `schema`?"));
        let rule = "`expiresInSeconds` must be a whole number from 1 to 31536000";
        check(json!({"action": "create", "expiresInSeconds": 0}), Err(rule));
        check(json!({"action": "create", "expiresInSeconds": 1.5}), Err(rule));
        check(json!({"action": "create", "expiresInSeconds": "soon"}), Err(rule));
        let bad = Action::read(json!({"action": "create", "schema": "{"})).unwrap_err();
        assert!(bad.starts_with("unable to parse provided schema: "), "{bad}");
    }
}
