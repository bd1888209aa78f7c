//! What an event says reaches nothing but its own text, in every type of action and every place.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use crate::world::{Reply, World, event};

/// Text that means something to somebody: to our own templates, to those of others, to the syntax around it.
fn hostile() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "{{ event.content.secret }}",
        "{{event.content.secret}}",
        "{{ steps.first.output.secret | raw }}",
        "{{field `event` `content` `secret`}}",
        "{{ . }}",
        "{{{secret}}}",
        "{{#each this}}{{this}}{{/each}}",
        "{{lookup this 'constructor'}}",
        "{{",
        "}}",
        "\\{{ event.id }}",
        "$Secret{KEY}",
        "$Auth{token}{env}",
        "$Session{id}",
        "$Input{a}",
        "$Value{0}",
        "$Value{1}",
        "$",
        "${secret}",
        "\\",
        "\"",
        "'",
        "`",
        "&admin=1",
        "#",
        "?",
        "/",
        "..",
        "%2e",
        "=",
        "</a>",
        "<!--",
        "]]>",
        "]",
        ">",
        "\r\n",
        "\n",
        "--b1",
        "--",
        "a",
        " ",
        "ü",
        "\u{0}",
        ",",
        ":",
        "@",
    ]);
    prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

const VALUE: &str = "{{ event.content.v }}";

fn http(name: &str, content_type: &str, body: &Value) -> Value {
    json!({"type": "http", "name": name, "url": "https://a.test/", "headers": {"content-type": content_type}, "body": body})
}

/// A dispatcher with every type of action and every place that a value can have in it.
fn dispatcher() -> Value {
    let multipart = format!("--b1\r\nname=\"{VALUE}\"\r\n\r\n{VALUE}\r\n--b1--\r\n");
    json!({"eventType": "paid", "actions": [
        {"type": "task", "name": "first", "functionName": "f", "tags": [VALUE, format!("<{VALUE}>")],
         "data": {"whole": VALUE, "text": format!("<{VALUE}>"), "list": [[format!("{VALUE}{VALUE}")]]}},
        {"type": "task", "name": "named", "functionName": VALUE},
        {"type": "task", "name": "second", "functionName": "f", "dependencies": ["first"],
         "data": {"text": "<{{ steps.first.output.v }}>", "field": "{{field `step` `first` `output` `v`}}"}},
        {"type": "callback", "name": "callback", "action": "create", "schema": {"const": format!("<{VALUE}>")}},
        {"type": "message", "name": "message", "channelId": "c", "to": VALUE, "content": {"text": format!("<{VALUE}>")}},
        {"type": "http", "name": "url", "url": format!("https://a.test/x{VALUE}y/z?q={VALUE}&r=1"),
         "headers": {"x-a": format!("<{VALUE}>")}, "body": {"json": format!("<{VALUE}>")}},
        http("json", "application/json", &json!(format!("{{\"a\": \"<{VALUE}>\", \"b\": {VALUE}}}"))),
        http("form", "application/x-www-form-urlencoded", &json!(format!("a={VALUE}&b=1"))),
        http("xml", "application/xml", &json!(format!("<a b=\"{VALUE}\">{VALUE}</a>"))),
        http("multipart", "multipart/form-data; boundary=b1", &json!(multipart)),
        {"type": "http", "name": "untyped", "url": "https://a.test/", "body": format!("[\"<{VALUE}>\"]")},
        {"type": "action", "name": "action", "env": "dev", "product": "p", "app": "a", "action": "b",
         "input": {"whole": VALUE, "text": format!("$Secret{{KEY}} <{VALUE}>"), "deep": [{"own": "$Secret{KEY}"}]}},
    ]})
}

/// Puts the values back that were put aside, as the function that does the step does: everything else is the author's.
fn with_values(text: &str, values: &Value) -> (String, Vec<String>) {
    let (mut read, mut authored, mut rest) = (String::new(), Vec::new(), text);
    while let Some(at) = rest.find('$') {
        read.push_str(&rest[..at]);
        let (placeholder, after) = rest[at..].split_once('}').unwrap();
        match placeholder.strip_prefix("$Value{") {
            Some(position) => read.push_str(values[position.parse::<usize>().unwrap()].as_str().unwrap()),
            None => authored.push(format!("{placeholder}}}")),
        }
        rest = after;
    }
    (read + rest, authored)
}

