//! How callers of an app prove who they are.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::tag::Tag;

/// A way in which callers of an app prove who they are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "AuthBody", into = "AuthBody")]
pub(crate) struct Auth {
    /// The name in placeholders, as in `$Auth{tag}{token}`.
    pub(crate) tag: Tag,
    /// The name for people.
    pub(crate) name: String,
    /// What it is for.
    pub(crate) description: String,
    /// How it works.
    pub(crate) setup: AuthSetup,
    /// What is added to every request of the app, with placeholders over the credentials.
    pub(crate) headers: BTreeMap<String, String>,
    /// What is added to the query of every request of the app.
    pub(crate) query: BTreeMap<String, String>,
}

/// How an auth works.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum AuthSetup {
    /// The data of the access tag is the token.
    TokenAccess {},
    /// The data of the access tag is exchanged for a token by running an action.
    CredentialAccess {
        /// The action.
        action_tag: Tag,
        /// How long its answer is good for, in periods.
        expiry: u64,
        /// The period: secs, mins, hours, days, weeks, months or years.
        period: String,
    },
    /// OAuth 2: client credentials, or a refresh token where the data has one.
    OAuth2 {
        /// The token endpoint.
        token_url: String,
        /// What is asked for.
        scopes: Vec<String>,
    },
    /// The data has `key`, which is sent in a header or the query.
    ApiKey {
        /// The name of the header or field.
        name: String,
        /// `header` or `query`.
        place: String,
    },
    /// The data has `username` and `password`.
    Basic {},
}

/// A way in which callers of an app prove who they are.
///
/// `credential_access` needs `action_tag`, `expiry` and `period`; `oauth2` needs `token_url` and may have `scopes`; `api_key`
/// needs `key_name` and `in`; `token_access` and `basic` need nothing else.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = Auth)]
#[serde(deny_unknown_fields)]
struct AuthBody {
    /// The name in placeholders, as in `$Auth{tag}{token}`.
    tag: Tag,
    /// The name for people.
    #[serde(default)]
    name: String,
    /// What it is for.
    #[serde(default)]
    description: String,
    /// How it works.
    setup_type: SetupType,
    /// The action that exchanges the data of the access tag for a token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    action_tag: Option<Tag>,
    /// How long the answer of that action is good for, in periods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expiry: Option<u64>,
    /// The period of `expiry`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    period: Option<Period>,
    /// The token endpoint of OAuth 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    token_url: Option<String>,
    /// The scopes that are asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scopes: Option<Vec<String>>,
    /// The name of the header or of the field of the query that takes the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key_name: Option<String>,
    /// Where the key is sent.
    #[serde(rename = "in", default, skip_serializing_if = "Option::is_none")]
    place: Option<KeyPlace>,
    /// What is added to every request of the app, with placeholders over the credentials.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = Object)]
    headers: BTreeMap<String, String>,
    /// What is added to the query of every request of the app.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = Object)]
    query: BTreeMap<String, String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
enum SetupType {
    /// The data of the access tag is the token.
    TokenAccess,
    /// The data of the access tag is exchanged for a token by running an action.
    CredentialAccess,
    /// OAuth 2: client credentials, or a refresh token where the data has one.
    #[serde(rename = "oauth2")]
    OAuth2,
    /// The data has `key`, which is sent in a header or the query.
    ApiKey,
    /// The data has `username` and `password`.
    Basic,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
enum Period {
    Secs,
    Mins,
    Hours,
    Days,
    Weeks,
    Months,
    Years,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
enum KeyPlace {
    Header,
    Query,
}

impl utoipa::PartialSchema for Auth {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        AuthBody::schema()
    }
}

impl utoipa::ToSchema for Auth {
    fn name() -> std::borrow::Cow<'static, str> {
        AuthBody::name()
    }

    fn schemas(schemas: &mut Vec<(String, utoipa::openapi::RefOr<utoipa::openapi::Schema>)>) {
        AuthBody::schemas(schemas);
    }
}

/// The fields that belong to some ways of proving who one is and not to others.
#[derive(Default)]
struct Own {
    action_tag: Option<Tag>,
    expiry: Option<u64>,
    period: Option<Period>,
    token_url: Option<String>,
    scopes: Option<Vec<String>>,
    key_name: Option<String>,
    place: Option<KeyPlace>,
}

impl Own {
    fn setup(&mut self, kind: SetupType) -> Result<AuthSetup, &'static str> {
        Ok(match kind {
            SetupType::TokenAccess => AuthSetup::TokenAccess {},
            SetupType::Basic => AuthSetup::Basic {},
            SetupType::CredentialAccess => AuthSetup::CredentialAccess {
                action_tag: self.action_tag.take().ok_or("action_tag")?,
                expiry: self.expiry.take().ok_or("expiry")?,
                period: self.period.take().ok_or("period")?.text(),
            },
            SetupType::OAuth2 => AuthSetup::OAuth2 {
                token_url: self.token_url.take().ok_or("token_url")?,
                scopes: self.scopes.take().unwrap_or_default(),
            },
            SetupType::ApiKey => AuthSetup::ApiKey {
                name: self.key_name.take().ok_or("key_name")?,
                place: self.place.take().ok_or("in")?.text(),
            },
        })
    }

