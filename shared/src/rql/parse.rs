//! From the raw query string to a query.
//!
//! The syntax is read before anything is decoded, so that an encoded comma or parenthesis is part of its value. A
//! comparison may be written with a sign as well, `n>=5` or `n=ge=5` for `ge(n,5)`.

use std::borrow::Cow;

use super::filter::{Comparison, Filter};
use super::operand::{Operand, decoded};
use super::order::Direction;
use super::shape::{Found, Shape, Values};
use super::sugar::{self, Signed};
use super::{Field, MAX_LIMIT, Rql};
use crate::error::Refusal;

const QUERY_LIMIT_BYTES: usize = 8 * 1024;
const DEPTH_LIMIT: usize = 8;
const TERM_LIMIT: usize = 128;
const ARGUMENT_LIMIT: usize = 512;
const SEGMENT_LIMIT: usize = 10;
/// How much of the query an error quotes.
const QUOTE_LIMIT: usize = 24;

/// Parses a whole query string on items of a shape.
pub(super) fn query(raw: &str, shape: &Shape) -> Result<Rql, Refusal> {
    if raw.len() > QUERY_LIMIT_BYTES {
        return Err(Refusal::long_query(format!("the query is longer than {QUERY_LIMIT_BYTES} bytes")));
    }
    let mut parser = Parser { raw, shape, at: 0, terms: 0, arguments: 0 };
    let mut query = Rql::default();
    loop {
        // A missing `&` between `)` and the next operator is forgiven: a widely used client loses it.
        while parser.skip('&') {}
        if parser.rest().is_empty() {
            return Ok(query);
        }
        let call = parser.call(1)?;
        apply(&mut query, &call, &parser)?;
    }
}

struct Parser<'a> {
    raw: &'a str,
    shape: &'a Shape,
    at: usize,
    terms: usize,
    arguments: usize,
}

/// `name(argument,argument)` as it is written.
#[derive(Clone)]
struct Call<'a> {
    name: &'a str,
    at: usize,
    arguments: Vec<Argument<'a>>,
}

