//! Writes as `PartiQL` statements, as far as both languages can say the same.
//!
//! An `INSERT` writes an item that is new. An `UPDATE` changes an item that is there, so that it says the same as DynamoDB's
//! own update only if the condition cannot hold for an item that is missing. There is no statement that writes an item
//! whether one is there or not, and none that deletes an item on a condition and tells of one that is missing.
//!
//! Source: Amazon DynamoDB developer guide, `PartiQL` statements; `BatchExecuteStatement`.

use std::collections::HashMap;
use std::fmt::Write as _;

use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::types::{AttributeValue, BatchStatementRequest};

use super::Item;
use super::change::Change;

/// The longest text of a statement.
const TEXT_LIMIT_BYTES: usize = 8_192;
/// The most parameters of a statement: DynamoDB counts the operators of an expression up to 300.
const PARAMETERS_LIMIT: usize = 250;

/// A write as a statement with `?` for its values.
///
/// The text follows from the shape of the write alone, so that an engine can keep what it prepares for it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Statement {
    text: String,
    parameters: Vec<Parameter>,
}

/// Where a parameter's value comes from.
#[derive(Debug, Clone, PartialEq)]
enum Parameter {
    /// An attribute of the item, or of its key.
    Attribute(String),
    /// A `:value` of the expressions.
    Value(String),
}

impl Statement {
    /// Says a write to a table with this key as a statement; `None` if there is none that says the same.
    pub(super) fn of(table: &str, key: &[&str], change: &Change) -> Option<Self> {
        let mut statement = Self { text: String::new(), parameters: Vec::new() };
        match change {
            Change::Put { item, condition: Some(condition), may_lack } => {
                let shape = Condition::parse(&condition.text, &condition.names)?;
                match (shape.is_new(key), may_lack) {
                    (true, _) => statement.insert(table, item)?,
                    (false, Some(may_lack)) => statement.replace(table, key, item, may_lack, shape)?,
                    (false, None) => return None,
                }
            }
            Change::Put { condition: None, .. } => return None,
            Change::Update { key, update, condition } => {
                let shape = Condition::parse(condition.as_deref()?, &update.names)?;
                statement.change(table, key, update, shape)?;
            }
        }
        let fits = statement.text.len() <= TEXT_LIMIT_BYTES && statement.parameters.len() <= PARAMETERS_LIMIT;
        fits.then_some(statement)
    }

    /// Builds the statement as it is sent. It names each attribute once, and can name a `:value` more often.
    pub(super) fn request(self, mut change: Change) -> Result<BatchStatementRequest, BuildError> {
        let value = |parameter: &Parameter| match parameter {
            Parameter::Attribute(name) => change.take(name),
            Parameter::Value(name) => change.values()?.get(name).cloned(),
        };
        let parameters = self.parameters.iter().filter_map(value).collect();
        BatchStatementRequest::builder().statement(self.text).set_parameters(Some(parameters)).build()
    }

    fn insert(&mut self, table: &str, item: &Item) -> Option<()> {
        let _ = write!(self.text, "INSERT INTO {} VALUE {{", quoted(table)?);
        for (index, name) in sorted_names(item).into_iter().enumerate() {
            // Quotation marks in a name would have to be written in a way of their own.
            let is_plain = !name.contains(['\'', '"', '\\']);
            let separator = if index == 0 { "" } else { ", " };
            is_plain.then(|| write!(self.text, "{separator}'{name}': ?"))?.ok()?;
            self.parameters.push(Parameter::Attribute(name.clone()));
        }
        self.text.push('}');
        Some(())
    }

