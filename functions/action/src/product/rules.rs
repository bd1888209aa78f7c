//! What a product and its access tags must keep to be saved.

use std::collections::BTreeSet;

use shared::json::Problem;
use shared::nearest;

use super::{AuthData, Connection, ConnectionEnv, Product};
use crate::app::App;
use crate::app::rules::{check_name, check_name_and_description, check_size, check_value, each};
use crate::credential::data;

/// The most fallbacks of an access tag.
const FALLBACK_LIMIT: usize = 10;

/// Says which rule a product breaks, and where.
pub(crate) fn check(product: &Product) -> Result<(), Problem> {
    check_name_and_description(&product.name, &product.description)?;
    if product.envs.is_empty() {
        return Err(Problem::field("envs", "must have at least one environment"));
    }
    each("envs", &product.envs, |env| env.slug.to_string(), "slug", |env| check_name("env_name", &env.env_name))?;
    check_size(product)
}

/// Says which rule what an access tag stands for breaks, and where.
pub(crate) fn check_connection(connection: &Connection, product: &Product, app: &App) -> Result<(), Problem> {
    let slug = |env: &ConnectionEnv| env.product_env_slug.to_string();
    each("envs", &connection.envs, slug, "product_env_slug", |env| check_env(env, product, app))?;
    if connection.fallbacks.len() > FALLBACK_LIMIT {
        return Err(Problem::field("fallbacks", format!("must be at most {FALLBACK_LIMIT}")));
    }
    for (index, fallback) in connection.fallbacks.iter().enumerate() {
        if fallback.app == connection.access_tag && fallback.event.is_none() {
            let rule = "must not be the access tag itself, unless `event` names another action";
            return Err(Problem::field(&format!("fallbacks[{index}].app"), rule));
        }
        crate::app::rules::check_placeholders(&format!("fallbacks[{index}].input"), &fallback.input)?;
    }
    check_size(connection)
}

/// Says what an access tag lacks that a run may need.
pub(crate) fn warnings(connection: &Connection, app: &App, access_tags: &BTreeSet<String>) -> Vec<String> {
    let mut warnings = Vec::new();
    for (index, env) in connection.envs.iter().enumerate() {
        let given = |key: &str| env.variables.iter().any(|variable| variable.key == key);
        for variable in app.variables.iter().filter(|variable| !given(&variable.key)) {
            warnings.push(format!("`envs[{index}].variables`: the variable `{}` has no value", variable.key));
        }
        let auth = env.auth_tag.as_ref().or_else(|| app.auths.first().map(|auth| &auth.tag));
        let missing = auth.filter(|tag| !env.auth.iter().any(|auth| auth.auth_tag == **tag && auth.configured));
        if let Some(tag) = missing {
            warnings.push(format!("`envs[{index}].auth`: there are no credentials for `{tag}` yet, which runs need"));
        }
        let is_active = app.envs.iter().any(|own| own.slug == env.app_env_slug && own.active);
        if !is_active {
            warnings.push(format!("`envs[{index}].app_env_slug`: `{}` is not active in the app", env.app_env_slug));
        }
    }
    for (index, fallback) in connection.fallbacks.iter().enumerate() {
        if !access_tags.contains(fallback.app.as_str()) {
            warnings.push(format!("`fallbacks[{index}].app`: the product has no access tag `{}` yet", fallback.app));
        }
    }
    warnings
}

fn check_env(env: &ConnectionEnv, product: &Product, app: &App) -> Result<(), Problem> {
    let of_product = product.envs.iter().map(|env| env.slug.as_str());
    known("product_env_slug", "environment of the product", env.product_env_slug.as_str(), of_product)?;
    let of_app = app.envs.iter().map(|env| env.slug.as_str());
    known("app_env_slug", "environment of the app", env.app_env_slug.as_str(), of_app)?;
    let auths = || app.auths.iter().map(|auth| auth.tag.as_str());
    if let Some(tag) = &env.auth_tag {
        known("auth_tag", "auth of the app", tag.as_str(), auths())?;
    }
    each(
        "variables",
        &env.variables,
        |variable| variable.key.clone(),
        "key",
        |variable| {
            let declared = app.variables.iter().find(|declared| declared.key == variable.key);
            let keys = app.variables.iter().map(|declared| declared.key.as_str());
            match declared {
                Some(declared) => check_value("value", declared.kind, &variable.value),
                None => known("key", "variable of the app", &variable.key, keys),
            }
        },
    )?;
    each(
        "auth",
        &env.auth,
        |auth| auth.auth_tag.to_string(),
        "auth_tag",
        |auth| {
            known("auth_tag", "auth of the app", auth.auth_tag.as_str(), auths())?;
            check_data(auth, app)
        },
    )
}

/// Checks credentials, without a word of what they are.
fn check_data(given: &AuthData, app: &App) -> Result<(), Problem> {
    let auth = app.auths.iter().find(|auth| auth.tag == given.auth_tag);
    match (auth, &given.data) {
        (Some(auth), Some(data)) => data::check(auth, data).map_err(|rule| Problem::field("data", rule)),
        _ => Ok(()),
    }
}

fn known<'a>(
    path: &str,
    what: &str,
    name: &str,
    known: impl IntoIterator<Item = &'a str> + Clone,
) -> Result<(), Problem> {
    if known.clone().into_iter().any(|known| known == name) {
        return Ok(());
    }
    let rule = match known.clone().into_iter().next() {
        None => format!("names the unknown {what} `{name}`: there is none"),
        Some(_) => format!("names the {}", nearest::unknown(what, name, known)),
    };
    Err(Problem::field(path, rule))
}
