//! Rendering, with bounds on what it may cost: whatever a template and its inputs are, it ends soon and stays small.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use handlebars::{
    Context, Handlebars, Helper, Output, RenderContext, RenderError, RenderErrorReason, Renderable as _, Template,
};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Map, Value};

use super::helper;
use super::language::Language;

/// How many bytes all outputs of a template may have in total.
pub(super) const OUTPUT_LIMIT_BYTES: usize = 1024 * 1024;
/// How many bytes a text that a helper makes may have.
pub(super) const VALUE_LIMIT_BYTES: usize = OUTPUT_LIMIT_BYTES;
/// How much work rendering may take: a helper, a part of a block and 64 bytes of text or data are one unit each.
const WORK_LIMIT: usize = 300_000;
/// How much data is one unit of work.
const UNIT_BYTES: usize = 64;

/// Texts in several languages, by key and language.
pub(crate) type Translations = BTreeMap<String, BTreeMap<String, String>>;

/// What helpers know besides their parameters, and what is left of the bounds.
pub(super) struct Scene {
    pub(super) language: Language,
    pub(super) time_zone: TimeZone,
    pub(super) now: Timestamp,
    pub(super) translations: Arc<Translations>,
    work_left: AtomicUsize,
    bytes_left: AtomicUsize,
}

impl Scene {
    /// Starts with all that a rendering may take.
    pub(super) fn new(
        language: Language,
        time_zone: TimeZone,
        now: Timestamp,
        translations: Arc<Translations>,
    ) -> Self {
        let (work_left, bytes_left) = (AtomicUsize::new(WORK_LIMIT), AtomicUsize::new(OUTPUT_LIMIT_BYTES));
        Self { language, time_zone, now, translations, work_left, bytes_left }
    }

    /// Takes this much work from what is left.
    pub(super) fn charge(&self, units: usize) -> Result<(), RenderError> {
        if take(&self.work_left, units) {
            return Ok(());
        }
        Err(RenderErrorReason::Other("the template takes more work than is allowed".to_owned()).into())
    }

    /// Takes the work of calling a helper, and refuses parameters that are not there.
    ///
    /// What is in the inputs costs nothing by itself unless the helper `reads` all of it; what another helper made has
    /// been copied.
    pub(super) fn charge_call(&self, helper: &Helper<'_>, units: usize, reads: bool) -> Result<(), RenderError> {
        self.charge(units)?;
        for parameter in helper.params().iter().chain(helper.hash().values()) {
            if parameter.is_value_missing() {
                return Err(RenderErrorReason::MissingVariable(parameter.relative_path().cloned()).into());
            }
            if reads || parameter.context_path().is_none() {
                self.charge_value(parameter.value())?;
            }
        }
        Ok(())
    }

    /// Takes the work of reading or copying a value.
    pub(super) fn charge_value(&self, value: &Value) -> Result<(), RenderError> {
        self.charge(size_bytes(value, self.work_left.load(Ordering::Relaxed) * UNIT_BYTES) / UNIT_BYTES)
    }
}

fn take(left: &AtomicUsize, amount: usize) -> bool {
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(amount)).is_ok()
}

/// Returns about how large a value is, or at least how much of the bound it exceeds.
fn size_bytes(value: &Value, limit: usize) -> usize {
    let mut size = 0;
    let mut open = vec![value];
    while let Some(value) = open.pop() {
        size += 8;
        match value {
            Value::String(text) => size += text.len(),
            Value::Array(items) => open.extend(items),
            Value::Object(properties) => {
                size += properties.keys().map(String::len).sum::<usize>();
                open.extend(properties.values());
            }
            _ => {}
        }
        if size > limit {
            break;
        }
    }
    size
}

/// An output that takes no more than is allowed.
struct Bounded<'a> {
    text: String,
    scene: &'a Scene,
}

impl Output for Bounded<'_> {
    fn write(&mut self, text: &str) -> Result<(), std::io::Error> {
        if !take(&self.scene.bytes_left, text.len()) {
            let rule = format!("the outputs have more than {OUTPUT_LIMIT_BYTES} bytes");
            return Err(std::io::Error::other(rule));
        }
        self.text.push_str(text);
        Ok(())
    }
}

/// Renders templates over the same inputs; the error names the output and what is wrong.
pub(super) fn render(
    templates: &[(String, Template)],
    inputs: Map<String, Value>,
    scene: Scene,
) -> Result<Map<String, Value>, (String, String)> {
    let scene = Arc::new(scene);
    let mut registry = Handlebars::new();
    registry.set_strict_mode(true);
    helper::register(&mut registry, &scene);
    let mut outputs = Map::new();
    let context = Context::wraps(Value::Object(inputs)).map_err(|error| (String::new(), described(&error)))?;
    for (name, template) in templates {
        let mut out = Bounded { text: String::new(), scene: &scene };
        let rendered = scene
            .charge(template.elements.len())
            .and_then(|()| template.render(&registry, &context, &mut RenderContext::new(None), &mut out));
        rendered.map_err(|error| (name.clone(), described(&error)))?;
        outputs.insert(name.clone(), out.text.into());
    }
    Ok(outputs)
}

fn described(error: &RenderError) -> String {
    let reason = match error.reason() {
        RenderErrorReason::MissingVariable(Some(path)) => format!("`{path}` is missing"),
        RenderErrorReason::MissingVariable(None) => "a value is missing".to_owned(),
        RenderErrorReason::IOError(error) => error.to_string(),
        RenderErrorReason::InvalidJsonIndex(index) => format!("an array has positions, not `{index}`"),
        reason => reason.to_string(),
    };
    match (error.line_no, error.column_no) {
        (Some(line), Some(column)) => format!("{reason} (line {line}, column {column})"),
        _ => reason,
    }
}
