//! Files that users keep for their tasks: scripts, their settings and their descriptions.

use http::HeaderMap;
use http::header::CONTENT_TYPE;
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::event::StepError;
use shared::http::Called;
use shared::{Refusal, json, media};

use crate::director::timing::Given;

/// Where the assets are, as a path of the API.
pub(crate) const ROOT: &str = "/assets/public/director/";
/// The longest asset. `DynamoDB` limits a record to 400 KB in all.
pub(crate) const LIMIT_BYTES: usize = 350 * 1024;
const NAME_LIMIT_BYTES: usize = 500;

/// The name of an asset: folders and a file, with its extension.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct AssetName(String);

/// What an asset is, by its extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A script.
    Script,
    /// JSON; that of a script's name holds the `init`, `end` and `interval` of its tasks.
    Json,
    /// The description of a script.
    Markdown,
}

impl AssetName {
    /// What a text must be to name an asset.
    pub(crate) const RULE: &str = "must be folders and a file separated by `/`, ending in `.js`, `.json` or `.md`, of \
        letters, digits, spaces and `._-`, where no part begins with a dot or has a space at one of its ends";

    /// Checks that a text can name an asset.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let is_plain = |char: char| char.is_alphanumeric() || matches!(char, '.' | '_' | '-' | ' ');
        let is_part = |part: &str| {
            !part.is_empty() && !part.starts_with('.') && part.trim() == part && part.chars().all(is_plain)
        };
        let is_name = text.len() <= NAME_LIMIT_BYTES && text.split('/').all(is_part) && kind(text).is_some();
        is_name.then(|| Self(text.to_owned()))
    }

    /// Reads the name from the path of a request as it was sent, which has one spelling but for what clients encode.
    ///
    /// A `/` that is encoded, doubled or at the end makes it none.
    pub(crate) fn of_request(called: &Called) -> Result<Self, Refusal> {
        let sent = called.path().strip_prefix(ROOT).unwrap_or_default();
        let has_separators = sent.to_ascii_lowercase().contains("%2f");
        let decoded = percent_decode_str(sent).decode_utf8().ok().filter(|_| !has_separators);
        let rule = || {
            let rule = format!("{} and at most {NAME_LIMIT_BYTES} bytes long", Self::RULE);
            Refusal::field("name", rule)
        };
        decoded.and_then(|name| Self::parse(&name)).ok_or_else(rule)
    }

    /// Returns the name.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns what the asset is.
    pub(crate) fn kind(&self) -> Kind {
        kind(&self.0).unwrap_or(Kind::Markdown)
    }

    /// Returns the JSON file of a script's name.
    pub(crate) fn settings(&self) -> Option<Self> {
        self.0.strip_suffix(".js").map(|name| Self(format!("{name}.json")))
    }
}

impl Kind {
    /// Returns the content type of such a file.
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Script => "text/javascript; charset=utf-8",
            Self::Json => "application/json",
            Self::Markdown => "text/markdown; charset=utf-8",
        }
    }

    /// Tells whether a body of this content type can be such a file.
    fn takes(self, content_type: &str) -> bool {
        let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let is_its_own = match self {
            Self::Script => essence.ends_with("javascript") || essence.ends_with("ecmascript"),
            Self::Json => essence == "application/json",
            Self::Markdown => essence == "text/markdown",
        };
        is_its_own || matches!(essence.as_str(), "" | "text/plain" | "application/octet-stream")
    }
}

fn kind(name: &str) -> Option<Kind> {
    match name.rsplit_once('.')? {
        (_, "js") => Some(Kind::Script),
        (_, "json") => Some(Kind::Json),
        (_, "md") => Some(Kind::Markdown),
        _ => None,
    }
}

/// Reads the text of an asset from the body of a request, and checks all but whether a script compiles.
pub(crate) fn content(name: &AssetName, headers: &HeaderMap, body: &[u8]) -> Result<String, Refusal> {
    let kind = name.kind();
    let content_type = headers.get(CONTENT_TYPE).map(|value| String::from_utf8_lossy(value.as_bytes()));
    let content_type = content_type.unwrap_or_default();
    if !kind.takes(&content_type) {
        return Err(Refusal::unsupported_media_type(&format!("{} or text/plain", kind.content_type())));
    }
    let too_large = || Refusal::too_large(format!("an asset has at most {LIMIT_BYTES} bytes"));
    if body.len() > LIMIT_BYTES {
        return Err(too_large());
    }
    let text = media::readable(&content_type, body)
        .filter(|text| !text.contains('\0'))
        .ok_or_else(|| Refusal::body_format("the body is not text in the charset that it should have"))?;
    if text.trim().is_empty() {
        return Err(Refusal::empty_body());
    }
    if text.len() > LIMIT_BYTES {
        return Err(too_large());
    }
    if kind == Kind::Json {
        check_settings(text.as_bytes())?;
    }
    Ok(text.into_owned())
}