#[derive(Clone)]
enum Argument<'a> {
    Text { raw: &'a str, at: usize },
    Call(Call<'a>),
}

impl<'a> Call<'a> {
    /// A comparison with a sign, as the operator that it stands for.
    fn signed(signed: &Signed<'a>, at: usize, values: Vec<Argument<'a>>) -> Self {
        let field = Argument::Text { raw: signed.field, at };
        Self { name: signed.operator, at, arguments: std::iter::once(field).chain(values).collect() }
    }
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        &self.raw[self.at..]
    }

    fn skip(&mut self, character: char) -> bool {
        let found = self.rest().starts_with(character);
        self.at += usize::from(found);
        found
    }

    /// Takes everything up to the next character of the syntax.
    fn text(&mut self) -> &'a str {
        let rest = self.rest();
        let text = &rest[..rest.find([',', '(', ')', '&']).unwrap_or(rest.len())];
        self.at += text.len();
        text
    }

    fn call(&mut self, depth: usize) -> Result<Call<'a>, Refusal> {
        let at = self.at;
        let name = self.text();
        if self.skip('(') {
            return self.call_of(name, at, depth);
        }
        let Some(signed) = sugar::read(name) else {
            let hint = "a query is made of operators such as `eq(field,value)`";
            return Err(self.refuse(at, hint));
        };
        self.count_term(at, depth)?;
        Ok(Call::signed(&signed, at, vec![Argument::Text { raw: signed.value, at }]))
    }

    fn count_term(&mut self, at: usize, depth: usize) -> Result<(), Refusal> {
        self.terms += 1;
        if depth > DEPTH_LIMIT || self.terms > TERM_LIMIT {
            let rule = format!("a query has up to {TERM_LIMIT} operators, nested up to {DEPTH_LIMIT} deep");
            return Err(Refusal::long_query(self.refuse(at, &rule).message));
        }
        Ok(())
    }

    /// Reads the arguments of a call, after its opening parenthesis.
    fn call_of(&mut self, name: &'a str, at: usize, depth: usize) -> Result<Call<'a>, Refusal> {
        self.count_term(at, depth)?;
        let arguments = self.arguments(depth)?;
        Ok(match sugar::read(name) {
            // As in `n=in=(1,2)`.
            Some(signed) if signed.value.is_empty() => Call::signed(&signed, at, arguments),
            _ => Call { name, at, arguments },
        })
    }

    fn arguments(&mut self, depth: usize) -> Result<Vec<Argument<'a>>, Refusal> {
        let mut arguments = Vec::new();
        if self.skip(')') {
            return Ok(arguments);
        }
        loop {
            let argument = self.argument(depth)?;
            // A missing `,` between `)` and the next operator is forgiven as a missing `&` is.
            let next = self.rest().chars().next().filter(|_| matches!(argument, Argument::Call(_)));
            arguments.push(argument);
            if self.skip(')') {
                return Ok(arguments);
            }
            if !self.skip(',') && !next.is_some_and(|next| next.is_ascii_alphabetic()) {
                return Err(self.refuse(self.at, "expected `,` or `)`"));
            }
        }
    }

    fn argument(&mut self, depth: usize) -> Result<Argument<'a>, Refusal> {
        self.arguments += 1;
        if self.arguments > ARGUMENT_LIMIT {
            let refusal = self.refuse(self.at, &format!("a query has up to {ARGUMENT_LIMIT} arguments"));
            return Err(Refusal::long_query(refusal.message));
        }
        let at = self.at;
        let raw = self.text();
        if self.skip('(') {
            return self.call_of(raw, at, depth + 1).map(Argument::Call);
        }
        Ok(Argument::Text { raw, at })
    }

    fn refuse(&self, at: usize, rule: &str) -> Refusal {
        let near: String = self.raw[at..].chars().take(QUOTE_LIMIT).collect();
        let place = if near.is_empty() { "at its end".to_owned() } else { format!("at `{near}`") };
        Refusal::invalid_rql(format!("the query cannot be read {place} (character {}): {rule}", at + 1))
    }
}

/// Adds an operator to the query; of `sort`, `select` and `limit` the last one counts.
///
/// Conditions at the top must all hold, so that what stands in an `and` there stands at the top as well.
fn apply(query: &mut Rql, call: &Call<'_>, parser: &Parser<'_>) -> Result<(), Refusal> {
    let reader = Reader { parser, call, within: &Field(Vec::new()) };
    match call.name {
        "sort" => query.sort = reader.sort()?,
        "select" => query.select = Some(reader.fields()?),
        "limit" => {
            let (count, offset) = reader.limit()?;
            (query.limit, query.requested_limit, query.offset) = (count.min(MAX_LIMIT), Some(count), offset);
        }
        "skipCount" | "skip_count" => query.counts = false,
        "and" => return reader.calls(&call.arguments)?.iter().try_for_each(|call| apply(query, call, parser)),
        _ => query.filters.push(reader.filter()?),
    }
    Ok(())
}

/// Reads the arguments of one call as what its operator takes.
struct Reader<'a> {
    parser: &'a Parser<'a>,
    call: &'a Call<'a>,
    /// The field whose elements have the fields that the call names; without a name for the items themselves.
    within: &'a Field,
}

