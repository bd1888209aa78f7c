//! Any query against a naive model of it, and through its printed form.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// An item of which the model knows everything.
#[derive(Debug, Clone)]
struct Item {
    name: Option<String>,
    n: i64,
    tags: Vec<String>,
    at_ms: i64,
    parts: Vec<(String, i64)>,
}

/// A condition as the model understands it.
#[derive(Debug, Clone)]
enum Condition {
    Name(&'static str, String),
    NameIn(bool, Vec<String>),
    N(&'static str, i64),
    Tag(bool, String),
    At(&'static str, i64, bool),
    HasName(bool),
    Part(bool, String, i64),
    All(Vec<Self>),
    Any(Vec<Self>),
}

const TEXTS: &str = "[ab%,() é:&=]{1,3}";

fn item() -> impl Strategy<Value = Item> {
    let part = ("[ab]", 0_i64..3);
    let fields = (
        prop::option::of(TEXTS),
        -3_i64..4,
        prop::collection::vec("[ab]", 0..3),
        0_i64..5,
        prop::collection::vec(part, 0..3),
    );
    fields.prop_map(|(name, n, tags, at_ms, parts)| Item { name, n, tags, at_ms: at_ms * 1_000, parts })
}

fn condition() -> impl Strategy<Value = Condition> {
    let relation = || prop::sample::select(vec!["eq", "ne", "gt", "ge", "lt", "le"]);
    let leaf = prop_oneof![
        (prop::sample::select(vec!["eq", "ne", "like"]), TEXTS).prop_map(|(name, text)| Condition::Name(name, text)),
        (any::<bool>(), prop::collection::vec(TEXTS, 1..4)).prop_map(|(is, texts)| Condition::NameIn(is, texts)),
        (relation(), -3_i64..4).prop_map(|(relation, n)| Condition::N(relation, n)),
        (any::<bool>(), "[ab]").prop_map(|(is, tag)| Condition::Tag(is, tag)),
        (relation(), 0_i64..5, any::<bool>()).prop_map(|(relation, at, is_iso)| Condition::At(
            relation,
            at * 1_000,
            is_iso
        )),
        any::<bool>().prop_map(Condition::HasName),
        (any::<bool>(), "[ab]", 0_i64..3).prop_map(|(is, kind, n)| Condition::Part(is, kind, n)),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        let some = || prop::collection::vec(inner.clone(), 1..4);
        prop_oneof![some().prop_map(Condition::All), some().prop_map(Condition::Any)]
    })
}

fn iso(ms: i64) -> String {
    format!("{:.3}", jiff::Timestamp::from_millisecond(ms).unwrap())
}

fn show(item: &Item) -> Value {
    let parts: Vec<Value> = item.parts.iter().map(|(kind, n)| json!({"kind": kind, "n": n})).collect();
    let mut shown = json!({"n": item.n, "tags": item.tags, "at": iso(item.at_ms), "parts": parts});
    if let Some(name) = &item.name {
        shown["name"] = name.as_str().into();
    }
    shown
}

fn relates(relation: &str, left: i64, right: i64) -> bool {
    match relation {
        "eq" => left == right,
        "ne" => left != right,
        "gt" => left > right,
        "ge" => left >= right,
        "lt" => left < right,
        _ => left <= right,
    }
}

fn holds(condition: &Condition, item: &Item) -> bool {
    let name = item.name.as_deref();
    match condition {
        Condition::Name("eq", text) => name == Some(text),
        Condition::Name("ne", text) => name != Some(text),
        Condition::Name(_, text) => name.is_some_and(|name| name.contains(text.as_str())),
        Condition::NameIn(is, texts) => texts.iter().any(|text| name == Some(text)) == *is,
        Condition::N(relation, n) => relates(relation, item.n, *n),
        Condition::Tag(is, tag) => item.tags.contains(tag) == *is,
        Condition::At(relation, at, _) => relates(relation, item.at_ms, *at),
        Condition::HasName(is) => name.is_some() == *is,
        Condition::Part(is, kind, n) => item.parts.iter().any(|part| part.0 == *kind && part.1 > *n) == *is,
        Condition::All(all) => all.iter().all(|one| holds(one, item)),
        Condition::Any(all) => all.iter().any(|one| holds(one, item)),
    }
}

/// Writes a condition as the client library does, every value encoded twice.
fn query(condition: &Condition) -> String {
    let twice = |text: &str| encoded(&encoded(text));
    let texts =
        |texts: &[String]| texts.iter().map(|text| format!("string:{}", twice(text))).collect::<Vec<_>>().join(",");
    let many = |all: &[Condition]| all.iter().map(query).collect::<Vec<_>>().join(",");
    match condition {
        Condition::Name("like", text) => format!("like(name,{})", twice(text)),
        Condition::Name(name, text) => format!("{name}(name,string:{})", twice(text)),
        Condition::NameIn(is, all) => format!("{}(name,{})", if *is { "in" } else { "out" }, texts(all)),
        Condition::N(relation, n) => format!("{relation}(n,{})", twice(&n.to_string())),
        Condition::Tag(true, tag) => format!("eq(tags,{tag})"),
        Condition::Tag(false, tag) => format!("excludes(tags,{tag})"),
        Condition::At(relation, at, true) => format!("{relation}(at,{})", twice(&iso(*at))),
        Condition::At(relation, at, false) => format!("{relation}(at,{at})"),
        Condition::HasName(is) => format!("{}(name)", if *is { "contains" } else { "excludes" }),
        Condition::Part(is, kind, n) => {
            format!("{}(parts,and(eq(kind,{kind}),gt(n,{n})))", if *is { "contains" } else { "excludes" })
        }
        Condition::All(all) => format!("and({})", many(all)),
        Condition::Any(all) => format!("or({})", many(all)),
    }
}

fn encoded(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}

proptest! {
    #[test]
    fn a_list_is_what_the_model_says(
        items in prop::collection::vec(item(), 0..25), conditions in prop::collection::vec(condition(), 0..3),
        is_sorted in any::<bool>(), limit in 1_usize..9, offset in 0_usize..9,
    ) {
        let mut text: Vec<String> = conditions.iter().map(query).collect();
        if is_sorted {
            text.push("sort(-n,at)".to_owned());
        }
        text.push(format!("limit({limit},{offset})"));
        let rql = Rql::parse::<Value>(Some(&text.join("&"))).unwrap();
        let shown: Vec<Value> = items.iter().map(show).collect();
        let found = rql.apply(&shown).unwrap();

        let mut expected: Vec<Item> =
            items.into_iter().filter(|item| conditions.iter().all(|condition| holds(condition, item))).collect();
        if is_sorted {
            expected.sort_by_key(|item| (-item.n, item.at_ms));
        }
        prop_assert_eq!(found.page.total, Some(expected.len()));
        let expected: Vec<Value> = expected.iter().skip(offset).take(limit).map(show).collect();
        prop_assert_eq!(&found.data, &expected, "{}", text.join("&"));

        // What is printed is the same query.
        let printed = rql.to_string();
        let again = Rql::parse::<Value>(Some(&printed)).unwrap();
        prop_assert_eq!(&again, &rql, "{}", printed);
        prop_assert_eq!(again.to_string(), printed);
    }

    #[test]
    fn what_can_be_parsed_is_printed_as_the_same_query(
        text in "((eq|ne|gt|in|out|like|contains|excludes|sort|select|limit|and|or)\\([a-z+%:.0-9,()-]{1,12}\\)&?){1,3}|\\PC{0,30}",
    ) {
        if let Ok(rql) = Rql::parse::<Value>(Some(&text)) {
            let printed = rql.to_string();
            let again = Rql::parse::<Value>(Some(&printed));
            prop_assert_eq!(again.as_ref().ok(), Some(&rql), "{} printed as {}", text, printed);
        }
    }

    #[test]
    fn a_span_and_texts_with_the_rest_are_the_whole_query(
        items in prop::collection::vec(item(), 0..25), conditions in prop::collection::vec(condition(), 0..4),
    ) {
        let text: Vec<String> = conditions.iter().map(query).collect();
        let rql = Rql::parse::<Value>(Some(&text.join("&"))).unwrap();
        let (names, (from, to)) = (rql.texts("name"), rql.span("at"));
        let rest = rql.rest(&["name"], Some("at"));
        for item in items {
            let is_named = names.as_ref().is_none_or(|names| item.name.as_deref().is_some_and(|name| names.contains(&name)));
            let is_within = from.is_none_or(|from| item.at_ms >= from) && to.is_none_or(|to| item.at_ms <= to);
            let shown = show(&item);
            let meets = is_named && is_within && rest.iter().all(|filter| filter.holds(&shown));
            prop_assert_eq!(meets, conditions.iter().all(|condition| holds(condition, &item)), "{}", text.join("&"));
        }
    }
}

#[test]
fn a_span_has_whole_milliseconds() {
    let check = |query: &str, from: Option<i64>, to: Option<i64>| {
        assert_eq!(Rql::parse::<Value>(Some(query)).unwrap().span("at"), (from, to), "{query}");
    };
    check("ge(at,5)", Some(5), None);
    check("gt(at,5)", Some(6), None);
    check("le(at,5)", None, Some(5));
    check("lt(at,5)", None, Some(4));
    check("eq(at,5)", Some(5), Some(5));
    check("ge(at,5.5)", Some(6), None);
    check("gt(at,5.5)", Some(6), None);
    check("le(at,5.5)", None, Some(5));
    check("lt(at,5.5)", None, Some(5));
    check("eq(at,5.5)", Some(1), Some(0));
    check("ge(at,-1.5)", Some(-1), None);
    check("gt(at,1970-01-01T00:00:00.0055Z)", Some(6), None);
    check("ge(at,1970-01-01)", Some(0), None);
    check("ge(at,3)&ge(at,7)&lt(at,9)&le(at,20)", Some(7), Some(8));
    check("and(ge(at,3),le(at,4))", Some(3), Some(4));
    check("or(ge(at,3),le(at,4))&ge(other,5)&ge(at,soon)&ne(at,5)", None, None);
    check("ge(at,1e300)", Some(i64::MAX), None);
    check("lt(at,-99999999999999999999)", None, Some(i64::MIN));
}
