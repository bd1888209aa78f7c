//! Anything that is no interaction, or not quite.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::read::{interaction, read};
use crate::sample::{any_json, any_path, replace};

const NAMES: &[&str] =
    &["type", "id", "token", "event", "data", "member", "user", "name", "options", "values", "custom_id", "components"];

fn samples() -> Vec<Value> {
    let option = json!({"type": 3, "name": "a", "value": "b"});
    let sub = json!({"type": 1, "name": "s", "options": [option]});
    let command = json!({"name": "c", "type": 1, "options": [sub],
        "resolved": {"attachments": {"9": {"id": "9", "filename": "f", "size": 1, "url": "u"}}}});
    let mut pressed = interaction(3, &json!({"custom_id": "x", "component_type": 3, "values": ["v"]}));
    let row = json!({"custom_id": "x", "options": [{"value": "v", "label": "V"}]});
    pressed["message"] = json!({"id": "5", "components": [{"type": 1, "components": [row]}]});
    vec![interaction(2, &command), pressed, json!({"type": 1, "event": {"type": "A", "data": {}}})]
}

proptest! {
    #[test]
    fn no_json_in_an_interaction_makes_it_panic(value in any_json(NAMES), kind in 0_u8..8) {
        let _ = read(&interaction(kind, &value).to_string(), |_| ());
        let _ = read(&json!({"type": kind, "event": value}).to_string(), |_| ());
    }

    #[test]
    fn no_spoilt_interaction_makes_it_panic(
        sample in prop::sample::select(samples()),
        path in any_path(7),
        part in any_json(NAMES),
    ) {
        let mut body = sample;
        replace(&mut body, &path, part);
        let _ = read(&body.to_string(), |_| ());
    }
}
