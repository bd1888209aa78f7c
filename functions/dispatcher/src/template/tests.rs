//! Templates as their authors write them.

use super::*;
use proptest::prelude::*;

fn fill_in(value: &Value, event: &Value, output: &Value) -> Result<Value, Failure> {
    fill_at(Place::Plain, value, event, output)
}

pub(super) fn fill_at(place: Place, value: &Value, event: &Value, output: &Value) -> Result<Value, Failure> {
    let error = StepError::invocation("Broken", "it broke");
    let good = StepResult { name: "create-cb", status: "succeeded", output: Some(output), error: None };
    let bad = StepResult { name: "my bad.step", status: "failed", output: None, error: Some(&error) };
    let also = StepResult { name: "createCb", ..good.clone() };
    let scope = Scope { event, steps: vec![good, bad, also] };
    TemplateValue::parse(value.clone()).map_err(Failure::Template)?.fill(&scope, place, &mut Budget::new(10_000))
}

fn example(template: &str) -> Result<Value, Failure> {
    let event = json!({
        "type": "user_created",
        "content": {"email": "Ada@Example.org", "n": 3, "ok": true, "nothing": null, "tags": ["a", "b"], "a-b": {"c": 1}},
    });
    let output = json!({"url": "https://example.org/cb", "id": "42", "list": [{"x": 1}, {"x": 2}]});
    fill_in(&json!(template), &event, &output)
}

