//! Any sender that signs with a shared secret, described by the channel's recipe.

use crate::credentials::Credentials;
use crate::error::Error;
use crate::header::delivery_key;
use crate::platform::Platform;
use crate::reading::{DedupKey, Inbound, Reading};
use crate::signature::Verifier;
use crate::signature::recipe::Recipe;
use crate::spec::{Credential, SOURCE, Spec, VERIFY_TOKEN};

pub(crate) struct Hmac;

static SPEC: Spec = Spec {
    name: "hmac",
    title: "Any sender with a shared secret",
    version: "1",
    capabilities: SOURCE,
    credentials: &[Credential::always("secret", "The secret that the sender signs with."), VERIFY_TOKEN],
    content_types: &["application/json"],
    proofs: &[],
};

impl Platform for Hmac {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn verifier(&self, credentials: &Credentials, recipe: Option<&Recipe>) -> Result<Verifier, Error> {
        let recipe = recipe.ok_or_else(|| Error::missing_field("recipe"))?;
        let key = recipe.secret_encoding.key(credentials.required("secret")?)?;
        Ok(recipe.scheme()?.verifier(&key))
    }

    fn read<'a>(&self, inbound: &Inbound<'a>) -> Result<Reading<'a>, Error> {
        let header = inbound.recipe.and_then(|recipe| recipe.id_header.as_deref());
        let key = header.map_or(DedupKey::Body, |name| delivery_key(inbound.headers, name));
        Ok(Reading::event(inbound, None, key))
    }

    fn takes_recipe(&self) -> bool {
        true
    }
}
