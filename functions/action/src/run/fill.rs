//! The input of a run with its placeholders filled in.
//!
//! What the caller gave is resolved by itself; then what the declaration adds, which can look at it (`$Input{…}`). A value
//! that a placeholder has become is not looked at again.

use serde_json::{Map, Value};

use crate::app::{Action, Field};
use crate::failure::Violation;
use crate::input::Input;
use crate::placeholder::{self, Sources};

/// Fills in what the caller gave.
pub(crate) fn given(action: &Action, input: &Input, sources: &mut Sources) -> Result<Input, Vec<Violation>> {
    Walk { sources, resolve: placeholder::resolve, violations: Vec::new() }.input(action, input)
}

/// Fills in what the declaration has added to an input: `before` became `after`, and `filled` is `before` filled in.
pub(crate) fn added(
    action: &Action,
    (before, filled): (&Input, Input),
    after: &Input,
    sources: &mut Sources,
) -> Result<Input, Vec<Violation>> {
    let caller = sources.input.replace(filled.to_value());
    let mut walk = Walk { sources, resolve: placeholder::resolve, violations: Vec::new() };
    let mut part = |before: &Map<String, Value>, filled: Map<String, Value>, after: &Map<String, Value>, fields| {
        walk.added_members(before, filled, after, fields)
    };
    let query = part(&before.query, filled.query, &after.query, &action.query);
    let params = part(&before.params, filled.params, &after.params, &action.params);
    let headers = part(&before.headers, filled.headers, &after.headers, &action.headers);
    let body = walk.added(&before.body, filled.body, &after.body, &action.body);
    let violations = walk.violations;
    sources.input = caller;
    if violations.is_empty() { Ok(Input { query, params, body, headers }) } else { Err(violations) }
}

/// Fills in what does not depend on credentials; what does is left out, and returned as it was written.
pub(crate) fn without_credentials(
    action: &Action,
    input: &Input,
    sources: &mut Sources,
) -> Result<(Input, Vec<Value>), Vec<Violation>> {
    let mut left_out = Vec::new();
    let resolve = |value: &Value, sources: &Sources| {
        let references = placeholder::references(value)?;
        if references.default_auth || !references.auths.is_empty() || !references.secrets.is_empty() {
            left_out.push(value.clone());
            return Ok(Value::Null);
        }
        placeholder::resolve(value, sources)
    };
    let input = Walk { sources, resolve, violations: Vec::new() }.input(action, input)?;
    Ok((input, left_out))
}

/// A way through an input and its declaration.
struct Walk<'a, F> {
    sources: &'a mut Sources,
    resolve: F,
    violations: Vec<Violation>,
}

impl<F: FnMut(&Value, &Sources) -> Result<Value, Violation>> Walk<'_, F> {
    fn input(mut self, action: &Action, input: &Input) -> Result<Input, Vec<Violation>> {
        let filled = Input {
            query: self.members(&input.query, &action.query),
            params: self.members(&input.params, &action.params),
            body: self.value(&input.body, &action.body),
            headers: self.members(&input.headers, &action.headers),
        };
        if self.violations.is_empty() { Ok(filled) } else { Err(self.violations) }
    }

    fn members(&mut self, members: &Map<String, Value>, fields: &[Field]) -> Map<String, Value> {
        members.iter().map(|(name, value)| (name.clone(), self.member(name, value, fields))).collect()
    }

    /// Fills in a member, whose declared default `$Default` stands for.
    fn member(&mut self, name: &str, value: &Value, fields: &[Field]) -> Value {
        let field = fields.iter().find(|field| field.key == name);
        self.sources.default = field.map(|field| field.default_value.clone()).filter(|default| !default.is_null());
        let filled = self.value(value, field.map_or(&[], |field| &field.fields));
        self.sources.default = None;
        filled
    }

    fn value(&mut self, value: &Value, fields: &[Field]) -> Value {
        match value {
            Value::Object(members) if !fields.is_empty() => self.members(members, fields).into(),
            Value::Array(items) if !fields.is_empty() => items.iter().map(|item| self.value(item, fields)).collect(),
            value => (self.resolve)(value, self.sources).unwrap_or_else(|violation| {
                self.violations.push(violation);
                Value::Null
            }),
        }
    }

    fn added_members(
        &mut self,
        before: &Map<String, Value>,
        mut filled: Map<String, Value>,
        after: &Map<String, Value>,
        fields: &[Field],
    ) -> Map<String, Value> {
        let mut members = Map::new();
        for (name, value) in after {
            let inner = fields.iter().find(|field| field.key == *name).map_or(&[][..], |field| &field.fields);
            let member = match (before.get(name), filled.remove(name)) {
                (Some(before), Some(filled)) => self.added(before, filled, value, inner),
                _ => self.member(name, value, fields),
            };
            members.insert(name.clone(), member);
        }
        members
    }

    fn added(&mut self, before: &Value, filled: Value, after: &Value, fields: &[Field]) -> Value {
        match (before, filled, after) {
            (Value::Object(before), Value::Object(filled), Value::Object(after)) => {
                self.added_members(before, filled, after, fields).into()
            }
            (Value::Array(before), Value::Array(filled), Value::Array(after))
                if before.len() == filled.len() && filled.len() == after.len() =>
            {
                let items = before.iter().zip(filled).zip(after);
                items.map(|((before, filled), after)| self.added(before, filled, after, fields)).collect()
            }
            (before, _, after) if before != after => self.value(after, fields),
            (_, filled, _) => filled,
        }
    }
}
