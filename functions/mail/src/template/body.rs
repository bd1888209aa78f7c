//! The bodies that create and change a template, and the rules of their fields.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use shared::Refusal;
use shared::json::{self, Problem};

use super::Template;
use super::input::{self, Inputs};
use super::language::Language;
use super::render::Translations;

const NAME_LIMIT_CHARACTERS: usize = 50;
const DESCRIPTION_LIMIT_CHARACTERS: usize = 4_096;
const OUTPUT_LIMIT: usize = 50;
const TRANSLATION_LIMIT: usize = 2_000;
const KEY_LIMIT_CHARACTERS: usize = 200;
/// What one item of the table may hold, with room for its keys.
const TEMPLATE_LIMIT_BYTES: usize = 350_000;
const NAME_RULE: &str = "must begin with a letter, and have up to 50 letters, digits, `_` and `-`";
/// The fields that a client may send back with a template that it has read, and that only the server sets; `$schema` is
/// for editors.
const IGNORED_FIELDS: [&str; 4] = ["$schema", "id", "creationTimestamp", "updateTimestamp"];

/// A new template.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({
    "name": "welcome", "description": "The first mail to a user.",
    "inputs": {"first_name": {"type": "string"}},
    "outputs": {"subject": "{{{t 'greeting' name=@inputs.first_name}}}", "body": "<p>Welcome, {{@inputs.first_name}}!</p>"},
    "translations": {"greeting": {"EN": "Hello {{name}}", "NL": "Dag {{name}}"}}
}))]
pub(crate) struct TemplateBody {
    /// The unique name: a letter, then up to 49 letters, digits, `_` and `-`.
    pub(crate) name: String,
    /// What it is for.
    pub(crate) description: Option<String>,
    /// The inputs, by name; each must be given unless it says `"required": false`.
    pub(crate) inputs: Option<Inputs>,
    /// The Handlebars templates, by the names of what is made of them. Mails need `subject` and `body`.
    pub(crate) outputs: BTreeMap<String, String>,
    /// The texts of the helper `t`, by key and language.
    pub(crate) translations: Option<Translations>,
}

/// Changes to a template; absent fields stay as they are, and null removes what need not be there.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"outputs": {"subject": "Welcome", "body": "<p>Hello {{@inputs.first_name}}</p>"}}))]
pub(crate) struct TemplateChange {
    /// Another unique name.
    pub(crate) name: Option<String>,
    /// What it is for.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    pub(crate) description: Option<Option<String>>,
    /// All the inputs.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Inputs>)]
    pub(crate) inputs: Option<Option<Inputs>>,
    /// All the outputs.
    pub(crate) outputs: Option<BTreeMap<String, String>>,
    /// All the translations.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Translations>)]
    pub(crate) translations: Option<Option<Translations>>,
}

/// Tells null from an absent field.
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// Reads a body without the fields that count for nothing.
pub(crate) fn read<T: for<'de> Deserialize<'de>>(mut body: Map<String, Value>) -> Result<T, Refusal> {
    body.retain(|name, _| !IGNORED_FIELDS.contains(&name.as_str()));
    Ok(json::from_value(Value::Object(body))?)
}

/// Tells whether a text can be the name of a template or an output.
pub(crate) fn is_name(name: &str) -> bool {
    name.len() <= NAME_LIMIT_CHARACTERS
        && name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.chars().all(|character| character.is_ascii_alphanumeric() || matches!(character, '_' | '-'))
}

impl Template {
    /// Builds a template, if it can be rendered.
    pub(crate) fn new(body: TemplateBody, id: String, now: Timestamp) -> Result<Self, Refusal> {
        let TemplateBody { name, description, inputs, outputs, translations } = body;
        let outputs = outputs.into_iter().map(|(name, text)| (name, text.into())).collect();
        let (creation_timestamp, update_timestamp) = (now, now);
        Self { id, name, description, inputs, outputs, translations, creation_timestamp, update_timestamp }.checked()
    }

    /// Returns the template with changes, if it can still be rendered.
    pub(crate) fn changed(&self, change: &TemplateChange, now: Timestamp) -> Result<Self, Refusal> {
        let mut after = Self { update_timestamp: now, ..self.clone() };
        if let Some(name) = &change.name {
            after.name.clone_from(name);
        }
        if let Some(description) = &change.description {
            after.description.clone_from(description);
        }
        if let Some(inputs) = &change.inputs {
            after.inputs.clone_from(inputs);
        }
        if let Some(outputs) = &change.outputs {
            after.outputs = outputs.iter().map(|(name, text)| (name.clone(), text.as_str().into())).collect();
        }
        if let Some(translations) = &change.translations {
            after.translations.clone_from(translations);
        }
        after.checked()
    }

    fn checked(self) -> Result<Self, Refusal> {
        self.check_fields()?;
        let size = json::size_bytes(&self);
        if size > TEMPLATE_LIMIT_BYTES {
            let rule = format!("the template has {size} bytes, at most {TEMPLATE_LIMIT_BYTES} are allowed");
            return Err(Refusal::body_format(rule));
        }
        self.check()?;
        Ok(self)
    }

    fn check_fields(&self) -> Result<(), Problem> {
        let field = |name: &str, rule: String| Err(Problem::field(name, rule));
        if !is_name(&self.name) {
            return field("name", NAME_RULE.to_owned());
        }
        if let Some(description) = &self.description
            && description.chars().count() > DESCRIPTION_LIMIT_CHARACTERS
        {
            return field("description", format!("must have at most {DESCRIPTION_LIMIT_CHARACTERS} characters"));
        }
        if let Some(inputs) = &self.inputs {
            input::check(inputs, "inputs")?;
        }
        if self.outputs.is_empty() || self.outputs.len() > OUTPUT_LIMIT {
            return field("outputs", format!("must have 1 to {OUTPUT_LIMIT} entries"));
        }
        for (name, text) in &self.outputs {
            if !is_name(name) {
                return field(&format!("outputs.{name}"), NAME_RULE.to_owned());
            }
            if text.as_str().is_none_or(str::is_empty) {
                return field(&format!("outputs.{name}"), "must not be empty".to_owned());
            }
        }
        self.translations.as_ref().map_or(Ok(()), check_translations)
    }
}

fn check_translations(translations: &Translations) -> Result<(), Problem> {
    if translations.len() > TRANSLATION_LIMIT {
        return Err(Problem::field("translations", format!("must have at most {TRANSLATION_LIMIT} entries")));
    }
    for (key, texts) in translations {
        let place = format!("translations.{key}");
        if key.is_empty() || key.chars().count() > KEY_LIMIT_CHARACTERS {
            let rule = format!("must have a key of 1 to {KEY_LIMIT_CHARACTERS} characters");
            return Err(Problem::field(&place, rule));
        }
        if texts.is_empty() {
            return Err(Problem::field(&place, "must have a text in at least one language"));
        }
        for language in texts.keys() {
            if let Err(rule) =
                Language::parse(Some(language).filter(|language| !language.is_empty()).map(String::as_str))
            {
                return Err(Problem::field(&format!("{place}.{language}"), rule));
            }
        }
    }
    Ok(())
}
