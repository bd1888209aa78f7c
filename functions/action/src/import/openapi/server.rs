//! Servers: the environments of an app.

use serde_json::Value;
use url::Url;

use super::Reader;
use crate::app::resource::check_base_url;
use crate::app::{AppEnv, RequestType};
use crate::import::{below, line, names};

/// The most environments that are made of servers.
const SERVER_LIMIT: usize = 20;

impl Reader<'_> {
    /// Makes the environments of the document's servers.
    pub(super) fn envs(&mut self) -> Vec<AppEnv> {
        let mut envs: Vec<AppEnv> = Vec::new();
        let servers = self.document["servers"].as_array().map(Vec::as_slice).unwrap_or_default();
        for (index, server) in servers.iter().enumerate() {
            let pointer = below("/servers", &index.to_string());
            if envs.len() == SERVER_LIMIT {
                self.notes.add(&pointer, "and those that follow are left out");
                break;
            }
            let Some(base_url) = self.base_url(server, &pointer) else { continue };
            if envs.iter().any(|env| env.base_url == base_url) {
                continue;
            }
            let description = server["description"].as_str().unwrap_or_default();
            let taken: Vec<_> = envs.iter().map(|env| env.slug.clone()).collect();
            let Some(slug) = names::env_slug(description, &taken) else { continue };
            let env_name = if description.is_empty() { slug.to_string() } else { line(description) };
            envs.push(AppEnv { env_name, slug, base_url, active: true, request_type: RequestType::Json });
        }
        if envs.is_empty() {
            self.notes
                .add("/servers", "gives no URL that can be called: add an environment with its `base_url` to the app");
        }
        envs
    }

    /// Returns the URL of a server, with its variables at their defaults, if it can be called.
    pub(super) fn base_url(&mut self, server: &Value, pointer: &str) -> Option<String> {
        let Some(template) = server["url"].as_str() else {
            self.notes.add(pointer, "is left out, as it has no URL");
            return None;
        };
        let mut url = template.to_owned();
        for (name, variable) in server["variables"].as_object().into_iter().flatten() {
            let placeholder = format!("{{{name}}}");
            if let (Some(default), true) = (variable["default"].as_str(), url.contains(&placeholder)) {
                url = url.replacen(&placeholder, default, 10);
                let default = crate::import::shortened(default, 100);
                self.notes.add(pointer, format!("has the variable `{name}`, which is taken to be `{default}`"));
            }
            if url.len() > 2 * crate::app::resource::LENGTH_LIMIT_CHARACTERS {
                break;
            }
        }
        if let Some((base, _)) = url.split_once(['?', '#']) {
            url = base.to_owned();
        }
        let url = url.trim_end_matches('/');
        match check_base_url(url) {
            Ok(()) => Some(url.to_owned()),
            Err(_) if Url::parse(template).is_err() && template.starts_with('/') => {
                self.notes.add(pointer, "is left out, as its URL is relative to where the document was");
                None
            }
            Err(rule) => {
                self.notes.add(pointer, format!("is left out, as its URL {rule}"));
                None
            }
        }
    }
}
