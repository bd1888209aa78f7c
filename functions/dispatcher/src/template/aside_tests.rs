//! Values that are put aside, however the author and the event try to bring them into the text.

use super::tests::any_json;
use super::*;
use proptest::prelude::*;

/// Fills in a text, and returns it with the values that were put aside.
fn fill_aside(text: &str, event: &Value) -> Result<(Value, Vec<Value>), Failure> {
    let scope = Scope { event, steps: Vec::new() };
    let mut values = Vec::new();
    let parsed = TemplateValue::parse(json!(text)).map_err(Failure::Template)?;
    let filled = parsed.fill_aside(&scope, &mut values, &mut Budget::new(100_000))?;
    Ok((filled, values))
}

fn example(text: &str) -> (Value, Vec<Value>) {
    let secret = "$Secret{KEY}";
    let event =
        json!({"v": secret, "n": 5, "o": {"a": [secret, "plain", 1], "$Secret{K}": null}, "quote": "', $Add(1)"});
    fill_aside(text, &event).unwrap()
}

#[test]
fn a_value_within_a_text_is_put_aside() {
    let secret = json!("$Secret{KEY}");
    let check = |text: &str, expected: &str, values: &[Value]| {
        assert_eq!(example(text), (json!(expected), values.to_vec()), "{text}");
    };
    check("a {{ event.v }} b", "a $Value{0} b", std::slice::from_ref(&secret));
    check("{{ event.v }}{{ event.n }}", "$Value{0}$Value{1}", &[secret.clone(), json!(5)]);
    check("{{ event.o }}!", "$Value{0}!", &[json!({"a": ["$Secret{KEY}", "plain", 1], "$Secret{K}": null})]);
    check("${{ event.v }}", "$$Value{0}", std::slice::from_ref(&secret));
    check("$Secret{{ event.v }}", "$Secret$Value{0}", std::slice::from_ref(&secret));
    check("$Secret{{{ event.v }}}", "$Secret{$Value{0}}", std::slice::from_ref(&secret));
    check("{{ event.v }}{x}", "$Value{0}{x}", std::slice::from_ref(&secret));
    check(r"\\{{ event.v }}", r"\\$Value{0}", std::slice::from_ref(&secret));
    check(r"\\\\{{ event.v }}", r"\\\\$Value{0}", std::slice::from_ref(&secret));
    check(r"\{{ event.v }} $Secret{K}", "{{ event.v }} $Secret{K}", &[]);
    check("$Concat(['{{ event.quote }}'])", "$Concat(['$Value{0}'])", &[json!("', $Add(1)")]);
    check("{{ event.v | raw }}.", "$Value{0}.", std::slice::from_ref(&secret));
    check(r#"<{{ event.gone | default("$Secret{K}") }}>"#, "<$Value{0}>", &[json!("$Secret{K}")]);
    check("{{field `event` `v`}} ", "$Value{0} ", &[secret]);
    check("{{ event.v | upper }}", "$Value{0}", &[json!("$SECRET{KEY}")]);
}

#[test]
fn a_value_that_is_the_whole_text_keeps_its_form() {
    assert_eq!(example("{{ event.n }}"), (json!(5), vec![]));
    let secret = json!("$Secret{KEY}");
    assert_eq!(example("{{ event.v }}"), (json!("$Value{0}"), vec![secret.clone()]));
    let expected = json!({"a": ["$Value{0}", "plain", 1], "$Secret{K}": null});
    assert_eq!(example("{{ event.o }}"), (expected, vec![secret]));
}

#[test]
fn values_that_are_put_aside_are_paid_for() {
    let event = json!({"v": "$".repeat(60), "many": vec!["$"; 20]});
    let scope = Scope { event: &event, steps: Vec::new() };
    for text in ["x{{ event.v }}", "{{ event.v }}", "{{ event.many }}", "a much longer text than that {{ event.many }}"]
    {
        let parsed = TemplateValue::parse(json!(text)).unwrap();
        let filled = parsed.fill_aside(&scope, &mut Vec::new(), &mut Budget::new(60));
        assert_eq!(filled, Err(Failure::TooLarge), "{text}");
    }
}

/// Resolves the values in a text as its reader does: nothing else in it means anything.
fn with_values(text: &str, values: &[Value]) -> String {
    let (mut resolved, mut rest) = (String::new(), text);
    while let Some(at) = rest.find("$Value{") {
        let before = rest[..at].trim_end_matches('\\');
        let backslashes = at - before.len();
        assert_eq!(backslashes % 2, 0, "the placeholder of a value is escaped: {text}");
        resolved.push_str(&rest[..at - backslashes / 2]);
        let (position, after) = rest[at + 7..].split_once('}').unwrap();
        resolved.push_str(&text_of(&values[position.parse::<usize>().unwrap()]));
        rest = after;
    }
    resolved + rest
}

/// The placeholders in a text, apart from those of values, with stages that begin and end where the text says.
fn placeholders(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices('$') {
        let backslashes = at - text[..at].trim_end_matches('\\').len();
        let name: String = text[at + 1..].chars().take_while(char::is_ascii_alphabetic).collect();
        let stages = text[at + 1 + name.len()..].strip_prefix(['{', '(']);
        if backslashes.is_multiple_of(2) && ["Secret", "Auth", "Concat"].contains(&name.as_str()) && stages.is_some() {
            found.push(format!("${name}{}", stages.unwrap_or_default().split(['}', ')']).next().unwrap_or_default()));
        }
    }
    found
}

/// Texts of these pieces, where `TEMPLATE` is a template of the value in one of its forms.
fn authored(pieces: &str) -> impl Strategy<Value = String> {
    prop::string::string_regex(&format!("({}){{0,12}}", pieces.replace("TEMPLATE", TEMPLATE))).unwrap()
}

const TEMPLATE: &str = r"\{\{ event\.v \}\}|\{\{ event\['v'\] \| trim \}\}|\{\{field `event` `v`\}\}";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn what_its_reader_finds_is_what_the_author_wrote_with_the_values(
        text in authored(r"\$|\\|\{|\}|a|US\$|Value|'|TEMPLATE"),
        value in "x([$a{}\\\\']|\\$Secret\\{K\\}|\\{\\{ event\\.v \\}\\}){0,8}x",
    ) {
        let event = json!({"v": value});
        let scope = Scope { event: &event, steps: Vec::new() };
        let Ok(parsed) = Template::parse(&text) else { return Ok(()) };
        prop_assume!(!parsed.has_own_value());
        let plain = parsed.fill(&scope, Place::Plain, &mut Budget::new(100_000)).unwrap();
        let mut values = Vec::new();
        let aside = parsed.fill_aside(&scope, &mut values, &mut Budget::new(100_000)).unwrap();
        prop_assert_eq!(with_values(aside.as_str().unwrap(), &values), plain.as_str().unwrap());
    }

    #[test]
    fn no_value_makes_or_changes_a_placeholder(
        text in authored(r"\$|\\|\{|\}|\$Secret\{K|\$Auth\{t\}|\$Concat\(\['|'\]\)|Secret|TEMPLATE"),
        value in any_json(),
        other in "([$a{}()\\\\']|\\$?Secret|\\{K\\}|\\$Auth\\{t\\}|Concat){0,8}",
    ) {
        let rendered = |value: &Value| fill_aside(&format!("{text}."), &json!({"v": value}));
        let Ok((first, _)) = rendered(&json!("harmless")) else { return Ok(()) };
        for value in [json!(other), json!(format!("{other} ")), json!({ other.clone(): other })] {
            let Ok((again, values)) = rendered(&value) else { continue };
            prop_assert_eq!(&again, &first);
            prop_assert!(values.iter().all(|put| *put == value || text.contains("trim")));
        }
        let Ok((again, _)) = rendered(&value) else { return Ok(()) };
        prop_assert_eq!(&again, &first);
        // What the author meant: the text as it stands, with something that is no placeholder for each value.
        let Ok(parsed) = Template::parse(&format!("{text}.")) else { return Ok(()) };
        let meant: String = parsed.parts.iter().map(|part| match part {
            Part::Text(text) => text.as_str(),
            Part::Placeholder(_) => "\u{0}",
        }).collect();
        let until = |text: &str, value: &str| {
            let found = placeholders(text);
            // A backslash before a value is written twice.
            let until = |placeholder: &String| {
                placeholder.split(value).next().unwrap_or_default().trim_end_matches('\\').to_owned()
            };
            found.iter().map(until).collect::<Vec<_>>()
        };
        prop_assert_eq!(until(first.as_str().unwrap(), "$Value"), until(&meant, "\u{0}"));
    }

    #[test]
    fn a_whole_value_keeps_its_form_and_its_texts(value in any_json()) {
        let (filled, values) = fill_aside("{{ event.v }}", &json!({"v": value})).unwrap();
        prop_assert_eq!(restored(filled, &values), value);
    }
}

fn restored(value: Value, values: &[Value]) -> Value {
    match value {
        Value::String(text) if text.contains('$') => {
            let position: usize = text.strip_prefix("$Value{").unwrap().strip_suffix('}').unwrap().parse().unwrap();
            values[position].clone()
        }
        Value::Array(items) => items.into_iter().map(|item| restored(item, values)).collect(),
        Value::Object(members) => {
            members.into_iter().map(|(name, member)| (name, restored(member, values))).collect::<Map<_, _>>().into()
        }
        plain => plain,
    }
}
