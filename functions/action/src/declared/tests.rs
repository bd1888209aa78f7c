use super::*;
use crate::app::FieldType;
use serde_json::json;

#[expect(clippy::needless_pass_by_value, reason = "cases are written in place")]
fn action(more: Value) -> Action {
    let mut action = json!({"tag": "create", "resource": "/users/:id/:kind", "method": "POST"});
    action.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::from_value(action).unwrap()
}

fn input(parts: Value) -> Input {
    serde_json::from_value(parts).unwrap()
}

fn listed(violations: Vec<Violation>) -> Vec<String> {
    violations.into_iter().map(|violation| format!("{} {}", violation.selector, violation.rule)).collect()
}

#[expect(clippy::needless_pass_by_value, reason = "cases are written in place")]
fn refused(action: &Action, parts: Value, expected: &[&str]) {
    let before = checked(action, input(parts.clone())).map_err(listed);
    assert_eq!(before, Err(expected.iter().map(ToString::to_string).collect()), "{parts}");
    let after = checked_values(action, input(parts.clone())).map_err(listed);
    assert_eq!(after, before, "{parts}");
}

#[test]
fn every_type_takes_its_values_and_no_others() {
    let values = [
        json!("text"),
        json!("two words"),
        json!("a@b.test"),
        json!("Ada <a@b.test>"),
        json!("-12.50"),
        json!("12."),
        json!(12),
        json!(1.5),
        json!("018f4b2e-7c1a-4a4e-9a51-0c9a4d5e6f70"),
        json!("018f4b2e7c1a4a4e9a510c9a4d5e6f70"),
        json!([1]),
        json!({"a": 1}),
        json!(true),
        json!("false"),
        json!("0x1f"),
        json!(""),
    ];
    let check = |kind: &str, part: &str, expected: &[usize]| {
        let action = action(json!({part: [{"key": "k", "type": kind}]}));
        let takes = |value: &Value| checked(&action, input(json!({part: {"k": value}}))).is_ok();
        let taken: Vec<usize> = (0..values.len()).filter(|at| takes(&values[*at])).collect();
        assert_eq!(taken, expected, "{kind} in {part}");
    };
    check("any", "body", &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
    check("string", "body", &[0, 1, 2, 3, 4, 5, 8, 9, 13, 14, 15]);
    check("string", "query", &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 14, 15]);
    check("nospaces_string", "body", &[0, 2, 4, 5, 8, 9, 13, 14, 15]);
    check("email_string", "body", &[2]);
    check("numberstring", "body", &[4]);
    check("numberstring", "params", &[4, 6, 7]);
    for number in ["number", "float", "double"] {
        check(number, "body", &[6, 7]);
        check(number, "query", &[4, 6, 7]);
    }
    check("uuid", "body", &[8]);
    check("array", "body", &[10]);
    check("object", "body", &[11]);
    check("boolean", "body", &[12]);
    check("boolean", "headers", &[12, 13]);
    check("array-number", "body", &[10]);
    check("array-string", "body", &[]);
    check("array-string", "query", &[10]);
    assert_eq!(FieldType::default().to_string(), "any");
}

#[test]
fn every_violation_is_listed_with_its_selector() {
    let action = action(json!({
        "params": [{"key": "id", "type": "uuid", "required": true}],
        "query": [{"key": "limit", "type": "number", "maxLength": 2}],
        "headers": [{"key": "X-Trace", "type": "nospaces_string", "required": true}],
        "body": [
            {"key": "email", "type": "email_string", "required": true},
            {"key": "name", "type": "string", "minLength": 2, "maxLength": 3},
            {"key": "tags", "type": "array-nospaces_string", "minLength": 1, "maxLength": 2},
            {"key": "address", "type": "object", "required": true, "fields": [
                {"key": "city", "type": "string", "required": true},
                {"key": "geo", "type": "object", "fields": [{"key": "lat", "type": "number"}]},
            ]},
            {"key": "lines", "type": "array-object", "fields": [{"key": "sku", "required": true}]},
            {"key": "rows", "type": "array", "fields": [{"key": "sku", "required": true}]},
        ],
    }));
    refused(
        &action,
        json!({}),
        &[
            "$Params{create}{id} is required",
            "$Header{create}{X-Trace} is required",
            "$Body{create}{email} is required",
            "$Body{create}{address} is required",
        ],
    );
    refused(
        &action,
        json!({
            "params": {"id": "s3cret"},
            "query": {"limit": 100},
            "headers": {"x-trace": "a b"},
            "body": {
                "email": null, "name": "é", "tags": ["a b", 5, "c"],
                "address": {"geo": {"lat": "1"}}, "lines": [{"sku": 1}, {}, 5], "rows": [{}, "x"],
            },
        }),
        &[
            "$Params{create}{id} must be a UUID",
            "$Query{create}{limit} must have at most 2 characters",
            "$Header{create}{X-Trace} must be a string without spaces",
            "$Body{create}{email} is required",
            "$Body{create}{name} must have at least 2 characters",
            "$Body{create}{tags}{[0]} must be a string without spaces",
            "$Body{create}{tags}{[1]} must be a string without spaces",
            "$Body{create}{tags} must have at most 2 items",
            "$Body{create}{address}{city} is required",
            "$Body{create}{address}{geo}{lat} must be a number",
            "$Body{create}{lines}{[1]}{sku} is required",
            "$Body{create}{lines}{[2]} must be an object",
            "$Body{create}{rows}{[0]}{sku} is required",
            "$Body{create}{rows}{[1]} must be an object",
        ],
    );
    let many = json!({"params": {"id": "x"}, "headers": {"X-TRACE": "t"}, "body": {"lines": vec![json!({}); 1_000]}});
    let violations = checked(&action, input(many)).unwrap_err();
    assert_eq!(violations.len(), 101);
    assert_eq!(violations[100].rule, "breaks more rules than the 100 that are listed");
}

