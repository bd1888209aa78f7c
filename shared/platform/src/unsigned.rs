//! Senders that do not sign: only the secrecy of the channel's URL protects it, and the channel must say so.

use crate::credentials::Credentials;
use crate::error::Error;
use crate::platform::Platform;
use crate::signature::Verifier;
use crate::signature::recipe::Recipe;
use crate::spec::{Capability, Spec};

pub(crate) struct Unsigned;

static SPEC: Spec = Spec {
    name: "unsigned",
    title: "Any sender, without signatures",
    version: "1",
    capabilities: &[Capability::ReceiveEvent],
    credentials: &[],
    content_types: &["application/json"],
    proofs: &[],
};

impl Platform for Unsigned {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn verifier(&self, _credentials: &Credentials, _recipe: Option<&Recipe>) -> Result<Verifier, Error> {
        Err(Error::field("credentials", "must be absent, the platform `unsigned` has no signatures"))
    }
}
