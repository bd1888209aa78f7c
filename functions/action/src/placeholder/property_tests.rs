//! Placeholders, whatever stands in texts and in what they resolve to.

use super::syntax::{Measure, Operator, Reference};
use super::*;
use proptest::prelude::*;
use serde_json::json;

/// Text in which much looks like a placeholder.
const TRICKY: &str =
    r#"([a$\\{}()\[\],'" é]|\$Secret\{K\}|\$Secrte\{K\}|\$Now|\$Default|Now|\$Value\{0\}|\$Add\(1\)){1,8}"#;

fn stage() -> impl Strategy<Value = String> {
    r"[a-z]{1,3}|\[0\]|a b|\$|é\\|\(".prop_map(|stage| stage)
}

fn reference() -> impl Strategy<Value = Reference> {
    let sources = prop::sample::select(vec![
        Source::Auth,
        Source::Secret,
        Source::Session,
        Source::Input,
        Source::Variable,
        Source::Response,
        Source::Default,
        Source::Now,
        Source::Value,
        Source::Sequence,
    ]);
    (sources, prop::collection::vec(stage(), 2..4), 0_u32..20).prop_map(|(source, stages, position)| {
        let stages = match source {
            Source::Value => vec![position.to_string()],
            _ => stages.into_iter().take(source.stages().1).collect(),
        };
        Reference { source, stages }
    })
}

fn literal() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        prop::num::f64::NORMAL.prop_map(Value::from),
    ]
}

fn expression() -> impl Strategy<Value = Expression> {
    let leaf = prop_oneof![
        reference().prop_map(Expression::Reference),
        literal().prop_map(Expression::Literal),
        Just(Expression::Text(Template { parts: Vec::new() })),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(|of| Expression::Measure(Measure::Size, Box::new(of))),
            prop::collection::vec(inner.clone(), 1..4).prop_map(|items| Expression::Operation(Operator::Add, items)),
            prop::collection::vec(inner.clone(), 0..4).prop_map(Expression::Array),
            prop::collection::vec((TRICKY, inner.clone()), 0..3).prop_map(Expression::Object),
            template(inner).prop_map(Expression::Text),
        ]
    })
}

/// Texts with placeholders, in which no two literal parts follow each other.
fn template(expression: impl Strategy<Value = Expression> + 'static) -> impl Strategy<Value = Template> {
    let opened = expression.prop_filter("a placeholder or an operator", |expression| {
        matches!(expression, Expression::Reference(_) | Expression::Measure(..) | Expression::Operation(..))
    });
    let text = prop::option::of(TRICKY);
    (prop::collection::vec((text.clone(), opened), 0..3), text).prop_map(|(pairs, last)| {
        let mut parts = Vec::new();
        for (text, expression) in pairs {
            parts.extend(text.map(Part::Text));
            parts.push(Part::Open(expression));
        }
        parts.extend(last.map(Part::Text));
        Template { parts }
    })
}

fn parsed(text: &str) -> Result<Template, Violation> {
    Template::parse(text, &mut Limits::default())
}

/// A place in which each source has one value of its own.
fn sources_with(texts: &[String; 6]) -> Sources {
    let [input, event, auth, secret, session, response] = texts.clone();
    Sources {
        input: Some(json!({"v": input, "canary": "canary of the input"})),
        values: vec![json!(event), json!("canary of the event")],
        auths: BTreeMap::from([("t".to_owned(), json!({"v": auth, "canary": "canary of the auth"}))]),
        default_auth: Tag::parse("t").ok(),
        secrets: BTreeMap::from([("K".to_owned(), secret), ("OTHER".to_owned(), "canary of the secret".to_owned())]),
        session: Some((Tag::parse("s").unwrap(), json!({"v": session, "canary": "canary of the session"}))),
        variables: BTreeMap::new(),
        constants: BTreeMap::new(),
        response: Some(json!({"v": response, "canary": "canary of the response"})),
        default: Some(json!("canary of the default")),
        now: Timestamp::UNIX_EPOCH,
    }
}

/// The placeholder of each source, in the order of [`sources_with`].
const OWN: [&str; 6] = ["$Input{v}", "$Value{0}", "$Auth{t}{v}", "$Secret{K}", "$Session{s}{v}", "$Response{v}"];

