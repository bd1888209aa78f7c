//! Auth blocks: the auths of an app.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Reader, pairs};
use crate::app::resource::check_url;
use crate::app::rules::{PART_LIMIT, check_header_name};
use crate::app::{Auth, AuthSetup};
use crate::import::{is_key, shortened};
use crate::tag::Tag;

impl Reader<'_> {
    /// Adds the auth of a block, unless there is one that is the same.
    pub(super) fn auth(&mut self, block: &Value, pointer: &str) {
        let kind = block["type"].as_str().unwrap_or_default();
        let Some((setup, is_bearer)) = self.setup(kind, block, pointer) else { return };
        let is_same = |auth: &Auth| auth.setup == setup && auth.headers.is_empty() != is_bearer;
        if self.auths.iter().any(is_same) || self.auths.len() >= PART_LIMIT {
            return;
        }
        let number = self.auths.iter().filter(|auth| auth.tag.as_str().split('-').next() == Some(kind)).count() + 1;
        let name = if number == 1 { kind.to_owned() } else { format!("{kind}-{number}") };
        let Ok(tag) = Tag::parse(&name) else { return };
        let mut headers = BTreeMap::new();
        if is_bearer {
            headers.insert("Authorization".to_owned(), format!("Bearer $Auth{{{tag}}}{{token}}"));
        }
        self.auths.push(Auth { tag, name, description: String::new(), setup, headers, query: BTreeMap::new() });
        if self.auths.len() == 2 {
            self.notes.add(pointer, "is another auth than the first: an access tag chooses one with `auth_tag`");
        }
    }

    /// How a block works, and whether its token is sent as a bearer token.
    fn setup(&mut self, kind: &str, block: &Value, pointer: &str) -> Option<(AuthSetup, bool)> {
        let given = pairs(&block[kind]);
        let text = |name: &str| given.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        match kind {
            "" | "noauth" => None,
            "bearer" => Some((AuthSetup::TokenAccess {}, true)),
            "basic" => Some((AuthSetup::Basic {}, false)),
            "apikey" => {
                let (name, place) = (text("key"), if text("in") == "query" { "query" } else { "header" });
                let is_name = if place == "query" { is_key(&name) } else { check_header_name("key", &name).is_ok() };
                if is_name && !name.contains("{{") {
                    return Some((AuthSetup::ApiKey { name, place: place.to_owned() }, false));
                }
                self.notes.add(pointer, "is left out, as its key is not named");
                None
            }
            "oauth2" => {
                let url = text("accessTokenUrl");
                if check_url(&url).is_err() {
                    self.notes.add(pointer, "has no valid access token URL: it becomes an auth with a token");
                    return Some((AuthSetup::TokenAccess {}, true));
                }
                let scope = text("scope");
                let is_scope =
                    |scope: &&str| scope.bytes().all(|byte| byte.is_ascii_graphic()) && !scope.contains("{{");
                let scopes = scope.split_whitespace().filter(is_scope).take(PART_LIMIT).map(str::to_owned).collect();
                Some((AuthSetup::OAuth2 { token_url: url, scopes }, false))
            }
            other => {
                self.notes.add(
                    pointer,
                    format!("is left out, as auths of the type `{}` are not known", shortened(other, 40)),
                );
                None
            }
        }
    }
}
