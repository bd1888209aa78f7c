//! Updates as Telegram documents them.

use serde_json::value::RawValue;

use super::*;
use crate::reading::{DedupKey, Kind, Unreadable, Update};
use crate::sample::variant_of;

const NOW_MS: i64 = 1_767_323_045_678;

/// Reads one update and hands on what became of it.
pub(super) fn read<T>(body: &str, with: impl FnOnce(Result<Update<'_>, Unreadable<'_>>) -> T) -> Result<T, Error> {
    let payload: &RawValue = serde_json::from_str(body).unwrap();
    let now = Timestamp::from_millisecond(NOW_MS).unwrap();
    let inbound = Inbound { headers: &HeaderMap::new(), payload, recipe: None, now };
    let Reading::Updates { mut updates, reply: None } = Telegram.read(&inbound)? else {
        panic!("Telegram wants to hear nothing in particular");
    };
    assert_eq!(updates.len(), 1);
    Ok(with(updates.remove(0)))
}

/// Returns the message that an update becomes, without what all messages of these tests have in common.
fn message(member: &str, value: Value) -> Value {
    let mut update = json!({"update_id": 10});
    update[member] = value;
    let message = read(&update.to_string(), |found| {
        let found = found.map_err(|unreadable| unreadable.reason).unwrap();
        let (DedupKey::Id(key), Kind::Message { message, reply_token: None }) = (found.key, found.kind) else {
            panic!("{update} is a message");
        };
        assert_eq!(&*key, b"update:10");
        assert_eq!(serde_json::from_str::<Value>(found.payload.get()).unwrap(), update);
        message
    });
    let mut message = serde_json::to_value(message.unwrap()).unwrap();
    assert_eq!(message.as_object_mut().unwrap().remove("platform"), Some(json!("telegram")));
    message
}

/// Returns the kind of the event that an update becomes.
fn kind(update: &Value) -> Option<String> {
    let event = read(&update.to_string(), |found| match found.map_err(|unreadable| unreadable.reason).unwrap().kind {
        Kind::Event { name } => name,
        _ => panic!("{update} is an event"),
    });
    event.unwrap()
}

pub(super) fn ada() -> Value {
    json!({
        "id": 7, "is_bot": false, "first_name": "Ada", "last_name": "Lovelace", "username": "ada",
        "language_code": "en",
    })
}

pub(super) fn private() -> Value {
    json!({"id": 7, "type": "private", "first_name": "Ada", "last_name": "Lovelace", "username": "ada"})
}

/// A message in a private chat, with what else it has.
pub(super) fn with(rest: &Value) -> Value {
    merged(json!({"message_id": 365, "date": 1_700_000_000, "from": ada(), "chat": private()}), rest)
}

fn merged(mut value: Value, rest: &Value) -> Value {
    value.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    value
}

/// A normalised message from Ada with a content.
fn from_ada(content: &Value) -> Value {
    json!({
        "id": "365", "conversationId": "7", "from": {"id": "7", "name": "Ada Lovelace"},
        "to": {"id": "7", "name": "Ada Lovelace"}, "content": content, "timestamp": 1_700_000_000_000_u64,
        "metadata": {"chatType": "private", "username": "ada", "languageCode": "en"},
    })
}

