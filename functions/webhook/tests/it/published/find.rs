//! Finds payloads in packages: in files of JSON, in sources that have them as text, and in documentation.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Deserializer;
use serde_json::value::RawValue;

use super::payload::Payload;
use super::source::Source;

/// Files that may have JSON in them.
const EXTENSIONS: [&str; 8] = ["json", "md", "mdx", "py", "rs", "rst", "ts", "js"];
/// The types of what Slack sends.
const SLACK: [&str; 10] = [
    "app_rate_limited",
    "block_actions",
    "block_suggestion",
    "event_callback",
    "interactive_message",
    "message_action",
    "shortcut",
    "url_verification",
    "view_closed",
    "view_submission",
];

type Fields<'a> = BTreeMap<String, &'a RawValue>;

/// Returns the distinct payloads of all packages that are unpacked in a directory.
pub(super) fn payloads(directory: &Path) -> BTreeSet<Payload> {
    let mut found = BTreeSet::new();
    for package in std::fs::read_dir(directory).unwrap() {
        let package = package.unwrap();
        search(&package.path(), &package.file_name().to_string_lossy(), &mut found);
    }
    found
}

fn search(path: &Path, package: &str, found: &mut BTreeSet<Payload>) {
    if path.is_dir() {
        let entries = std::fs::read_dir(path).unwrap();
        entries.for_each(|entry| search(&entry.unwrap().path(), package, found));
        return;
    }
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    if !EXTENSIONS.contains(&extension) {
        return;
    }
    let text = String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned();
    let text = if extension == "rs" { without_comment_marks(&text) } else { text };
    let mut at = 0;
    while let Some(next) = text[at..].find('{') {
        at += next;
        let object = Deserializer::from_str(&text[at..]).into_iter::<&RawValue>().next().and_then(Result::ok);
        let payloads = object.map(|object| (recognised(object), object.get().len()));
        match payloads {
            Some((payloads, length)) if !payloads.is_empty() => {
                let payload = |(source, name, body)| Payload { source, package: package.to_owned(), name, body };
                found.extend(payloads.into_iter().map(payload));
                at += length;
            }
            _ => at += 1,
        }
    }
}

/// Examples in documentation comments have a mark on each line.
fn without_comment_marks(text: &str) -> String {
    let line = |line: &str| line.trim_start().trim_start_matches("///").to_owned();
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// Returns the payloads that an object is or lists, with the name that it gives them.
fn recognised(object: &RawValue) -> Vec<(Source, String, String)> {
    let Ok(fields) = serde_json::from_str::<Fields<'_>>(object.get()) else {
        return Vec::new();
    };
    let text = |name: &str| fields.get(name).and_then(|raw| serde_json::from_str::<String>(raw.get()).ok());
    let has = |name: &str| fields.contains_key(name);
    let is_number =
        |name: &str| fields.get(name).is_some_and(|raw| raw.get().bytes().all(|byte| byte.is_ascii_digit()));
    let (name, kind) = (text("name").unwrap_or_default(), text("type").unwrap_or_default());
    if has("examples") && has("actions") && has("properties") {
        let examples: Vec<&RawValue> = serde_json::from_str(fields["examples"].get()).unwrap_or_default();
        return examples.into_iter().map(|raw| (Source::GitHub, name.clone(), raw.get().to_owned())).collect();
    }
    if has("access_scopes") && name.contains('/') {
        let response = fields.get("response").filter(|raw| raw.get().starts_with('{'));
        return response.map(|raw| (Source::Shopify, name, raw.get().to_owned())).into_iter().collect();
    }
    let object_is = |expected: &str| text("object").as_deref() == Some(expected);
    let source = if object_is("whatsapp_business_account") && has("entry") {
        Source::WhatsApp
    } else if object_is("event") && has("data") {
        Source::Stripe
    } else if is_number("update_id") && fields.len() > 1 {
        Source::Telegram
    } else if text("object_kind").is_some() {
        Source::GitLab
    } else if SLACK.contains(&kind.as_str()) {
        Source::Slack
    } else {
        return Vec::new();
    };
    vec![(source, kind, object.get().to_owned())]
}