    /// Names a field that is still there.
    fn rest(&self) -> Option<&'static str> {
        let fields = [
            ("action_tag", self.action_tag.is_some()),
            ("expiry", self.expiry.is_some()),
            ("period", self.period.is_some()),
            ("token_url", self.token_url.is_some()),
            ("scopes", self.scopes.is_some()),
            ("key_name", self.key_name.is_some()),
            ("in", self.place.is_some()),
        ];
        fields.into_iter().find(|(_, is_there)| *is_there).map(|(name, _)| name)
    }
}

impl TryFrom<AuthBody> for Auth {
    type Error = String;

    fn try_from(body: AuthBody) -> Result<Self, String> {
        let AuthBody { tag, name, description, setup_type, headers, query, .. } = body;
        let AuthBody { action_tag, expiry, period, token_url, scopes, key_name, place, .. } = body;
        let mut own = Own { action_tag, expiry, period, token_url, scopes, key_name, place };
        let kind = text(&setup_type);
        let setup = own.setup(setup_type);
        let setup = setup.map_err(|field| format!("needs `{field}`, as its `setup_type` is `{kind}`"))?;
        if let Some(field) = own.rest() {
            return Err(format!("has the field `{field}`, which the `setup_type` `{kind}` does not take"));
        }
        Ok(Self { tag, name, description, setup, headers, query })
    }
}

impl From<Auth> for AuthBody {
    fn from(auth: Auth) -> Self {
        let Auth { tag, name, description, setup, headers, query } = auth;
        let (setup_type, own) = match setup {
            AuthSetup::TokenAccess {} => (SetupType::TokenAccess, Own::default()),
            AuthSetup::Basic {} => (SetupType::Basic, Own::default()),
            AuthSetup::CredentialAccess { action_tag, expiry, period } => {
                let (action_tag, period) = (Some(action_tag), parsed(&period));
                (SetupType::CredentialAccess, Own { action_tag, expiry: Some(expiry), period, ..Own::default() })
            }
            AuthSetup::OAuth2 { token_url, scopes } => {
                let scopes = Some(scopes).filter(|scopes| !scopes.is_empty());
                (SetupType::OAuth2, Own { token_url: Some(token_url), scopes, ..Own::default() })
            }
            AuthSetup::ApiKey { name, place } => {
                (SetupType::ApiKey, Own { key_name: Some(name), place: parsed(&place), ..Own::default() })
            }
        };
        let Own { action_tag, expiry, period, token_url, scopes, key_name, place } = own;
        Self {
            tag,
            name,
            description,
            setup_type,
            action_tag,
            expiry,
            period,
            token_url,
            scopes,
            key_name,
            place,
            headers,
            query,
        }
    }
}

impl Period {
    fn text(self) -> String {
        text(&self)
    }
}

impl KeyPlace {
    fn text(self) -> String {
        text(&self)
    }
}

/// The name of a variant in requests.
fn text(variant: &impl Serialize) -> String {
    let value = serde_json::to_value(variant).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}

fn parsed<T: serde::de::DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_value(text.into()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read(value: Value) -> Result<Auth, String> {
        shared::json::from_value(value).map_err(|problem| problem.to_string())
    }

    #[test]
    fn each_setup_has_its_own_fields_and_no_others() {
        let check = |value: Value, expected: &str| assert_eq!(read(value).unwrap_err(), expected);
        check(
            json!({"tag": "a", "setup_type": "oauth2"}),
            "the body needs `token_url`, as its `setup_type` is `oauth2`",
        );
        check(
            json!({"tag": "a", "setup_type": "basic", "in": "header"}),
            "the body has the field `in`, which the `setup_type` `basic` does not take",
        );
        check(
            json!({"tag": "a", "setup_type": "basic", "haeders": {}}),
            "unknown field `haeders`: did you mean `headers`?",
        );
        check(
            json!({"tag": "a", "setup_type": "bsaic"}),
            "`setup_type` has the unknown value `bsaic`: did you mean `basic`?",
        );
        check(
            json!({"tag": "a", "setup_type": "api_key", "key_name": "k", "in": "body"}),
            "`in` has the unknown value `body`: must be one of `header`, `query`",
        );
        check(json!({"tag": "a"}), "`setup_type` is required");
    }

    #[test]
    fn what_was_read_is_written_again() {
        for value in [
            json!({"tag": "a", "name": "", "description": "", "setup_type": "token_access"}),
            json!({"tag": "a", "name": "n", "description": "d", "setup_type": "basic", "headers": {"x": "y"}, "query": {"q": "r"}}),
            json!({"tag": "a", "name": "", "description": "", "setup_type": "credential_access", "action_tag": "login",
                "expiry": 5, "period": "mins"}),
            json!({"tag": "a", "name": "", "description": "", "setup_type": "oauth2", "token_url": "https://a.test/token",
                "scopes": ["r"]}),
            json!({"tag": "a", "name": "", "description": "", "setup_type": "api_key", "key_name": "x-key", "in": "query"}),
        ] {
            assert_eq!(serde_json::to_value(read(value.clone()).unwrap()).unwrap(), value);
        }
    }
}
