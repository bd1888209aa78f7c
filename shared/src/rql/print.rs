//! Queries as text: what the parser reads as the same query.

use std::fmt;

use super::filter::{Comparison, Filter};
use super::operand::{self, Operand};
use super::order::Direction;
use super::{Field, Rql};

impl fmt::Display for Rql {
    /// Writes the operators in one order, each value encoded as far as it must be.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts: Vec<String> = self.filters.iter().map(text).collect();
        if !self.sort.is_empty() {
            parts.push(format!("sort({})", joined(self.sort.iter().map(sort_field))));
        }
        if let Some(fields) = &self.select {
            parts.push(format!("select({})", joined(fields.iter().map(field_text))));
        }
        match (self.requested_limit, self.offset) {
            (Some(count), 0) => parts.push(format!("limit({count})")),
            (Some(count), offset) => parts.push(format!("limit({count},{offset})")),
            (None, _) => {}
        }
        if !self.counts {
            parts.push("skipCount()".to_owned());
        }
        f.write_str(&parts.join("&"))
    }
}

/// Writes a condition.
pub(crate) fn text(filter: &Filter) -> String {
    let mut out = String::new();
    print(filter, &mut out);
    out
}

fn print(filter: &Filter, out: &mut String) {
    match filter {
        Filter::Compare(field, comparison, operand) => print_call(name(*comparison), field, &[operand], out),
        Filter::In(field, operands) => print_call("in", field, &operands.iter().collect::<Vec<_>>(), out),
        Filter::Like(field, like) => {
            out.push_str("like(");
            out.push_str(&field_text(field));
            out.push(',');
            operand::encode(like, out);
            out.push(')');
        }
        Filter::Present(field) => print_call("contains", field, &[], out),
        Filter::Element(field, filter) => print_element("contains", field, filter, out),
        Filter::All(filters) => print_all("and", filters, out),
        Filter::Any(filters) => print_all("or", filters, out),
        Filter::Not(filter) => match &**filter {
            Filter::Compare(field, _, operand) => print_call("ne", field, &[operand], out),
            Filter::In(field, operands) => print_call("out", field, &operands.iter().collect::<Vec<_>>(), out),
            Filter::Element(field, filter) => print_element("excludes", field, filter, out),
            Filter::Present(field) => print_call("excludes", field, &[], out),
            // The parser negates nothing else.
            Filter::Like(..) | Filter::All(_) | Filter::Any(_) | Filter::Not(_) => {}
        },
    }
}

fn print_call(name: &str, field: &Field, operands: &[&Operand], out: &mut String) {
    out.push_str(name);
    out.push('(');
    out.push_str(&field_text(field));
    for operand in operands {
        out.push(',');
        operand.print(out);
    }
    out.push(')');
}

fn print_element(name: &str, field: &Field, filter: &Filter, out: &mut String) {
    out.push_str(name);
    out.push('(');
    out.push_str(&field_text(field));
    let conditions = match filter {
        Filter::All(conditions) => conditions.as_slice(),
        other => std::slice::from_ref(other),
    };
    for condition in conditions {
        out.push(',');
        print(condition, out);
    }
    out.push(')');
}

fn print_all(name: &str, filters: &[Filter], out: &mut String) {
    out.push_str(name);
    out.push('(');
    out.push_str(&joined(filters.iter().map(text)));
    out.push(')');
}

fn name(comparison: Comparison) -> &'static str {
    match comparison {
        Comparison::Equal => "eq",
        Comparison::Greater => "gt",
        Comparison::GreaterOrEqual => "ge",
        Comparison::Less => "lt",
        Comparison::LessOrEqual => "le",
    }
}

fn sort_field((field, direction): &(Field, Direction)) -> String {
    let text = field_text(field);
    match direction {
        Direction::Descending => format!("-{text}"),
        Direction::Ascending if text.starts_with('-') || text.starts_with("%2B") => format!("+{text}"),
        Direction::Ascending => text,
    }
}

fn field_text(field: &Field) -> String {
    let mut out = String::new();
    for (at, segment) in field.0.iter().enumerate() {
        if at > 0 {
            out.push('.');
        }
        operand::encode(segment, &mut out);
    }
    out
}

fn joined(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(",")
}
