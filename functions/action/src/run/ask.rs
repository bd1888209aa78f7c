//! What is asked for: which action of which app is run, where, and with what.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use shared::event::command::RETRIES_LIMIT;
use shared::json::{Problem, WholeNumber, from_value};

use crate::session::SessionGiven;
use crate::tag::{Slug, Tag};

/// The body of `POST /actions/run`, and the fields of a step of type `action`.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(example = json!({
    "product": "shop", "env": "prd", "app": "payments", "action": "create_charge",
    "input": {"body": {"amount": 1250, "currency": "eur"}}, "retries": 2,
}))]
pub(crate) struct RunBody {
    /// The environment of the product.
    #[schema(required = true)]
    env: Option<Slug>,
    /// The product.
    product: Option<Tag>,
    /// Another name of `product`, one of which is required.
    product_tag: Option<Tag>,
    /// The access tag of the app in the product.
    #[schema(required = true)]
    app: Option<Tag>,
    /// The action.
    action: Option<Tag>,
    /// Another name of `action`, one of which is required.
    event: Option<Tag>,
    /// The cache to answer from.
    cache: Option<Tag>,
    /// `{query, params, body, headers}`, or an object with the fields of all of them.
    #[schema(value_type = Option<Object>)]
    input: Option<Value>,
    /// `"tag:token"`, or an object with `tag` and `token`.
    #[schema(value_type = Option<Value>)]
    session: Option<Value>,
    /// The most attempts after the first; as the app says unless given.
    #[schema(value_type = Option<u32>, minimum = 0, maximum = 20)]
    retries: Option<WholeNumber<0, { RETRIES_LIMIT as i64 }>>,
}

/// A run that is asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ask {
    pub(crate) product: Tag,
    pub(crate) env: Slug,
    /// The access tag.
    pub(crate) app: Tag,
    pub(crate) action: Tag,
    pub(crate) cache: Option<Tag>,
    /// In four parts or flat.
    pub(crate) input: Value,
    /// What `$Value{n}` stands for.
    pub(crate) values: Vec<Value>,
    /// As `tag:token`.
    session: Option<String>,
    pub(crate) retries: Option<u32>,
}

impl Ask {
    /// Reads the fields of a step, in which the dispatcher has put values aside.
    pub(crate) fn of_step(action: Value) -> Result<Self, Problem> {
        let Value::Object(mut fields) = action else { return Err(Problem::field("action", "must be an object")) };
        let values = match fields.remove("values") {
            None => Vec::new(),
            Some(Value::Array(values)) => values,
            Some(_) => return Err(Problem::field("values", "must be an array")),
        };
        Ok(Self { values, ..Self::of(from_value(Value::Object(fields))?)? })
    }

    /// Checks a body.
    pub(crate) fn of(body: RunBody) -> Result<Self, Problem> {
        Ok(Self {
            env: body.env.ok_or_else(|| Problem::missing("env"))?,
            product: one_of(("product", body.product), ("product_tag", body.product_tag))?,
            app: body.app.ok_or_else(|| Problem::missing("app"))?,
            action: one_of(("action", body.action), ("event", body.event))?,
            cache: body.cache,
            input: match body.input {
                None => Value::Object(Map::new()),
                Some(input @ Value::Object(_)) => input,
                Some(_) => return Err(Problem::field("input", "must be an object")),
            },
            values: Vec::new(),
            session: body.session.filter(|session| !session.is_null()).map(session).transpose()?,
            retries: body.retries.map(|retries| u32::try_from(retries.get()).unwrap_or_default()),
        })
    }

    /// Returns the session, if one is given.
    pub(crate) fn session(&self) -> Option<SessionGiven> {
        let (tag, token) = self.session.as_deref()?.split_once(':')?;
        Some(SessionGiven { tag: Tag::parse(tag).ok()?, token: token.to_owned() })
    }
}

