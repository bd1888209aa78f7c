//! The helpers that a template can call: which there are, what they take, and how they are called.

mod block;
mod logic;
mod math;
mod number;
mod text;
mod time;
mod translation;
mod trial;

use std::collections::BTreeMap;
use std::sync::Arc;

use handlebars::{
    Context, Handlebars, Helper, HelperDef, HelperResult, JsonRender as _, Output, RenderContext, RenderError,
    RenderErrorReason, Renderable as _, ScopedJson,
};
use serde_json::Value;
use shared::nearest;

pub(super) use self::time::time_zone;
pub(super) use self::translation::{TextCall, check_call, check_text};
pub(super) use self::trial::{Known, run as try_call};
use super::render::Scene;

/// Where a helper stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Where its value is used: `{{sum 1 2}}` or `(sum 1 2)`.
    Value,
    /// Around other content: `{{#eq a b}}…{{/eq}}`.
    Block,
}

/// How a helper can be called.
#[derive(Debug)]
pub(super) struct Signature {
    name: &'static str,
    /// The fewest and the most parameters.
    parameters: (usize, usize),
    /// The named parameters; `None` if it takes any.
    options: Option<&'static [&'static str]>,
    /// Where it can stand.
    places: &'static [Place],
    /// Whether names in its block are no longer those of the inputs.
    pub(super) changes_context: bool,
    call: Call,
    /// What can be told of a call before there are inputs: it fails as the call would.
    trial: fn(&Scene, &Arguments<'_>) -> Result<Value, String>,
}

/// What a helper does.
#[derive(Clone, Copy)]
enum Call {
    /// Makes a value; as a block, renders it if the value is true.
    Value(fn(&Scene, &Arguments<'_>) -> Result<Value, String>, Cost),
    /// Renders its block in its own way.
    Block(block::Kind),
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Value(..) => "Value",
            Self::Block(_) => "Block",
        })
    }
}

/// How much work a call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cost {
    /// One unit, whatever the parameters are.
    One,
    /// As much as there is to read in the parameters.
    Reading,
    /// That, and the rules of a language.
    Language,
}

/// How many units the rules of a language take.
const LANGUAGE_UNITS: usize = 20;

/// What a helper is called with.
struct Arguments<'a> {
    parameters: Vec<&'a Value>,
    options: BTreeMap<&'a str, &'a Value>,
}

const ANY: usize = usize::MAX;
const VALUE: &[Place] = &[Place::Value];
const BLOCK: &[Place] = &[Place::Block];
const BOTH: &[Place] = &[Place::Value, Place::Block];

const fn value(
    name: &'static str,
    parameters: (usize, usize),
    options: &'static [&'static str],
    places: &'static [Place],
    cost: Cost,
    call: fn(&Scene, &Arguments<'_>) -> Result<Value, String>,
) -> Signature {
    let (trial, call) = (call, Call::Value(call, cost));
    Signature { name, parameters, options: Some(options), places, changes_context: false, call, trial }
}

