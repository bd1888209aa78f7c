use futures::FutureExt as _;
use harness::steps::Owner;
use serde_json::json;

use crate::support::FUNCTION;

harness::step_faults! {
    create: create();
}

/// Its effect is a record; the same one again does no harm.
fn create() -> Owner {
    Owner {
        function: FUNCTION,
        constructor: callback::function,
        action_type: "callback",
        action: |_, _| async { json!({"action": "create", "schema": {}, "expiresInSeconds": 86_400}) }.boxed(),
        effects: |world, _| async { world.items("CALLBACKS_TABLE").await.len() }.boxed(),
        invalid: || json!({"action": "poke"}),
        hands_on: false,
        is_repeatable: true,
    }
}