#[test]
fn each_kind_of_content_is_read() {
    let check = |rest: Value, content: Value| assert_eq!(message("message", with(&rest)), from_ada(&content), "{rest}");
    let file = |id: &str| json!({"file_id": id, "file_unique_id": "u", "duration": 3, "file_size": 5});
    let media = |kind: &str, id: &str| json!({"type": "FILE", "media": {"kind": kind, "id": id, "sizeBytes": 5}});
    check(json!({"text": "hello"}), json!({"type": "TEXT", "text": "hello"}));
    check(
        json!({"caption": "a cat", "photo": [
            {"file_id": "large", "file_unique_id": "l", "width": 1280, "height": 960, "file_size": 9},
            {"file_id": "small", "file_unique_id": "s", "width": 90, "height": 67, "file_size": 1},
        ]}),
        json!({"type": "FILE", "text": "a cat", "media": {"kind": "image", "id": "large", "sizeBytes": 9}}),
    );
    let document = json!({"file_id": "d", "file_name": "a.pdf", "mime_type": "application/pdf", "file_size": 5});
    let expected = json!({"kind": "document", "id": "d", "mimeType": "application/pdf", "filename": "a.pdf",
        "sizeBytes": 5});
    check(json!({"document": document}), json!({"type": "FILE", "media": expected}));
    check(json!({"animation": file("a"), "document": file("a")}), media("video", "a"));
    check(json!({"video": file("v")}), media("video", "v"));
    check(json!({"video_note": file("n")}), media("video", "n"));
    check(json!({"audio": file("a")}), media("audio", "a"));
    check(json!({"voice": file("v")}), media("voice", "v"));
    check(json!({"sticker": file("s")}), media("sticker", "s"));
    let place = json!({"latitude": 52.5, "longitude": 13.25});
    check(json!({"location": place}), json!({"type": "LOCATION", "location": place}));
    check(
        json!({"location": place, "venue": {"location": place, "title": "Zoo", "address": "Platz 1"}}),
        json!({"type": "LOCATION", "location": merged(place, &json!({"name": "Zoo", "address": "Platz 1"}))}),
    );
    let contact = json!({"phone_number": "+491701", "first_name": "Bob", "user_id": 8});
    check(json!({"contact": contact}), json!({"type": "CONTACTS", "contacts": [contact]}));
}

#[test]
fn commands_are_told_from_text() {
    let check = |text: &str, content: Value| {
        assert_eq!(message("message", with(&json!({"text": text})))["content"], content, "{text}");
    };
    let command = |name: &str| json!({"type": "COMMAND", "command": {"name": name}});
    check("/start", command("start"));
    check("/start@hookyard_bot", command("start"));
    check("/order  two teas\nand milk ", merged(command("order"), &json!({"text": "two teas\nand milk"})));
    check("/order@hookyard_bot two", merged(command("order"), &json!({"text": "two"})));
    for text in ["/", "/ start", "/etc/passwd", "/@bot", "a /start", "/ä", &format!("/{}", "x".repeat(33))] {
        check(text, json!({"type": "TEXT", "text": text}));
    }
}

#[test]
fn a_command_names_the_bot_that_it_is_for() {
    let check = |text: &str, expected: Option<&str>| {
        let read = message("message", with(&json!({"text": text})));
        assert_eq!(read["metadata"].get("commandBot").and_then(Value::as_str), expected, "{text}");
    };
    check("/tea@other_bot", Some("other_bot"));
    check("/tea@other_bot green", Some("other_bot"));
    check("/tea", None);
    check("/tea@", None);
    check("/tea for me@home", None);
    check("me@home", None);
    let edited = with(&json!({"text": "/tea@other_bot", "edit_date": 1}));
    assert_eq!(message("edited_message", edited)["metadata"].get("commandBot"), None);
}

#[test]
fn groups_topics_replies_and_albums_are_told() {
    let group = json!({"id": -1_001_234_567_890_i64, "type": "supergroup", "title": "Tea", "is_forum": true});
    let in_group = |rest: Value| message("message", merged(with(&json!({"text": "hi", "chat": group})), &rest));
    let reply = in_group(json!({"reply_to_message": with(&json!({"message_id": 364, "text": "who?"})),
        "message_thread_id": 12, "is_topic_message": true}));
    let expected = json!({
        "id": "365", "conversationId": "-1001234567890", "threadId": "12",
        "from": {"id": "7", "name": "Ada Lovelace"}, "to": {"id": "-1001234567890", "name": "Tea"},
        "content": {"type": "TEXT", "text": "hi"}, "replyTo": {"messageId": "364"},
        "timestamp": 1_700_000_000_000_u64,
        "metadata": {"chatType": "supergroup", "username": "ada", "languageCode": "en"},
    });
    assert_eq!(reply, expected);
    let opening = json!({"message_id": 12, "date": 1, "chat": group, "forum_topic_created": {"name": "Green"}});
    let first = in_group(json!({"reply_to_message": opening, "message_thread_id": 12, "is_topic_message": true}));
    assert_eq!((first.get("replyTo"), &first["threadId"]), (None, &json!("12")));
    // An answer to a message of a group without topics is numbered as well, but that is no place to write to.
    assert_eq!(in_group(json!({"message_thread_id": 364})).get("threadId"), None);
    assert_eq!(in_group(json!({"media_group_id": "1350"}))["metadata"]["mediaGroupId"], "1350");
    let anonymous = in_group(json!({"sender_chat": group, "from": {"id": 1_087_968_824, "is_bot": true,
        "first_name": "Group"}}));
    assert_eq!(anonymous["from"], json!({"id": "-1001234567890", "name": "Tea"}));
}

