//! Any sender that signs with a shared secret, described by the channel's recipe.

use http::HeaderMap;
use shared::Refusal;

use super::{Platform, delivery_header};
use crate::channel::credentials::Credentials;
use crate::signature::Verifier;
use crate::signature::recipe::Recipe;

pub(crate) struct Hmac;

impl Platform for Hmac {
    fn name(&self) -> &'static str {
        "hmac"
    }

    fn verifier(&self, credentials: &Credentials, recipe: Option<&Recipe>) -> Result<Verifier, Refusal> {
        let recipe = recipe.ok_or_else(|| Refusal::missing_field("recipe"))?;
        credentials.only(&["secret"])?;
        let key = recipe.secret_encoding.key(credentials.required("secret")?)?;
        Ok(recipe.scheme()?.verifier(&key))
    }

    fn takes_recipe(&self) -> bool {
        true
    }

    fn delivery_id<'a>(&self, headers: &'a HeaderMap, recipe: Option<&Recipe>) -> Option<&'a [u8]> {
        delivery_header(headers, recipe?.id_header.as_deref()?)
    }
}
