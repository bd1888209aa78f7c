//! Template values: `{{ … }}` in an action's fields, filled in from the event and from earlier steps.
//!
//! A placeholder is a path with filters and no code: `{{ event.content.email | default("nobody") }}`. A string that is
//! exactly one placeholder keeps the value's type. What is filled in is data and is never read as a template again; within
//! a text it is escaped for the [`Place`] of the text.
//!
//! Braces that do not open a path to `event` or to a step are text, and so is a placeholder after a backslash.

mod aside;
#[cfg(test)]
mod aside_tests;
mod budget;
mod filter;
mod multipart;
#[cfg(test)]
mod multipart_tests;
mod parse;
mod place;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;

use serde_json::{Map, Value, json};
use shared::event::StepError;
use shared::json::size_bytes;

pub(crate) use self::budget::Budget;
pub(crate) use self::place::Place;

use self::budget::Allowance;
use self::filter::Filter;
use self::place::Writer;

/// What placeholders see.
#[derive(Debug, Clone)]
pub(crate) struct Scope<'a> {
    /// The event that started the run.
    pub(crate) event: &'a Value,
    /// The steps that are over.
    pub(crate) steps: Vec<StepResult<'a>>,
}

/// The result of an earlier step.
#[derive(Debug, Clone)]
pub(crate) struct StepResult<'a> {
    pub(crate) name: &'a str,
    pub(crate) status: &'static str,
    pub(crate) output: Option<&'a Value>,
    pub(crate) error: Option<&'a StepError>,
}

/// Why a template could not be filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// A value is missing or of a type that a filter does not accept; says which.
    Template(String),
    /// The result is larger than any command can be.
    TooLarge,
}

/// A value with its templates parsed.
#[derive(Debug)]
pub(crate) enum TemplateValue {
    /// A value without templates.
    Plain(Value),
    /// A string with placeholders.
    Text(Template),
    /// A list.
    List(Vec<Self>),
    /// An object.
    Object(Vec<(String, Self)>),
}

/// A parsed string.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq)]
enum Part {
    Text(String),
    Placeholder(Placeholder),
}

#[derive(Debug, Clone, PartialEq)]
struct Placeholder {
    path: Path,
    filters: Vec<Filter>,
}

/// The path to a value, starting at `event` or at a step.
#[derive(Debug, Clone, PartialEq)]
struct Path {
    root: Root,
    segments: Vec<String>,
}

#[derive(Debug, Clone, PartialEq)]
enum Root {
    Event,
    Step(String),
}

impl Template {
    /// Returns the names of the steps whose results the template uses.
    pub(crate) fn steps(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Placeholder(Placeholder { path: Path { root: Root::Step(name), .. }, .. }) => Some(name.as_str()),
            _ => None,
        })
    }

    /// Returns the outermost fields of the event that the template uses.
    pub(crate) fn event_fields(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Placeholder(Placeholder { path: Path { root: Root::Event, segments }, .. }) => {
                segments.first().map(String::as_str)
            }
            _ => None,
        })
    }

    /// Whether a text has something to fill in, or tries to.
    pub(crate) fn is_in(text: &str) -> bool {
        text.contains("{{")
            && Self::parse(text)
                .map_or(true, |parsed| parsed.parts.iter().any(|part| matches!(part, Part::Placeholder(_))))
    }

    /// Fills in the values, at the expense of the budget.
    fn fill(&self, scope: &Scope<'_>, place: Place, budget: &mut Budget) -> Result<Value, Failure> {
        if let [Part::Placeholder(placeholder)] = self.parts.as_slice() {
            let value = placeholder.value(scope, &mut budget.placeholder())?;
            budget.output(size_bytes(&value))?;
            return Ok(value.into_owned());
        }
        let mut writer = Writer::new(self, place, budget);
        for (at, part) in self.parts.iter().enumerate() {
            match part {
                Part::Text(text) => writer.text(text)?,
                Part::Placeholder(placeholder) => {
                    let value = placeholder.value(scope, &mut writer.allowance())?;
                    let next = self.parts.get(at + 1).map_or("", Part::text);
                    writer.value(placeholder, &value, next)?;
                }
            }
        }
        writer.finish().map(Value::String)
    }
}

impl Part {
    /// Returns the text of a part, and for a placeholder how it begins.
    fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Placeholder(_) => "{{",
        }
    }
}

impl TemplateValue {
    /// Parses every template within a value, or says what is wrong with one.
    pub(crate) fn parse(value: Value) -> Result<Self, String> {
        let parsed = match value {
            Value::String(text) if text.contains("{{") => Self::Text(Template::parse(&text)?),
            Value::Array(items) => Self::List(items.into_iter().map(Self::parse).collect::<Result<_, _>>()?),
            Value::Object(members) => {
                let members = members.into_iter().map(|(name, member)| Ok((name, Self::parse(member)?)));
                Self::Object(members.collect::<Result<_, String>>()?)
            }
            plain => Self::Plain(plain),
        };
        Ok(parsed)
    }