impl Reader<'_> {
    fn filter(&self) -> Result<Filter, Refusal> {
        match self.call.name {
            "eq" => self.compare(Comparison::Equal),
            "ne" => Ok(not(self.compare(Comparison::Equal)?)),
            "gt" => self.compare(Comparison::Greater),
            "ge" => self.compare(Comparison::GreaterOrEqual),
            "lt" => self.compare(Comparison::Less),
            "le" => self.compare(Comparison::LessOrEqual),
            "like" => self.like(),
            "in" => self.one_of(),
            "out" => Ok(not(self.one_of()?)),
            "contains" => self.contains(),
            "excludes" => Ok(not(self.contains()?)),
            "and" => Ok(Filter::All(self.conditions(&self.call.arguments, self.within)?)),
            "or" => Ok(Filter::Any(self.conditions(&self.call.arguments, self.within)?)),
            "sort" | "select" | "limit" | "skipCount" | "skip_count" => {
                Err(self.refuse("this operator stands only at the top of a query, or in an `and` there"))
            }
            _ => Err(self.refuse(
                "no such operator; there are eq, ne, gt, ge, lt, le, like, in, out, contains, excludes, and, or, \
                 select, sort, limit and skipCount",
            )),
        }
    }

    fn compare(&self, comparison: Comparison) -> Result<Filter, Refusal> {
        let [field, operand] = self.call.arguments.as_slice() else {
            return Err(self.refuse("this operator takes a field and a value"));
        };
        let (field, values) = self.field_with_values(field)?;
        let operand = self.operand(operand, &values)?;
        if operand.is_pattern() && comparison != Comparison::Equal {
            return Err(self.refuse("a pattern can only be equal"));
        }
        Ok(Filter::Compare(field, comparison, operand))
    }

    fn like(&self) -> Result<Filter, Refusal> {
        let [field, text] = self.call.arguments.as_slice() else {
            return Err(self.refuse("this operator takes a field and a text"));
        };
        Ok(Filter::Like(self.field(field)?, self.text(text)?))
    }

    fn one_of(&self) -> Result<Filter, Refusal> {
        let Some((field, operands)) = self.call.arguments.split_first().filter(|(_, operands)| !operands.is_empty())
        else {
            return Err(self.refuse("this operator takes a field and at least one value"));
        };
        let (field, values) = self.field_with_values(field)?;
        let operands: Result<_, _> = operands.iter().map(|operand| self.operand(operand, &values)).collect();
        Ok(Filter::In(field, operands?))
    }

    fn contains(&self) -> Result<Filter, Refusal> {
        let field = |argument| self.field(argument);
        match self.call.arguments.as_slice() {
            [] => Err(self.refuse("this operator takes a field, and conditions for its elements if any")),
            [name] => Ok(Filter::Present(field(name)?)),
            [name, element @ Argument::Text { .. }] => {
                let (field, values) = self.field_with_values(name)?;
                Ok(Filter::Compare(field, Comparison::Equal, self.operand(element, &values)?))
            }
            [name, conditions @ ..] => {
                let field = field(name)?;
                let conditions = self.conditions(conditions, &self.whole(&field))?;
                Ok(Filter::Element(field, Box::new(Filter::All(conditions))))
            }
        }
    }

    fn conditions(&self, arguments: &[Argument<'_>], within: &Field) -> Result<Vec<Filter>, Refusal> {
        let read = |call: &Call<'_>| Reader { parser: self.parser, call, within }.filter();
        self.calls(arguments)?.iter().map(|call| read(call)).collect()
    }

    /// Returns the operators that the arguments are.
    fn calls<'b>(&self, arguments: &'b [Argument<'b>]) -> Result<Vec<Cow<'b, Call<'b>>>, Refusal> {
        if arguments.is_empty() {
            return Err(self.refuse("this operator takes at least one condition"));
        }
        let call = |argument: &'b Argument<'b>| match argument {
            Argument::Call(call) => Ok(Cow::Borrowed(call)),
            Argument::Text { raw, at } => match sugar::read(raw) {
                Some(signed) => {
                    Ok(Cow::Owned(Call::signed(&signed, *at, vec![Argument::Text { raw: signed.value, at: *at }])))
                }
                None => Err(self.parser.refuse(*at, "a condition such as `eq(field,value)` belongs here")),
            },
        };
        arguments.iter().map(call).collect()
    }

    fn sort(&self) -> Result<Vec<(Field, Direction)>, Refusal> {
        let by = |argument: &Argument<'_>| {
            let text = self.text(argument)?;
            let (direction, name) = match text.split_at_checked(1) {
                Some(("-", name)) => (Direction::Descending, name),
                Some(("+", name)) => (Direction::Ascending, name),
                _ => (Direction::Ascending, text.as_str()),
            };
            Ok((self.field_of(name)?.0, direction))
        };
        self.call.arguments.iter().map(by).collect()
    }

    fn fields(&self) -> Result<Vec<Field>, Refusal> {
        if self.call.arguments.is_empty() {
            return Err(self.refuse("this operator takes at least one field"));
        }
        self.call.arguments.iter().map(|argument| self.field(argument)).collect()
    }

    fn limit(&self) -> Result<(usize, usize), Refusal> {
        let rule = "a limit is `limit(count)` or `limit(count,offset)` with whole numbers, the count at least 1";
        let number = |argument: &Argument<'_>| self.text(argument)?.parse().map_err(|_| self.refuse(rule));
        let (count, offset): (usize, usize) = match self.call.arguments.as_slice() {
            [count] => (number(count)?, 0),
            [count, offset] => (number(count)?, number(offset)?),
            _ => return Err(self.refuse(rule)),
        };
        if count == 0 {
            return Err(self.refuse(rule));
        }
        Ok((count, offset))
    }

    fn field(&self, argument: &Argument<'_>) -> Result<Field, Refusal> {
        self.field_with_values(argument).map(|(field, _)| field)
    }

    fn field_with_values(&self, argument: &Argument<'_>) -> Result<(Field, Values), Refusal> {
        self.field_of(&self.text(argument)?)
    }

    fn field_of(&self, name: &str) -> Result<(Field, Values), Refusal> {
        let segments: Vec<String> = name.split('.').map(str::to_owned).collect();
        if segments.iter().any(String::is_empty) || segments.len() > SEGMENT_LIMIT {
            return Err(self.refuse(&format!("a field is a name, or up to {SEGMENT_LIMIT} of them joined by dots")));
        }
        let within = &self.within.0;
        let whole = [within.as_slice(), segments.as_slice()].concat();
        let Found { mut path, values } = self.parser.shape.find(&whole).map_err(|rule| self.refuse(&rule))?;
        Ok((Field(path.split_off(within.len())), values))
    }

    /// Returns the path of a field from the item on.
    fn whole(&self, field: &Field) -> Field {
        Field([self.within.0.as_slice(), field.0.as_slice()].concat())
    }

    /// Reads a value that fields with such values can have.
    fn operand(&self, argument: &Argument<'_>, values: &Values) -> Result<Operand, Refusal> {
        let Argument::Text { raw, at } = argument else { return Err(self.no_text(argument)) };
        let read = Operand::read(raw).ok_or_else(|| self.parser.refuse(*at, "this is not UTF-8"))?;
        let operand = read.map_err(|rule| self.refuse(&rule))?;
        match operand.mismatch(values) {
            Some(rule) => Err(self.refuse(&rule)),
            None => Ok(operand),
        }
    }

    fn text(&self, argument: &Argument<'_>) -> Result<String, Refusal> {
        match argument {
            Argument::Text { raw, at } => decoded(raw).ok_or_else(|| self.parser.refuse(*at, "this is not UTF-8")),
            Argument::Call(_) => Err(self.no_text(argument)),
        }
    }

    fn no_text(&self, argument: &Argument<'_>) -> Refusal {
        let (Argument::Call(Call { at, .. }) | Argument::Text { at, .. }) = argument;
        self.parser.refuse(*at, "a field or value belongs here; encode `(` and `)` in a value as %28 and %29")
    }

    fn refuse(&self, rule: &str) -> Refusal {
        self.parser.refuse(self.call.at, rule)
    }
}

fn not(filter: Filter) -> Filter {
    Filter::Not(Box::new(filter))
}
