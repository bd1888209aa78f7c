//! Events of all kinds.

use serde_json::{Value, json};

use super::{kind_of, message, public, told, with};

/// Checks kind an event is, without kind is the same for all messages.
#[track_caller]
fn check_event(event: &Value, expected: Value) {
    let kind = kind_of(&harness::platform::slack::event("Ev1", event));
    let mut expected = expected;
    if expected.get("id").is_some() {
        expected["platform"] = "slack".into();
        expected["to"] = json!({"id": "A0MDYCDME"});
        expected["conversationId"] = "C061EG9SL".into();
        expected["from"] = json!({"id": "U061F7AUR"});
        expected["metadata"] = json!({"teamId": "T061EG9R6", "channelType": "channel", "eventId": "Ev1"});
        if event["channel_type"].is_null() {
            expected["metadata"].as_object_mut().unwrap().remove("channelType");
        }
    }
    assert_eq!(kind, expected, "{event}");
}

#[test]
fn a_message_is_read_whole() {
    let payload = harness::platform::slack::event(
        "Ev08MFMKH6",
        &harness::platform::slack::message("Hi <@U1> &amp; co", "1767323044.678900"),
    );
    let expected = json!({"silent": false, "updates": [{
        "key": "Ev08MFMKH6",
        "payload": public(&payload),
        "kind": {
            "id": "1767323044.678900",
            "conversationId": "C061EG9SL",
            "from": {"id": "U061F7AUR"},
            "to": {"id": "A0MDYCDME"},
            "content": {"type": "TEXT", "text": "Hi <@U1> &amp; co"},
            "timestamp": 1_767_323_044_678_i64,
            "platform": "slack",
            "metadata": {"teamId": "T061EG9R6", "channelType": "channel", "eventId": "Ev08MFMKH6"},
        },
    }]});
    assert_eq!(told(&payload), expected);
}

const AT: i64 = 1_767_323_044_000;

#[test]
fn messages_of_people_become_messages() {
    let base = json!({"id": "1767323044.000200", "timestamp": AT});
    let check = |fields: Value, expected: Value| check_event(&message(fields), with(&base, expected));
    let text = json!({"type": "TEXT", "text": "Hello"});
    check(json!({}), json!({"content": text}));
    check(json!({"subtype": "me_message"}), json!({"content": text}));
    check(json!({"text": ""}), json!({"content": {"type": "TEXT", "text": ""}}));
    check(json!({"text": null, "blocks": []}), json!({"content": {"type": "TEXT", "text": ""}}));
    check(json!({"files": []}), json!({"content": text}));
    let answer =
        json!({"content": text, "threadId": "1767320000.000100", "replyTo": {"messageId": "1767320000.000100"}});
    check(json!({"thread_ts": "1767320000.000100"}), answer.clone());
    check(json!({"thread_ts": "1767320000.000100", "subtype": "thread_broadcast"}), answer);
    let first = json!({"content": text, "threadId": "1767323044.000200"});
    check(json!({"thread_ts": "1767323044.000200"}), first);
}

#[test]
fn files_become_media() {
    let picture = json!({
        "id": "F1", "name": "a.png", "title": "A", "mimetype": "image/png", "filetype": "png", "size": 1234,
        "mode": "hosted", "url_private": "https://files.slack.com/files-pri/T1-F1/a.png",
        "url_private_download": "https://files.slack.com/files-pri/T1-F1/download/a.png",
    });
    let hidden = json!({"id": "F2", "mode": "file_access", "file_access": "check_file_info"});
    let media = json!({
        "kind": "image", "id": "F1", "url": "https://files.slack.com/files-pri/T1-F1/a.png", "mimeType": "image/png",
        "filename": "a.png", "sizeBytes": 1234,
    });
    let check = |fields: Value, content: Value| {
        let expected = json!({"id": "1767323044.000200", "timestamp": AT, "content": content});
        check_event(&message(fields), expected);
    };
    check(
        json!({"subtype": "file_share", "files": [picture]}),
        json!({"type": "FILE", "text": "Hello", "media": media}),
    );
    check(
        json!({"subtype": "file_share", "text": "", "files": [picture, hidden]}),
        json!({"type": "FILE", "media": media, "attachments": [media, {"id": "F2"}]}),
    );
}

/// What Slack says when a message has changed.
pub(super) fn changed(before: Value, after: Value) -> Value {
    json!({
        "type": "message", "subtype": "message_changed", "hidden": true, "channel": "C061EG9SL", "channel_type": "channel",
        "ts": "1767323045.000300", "event_ts": "1767323045.000300",
        "message": with(&written(), after), "previous_message": with(&written(), before),
    })
}

pub(super) fn deleted(before: Value) -> Value {
    json!({
        "type": "message", "subtype": "message_deleted", "hidden": true, "channel": "C061EG9SL", "channel_type": "channel",
        "ts": "1767323045.000300", "event_ts": "1767323045.000300", "deleted_ts": "1767323044.000200",
        "previous_message": with(&written(), before),
    })
}

fn written() -> Value {
    json!({"type": "message", "user": "U061F7AUR", "text": "Hello", "ts": "1767323044.000200"})
}

