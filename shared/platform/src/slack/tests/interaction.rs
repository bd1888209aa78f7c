//! Clicks, choices and commands.

use serde_json::{Value, json};

use super::{kind_of, public, told, with};

pub(super) fn button(fields: Value) -> Value {
    let button = json!({
        "action_id": "button_0", "block_id": "b1", "text": {"type": "plain_text", "text": "Yes", "emoji": true},
        "value": "yes", "type": "button", "action_ts": "1767323044.840180",
    });
    with(&button, fields)
}

#[test]
fn a_click_is_read_whole() {
    let payload = harness::platform::slack::interaction(&[button(json!({}))]);
    let trigger_id = payload["trigger_id"].as_str().unwrap();
    let expected = json!({"silent": true, "updates": [{
        "key": format!("{trigger_id}\n1767323044.840180\nb1\nbutton_0"),
        "payload": public(&payload),
        "kind": {
            "id": "1767323044.840180",
            "conversationId": "C061EG9SL",
            "from": {"id": "U061F7AUR", "name": "ada"},
            "to": {"id": "A0MDYCDME"},
            "content": {"type": "BUTTON", "text": "Yes", "choice": {"id": "yes", "title": "Yes"}},
            "replyTo": {"messageId": "1767323000.000100"},
            "timestamp": 1_767_323_044_840_i64,
            "platform": "slack",
            "metadata": {"teamId": "T061EG9R6", "triggerId": trigger_id, "actionId": "button_0", "blockId": "b1"},
        },
    }]});
    assert_eq!(told(&payload), expected);
}

#[test]
fn choices_are_read_by_the_kind_of_their_element() {
    let check = |action: Value, expected: Value| {
        let kind = kind_of(&harness::platform::slack::interaction(std::slice::from_ref(&action)));
        let content = kind.get("content").unwrap_or(&kind);
        assert_eq!(content, &expected, "{action}");
    };
    let option = |value: &str| json!({"text": {"type": "plain_text", "text": value.to_uppercase()}, "value": value});
    let element = |kind: &str, fields: Value| {
        with(&json!({"type": kind, "action_id": "list", "block_id": "b", "action_ts": "1767323044.000001"}), fields)
    };
    let list = |choice: Value| match choice.get("title") {
        Some(title) => json!({"type": "LIST", "text": title, "choice": choice}),
        None => json!({"type": "LIST", "choice": choice}),
    };
    let described = with(&option("a"), json!({"description": {"type": "plain_text", "text": "first"}}));
    check(
        element("static_select", json!({"selected_option": described})),
        list(json!({"id": "a", "title": "A", "description": "first"})),
    );
    check(element("overflow", json!({"selected_option": option("a")})), list(json!({"id": "a", "title": "A"})));
    check(
        element("checkboxes", json!({"selected_options": [option("a"), option("b")]})),
        list(json!({"id": "a", "title": "A", "ids": ["a", "b"]})),
    );
    check(element("users_select", json!({"selected_user": "U1"})), list(json!({"id": "U1"})));
    check(element("channels_select", json!({"selected_channel": "C1"})), list(json!({"id": "C1"})));
    check(
        element("multi_conversations_select", json!({"selected_conversations": ["C1", "C2"]})),
        list(json!({"id": "C1", "ids": ["C1", "C2"]})),
    );
    check(element("datepicker", json!({"selected_date": "2026-01-02"})), list(json!({"id": "2026-01-02"})));
    check(element("datetimepicker", json!({"selected_date_time": 1_767_323_044})), list(json!({"id": "1767323044"})));
    check(element("checkboxes", json!({"selected_options": []})), json!({"event": "block_actions"}));
    check(element("plain_text_input", json!({"value": "x"})), json!({"event": "block_actions"}));
    let link = button(json!({"value": null, "url": "https://example.com"}));
    check(link, json!({"type": "BUTTON", "text": "Yes", "choice": {"id": "button_0", "title": "Yes"}}));
}

#[test]
fn each_of_several_actions_is_news_of_its_own() {
    let other = button(json!({"action_id": "button_1", "value": "no"}));
    let broken = button(json!({"action_ts": 1}));
    let told = told(&harness::platform::slack::interaction(&[button(json!({})), broken.clone(), other.clone()]));
    let updates = told["updates"].as_array().unwrap();
    assert_eq!(updates.len(), 3);
    assert_ne!(updates[0]["key"], updates[2]["key"]);
    assert_eq!(updates[2]["kind"]["content"]["choice"]["id"], "no");
    assert_eq!(updates[2]["payload"]["actions"], json!([other]));
    assert!(updates[1]["unreadable"].as_str().unwrap().contains("the action cannot be read"), "{}", updates[1]);
    assert_eq!(updates[1]["payload"]["actions"], json!([broken]));
    assert!(!told.to_string().contains(harness::platform::slack::VERIFICATION_TOKEN));
    let many = vec![button(json!({})); 101];
    assert_eq!(self::told(&harness::platform::slack::interaction(&many))["refused"], "TooLarge");
}

#[test]
fn a_click_in_a_view_is_answered_to_its_user() {
    let payload = harness::platform::slack::interaction(&[button(json!({}))]);
    let view = json!({"channel": null, "message": null, "team": null, "container": {"type": "view", "view_id": "V1"}});
    let kind = kind_of(&with(&payload, view));
    assert_eq!((&kind["conversationId"], kind.get("replyTo")), (&json!("U061F7AUR"), None));
    assert_eq!(kind["metadata"]["teamId"], "T061EG9R6");
}

#[test]
fn a_command_is_read_whole() {
    let payload = json!({
        "token": "gIkuvaNzQIHg97ATvDxqgjtO", "team_id": "T0001", "channel_id": "C2147483705", "user_id": "U2147483697",
        "user_name": "Steve", "command": "/weather", "text": "94070", "api_app_id": "A123456", "response_url": "https://x",
        "trigger_id": "13345224609.738474920.8088930838d88f008e0",
    });
    let expected = json!({"silent": true, "updates": [{
        "key": "13345224609.738474920.8088930838d88f008e0",
        "payload": public(&payload),
        "kind": {
            "id": "13345224609.738474920.8088930838d88f008e0",
            "conversationId": "C2147483705",
            "from": {"id": "U2147483697", "name": "Steve"},
            "to": {"id": "A123456"},
            "content": {"type": "COMMAND", "text": "94070", "command": {"name": "weather"}},
            "timestamp": 1_767_323_044_000_i64,
            "platform": "slack",
            "metadata": {"teamId": "T0001", "triggerId": "13345224609.738474920.8088930838d88f008e0"},
        },
    }]});
    assert_eq!(told(&payload), expected);
    let bare = kind_of(&with(&payload, json!({"text": "", "api_app_id": null})));
    assert_eq!(bare["content"], json!({"type": "COMMAND", "command": {"name": "weather"}}));
}