    /// Sets what the item has and removes what it may lack, which leaves the item as it is.
    fn replace(&mut self, table: &str, key: &[&str], item: &Item, may_lack: &[&str], shape: Condition) -> Option<()> {
        let names: Vec<&String> = sorted_names(item).into_iter().filter(|name| !key.contains(&name.as_str())).collect();
        if names.is_empty() {
            return None;
        }
        let _ = write!(self.text, "UPDATE {}", quoted(table)?);
        for (index, name) in names.into_iter().enumerate() {
            let separator = if index == 0 { " SET " } else { ", " };
            let _ = write!(self.text, "{separator}{} = ?", quoted(name)?);
            self.parameters.push(Parameter::Attribute(name.clone()));
        }
        for name in may_lack.iter().filter(|name| !item.contains_key(**name)) {
            let _ = write!(self.text, " REMOVE {}", quoted(name)?);
        }
        self.restrict(key, shape)
    }

    fn change(&mut self, table: &str, key: &Item, update: &super::Expression, shape: Condition) -> Option<()> {
        let _ = write!(self.text, "UPDATE {}", quoted(table)?);
        let (assignments, removals) = match update.text.strip_prefix("SET ") {
            Some(rest) => rest.split_once(" REMOVE ").map_or((rest, ""), |(set, remove)| (set, remove)),
            None => ("", update.text.strip_prefix("REMOVE ")?),
        };
        for (index, assignment) in assignments.split(',').filter(|text| !text.trim().is_empty()).enumerate() {
            let (place, value) = assignment.split_once(" = ")?;
            let separator = if index == 0 { " SET " } else { ", " };
            let _ = write!(self.text, "{separator}{} = ?", path(place, &update.names)?);
            self.parameters.push(Parameter::Value(value_name(value)?));
        }
        for removal in removals.split(',').filter(|text| !text.trim().is_empty()) {
            let _ = write!(self.text, " REMOVE {}", path(removal, &update.names)?);
        }
        let names: Vec<&str> = sorted_names(key).into_iter().map(String::as_str).collect();
        self.restrict(&names, shape)
    }

    /// Adds the `WHERE` with the key and the condition.
    fn restrict(&mut self, key: &[&str], shape: Condition) -> Option<()> {
        let needs_item = |term: &Term| !matches!(term, Term::Missing(_));
        if !shape.0.iter().any(needs_item) {
            return None;
        }
        for (index, name) in key.iter().enumerate() {
            let separator = if index == 0 { " WHERE " } else { " AND " };
            let _ = write!(self.text, "{separator}{} = ?", quoted(name)?);
            self.parameters.push(Parameter::Attribute((*name).to_owned()));
        }
        for term in shape.0 {
            match term {
                Term::Compares { place, operator, value } => {
                    let _ = write!(self.text, " AND {place} {operator} ?");
                    self.parameters.push(Parameter::Value(value));
                }
                Term::Missing(place) => {
                    let _ = write!(self.text, " AND {place} IS MISSING");
                }
                // The key says so already.
                Term::There(place) if key.iter().any(|name| quoted(name).as_ref() == Some(&place)) => {}
                Term::There(place) => {
                    let _ = write!(self.text, " AND {place} IS NOT MISSING");
                }
            }
        }
        Some(())
    }
}

/// A condition that is a conjunction of terms which both languages have.
struct Condition(Vec<Term>);

enum Term {
    /// False where the attribute is missing.
    Compares {
        place: String,
        operator: &'static str,
        value: String,
    },
    There(String),
    Missing(String),
}

impl Condition {
    fn parse(text: &str, names: &HashMap<String, String>) -> Option<Self> {
        text.split(" AND ").map(|term| Term::parse(term.trim(), names)).collect::<Option<_>>().map(Self)
    }

    /// Whether it says that there is no item with the same key.
    fn is_new(&self, key: &[&str]) -> bool {
        match self.0.as_slice() {
            [Term::Missing(place)] => key.iter().any(|name| quoted(name).as_ref() == Some(place)),
            _ => false,
        }
    }
}