#[test]
fn placeholders_are_filled_in() {
    let check = |template: &str, expected: Value| assert_eq!(example(template), Ok(expected), "{template}");
    check("plain", json!("plain"));
    check("{{ event.content.email }}", json!("Ada@Example.org"));
    check("{{event.content.n}}", json!(3));
    check("{{ event.content.tags }}", json!(["a", "b"]));
    check("{{ event.content.nothing }}", json!(null));
    check("n = {{ event.content.n }}, {{ event.content.ok }}", json!("n = 3, true"));
    check("tags: {{ event.content.tags }}", json!(r#"tags: ["a","b"]"#));
    check("{{ event.content.a-b.c }}", json!(1));
    check("{{ event.content.tags.1 }}", json!("b"));
    check("{{ event.content.tags[0] }}", json!("a"));
    check(r#"{{ event["content"]['email'] }}"#, json!("Ada@Example.org"));
    check("{{ steps.create-cb.output.url }}", json!("https://example.org/cb"));
    check("{{ steps.create-cb.output.list[1].x }}", json!(2));
    check("{{ steps.create-cb.status }}", json!("succeeded"));
    check(r#"{{ steps["my bad.step"].error.name }}"#, json!("Broken"));
    check("{{field `step` `create-cb` `output` `id`}}", json!("42"));
    check(r#"{{ field "step" "create-cb" "output" "id" }}"#, json!("42"));
    check("{{.step.createCb.output.id}}", json!("42"));
    check("{{ event.content.email | lower }}", json!("ada@example.org"));
    check(r#"{{ event.content.gone | default("x") }}"#, json!("x"));
    check("{{ event.content.nothing | default(7) }}", json!(7));
    check("{{ steps.create-cb.output.gone.deeper | default(null) }}", json!(null));
    check("{{ event.content.tags | join('+') | upper }}", json!("A+B"));
    check("{{ event.content.tags | length }}", json!(2));
    check("{{ event.content.tags | last }}", json!("b"));
    check("{{ event.content.tags | json }}", json!(r#"["a","b"]"#));
    check(r"\{{ event.content.n }}", json!("{{ event.content.n }}"));
    check("}} {", json!("}} {"));
    check("$Input{name}", json!("$Input{name}"));
    check(r#"{{ event.content.gone | default("}}") }}"#, json!("}}"));
}

#[test]
fn what_cannot_be_filled_in_is_named() {
    let check = |template: &str, part: &str| match example(template) {
        Err(Failure::Template(message)) => assert!(message.contains(part), "{template}: {message}"),
        other => panic!("{template}: {other:?}"),
    };
    check("{{ event.content.gone }}", "`event.content.gone` does not exist");
    check("{{ steps.create-cb.error.name }}", "`steps.create-cb.error.name` does not exist");
    check("{{ event.content.tags[2] }}", "`event.content.tags.2`");
    check("{{ event.content.n | upper }}", "`event.content.n`: upper");
    check("{{ event.content.gone | upper | default('x') }}", "does not exist");
    check("{{ event.content.email", "not closed");
    check("{{ steps.create-cb.secret }}", "`secret`");
    check("{{ event.content.n | shout }}", "`shout`");
    check("{{ event.content.n | default }}", "default");
    check("{{ event..n }}", "name");
    check("{{ event.n + 1 }}", "event.n + 1");
    check("{{ event.content.n event.content.n }}", "event.content.n");
    check("{{field `step`}}", "step");
}

#[test]
fn the_result_has_a_limit() {
    let event = json!({"big": "x".repeat(600)});
    let many = json!(vec!["{{ event.big }}"; 20]);
    assert_eq!(fill_in(&many, &event, &json!({})), Err(Failure::TooLarge));
    let long = json!("{{ event.big }} ".repeat(20));
    assert_eq!(fill_in(&long, &event, &json!({})), Err(Failure::TooLarge));
}

pub(super) fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        Just(json!("{{ event.secret }}")),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z]{0,4}", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Writes a text so that it is one when it is read as a template.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("{{ event.a }}") {
        let backslashes = rest[..at].len() - rest[..at].trim_end_matches('\\').len();
        escaped.push_str(&rest[..at]);
        escaped.push_str(&"\\".repeat(backslashes + 1));
        escaped.push_str("{{ event.a }}");
        rest = &rest[at + 13..];
    }
    escaped + rest
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in ".{0,40}", inner in ".{0,40}") {
        let _ = Template::parse(&text);
        let _ = Template::parse(&format!("{{{{{inner}}}}}"));
        let _ = Template::parse(&format!("{{{{ event.a{inner} }}}}"));
    }

    #[test]
    fn text_in_braces_that_is_not_ours_is_itself(text in r"([a{}\\ ]|name|events|\{\{|\}\}){0,16}") {
        prop_assert_eq!(fill_in(&json!(text), &json!({}), &json!({})), Ok(json!(text)));
    }

    #[test]
    fn escaped_text_is_itself(text in r"([a{}\\ ]|\{\{ event\.a \}\}){0,16}") {
        prop_assert_eq!(fill_in(&json!(escaped(&text)), &json!({}), &json!({})), Ok(json!(text)));
    }

    #[test]
    fn one_placeholder_keeps_type_and_content(key in ".{0,8}", value in any_json()) {
        let quoted = serde_json::to_string(&key).unwrap();
        let event = json!({ key.clone(): value });
        let template = json!(format!("{{{{ event[{quoted}] }}}}"));
        prop_assert_eq!(fill_in(&template, &event, &json!({})), Ok(value.clone()));
        let output = json!({ key: value });
        let template = json!(format!("{{{{ field \"step\" \"create-cb\" \"output\" {quoted} }}}}"));
        prop_assert_eq!(fill_in(&template, &json!({}), &output), Ok(value));
    }

    #[test]
    fn what_is_filled_in_is_never_a_template(value in "[a-z{} .]{0,20}") {
        let event = json!({"v": value, "secret": "s"});
        let expected = format!("<{value}>");
        prop_assert_eq!(fill_in(&json!("<{{ event.v }}>"), &event, &json!({})), Ok(json!(expected)));
    }

    #[test]
    fn a_value_stays_in_its_part_of_a_url(value in ".{0,12}|[./%&=#?a]{0,6}") {
        let template = "https://a.test/x/{{ event.v }}/y?q={{ event.v }}&r=1";
        let event = json!({"v": value});
        match fill_at(Place::Url, &json!(template), &event, &json!({})) {
            Ok(url) => {
                let url: http::Uri = url.as_str().unwrap().parse().unwrap();
                prop_assert_eq!((url.host(), url.path().split('/').count()), (Some("a.test"), 4));
                let (key, query) = url.query().unwrap().split_once('=').unwrap();
                let (query, rest) = query.split_once('&').unwrap();
                prop_assert_eq!((key, rest), ("q", "r=1"));
                prop_assert_eq!(percent_encoding::percent_decode_str(query).decode_utf8().unwrap(), value.as_str());
            }
            Err(failure) => prop_assert!([".", ".."].contains(&value.as_str()), "{:?}", failure),
        }
    }

    #[test]
    fn a_value_stays_in_its_field_of_a_form(value in ".{0,12}|[&=+% a]{0,6}") {
        let filled = fill_at(Place::Form, &json!("Body={{ event.v }}&To=1"), &json!({"v": value}), &json!({})).unwrap();
        let fields: Vec<_> = form_urlencoded::parse(filled.as_str().unwrap().as_bytes()).into_owned().collect();
        prop_assert_eq!(fields, [("Body".to_owned(), value), ("To".to_owned(), "1".to_owned())]);
    }

    #[test]
    fn a_value_stays_a_value_in_a_json_text(value in any_json(), place in prop::sample::select(vec![Place::Json, Place::Unknown])) {
        let template = r#"{"a\"{": [{{ event.v }}, {"b": {{event.v}}}], "c": "x\"{{ event.v }}\"y", "{{ event.v }}": 1}"#;
        let filled = fill_at(place, &json!(template), &json!({"v": value}), &json!({})).unwrap();
        let text = text_of(&value).into_owned();
        let mut expected = json!({"a\"{": [value, {"b": value}], "c": format!("x\"{text}\"y")});
        expected[text] = json!(1);
        let parsed: Value = serde_json::from_str(filled.as_str().unwrap()).unwrap();
        prop_assert_eq!(parsed, expected);
    }

    #[test]
    fn a_value_stays_text_in_a_markup_text(value in ".{0,12}|[]<>&'\"!\\[CDAT/a]{0,12}") {
        let template = "<a b='{{ event.v }}'>{{ event.v }}<![CDATA[{{ event.v }}>{{ event.v }}{{ event.v }}]]>{{ event.v }}</a>";
        let filled = fill_at(Place::Markup, &json!(template), &json!({"v": value}), &json!({})).unwrap();
        let unescape = |text: &str| {
            let references = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")];
            references.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
        };
        let rest = filled.as_str().unwrap().strip_prefix("<a b='").unwrap().strip_suffix("</a>").unwrap();
        let (attribute, rest) = rest.split_once('\'').unwrap();
        let (text, rest) = rest[1..].split_once('<').unwrap();
        let (cdata, last) = rest.rsplit_once("]]>").unwrap();
        let cdata = cdata.strip_prefix("![CDATA[").unwrap().replace("]]><![CDATA[", "");
        prop_assert_eq!([unescape(attribute), unescape(text), unescape(last)], [(); 3].map(|()| value.clone()));
        prop_assert_eq!(cdata, format!("{value}>{value}{value}"));
    }
}

#[test]
fn text_in_braces_that_is_none_of_our_placeholders_stays_as_it_is() {
    let texts = [
        "{{name}}",
        "{{ name }}",
        r"^\{{2}x$",
        r"\{{name}}",
        "{{}}",
        "{{ }}",
        "{{",
        "}}",
        "{{{raw}}}",
        "{{{{ block }}}}",
        "{{#each items}}{{this}}{{/each}}",
        "{{> partial}}",
        "{{! comment }}",
        "{{-name-}}",
        "{{ 1 }}",
        "{{ 'text' }}",
        "${{ github.event.number }}",
        "${{ secrets.TOKEN }}",
        r"\frac{{a}}{{b}}",
        "{{ env.HOME }}",
        "{{ user.event.x }}",
        "{{ eventName }}",
        "{{events.x}}",
        "{{ evnet.content.n }}",
        "{{ steps }}",
        "{{ step + 1 }}",
        "{{ event + 1 }}",
        "{{ event",
        "{{ event name }}",
        "{{field `input` `n`}}",
        "{{field}}",
        "{{.Name}}",
        "{{ .Values.image }}",
        "{% if event.x %}",
        "{ { event.content.n } }",
        "{{ event }",
        r#"{"a":{"b":{}}}"#,
        "{{\n}}",
        "{{é}}",
        "{{ fieldset `step` }}",
    ];
    for text in texts {
        assert_eq!(example(text), Ok(json!(text)), "{text}");
        assert!(!Template::is_in(text), "{text}");
    }
    let check = |template: &str, expected: &str| assert_eq!(example(template), Ok(json!(expected)), "{template}");
    check("{{name}} {{ event.content.n }} {{name}}", "{{name}} 3 {{name}}");
    check("{{{ event.content.n }}}", "{3}");
    check("{{#if x}}{{{{ event.content.n }}{{/if}}", "{{#if x}}{{3{{/if}}");
    check(r"\\{{ event.content.n }}", r"\3");
    check(r"\\\{{ event.content.n }}", r"\{{ event.content.n }}");
    check(r"\\{{name}}", r"\\{{name}}");
    check(r"\{{ field `step` `create-cb` `output` `id` }}", "{{ field `step` `create-cb` `output` `id` }}");
}

#[test]
fn what_was_perhaps_meant_to_be_a_placeholder_is_named() {
    let check = |text: &str, expected: &[&str]| {
        assert_eq!(Template::look_alikes(text).collect::<Vec<_>>(), expected, "{text}");
    };
    check("{{ evnet.content.x }}", &["`{{ evnet.content.x }}` stays as text: did you mean `event`?"]);
    check(
        "a {{Event.x}} b {{ setps['a'].output }}",
        &[
            "`{{ Event.x }}` stays as text: did you mean `event`?",
            "`{{ setps['a'].output }}` stays as text: did you mean `steps`?",
        ],
    );
    check("{{steps}}", &["`{{ steps }}` stays as text: did you mean `steps`?"]);
    check("{{field `input` `n`}}", &["`{{ field `input` `n` }}` stays as text: did you mean `step`?"]);
    check("{{ content.x }}", &["`{{ content.x }}` stays as text: did you mean `event.content`?"]);
    check("{{content}} {{name}} {{ user.name }} {{#if x}} ${{ github.event }} {{ event.x }} {{}} {{", &[]);
}

#[test]
fn a_value_is_escaped_for_the_place_where_its_text_ends_up() {
    let event = json!({
        "q": "a&c=d#x", "path": "../a b/ü", "host": "h.test:8080", "evil": "evil.test/", "n": 5, "list": ["a", "b&c"],
        "base": "https://b.test/v1", "dots": "..", "text": "say \"hi\" \\ \n{{ event.n }}", "none": "", "scheme": "https",
        "markup": "<b>'&\"</b>", "end": "x]]>y",
    });
    let fill = |place: Place, template: &str| fill_at(place, &json!(template), &event, &json!({}));
    let check = |place: Place, template: &str, expected: &str| {
        assert_eq!(fill(place, template), Ok(json!(expected)), "{template}");
    };
    let url = |template: &str, expected: &str| check(Place::Url, template, expected);
    url("https://a.test/?q={{ event.q }}", "https://a.test/?q=a%26c%3Dd%23x");
    url("https://a.test/?q={{ event.q }}&n={{ event.n }}", "https://a.test/?q=a%26c%3Dd%23x&n=5");
    url("https://a.test/?{{ event.q }}=1", "https://a.test/?a%26c%3Dd%23x=1");
    url("https://a.test/{{ event.path }}/x", "https://a.test/..%2Fa%20b%2F%C3%BC/x");
    url("https://a.test/?l={{ event.list }}", "https://a.test/?l=%5B%22a%22%2C%22b%26c%22%5D");
    url("https://{{ event.host }}/x", "https://h.test:8080/x");
    url("https://{{ event.evil }}.a.test/x", "https://evil.test%2F.a.test/x");
    url("https://a.test{{ event.host }}/", "https://a.testh.test%3A8080/");
    url("https://a.test{{ event.evil }}", "https://a.testevil.test%2F");
    url("{{ event.scheme }}://a.test/", "https://a.test/");
    url("{{ event.base }}://a.test/", "https%3A%2F%2Fb.test%2Fv1://a.test/");
    url("{{ event.base }}", "https://b.test/v1");
    url("{{ event.base }}/{{ event.q }}?x={{ event.q }}", "https://b.test/v1/a%26c%3Dd%23x?x=a%26c%3Dd%23x");
    url("https://a.test/{{ event.path | raw }}", "https://a.test/../a b/ü");
    url("https://a.test/{{ event.none }}/x", "https://a.test//x");
    url("https://a.test/{{ event.dots }}x/y", "https://a.test/..x/y");
    url("https://a.test/../x?y={{ event.dots }}", "https://a.test/../x?y=..");
    for template in
        ["https://a.test/{{ event.dots }}/x", "https://a.test/{{ event.dots }}", "{{ event.base }}/%2E{{ event.none }}"]
    {
        let Err(Failure::Template(why)) = fill(Place::Url, template) else { panic!("{template}") };
        assert!(why.contains("stands for another path"), "{why}");
    }
    let form = |template: &str, expected: &str| check(Place::Form, template, expected);
    form("Body={{ event.q }}&To={{ event.n }}", "Body=a%26c%3Dd%23x&To=5");
    form("Body={{ event.path }}", "Body=..%2Fa+b%2F%C3%BC");
    form("payload={{ event.list | json }}", "payload=%5B%22a%22%2C%22b%26c%22%5D");
    form("{{ event.q }}", "a&c=d#x");
    let json_text = |template: &str, expected: &str| {
        check(Place::Json, template, expected);
        check(Place::Unknown, template, expected);
    };
    let said = r#""say \"hi\" \\ \n{{ event.n }}""#;
    json_text(r#"{"text": "{{ event.text }}"}"#, &format!(r#"{{"text": {said}}}"#));
    json_text(r#"{"text": {{ event.text }}}"#, &format!(r#"{{"text": {said}}}"#));
    json_text(r#"[{{ event.n }}, "{{ event.n }}", {{ event.list }}]"#, r#"[5, "5", ["a","b&c"]]"#);
    json_text(
        r#"{"l": {{ event.list | json }}, "t": "{{ event.list }}"}"#,
        r#"{"l": ["a","b&c"], "t": "[\"a\",\"b&c\"]"}"#,
    );
    check(Place::Unknown, r#"say "{{ event.text }}""#, "say \"say \"hi\" \\ \n{{ event.n }}\"");
    check(Place::Plain, r#"{"text": "{{ event.q }}"}"#, r#"{"text": "a&c=d#x"}"#);
    check(Place::Markup, "<p>{{ event.markup }}</p>", "<p>&lt;b&gt;&#39;&amp;&quot;&lt;/b&gt;</p>");
    check(Place::Markup, "<![CDATA[{{ event.end }}]]>{{ event.end }}", "<![CDATA[x]]]]><![CDATA[>y]]>x]]&gt;y");
    check(Place::Markup, "<p>{{ event.markup | raw }}</p>", "<p><b>'&\"</b></p>");
}

#[test]
fn filters_and_placeholders_end_where_their_budget_does() {
    let event =
        json!({"x": "x", "list": vec!["x"; 2_000], "big": "x".repeat(250_000), "bigs": vec!["y".repeat(1_000); 250]});
    let scope = Scope { event: &event, steps: Vec::new() };
    let fill = |template: Value| {
        TemplateValue::parse(template).map_err(Failure::Template)?.fill(&scope, Place::Plain, &mut Budget::new(300_000))
    };
    let check = |template: Value, part: &str| match fill(template.clone()) {
        Err(Failure::Template(why)) => assert!(why.contains(part), "{why}"),
        other => panic!("{:.100}: {:.100}", template.to_string(), format!("{other:?}")),
    };
    let chain = |filters: usize| json!(format!("{{{{ event.x {}}}}}", "| json ".repeat(filters)));
    check(chain(28), "more than 16 filters");
    check(chain(17), "more than 16 filters");
    assert!(matches!(fill(chain(16)), Ok(Value::String(text)) if text.len() > 1 << 16));
    check(json!(format!("{{{{ event.list | join('{}') | length }}}}", "z".repeat(90_000))), "1000000 bytes");
    check(json!(format!("{{{{ event.big {}}}}}", "| json ".repeat(16))), "too much to do");
    check(json!("{{ event.bigs | json | upper | lower | json | upper | lower | json | length }}"), "too much to do");
    check(json!(vec!["{{ event.big | upper | length }}"; 1_000]), "of the whole action");
    assert_eq!(fill(json!("{{ event.bigs | json | trim | length }}")), Ok(json!(250_751)));
    assert_eq!(fill(json!("{{ event.big }}{{ event.big }}")), Err(Failure::TooLarge));
    assert_eq!(fill(json!(["{{ event.big }}", "{{ event.bigs }}"])), Err(Failure::TooLarge));
}