#[test]
fn what_is_not_declared_is_sent_as_it_is() {
    let action = action(json!({"body": [{"key": "a", "type": "number"}]}));
    let given =
        input(json!({"body": {"a": null, "b": [1]}, "query": {"c": {}}, "headers": {"D": "d"}, "params": {"e": 1}}));
    assert_eq!(checked(&action, given.clone()), Ok(given));
    assert_eq!(checked(&action, Input::default()), Ok(Input::default()));
    let free = self::action(json!({}));
    for body in [json!("text"), json!([1]), json!(5)] {
        let given = input(json!({"body": body}));
        assert_eq!(checked(&free, given.clone()), Ok(given.clone()));
        assert_eq!(listed(checked(&action, given).unwrap_err()), ["$Body{create} must be an object"]);
    }
    let soap = self::action(json!({"request_type": "SOAP", "body": [{"key": "a", "required": true}]}));
    let given = input(json!({"body": "<Envelope/>"}));
    assert_eq!(checked(&soap, given.clone()), Ok(given));
}

#[test]
fn defaults_fill_what_is_not_given_and_are_checked_too() {
    let action = action(json!({
        "headers": [{"key": "Authorization", "required": true, "defaultValue": "$Auth{token}"}],
        "query": [{"key": "limit", "type": "number", "defaultValue": 10}, {"key": "bad", "type": "uuid", "defaultValue": "x"}],
        "body": [{"key": "a", "type": "object", "fields": [{"key": "b", "defaultValue": [1]}]}],
    }));
    let given = json!({"query": {"bad": "018f4b2e-7c1a-4a4e-9a51-0c9a4d5e6f70"}, "body": {"a": {}}, "headers": {"authorization": "x"}});
    let mut expected = given.clone();
    expected["query"]["limit"] = json!(10);
    expected["body"]["a"]["b"] = json!([1]);
    assert_eq!(checked(&action, input(given)), Ok(input(expected)));
    assert_eq!(listed(checked(&action, Input::default()).unwrap_err()), ["$Query{create}{bad} must be a UUID"]);
}

#[test]
fn the_placeholder_of_a_default_stands_for_it() {
    let check = |default: Value, given: &str, expected: Value| {
        let action = action(json!({"body": [{"key": "k", "defaultValue": default}]}));
        let checked = checked(&action, input(json!({"body": {"k": given}}))).unwrap();
        assert_eq!(checked.body, json!({"k": expected}), "{given}");
    };
    check(json!(5), "$Default", json!(5));
    check(json!(5), "$Default()", json!(5));
    check(json!(5), "a $Default b", json!("a 5 b"));
    check(json!(5), "$Add($Default, 1)", json!("$Add(5, 1)"));
    check(json!("$Secret{K}"), "Bearer $Default", json!("Bearer $Secret{K}"));
    check(json!("$Secret{K}"), "$Trim($Default)", json!("$Trim($Secret{K})"));
    check(json!("it's $5"), "$Concat([$Default, '$Default'])", json!("$Concat(['it\\'s $5', 'it\\'s $5'])"));
    check(json!([1, {"a": "$Now"}]), "$Size{$Default}", json!("$Size{[1, {'a': $Now()}]}"));
    check(json!({"a": 1}), "x$Default", json!("x{\"a\":1}"));
    check(json!(5), "\\$Default", json!("\\$Default"));
    let action = action(
        json!({"query": [{"key": "k", "defaultValue": "x $Value{0}"}, {"key": "j", "defaultValue": "$Secrte{K}"}]}),
    );
    let violations = listed(checked(&action, input(json!({"query": {"k": "$Trim($Default)"}}))).unwrap_err());
    let misspelt = "$Secrte is unknown: did you mean `$Secret`? (`\\$Secrte` is the text itself)";
    assert_eq!(violations, ["$Query{create}{k} has `$Value{n}` in its default", misspelt]);
}