/// Returns the value of a field that has two names; both may be given if they say the same.
fn one_of(first: (&str, Option<Tag>), second: (&str, Option<Tag>)) -> Result<Tag, Problem> {
    match (first.1, second.1) {
        (Some(one), Some(other)) if one != other => {
            Err(Problem::field(first.0, format!("must be the same as `{}`, or only one of them given", second.0)))
        }
        (Some(tag), _) | (None, Some(tag)) => Ok(tag),
        (None, None) => Err(Problem::missing(first.0)),
    }
}

/// Reads a session as `tag:token`.
fn session(value: Value) -> Result<String, Problem> {
    let text = match value {
        Value::String(text) => text,
        object @ Value::Object(_) => {
            let Given { tag, token } = from_value(object).map_err(|problem| problem.within("session"))?;
            // A token as it was handed out has the tag in front already.
            match token.strip_prefix(tag.as_str()).is_some_and(|rest| rest.starts_with(':')) {
                true => token,
                false => format!("{tag}:{token}"),
            }
        }
        _ => return Err(Problem::field("session", "must be `tag:token`, or an object with `tag` and `token`")),
    };
    let is_session = text.split_once(':').is_some_and(|(tag, token)| Tag::parse(tag).is_ok() && !token.is_empty());
    is_session.then_some(text).ok_or_else(|| Problem::field("session", "must be `tag:token`"))
}

/// A session in two fields.
#[derive(Deserialize)]
struct Given {
    tag: Tag,
    token: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// The body with these fields beside what every run needs.
    fn with(more: &Value) -> Value {
        let mut body = json!({"env": "dev", "product": "shop", "app": "payments", "action": "charge"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    }

    #[test]
    fn every_spelling_is_read() {
        let read = |more: Value| Ask::of_step(with(&more)).unwrap();
        let plain = read(json!({}));
        assert_eq!((plain.product.as_str(), plain.action.as_str(), &plain.input), ("shop", "charge", &json!({})));
        assert_eq!(read(json!({"product": null, "product_tag": "shop", "action": null, "event": "charge"})), plain);
        assert_eq!(read(json!({"product_tag": "shop", "event": "charge", "session": null, "cache": null})), plain);
        assert_eq!(read(json!({"retries": "3"})).retries, Some(3));
        let given = SessionGiven { tag: Tag::parse("users").unwrap(), token: "a.b:c".to_owned() };
        for session in [
            json!("users:a.b:c"),
            json!({"tag": "users", "token": "a.b:c"}),
            json!({"tag": "users", "token": "users:a.b:c"}),
        ] {
            assert_eq!(read(json!({"session": session})).session(), Some(given.clone()), "{session}");
        }
        assert_eq!(read(json!({"values": [1, "$Secret{K}"]})).values, [json!(1), json!("$Secret{K}")]);
    }

    #[test]
    fn what_cannot_be_asked_for_is_refused_by_name() {
        let check = |more: Value, expected: &str| {
            let problem = Ask::of_step(with(&more)).unwrap_err().to_string();
            assert_eq!(problem, expected, "{more}");
        };
        check(json!({"env": null}), "`env` is required");
        check(json!({"env": "prod"}), "`env` must be three lower-case letters, such as `dev`");
        check(json!({"product": null}), "`product` is required");
        check(json!({"app": "a b"}), "`app` must be 1 to 128 letters, digits, `_`, `.` and `-`");
        check(json!({"event": "other"}), "`action` must be the same as `event`, or only one of them given");
        check(json!({"input": "text"}), "`input` must be an object");
        check(json!({"retries": 21}), "`retries` must be a whole number from 0 to 20");
        check(json!({"retries": -1}), "`retries` must be a whole number from 0 to 20");
        check(json!({"session": 5}), "`session` must be `tag:token`, or an object with `tag` and `token`");
        check(json!({"session": "token"}), "`session` must be `tag:token`");
        check(json!({"session": {"tag": "t"}}), "`session.token` is required");
        check(
            json!({"session": {"tag": "t", "token": "x", "id": 1}}),
            "`session`: unknown field `id`: must be one of `tag`, `token`",
        );
        check(json!({"inputs": {}}), "unknown field `inputs`: did you mean `input`?");
    }
}
