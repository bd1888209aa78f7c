use super::*;
use serde_json::json;

#[expect(clippy::needless_pass_by_value, reason = "cases are written in place")]
fn check(kind: &str, fields: Value, expected: Result<(), &str>) {
    let map = fields.as_object().unwrap();
    let result = ActionType::find(kind).and_then(|kind| kind.check(map, &["dependencies"], |text| text.contains("{{")));
    let result = result.map_err(|problem| problem.to_string());
    assert_eq!(result.as_ref().map_err(String::as_str).copied(), expected, "{kind} {fields}");
}

#[test]
fn every_command_is_named_after_its_type() {
    for known in ACTION_TYPES {
        assert_eq!(known.command, format!("{}.requested", known.name));
        assert!(EventType::parse(known.command).is_ok());
    }
}

#[test]
fn a_type_that_nobody_serves_is_refused() {
    check("htpt", json!({}), Err("`type` has the unknown value `htpt`: did you mean `http`?"));
    let types = "must be one of `action`, `callback`, `http`, `mail`, `message`, `task`";
    check("fax", json!({}), Err(&format!("`type` has the unknown value `fax`: {types}")));
}

#[test]
fn the_fields_of_a_run_are_checked_when_it_is_saved() {
    let action = |more: Value| {
        let mut action = json!({"env": "dev", "product": "shop", "app": "payments", "action": "charge"});
        action.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        action
    };
    check("action", action(json!({})), Ok(()));
    check("action", action(json!({"product": null, "product_tag": "p", "action": null, "event": "e"})), Ok(()));
    check("action", action(json!({"product_tag": "shop", "input": {"a": 1}, "session": "users:jwt"})), Ok(()));
    check("action", action(json!({"app": "{{ event.content.app }}", "session": {"tag": "a", "token": "b"}})), Ok(()));
    check("action", action(json!({"session": "{{ event.content.session }}", "retries": "3"})), Ok(()));
    check("action", action(json!({"env": null})), Err("`env` is required"));
    check("action", action(json!({"env": "prod"})), Err("`env` must be three lower-case letters, such as `dev`"));
    check("action", action(json!({"product": null})), Err("`product` is required"));
    check("action", action(json!({"action": null})), Err("`action` is required"));
    let both = "`action` must be the same as `event`, or only one of them given";
    check("action", action(json!({"event": "refund"})), Err(both));
    check("action", action(json!({"cache": ""})), Err("`cache` must be 1 to 128 letters, digits, `_`, `.` and `-`"));
    check("action", action(json!({"input": "a"})), Err("`input` must be an object"));
    let session = "`session` must be `tag:token`, or an object with `tag` and `token`";
    for wrong in [json!(1), json!("token"), json!({"tag": "a"}), json!({"tag": "a", "token": "b", "c": 1})] {
        check("action", action(json!({"session": wrong})), Err(session));
    }
    check("action", action(json!({"retries": 21})), Err("`retries` must be a whole number from 0 to 20"));
    let unknown = "unknown field `inputs`: did you mean `input`?";
    check("action", action(json!({"inputs": {}})), Err(unknown));
    let refused = ACTION.check(&json!({"values": []}).as_object().unwrap().clone(), &[], |_| false);
    assert!(refused.unwrap_err().to_string().starts_with("unknown field `values`"));
}