#[test]
fn a_value_with_placeholders_is_open_until_they_are_resolved() {
    let action = action(json!({
        "body": [{"key": "n", "type": "number"}, {"key": "list", "type": "array-number", "minLength": 2}],
        "query": [{"key": "id", "type": "uuid", "required": true}],
    }));
    let open = json!({"body": {"n": "$Secret{X}", "list": ["$Input{a}", 1]}, "query": {"id": "a-$Now"}});
    assert!(checked(&action, input(open.clone())).is_ok());
    let expected = [
        "$Query{create}{id} must be a UUID",
        "$Body{create}{n} must be a number",
        "$Body{create}{list}{[0]} must be a number",
    ];
    assert_eq!(listed(checked_values(&action, input(open)).unwrap_err()), expected);
    let whole = input(json!({"body": "$Input{all}", "query": {"id": "$Now"}}));
    assert_eq!(checked(&action, whole.clone()), Ok(whole));
}

#[test]
fn names_of_headers_have_no_case() {
    let action = action(json!({"headers": [{"key": "X-Id", "type": "uuid"}]}));
    refused(&action, json!({"headers": {"x-id": "no"}}), &["$Header{create}{X-Id} must be a UUID"]);
    refused(
        &action,
        json!({"headers": {"x-id": "1", "X-ID": "2"}}),
        &["$Header{create}{X-Id} is given more than once"],
    );
    let flat = json!({"x-ID": "018f4b2e-7c1a-4a4e-9a51-0c9a4d5e6f70"});
    let sorted = structured(&action, flat.as_object().unwrap().clone()).unwrap();
    assert_eq!(sorted, input(json!({"headers": flat})));
}

#[test]
fn a_flat_input_is_sorted_by_the_declaration() {
    let action = action(json!({
        "params": [{"key": "id"}], "query": [{"key": "limit"}, {"key": "name"}], "headers": [{"key": "X-A"}],
        "body": [{"key": "name"}, {"key": "email"}],
    }));
    let check = |flat: Value, expected: Result<Value, &[&str]>| {
        let sorted = structured(&action, flat.as_object().unwrap().clone()).map_err(listed);
        let expected = expected.map(input).map_err(|rules| rules.iter().map(ToString::to_string).collect());
        assert_eq!(sorted, expected, "{flat}");
    };
    check(
        json!({"id": 1, "kind": "k", "limit": 2, "x-a": "3", "email": "e", "body:name": "b", "query:name": "q", "headers:Y": "y"}),
        Ok(json!({
            "params": {"id": 1, "kind": "k"}, "query": {"limit": 2, "name": "q"}, "headers": {"x-a": "3", "Y": "y"},
            "body": {"email": "e", "name": "b"},
        })),
    );
    check(json!({"params:a:b": 1}), Ok(json!({"params": {"a:b": 1}})));
    check(json!({}), Ok(json!({})));
    let prefixes = "(with `body:`, `params:`, `query:` or `headers:` before it, it is sent all the same)";
    check(
        json!({"name": "n", "emial": "e", "bdy:x": 1, "body:": 1, "limit": 1, "query:limit": 2}),
        Err(&[
            &format!("$Input{{bdy:x}} is not declared {prefixes}"),
            "$Input{body:} has no name after its prefix",
            &format!("$Input{{emial}} is not declared: did you mean `email`? {prefixes}"),
            "$Input{name} is declared more than once: write `body:name` or `query:name`",
            "$Input{query:limit} is given more than once",
        ]),
    );
}

#[test]
fn decorators_are_joined_with_a_space() {
    let action = action(json!({
        "headers": [{"key": "Authorization", "decorator": "Bearer ", "decoratorPosition": "BEFORE"}],
        "query": [{"key": "price", "decorator": "EUR", "decoratorPosition": "AFTER"}, {"key": "none"}],
        "params": [{"key": "id", "decorator": "n", "decoratorPosition": ""}],
        "body": [{"key": "a", "fields": [{"key": "b", "decorator": "#"}]}, {"key": "list", "decorator": "*"}],
    }));
    let given = json!({
        "headers": {"authorization": "t"}, "query": {"price": 5, "none": "x", "other": "y"}, "params": {"id": true},
        "body": {"a": {"b": 1}, "list": ["x", null, 2]},
    });
    let expected = json!({
        "headers": {"authorization": "Bearer t"}, "query": {"price": "5 EUR", "none": "x", "other": "y"},
        "params": {"id": "n true"}, "body": {"a": {"b": "# 1"}, "list": ["* x", null, "* 2"]},
    });
    assert_eq!(decorated(&action, input(given)), input(expected));
    let text = input(json!({"body": "text"}));
    assert_eq!(decorated(&action, text.clone()), text);
}