#[test]
fn channels_and_businesses_are_read_like_chats() {
    let channel = json!({"id": -100, "type": "channel", "title": "News"});
    let post = json!({"message_id": 1, "date": 1_700_000_000, "chat": channel, "sender_chat": channel, "text": "!"});
    let read = message("channel_post", post);
    assert_eq!((&read["from"], &read["to"]), (&json!({"id": "-100", "name": "News"}), &read["from"]));
    let unsigned = json!({"message_id": 1, "date": 1_700_000_000, "chat": channel, "text": "!"});
    assert_eq!(message("channel_post", unsigned), read);
    let business = message("business_message", with(&json!({"text": "hi", "business_connection_id": "b1"})));
    assert_eq!(business["metadata"]["businessConnectionId"], "b1");
}

#[test]
fn an_edit_is_the_message_in_its_new_form() {
    let target = json!({"messageId": "365"});
    let check = |member: &str, rest: Value, content: Value| {
        let message = message(member, with(&merged(json!({"edit_date": 1_700_000_100}), &rest)));
        assert_eq!(message, from_ada(&merged(content, &json!({"type": "EDIT", "target": target}))), "{rest}");
    };
    check("edited_message", json!({"text": "hello!"}), json!({"text": "hello!"}));
    check("edited_channel_post", json!({"text": "/start"}), json!({"text": "/start"}));
    check(
        "edited_business_message",
        json!({"caption": "b", "voice": {"file_id": "v"}}),
        json!({"text": "b", "media": {"kind": "voice", "id": "v"}}),
    );
}

#[test]
fn a_pressed_button_names_its_message() {
    let keyboard = json!({"inline_keyboard": [[{"text": "No", "callback_data": "no"}],
        [{"text": "Site", "url": "https://x.test"}, {"text": "Yes", "callback_data": "yes"}]]});
    let below = with(&json!({"text": "Tea?", "reply_markup": keyboard, "message_thread_id": 4,
        "is_topic_message": true}));
    let query = json!({"id": "4382bfdwdsb323b2d9", "from": ada(), "message": below, "chat_instance": "1",
        "data": "yes"});
    let expected = merged(
        from_ada(&json!({"type": "BUTTON", "text": "Yes", "choice": {"id": "yes", "title": "Yes"}})),
        &json!({
            "id": "4382bfdwdsb323b2d9", "replyTo": {"messageId": "365"}, "threadId": "4", "timestamp": NOW_MS,
            "metadata": {"chatType": "private", "username": "ada", "languageCode": "en",
                "callbackQueryId": "4382bfdwdsb323b2d9"},
        }),
    );
    assert_eq!(message("callback_query", query.clone()), expected);

    let mut outside = query.clone();
    outside["message"]["is_topic_message"] = json!(false);
    assert_eq!(message("callback_query", outside).get("threadId"), None);

    let old = json!({"message": {"message_id": 365, "date": 0, "chat": private()}});
    let of_old = message("callback_query", merged(query.clone(), &old));
    assert_eq!((&of_old["content"]["choice"], &of_old["replyTo"]), (&json!({"id": "yes"}), &expected["replyTo"]));

    let mut inline = query;
    inline.as_object_mut().unwrap().remove("message");
    let of_inline = message("callback_query", merged(inline, &json!({"inline_message_id": "i1"})));
    assert_eq!((&of_inline["conversationId"], of_inline.get("replyTo")), (&json!("7"), None));
    assert_eq!(of_inline["metadata"]["inlineMessageId"], "i1");
}

