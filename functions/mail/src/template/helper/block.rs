//! The blocks that render their content in ways of their own: `if`, `unless`, `each` and `with`.

use std::sync::Arc;

use handlebars::{
    BlockContext, BlockParamHolder, Context, Handlebars, Helper, HelperDef, HelperResult, Output, RenderContext,
    RenderError, Renderable as _, ScopedJson,
};
use serde_json::Value;

use super::super::input::kind_of;
use super::super::render::Scene;
use super::{Arguments, failed, is_truthy};

/// Which block it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    If,
    Unless,
    Each,
    With,
}

impl Kind {
    /// Returns what can be told of a call before there are inputs.
    pub(super) const fn trial(self) -> fn(&Scene, &Arguments<'_>) -> Result<Value, String> {
        match self {
            Self::Each => |_, arguments| has_members(arguments.first()).map(|_| Value::Null),
            Self::If | Self::Unless | Self::With => |_, _| Ok(Value::Null),
        }
    }
}

/// A helper that is only a block.
pub(super) struct BlockHelper {
    pub(super) kind: Kind,
    pub(super) scene: Arc<Scene>,
}

/// What a block is rendered for.
struct Pass<'a> {
    item: &'a Value,
    /// Where the item is in the value of the block; `None` if it is the value.
    member: Option<Member>,
}

/// The place of an item in an array or object.
struct Member {
    /// The position or the name.
    at: String,
    /// The same as a template sees it.
    name: Value,
    index: usize,
    is_last: bool,
}

impl HelperDef for BlockHelper {
    fn call_inner<'reg: 'rc, 'rc>(
        &self,
        helper: &Helper<'rc>,
        _: &'reg Handlebars<'reg>,
        _: &'rc Context,
        _: &mut RenderContext<'reg, 'rc>,
    ) -> Result<ScopedJson<'rc>, RenderError> {
        Err(failed(format!("`{}` must be a block", helper.name())))
    }

    fn call<'reg: 'rc, 'rc>(
        &self,
        helper: &Helper<'rc>,
        registry: &'reg Handlebars<'reg>,
        context: &'rc Context,
        render: &mut RenderContext<'reg, 'rc>,
        out: &mut dyn Output,
    ) -> HelperResult {
        self.scene.charge_call(helper, 1, false)?;
        let value = helper.param(0).ok_or_else(|| failed("a block has no parameter"))?.value();
        let includes_zero = helper.hash_get("includeZero").is_some_and(|flag| is_truthy(flag.value(), false));
        let is_true = match self.kind {
            Kind::If => is_truthy(value, includes_zero),
            Kind::Unless => !is_truthy(value, includes_zero),
            Kind::With => is_truthy(value, true),
            Kind::Each => has_members(value).map_err(|rule| failed(format!("`each` {rule}")))?,
        };
        let Some(template) = (if is_true { helper.template() } else { helper.inverse() }) else { return Ok(()) };
        if !is_true || matches!(self.kind, Kind::If | Kind::Unless) {
            self.scene.charge(template.elements.len())?;
            return template.render(registry, context, render, out);
        }
        for pass in passes(self.kind, value) {
            self.scene.charge(1 + template.elements.len())?;
            render.push_block(self.block_of(helper, &pass)?);
            let rendered = template.render(registry, context, render, out);
            render.pop_block();
            rendered?;
        }
        Ok(())
    }
}

impl BlockHelper {
    /// Returns what a template sees while its block is rendered for an item.
    fn block_of<'rc>(&self, helper: &Helper<'rc>, pass: &Pass<'_>) -> Result<BlockContext<'rc>, RenderError> {
        let mut block = BlockContext::new();
        if let Some(member) = &pass.member {
            block.set_local_var("first", (member.index == 0).into());
            block.set_local_var("last", member.is_last.into());
            block.set_local_var("index", member.index.into());
            block.set_local_var("key", member.name.clone());
        }
        // What is in the inputs is found there by its path; what a helper made has to be carried along.
        let path = helper.param(0).and_then(|value| value.context_path());
        let carried = || {
            self.scene.charge_value(pass.item)?;
            Ok::<_, RenderError>(pass.item.clone())
        };
        if let Some(path) = path {
            block.base_path_mut().clone_from(path);
            block.base_path_mut().extend(pass.member.as_ref().map(|member| member.at.clone()));
        } else {
            block.set_base_value(carried()?);
        }
        let second = helper.block_param_pair();
        if let Some(parameter) = helper.block_param().or(second.map(|(first, _)| first)) {
            let holder = match path {
                Some(_) => BlockParamHolder::path(Vec::new()),
                None => BlockParamHolder::value(carried()?),
            };
            block.set_block_param(parameter, holder);
        }
        if let Some((_, parameter)) = second {
            let name = pass.member.as_ref().map_or(Value::Null, |member| member.name.clone());
            block.set_block_param(parameter, BlockParamHolder::value(name));
        }
        Ok(block)
    }
}

/// Returns what a block is rendered for, in order.
fn passes(kind: Kind, value: &Value) -> Box<dyn Iterator<Item = Pass<'_>> + '_> {
    match (kind, value) {
        (Kind::Each, Value::Array(items)) => Box::new(items.iter().enumerate().map(|(index, item)| {
            let is_last = index + 1 == items.len();
            Pass { item, member: Some(Member { at: index.to_string(), name: index.into(), index, is_last }) }
        })),
        (Kind::Each, Value::Object(properties)) => {
            Box::new(properties.iter().enumerate().map(|(index, (name, item))| {
                let is_last = index + 1 == properties.len();
                let member = Member { at: name.clone(), name: name.as_str().into(), index, is_last };
                Pass { item, member: Some(member) }
            }))
        }
        (_, item) => Box::new(std::iter::once(Pass { item, member: None })),
    }
}

/// Tells whether there is anything to render a block for.
fn has_members(value: &Value) -> Result<bool, String> {
    match value {
        Value::Null | Value::Bool(false) => Ok(false),
        Value::Array(items) => Ok(!items.is_empty()),
        Value::Object(properties) => Ok(!properties.is_empty()),
        value => Err(format!("takes an array or an object, not {}", kind_of(value))),
    }
}
