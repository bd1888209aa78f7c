use proptest::prelude::*;

use super::*;

/// Names that documents have, and other texts that readers look for.
const WORDS: [&str; 46] = [
    "openapi",
    "info",
    "title",
    "servers",
    "url",
    "paths",
    "/a/{b}",
    "get",
    "parameters",
    "name",
    "in",
    "schema",
    "type",
    "object",
    "array",
    "items",
    "properties",
    "required",
    "allOf",
    "oneOf",
    "$ref",
    "#/components/schemas/a",
    "#",
    "requestBody",
    "content",
    "application/json",
    "item",
    "request",
    "body",
    "mode",
    "raw",
    "{{a}}",
    "{{",
    ":a",
    "header",
    "key",
    "value",
    "auth",
    "bearer",
    "variable",
    "query",
    "path",
    "default",
    "$Secret{A}",
    "",
    "…",
];

/// Values of the names that documents have, in every wrong place.
fn any_value() -> impl Strategy<Value = Value> {
    let words = prop::sample::select(WORDS.as_slice());
    let word = words.prop_map(str::to_owned);
    let leaf = prop_oneof![
        word.clone().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        Just(Value::Null),
        "\\PC{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((word.clone(), inner), 0..8)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_document_makes_the_readers_panic(value in any_value(), schema in any_value(), more in any_value()) {
        let _ = read(&value, None, None);
        let paths = json!({"/a/{b}": {"parameters": value, "post": {"parameters": [more], "requestBody": {"content": {"application/json": {"schema": schema}}}}}});
        let _ = read(&openapi(paths, json!({"schemas": {"a": schema}, "securitySchemes": more})), None, None);
        let mut items = collection(json!([{"name": more, "request": {"url": value, "header": schema, "body": more, "auth": value}}, value]));
        let _ = read(&items, None, None);
        items["auth"] = more;
        items["variable"] = value.clone();
        items["item"] = json!([{"request": {"url": schema, "body": {"mode": "raw", "raw": value.to_string()}}}]);
        let _ = read(&items, None, None);
    }

    #[test]
    fn every_action_that_is_read_can_be_saved_again(schema in any_value(), path in "/[a-z{}:?%.]{0,12}") {
        let paths = json!({path: {"get": {"parameters": [{"name": "b", "in": "query", "schema": schema}]}}});
        if let Ok(imported) = read(&openapi(paths, json!({})), None, None) {
            for action in imported.actions {
                prop_assert_eq!(declaration::checked(action.clone()).unwrap(), action);
            }
        }
    }

    #[test]
    fn no_yaml_makes_the_reader_panic(text in "[a-z&*:!<>|{}\\[\\], \\n\"'-]{0,200}") {
        if let Ok(document) = document::parse(text.as_bytes(), document::Syntax::Yaml) {
            let _ = read(&document, None, None);
        }
    }
}