/// What would show another value if it were looked at again.
const HOSTILE: &str = r#"([a$\\{}()'",]|\$Secret\{OTHER\}|\$Auth\{t\}\{canary\}|\$Input\{canary\}|\$Value\{1\}|\$Session\{canary\}|\$Default|\$Response\{canary\}|Secret\{OTHER\}|OTHER\}|\$Concat\(\[|\{\{ event\.v \}\}){0,6}"#;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn what_is_printed_is_parsed_as_the_same(template in template(expression())) {
        let text = template.to_string();
        prop_assert_eq!(parsed(&text), Ok(template), "{}", text);
    }

    #[test]
    fn no_text_makes_the_parser_panic_and_what_it_reads_it_prints(text in TRICKY, other in ".{0,30}") {
        for text in [text.clone(), other.clone(), format!("$Concat([{text}])"), format!("$Trim('{other}')")] {
            if let Ok(template) = parsed(&text) {
                prop_assert_eq!(parsed(&template.to_string()), Ok(template));
            }
        }
    }

    #[test]
    fn values_are_verbatim_whatever_they_look_like(
        texts in prop::array::uniform6(HOSTILE),
        order in prop::collection::vec((0_usize..6, "[ab \\\\]{0,2}[ab]"), 1..6),
    ) {
        let sources = sources_with(&texts);
        let author: String = order.iter().map(|(at, text)| format!("{}{text}", OWN[*at])).collect();
        let expected: String = order.iter().map(|(at, text)| format!("{}{text}", texts[*at])).collect();
        prop_assert_eq!(resolve(&json!(author), &sources), Ok(json!(expected)));
        for (own, text) in OWN.iter().zip(&texts) {
            let value = json!({"a": [own, format!("<{own}>"), format!("$Concat([{own}, '<{own}>'], '')")]});
            let expected = json!({"a": [text, format!("<{text}>"), format!("{text}<{text}>")]});
            prop_assert_eq!(resolve(&value, &sources), Ok(expected));
        }
        let empty = sources_with(&Default::default());
        let found = references(&json!(author)).unwrap();
        let has = |source: usize| order.iter().any(|(at, _)| *at == source);
        prop_assert_eq!((found.values, !found.auths.is_empty()), (has(1), has(2)));
        prop_assert_eq!((!found.secrets.is_empty(), found.session), (has(3), has(4)));
        prop_assert!(!resolve(&json!(author), &empty).unwrap().to_string().contains("canary"));
    }

    #[test]
    fn no_value_changes_whether_a_text_resolves_or_shows_another_source(
        author in r#"(<|\\|\{|\}|\(|\)|,|'|\$|\$Input\{v\}|\$Value\{0\}|\$Secret\{K|\$Secret\{K\}|\$Trim\(|\$Concat\(\[|\]\)|\$Auth\{t\}){0,8}"#,
        texts in prop::array::uniform6(HOSTILE),
    ) {
        let plain = resolve(&json!(author), &sources_with(&std::array::from_fn(|at| format!("plain{at}"))));
        let hostile = resolve(&json!(author), &sources_with(&texts));
        prop_assert_eq!(plain.is_ok(), hostile.is_ok());
        let (plain, mut hostile) = match (plain, hostile) {
            (Ok(plain), Ok(hostile)) => (plain, hostile.to_string()),
            (plain, hostile) => {
                prop_assert_eq!(plain, hostile);
                return Ok(());
            }
        };
        prop_assert!(!plain.to_string().contains("canary"));
        // Values themselves cannot spell a canary, so that any would have been resolved.
        prop_assert!(!std::mem::take(&mut hostile).contains("canary of"));
    }

    #[test]
    fn numbers_add_up_as_in_a_naive_model(numbers in prop::collection::vec(-1_000_000_i64..1_000_000, 1..6)) {
        let arguments = numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let sources = sources_with(&Default::default());
        let difference = numbers.iter().skip(1).fold(numbers[0], |left, right| left - right);
        prop_assert_eq!(resolve(&json!(format!("$Add({arguments})")), &sources), Ok(json!(numbers.iter().sum::<i64>())));
        prop_assert_eq!(resolve(&json!(format!("$Subtract({arguments})")), &sources), Ok(json!(difference)));
    }

    #[test]
    fn texts_are_as_in_a_naive_model(
        text in "[ab,é ]{0,10}", from in "[ab,]{1,2}", to in "[b$,]{0,2}", start in -12_i64..12, end in -12_i64..12,
    ) {
        let mut sources = sources_with(&Default::default());
        sources.values = vec![json!(text), json!(from), json!(to), json!(start), json!(end)];
        let check = |operation: &str, expected: Value| {
            prop_assert_eq!(resolve(&json!(operation), &sources), Ok(expected), "{}", operation);
            Ok(())
        };
        let chars: Vec<char> = text.chars().collect();
        let length = i64::try_from(chars.len()).unwrap();
        let position = |index: i64| usize::try_from(if index < 0 { (length + index).max(0) } else { index.min(length) }).unwrap();
        let piece: String = (position(start)..position(end)).filter_map(|at| chars.get(at)).collect();
        check("$Substring($Value{0}, $Value{3}, $Value{4})", json!(piece))?;
        let pieces: Vec<&str> = text.split(&from).collect();
        check("$Split($Value{0}, $Value{1})", json!(pieces))?;
        check("$Concat($Split($Value{0}, $Value{1}), $Value{2})", json!(pieces.join(&to)))?;
        check("$Replace($Value{0}, $Value{1}, $Value{2})", json!(pieces.join(&to)))?;
        check("$Trim($Value{0})", json!(text.trim()))?;
        check("$Length{$Value{0}}", json!(chars.len()))?;
        check("$Size{$Split($Value{0}, $Value{1})}", json!(pieces.len()))?;
        check("$Join([$Split($Value{0}, $Value{1}), [$Value{2}]])", json!([pieces.clone(), vec![to.as_str()]].concat()))?;
    }

    #[test]
    fn filters_are_as_in_a_naive_model(items in prop::collection::vec(-3_i64..3, 0..6), value in -3_i64..3) {
        let mut sources = sources_with(&Default::default());
        sources.values = vec![json!(items), json!(value)];
        type Holds = fn(i64, i64) -> bool;
        let signs: [(&str, Holds); 6] = [
            (">", |left, right| left > right),
            ("<", |left, right| left < right),
            (">=", |left, right| left >= right),
            ("<=", |left, right| left <= right),
            ("==", |left, right| left == right),
            ("!==", |left, right| left != right),
        ];
        for (sign, holds) in signs {
            let kept: Vec<i64> = items.iter().copied().filter(|item| holds(*item, value)).collect();
            let filter = json!(format!("$Filter($Value{{0}}, '{sign}', $Value{{1}})"));
            prop_assert_eq!(resolve(&filter, &sources), Ok(json!(kept)));
            let find = json!(format!("$Find($Value{{0}}, '{sign}', $Value{{1}})"));
            prop_assert_eq!(resolve(&find, &sources), Ok(json!(kept.first())));
        }
    }
}