impl Term {
    fn parse(text: &str, names: &HashMap<String, String>) -> Option<Self> {
        let argument = |function: &str| text.strip_prefix(function)?.strip_prefix('(')?.strip_suffix(')');
        if let Some(place) = argument("attribute_exists") {
            return path(place, names).map(Self::There);
        }
        if let Some(place) = argument("attribute_not_exists") {
            return path(place, names).map(Self::Missing);
        }
        let mut words = text.split_whitespace();
        let (place, operator, value) = (words.next()?, words.next()?, words.next()?);
        // Not `<>`: of an attribute that is missing the two languages say different things.
        let operator = ["=", "<", "<=", ">", ">="].into_iter().find(|known| *known == operator)?;
        let term = Self::Compares { place: path(place, names)?, operator, value: value_name(value)? };
        words.next().is_none().then_some(term)
    }
}

/// Reads a `:value`.
fn value_name(text: &str) -> Option<String> {
    let name = text.trim();
    let is_name = name.strip_prefix(':')?.chars().all(|char| char.is_ascii_alphanumeric() || char == '_');
    is_name.then(|| name.to_owned())
}

/// Writes a path of attribute names in `PartiQL`; `None` for one into a list.
fn path(text: &str, names: &HashMap<String, String>) -> Option<String> {
    let mut path = String::new();
    for (index, step) in text.trim().split('.').enumerate() {
        let name = match step.starts_with('#') {
            true => names.get(step)?.as_str(),
            false => step,
        };
        let is_identifier = |name: &str| name.chars().all(|char| char.is_ascii_alphanumeric() || char == '_');
        if name.is_empty() || (!step.starts_with('#') && !is_identifier(name)) {
            return None;
        }
        if index > 0 {
            path.push('.');
        }
        path.push_str(&quoted(name)?);
    }
    Some(path)
}

fn quoted(name: &str) -> Option<String> {
    (!name.contains(['"', '\\'])).then(|| format!("\"{name}\""))
}

fn sorted_names(item: &HashMap<String, AttributeValue>) -> Vec<&String> {
    let mut names: Vec<&String> = item.keys().collect();
    names.sort_unstable();
    names
}

#[cfg(test)]
mod tests {
    use super::super::{Expression, is_new};
    use super::*;
    use serde_dynamo::aws_sdk_dynamodb_1::to_item;
    use serde_json::{Value, json};

    const KEY: &[&str] = &["pk", "sk"];

    fn check(change: &Change, expected: Option<(&str, &[&str])>) {
        let written = Statement::of("t", KEY, change).map(|statement| {
            let request = statement.request(change.clone()).unwrap();
            let values: Vec<String> = request.parameters().iter().map(|value| format!("{value:?}")).collect();
            (request.statement().to_owned(), values)
        });
        let expected = expected.map(|(text, values)| {
            (text.to_owned(), values.iter().map(|text| format!("{:?}", AttributeValue::S((*text).into()))).collect())
        });
        assert_eq!(written, expected, "{change:?}");
    }