    /// Collects by name which results of steps the templates use, of those steps that `which` takes.
    pub(crate) fn collect_steps(&self, which: &dyn Fn(&str) -> bool, names: &mut Vec<String>) {
        match self {
            Self::Text(template) => names.extend(template.parts.iter().filter_map(|part| match part {
                Part::Placeholder(Placeholder { path, .. }) => match &path.root {
                    Root::Step(step) if which(step) => Some(path.to_string()),
                    _ => None,
                },
                Part::Text(_) => None,
            })),
            Self::List(items) => items.iter().for_each(|item| item.collect_steps(which, names)),
            Self::Object(members) => members.iter().for_each(|(_, member)| member.collect_steps(which, names)),
            Self::Plain(_) => {}
        }
    }

    /// Fills in the values, at the expense of the budget; `place` is where a text as a whole ends up.
    pub(crate) fn fill(&self, scope: &Scope<'_>, place: Place, budget: &mut Budget) -> Result<Value, Failure> {
        match self {
            Self::Text(template) => template.fill(scope, place, budget),
            Self::List(items) => {
                let filled = items.iter().map(|item| item.fill(scope, Place::Plain, budget));
                filled.collect::<Result<_, _>>().map(Value::Array)
            }
            Self::Object(members) => {
                let filled =
                    members.iter().map(|(name, member)| Ok((name.clone(), member.fill(scope, Place::Plain, budget)?)));
                filled.collect::<Result<Map<_, _>, _>>().map(Value::Object)
            }
            Self::Plain(value) => {
                budget.output(size_bytes(value))?;
                Ok(value.clone())
            }
        }
    }
}

impl Placeholder {
    fn value<'s>(&'s self, scope: &'s Scope<'_>, allowance: &mut Allowance<'_>) -> Result<Cow<'s, Value>, Failure> {
        let missing = || Failure::Template(format!("`{}` does not exist", self.path));
        let wrong = |why| Failure::Template(format!("`{}`: {why}", self.path));
        let mut value = self.path.find(scope, allowance).map_err(wrong)?;
        for filter in &self.filters {
            value = match (filter, value) {
                (Filter::Default(fallback), None) => Some(Cow::Borrowed(fallback)),
                (Filter::Default(fallback), Some(value)) if value.is_null() => Some(Cow::Borrowed(fallback)),
                (_, None) => return Err(missing()),
                (filter, Some(value)) => Some(filter.apply(value, allowance).map_err(wrong)?),
            };
        }
        value.ok_or_else(missing)
    }

    /// Whether the author vouches for the value.
    fn is_raw(&self) -> bool {
        self.filters.last() == Some(&Filter::Raw)
    }

    /// Whether the value is a JSON text already.
    fn writes_json(&self) -> bool {
        matches!(self.filters.last(), Some(Filter::Json | Filter::Raw))
    }
}

impl Path {
    fn find<'s>(&self, scope: &'s Scope<'_>, allowance: &mut Allowance<'_>) -> Result<Option<Cow<'s, Value>>, String> {
        let name = match &self.root {
            Root::Event => return Ok(walk(scope.event, &self.segments).map(Cow::Borrowed)),
            Root::Step(name) => name,
        };
        let Some(step) = scope.steps.iter().find(|step| step.name == name) else { return Ok(None) };
        if let Some((field, rest)) = self.segments.split_first()
            && field == "output"
        {
            return Ok(step.output.and_then(|output| walk(output, rest)).map(Cow::Borrowed));
        }
        if let (Some(output), []) = (step.output, self.segments.as_slice()) {
            allowance.json(output)?;
        }
        let result = if self.segments.is_empty() { step.to_value() } else { step.without_output() };
        Ok(walk(&result, &self.segments).cloned().map(Cow::Owned))
    }
}

impl StepResult<'_> {
    /// Returns the result as templates and conditions see it.
    pub(crate) fn to_value(&self) -> Value {
        let mut value = self.without_output();
        if let Some(output) = self.output {
            value["output"] = output.clone();
        }
        value
    }

    fn without_output(&self) -> Value {
        let mut value = json!({"status": self.status});
        if let Some(error) = self.error {
            value["error"] = json!(error);
        }
        value
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.root {
            Root::Event => f.write_str("event")?,
            Root::Step(name) => write!(f, "steps.{name}")?,
        }
        self.segments.iter().try_for_each(|segment| write!(f, ".{segment}"))
    }
}

fn walk<'v>(value: &'v Value, segments: &[String]) -> Option<&'v Value> {
    segments.iter().try_fold(value, |value, segment| match value {
        Value::Object(members) => members.get(segment),
        Value::Array(items) => items.get(segment.parse::<usize>().ok()?),
        _ => None,
    })
}

/// Renders a value inside text: strings as they are, everything else as JSON.
fn text_of(value: &Value) -> Cow<'_, str> {
    match value {
        Value::String(text) => Cow::Borrowed(text),
        other => Cow::Owned(other.to_string()),
    }
}