#[test]
fn the_fields_of_an_action_are_checked_when_it_is_saved() {
    check("task", json!({"functionName": "f", "data": {"a": 1}, "tags": ["t"], "priority": 1}), Ok(()));
    check("task", json!({}), Err("`functionName` is required"));
    check("task", json!({"functionName": null}), Err("`functionName` is required"));
    let name = "`functionName` must be 1 to 128 letters, digits and hyphens";
    for wrong in [json!(5), json!(""), json!("a b"), json!("é"), json!("f".repeat(129)), json!("f".repeat(3_000))] {
        check("task", json!({"functionName": wrong}), Err(name));
    }
    for wrong in [json!(5), json!(""), json!("c".repeat(3_000))] {
        let message = json!({"channelId": wrong, "to": "t", "content": "c"});
        check("message", message, Err("`channelId` must have 1 to 128 characters"));
    }
    check("task", json!({"functionName": "f", "data": [1]}), Err("`data` must be an object"));
    check("task", json!({"functionName": "f", "tags": "t"}), Err("`tags` must be an array of strings"));
    check(
        "task",
        json!({"functionName": "f", "startTimestamp": "soon"}),
        Err(&format!("`startTimestamp` {TIME_RULE}")),
    );
    check("task", json!({"functionName": "f", "startTimestamp": 1_767_323_045_000_i64}), Ok(()));
    let unknown = "unknown field `functionname`: did you mean `functionName`?";
    check("task", json!({"functionname": "f"}), Err(unknown));
    let unknown = "unknown field `dependancies`: did you mean `dependencies`?";
    check("task", json!({"functionName": "f", "dependancies": []}), Err(unknown));
    check("http", json!({"url": "ftp://a.test"}), Err("`url` must be a URL of http or https"));
    check("http", json!({"url": "{{ event.content.url }}"}), Ok(()));
    let typo = "`method` has the unknown value `PSOT`: did you mean `POST`?";
    check("http", json!({"url": "https://a.test", "method": "PSOT"}), Err(typo));
    for method in ["CONNECT", "TRACE", "trace", "TRACK"] {
        let methods = "must be one of `GET`, `POST`, `PUT`, `PATCH`, `DELETE`, `HEAD`, `OPTIONS`";
        let rule = format!("`method` has the unknown value `{method}`: {methods}");
        check("http", json!({"url": "https://a.test", "method": method}), Err(&rule));
    }
    check("http", json!({"url": "https://a.test", "method": "patch"}), Ok(()));
    check("http", json!({"url": "https://a.test", "headers": {"a": "b"}, "body": [1]}), Ok(()));
    check(
        "http",
        json!({"url": "https://a.test", "headers": {"a": {}}}),
        Err("`headers` must be an object whose values are strings"),
    );
    for (headers, rule) in [
        (json!({"a": "b\r\nc: d"}), "`headers` has a line break or another control character in `a`"),
        (json!({"a": "{{ event.x }}\n"}), "`headers` has a line break or another control character in `a`"),
        (json!({"a b": "c"}), "`headers` has the name \"a b\", which no header can have"),
    ] {
        check("http", json!({"url": "https://a.test", "headers": headers}), Err(rule));
    }
    check("http", json!({"url": "https://a.test", "headers": {"a": "\té", "b": 1, "c": "{{ event.x }}"}}), Ok(()));
    check(
        "callback",
        json!({"action": "poke"}),
        Err("`action` has the unknown value `poke`: must be one of `create`, `wait`"),
    );
    check("callback", json!({"action": "Wait"}), Err("`id` is required"));
    check("callback", json!({"action": "create", "expiresInSeconds": "60"}), Ok(()));
    let rule = "`expiresInSeconds` must be a whole number from 1 to 31536000";
    check("callback", json!({"action": "create", "expiresInSeconds": 0}), Err(rule));
}

#[test]
fn a_url_can_be_asked_for_and_a_body_fits_its_type() {
    let http = |url: &str, headers: Value, body: Value, expected: Result<(), &str>| {
        check("http", json!({"url": url, "headers": headers, "body": body}), expected);
    };
    let url = "https://a.test/x?y#z";
    let credentials = "`url` cannot be used: it carries credentials; send them in a header";
    http("https://u:p@a.test/", json!({}), json!(null), Err(credentials));
    http("https://u@a.test/", json!({}), json!(null), Err(credentials));
    http("https://", json!({}), json!(null), Err("`url` cannot be used: empty host"));
    let control = "`url` cannot be used: it has a line break or another control character";
    http("https://a.test/\nb", json!({}), json!(null), Err(control));
    http("https://a.test:0x1/", json!({}), json!(null), Err("`url` cannot be used: invalid port number"));
    http("https://a.test:0x1/{{ event.id }}", json!({}), json!(null), Ok(()));
    let only_text = "`body` must be a text for this content type: only JSON and application/x-www-form-urlencoded are made of values";
    for kind in ["text/xml", "application/soap+xml; charset=utf-8", "text/html", "multipart/form-data"] {
        http(url, json!({"Content-Type": kind}), json!({"a": 1}), Err(only_text));
        http(url, json!({"Content-Type": kind}), json!([1]), Err(only_text));
        for body in [json!("<a/>"), json!("{{ event.content }}"), json!(null)] {
            http(url, json!({"Content-Type": kind}), body, Ok(()));
        }
    }
    let form = json!({"content-type": "application/x-www-form-urlencoded"});
    http(url, form.clone(), json!({"a": [1]}), Ok(()));
    http(url, form, json!([1]), Err("`body` must be an object or a text to be sent as a form"));
    http(url, json!({"content-type": "{{ event.content.type }}"}), json!([1]), Ok(()));
    http(url, json!({"content-type": 1}), json!([1]), Ok(()));
}