#[test]
fn a_reaction_comes_or_goes() {
    let emoji = |emoji: &str| json!({"type": "emoji", "emoji": emoji});
    let check = |old: Value, new: Value, reaction: Value| {
        let change = json!({"chat": private(), "message_id": 365, "user": ada(), "date": 1_700_000_000,
            "old_reaction": old, "new_reaction": new});
        let content = json!({"type": "REACTION", "target": {"messageId": "365"}, "reaction": reaction});
        let expected = merged(from_ada(&content), &json!({"id": "update:10"}));
        assert_eq!(message("message_reaction", change), expected);
    };
    check(json!([]), json!([emoji("👍")]), json!({"emoji": "👍", "removed": false}));
    check(json!([emoji("👍")]), json!([]), json!({"emoji": "👍", "removed": true}));
    check(json!([emoji("👍")]), json!([emoji("🔥")]), json!({"emoji": "🔥", "removed": false}));
    check(json!([emoji("👍"), emoji("🔥")]), json!([emoji("🔥")]), json!({"emoji": "👍", "removed": true}));
    let custom = json!({"type": "custom_emoji", "custom_emoji_id": "5368324170671202286"});
    check(json!([]), json!([custom]), json!({"emoji": "5368324170671202286", "removed": false}));
    check(json!([]), json!([{"type": "paid"}]), json!({"emoji": "paid", "removed": false}));
    let channel = json!({"id": -100, "type": "channel", "title": "News"});
    let change = json!({"chat": channel, "message_id": 1, "actor_chat": channel, "date": 1, "old_reaction": [],
        "new_reaction": [emoji("👍")]});
    assert_eq!(message("message_reaction", change)["from"], json!({"id": "-100", "name": "News"}));
}

#[test]
fn everything_else_is_an_event_of_its_name() {
    let check = |update: Value, expected: Option<&str>| assert_eq!(kind(&update).as_deref(), expected, "{update}");
    check(json!({"update_id": 1, "my_chat_member": {"chat": private()}}), Some("my_chat_member"));
    check(json!({"update_id": 1, "poll_answer": {}}), Some("poll_answer"));
    check(json!({"update_id": 1, "something_new": 5}), Some("something_new"));
    check(json!({"update_id": 1}), None);
    let joined = with(&json!({"new_chat_members": [ada()], "new_chat_member": ada(), "new_chat_participant": ada()}));
    check(json!({"update_id": 1, "message": joined}), Some("message.new_chat_members"));
    let pinned = with(&json!({"pinned_message": with(&json!({"text": "hi"}))}));
    check(json!({"update_id": 1, "channel_post": pinned}), Some("channel_post.pinned_message"));
    check(json!({"update_id": 1, "edited_message": with(&json!({"poll": {}}))}), Some("edited_message.poll"));
    check(json!({"update_id": 1, "message": with(&json!({}))}), Some("message"));
}

#[test]
fn what_is_no_update_is_refused() {
    let bodies = [
        "[]",
        "1",
        "null",
        "\"x\"",
        "{}",
        r#"{"message": {}}"#,
        r#"{"update_id": "1"}"#,
        r#"{"update_id": 1.5}"#,
        r#"{"update_id": null}"#,
        r#"{"update_id": 123456789012345678901234567890}"#,
        r#"[{"update_id": 1}]"#,
    ];
    for body in bodies {
        let refusal = read(body, |_| ()).unwrap_err();
        assert_eq!(variant_of(&refusal), "Body", "{body}");
    }
}

