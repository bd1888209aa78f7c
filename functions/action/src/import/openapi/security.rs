//! Security schemes: the auths of an app.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Reader;
use crate::app::resource::check_url;
use crate::app::rules::check_header_name;
use crate::app::{Auth, AuthSetup};
use crate::import::names::Taken;
use crate::import::{below, is_key, text};

const SCHEMES: &str = "/components/securitySchemes";

impl<'d> Reader<'d> {
    /// Makes the auths of the document's security schemes, first the ones that every request needs.
    pub(super) fn auths(&mut self) -> Vec<Auth> {
        let schemes = self.document["components"]["securitySchemes"].as_object();
        let mut names: Vec<&'d String> = schemes.into_iter().flatten().map(|(name, _)| name).collect();
        let required = self.document["security"].as_array().into_iter().flatten();
        let required: Vec<&str> =
            required.filter_map(Value::as_object).flatten().map(|(name, _)| name.as_str()).take(100).collect();
        let rank = |name: &&String| required.iter().position(|other| *other == name.as_str()).unwrap_or(usize::MAX);
        names.sort_by_key(rank);
        let mut taken = Taken::default();
        let mut auths = Vec::new();
        for name in names.into_iter().take(crate::app::rules::PART_LIMIT) {
            let pointer = below(SCHEMES, name);
            let scheme = &self.document["components"]["securitySchemes"][name.as_str()];
            let Some(scheme) = self.resolved(scheme, &pointer) else { continue };
            let Some((setup, is_bearer)) = self.setup(scheme, &pointer) else { continue };
            let Some(tag) = taken.tag(&[name, "auth"]) else { continue };
            let mut headers = BTreeMap::new();
            if is_bearer {
                headers.insert("Authorization".to_owned(), format!("Bearer $Auth{{{tag}}}{{token}}"));
            }
            let description = text(scheme["description"].as_str().unwrap_or_default());
            let name = crate::import::line(name);
            auths.push(Auth { tag, name, description, setup, headers, query: BTreeMap::new() });
        }
        auths
    }

    /// How a scheme works, and whether its token is sent as a bearer token.
    fn setup(&mut self, scheme: &Value, pointer: &str) -> Option<(AuthSetup, bool)> {
        let kind = scheme["type"].as_str().unwrap_or_default();
        let http_scheme = scheme["scheme"].as_str().unwrap_or_default().to_ascii_lowercase();
        match (kind, http_scheme.as_str()) {
            ("apiKey", _) => self.api_key(scheme, pointer).map(|setup| (setup, false)),
            ("http", "bearer") => Some((AuthSetup::TokenAccess {}, true)),
            ("http", "basic") => Some((AuthSetup::Basic {}, false)),
            ("oauth2", _) => Some(self.oauth2(&scheme["flows"], pointer)),
            ("openIdConnect", _) => {
                self.notes.add(pointer, "becomes an auth with a token that the access tag gives");
                Some((AuthSetup::TokenAccess {}, true))
            }
            ("http", other) => {
                self.notes.add(
                    pointer,
                    format!("is left out, as the scheme `{}` is not known", crate::import::shortened(other, 40)),
                );
                None
            }
            (other, _) => {
                self.notes.add(
                    pointer,
                    format!("is left out, as the type `{}` is not known", crate::import::shortened(other, 40)),
                );
                None
            }
        }
    }

    fn api_key(&mut self, scheme: &Value, pointer: &str) -> Option<AuthSetup> {
        let name = scheme["name"].as_str().unwrap_or_default().to_owned();
        let place = scheme["in"].as_str().unwrap_or_default();
        let problem = match place {
            "header" => check_header_name("name", &name).err().map(|problem| problem.to_string()),
            "query" if is_key(&name) => None,
            "query" => Some("its name cannot be used".to_owned()),
            "cookie" => Some("cookies are not sent".to_owned()),
            _ => Some("`in` must be `header` or `query`".to_owned()),
        };
        match problem {
            None => Some(AuthSetup::ApiKey { name, place: place.to_owned() }),
            Some(problem) => {
                self.notes.add(pointer, format!("is left out, as {problem}"));
                None
            }
        }
    }

    fn oauth2(&mut self, flows: &Value, pointer: &str) -> (AuthSetup, bool) {
        for flow in ["clientCredentials", "authorizationCode", "password"] {
            let Some(described) = flows.get(flow) else { continue };
            let token_url = described["tokenUrl"].as_str().unwrap_or_default().to_owned();
            if check_url(&token_url).is_err() {
                self.notes.add(pointer, format!("has no valid `tokenUrl` in `{flow}`"));
                continue;
            }
            let is_scope = |scope: &&String| !scope.is_empty() && scope.bytes().all(|byte| byte.is_ascii_graphic());
            let scopes = described["scopes"].as_object().into_iter().flatten().map(|(scope, _)| scope);
            let scopes = scopes.filter(is_scope).take(crate::app::rules::PART_LIMIT).cloned().collect();
            if flow != "clientCredentials" {
                self.notes.add(
                    pointer,
                    "needs a `refresh_token` in the data of the access tag, which a person has to ask for",
                );
            }
            return (AuthSetup::OAuth2 { token_url, scopes }, false);
        }
        self.notes.add(pointer, "becomes an auth with a token that the access tag gives");
        (AuthSetup::TokenAccess {}, true)
    }
}