fn unescaped(text: &str) -> String {
    let references = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")];
    references.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

/// The fields of the command of a step.
fn command(world: &World, step: &str) -> Option<Value> {
    world.command(step).map(|request| request.action)
}

fn check_http(world: &World, v: &str) -> Result<(), TestCaseError> {
    let body = |step: &str| command(world, step).unwrap()["body"].as_str().unwrap().to_owned();
    let url = command(world, "url").unwrap();
    let parsed: http::Uri = url["url"].as_str().unwrap().parse().unwrap();
    let decoded = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8().unwrap().into_owned();
    let segments: Vec<String> = parsed.path().split('/').map(decoded).collect();
    prop_assert_eq!((parsed.host(), segments), (Some("a.test"), vec![String::new(), format!("x{v}y"), "z".to_owned()]));
    let query: Vec<_> = form_urlencoded::parse(parsed.query().unwrap().as_bytes()).into_owned().collect();
    prop_assert_eq!(query, [("q".to_owned(), v.to_owned()), ("r".to_owned(), "1".to_owned())]);
    prop_assert_eq!(&url["headers"], &json!({"x-a": format!("<{v}>")}));
    prop_assert_eq!(&url["body"], &json!({"json": format!("<{v}>")}));
    prop_assert_eq!(serde_json::from_str::<Value>(&body("json")).unwrap(), json!({"a": format!("<{v}>"), "b": v}));
    prop_assert_eq!(serde_json::from_str::<Value>(&body("untyped")).unwrap(), json!([format!("<{v}>")]));
    let form: Vec<_> = form_urlencoded::parse(body("form").as_bytes()).into_owned().collect();
    prop_assert_eq!(form, [("a".to_owned(), v.to_owned()), ("b".to_owned(), "1".to_owned())]);
    let xml = body("xml");
    let (attribute, text) =
        xml.strip_prefix("<a b=\"").unwrap().strip_suffix("</a>").unwrap().split_once("\">").unwrap();
    prop_assert!(!attribute.contains(['<', '"']) && !text.contains(['<', '>']));
    prop_assert_eq!((unescaped(attribute), unescaped(text)), (v.to_owned(), v.to_owned()));
    match command(world, "multipart") {
        Some(command) => {
            let parts: Vec<&str> = command["body"].as_str().unwrap().split("--b1").collect();
            prop_assert_eq!(parts.len(), 3);
            let (header, body) = parts[1].split_once("\r\n\r\n").unwrap();
            prop_assert_eq!((header.matches('"').count(), header.lines().count(), body), (2, 2, &*format!("{v}\r\n")));
        }
        None => prop_assert!(v.contains("--b1")),
    }
    Ok(())
}

fn check_others(world: &World, v: &str) -> Result<(), TestCaseError> {
    let within = format!("<{v}>");
    let first = command(world, "first").unwrap();
    prop_assert_eq!(&first["data"], &json!({"whole": v, "text": within, "list": [[format!("{v}{v}")]]}));
    prop_assert_eq!(&first["tags"], &json!([v, within]));
    prop_assert_eq!(&command(world, "named").unwrap()["functionName"], v);
    prop_assert_eq!(&command(world, "second").unwrap()["data"], &json!({"text": within, "field": v}));
    prop_assert_eq!(&command(world, "callback").unwrap()["schema"], &json!({"const": within}));
    let message = command(world, "message").unwrap();
    prop_assert_eq!((&message["to"], &message["content"]), (&json!(v), &json!({"text": within})));
    let action = command(world, "action").unwrap();
    let (input, values) = (&action["input"], &action["values"]);
    let whole = with_values(input["whole"].as_str().unwrap(), values);
    prop_assert_eq!(whole, (v.to_owned(), Vec::new()));
    let text = with_values(input["text"].as_str().unwrap(), values);
    prop_assert_eq!(text, (format!(" {within}"), vec!["$Secret{KEY}".to_owned()]));
    prop_assert_eq!(&input["deep"], &json!([{"own": "$Secret{KEY}"}]));
    Ok(())
}

#[test]
fn what_an_event_says_reaches_nothing_but_its_own_text() {
    let mut runner = TestRunner::new(Config { cases: 4, failure_persistence: None, ..Config::default() });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    // Starting a world costs more than many events in it.
    let checked = runner.run(&prop::collection::vec(hostile(), 12), |values| {
        runtime.block_on(async {
            let world = World::new().await;
            world.dispatcher(dispatcher()).await;
            for (at, v) in values.iter().enumerate() {
                world.reply("first", Reply::Succeed(json!({"v": v, "secret": "s3cret"})));
                world.forget();
                world.publish(&event(&format!("e{at}"), "paid", json!({"v": v, "secret": "s3cret"}))).await;
                check_others(&world, v)?;
                check_http(&world, v)?;
            }
            Ok(())
        })
    });
    checked.unwrap_or_else(|failed| panic!("{failed}"));
}