const fn around(name: &'static str, options: &'static [&'static str], kind: block::Kind) -> Signature {
    let changes_context = matches!(kind, block::Kind::Each | block::Kind::With);
    Signature {
        name,
        parameters: (1, 1),
        options: Some(options),
        places: BLOCK,
        changes_context,
        call: Call::Block(kind),
        trial: kind.trial(),
    }
}

/// Every helper.
static SIGNATURES: &[Signature] = &[
    around("each", &[], block::Kind::Each),
    around("if", &["includeZero"], block::Kind::If),
    around("unless", &["includeZero"], block::Kind::Unless),
    around("with", &[], block::Kind::With),
    value("and", (1, ANY), &[], BOTH, Cost::One, logic::and),
    value("eq", (2, 2), &[], BOTH, Cost::Reading, logic::eq),
    value("ge", (2, 2), &[], BOTH, Cost::Reading, logic::ge),
    value("gt", (2, 2), &[], BOTH, Cost::Reading, logic::gt),
    value("includes", (2, 2), &[], BOTH, Cost::Reading, text::includes),
    value("le", (2, 2), &[], BOTH, Cost::Reading, logic::le),
    value("lt", (2, 2), &[], BOTH, Cost::Reading, logic::lt),
    value("ne", (2, 2), &[], BOTH, Cost::Reading, logic::ne),
    value("not", (1, 1), &[], BOTH, Cost::One, logic::not),
    value("or", (1, ANY), &[], BOTH, Cost::One, logic::or),
    value("ceil", (1, 1), &[], VALUE, Cost::Reading, math::ceil),
    value("divide", (1, ANY), &[], VALUE, Cost::Reading, math::divide),
    value("floor", (1, 1), &[], VALUE, Cost::Reading, math::floor),
    value("mod", (2, 2), &[], VALUE, Cost::Reading, math::modulo),
    value("multiply", (1, ANY), &[], VALUE, Cost::Reading, math::multiply),
    value("round", (1, 1), &[], VALUE, Cost::Reading, math::round),
    value("subtract", (1, ANY), &[], VALUE, Cost::Reading, math::subtract),
    value("sum", (1, ANY), &[], VALUE, Cost::Reading, math::sum),
    value("escape", (1, 1), &[], VALUE, Cost::Reading, text::escape),
    value("join", (1, ANY), &["sep"], VALUE, Cost::Reading, text::join),
    value("length", (1, 1), &[], VALUE, Cost::Reading, text::length),
    value("lookup", (2, 2), &[], VALUE, Cost::One, text::lookup).tried(text::lookup_tried),
    value("toJsonString", (1, 1), &[], VALUE, Cost::Reading, text::to_json_string),
    value("currency", (1, 1), number::CURRENCY_OPTIONS, VALUE, Cost::Language, number::currency),
    value("datetime", (1, 1), time::DATETIME_OPTIONS, VALUE, Cost::Language, time::datetime),
    value("number", (1, 1), number::NUMBER_OPTIONS, VALUE, Cost::Language, number::number),
    value("relativetime", (1, 1), time::RELATIVE_OPTIONS, VALUE, Cost::Language, time::relative),
    Signature {
        name: "t",
        parameters: (1, 1),
        options: None,
        places: VALUE,
        changes_context: false,
        call: Call::Value(translation::translate, Cost::Language),
        trial: translation::tried,
    },
];

/// Returns the signature of a helper.
pub(super) fn signature(name: &str) -> Option<&'static Signature> {
    SIGNATURES.iter().find(|signature| signature.name == name)
}

/// Returns the names of all helpers.
pub(super) fn names() -> impl Iterator<Item = &'static str> + Clone {
    SIGNATURES.iter().map(|signature| signature.name)
}

impl Signature {
    /// Checks a call of the helper.
    pub(super) fn check<'a>(
        &self,
        name: &str,
        place: Place,
        parameters: usize,
        options: impl Iterator<Item = &'a str>,
    ) -> Result<(), String> {
        if !self.places.contains(&place) {
            return Err(match place {
                Place::Value => format!("`{name}` must be a block, `{{{{#{name} …}}}}…{{{{/{name}}}}}`"),
                Place::Block => format!("`{name}` cannot be a block"),
            });
        }
        let (fewest, most) = self.parameters;
        if parameters < fewest || parameters > most {
            let at_least = if fewest == most { "" } else { "at least " };
            let noun = if fewest == 1 { "parameter" } else { "parameters" };
            return Err(format!("`{name}` takes {at_least}{fewest} {noun}, not {parameters}"));
        }
        self.check_options(options)
    }

    /// Checks that the helper has these options.
    fn check_options<'a>(&self, mut options: impl Iterator<Item = &'a str>) -> Result<(), String> {
        if let Some(known) = self.options
            && let Some(option) = options.find(|option| !known.contains(option))
        {
            let unknown = nearest::unknown("option", option, known.iter().copied());
            return Err(format!("`{}` has the {unknown}", self.name));
        }
        Ok(())
    }

    /// Makes a value of these arguments.
    fn run(&self, scene: &Scene, arguments: &Arguments<'_>) -> Result<Value, String> {
        match self.call {
            Call::Value(call, _) => call(scene, arguments),
            Call::Block(_) => Err("must be a block".to_owned()),
        }
    }

    /// The same helper, of whose calls less can be told before there are inputs.
    const fn tried(self, trial: fn(&Scene, &Arguments<'_>) -> Result<Value, String>) -> Self {
        Self { trial, ..self }
    }
}

/// Makes the helpers, and none else, known to a registry.
pub(super) fn register<'reg>(registry: &mut Handlebars<'reg>, scene: &Arc<Scene>) {
    // Those that come with the engine are not counted and partly take other parameters.
    for name in [
        "if", "unless", "each", "with", "lookup", "raw", "log", "eq", "ne", "gt", "gte", "lt", "lte", "and", "or",
        "not", "len",
    ] {
        registry.unregister_helper(name);
    }
    for signature in SIGNATURES {
        match signature.call {
            Call::Value(call, cost) => {
                registry.register_helper(signature.name, Box::new(ValueHelper { call, cost, scene: scene.clone() }));
            }
            Call::Block(kind) => {
                registry.register_helper(signature.name, Box::new(block::BlockHelper { kind, scene: scene.clone() }));
            }
        }
    }
}