#[test]
fn edits_and_deletions_name_their_message() {
    let target = json!({"messageId": "1767323044.000200"});
    let base = json!({"id": "1767323045.000300", "timestamp": AT + 1_000});
    let edit = json!({"content": {"type": "EDIT", "text": "Hello!", "target": target}});
    let delete = json!({"content": {"type": "DELETE", "target": target}});
    let edited = json!({"text": "Hello!", "edited": {"user": "U061F7AUR", "ts": "1767323045.000000"}});
    check_event(&changed(json!({}), edited.clone()), with(&base, edit.clone()));
    check_event(&with(&changed(json!({}), edited), json!({"previous_message": null})), with(&base, edit));
    check_event(&deleted(json!({})), with(&base, delete.clone()));
    let tombstone = json!({"subtype": "tombstone", "user": "USLACKBOT", "text": "This message was deleted."});
    check_event(&changed(json!({}), tombstone.clone()), with(&base, delete));
    // Neither edits nor deletions of a person: previews of links, and what becomes of a tombstone.
    let preview = json!({"attachments": [{"from_url": "https://example.com"}]});
    check_event(&changed(json!({}), preview), json!({"event": "message.message_changed"}));
    check_event(&changed(tombstone.clone(), tombstone.clone()), json!({"event": "message.message_changed"}));
    check_event(&deleted(tombstone), json!({"event": "message.message_deleted"}));
    check_event(
        &with(&deleted(json!({})), json!({"previous_message": null})),
        json!({"event": "message.message_deleted"}),
    );
    check_event(&deleted(json!({"user": null})), json!({"event": "message.message_deleted"}));
}

#[test]
fn reactions_name_their_message() {
    let event = |kind: &str, fields: Value| {
        let item = json!({"type": "message", "channel": "C061EG9SL", "ts": "1767323044.000200"});
        let event = json!({
            "type": kind, "user": "U061F7AUR", "reaction": "thumbsup", "item_user": "U0LAN0Z89", "item": item,
            "event_ts": "1767323045.000300",
        });
        with(&event, fields)
    };
    let expected = |removed: bool| {
        let content = json!({
            "type": "REACTION", "reaction": {"emoji": "thumbsup", "removed": removed},
            "target": {"messageId": "1767323044.000200"},
        });
        json!({"id": "1767323045.000300", "timestamp": AT + 1_000, "content": content})
    };
    check_event(&event("reaction_added", json!({})), expected(false));
    check_event(&event("reaction_removed", json!({})), expected(true));
    check_event(
        &event("reaction_added", json!({"item": {"type": "file", "file": "F1"}})),
        json!({"event": "reaction_added"}),
    );
    check_event(&event("reaction_removed", json!({"user": "U0LAN0Z89"})), json!({"event": "reaction_removed"}));
}

#[test]
fn messages_of_bots_are_events() {
    let bot = json!({"event": "bot_message"});
    check_event(&message(json!({"bot_id": "B1", "app_id": "A1"})), bot.clone());
    check_event(&message(json!({"subtype": "bot_message", "user": null, "username": "ci"})), bot.clone());
    check_event(&message(json!({"user": "U0LAN0Z89"})), bot.clone());
    check_event(&changed(json!({}), json!({"bot_id": "B1", "text": "x"})), bot.clone());
    check_event(&changed(json!({}), json!({"subtype": "bot_message", "text": "x"})), bot.clone());
    check_event(&deleted(json!({"bot_id": "B1"})), bot.clone());
    check_event(&deleted(json!({"user": "U0LAN0Z89"})), bot);
}

#[test]
fn what_has_happened_to_a_channel_is_told_whoever_did_it() {
    for subtype in ["channel_topic", "channel_join", "group_archive", "pinned_item", "reminder_add"] {
        for by in [json!({"bot_id": "B1"}), json!({"user": "U0LAN0Z89"}), json!({})] {
            let event = with(&message(json!({"subtype": subtype})), by);
            check_event(&event, json!({"event": format!("message.{subtype}")}));
        }
    }
}

#[test]
fn what_names_nobody_is_an_event() {
    let item = json!({"type": "message", "channel": "C061EG9SL", "ts": "1767323044.000200"});
    let reaction = json!({"type": "reaction_added", "reaction": "eyes", "item": item, "event_ts": "1767323045.000300"});
    check_event(&reaction, json!({"event": "reaction_added"}));
    check_event(&message(json!({"user": null, "text": null})), json!({"event": "message"}));
}

#[test]
fn everything_else_is_an_event_of_its_own_name() {
    check_event(&message(json!({"type": "app_mention"})), json!({"event": "app_mention"}));
    check_event(&json!({"type": "team_join", "user": {"id": "U1"}}), json!({"event": "team_join"}));
    check_event(&message(json!({"subtype": "channel_join"})), json!({"event": "message.channel_join"}));
    check_event(&message(json!({"user": null})), json!({"event": "message"}));
    let check = |payload: Value, key: Value, kind: &str, silent: bool| {
        let told = told(&payload);
        let updates = &told["updates"][0];
        assert_eq!(
            (&updates["key"], &updates["kind"]["event"], &told["silent"]),
            (&key, &json!(kind), &json!(silent)),
            "{payload}"
        );
        assert_eq!(updates["payload"], public(&payload));
    };
    let limited = json!({
        "token": "t", "type": "app_rate_limited", "minute_rate_limited": 1_518_467_820, "team_id": "T1", "api_app_id": "A1",
    });
    check(limited, Value::Null, "app_rate_limited", false);
    let submitted = json!({"token": "t", "type": "view_submission", "trigger_id": "1.2.3", "view": {"id": "V1"}});
    check(submitted, json!("1.2.3"), "view_submission", true);
    check(json!({"type": "view_closed", "view": {"id": "V1"}}), Value::Null, "view_closed", true);
    check(json!({"type": "shortcut", "trigger_id": "1.2.3"}), json!("1.2.3"), "shortcut", true);
    check(json!({"type": "block_actions", "user": {"id": "U1"}, "actions": []}), Value::Null, "block_actions", true);
}