/// Refuses JSON that is no object, or whose `init`, `end` or `interval` could not be those of a task.
fn check_settings(text: &[u8]) -> Result<(), Refusal> {
    match json::parse(text)? {
        Value::Object(fields) => Given::read(&fields).map(drop),
        _ => Err(Refusal::body_format("the body must be a JSON object")),
    }
}

/// The failure of a task whose script is an asset that does not exist.
pub(crate) fn not_found(name: &AssetName) -> StepError {
    StepError::invocation("ScriptNotFound", format!("no script {ROOT}{} exists", name.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_folders_and_a_file() {
        let check = |name: &str, expected: Option<Kind>| {
            assert_eq!(AssetName::parse(name).map(|name| name.kind()), expected, "{name}");
        };
        check("a.js", Some(Kind::Script));
        check("tasks/slack/Notify team/script.js", Some(Kind::Script));
        check("tasks/slack/notify/configuration.json", Some(Kind::Json));
        check("documentation.md", Some(Kind::Markdown));
        check("größe-1_2.v3.js", Some(Kind::Script));
        for wrong in [
            "",
            "a",
            "a.txt",
            ".js",
            "../a.js",
            "a/../b.js",
            "a//b.js",
            "/a.js",
            "a/",
            "a/.b.js",
            "./a.js",
            "a\\b.js",
            "a\0.js",
            "a%2e.js",
            "a?.js",
            "a\n.js",
            "js",
            "a.JS",
        ] {
            check(wrong, None);
        }
        check(&format!("{}.js", "a".repeat(NAME_LIMIT_BYTES - 3)), Some(Kind::Script));
        check(&format!("{}.js", "a".repeat(NAME_LIMIT_BYTES - 2)), None);
    }

    #[test]
    fn the_settings_of_a_script_have_its_name() {
        let settings = |name: &str| AssetName::parse(name).unwrap().settings().map(|name| name.0);
        assert_eq!(settings("tasks/a.js").as_deref(), Some("tasks/a.json"));
        assert_eq!(settings("tasks/a.json"), None);
    }

    #[test]
    fn a_body_is_text_of_its_kind() {
        let check = |name: &str, content_type: &'static str, body: &[u8], expected: Result<&str, u16>| {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, content_type.parse().unwrap())]);
            let read = content(&AssetName::parse(name).unwrap(), &headers, body);
            assert_eq!(read.as_deref().map_err(|refusal| refusal.status.as_u16()), expected, "{name} {content_type}");
        };
        check("a.js", "application/javascript", b"x", Ok("x"));
        check("a.js", "text/javascript; charset=windows-1252", b"'\xe9'", Ok("'é'"));
        check("a.js", "", "'é'".as_bytes(), Ok("'é'"));
        check("a.js", "text/plain", b"'\xe9'", Err(400));
        check("a.js", "text/plain", b"a\0b", Err(400));
        check("a.js", "text/plain", b"", Err(400));
        check("a.js", "application/x-www-form-urlencoded", b"x", Err(415));
        check("a.js", "application/json", b"{}", Err(415));
        check("a.js", "text/plain", &[b'x'; LIMIT_BYTES], Ok(&"x".repeat(LIMIT_BYTES)));
        check("a.js", "text/plain", &[b'x'; LIMIT_BYTES + 1], Err(413));
        check(
            "a.json",
            "application/json",
            br#"{"interval": 5000, "more": [1]}"#,
            Ok(r#"{"interval": 5000, "more": [1]}"#),
        );
        check("a.json", "application/json", br#"{"interval": 0}"#, Err(400));
        check("a.json", "application/json", br#"{"init": "24/06/2022"}"#, Err(400));
        check("a.json", "application/json", b"[]", Err(400));
        check("a.json", "application/json", b"{", Err(400));
        check("a.md", "text/markdown", b"# A", Ok("# A"));
    }
}
