//! Messages to WhatsApp, and what its answers mean.

use std::time::Duration;

use http::header::{AUTHORIZATION, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Method};
use serde_json::{Map, Value, json};

use super::super::*;
use super::credentials;
use crate::chat::{Access, Answer, ApiRequest, Outgoing, Problem, Verdict};

const TOKEN: &str = "EAAJB-hush";

fn access_with<T>(given: Value, with: impl FnOnce(&Access<'_>) -> T) -> T {
    let credentials = credentials(given);
    with(&Access { api_url: "https://graph.example", credentials: &credentials })
}

fn send_request(message: Value) -> Result<ApiRequest, Error> {
    let message: Outgoing = serde_json::from_value(message).unwrap();
    access_with(json!({"accessToken": TOKEN, "phoneNumberId": "1065"}), |access| {
        WhatsApp.send_request(access, &message)
    })
}

fn body(message: Value) -> Value {
    let shown = message.to_string();
    let call = send_request(message).unwrap_or_else(|refusal| panic!("{shown}: {}", refusal));
    serde_json::from_slice(&call.body).unwrap()
}

#[test]
fn a_text_is_one_call_with_the_token_in_its_header_alone() {
    let call = send_request(json!({"to": {"id": "16505551234"}, "content": {"text": "hello"}})).unwrap();
    assert_eq!((&call.method, call.url.as_str()), (&Method::POST, "https://graph.example/1065/messages"));
    assert_eq!(call.headers[AUTHORIZATION], format!("Bearer {TOKEN}"));
    let expected = json!({
        "messaging_product": "whatsapp", "recipient_type": "individual", "to": "16505551234",
        "type": "text", "text": {"body": "hello", "preview_url": false},
    });
    assert_eq!(serde_json::from_slice::<Value>(&call.body).unwrap(), expected);
    assert!(!format!("{call:?}").contains(TOKEN), "{call:?}");
}

#[test]
fn each_content_becomes_its_type() {
    let check = |content: Value, kind: &str, part: Value| {
        let sent = body(json!({"to": {"id": "1"}, "content": content}));
        let mut expected = json!({"messaging_product": "whatsapp", "recipient_type": "individual", "to": "1"});
        expected["type"] = kind.into();
        expected[kind] = part;
        assert_eq!(sent, expected, "{content}");
    };
    let url = "https://example.com/a";
    let file = |media: Value| json!({"type": "FILE", "text": "c", "media": media});
    check(file(json!({"mimeType": "image/png", "url": url})), "image", json!({"link": url, "caption": "c"}));
    check(file(json!({"kind": "video", "id": "7", "url": url})), "video", json!({"id": "7", "caption": "c"}));
    check(
        file(json!({"id": "7", "mimeType": "application/pdf", "filename": "a.pdf"})),
        "document",
        json!({"id": "7", "caption": "c", "filename": "a.pdf"}),
    );
    check(json!({"type": "FILE", "media": {"kind": "audio", "id": "7"}}), "audio", json!({"id": "7"}));
    check(json!({"type": "FILE", "media": {"kind": "voice", "id": "7"}}), "audio", json!({"id": "7", "voice": true}));
    check(
        json!({"type": "FILE", "attachments": [{"kind": "sticker", "id": "7", "filename": "a"}]}),
        "sticker",
        json!({"id": "7"}),
    );
    let place = json!({"latitude": 37.5, "longitude": -122.25, "name": "n", "address": "a"});
    check(json!({"type": "LOCATION", "location": place}), "location", place);
    let contacts = json!([{"name": {"formatted_name": "B"}, "phones": [{"phone": "+1"}]}]);
    check(json!({"type": "CONTACTS", "contacts": contacts}), "contacts", contacts);
    let target = json!({"messageId": "wamid.T"});
    let reaction = |reaction: Value| json!({"type": "REACTION", "reaction": reaction, "target": target});
    check(reaction(json!({"emoji": "e"})), "reaction", json!({"message_id": "wamid.T", "emoji": "e"}));
    check(reaction(json!({"emoji": "e", "removed": true})), "reaction", json!({"message_id": "wamid.T", "emoji": ""}));
    check(
        json!({"type": "TEMPLATE", "template": {"name": "n", "language": "en_US"}}),
        "template",
        json!({"name": "n", "language": {"code": "en_US"}}),
    );
    let components = json!([{"type": "body", "parameters": [{"type": "text", "text": "x"}]}]);
    check(
        json!({"type": "TEMPLATE", "template": {"name": "n", "language": "de", "components": components}}),
        "template",
        json!({"name": "n", "language": {"code": "de"}, "components": components}),
    );
}

#[test]
fn choices_become_interactive() {
    let check = |content: Value, part: Value| {
        let sent = body(json!({"to": {"id": "1"}, "content": content}));
        assert_eq!((&sent["type"], &sent["interactive"]), (&json!("interactive"), &part), "{content}");
    };
    check(
        json!({"text": "t", "buttons": [{"id": "y", "title": "Yes"}, {"title": "No"}]}),
        json!({"type": "button", "body": {"text": "t"}, "action": {"buttons": [
            {"type": "reply", "reply": {"id": "y", "title": "Yes"}},
            {"type": "reply", "reply": {"id": "No", "title": "No"}},
        ]}}),
    );
    check(
        json!({"text": "t", "buttons": [{"title": "Open", "url": "https://example.com"}]}),
        json!({"type": "cta_url", "body": {"text": "t"}, "action": {
            "name": "cta_url", "parameters": {"display_text": "Open", "url": "https://example.com"},
        }}),
    );
    check(
        json!({"text": "t", "list": {"title": "Choose", "rows": [
            {"id": "a", "title": "A", "description": "first"}, {"id": "b", "title": "B"},
        ]}}),
        json!({"type": "list", "body": {"text": "t"}, "action": {"button": "Choose", "sections": [{"rows": [
            {"id": "a", "title": "A", "description": "first"}, {"id": "b", "title": "B"},
        ]}]}}),
    );
}

#[test]
fn answers_hidden_people_and_native_members_change_the_body() {
    let reply = body(json!({"to": {"id": "1"}, "content": {"text": "x"}, "replyTo": {"messageId": "wamid.Q"}}));
    assert_eq!(reply["context"], json!({"message_id": "wamid.Q"}));
    let hidden = body(json!({"to": {"id": "US.13491208655302741918"}, "content": {"text": "x"}}));
    assert_eq!((hidden.get("to"), &hidden["recipient"]), (None, &json!("US.13491208655302741918")));
    let group = body(json!({"to": {"id": "G"}, "content": {"text": "x", "native": {"recipient_type": "group"}}}));
    assert_eq!((&group["recipient_type"], &group["text"]["body"]), (&json!("group"), &json!("x")));
    let native = json!({"type": "text", "text": {"body": "https://example.com", "preview_url": true}});
    let own = body(json!({"to": {"id": "1"}, "content": {"native": native}}));
    let expected = json!({
        "messaging_product": "whatsapp", "recipient_type": "individual", "to": "1",
        "type": "text", "text": {"body": "https://example.com", "preview_url": true},
    });
    assert_eq!(own, expected);
}

fn check_refused(message: Value, field: &str) {
    let shown = message.to_string().chars().take(200).collect::<String>();
    let refusal = send_request(message).map(|call| call.url).unwrap_err();
    assert!(
        matches!(refusal, Error::Field { .. } | Error::MissingField(_)) && refusal.to_string().contains(field),
        "{shown}: {refusal}"
    );
}

#[test]
fn what_whatsapp_cannot_take_is_refused_by_field() {
    let check = |content: Value, field: &str| check_refused(json!({"to": {"id": "1"}, "content": content}), field);
    check(json!({}), "`content.text`");
    check(json!({"text": " "}), "`content.text`");
    check(json!({"text": "\u{e9}".repeat(4097)}), "4096");
    check(json!({"text": "x", "media": {"id": "1"}}), "`content.type`");
    for kind in ["BUTTON", "LIST", "EDIT", "DELETE", "COMMAND", "UNSUPPORTED"] {
        check(json!({"type": kind, "text": "x"}), "`content.type`");
    }
    let file = |media: Value| json!({"type": "FILE", "text": "x", "media": media});
    check(json!({"type": "FILE"}), "`content.media`");
    check(file(json!({})), "`content.media`");
    check(file(json!({"id": "", "url": ""})), "`content.media`");
    check(file(json!({"url": "ftp://example.com"})), "`content.media.url`");
    check(file(json!({"id": "1", "kind": "sticker"})), "`content.text`");
    check(file(json!({"id": "1", "kind": "voice"})), "`content.text`");
    check(json!({"type": "FILE", "media": {"id": "1"}, "text": "x".repeat(1025)}), "1024");
    check(json!({"type": "FILE", "attachments": [{"id": "1"}, {"id": "2"}]}), "`content.attachments`");
    check(json!({"type": "FILE", "media": {"id": "1"}, "buttons": [{"title": "x"}]}), "`content.type`");
    check(json!({"type": "LOCATION"}), "`content.location`");
    check(json!({"type": "LOCATION", "location": {"latitude": 91, "longitude": 0}}), "`content.location.latitude`");
    check(json!({"type": "LOCATION", "location": {"latitude": 0, "longitude": -181}}), "`content.location.longitude`");
    check(json!({"type": "CONTACTS"}), "`content.contacts`");
    check(json!({"type": "REACTION", "reaction": {"emoji": "x"}}), "`content.target`");
    check(json!({"type": "REACTION", "target": {"messageId": "x"}}), "`content.reaction`");
    check(json!({"type": "REACTION", "target": {"messageId": "x"}, "reaction": {}}), "`content.reaction.emoji`");
    check(json!({"type": "REACTION", "target": {"messageId": ""}, "reaction": {}}), "`content.target.messageId`");
    check(json!({"type": "TEMPLATE"}), "`content.template`");
    check(json!({"type": "TEMPLATE", "template": {"name": "", "language": "de"}}), "`content.template.name`");
    check(json!({"type": "TEMPLATE", "template": {"name": "n", "language": ""}}), "`content.template.language`");
    check_refused(json!({"to": {"id": " "}, "content": {"text": "x"}}), "`to.id`");
    check_refused(json!({"to": {"id": "1"}, "content": {"text": "x"}, "threadId": "t"}), "`threadId`");
    let reply = json!({"to": {"id": "1"}, "content": {"text": "x"}, "replyTo": {"messageId": ""}});
    check_refused(reply, "`replyTo.messageId`");
}

#[test]
fn choices_that_whatsapp_cannot_show_are_refused_by_field() {
    let check = |mut content: Value, field: &str| {
        if content.get("text").is_none() {
            content["text"] = "t".into();
        }
        check_refused(json!({"to": {"id": "1"}, "content": content}), field);
    };
    let button = |id: &str, title: &str| json!({"id": id, "title": title});
    check(json!({"buttons": [button("a", "A"), button("b", "B"), button("c", "C"), button("d", "D")]}), "3");
    check(json!({"buttons": [button("a", "A"), button("a", "B")]}), "`content.buttons[1].id`");
    check(json!({"buttons": [button("a", "")]}), "`content.buttons[0].title`");
    check(json!({"buttons": [button("", "A")]}), "`content.buttons[0].id`");
    check(json!({"buttons": [button("a", &"x".repeat(21))]}), "20");
    check(json!({"buttons": [button(&"x".repeat(257), "A")]}), "256");
    check(json!({"text": "x".repeat(1025), "buttons": [button("a", "A")]}), "1024");
    check(json!({"text": "", "buttons": [button("a", "A")]}), "`content.text`");
    check(json!({"buttons": [button("a", "A"), {"title": "B", "url": "https://x"}]}), "`content.buttons[1].url`");
    let list = |rows: Vec<Value>| json!({"list": {"title": "t", "rows": rows}});
    let row = |id: usize| json!({"id": id.to_string(), "title": "t"});
    check(list(vec![]), "`content.list.rows`");
    check(list((0..11).map(row).collect()), "`content.list.rows`");
    check(list(vec![row(1), row(1)]), "`content.list.rows[1].id`");
    check(list(vec![json!({"id": "x".repeat(201), "title": "t"})]), "200");
    check(list(vec![json!({"id": "x", "title": "t".repeat(25)})]), "24");
    check(list(vec![json!({"id": "x", "title": "t", "description": "t".repeat(73)})]), "72");
    check(json!({"list": {"title": "", "rows": [row(1)]}}), "`content.list.title`");
    check(json!({"list": {"title": "t", "rows": [row(1)]}, "buttons": [button("a", "A")]}), "`content.list`");
}

#[test]
fn sending_needs_the_token_and_the_id_of_the_phone_number() {
    let check = |given: Value, field: &str| {
        let message: Outgoing = serde_json::from_value(json!({"to": {"id": "1"}, "content": {"text": "x"}})).unwrap();
        access_with(given, |access| {
            for refusal in
                [WhatsApp.send_request(access, &message).unwrap_err(), WhatsApp.health_request(access).unwrap_err()]
            {
                assert!(refusal.to_string().contains(field), "{}", refusal);
            }
        });
    };
    check(json!({"phoneNumberId": "1"}), "`credentials.accessToken`");
    check(json!({"accessToken": "a\nb", "phoneNumberId": "1"}), "`credentials.accessToken`");
    check(json!({"accessToken": "x"}), "`credentials.phoneNumberId`");
    check(json!({"accessToken": "x", "phoneNumberId": "../x"}), "`credentials.phoneNumberId`");
}

fn answer(status: u16, body: &Value) -> Answer {
    Answer { status, headers: HeaderMap::new(), body: body.to_string().into() }
}

fn error(status: u16, code: i64) -> Answer {
    let details = json!({"messaging_product": "whatsapp", "details": "d"});
    answer(status, &json!({"error": {"message": "m", "type": "OAuthException", "code": code, "error_data": details}}))
}

#[test]
fn an_id_says_that_a_message_was_taken() {
    let taken = json!({
        "messaging_product": "whatsapp", "contacts": [{"input": "+1", "wa_id": "1"}],
        "messages": [{"id": "wamid.N", "message_status": "held_for_quality_assessment"}],
    });
    let metadata = json!({"messageStatus": "held_for_quality_assessment", "waId": "1"});
    let Value::Object(metadata) = metadata else { unreachable!() };
    let expected = Verdict::Sent { message_id: Some("wamid.N".to_owned()), metadata };
    assert_eq!(WhatsApp.parse_send(&answer(200, &taken)), expected);
    let bare = Verdict::Sent { message_id: Some("w".to_owned()), metadata: Map::new() };
    assert_eq!(WhatsApp.parse_send(&answer(200, &json!({"messages": [{"id": "w"}]}))), bare);
    for body in
        [json!({}), json!({"messages": []}), json!({"messages": [{"id": ""}]}), json!("ok"), json!({"success": true})]
    {
        assert!(matches!(WhatsApp.parse_send(&answer(200, &body)), Verdict::Unknown(_)), "{body}");
    }
}

#[test]
fn limits_and_outages_are_for_later_and_everything_else_is_refused() {
    let later = |answer: &Answer| match WhatsApp.parse_send(answer) {
        Verdict::Retry { problem, after, .. } => Some((problem.code, after)),
        _ => None,
    };
    for code in [4, 80_007, 130_429, 131_048] {
        assert_eq!(later(&error(400, code)), Some((code.to_string(), None)));
    }
    assert_eq!(later(&error(400, 131_056)), Some(("131056".to_owned(), Some(Duration::from_secs(6)))));
    for status in [429, 500, 503] {
        assert_eq!(later(&error(status, 131_000)), Some(("131000".to_owned(), None)));
    }
    assert_eq!(later(&answer(502, &json!("Bad Gateway"))), Some(("502".to_owned(), None)));
    assert_eq!(later(&answer(400, &json!({"error": {"code": 2, "is_transient": true}}))), Some(("2".to_owned(), None)));
    let mut named = error(429, 131_056);
    named.headers.insert(RETRY_AFTER, HeaderValue::from_static("30"));
    assert_eq!(later(&named), Some(("131056".to_owned(), Some(Duration::from_secs(30)))));
    assert_eq!(WhatsApp.parse_send(&error(400, 131_047)), Verdict::Refused(Problem::new(131_047, "m: d")));
    for (status, code) in [(400, 100), (401, 190), (403, 10), (400, 131_026), (404, 100)] {
        assert_eq!(later(&error(status, code)), None, "{code}");
    }
    assert!(matches!(WhatsApp.parse_send(&answer(302, &json!({}))), Verdict::Refused(_)));
}

#[test]
fn no_problem_repeats_the_token_or_is_long() {
    let message = format!("Malformed access token {TOKEN}");
    let refused = answer(401, &json!({"error": {"message": message, "type": "OAuthException", "code": 190}}));
    let expected = Problem::new(190, "the access token has expired or is not valid");
    assert_eq!(WhatsApp.parse_send(&refused), Verdict::Refused(expected.clone()));
    assert_eq!(WhatsApp.parse_health(&refused), Err(expected));
    let long = answer(400, &json!({"error": {"message": "\u{e9}".repeat(100_000), "code": 100}}));
    assert!(WhatsApp.parse_health(&long).unwrap_err().message.chars().count() <= 1_000);
}

#[test]
fn the_phone_number_tells_how_it_is() {
    access_with(json!({"accessToken": TOKEN, "phoneNumberId": "1065"}), |access| {
        let call = WhatsApp.health_request(access).unwrap();
        let url = "https://graph.example/1065?fields=display_phone_number,verified_name,quality_rating";
        assert_eq!((&call.method, call.url.as_str()), (&Method::GET, url));
        assert_eq!(call.headers[AUTHORIZATION], format!("Bearer {TOKEN}"));
    });
    let number = json!({"id": "1065", "display_phone_number": "+1", "verified_name": "n", "quality_rating": "GREEN"});
    let expected = json!({"displayPhoneNumber": "+1", "verifiedName": "n", "qualityRating": "GREEN"});
    assert_eq!(WhatsApp.parse_health(&answer(200, &number)).map(Value::from), Ok(expected));
    let code = |answer: &Answer| WhatsApp.parse_health(answer).unwrap_err().code;
    assert_eq!(code(&answer(200, &json!({"id": "1065"}))), "200");
    assert_eq!(code(&error(400, 100)), "100");
    assert_eq!(code(&answer(503, &json!(null))), "503");
}
