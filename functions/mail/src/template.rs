//! A template: its inputs, and the texts that are made of them.

mod body;
mod helper;
mod input;
mod language;
mod render;
mod scan;
mod syntax;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use http::StatusCode;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use shared::Refusal;

pub(crate) use self::body::{TemplateBody, TemplateChange, read};
use self::input::Inputs;
use self::language::Language;
use self::render::{Scene, Translations};
use self::syntax::Parsed;

/// A template as it is kept and shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Template {
    /// The id, 24 hex digits.
    pub(crate) id: String,
    /// The unique name.
    pub(crate) name: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
    /// The inputs that it is filled in with, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) inputs: Option<Inputs>,
    /// The texts that are made of it, by name: Handlebars templates.
    #[schema(value_type = Object)]
    pub(crate) outputs: Map<String, Value>,
    /// The texts that the helper `t` finds, by key and language.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) translations: Option<Translations>,
    /// When it was created.
    #[serde(with = "shared::clock::iso")]
    pub(crate) creation_timestamp: Timestamp,
    /// When it was last changed.
    #[serde(with = "shared::clock::iso")]
    pub(crate) update_timestamp: Timestamp,
}

/// What a template is filled in with.
#[derive(Debug)]
pub(crate) struct Filling<'a> {
    /// The values of its inputs.
    pub(crate) inputs: &'a Map<String, Value>,
    /// A language tag such as `EN` or `nl`; `EN` if absent.
    pub(crate) language: Option<&'a str>,
    /// An IANA time zone; UTC if absent.
    pub(crate) time_zone: Option<&'a str>,
    /// For relative times.
    pub(crate) now: Timestamp,
}

impl Template {
    /// Renders every output; errors are the codes 1003 to 1005.
    pub(crate) fn resolve(&self, filling: &Filling<'_>) -> Result<Map<String, Value>, Refusal> {
        let language = Language::parse(filling.language).map_err(|rule| Refusal::field("language", rule))?;
        let time_zone = match filling.time_zone.filter(|name| !name.is_empty()) {
            Some(name) => helper::time_zone(name).map_err(|rule| Refusal::field("timeZone", rule))?,
            None => TimeZone::UTC,
        };
        let none = Inputs::new();
        let filled = input::fill(self.inputs.as_ref().unwrap_or(&none), filling.inputs);
        let inputs = filled.map_err(|rule| refused(1003, "TEMPLATE_FILLING_EXCEPTION", rule))?;
        let mut templates = Vec::with_capacity(self.outputs.len());
        for (name, parsed) in self.parsed(None)? {
            templates.push((name, parsed.template));
        }
        let scene =
            Scene::new(language, time_zone, filling.now, Arc::new(self.translations.clone().unwrap_or_default()));
        render::render(&templates, inputs, scene).map_err(|(output, message)| {
            let refusal = refused(1005, "TEMPLATE_RESOLVING_EXCEPTION", format!("`outputs.{output}`: {message}"));
            refusal.with("resolveError", json!({"output": output, "message": message}))
        })
    }

    /// Checks that its outputs can be rendered, as far as that can be told without inputs.
    ///
    /// Clients that know no translations write them apart, after the template: without any, no key can be checked.
    fn check(&self) -> Result<(), Refusal> {
        let language = Language::parse(None).map_err(|rule| Refusal::field("language", rule))?;
        let translations = Arc::new(self.translations.clone().unwrap_or_default());
        let scene = Scene::new(language, TimeZone::UTC, Timestamp::UNIX_EPOCH, translations);
        let parsed = self.parsed(Some(&scene))?;
        let Some(known) = &self.translations else { return Ok(()) };
        for (key, texts) in known {
            for (language, text) in texts {
                helper::check_text(&scene, text)
                    .map_err(|rule| Refusal::field(&format!("translations.{key}.{language}"), rule))?;
            }
        }
        for (output, parsed) in &parsed {
            for call in &parsed.texts {
                helper::check_call(call, known).map_err(|rule| wrong_syntax(output, &format!("`t` {rule}")))?;
            }
        }
        Ok(())
    }

    fn parsed(&self, trial: Option<&Scene>) -> Result<Vec<(String, Parsed)>, Refusal> {
        let none = Inputs::new();
        let inputs = self.inputs.as_ref().unwrap_or(&none);
        let parsed = self.outputs.iter().map(|(name, text)| {
            let parsed = syntax::parse(text.as_str().unwrap_or_default(), inputs, trial);
            parsed.map(|parsed| (name.clone(), parsed)).map_err(|message| wrong_syntax(name, &message))
        });
        parsed.collect()
    }
}

fn wrong_syntax(output: &str, message: &str) -> Refusal {
    let refusal = refused(1004, "TEMPLATE_SYNTAX_EXCEPTION", format!("`outputs.{output}`: {message}"));
    refusal.with("syntaxError", json!({"output": output, "message": message}))
}

fn refused(code: u32, name: &'static str, message: impl Into<String>) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, code, name, message)
}
