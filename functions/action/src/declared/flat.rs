//! Sorts a flat input into the four parts.

use serde_json::{Map, Value};
use shared::nearest::nearest;

use super::Part;
use super::check::{MAX_VIOLATIONS, shown};
use crate::app::Action;
use crate::failure::Violation;
use crate::input::Input;

/// How prefixes are written, for errors.
const PREFIXES: &str = "`body:`, `params:`, `query:` or `headers:`";

pub(super) fn structured(action: &Action, flat: Map<String, Value>) -> Result<Input, Vec<Violation>> {
    let (mut input, mut body, mut violations) = (Input::default(), Map::new(), Vec::new());
    for (name, value) in flat {
        let placed = place(action, &name).and_then(|(part, key)| {
            let values = match part {
                Part::Body => &mut body,
                Part::Query => &mut input.query,
                Part::Params => &mut input.params,
                Part::Header => &mut input.headers,
            };
            if values.keys().any(|given| part.is_same(given, key)) {
                return Err("is given more than once".to_owned());
            }
            values.insert(key.to_owned(), value);
            Ok(())
        });
        if let Err(rule) = placed {
            violations.push(Violation { selector: format!("$Input{{{}}}", shown(&name)), rule });
        }
        if violations.len() == MAX_VIOLATIONS {
            break;
        }
    }
    if !body.is_empty() {
        input.body = Value::Object(body);
    }
    if violations.is_empty() { Ok(input) } else { Err(violations) }
}

/// Finds the part that a name belongs to, and its name there; or says what to write instead.
fn place<'n>(action: &Action, name: &'n str) -> Result<(Part, &'n str), String> {
    let declared = |part: &Part| {
        let is_segment = *part == Part::Params && segments(action).any(|segment| segment == name);
        is_segment || part.fields(action).iter().any(|field| part.is_same(&field.key, name))
    };
    let parts: Vec<Part> = Part::ALL.into_iter().filter(declared).collect();
    match parts.as_slice() {
        [part] => return Ok((*part, name)),
        [] => {}
        parts => {
            let choices: Vec<_> = parts.iter().map(|part| format!("`{}:{}`", part.prefix(), shown(name))).collect();
            return Err(format!("is declared more than once: write {}", choices.join(" or ")));
        }
    }
    if let Some((prefix, key)) = name.split_once(':')
        && let Some(part) = Part::ALL.into_iter().find(|part| part.prefix() == prefix)
    {
        return if key.is_empty() { Err("has no name after its prefix".to_owned()) } else { Ok((part, key)) };
    }
    let known = Part::ALL.into_iter().flat_map(|part| part.fields(action)).map(|field| field.key.as_str());
    let meant = match nearest(name, known.chain(segments(action))) {
        Some(meant) => format!(": did you mean `{meant}`?"),
        None => String::new(),
    };
    Err(format!("is not declared{meant} (with {PREFIXES} before it, it is sent all the same)"))
}

/// Returns the names of the parameters in the resource, which count as declared.
fn segments(action: &Action) -> impl Iterator<Item = &str> {
    let path = action.resource.split(['?', '#']).next().unwrap_or_default();
    path.split('/').filter_map(|segment| segment.strip_prefix(':')).filter(|name| !name.is_empty())
}
