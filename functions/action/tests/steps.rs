//! The faults that every function which does steps survives.

use futures::FutureExt as _;
use harness::steps::Owner;
use serde_json::json;

harness::step_faults! {
    http_post: http("POST", false);
    http_get: http("GET", true);
}

fn http(method: &'static str, is_repeatable: bool) -> Owner {
    Owner {
        function: "ActionFunction",
        constructor: action::function,
        action_type: "http",
        action: match method {
            "GET" => |_, server| async move { json!({"method": "GET", "url": server.url()}) }.boxed(),
            _ => |_, server| async move { json!({"method": "POST", "url": server.url()}) }.boxed(),
        },
        effects: |_, server| async move { server.requests().len() }.boxed(),
        invalid: || json!({"url": 5}),
        hands_on: true,
        is_repeatable,
    }
}