#[test]
fn a_message_has_a_recipient_and_content_of_a_known_kind() {
    let message = |to: Value, content: Value, expected: Result<(), &str>| {
        check("message", json!({"channelId": "c", "to": to, "content": content}), expected);
    };
    for content in [json!("a"), json!({}), json!({"type": "TEXT"}), json!({"type": "edit"}), json!({"type": null})] {
        message(json!(1), content, Ok(()));
    }
    message(json!({"id": "a"}), json!({"type": "{{ event.content.type }}"}), Ok(()));
    let typo = "`content` has a `type` of the unknown value `TXT`: did you mean `TEXT`?";
    message(json!("a"), json!({"type": "TXT"}), Err(typo));
    for wrong in [json!(1), json!(["a"]), json!(true)] {
        message(json!("a"), wrong, Err("`content` must be a text or an object with a `type`"));
    }
    for wrong in [json!(1.5), json!(["a"]), json!(true)] {
        message(wrong, json!("a"), Err("`to` must be an id or an object with an `id`"));
    }
}

#[test]
fn a_callback_is_created_with_a_schema_or_waited_for_by_its_id() {
    let id = "0f8fad5b-d9cb-469f-a165-70867728950e";
    let callback = |action: &str, more: Value, expected: Result<(), &str>| {
        let mut fields = json!({ "action": action });
        fields.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        check("callback", fields, expected);
    };
    callback("wait", json!({"id": id}), Ok(()));
    callback("{{ event.content.action }}", json!({"id": id, "schema": {}}), Ok(()));
    let no_id = "`id` must be the id of a callback, such as `{{ steps.NAME.output.id }}` of the step that creates it";
    callback("wait", json!({"id": "create"}), Err(no_id));
    callback("Create", json!({"id": id}), Err("`id` goes with the action `wait` only"));
    callback("Wait", json!({"id": id, "schema": {}}), Err("`schema` goes with the action `create` only"));
    let only_create = "`expiresInSeconds` goes with the action `create` only";
    callback("wait", json!({"id": id, "expiresInSeconds": 5}), Err(only_create));
    callback("wait", json!({"id": id, "schema": null, "expiresInSeconds": null}), Ok(()));
    for schema in [json!({"type": "object"}), json!(true), json!("{\"type\": \"object\"}"), json!(" "), json!("false")]
    {
        callback("create", json!({"schema": schema}), Ok(()));
    }
    let no_schema = "`schema` must be a JSON Schema: an object or a boolean, or a text with one";
    for wrong in [json!(1), json!([{}]), json!("[]"), json!("null")] {
        callback("create", json!({"schema": wrong}), Err(no_schema));
    }
    let eof = "`schema` is not a JSON Schema: EOF while parsing an object at line 1 column 1";
    callback("create", json!({"schema": "{"}), Err(eof));
    let deep = "`schema` is not a JSON Schema: the JSON nests more than 64 levels deep";
    callback("create", json!({"schema": "[".repeat(65)}), Err(deep));
}

#[test]
fn a_mail_needs_a_template_and_recipients() {
    let to = json!({"to": ["a@a.test", "{{ event.content.email }}"], "cc": "{{ event.content.others }}"});
    check("mail", json!({"recipients": to, "templateName": "welcome"}), Ok(()));
    check("mail", json!({"recipients": to, "templateName": "welcome", "templateId": "abc"}), Ok(()));
    check("mail", json!({"recipients": to}), Err("`templateId` is required"));
    check("mail", json!({"recipients": to, "templateId": null}), Err("`templateId` is required"));
    check("mail", json!({"templateId": "abc"}), Err("`recipients` is required"));
    let rule = "`recipients` has a `to` that is not an array of addresses";
    check("mail", json!({"recipients": {"to": ["nobody"]}, "templateId": "abc"}), Err(rule));
    check("mail", json!({"recipients": {"to": "a@a.test"}, "templateId": "abc"}), Err(rule));
    check(
        "mail",
        json!({"recipients": {"too": ["a@a.test"]}, "templateId": "abc"}),
        Err("`recipients` has the unknown field `too`: did you mean `to`?"),
    );
    check(
        "mail",
        json!({"recipients": ["a@a.test"], "templateId": "abc"}),
        Err("`recipients` must be an object with `to`, and perhaps `cc` and `bcc`"),
    );
    let rule = "`attachments` must be an array of objects";
    check("mail", json!({"recipients": to, "templateId": "abc", "attachments": ["x"]}), Err(rule));
}

#[test]
fn what_a_template_will_become_is_not_known_yet() {
    check("task", json!({"functionName": "{{ event.content.f }}", "data": "{{ event.content }}"}), Ok(()));
    check("callback", json!({"action": "{{ event.content.action }}"}), Ok(()));
    check("task", json!({"functionName": "f", "startTimestamp": "{{ event.content.at }}"}), Ok(()));
}