    fn put(item: Value, condition: &str, may_lack: Option<&'static [&'static str]>) -> Change {
        let condition =
            Expression::new(condition).name("#sk", "sk").name("#c", "claim").value(":v", "V").value(":w", "W");
        Change::Put { item: to_item(item).unwrap(), condition: Some(condition), may_lack }
    }

    fn update(text: &str, condition: &str) -> Change {
        let update = Expression::new(text).name("#o", "owner").name("#c", "claim").name("#d", "a.b").name("#q", "a\"b");
        let update = update.value(":v", "V").value(":w", "W");
        let key = to_item(json!({"sk": "S", "pk": "P"})).unwrap();
        Change::Update { key, update, condition: Some(condition.to_owned()) }
    }

    #[test]
    fn an_item_that_is_new_is_inserted() {
        let item = json!({"sk": "S", "pk": "P", "a.b": "x"});
        let inserted = Some(("INSERT INTO \"t\" VALUE {'a.b': ?, 'pk': ?, 'sk': ?}", &["x", "P", "S"][..]));
        for condition in ["attribute_not_exists(pk)", "attribute_not_exists(#sk)"] {
            check(&put(item.clone(), condition, None), inserted);
        }
        let change = Change::Put { item: to_item(&item).unwrap(), condition: Some(is_new("pk")), may_lack: None };
        check(&change, inserted);
        for condition in ["attribute_not_exists(other)", "attribute_not_exists(pk) OR a = :v", "#sk = :v", ""] {
            check(&put(item.clone(), condition, None), None);
        }
        check(&put(json!({"sk": "S", "pk": "P", "it's": "x"}), "attribute_not_exists(pk)", None), None);
        let long = json!({"sk": "S", "pk": "P", ("x".repeat(8_192)): "x"});
        check(&put(long, "attribute_not_exists(pk)", None), None);
        check(&Change::Put { item: to_item(item).unwrap(), condition: None, may_lack: None }, None);
    }

    #[test]
    fn an_item_that_is_replaced_loses_what_the_new_one_lacks() {
        let replaced = "UPDATE \"t\" SET \"a\" = ? REMOVE \"open\" WHERE \"pk\" = ? AND \"sk\" = ? AND \"claim\".\"owner\" = ? \
                        AND \"claim\".\"answer\" IS MISSING";
        let condition = "#c.owner = :v AND attribute_not_exists(#c.answer)";
        let item = json!({"sk": "S", "pk": "P", "a": "x"});
        check(&put(item.clone(), condition, Some(&["open", "a"])), Some((replaced, &["x", "P", "S", "V"])));
        check(&put(item.clone(), condition, None), None);
        // It may be that no item is there.
        check(&put(item, "attribute_not_exists(answer)", Some(&["open"])), None);
        check(&put(json!({"sk": "S", "pk": "P"}), condition, Some(&["open"])), None);
    }

    #[test]
    fn an_update_is_a_statement_if_both_say_the_same() {
        let whole = " WHERE \"pk\" = ? AND \"sk\" = ?";
        for (text, condition, expected, values) in [
            ("SET a = :v", "attribute_exists(pk)", "SET \"a\" = ?{}", vec!["V", "P", "S"]),
            (
                "SET #c.#o = :v, #d = :w",
                "a = :w",
                "SET \"claim\".\"owner\" = ?, \"a.b\" = ?{} AND \"a\" = ?",
                vec!["V", "W", "P", "S", "W"],
            ),
            (
                "SET a = :v REMOVE b, c",
                "a < :w AND a >= :v",
                "SET \"a\" = ? REMOVE \"b\" REMOVE \"c\"{} AND \"a\" < ? AND \"a\" >= ?",
                vec!["V", "P", "S", "W", "V"],
            ),
            ("REMOVE a", "attribute_exists(b)", "REMOVE \"a\"{} AND \"b\" IS NOT MISSING", vec!["P", "S"]),
        ] {
            let text_expected = format!("UPDATE \"t\" {}", expected.replace("{}", whole));
            check(&update(text, condition), Some((&text_expected, &values)));
        }
    }

    #[test]
    fn what_a_statement_cannot_say_stays_as_it_is() {
        for text in [
            "ADD a :v",
            "SET a = a + :v",
            "SET a = if_not_exists(a, :v)",
            "SET a = :v ADD b :w",
            "SET a[0] = :v",
            "SET #q = :v",
            "set a = :v",
            "SET a = b",
            "",
            "SET a = :v DELETE b :w",
        ] {
            check(&update(text, "a = :v"), None);
        }
        for condition in [
            "a <> :v",
            "a = :v OR b = :w",
            "NOT a = :v",
            "(a = :v)",
            "a BETWEEN :v AND :w",
            "begins_with(a, :v)",
            "size(a) = :v",
            "a IN (:v)",
            "a = b",
            "a = :v and b = :w",
            "attribute_not_exists(a)",
            "a[0] = :v",
            "",
        ] {
            check(&update("SET a = :v", condition), None);
        }
    }
}