/// A helper that makes a value.
struct ValueHelper {
    call: fn(&Scene, &Arguments<'_>) -> Result<Value, String>,
    cost: Cost,
    scene: Arc<Scene>,
}

impl ValueHelper {
    fn value(&self, helper: &Helper<'_>) -> Result<Value, RenderError> {
        let units = if self.cost == Cost::Language { LANGUAGE_UNITS } else { 1 };
        self.scene.charge_call(helper, units, self.cost != Cost::One)?;
        let parameters = helper.params().iter().map(|parameter| parameter.value()).collect();
        let options = helper.hash().iter().map(|(&name, value)| (name, value.value())).collect();
        let made = (self.call)(&self.scene, &Arguments { parameters, options });
        let value = made.map_err(|rule| failed(format!("`{}` {rule}", helper.name())))?;
        self.scene.charge_value(&value)?;
        Ok(value)
    }
}

impl HelperDef for ValueHelper {
    fn call_inner<'reg: 'rc, 'rc>(
        &self,
        helper: &Helper<'rc>,
        _: &'reg Handlebars<'reg>,
        _: &'rc Context,
        _: &mut RenderContext<'reg, 'rc>,
    ) -> Result<ScopedJson<'rc>, RenderError> {
        self.value(helper).map(ScopedJson::Derived)
    }

    fn call<'reg: 'rc, 'rc>(
        &self,
        helper: &Helper<'rc>,
        registry: &'reg Handlebars<'reg>,
        context: &'rc Context,
        render: &mut RenderContext<'reg, 'rc>,
        out: &mut dyn Output,
    ) -> HelperResult {
        let value = self.value(helper)?;
        if helper.is_block() {
            let branch = if is_truthy(&value, false) { helper.template() } else { helper.inverse() };
            let Some(branch) = branch else { return Ok(()) };
            self.scene.charge(branch.elements.len())?;
            return branch.render(registry, context, render, out);
        }
        let text = value.render();
        if render.is_disable_escape() {
            out.write(&text)?
        } else {
            out.write(&handlebars::html_escape(&text))?
        };
        Ok(())
    }
}

/// Tells whether `{{#if}}` takes a value for true: all but false, null, empty texts and arrays, and zero.
fn is_truthy(value: &Value, includes_zero: bool) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => includes_zero || number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(_) => true,
    }
}

/// Returns why a template cannot be rendered.
fn failed(rule: impl Into<String>) -> RenderError {
    RenderErrorReason::Other(rule.into()).into()
}

impl<'a> Arguments<'a> {
    fn first(&self) -> &'a Value {
        self.parameters.first().copied().unwrap_or(&Value::Null)
    }

    fn second(&self) -> &'a Value {
        self.parameters.get(1).copied().unwrap_or(&Value::Null)
    }

    /// Returns an option that must be a text.
    fn text(&self, name: &str) -> Result<Option<&'a str>, String> {
        match self.options.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(value) => {
                Err(format!("must have a text as its option `{name}`, not {}", super::input::kind_of(value)))
            }
        }
    }

    /// Returns an option that must be one of these texts.
    fn one_of<T: Copy>(&self, name: &str, known: &[(&str, T)]) -> Result<Option<T>, String> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let found = known.iter().find(|(known, _)| *known == text).map(|(_, value)| *value);
        let unknown = || {
            let names = known.iter().map(|(name, _)| *name);
            format!("has as its option `{name}` the {}", nearest::unknown("value", text, names))
        };
        found.map(Some).ok_or_else(unknown)
    }

    /// Returns an option that must be a whole number between these.
    fn whole(&self, name: &str, low: i16, high: i16) -> Result<Option<i16>, String> {
        let Some(value) = self.options.get(name).filter(|value| !value.is_null()) else { return Ok(None) };
        let number = value.as_i64().or_else(|| value.as_str().and_then(|text| text.parse().ok()));
        let number =
            number.and_then(|number| i16::try_from(number).ok()).filter(|number| (low..=high).contains(number));
        number.map(Some).ok_or_else(|| format!("must have a whole number from {low} to {high} as its option `{name}`"))
    }

    /// Returns an option that must be true or false.
    fn flag(&self, name: &str) -> Result<Option<bool>, String> {
        match self.options.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(Value::String(text)) if text == "true" => Ok(Some(true)),
            Some(Value::String(text)) if text == "false" => Ok(Some(false)),
            Some(_) => Err(format!("must have true or false as its option `{name}`")),
        }
    }
}
