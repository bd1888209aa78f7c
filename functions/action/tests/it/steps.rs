//! The faults that every function which does steps survives.

use futures::FutureExt as _;
use harness::steps::Owner;
use serde_json::json;

use crate::setup::{app, ask, stored};

harness::step_faults! {
    http_post: http("POST", false);
    http_get: http("GET", true);
    action_post: action("create_charge", false);
    action_get: action("get_account", true);
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

fn action(action: &'static str, is_repeatable: bool) -> Owner {
    Owner {
        function: "ActionFunction",
        constructor: action::function,
        action_type: "action",
        action: match action {
            "get_account" => |world, server| {
                async move {
                    stored(world, app(server), json!({})).await;
                    ask("get_account", json!({"input": {"params": {"id": "1"}}}))
                }
                .boxed()
            },
            _ => |world, server| {
                async move {
                    stored(world, app(server), json!({})).await;
                    ask("create_charge", json!({"input": {"body": {"amount": 1}}}))
                }
                .boxed()
            },
        },
        effects: |_, server| async move { server.requests().len() }.boxed(),
        invalid: || json!({"env": 5}),
        hands_on: true,
        is_repeatable,
    }
}