#[test]
fn an_update_with_wrong_types_is_accepted_as_unreadable() {
    let check = |member: &str, value: Value| {
        let update = json!({"update_id": 1, member: value}).to_string();
        let reason = read(&update, |found| match found {
            Err(unreadable) => {
                assert_eq!(unreadable.payload.get(), update);
                unreadable.reason
            }
            Ok(_) => panic!("{update} cannot be read"),
        });
        assert!(reason.unwrap().starts_with(&format!("`{member}` ")), "{update}");
    };
    for member in ["message", "edited_message", "callback_query", "message_reaction"] {
        for value in [json!(null), json!(1), json!("x"), json!([]), json!({})] {
            check(member, value);
        }
    }
    check("message", with(&json!({"text": 5})));
    check("message", with(&json!({"message_id": 1.5, "text": "x"})));
    check("message", with(&json!({"message_id": 1e300, "text": "x"})));
    check("message", with(&json!({"date": "yesterday", "text": "x"})));
    check("message", with(&json!({"chat": {"id": "7"}, "text": "x"})));
    check("message", with(&json!({"photo": [1]})));
}

#[test]
fn a_far_date_is_the_last_moment_there_is() {
    let read = message("message", with(&json!({"date": i64::MAX, "text": "x"})));
    assert_eq!(read["timestamp"], json!(i64::MAX));
}

#[test]
fn what_a_program_wrote_starts_no_conversation() {
    let update = |member: &str, rest: Value| {
        let mut update = json!({"update_id": 10});
        update[member] = with(&rest);
        update
    };
    let bot = json!({"id": 8, "is_bot": true, "first_name": "Echo"});
    for member in ["message", "edited_message", "business_message"] {
        let of_bot = update(member, json!({"text": "hello", "from": bot}));
        assert_eq!(kind(&of_bot).as_deref(), Some("bot_message"), "{of_bot}");
        let of_ours = update(member, json!({"text": "hello", "sender_business_bot": bot}));
        assert_eq!(kind(&of_ours).as_deref(), Some("bot_message"), "{of_ours}");
    }
}

#[test]
fn what_has_happened_to_a_chat_is_told_whoever_did_it() {
    let mask = json!({"id": 1_087_968_824, "is_bot": true, "first_name": "Group", "username": "GroupAnonymousBot"});
    let bot = json!({"id": 8, "is_bot": true, "first_name": "Echo"});
    let channel = json!({"id": 136_817_688, "is_bot": true, "first_name": "Channel"});
    let check = |rest: Value, expected: &str| {
        for from in [&mask, &bot, &channel] {
            let update = json!({"update_id": 10, "message": merged(with(&rest), &json!({"from": from}))});
            assert_eq!(kind(&update).as_deref(), Some(expected), "{update}");
        }
    };
    check(json!({"migrate_from_chat_id": -22}), "message.migrate_from_chat_id");
    check(json!({"migrate_to_chat_id": -10_022}), "message.migrate_to_chat_id");
    check(json!({"pinned_message": with(&json!({"text": "hi"}))}), "message.pinned_message");
    check(json!({"new_chat_title": "Tea"}), "message.new_chat_title");
    check(json!({"left_chat_member": bot, "left_chat_participant": bot}), "message.left_chat_member");
    check(json!({"new_chat_members": [ada()], "new_chat_member": ada()}), "message.new_chat_members");
    check(json!({"video_chat_started": {}}), "message.video_chat_started");
    check(json!({"sender_business_bot": bot, "new_chat_photo": []}), "message.new_chat_photo");
    // What a bot wrote is the message of a bot, also where other platforms have nothing like it.
    for written in ["poll", "dice", "game", "story"] {
        let update = json!({"update_id": 10, "message": with(&json!({"from": bot, written: {}}))});
        assert_eq!(kind(&update).as_deref(), Some("bot_message"), "{written}");
    }
    let edited = with(&json!({"from": bot, "poll": {}, "edit_date": 1}));
    assert_eq!(kind(&json!({"update_id": 10, "edited_message": edited})).as_deref(), Some("bot_message"));
}

#[test]
fn an_anonymous_administrator_is_a_person() {
    let mask = json!({"id": 1_087_968_824, "is_bot": true, "first_name": "Group", "username": "GroupAnonymousBot"});
    assert_eq!(message("message", with(&json!({"from": mask, "text": "hi"})))["content"]["text"], "hi");
    let nameless = message("message", with(&json!({"from": {"id": 9}, "text": "hi"})));
    assert_eq!(nameless["from"], json!({"id": "9"}));
}
